"""`charnn gradflow`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from charnn.cli.flags import (
    SectionedCommand,
    complete_files,
    declared_flags,
    flag,
    given,
    output_flags,
)
from charnn.config.gradient_flow import GradientFlowConfig
from charnn.errors import ConfigError

OF_A_TEXT, OF_CELLS = ("lags", "positions", "encoding"), ("init",)


@click.command("gradflow", cls=SectionedCommand)
@click.argument("checkpoint", required=False, metavar="[CKPT]", shell_complete=complete_files)
@click.argument("text", nargs=-1, metavar="[TEXT...]", shell_complete=complete_files)
@declared_flags(GradientFlowConfig, "Gradient flow", environment=False)
@flag("--svg", metavar="FILE", shell_complete=complete_files, help="Draw the norms as SVG.")
@output_flags()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    checkpoint: str | None,
    text: tuple[str, ...],
    svg: str | None,
    quiet: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Show how far gradients reach back in a model, and why.

    \b
    charnn gradflow runs/shakespeare-lstm sonnets.txt
    charnn gradflow runs/shakespeare-gru sonnets.txt --lags 100 --svg flow.svg
    charnn gradflow --cell rnn,lstm,gru

    The loss at one place T of the text depends on all states before it. The command computes the
    norms of its gradients by the states k steps back, dL_T/dh_{T-k} and dL_T/dc_{T-k}, at random
    places, with the trained weights and with those that the run's seed starts from. Where the norm
    is small, what the model read k steps before T is hardly learned from. Medians are shown: the
    factor by which they fall in a step (a straight line through their logarithms), the half-life
    that follows from it, the lag from which on they are below 1 % of that at lag 0, and the share
    of their sum at lags that the windows of training do not hold.

    "prod f" (of GRUs: prod (1 - z)) is the path of the state that passes no weights. rho is the
    largest absolute eigenvalue of the recurrent weights of a gate, sigma their largest singular
    value: in an RNN, gradients by h must vanish if sigma < 1, and can explode only if sigma > 1.

    With --cell there is no checkpoint: untrained networks read 50 random symbols, and what the
    textbooks say of them can be seen.
    """
    options = GradientFlowConfig(**values)
    named = given(ctx, values)
    refuse(options, checkpoint, text, named)
    if svg is not None:
        from charnn.cli.picture_file import check_folder

        check_folder(Path(svg))
    if checkpoint is None:
        of_cells(options, svg, quiet, as_json)
    else:
        of_checkpoint(checkpoint, text, options, svg, quiet, as_json)


def refuse(
    options: GradientFlowConfig,
    checkpoint: str | None,
    text: tuple[str, ...],
    named: dict[str, int],
) -> None:
    """Raise ConfigError for what does not fit together."""
    if checkpoint is None and options.cell is None:
        raise ConfigError("there is no model; give CKPT and TEXT, or --cell rnn,lstm,gru.")
    if checkpoint is not None and options.cell is not None:
        raise ConfigError(
            f"the checkpoint '{checkpoint}' has its cell; leave out --cell, or the checkpoint."
        )
    if checkpoint is not None and not text:
        raise ConfigError(f"'{checkpoint}' has no text to read; give CKPT and TEXT.")
    wrong = OF_CELLS if checkpoint is not None else OF_A_TEXT
    for name in wrong:
        if name in named:
            other = "--cell" if checkpoint is not None else "a checkpoint"
            raise ConfigError(f"--{name} is for {other}; leave it out.")


def of_checkpoint(
    checkpoint: str,
    text: tuple[str, ...],
    options: GradientFlowConfig,
    svg: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Measure a trained model and its untrained weights on a text, and show both."""
    from charnn.analysis.clipping_record import clipping_of
    from charnn.analysis.gradient_flow import gradient_flow, places_in
    from charnn.analysis.subject import language_model
    from charnn.cli.console import progress_bar, say, show_json
    from charnn.cli.gradflow_report import Findings, show_findings
    from charnn.cli.picture_file import write_file
    from charnn.report.gradient_picture import gradient_picture
    from charnn.tasks.language_modelling import unknown_notes
    from charnn.text.corpus import read_for_scoring
    from charnn.training.archive import load_checkpoint

    saved = load_checkpoint(Path(checkpoint))
    model = language_model(saved, "gradflow")
    ids, outside = read_for_scoring(text, options.encoding, saved.vocabulary)
    places = places_in(len(ids), options.lags, options.positions, options.seed)
    training = saved.config.training
    start = type(model).started(model.config, model.sizes, training.seed)
    with progress_bar("following", 2 * len(places.starts), quiet or as_json) as advance:
        after, before = (
            gradient_flow(each, ids, places, training.seq_length, advance)
            for each in (model, start)
        )
    clipping, unknown_clipping = clipping_of(Path(checkpoint), saved)
    notes = unknown_notes(outside, saved.vocabulary, "read")
    if places.lags < options.lags:
        notes.append(f"the text has {len(ids):,} symbols, enough for {places.lags} lags.")
    if unknown_clipping is not None:
        notes.append(unknown_clipping)
    found = Findings(checkpoint, len(ids), training.seq_length, after, before, clipping)
    if svg is not None:
        write_file(Path(svg), gradient_picture(after, before, training.seq_length))
    if not quiet:
        for note in notes:
            say(f"note: {note}")
    if as_json:
        show_json(asdict(found))
    else:
        show_findings(found, str(model.cell), quiet)


def of_cells(options: GradientFlowConfig, svg: str | None, quiet: bool, as_json: bool) -> None:
    """Run the experiment with untrained networks, and show it."""
    from charnn.analysis.vanishing import Arithmetic, vanishing
    from charnn.cli.console import progress_bar, show_json
    from charnn.cli.gradflow_report import show_cells
    from charnn.cli.picture_file import write_file
    from charnn.report.gradient_picture import cells_picture

    flows = {}
    with progress_bar("following", len(options.cells), quiet or as_json) as advance:
        for cell in options.cells:
            flows[cell] = vanishing(cell, options.init, options.seed)
            advance(1)
    if svg is not None:
        write_file(Path(svg), cells_picture(flows))
    if as_json:
        cells = {cell: asdict(flow) for cell, flow in flows.items()}
        show_json({"init": options.init, "cells": cells, "arithmetic": asdict(Arithmetic())})
    else:
        show_cells(flows, options.init, quiet)
