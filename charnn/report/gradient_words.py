"""What a model's gradient flow means, in sentences."""

from __future__ import annotations

from charnn.analysis.clipping_record import ClippingRecord
from charnn.analysis.gradient_flow import LayerFlow, StateFlow


def meaning(after: LayerFlow, before: LayerFlow, window: int) -> list[str]:
    """Return what a layer's figures mean, in sentences."""
    found = []
    for trained, untrained in zip(after.states, before.states, strict=True):
        found.append(
            f"By {trained.state}, a loss's gradient {course(trained)}; before training it "
            f"{course(untrained)}."
        )
        beyond = trained.decay.beyond
        if beyond is not None:
            found.append(
                f"  {percent(beyond)} of it, summed over the lags, lies further back than the "
                f"{window} steps of a training window."
            )
    direct = after.states[-1].direct_decay
    if direct is not None and direct.half_life is not None:
        found.append(
            f"On the direct path alone, {product_of(after.keeps)}, it would halve every "
            f"{direct.half_life:.1f} steps."
        )
    if after.bound is not None:
        found.append(f"In the mean, tanh passes on {after.mean_slope:.3f} of it: 1 - h^2.")
        sigma = after.spectra[0].largest_singular
        verdict = (
            "it is below 1, so gradients by h must vanish"
            if sigma < 1
            else "it is not below 1, so W_hh alone does not make gradients vanish; whether they "
            "explode, it cannot say"
        )
        found.append(f"The largest singular value of W_hh is {sigma:.3f}: {verdict}.")
    elif after.spectra:
        found.append("No bound follows from W_hh alone: the state also passes through its gate.")
    return found


def product_of(gate: str | None) -> str:
    """Return the direct path's product in words: `prod f`, or `prod (1 - z)`."""
    return f"prod ({gate})" if gate is not None and " " in gate else f"prod {gate}"


def course(flow: StateFlow) -> str:
    """Return how fast norms fall, in words."""
    factor, life = flow.decay.factor, flow.decay.half_life
    if factor is None:
        return "is 0 at almost all lags"
    if life is None:
        return f"does not fall (factor {factor:.4f} a step)"
    return f"halves every {life:.1f} steps (factor {factor:.4f} a step)"


def clipping_in_words(record: ClippingRecord) -> str:
    """Return how many updates were clipped, in a sentence."""
    of = "recorded updates (every 20th)" if record.sampled else "updates"
    norms = f"their gradients' norms were {record.norm_mean:.3g} in the mean, {record.norm_max:.3g}"
    if record.clip_norm is None:
        return f"No update was clipped; of {record.counted:,} {of} {norms} at most."
    return (
        f"{percent(record.share)} of {record.counted:,} {of} were clipped to the norm "
        f"{record.clip_norm:g}; {norms} at most."
    )


def percent(share: float | None) -> str:
    """Return a share in percent."""
    if share is None:
        return "-"
    return "under 0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"
