"""`charnn vocab`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from charnn.cli.flags import SectionedCommand, complete_files, declared_flags, flag, output_flags
from charnn.config import DataConfig
from charnn.errors import VocabularyError

if TYPE_CHECKING:
    from charnn.arrays import Array
    from charnn.text.vocabulary import Vocabulary


@click.command("vocab", cls=SectionedCommand)
@click.argument(
    "corpus", nargs=-1, required=True, metavar="CORPUS...", shell_complete=complete_files
)
@flag(
    "--one-hot",
    section="Vocabulary",
    metavar="TEXT",
    help="Print the one-hot vectors of this text.",
)
@flag(
    "--out",
    section="Vocabulary",
    metavar="FILE",
    shell_complete=complete_files,
    help="Save the vocabulary for `charnn train --vocab`.",
)
@declared_flags(DataConfig, "Vocabulary", ["tokens", "min_count", "encoding"], environment=False)
@output_flags()
def command(
    corpus: tuple[str, ...],
    one_hot: str | None,
    out: str | None,
    quiet: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Show the vocabulary of a text: symbols, code points, ids, counts, and the entropy.

    \b
    charnn vocab shakespeare.txt
    charnn vocab hello.txt --one-hot hello
    charnn vocab a.txt b.txt --min-count 5 --out both.json
    """
    from charnn.text.corpus import count_symbols, make_vocabulary
    from charnn.text.source import TextFiles

    config = DataConfig(**values)
    files = TextFiles(corpus, config.encoding)
    vocabulary = make_vocabulary(files, config)
    if one_hot is not None:
        check_one_hot(one_hot, vocabulary)
    if out is not None:
        save(vocabulary, out, corpus, quiet)
    counts = count_symbols(files, vocabulary)
    if as_json:
        show_as_json(vocabulary, counts, one_hot)
    elif one_hot is not None:
        show_one_hot(vocabulary, one_hot)
    else:
        show_symbols(vocabulary, counts)


def check_one_hot(text: str, vocabulary: Vocabulary) -> None:
    """Raise VocabularyError for a text that has no one-hot vectors."""
    outside = [symbol for symbol in vocabulary.outside(text) if not vocabulary.unknown]
    if outside:
        raise VocabularyError(
            f"--one-hot has {outside[0]!r}, which does not occur in the corpus; leave it out."
        )


def save(vocabulary: Vocabulary, out: str, corpus: tuple[str, ...], quiet: bool) -> None:
    """Write the vocabulary to a file. Raises VocabularyError."""
    from charnn.cli.console import say
    from charnn.files import write_text

    if any(same_file(out, name) for name in corpus):
        raise VocabularyError(f"--out '{out}' is the corpus itself; choose another file.")
    try:
        write_text(Path(out), json.dumps(vocabulary.to_json()) + "\n")
    except OSError as error:
        raise VocabularyError(
            f"vocabulary file '{out}' cannot be written ({error.strerror}); choose another file."
        ) from error
    if not quiet:
        say(f"saved {len(vocabulary)} symbols to {out}; next: charnn train --vocab {out} ...")


def code_point(vocabulary: Vocabulary, number: int) -> str:
    """Return a symbol's code point; the unknown symbol has none."""
    unknown = number == vocabulary.unknown_id
    return "" if unknown else f"U+{ord(vocabulary.symbols[number]):04X}"


def one_hot_vectors(vocabulary: Vocabulary, text: str) -> list[list[int]]:
    """Return the one-hot vectors of a text, one for each character."""
    vectors: list[list[int]] = vocabulary.one_hot(vocabulary.encode(text)).astype(int).tolist()
    return vectors


def entropy(counts: Array) -> float:
    """Return the entropy of the symbols' frequencies in nats."""
    shares = counts / max(counts.sum(), 1)
    return -math.fsum(share * math.log(share) for share in shares.tolist() if share)


def show_as_json(vocabulary: Vocabulary, counts: Array, one_hot: str | None) -> None:
    """Print everything as JSON."""
    from charnn.cli.console import show_json

    nats = entropy(counts)
    content: dict[str, Any] = {
        "tokens": vocabulary.tokens,
        "size": len(vocabulary),
        "total": int(counts.sum()),
        "entropy_nats": nats,
        "entropy_bits": nats / math.log(2),
        "symbols": [
            {
                "id": n,
                "symbol": vocabulary.name(n),
                "code_point": code_point(vocabulary, n),
                "count": int(counts[n]),
            }
            for n in range(len(vocabulary))
        ],
    }
    if one_hot is not None:
        content["one_hot"] = one_hot_vectors(vocabulary, one_hot)
    show_json(content)


def show_one_hot(vocabulary: Vocabulary, text: str) -> None:
    """Print the one-hot vectors of a text as a table."""
    from charnn.cli.console import show_table

    ids = vocabulary.encode(text).tolist()
    rows = [
        [t, vocabulary.name(symbol), " ".join(map(str, vector))]
        for t, (symbol, vector) in enumerate(
            zip(ids, one_hot_vectors(vocabulary, text), strict=True), 1
        )
    ]
    show_table(f"one-hot vectors, V = {len(vocabulary)}", ["t", "symbol", "x_t"], rows, ["x_t"])


def show_symbols(vocabulary: Vocabulary, counts: Array) -> None:
    """Print the symbols with their counts, and the entropy."""
    from charnn.cli.console import show, show_table

    total = max(counts.sum(), 1)
    rows = [
        [
            n,
            vocabulary.name(n),
            code_point(vocabulary, n),
            f"{counts[n]:,}",
            f"{counts[n] / total:.3%}",
        ]
        for n in range(len(vocabulary))
    ]
    columns = ["id", "symbol", "code point", "count", "share"]
    show_table(f"{len(vocabulary)} symbols", columns, rows, ["symbol"])
    unit, nats = vocabulary.unit, entropy(counts)
    show(
        f"{int(counts.sum()):,} {unit}s; entropy {nats:.4f} nats/{unit} "
        f"({nats / math.log(2):.4f} bits/{unit})"
    )


def same_file(first: str, second: str) -> bool:
    """Return whether two names refer to the same existing file."""
    return Path(first).exists() and Path(second).exists() and Path(first).samefile(second)
