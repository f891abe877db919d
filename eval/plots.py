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

from eval.names import BOTH, DUTCH, ENGLISH, dutch
from eval.panels import reliability_plot
from eval.row_plots import behaviour_plot, slice_plot
from eval.svg import (
    BLUE,
    COLORS,
    INK,
    LINES,
    MARKERS,
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
    thin,
    unit,
)
from eval.training_plot import training_curve
from strijdtaal.labels import KEYS
from training.counts import f1_of_counts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
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


def _listed(texts: Mapping[str, str]) -> tuple[str, str]:
    """Labels with a text each, in English and Dutch words."""
    english, nl = (", ".join(f"{names[key]} {text}" for key, text in texts.items()) for names in (ENGLISH, DUTCH))
    return english, nl


def _label_entry(key: str, text: str) -> Any:
    style = {"color": COLORS[key], "linestyle": LINES[key], "marker": MARKERS[key], "markersize": 6}
    return entry(f"{BOTH[key]} {text}", **style, markeredgecolor="white")


def pr_curves(probabilities: Array, gold: Array, thresholds: Array) -> str:
    """Precision against recall of each label, its average precision, and a dot at its decision threshold.

    ``probabilities`` and ``gold`` have shape (sentences, labels), ``thresholds`` (labels,). A label without
    positives has no curve and the average precision n/a.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve

    def draw(figure: Figure) -> tuple[str, str]:
        axes = figure.subplots()
        unit(axes, say("recall", "recall (volledigheid)"), say("precision", "precisie"))
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
            nothing(axes, "no label has positives", "geen label komt voor")
        handles = [_label_entry(key, figures(value)) for key, value in average.items()]
        title = say("average precision; marker: decision threshold", "gemiddelde precisie; teken: drempel in gebruik")
        legend(figure, handles, title, ncols=1)
        english, nl = _listed({key: figures(value) for key, value in average.items()})
        return (
            f"Precision against recall of each label. Average precision: {english}.",
            f"Precisie tegen recall van elk label. Gemiddelde precisie: {nl}.",
        )

    return render("pr", 4.8, draw)


def threshold_sweep(probabilities: Array, gold: Array, thresholds: Array) -> str:
    """F1 of each label and macro-F1 against the threshold, with markers at the ``thresholds`` in use.

    Shapes as in ``pr_curves``. Macro-F1 is the mean over the labels that occur or are predicted, as in
    ``eval.metrics``; a label without positives has no curve. The macro curve has one threshold for all
    labels, so it bears a marker only where the thresholds in use are the same.
    """
    thresholds = np.asarray(thresholds, dtype=np.float64)

    def draw(figure: Figure) -> tuple[str, str]:
        axes = figure.subplots()
        unit(axes, say("threshold", "drempel"), "F1")
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
            nothing(axes, "no label has positives", "geen label komt voor")
        texts = [figures(value if there else math.nan) for value, there in zip(used, occurs, strict=True)]
        handles = [_label_entry(key, text) for key, text in zip(KEYS, texts, strict=True)]
        handles.append(entry(f"macro-F1 {figures(_mean_known(used))}", color=INK, linewidth=2.4))
        legend(figure, handles, say("F1 at the thresholds in use (markers)", "F1 bij de drempels in gebruik"), ncols=1)
        english, nl = _listed(dict(zip(KEYS, texts, strict=True)))
        macro_f1 = figures(_mean_known(used))
        return (
            f"F1 against the threshold. At the thresholds in use: macro {macro_f1}, {english}.",
            f"F1 tegen de drempel. Bij de drempels in gebruik: macro {macro_f1}, {nl}.",
        )

    return render("sweep", 5.0, draw)


def risk_plot(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Share of wrong answers among those kept, against the share kept; a line at ``TOLERATED_RISK``.

    ``curves``: system -> ``coverage`` and ``risk``, each of shape (points,) from 0 to 1.
    """

    def draw(figure: Figure) -> tuple[str, str]:
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
            ending = "" if len(points) else " n/a"
            text = say(one_line(name, 40) + ending, one_line(dutch(name), 40) + ending)
            handles.append(entry(text, color=color, linestyle=line))
        axes.axhline(TOLERATED_RISK, color=SOFT, linewidth=0.8)
        tolerated = say(f"{TOLERATED_RISK:.0%} risk", f"{TOLERATED_RISK:.0%} risico")
        axes.text(0.01, TOLERATED_RISK, tolerated, color=SOFT, va="bottom", fontsize=9)
        axes.set(xlim=(0, 1), ylim=(0, top))
        axes.set_xlabel(say("coverage: sentences kept", "dekking: behouden zinnen"))
        axes.set_ylabel(say("risk: wrong among the kept", "risico: fout onder de behouden zinnen"))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            axis.set_major_formatter(PercentFormatter(1, decimals=0))
        if handles:
            legend(figure, handles, ncols=1)
        else:
            nothing(axes, "no systems", "geen systemen")
        return (
            f"Risk against coverage of {one_line(', '.join(curves), 300) or 'no system'}.",
            f"Risico tegen dekking van {one_line(', '.join(map(dutch, curves)), 300) or 'geen systeem'}.",
        )

    return render("risk", 4.0, draw)
