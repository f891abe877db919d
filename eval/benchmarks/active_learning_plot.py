"""The plot of ``eval.benchmarks.active_learning``: one line a strategy, and what the best saves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

# Colours of Okabe and Ito 2008, told apart by the colour-blind.
STYLES = {
    "random": ("#5f6368", "o", (0, (1.5, 1))),
    "uncertainty": ("#0072B2", "s", "-"),
    "mixed": ("#D55E00", "D", (0, (5, 1.5))),
    "rare": ("#009E73", "^", (0, (5, 1.5, 1, 1.5))),
    "diversity": ("#CC79A7", "v", (0, (2, 0.8))),
}
INK, SOFT = "#1b1b1b", "#5f6368"


def plot(result: dict[str, Any], target: Path) -> None:
    """Macro-F1 against labels with the range over seeds, as an SVG file; the arrow is what the default saves."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "active learning"  # the same figures give the same file
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7.5, 4.6), layout="constrained")
    sizes = result["sizes"]
    for by, row in result["strategies"].items():
        color, marker, line = STYLES[by]
        points = [[entry["mean"], entry["low"], entry["high"]] for entry in row["macro_f1"]]
        mean, low, high = 100 * np.array(points).T
        axes.fill_between(sizes, low, high, color=color, alpha=0.12, linewidth=0)
        axes.plot(sizes, mean, color=color, marker=marker, linestyle=line, markersize=4.5, label=by)
    whole = 100 * result["whole_pool"]
    axes.axhline(whole, color=SOFT, linewidth=0.8)
    axes.text(0.01 * sizes[-1], whole, f"all {result['pool']:,} labels", color=SOFT, va="bottom")
    axes.set(xlabel="labelled sentences", ylabel="macro-F1 on validation (points)")
    axes.set(xlim=(0, sizes[-1] * 1.02), ylim=(axes.get_ylim()[0], whole + 3))
    _arrow(axes, result)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    title = f"mean of {result['seeds']} starts; the band is their range"
    axes.legend(frameon=False, loc="lower right", title=title, alignment="left")
    figure.savefig(target, metadata={"Date": None})
    plt.close(figure)


def _arrow(axes: Any, result: dict[str, Any]) -> None:
    """From the end of the random curve to where the default is as good, with both numbers of labels."""
    size = result["sizes"][-1]
    needed = result["strategies"][result["default"]]["labels_to_reach_random_at"][str(size)]["mean"]
    if needed is None or needed >= size:
        return
    level = 100 * result["strategies"]["random"]["macro_f1"][-1]["mean"]
    style = {"arrowstyle": "->", "color": INK, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (needed, level), (size, level), arrowprops=style)
    text = f"{needed:,.0f} labels chosen by {result['default']}\ndo what {size:,} random ones do"
    bottom = axes.get_ylim()[0]
    axes.plot((needed, needed), (bottom, level), color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.text(needed + 0.015 * size, (bottom + level) / 2 + 3, text, va="center", color=INK)
