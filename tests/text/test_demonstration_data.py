"""The sets of data/ for sequence tasks follow their own rules, which data/README.md states."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

DATA = Path(__file__).parent.parent.parent / "data"
FRONT, BACK = "eöü", "aou"
VOICED = dict(zip("kpt", "gbd", strict=True))
SINGLE = {*"bdfgklmnprstvz"}
CLUSTERS = {
    "bl",
    "br",
    "dr",
    "fl",
    "fr",
    "gl",
    "gr",
    "kl",
    "kr",
    "pl",
    "pr",
    "sk",
    "sl",
    "sp",
    "st",
}
ONSETS = SINGLE | CLUSTERS | {"tr", "str"}


def lines(name: str) -> list[str]:
    """Return the lines of a file, which is UTF-8 in composed form and ends with a line feed."""
    text = (DATA / name).read_bytes().decode("utf-8").replace("\r\n", "\n")  # git on Windows
    assert text.endswith("\n")
    assert unicodedata.is_normalized("NFC", text)
    return text[:-1].split("\n")


def rows(name: str, columns: int) -> list[list[str]]:
    """Return the cells of a table whose lines are all different."""
    found = [line.split("\t") for line in lines(name)]
    assert all(len(row) == columns and all(row) for row in found)
    assert len({tuple(row) for row in found}) == len(found)
    return found


def harmony(word: str, pairs: str) -> str:
    """Return the first or the second letter of a pair: after back vowels, or after front ones."""
    (last,) = re.findall(f"[{FRONT}{BACK}]", word)[-1:]
    return pairs[last in FRONT]


def test_the_sets_are_small_and_described() -> None:
    """Below 150 kB with the play; each file is named in data/README.md."""
    page = (DATA / "README.md").read_text(encoding="utf-8")
    files = [path for path in DATA.rglob("*") if path.suffix in {".txt", ".tsv"}]
    assert len(files) == 9
    assert sum(path.stat().st_size for path in files) < 150_000
    assert all(f"`{path.relative_to(DATA).as_posix()}`" in page for path in files)


def test_places() -> None:
    """No name stands in two countries, and the classes are equally large."""
    names = {path.stem: lines(f"places/{path.name}") for path in (DATA / "places").glob("*.txt")}
    assert len(names) == 4
    assert all(len(each) == 220 for each in names.values())
    assert len({name.lower() for each in names.values() for name in each}) == 4 * 220
    assert all(
        name[0].isupper() and name == name.strip() for each in names.values() for name in each
    )


def test_syllables() -> None:
    """A tag a letter; onsets are as long as the language lets them be."""
    for word, tags in rows("syllables.tsv", 2):
        assert len(word) == len(tags)
        assert [tag == "N" for tag in tags] == [letter in "aeiou" for letter in word]
        assert re.fullmatch("O*N+(C*O*N+)*C*", tags)
        for cluster in re.finditer("(?<=N)C*O+(?=N)", tags):
            letters, marks = word[slice(*cluster.span())], cluster.group()
            onsets = [letters[k:] for k in range(len(letters)) if letters[k:] in ONSETS]
            assert max(map(len, onsets)) == marks.count("O")


def test_plurals() -> None:
    """Vowel harmony, and what becomes of the last letter."""
    for noun, plural in rows("plurals.tsv", 2):
        o, u = harmony(noun, "oö"), harmony(noun, "uü")
        last = noun[-1]
        if last in FRONT + BACK:
            end = last
        elif last == "i":
            end = harmony(noun, "ae")
        elif last == "n":
            end = "r"
        else:
            end = VOICED.get(last, last) + o
        assert plural == f"{noun[:-1]}{end}r{u}"


def test_verbs() -> None:
    """The form follows from the infinitive and the features."""
    for infinitive, form, features in rows("verbs.tsv", 3):
        stem = infinitive[:-2]
        a, o, u = (harmony(stem, pair) for pair in ("ae", "oö", "uü"))
        assert infinitive == f"{stem}{a}n"
        kind, tense, person, number = features.split(";")
        assert kind == "V"
        tenses = {"PRS": a, "PST": "is", "FUT": f"v{o}"}
        singular = {"1": "m", "2": "t", "3": ""}
        plural = {"1": f"m{u}k", "2": f"t{u}k", "3": f"n{a}r"}
        end = (singular if number == "SG" else plural)[person]
        if tense == "PST" and end in {"m", "t"}:
            end = o + end
        if tense != "FUT":
            stem = stem[:-1] + VOICED.get(stem[-1], stem[-1])
        assert form == stem + tenses[tense] + end
