"""`charnn vocab`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from charnn.cli.flags import SectionedCommand, declared_flags, file_names, flag, output_flags
from charnn.config import DataConfig
from charnn.errors import VocabularyError


@click.command("vocab", cls=SectionedCommand)
@click.argument("corpus", nargs=-1, required=True, metavar="CORPUS...", shell_complete=file_names)
@flag("--one-hot", section="Vocabulary", metavar="TEXT", help="Print a text's one-hot vectors.")
@flag("--out", section="Vocabulary", metavar="FILE", help="Save it for `charnn train --vocab`.")
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
    from charnn.cli.console import say, show, show_json, show_table
    from charnn.files import write_text
    from charnn.text.corpus import count_symbols, make_vocabulary
    from charnn.text.source import TextFiles

    config = DataConfig(**values)
    files = TextFiles(corpus, config.encoding)
    vocabulary = make_vocabulary(files, config)
    counts = count_symbols(files, vocabulary)
    shares = counts / max(counts.sum(), 1)
    entropy = -sum(share * math.log(share) for share in shares.tolist() if share)
    if one_hot is not None:
        outside = [symbol for symbol in vocabulary.outside(one_hot) if not vocabulary.unknown]
        if outside:
            raise VocabularyError(
                f"--one-hot has {outside[0]!r}, which the corpus lacks; use its characters."
            )
    if out is not None and any(same_file(out, name) for name in corpus):
        raise VocabularyError(f"--out '{out}' is the corpus itself; choose another file.")
    if out is not None:
        import json

        try:
            write_text(Path(out), json.dumps(vocabulary.to_json()) + "\n")
        except OSError as error:
            raise VocabularyError(
                f"vocabulary file '{out}' cannot be written ({error.strerror}); choose another."
            ) from error
        if not quiet:
            say(f"saved {len(vocabulary)} symbols to {out}; next: charnn train --vocab {out} ...")
    names = [vocabulary.name(number) for number in range(len(vocabulary))]
    points = [
        "" if number == vocabulary.unknown_id else f"U+{ord(vocabulary.symbols[number]):04X}"
        for number in range(len(vocabulary))
    ]
    vectors = None
    if one_hot is not None:
        ids = vocabulary.encode(one_hot)
        vectors = vocabulary.one_hot(ids).astype(int).tolist()
    if as_json:
        symbols = [
            {"id": n, "symbol": names[n], "code_point": points[n], "count": int(counts[n])}
            for n in range(len(vocabulary))
        ]
        content: dict[str, Any] = {
            "tokens": vocabulary.tokens,
            "size": len(vocabulary),
            "total": int(counts.sum()),
            "entropy_nats": entropy,
            "entropy_bits": entropy / math.log(2),
            "symbols": symbols,
        }
        if vectors is not None:
            content["one_hot"] = vectors
        show_json(content)
        return
    if vectors is not None:
        rows = [
            [t + 1, names[symbol], " ".join(map(str, vector))]
            for t, (symbol, vector) in enumerate(zip(ids.tolist(), vectors, strict=True))
        ]
        show_table(f"one-hot vectors, V = {len(vocabulary)}", ["t", "symbol", "x_t"], rows, ["x_t"])
        return
    rows = [
        [n, names[n], points[n], f"{counts[n]:,}", f"{shares[n]:.3%}"]
        for n in range(len(vocabulary))
    ]
    show_table(
        f"{len(vocabulary)} symbols",
        ["id", "symbol", "code point", "count", "share"],
        rows,
        ["symbol"],
    )
    unit = vocabulary.unit
    show(
        f"{int(counts.sum()):,} {unit}s; entropy {entropy:.4f} nats/{unit} "
        f"({entropy / math.log(2):.4f} bits/{unit})"
    )


def same_file(first: str, second: str) -> bool:
    """Say whether two names mean one existing file."""
    return Path(first).exists() and Path(second).exists() and Path(first).samefile(second)
