"""`charnn novelty`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from charnn.cli.flags import SectionedCommand, complete_files, declared_flags, flag, output_flags
from charnn.config.text_analysis import LARGEST_SAMPLE, NoveltyConfig

if TYPE_CHECKING:
    from charnn.analysis.novelty import Copied, Novelty
    from charnn.arrays import Array
    from charnn.text.vocabulary import Vocabulary
    from charnn.training.checkpoint import Checkpoint

DRAWN = 4_000  # symbols of a sample in a picture
PASSES = 3  # times that the training text is read, about


@click.command("novelty", cls=SectionedCommand)
@click.argument("checkpoint", metavar="CKPT", shell_complete=complete_files)
@flag(
    "--sample",
    section="Novelty",
    metavar="FILE",
    shell_complete=complete_files,
    help="The text to examine (default: one that is drawn from the model); - is standard input.",
)
@flag(
    "--train",
    section="Novelty",
    multiple=True,
    metavar="FILE",
    shell_complete=complete_files,
    help="The training text, where its files have moved; can be given several times.",
)
@flag(
    "--held-out",
    section="Novelty",
    metavar="FILE",
    shell_complete=complete_files,
    help="Text to compare with (default: the validation part of the training's text).",
)
@declared_flags(NoveltyConfig, "Novelty", environment=False)
@flag("--svg", metavar="FILE", shell_complete=complete_files, help="Draw the first sample.")
@output_flags()
def command(
    checkpoint: str,
    sample: str | None,
    train: tuple[str, ...],
    held_out: str | None,
    svg: str | None,
    quiet: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Say what of a sample stands in the training text: how much the model copies.

    \b
    charnn novelty runs/shakespeare-lstm
    charnn novelty runs/shakespeare-lstm --temperature 0.5,0.8,1
    charnn novelty runs/shakespeare-lstm --sample sonnets.txt --train shakespeare.txt

    For n from 4 to 48, the table has the share of the sample's n-grams, pieces of n symbols, that
    stand in the training text. New text by the same author repeats the training text, too, so the
    last row has the same shares of held-out text of equal length: only what goes beyond them is
    the model's copying (McCoy et al., TACL 2023). Text at a low temperature repeats itself, and
    each repetition counts.

    Below are each sample's longest run that stands in the training text, with its place, and the
    text around it, copied runs underlined. Only exact copies count: with one symbol changed, a run
    ends. What is unknown to the model is never a copy.
    """
    from charnn.analysis.novelty import novelty
    from charnn.analysis.subject import language_model
    from charnn.analysis.training_text import training_text
    from charnn.cli.console import progress_bar, say
    from charnn.cli.picture_file import check_folder
    from charnn.training.archive import load_checkpoint

    options, saved = NoveltyConfig(**values), load_checkpoint(Path(checkpoint))
    language_model(saved, "novelty")
    if svg is not None:
        check_folder(Path(svg))
    text = training_text(saved, train)
    notes, beside = text.notes, text.held_out
    if held_out is not None:
        beside = read_text(held_out, options.encoding, saved.vocabulary, notes)
    if sample is not None:
        samples = {sample: read_text(sample, options.encoding, saved.vocabulary, notes)}
    else:
        samples = drawn(saved, options, quiet or as_json)
    notes += notes_on(beside, max(map(len, samples.values())))
    with progress_bar("searching", PASSES * len(text.train), quiet or as_json) as advance:
        found = novelty(
            samples, text.train, beside, saved.vocabulary, run=options.run, advance=advance
        )
    if svg is not None:
        draw(Path(svg), found, next(iter(samples.values())), saved.vocabulary)
    for note in () if quiet else notes:
        say(f"note: {note}")
    if as_json:
        show_as_json(found, samples, saved.vocabulary)
    else:
        show_found(found, samples, saved.vocabulary, options.show)


def notes_on(held_out: Array, size: int) -> list[str]:
    """Return what is to be known of held-out text beside a sample of some size."""
    if not len(held_out):
        lacking = "there is no held-out text to compare with, without which the shares say little"
        return [f"{lacking}; give one with --held-out FILE."]
    if len(held_out) < size:
        return [f"the held-out text has {len(held_out):,} symbols, fewer than the sample."]
    return []


def drawn(saved: Checkpoint, options: NoveltyConfig, quiet: bool) -> dict[str, Array]:
    """Return a sample, ids (N,), for each temperature."""
    import numpy as np

    from charnn.cli.console import progress_bar
    from charnn.generation.sampling import sample_ids

    samples = {}
    for temperature, sampling in options.samplings.items():
        name = f"temperature {temperature:g}"
        ids = np.empty(options.length, saved.vocabulary.id_dtype)
        with progress_bar(f"sampling, {name}", len(ids), quiet) as advance:
            steps = sample_ids(saved.model, saved.vocabulary, sampling, ids[:0])
            for at, drawn_ids in enumerate(steps):
                ids[at] = drawn_ids[0]
                advance(1)
        samples[name] = ids
    return samples


def read_text(name: str, encoding: str, vocabulary: Vocabulary, notes: list[str]) -> Array:
    """Return a file's ids (N,); an unknown character has an id of no symbol. Raises CorpusError."""
    import numpy as np

    from charnn.text.corpus import check_length
    from charnn.text.source import TextFiles

    files, parts, size = TextFiles([name], encoding), [], 0
    for block in files.raw() if vocabulary.tokens == "bytes" else files.blocks():
        parts.append(vocabulary.encode_block(block))
        size += len(parts[-1])
        if size > LARGEST_SAMPLE:
            notes.append(f"'{name}' is long; its first {LARGEST_SAMPLE:,} symbols are examined.")
            break
    ids = np.concatenate([np.empty(0, vocabulary.id_dtype), *parts])[:LARGEST_SAMPLE]
    check_length([name], ids, vocabulary)
    unknown = int((ids >= len(vocabulary.symbols)).sum())
    if unknown:
        notes.append(
            f"'{name}' has characters that are unknown to the model, {unknown:,} in all; what has "
            "one of them is never a copy."
        )
    return ids


def draw(path: Path, found: Novelty, ids: Array, vocabulary: Vocabulary) -> None:
    """Write the first sample as SVG: what is copied has a colour. Raises InputError."""
    from charnn.cli.picture_file import write_file
    from charnn.pictures import coloured_text

    sample = found.samples[0]
    covered = levels(sample, 0, min(DRAWN, sample.size))
    write_file(
        path,
        coloured_text(
            symbols_of(ids[:DRAWN], vocabulary),
            covered,
            title=f"Copied runs of {found.run} symbols or more ({sample.name})",
            low=0,
            high=1,
            description=found.verdict(sample),
        ),
    )


def levels(sample: Copied, begin: int, end: int) -> list[int]:
    """Return for a part's symbols whether they are in a copied run: 1 or 0."""
    inside = [0] * (end - begin)
    for first, last in sample.runs:
        for at in range(max(first, begin), min(last, end)):
            inside[at - begin] = 1
    return inside


def symbols_of(ids: Array, vocabulary: Vocabulary) -> list[str]:
    """Return ids as symbols, those that are missing from the vocabulary, too."""
    from charnn.text.vocabulary import UNKNOWN_TEXT

    symbols = vocabulary.symbols
    return [symbols[at] if at < len(symbols) else UNKNOWN_TEXT for at in ids.tolist()]


def show_found(
    found: Novelty, samples: dict[str, Array], vocabulary: Vocabulary, shown: int
) -> None:
    """Print the shares, and for each sample the verdict, the longest run and the text around it."""
    from charnn.cli.console import show, show_table
    from charnn.cli.marked_text import show_marked, show_sentences

    texts = [*found.samples, *([found.held_out] if found.held_out is not None else [])]
    lengths = list(texts[0].known)
    rows = [
        [
            text.name,
            *(percent(text.known[n]) for n in lengths),
            f"{text.longest.length if text.longest is not None else 0:,}",
        ]
        for text in texts
    ]
    show_table(
        "share of n-grams that stand in the training text, by n",
        ["text", *map(str, lengths), "longest"],
        rows,
        ["text"],
    )
    for sample, ids in zip(found.samples, samples.values(), strict=True):
        show(f"{sample.name}: {sample.size:,} symbols", "bold")
        show_sentences(found.verdict(sample))
        longest = sample.longest
        if longest is None:
            show("")
            continue
        show_sentences(
            f"Longest copied run: {longest.length:,} symbols from {longest.start:,} on, first at "
            f"{longest.place:,} of the training text (line {longest.line:,})."
        )
        if shown:
            show("")
            begin, end = around(longest.start, longest.length, shown, sample.size)
            part = symbols_of(ids[begin:end], vocabulary)
            show_marked(part, levels(sample, begin, end), " ~", ("", "underline"))
        show("")
    show(f"Underlined or marked ~: copied runs of {found.run} symbols or more.")


def around(start: int, length: int, shown: int, size: int) -> tuple[int, int]:
    """Return the beginning and end of a part of a text with a run in its middle."""
    begin = max(0, min(start - max(0, shown - length) // 2, size - shown))
    return begin, min(size, begin + shown)


def percent(share: float | None) -> str:
    """Return a share for a table; nothing where there is none."""
    return "" if share is None else f"{share:.1%}"


def show_as_json(found: Novelty, samples: dict[str, Array], vocabulary: Vocabulary) -> None:
    """Print all figures, and the samples with their runs."""
    from charnn.cli.console import show_json

    entries = []
    for sample, ids in zip(found.samples, samples.values(), strict=True):
        symbols = symbols_of(ids, vocabulary)
        longest = sample.longest
        begin, end = (longest.start, longest.start + longest.length) if longest else (0, 0)
        entries.append(
            {
                **sample.to_json(),
                "verdict": found.verdict(sample),
                "longest_text": "".join(symbols[begin:end]),
                "text": "".join(symbols),
            }
        )
    show_json(
        {
            "run": found.run,
            "training_symbols": found.training_size,
            "held_out": None if found.held_out is None else found.held_out.to_json(),
            "samples": entries,
        }
    )
