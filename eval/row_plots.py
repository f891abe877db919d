"""The plots of the report page with a line a row: slices of the sentences, and phenomena of the test cases."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.names import dutch
from eval.svg import BLUE, INK, SOFT, dots, entry, figures, legend, nothing, number, one_line, render, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]


def _name(name: str) -> str:
    """A key of data as words, in both languages."""
    return say(one_line(name.replace("_", " ")), one_line(dutch(name)))


def _listed(rows: Rows, parts: Sequence[str], value: str) -> tuple[str, str]:
    """The rows' names and values in words, in English and Dutch."""
    english, nl = (
        one_line(
            "; ".join(" ".join([*(of(str(row[part])) for part in parts), figures(row[value])]) for row in rows), 600
        )
        for of in (str, dutch)
    )
    return english or "n/a", nl or "n/a"


def _row_axes(figure: Figure, names: Sequence[str], right: Sequence[str], head: str, label: str) -> Axes:
    """Axes from 0 to 1 with a named line a row, top down, and a text at the right of each under ``head``."""
    axes = figure.subplots()
    ticks = np.linspace(0, 1, 6)
    axes.set(xlim=(0, 1), xticks=ticks, xlabel=label, ylim=(max(len(names), 1) - 0.4, -0.7))
    axes.set_yticks(range(len(names)), labels=[_name(name) for name in names])
    axes.spines["left"].set_visible(False)
    for place, text in ((-0.95, head), *enumerate(right)):
        axes.text(1.03, place, text, transform=axes.get_yaxis_transform(), color=SOFT, va="center", fontsize=9)
    return axes


def _interval_dots(axes: Axes, rows: Rows, places: Sequence[int], names: tuple[str, str, str]) -> None:
    """A dot and its interval for each row (``names``: value, low, high); n/a where the value is undefined."""
    for row, place in zip(rows, places, strict=True):
        value, low, high = (number(row.get(name)) for name in names)
        if math.isnan(value):
            axes.text(0.01, place, "n/a", color=SOFT, va="center")
            continue
        if not math.isnan(low + high):
            axes.plot((low, high), (place, place), color=BLUE, linewidth=1.8, solid_capstyle="butt")
        dots(axes, value, place, color=BLUE)


def slice_plot(rows: Rows) -> str:
    """Macro-F1 of parts of the sentences with its interval, grouped by dimension; sentences at the right.

    Args:
        rows: with ``dimension``, ``value``, ``sentences``, ``macro_f1``, ``low``, ``high``; numbers may be
            NaN or None. Dimensions and values keep the order of their first row.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(str(row["dimension"]), []).append(row)
    names: list[str] = []
    right: list[str] = []
    places, ordered, heads = [], [], []
    for dimension, members in groups.items():
        heads.append(len(names))
        names.append(dimension)
        right.append("")
        for row in members:
            places.append(len(names))
            names.append(str(row["value"]))
            right.append(figures(row["sentences"], ",.0f"))
            ordered.append(row)

    def draw(figure: Figure) -> tuple[str, str]:
        label = say("macro-F1, 95% interval", "macro-F1, 95%-interval")
        axes = _row_axes(figure, names, right, say("sentences", "zinnen"), label)
        for place in heads:
            axes.get_yticklabels()[place].set_fontweight("bold")
            axes.yaxis.get_major_ticks()[place].gridline.set_visible(False)
        _interval_dots(axes, ordered, places, ("macro_f1", "low", "high"))
        if not ordered:
            nothing(axes, "no slices", "geen deelgroepen")
        english, nl = _listed(ordered, ("dimension", "value"), "macro_f1")
        return f"Macro-F1 by slice: {english}.", f"Macro-F1 per deelgroep: {nl}."

    return render("slices", 0.9 + 0.24 * max(len(names), 3), draw)


def behaviour_plot(rows: Rows) -> str:
    """Share of test cases that are exactly right, and of pairs with both right, weakest pairs at the top.

    Args:
        rows: with ``phenomenon``, ``cases``, ``exact``, ``exact_low``, ``exact_high``, ``pair_exact``; numbers
            may be NaN or None.
    """
    ordered = sorted(rows, key=lambda row: (math.isnan(number(row["pair_exact"])), number(row["pair_exact"])))
    names = [str(row["phenomenon"]) for row in ordered]
    places = range(len(names))

    def draw(figure: Figure) -> tuple[str, str]:
        right = [figures(row["cases"], ",.0f") for row in ordered]
        axes = _row_axes(figure, names, right, say("cases", "gevallen"), say("share right", "aandeel goed"))
        pairs = [number(row["pair_exact"]) for row in ordered]
        dots(axes, pairs, places, color="white", markeredgecolor=INK, markersize=9, zorder=3)
        _interval_dots(axes, ordered, places, ("exact", "exact_low", "exact_high"))
        if not ordered:
            nothing(axes, "no cases", "geen gevallen")
        both = say("both of a pair right", "beide van een paar goed")
        hollow = entry(both, color="white", marker="o", markeredgecolor=INK, markersize=8)
        single = say("case right, 95% interval", "geval goed, 95%-interval")
        filled = entry(single, color=BLUE, marker="o", markersize=7)
        legend(figure, [filled, hollow], handlelength=1.4)
        english, nl = _listed(ordered, ("phenomenon",), "exact")
        return (
            f"Share of cases exactly right by phenomenon: {english}.",
            f"Aandeel gevallen precies goed per verschijnsel: {nl}.",
        )

    return render("behaviour", 1.2 + 0.24 * max(len(names), 3), draw)
