"""Reading drawings back: texts, curves and markers of an SVG element, in the units of its first axes."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def vertices(svg: str, color: str) -> Any:
    """The path of most vertices in a colour, in the units of the first axes (0 to 1), shape (points, 2)."""
    paths = list(ElementTree.fromstring(svg).iter(f"{SVG}path"))
    frame = coordinates(paths[1].get("d"))
    lines = [coordinates(path.get("d")) for path in paths if f"stroke: {color.lower()}" in path.get("style", "")]
    return (max(lines, key=len) - frame[0]) / (frame[2] - frame[0])


def coordinates(path: str) -> Any:
    return np.array(re.findall(r"-?\d+(?:\.\d+)?", path), dtype=float).reshape(-1, 2)


def markers(svg: str, color: str) -> Any:
    """Places of the markers of a colour within the first axes, in its units (0 to 1)."""
    root = ElementTree.fromstring(svg)
    frame = coordinates(list(root.iter(f"{SVG}path"))[1].get("d"))
    uses = [
        use
        for group in root.iter(f"{SVG}g")
        for use in group.findall(f"{SVG}use")
        if f"fill: {color.lower()}" in group.get("style", "") + use.get("style", "")
    ]
    places = np.array([[float(use.get("x")), float(use.get("y"))] for use in uses]).reshape(-1, 2)
    places = (places - frame[0]) / (frame[2] - frame[0])
    return places[((places > -0.01) & (places < 1.01)).all(axis=1)]


def bins(shift: float, number: int = 15) -> list[dict[str, float]]:
    """Bins of a reliability diagram that lies ``shift`` above the diagonal."""
    places = (np.arange(number) + 0.5) / number
    seen = np.clip(places + shift, 0, 1)
    rows = zip(places, seen, strict=True)
    return [
        {"predicted": x, "observed": y, "count": 40, "low": max(y - 0.1, 0), "high": min(y + 0.1, 1)} for x, y in rows
    ]


def stands_alone(svg: str) -> None:
    """Assert that a drawing can stand in any page: harmless, small, of no fixed size, and told in words."""
    assert svg.startswith("<svg ")
    assert len(svg.encode()) <= 40_000
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert len(root.get("aria-label")) > 20
    assert not {"width", "height"} & set(root.attrib)
    assert float(root.get("viewBox").split()[2]) == 360
    assert not {"script", "style", "image", "metadata"} & {element.tag.removeprefix(SVG) for element in root.iter()}
    assert re.findall(r"\w+://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    referred = re.findall(r'(?:href="#|url\(#)([\w.-]+)', svg)
    assert len(ids) == len(set(ids))
    assert set(ids) == set(referred) != set()
    assert len(texts(svg)) > 5
