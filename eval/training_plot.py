"""How a training went, epoch by epoch, as one SVG element (see ``eval.svg``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.names import DUTCH, ENGLISH
from eval.svg import COLORS, GREY, INK, LINES, SOFT, Array, dots, entry, legend, nothing, number, render, say
from strijdtaal.labels import KEYS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHED = (0, (5, 1.5))
LOSSES, SCORES = ("loss", "train_loss"), ("macro_f1", *(f"f1_{key}" for key in KEYS))


def _columns(epochs: Sequence[Mapping[str, Any]]) -> dict[str, Array]:
    return {
        name: np.array([number(row.get(name)) for row in epochs], dtype=np.float64)
        for name in ("epoch", *LOSSES, *SCORES)
    }


def _chosen(table: dict[str, Array], chosen: float | None) -> int | None:
    """The row of the epoch whose weights were kept: as said, or the one of the best macro-F1."""
    if chosen is not None and (table["epoch"] == chosen).any():
        return int(np.flatnonzero(table["epoch"] == chosen)[0])
    return int(np.nanargmax(table["macro_f1"])) if np.isfinite(table["macro_f1"]).any() else None


def _panel(axes: Axes, x: Array, title: str, values: Sequence[Array], kept: int | None) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set(title=title, xlabel=say("epoch", "epoch (ronde)"))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    if len(x) == 1:
        axes.set_xlim(x[0] - 1, x[0] + 1)
    if not any(np.isfinite(one).any() for one in values):
        nothing(axes, "no values", "geen waarden")
        axes.set(xticks=(), yticks=())
    elif kept is not None:
        axes.axvline(x[kept], color=SOFT, linewidth=0.9, linestyle=(0, (1.5, 1.5)), zorder=1)


def training_curve(epochs: Sequence[Mapping[str, Any]], chosen: float | None = None) -> str:
    """Loss on training and validation data, and F1 on validation, after each epoch; the chosen epoch is marked.

    Args:
        epochs: rows with ``epoch``, ``loss`` and ``macro_f1`` (of validation) and, where known, ``train_loss``
            and ``f1_<label>``; None is n/a.
        chosen: the epoch whose weights were kept; without it, the one of the best macro-F1.
    """
    table = _columns(epochs)
    x, kept = table["epoch"], _chosen(table, chosen)
    known = {name: bool(np.isfinite(values).any()) for name, values in table.items()}
    marker = "o" if len(x) <= 30 else ""

    def draw(figure: Figure) -> tuple[str, str]:
        left, right = figure.subplots(1, 2)
        left.plot(x, table["train_loss"], color=GREY, linestyle=DASHED, marker=marker, markersize=4)
        left.plot(x, table["loss"], color=INK, marker=marker, markersize=4)
        labels = [key for key in KEYS if known[f"f1_{key}"]]
        for key in labels:
            right.plot(x, table[f"f1_{key}"], color=COLORS[key], linestyle=LINES[key], linewidth=1)
        right.plot(x, table["macro_f1"], color=INK, marker=marker, markersize=4, linewidth=2)
        _panel(left, x, say("loss", "verlies (loss)"), [table[name] for name in LOSSES], kept)
        _panel(right, x, say("F1 on validation", "F1 op validatie"), [table[name] for name in SCORES], kept)
        words, woorden = "chosen epoch: n/a", "gekozen epoch: n/a"
        if kept is not None:
            score = "n/a" if np.isnan(table["macro_f1"][kept]) else f"{table['macro_f1'][kept]:.3f}"
            for axes, name in ((left, "loss"), (right, "macro_f1")):
                dots(axes, x[kept], table[name][kept], color="white", markeredgecolor=INK, markersize=8)
            words = f"ring: chosen epoch {x[kept]:g}, macro-F1 {score}"
            woorden = f"ring: gekozen epoch {x[kept]:g}, macro-F1 {score}"
        handles = [entry(say("validation; macro-F1", "validatie; macro-F1"), color=INK, linewidth=2)]
        if known["train_loss"]:
            handles.append(entry("training", color=GREY, linestyle=DASHED))
        handles += [
            entry(say(ENGLISH[key], DUTCH[key]), color=COLORS[key], linestyle=LINES[key], linewidth=1) for key in labels
        ]
        legend(figure, handles, say(words, woorden))
        return (
            f"Loss and F1 on validation by epoch; {words}.",
            f"Verlies en F1 op validatie per epoch; {woorden}.",
        )

    return render("training", 3.9, draw)
