"""The plots of a pair of systems: their differences with intervals, and the decisions that only one has right."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from eval.names import DUTCH, ENGLISH
from eval.svg import (
    BLUE,
    GREY,
    INK,
    SOFT,
    SYSTEMS,
    dots,
    entry,
    figures,
    legend,
    nothing,
    number,
    one_line,
    render,
    say,
)
from strijdtaal.labels import KEYS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {
    "macro_f1": ("macro-F1", "macro-F1"),
    "micro_f1": ("micro-F1", "micro-F1"),
    "exact_match": ("exact match", "precies goed"),
    "macro_average_precision": ("average precision", "gemiddelde precisie"),
    "sentence": ("whole sentence", "hele zin"),
}
BAND = "#dfe3e8"
LONGEST_NAME = 22


def _row_names(axes: Axes, rows: list[str]) -> None:
    """A row a name, top down; labels in both languages, on two lines."""
    names = [say(*TITLES[row]) if row in TITLES else f"{DUTCH[row]}\n{ENGLISH[row]}" for row in rows]
    axes.set_yticks(range(len(rows)), labels=names, multialignment="right")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")


def _whisker(axes: Axes, place: int, values: list[float]) -> None:
    """One metric: the dot with its interval, on the band of what cannot be detected; all in points."""
    difference, low, high, smallest = values
    if math.isnan(difference + low + high):
        axes.text(0, place, " n/a", color=SOFT, va="center")
        return
    axes.barh(place, 2 * smallest, left=-smallest, height=0.62, color=BAND, zorder=1)
    clear = low > 0 or high < 0
    axes.plot(
        (low, high), (place, place), color=BLUE if clear else GREY, linewidth=2.2, solid_capstyle="butt", zorder=3
    )
    dots(axes, difference, place, color=BLUE if clear else INK)


def difference_plot(differences: Mapping[str, Mapping[str, Any]], first: str, second: str) -> str:
    """Second system minus first in points: a dot with its 95% interval a metric, and the line of no difference.

    A band behind them holds the differences that such a test set is too small to show.

    Args:
        differences: by metric, as in ``eval.paired.Difference``: ``difference``, ``low``, ``high`` and
            ``smallest`` (minimum detectable difference), from 0 to 1; None or NaN is n/a.
        first: name of the reference.
        second: name of the system compared with it.
    """
    rows = list(differences)
    values = {
        row: [100 * number(differences[row].get(name)) for name in ("difference", "low", "high", "smallest")]
        for row in rows
    }
    reach = max([1.0, *(abs(value) for each in values.values() for value in each if not math.isnan(value))]) * 1.08

    def draw(figure: Figure) -> tuple[str, str]:
        axes = figure.subplots()
        _row_names(axes, rows)
        axes.set_xlim(-reach, reach)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_xlabel(say("difference in points", "verschil in punten"))
        for place, row in enumerate(rows):
            _whisker(axes, place, values[row])
        left, right = (one_line(name, LONGEST_NAME) for name in (first, second))
        for x, side, text in ((0.0, "left", f"← {left}"), (1.0, "right", f"{right} →")):
            axes.text(x, 1.01, text, transform=axes.transAxes, ha=side, va="bottom", color=SOFT, fontsize=9)
        from matplotlib.patches import Patch

        legend(
            figure,
            [
                entry(say("95% interval with 0", "95%-interval met 0"), color=GREY, marker="o", markerfacecolor=INK),
                entry(say("without 0", "zonder 0"), color=BLUE, marker="o"),
                Patch(color=BAND, label=say("too small for this test set", "te klein voor deze testset")),
            ],
        )
        english, nl = (
            "; ".join(
                f"{TITLES[row][place] if row in TITLES else names[row]} {figures(each[0], '+.1f')}"
                for row, each in values.items()
            )
            for place, names in enumerate((ENGLISH, DUTCH))
        )
        return (
            f"{one_line(second, 80)} minus {one_line(first, 80)}, in points: {english}.",
            f"{one_line(second, 80)} min {one_line(first, 80)}, in punten: {nl}.",
        )

    return render("differences", 1.3 + 0.4 * len(rows), draw)


def flips_plot(counts: Mapping[str, Mapping[str, int]], first: str, second: str) -> str:
    """How many decisions only the first system has right (to the left), and only the second (to the right).

    Args:
        counts: ``lost`` and ``gained`` for whole sentences (``sentence``) and for each label key.
        first: name of the reference.
        second: name of the system compared with it.
    """
    rows = [row for row in ("sentence", *KEYS) if row in counts]
    most = max([1, *(counts[row][side] for row in rows for side in ("lost", "gained"))])

    def draw(figure: Figure) -> tuple[str, str]:
        axes = figure.subplots()
        _row_names(axes, rows)
        axes.set_xlim(-1.22 * most, 1.22 * most)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        for sign, side, color in ((-1, "lost", SYSTEMS[0][0]), (1, "gained", SYSTEMS[1][0])):
            sizes = [counts[row][side] for row in rows]
            axes.barh(range(len(rows)), [sign * size for size in sizes], height=0.55, color=color)
            for place, size in enumerate(sizes):
                ha = "left" if sign > 0 else "right"
                axes.text(sign * (size + 0.02 * most), place, f"{size:,}", ha=ha, va="center", fontsize=9)
        axes.axvline(0, color=INK, linewidth=1)
        if not any(counts[row][side] for row in rows for side in ("lost", "gained")):
            nothing(axes, "no difference", "geen verschil")
        from matplotlib.patches import Patch

        names = [one_line(name, 30) for name in (first, second)]
        legend(
            figure,
            [
                Patch(color=SYSTEMS[place][0], label=say(f"only {name} right", f"alleen {name} goed"))
                for place, name in enumerate(names)
            ],
            ncols=1,
        )
        english, nl = (
            "; ".join(f"{names.get(row, kind)} {counts[row]['lost']}, {counts[row]['gained']}" for row in rows)
            for names, kind in ((ENGLISH, "whole sentence"), (DUTCH, "hele zin"))
        )
        return (
            f"Decisions that only {one_line(first, 80)} or only {one_line(second, 80)} has right: {english}.",
            f"Beslissingen die alleen {one_line(first, 80)} of alleen {one_line(second, 80)} goed heeft: {nl}.",
        )

    return render("flips", 1.2 + 0.42 * len(rows), draw)
