"""Drawings as SVG elements to stand inside an HTML page, and the parts that the plots share.

Made for a column of 360 px (a phone) and for print: text as text, no fixed size. The same drawing gives
the same string, and no id occurs in two different drawings. Texts given to ``say`` stand in it in English and in
Dutch; without the style sheet of a page the English ones show.
"""

from __future__ import annotations

import copy
import hashlib
import io
import math
import re
import warnings
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strijdtaal.labels import KEYS

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

INK, SOFT, GREY, LINE = "#1b1b1b", "#5f6368", "#8a8f96", "#e3e3e3"
BLUE = "#0072B2"  # also the second label's, of Okabe and Ito
MOST_POINTS = 200  # of a curve
WIDTH = 5.0  # inches of 72 units: the 360 px of a phone
# A label has one colour, line style and marker in all plots (colours of Okabe and Ito 2008).
COLORS = dict(zip(KEYS, ("#D55E00", BLUE, "#009E73", "#CC79A7"), strict=True))
LINES = dict(zip(KEYS, ("-", (0, (5, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (2, 0.8))), strict=True))
MARKERS = dict(zip(KEYS, "os^D", strict=True))
SYSTEMS = ((INK, "-"), ("#E69F00", (0, (5, 1.5))), ("#56B4E9", (0, (5, 1.5, 1, 1.5))), (GREY, (0, (1.5, 1))))
PAGE_STYLE = "display:block;width:100%;max-width:30rem;height:auto;break-inside:avoid"
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.titlesize": 11,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), INK),
}

_SAID: ContextVar[dict[str, tuple[str, str]]] = ContextVar("texts of a drawing in two languages")


def say(english: str, dutch: str) -> str:
    """A text of a drawing in both languages; for use within ``draw``. The layout has room for the longer one."""
    longer = max(english, dutch, key=len)
    if english != dutch:
        _SAID.get()[longer] = english, dutch
    return longer


def render(name: str, height: float, draw: Callable[[Figure], tuple[str, str]]) -> str:
    """Draw a figure and return it as one ``<svg>`` element.

    Args:
        name: of the kind of plot; the salt and the first part of its ids.
        height: in inches; the width is ``WIDTH``.
        draw: draws on the figure and returns what is to be seen, in English and Dutch words, for those who do
            not see it.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader's fonts draw the text
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        mpl.rcParams["svg.hashsalt"] = name
        figure = Figure(figsize=(WIDTH, height), layout="constrained")  # unknown to pyplot: nothing to close
        said: dict[str, tuple[str, str]] = {}
        token = _SAID.set(said)
        try:
            words = draw(figure)
        finally:
            _SAID.reset(token)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return _inline(name, buffer.getvalue(), words, said)


def _inline(name: str, svg: str, words: tuple[str, str], said: dict[str, tuple[str, str]]) -> str:
    """Keep what a page needs: no fixed size, no style sheet, no ids but those referred to, short numbers."""
    from xml.etree import ElementTree

    root = ElementTree.fromstring(svg)  # noqa: S314 - drawn a moment ago
    root.remove(root[0])  # the style sheet, which would hold for the whole page
    used = set(re.findall(r'(?:href="#|url\(#)([\w.-]+)', svg))
    prefix = f"{name}-{hashlib.sha256(svg.encode()).hexdigest()[:8]}-"
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.tail = None
        if element.tag != "text":
            element.text = None
        kept = {key.rpartition("}")[2]: _attribute(value, prefix) for key, value in element.attrib.items()}
        if kept.get("id") in used:
            kept["id"] = prefix + kept["id"]
        else:
            kept.pop("id", None)
        element.attrib = {key: value for key, value in kept.items() if value}
    _in_two_languages(root, said)
    for group in root.iter("g"):  # a style common to all is said once
        styles = {child.get("style", "") for child in group}
        if len(group) > 1 and len(styles) == 1 and "" not in styles and "style" not in group.attrib:
            group.attrib["style"] = styles.pop()
            for child in group:
                child.attrib.pop("style", None)
    root.attrib = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-label": words[0],
        "data-nl": words[1],
        "font-family": "sans-serif",
        "stroke-linejoin": "round",
        "style": PAGE_STYLE,
    }
    return ElementTree.tostring(root, encoding="unicode")


def _in_two_languages(root: Element, said: dict[str, tuple[str, str]]) -> None:
    """Put a Dutch text, not displayed, beside each English one that ``say`` knows of."""
    for parent in list(root.iter()):
        for element in [child for child in parent if child.tag == "text" and child.text in said]:
            english, dutch = said[str(element.text)]
            other = copy.copy(element)
            element.text, other.text = english, dutch
            element.attrib["class"] = "en"
            other.attrib = {**element.attrib, "class": "nl", "lang": "nl", "display": "none"}
            parent.insert(list(parent).index(element) + 1, other)


def _attribute(value: str, prefix: str) -> str:
    value = re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), value)
    value = re.sub(r"font-family: [^;]*;? ?|rotate\(-0 .*\)| *\n", "", value)
    return re.sub(r"^#(?=m)|(?<=url\()#", f"#{prefix}", value)


def number(value: Any) -> float:
    """The value, or NaN where it is missing or not finite."""
    return float(value) if value is not None and math.isfinite(value) else math.nan


def figures(value: Any, form: str = ".2f") -> str:
    """The value as text, or n/a."""
    return "n/a" if math.isnan(number(value)) else format(value, form)


def one_line(text: object, most: int = 26) -> str:
    """Text of data as one printable line of at most ``most`` characters."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in str(text)).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def thin(points: Array, most: int = MOST_POINTS) -> Array:
    """At most ``most`` of the finite points, evenly chosen, with both ends; shape (points, 2)."""
    points = points[np.isfinite(points).all(axis=1)]
    chosen = np.linspace(0, len(points) - 1, min(most, len(points))).round().astype(np.int64)
    return np.asarray(points[chosen], dtype=np.float64)


def entry(text: str, **style: Any) -> Artist:
    """A line of a legend; a label that begins with an underscore would be left out of it."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=f" {text}" if text.startswith("_") else text, **style)


def legend(figure: Figure, handles: Sequence[Any], title: str | None = None, **options: Any) -> None:
    """A legend above the axes, in two columns."""
    shape = {"ncols": 2, "columnspacing": 1.4, "handlelength": 2.6, "handletextpad": 0.6}
    figure.legend(handles=handles, loc="outside upper center", title=title, **{**shape, **options})


def dots(axes: Axes, x: ArrayLike, y: ArrayLike, **style: Any) -> None:
    """Markers with a white rim, whole at the edge of the axes as well."""
    shape = {"marker": "o", "linestyle": "", "markersize": 7, "markeredgecolor": "white", "zorder": 4}
    points = np.column_stack([np.atleast_1d(x), np.atleast_1d(y)]).astype(np.float64)
    points = points[np.isfinite(points).all(axis=1)]
    if len(points):  # without a point, the layout would take its place as infinite
        axes.plot(*points.T, clip_on=False, **{**shape, **style})


def nothing(axes: Axes, why: str, waarom: str) -> None:
    """Say in the middle of the axes why they are empty, in English and Dutch."""
    box = {"facecolor": "white", "edgecolor": "none"}
    text = say(f"n/a: {why}", f"n/a: {waarom}")
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=SOFT, bbox=box)


def unit(axes: Axes, x: str, y: str) -> None:
    """Both axes from 0 to 1."""
    ticks = np.linspace(0, 1, 6)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=x, ylabel=y, xticks=ticks, yticks=ticks)
