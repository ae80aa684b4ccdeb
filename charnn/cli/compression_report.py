"""What `charnn compress` and `charnn decompress` say of a file that they have written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from charnn.cli.compression_files import STREAM, Job

if TYPE_CHECKING:
    from charnn.compression.compressor import Sizes
    from charnn.compression.container import Header
    from charnn.compression.own_model import OwnModel
    from charnn.compression.quantized import QuantizedModel

DIGITS = 8  # of a digest, where it is shown to people


@dataclass(frozen=True)
class Reported:
    """A file that was compressed, and its model, which was trained on it if there is `own`."""

    job: Job
    sizes: Sizes
    quantized: QuantizedModel
    embed: bool
    own: OwnModel | None = None

    def values(self) -> dict[str, Any]:
        """Return everything as JSON has it. `bits_per_char` is that of the whole file."""
        sizes = self.sizes
        return {
            "file": self.job.source,
            "out": self.job.target,
            "method": sizes.method.name.lower(),
            "original_bytes": sizes.original,
            "compressed_bytes": sizes.compressed,
            "ratio": sizes.original / sizes.compressed,
            "unit": self.quantized.vocabulary.unit,
            "characters": sizes.characters,
            "bits_per_char": each(8 * sizes.compressed, sizes.characters),
            "blocks": {kind.name.lower(): count for kind, count in sizes.blocks.items()},
            "coded": self.coded(),
            "patches_bytes": sizes.patches,
            "model": self.model(),
            "training": self.training(),
            "seconds": sizes.seconds,
            "chars_per_second": each(sizes.characters, sizes.seconds),
        }

    def coded(self) -> dict[str, Any] | None:
        """Return what the model coded beside what it promised and what the network alone
        would have taken, or None where it coded nothing.
        """
        sizes = self.sizes
        if not sizes.symbols:
            return None
        return {
            "symbols": sizes.symbols,
            "lanes": sizes.lanes,
            "bytes": sizes.coded,
            "bits_per_symbol": 8 * sizes.coded / sizes.symbols,
            "network_bytes": sizes.network_bits / 8,
            "network_bits_per_symbol": sizes.network_bits / sizes.symbols,
            "ideal_bytes": sizes.ideal_bits / 8,
            "ideal_bits_per_symbol": sizes.ideal_bits / sizes.symbols,
        }

    def model(self) -> dict[str, Any] | None:
        """Return what the model is, how many bytes it takes, and whether they are in the file.

        None where the file needs no model.
        """
        from charnn.compression.container import Method
        from charnn.compression.packing import pack

        if self.sizes.method != Method.MODEL:
            return None
        return {
            "digest": self.quantized.digest().hex(),
            "embedded": self.embed,
            "bytes": self.sizes.model if self.embed else len(pack(self.quantized)),
            **facts_of(self.quantized),
        }

    def training(self) -> dict[str, Any] | None:
        """Return how the model was trained, or None where it was given."""
        own = self.own
        if own is None:
            return None
        return {
            "hidden_size": own.model.config.hidden_size,
            "updates": own.updates,
            "passes": own.passes,
            "seconds": own.seconds,
        }


def facts_of(quantized: QuantizedModel) -> dict[str, Any]:
    """Return what a model in integers is."""
    config = quantized.config
    return {
        "cell": config.cell,
        "num_layers": config.num_layers,
        "hidden_size": config.hidden_size,
        "weights": sum(array.values.size for array in quantized.arrays.values()),
        "bits": quantized.bits,
        "symbols": len(quantized.vocabulary),
    }


def each(amount: float, of: float) -> float | None:
    """Return an amount for each of some things, or None where there are none."""
    return amount / of if of else None


def show_compressed(reported: Reported, quiet: bool, as_json: bool) -> None:
    """Say what compressing a file came to: on standard error, if the file is standard output."""
    from charnn.cli.console import show_json

    if as_json:
        show_json(reported.values())
        return
    tell, found = teller(reported.job, quiet), reported.values()
    tell(f"{place(reported.job)}: {in_words(found)}")
    if quiet:
        return
    for name, fact in facts_in_words(found).items():
        tell(f"{name:<12}{fact}")


def in_words(found: dict[str, Any]) -> str:
    """Return how small a file has become: `29,980 bytes of 111,540, 3.72 : 1, 2.150 bits/char`."""
    size, original = found["compressed_bytes"], found["original_bytes"]
    words = f"{size:,} bytes of {original:,}"
    if original:
        words += f"{ratio(original, size)}, {found['bits_per_char']:.4f} bits/{found['unit']}"
    return words


def ratio(original: int, size: int) -> str:
    """Return in words how many times smaller a file has become; nothing for an empty one."""
    return f", {original / size:.2f} : 1" if original and size else ""


def facts_in_words(found: dict[str, Any]) -> dict[str, str]:
    """Return what there is to say of a file beside its size, by subject."""
    facts: dict[str, str] = {}
    coded, model, unit = found["coded"], found["model"], found["unit"]
    if coded is not None:
        more = coded["bytes"] / coded["ideal_bytes"] - 1
        facts["coded"] = (
            f"{coded['symbols']:,} symbols in {coded['bytes']:,} bytes and "
            f"{coded['lanes']:,} lane{'s' if coded['lanes'] > 1 else ''}, "
            f"{coded['bits_per_symbol']:.4f} bits/{unit}"
        )
        facts["network"] = (
            f"{coded['network_bytes']:,.0f} bytes, {coded['network_bits_per_symbol']:.4f} "
            f"bits/{unit}: its own cross-entropy"
        )
        facts["ideal"] = (
            f"{coded['ideal_bytes']:,.0f} bytes, {coded['ideal_bits_per_symbol']:.4f} bits/{unit}: "
            f"with what it learns of the text on the way; the coder takes {100 * more:.2f} % more"
        )
    if model is None:
        way = "stored as it is" if found["method"] == "stored" else "LZMA"
        facts["method"] = f"{way}; with the model, the file would not be smaller"
    else:
        facts["model"] = model_in_words(model, found["compressed_bytes"])
    training = found["training"]
    if training is not None:
        facts["trained"] = (
            f"{training['hidden_size']} units, {training['updates']:,} updates, "
            f"{training['passes']:.1f} passes over the text, {training['seconds']:.0f} s"
        )
    if found["patches_bytes"]:
        facts["patches"] = f"{found['patches_bytes']:,} bytes: characters that the model lacks"
    blocks = {kind: count for kind, count in found["blocks"].items() if kind != "model"}
    if blocks:
        facts["blocks"] = ", ".join(f"{count:,} {kind}" for kind, count in found["blocks"].items())
    if found["chars_per_second"]:
        facts["speed"] = (
            f"{found['chars_per_second']:,.0f} {unit}s/s, {found['seconds']:.1f} s in all, "
            "with reading it back"
        )
    return facts


def model_in_words(model: dict[str, Any], size: int) -> str:
    """Return what a model is, and whether its size is counted."""
    network = f"{model['cell']}, {model['num_layers']} x {model['hidden_size']} units"
    if model["embedded"]:
        return (
            f"counted: {model['bytes']:,} bytes, {model['bytes'] / size:.0%} of the file; {network}"
        )
    return (
        f"not counted: the reader needs it, {model['bytes']:,} bytes; {network}, digest "
        f"{model['digest'][:DIGITS]}"
    )


def show_decompressed(
    job: Job, header: Header, seconds: float, checked: bool, quiet: bool, as_json: bool
) -> None:
    """Say what decompressing or checking a file came to."""
    from charnn.cli.console import show_json

    if as_json:
        content: dict[str, Any] = {
            "file": job.source,
            "out": None if checked else job.target,
            "method": header.method.name.lower(),
            "original_bytes": header.length,
            "compressed_bytes": header.size + header.body,
            "sha256": header.sha256.hex(),
            "seconds": seconds,
        }
        show_json(content)
        return
    tell = teller(job, quiet)
    if checked:
        name = "standard input" if job.source == STREAM else job.source
        tell(f"{name}: sound, {header.length:,} bytes as they were, {seconds:.1f} s")
    else:
        tell(f"{place(job)}: {header.length:,} bytes, as they were, {seconds:.1f} s")


def place(job: Job) -> str:
    """Return where a job writes, in words."""
    return "standard output" if job.target == STREAM else job.target


def teller(job: Job, quiet: bool) -> Callable[[str], None]:
    """Return what prints results: on standard error where standard output has the file itself."""
    from charnn.cli.console import say, show

    if job.target != STREAM:
        return show
    return (lambda _: None) if quiet else say
