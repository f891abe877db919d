"""Plots of four panels, one a label: reliability of one system, and curves of several systems on the same sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.names import DUTCH, ENGLISH
from eval.svg import (
    COLORS,
    GREY,
    MARKERS,
    SOFT,
    SYSTEMS,
    Array,
    dots,
    entry,
    legend,
    nothing,
    number,
    one_line,
    render,
    say,
    thin,
)
from strijdtaal.labels import KEYS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]
MOST_POINTS = 90  # of a curve in a panel


def _panels(figure: Figure, x: tuple[str, str], y: tuple[str, str]) -> dict[str, Axes]:
    """Four squares from 0 to 1 with the Dutch and English name of a label above each; axes named in both languages."""
    grid = figure.subplots(2, 2, sharex=True, sharey=True)
    found = dict(zip(KEYS, grid.flat, strict=True))
    for key, axes in found.items():
        axes.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), box_aspect=1)
        axes.set_title(f"{DUTCH[key]}\n{ENGLISH[key]}", fontsize=10)
    figure.supxlabel(say(*x), fontsize=11)
    figure.supylabel(say(*y), fontsize=11, rotation_mode="anchor", va="top")
    return found


def _reliability_panels(figure: Figure) -> dict[str, Axes]:
    found = _panels(
        figure, ("predicted probability", "voorspelde kans"), ("share annotated", "aandeel met deze annotatie")
    )
    for axes in found.values():
        axes.axline((0, 0), slope=1, color=SOFT, linewidth=0.8, zorder=1)
    return found


def _bins(axes: Axes, bins: Rows, color: str, interval: bool, line: Any = "-", **style: Any) -> bool:
    """Draw the bins that hold sentences; return whether there is one."""
    names = ("predicted", "observed", "low", "high", "count")
    table = np.array([[number(row.get(name)) for name in names] for row in bins], dtype=np.float64).reshape(-1, 5)
    table = table[(table[:, 4] > 0) & np.isfinite(table[:, :2]).all(axis=1)]
    if interval:
        known = table[np.isfinite(table).all(axis=1)]
        gap = np.full(len(known), np.nan)  # one path for all, with gaps between
        x, y = (np.column_stack([known[:, one], known[:, other], gap]).ravel() for one, other in ((0, 0), (2, 3)))
        axes.plot(x, y, color=color, linewidth=1.2, solid_capstyle="butt")
    axes.plot(*table.T[:2], color=color, linewidth=1.2, linestyle=line)
    dots(axes, *table.T[:2], color=color, **{"markersize": 5.5, **style})
    return len(table) > 0


def reliability_plot(before: Mapping[str, Rows], after: Mapping[str, Rows] | None = None) -> str:
    """How often a label is annotated where it is given a probability, one panel a label.

    Before calibration in grey, after it in colour; with the 95% intervals of ``after`` or, where nothing was
    calibrated and there is none, of ``before``. Both: label key -> bins with ``predicted`` (mean), ``observed``
    (share), ``count`` and the interval ``low``, ``high``.
    """

    def draw(figure: Figure) -> tuple[str, str]:
        from matplotlib.legend_handler import HandlerTuple

        for key, axes in _reliability_panels(figure).items():
            drawn = _bins(axes, before.get(key, ()), GREY, after is None)
            if after is not None:
                drawn = _bins(axes, after.get(key, ()), COLORS[key], True, marker=MARKERS[key])
            if not drawn:
                nothing(axes, "no sentences", "geen zinnen")
        grey = entry("", color=GREY, marker="o", markeredgecolor="white", linewidth=1.2)
        many = tuple(entry("", color=COLORS[key], marker=MARKERS[key], linestyle="") for key in KEYS)
        which, welke = "", ""
        if after is not None:
            names = [say("before calibration", "voor kalibratie"), say("after calibration", "na kalibratie")]
            more: dict[str, Any] = {"handler_map": {tuple: HandlerTuple(ndivide=None)}, "handlelength": 3.5}
            legend(figure, [grey, many], labels=names, **more)
            which, welke = ", before and after calibration", ", voor en na kalibratie"
        return (
            f"Share annotated against predicted probability of each label{which}.",
            f"Aandeel met de annotatie tegen voorspelde kans van elk label{welke}.",
        )

    return render("reliability", 5.6, draw)


def _systems_legend(figure: Figure, names: Sequence[str], title: str | None = None) -> None:
    handles = [
        entry(one_line(name, 44), color=SYSTEMS[place % len(SYSTEMS)][0], linestyle=SYSTEMS[place % len(SYSTEMS)][1])
        for place, name in enumerate(names)
    ]
    legend(figure, handles, title, ncols=1)


def pr_of_systems(systems: Rows) -> str:
    """Precision against recall, one panel a label and one curve a system; a marker at the threshold in use.

    Args:
        systems: each with ``name`` and, under ``labels``, by key: ``points`` (pairs of recall and precision) and
            ``used`` (recall and precision at the threshold in use, or None). No points: the label does not occur.
    """

    def draw(figure: Figure) -> tuple[str, str]:
        panels = _panels(figure, ("recall", "recall (volledigheid)"), ("precision", "precisie"))
        for key, axes in panels.items():
            for place, system in enumerate(systems):
                color, line = SYSTEMS[place % len(SYSTEMS)]
                found = system["labels"][key]
                points: Array = np.array(found["points"], dtype=np.float64).reshape(-1, 2)
                axes.plot(*thin(points, MOST_POINTS).T, color=color, linestyle=line, linewidth=1.4)
                if found["used"]:
                    dots(axes, *map(number, found["used"]), color=color, markersize=6)
            if not any(system["labels"][key]["points"] for system in systems):
                nothing(axes, "does not occur", "komt niet voor")
        names = [system["name"] for system in systems]
        _systems_legend(figure, names, say("dot: the threshold in use", "stip: de drempel in gebruik"))
        listed = one_line(", ".join(names), 300)
        return f"Precision against recall of each label: {listed}.", f"Precisie tegen recall van elk label: {listed}."

    return render("pr-systems", 5.5 + 0.2 * len(systems), draw)


def reliability_of_systems(systems: Rows) -> str:
    """Share annotated against predicted probability, one panel a label and one line a system.

    Args:
        systems: each with ``name`` and, under ``labels``, by key: ``bins`` as in ``reliability_plot``. The 95%
            intervals of the bins are drawn for two systems at most; more would hide each other.
    """

    def draw(figure: Figure) -> tuple[str, str]:
        for key, axes in _reliability_panels(figure).items():
            drawn = False
            for place, system in enumerate(systems):
                color, line = SYSTEMS[place % len(SYSTEMS)]
                bins = system["labels"][key]["bins"]
                drawn |= _bins(axes, bins, color, len(systems) <= 2, line, marker="os^D"[place % 4], markersize=5)
            if not drawn:
                nothing(axes, "no sentences", "geen zinnen")
        names = [system["name"] for system in systems]
        _systems_legend(figure, names, say("diagonal: calibrated", "diagonaal: gekalibreerd"))
        listed = one_line(", ".join(names), 300)
        return (
            f"Share annotated against predicted probability of each label: {listed}.",
            f"Aandeel met de annotatie tegen voorspelde kans van elk label: {listed}.",
        )

    return render("reliability-systems", 5.5 + 0.2 * len(systems), draw)
