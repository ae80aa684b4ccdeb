"""Reading pictures back: what a reader sees, by the ticks' labels and not by charnn's own axes."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np

SVG = "{http://www.w3.org/2000/svg}"


def parsed(text: str) -> ET.Element:
    """Return a picture that is well-formed, and has what every picture has."""
    root = ET.fromstring(text)  # noqa: S314 - charnn's own
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert title.text
    assert description is not None
    assert description.text
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|NaN|Infinity|\binf\b", drawing(text))
    return root


def drawing(text: str) -> str:
    """Return a picture without its words."""
    return re.sub(r"<(text|title|desc)\b[^>]*>[^<]*</\1>", "", text)


def of_class(root: ET.Element, tag: str, kind: str) -> list[ET.Element]:
    """Return the elements of a kind that have a class."""
    return [each for each in root.iter(SVG + tag) if kind in (each.get("class") or "").split()]


def description_of(text: str) -> str:
    """Return a picture's text for those who cannot see it."""
    found = parsed(text).findtext(f"{SVG}desc")
    assert found is not None
    return found


def lines_of(root: ET.Element, frame: bool = True) -> list[list[np.ndarray]]:
    """Return each line as its pieces (N, 2) of pixels; those of the legend are left out."""
    found = []
    for path in of_class(root, "path", "line"):
        if "h" in path.get("d", ""):
            continue  # a sample of the legend
        pieces = [piece for piece in path.get("d", "").split("M") if piece]
        found.append([np.array([p.split() for p in piece.split("L")], float) for piece in pieces])
    return found


def number(text: str) -> float | None:
    """Return what a tick's label says, or None for other words."""
    text = text.replace(",", "")
    power = re.fullmatch(r"(?:(\d)·)?10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", text)
    if power:
        exponent = power[2].translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
        return float(power[1] or 1) * 10.0 ** int(exponent)
    try:
        return float(text)
    except ValueError:
        return None


def frame_of(root: ET.Element) -> tuple[float, float, float, float]:
    """Return the left, top, bottom and right pixel of the axes."""
    (axis,) = of_class(root, "path", "axis")
    match = re.fullmatch(r"M([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)", axis.get("d", ""))
    assert match
    left, top, bottom, right = map(float, match.groups())
    return left, top, bottom, right


def ticks_of(root: ET.Element) -> tuple[np.ndarray, np.ndarray]:
    """Return the ticks of both axes as pairs (value, pixel), (N, 2): across, then upwards."""
    left, _, bottom, _ = frame_of(root)
    across, upwards = [], []
    for text in root.iter(f"{SVG}text"):
        value = number(text.text or "")
        if value is None or text.get("x") is None:
            continue
        x, y, kind = float(text.get("x", "")), float(text.get("y", "")), text.get("class")
        if kind == "middle" and y > bottom:
            across.append((value, x))
        elif kind == "end" and x < left:
            upwards.append((value, y - 4))
    return np.array(across), np.array(upwards)


def read_back(root: ET.Element, log_x: bool = False, log_y: bool = False) -> list[np.ndarray]:
    """Return each line's points as the values that the ticks' labels give them."""
    across, upwards = ticks_of(root)
    found = []
    for pieces in lines_of(root):
        pixels = np.concatenate(pieces)
        columns = []
        for at, (ticks, log) in enumerate(((across, log_x), (upwards, log_y))):
            values = np.log(ticks[:, 0]) if log else ticks[:, 0]
            slope, start = np.polyfit(ticks[:, 1], values, 1)
            here = start + slope * pixels[:, at]
            columns.append(np.exp(here) if log else here)
        found.append(np.stack(columns, axis=1))
    return found


def boxes(root: ET.Element) -> list[tuple[float, float, float, float]]:
    """Return about where each upright label stands: left, right, top, bottom."""
    found = []
    for text in root.iter(f"{SVG}text"):
        if text.get("x") is None or "mono" in (text.get("class") or ""):
            continue
        kind, size = text.get("class") or "", 12 if text.get("class") != "title" else 15
        width = 0.5 * size * len(text.text or "")
        left = float(text.get("x", "")) - {"end": width, "middle": width / 2}.get(kind, 0)
        bottom = float(text.get("y", ""))
        found.append((left, left + width, bottom - 0.7 * size, bottom))
    return found


def overlaps(root: ET.Element) -> int:
    """Return how many pairs of labels cover each other."""
    places = boxes(root)
    return sum(
        a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]
        for n, a in enumerate(places)
        for b in places[:n]
    )
