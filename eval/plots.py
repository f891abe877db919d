"""The plots of the report page, each as one SVG element (see ``eval.svg``).

A label has one colour, line style and marker in all of them (colours of Okabe and Ito 2008, told apart by
the colour-blind). What is undefined is drawn as "n/a", and no input is too small to be drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eval.row_plots import behaviour_plot, slice_plot
from eval.svg import BLUE, GREY, INK, SOFT, dots, entry, figures, legend, nothing, number, one_line, render, thin, unit
from strijdtaal.labels import KEYS
from training.counts import f1_of_counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "behaviour_plot",
    "pr_curves",
    "reliability_plot",
    "risk_plot",
    "slice_plot",
    "threshold_sweep",
    "training_curve",
]

Array = NDArray[np.float64]
Rows = Sequence[Mapping[str, Any]]

COLORS = dict(zip(KEYS, ("#D55E00", BLUE, "#009E73", "#CC79A7"), strict=True))
LINES = dict(zip(KEYS, ("-", (0, (5, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (2, 0.8))), strict=True))
MARKERS = dict(zip(KEYS, "os^D", strict=True))
SYSTEMS = ((INK, "-"), ("#E69F00", (0, (5, 1.5))), ("#56B4E9", (0, (5, 1.5, 1, 1.5))), (GREY, (0, (1.5, 1))))
SWEEP = np.arange(2, 99) / 100
TOLERATED_RISK = 0.05


def _f1(probabilities: Array, gold: Array, thresholds: Array) -> Array:
    """F1 of each label at its threshold, shape (labels,); NaN where it neither occurs nor is predicted."""
    said, yes = probabilities >= thresholds, gold >= 0.5
    counts = [(said & yes).sum(axis=0), (said & ~yes).sum(axis=0), (~said & yes).sum(axis=0)]
    return f1_of_counts(np.array(counts, dtype=np.float64))


def _mean_known(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _label_entry(key: str, text: str) -> Any:
    style = {"color": COLORS[key], "linestyle": LINES[key], "marker": MARKERS[key], "markersize": 6}
    return entry(f"{key} {text}", **style, markeredgecolor="white")


def pr_curves(probabilities: Array, gold: Array, thresholds: Array) -> str:
    """Precision against recall of each label, its average precision, and a dot at its decision threshold.

    ``probabilities`` and ``gold`` have shape (sentences, labels), ``thresholds`` (labels,). A label without
    positives has no curve and the average precision n/a.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve

    def draw(figure: Figure) -> str:
        axes = figure.subplots()
        unit(axes, "recall", "precision")
        average = {}
        for key, scores, annotated, threshold in zip(KEYS, probabilities.T, gold.T, thresholds, strict=True):
            known = np.isfinite(scores)
            scores, yes = scores[known], annotated[known] >= 0.5
            average[key] = float(average_precision_score(yes, scores)) if yes.any() else math.nan
            if not yes.any():
                continue
            precision, recall, _ = precision_recall_curve(yes, scores, drop_intermediate=True)
            points = thin(np.column_stack([recall, precision]))
            axes.plot(*points.T, color=COLORS[key], linestyle=LINES[key])
            said = scores >= threshold
            if said.any():
                right = (said & yes).sum()
                dots(axes, right / yes.sum(), right / said.sum(), color=COLORS[key], marker=MARKERS[key])
        if all(math.isnan(value) for value in average.values()):
            nothing(axes, "no label has positives")
        handles = [_label_entry(key, figures(value)) for key, value in average.items()]
        legend(figure, handles, "average precision; marker: decision threshold")
        listed = ", ".join(f"{key} {figures(value)}" for key, value in average.items())
        return f"Precision against recall of each label. Average precision: {listed}."

    return render("pr", 4.4, draw)


def threshold_sweep(probabilities: Array, gold: Array, thresholds: Array) -> str:
    """F1 of each label and macro-F1 against the threshold, with markers at the ``thresholds`` in use.

    Shapes as in ``pr_curves``. Macro-F1 is the mean over the labels that occur or are predicted, as in
    ``eval.metrics``; a label without positives has no curve. The macro curve has one threshold for all
    labels, so it bears a marker only where the thresholds in use are the same.
    """
    thresholds = np.asarray(thresholds, dtype=np.float64)

    def draw(figure: Figure) -> str:
        axes = figure.subplots()
        unit(axes, "threshold", "F1")
        swept = np.array([_f1(probabilities, gold, value) for value in SWEEP])
        occurs = np.atleast_1d((gold >= 0.5).any(axis=0))
        used = np.where(np.isfinite(thresholds), _f1(probabilities, gold, thresholds), math.nan)
        for column, key in enumerate(KEYS):
            if occurs[column]:
                axes.plot(SWEEP, swept[:, column], color=COLORS[key], linestyle=LINES[key])
                dots(axes, thresholds[column], used[column], color=COLORS[key], marker=MARKERS[key])
        macro = [_mean_known(row) for row in swept]
        axes.plot(SWEEP, macro, color=INK, linewidth=2.4)
        if np.ptp(thresholds) == 0:
            dots(axes, thresholds[0], _mean_known(used), color=INK)
        if not occurs.any():
            nothing(axes, "no label has positives")
        texts = [figures(value if there else math.nan) for value, there in zip(used, occurs, strict=True)]
        handles = [_label_entry(key, text) for key, text in zip(KEYS, texts, strict=True)]
        handles.append(entry(f"macro-F1 {figures(_mean_known(used))}", color=INK, linewidth=2.4))
        legend(figure, handles, "F1 at the thresholds in use (markers)")
        listed = ", ".join(f"{key} {text}" for key, text in zip(KEYS, texts, strict=True))
        return f"F1 against the threshold. At the thresholds in use: macro {figures(_mean_known(used))}, {listed}."

    return render("sweep", 4.6, draw)


def _bins(axes: Axes, bins: Rows, color: str, interval: bool, **style: Any) -> bool:
    """Draw the bins that hold sentences; return whether there is one."""
    names = ("predicted", "observed", "low", "high", "count")
    table = np.array([[number(row.get(name)) for name in names] for row in bins], dtype=np.float64).reshape(-1, 5)
    table = table[(table[:, 4] > 0) & np.isfinite(table[:, :2]).all(axis=1)]
    for x, _, low, high, _ in table[np.isfinite(table).all(axis=1)] if interval else ():
        axes.plot((x, x), (low, high), color=color, linewidth=1.2, solid_capstyle="butt")
    axes.plot(*table.T[:2], color=color, linewidth=1.2)
    dots(axes, *table.T[:2], color=color, **{"markersize": 5.5, **style})
    return len(table) > 0


def reliability_plot(before: Mapping[str, Rows], after: Mapping[str, Rows] | None = None) -> str:
    """How often a label is annotated where it is given a probability, one panel a label.

    Before calibration in grey, after it in colour; with the 95% intervals of ``after`` or, without it, of
    ``before``. Both: label key -> bins with ``predicted`` (mean), ``observed`` (share), ``count`` and the
    interval ``low``, ``high``.
    """

    def draw(figure: Figure) -> str:
        from matplotlib.legend_handler import HandlerTuple

        panels = figure.subplots(2, 2, sharex=True, sharey=True)
        for key, axes in zip(KEYS, panels.flat, strict=True):
            axes.axline((0, 0), slope=1, color=SOFT, linewidth=0.8, zorder=1)
            axes.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), box_aspect=1, title=key)
            drawn = _bins(axes, before.get(key, ()), GREY, after is None)
            if after is not None:
                drawn = _bins(axes, after.get(key, ()), COLORS[key], True, marker=MARKERS[key])
            if not drawn:
                nothing(axes, "no sentences")
        figure.supxlabel("predicted probability", fontsize=10)
        figure.supylabel("share annotated", fontsize=10)
        grey = entry("", color=GREY, marker="o", markeredgecolor="white", linewidth=1.2)
        many = tuple(entry("", color=COLORS[key], marker=MARKERS[key], linestyle="") for key in KEYS)
        handles, labels = (
            ([grey], ["before calibration"]) if after is None else ([grey, many], ["before", "after calibration"])
        )
        legend(figure, handles, labels=labels, handler_map={tuple: HandlerTuple(ndivide=None)}, handlelength=3.5)
        which = "before" if after is None else "before and after"
        return f"Share annotated against predicted probability of each label, {which} calibration."

    return render("reliability", 5.4, draw)


def risk_plot(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Share of wrong answers among those kept, against the share kept; a line at ``TOLERATED_RISK``.

    ``curves``: system -> ``coverage`` and ``risk``, each of shape (points,) from 0 to 1.
    """

    def draw(figure: Figure) -> str:
        from matplotlib.ticker import MaxNLocator, PercentFormatter

        axes = figure.subplots()
        handles, top = [], TOLERATED_RISK * 1.2
        for place, (name, curve) in enumerate(curves.items()):
            color, line = SYSTEMS[place % len(SYSTEMS)]
            columns = [[number(value) for value in curve[part]] for part in ("coverage", "risk")]
            points = thin(np.array(columns, dtype=np.float64).T)
            axes.plot(*points.T, color=color, linestyle=line)
            if len(points) == 1:
                dots(axes, *points.T, color=color)
            top = max(top, 1.05 * float(points[:, 1].max(initial=0)))
            handles.append(entry(one_line(name) + ("" if len(points) else " n/a"), color=color, linestyle=line))
        axes.axhline(TOLERATED_RISK, color=SOFT, linewidth=0.8)
        axes.text(0.01, TOLERATED_RISK, f"{TOLERATED_RISK:.0%} risk", color=SOFT, va="bottom", fontsize=9)
        axes.set(xlim=(0, 1), ylim=(0, top), xlabel="coverage: sentences kept", ylabel="risk: wrong among the kept")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            axis.set_major_formatter(PercentFormatter(1, decimals=0))
        if handles:
            legend(figure, handles)
        else:
            nothing(axes, "no systems")
        return f"Risk against coverage of {one_line(', '.join(curves), 300) or 'no system'}."

    return render("risk", 3.8, draw)


def training_curve(epochs: Rows) -> str:
    """Loss and macro-F1 on validation after each epoch, in two panels; the best macro-F1 is marked.

    ``epochs``: rows with ``epoch``, ``loss``, ``macro_f1`` and, where known, ``train_loss``; None is n/a.
    """
    x, loss, train, score = (
        np.array([number(row.get(key)) for row in epochs]) for key in ("epoch", "loss", "train_loss", "macro_f1")
    )

    def draw(figure: Figure) -> str:
        from matplotlib.ticker import MaxNLocator

        left, right = figure.subplots(1, 2)
        marker = "o" if len(x) <= 30 else ""
        left.plot(x, train, color=GREY, linestyle=(0, (5, 1.5)), marker=marker, markersize=4)
        left.plot(x, loss, color=INK, marker=marker, markersize=4)
        right.plot(x, score, color=INK, marker=marker, markersize=4)
        words = "best macro-F1 n/a"
        if np.isfinite(score).any():
            best = int(np.nanargmax(score))
            dots(right, x[best], score[best], color=COLORS["threat"], markersize=8)
            words = f"best macro-F1 {score[best]:.3f} after epoch {x[best]:g}"
        for axes, title, values in ((left, "loss", (loss, train)), (right, "macro-F1", (score,))):
            axes.set(title=title, xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
            if len(x) == 1:
                axes.set_xlim(x[0] - 1, x[0] + 1)
            if not any(np.isfinite(one).any() for one in values):
                nothing(axes, "no values")
                axes.set(xticks=(), yticks=())
        handles = [entry("validation", color=INK), entry("training", color=GREY, linestyle=(0, (5, 1.5)))]
        best_dot = entry(words, color=COLORS["threat"], marker="o", linestyle="")
        legend(figure, [*handles[: 1 + int(np.isfinite(train).any())], best_dot])
        return f"Validation loss and macro-F1 by epoch; {words}."

    return render("training", 2.9, draw)
