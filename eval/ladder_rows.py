"""The rows of a ladder: one system each, the mean over its seeds, with intervals over articles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eval.bootstrap import DRAWS, FEWEST_ARTICLES, NO_INTERVAL, Array, article_draws, percentile_interval
from eval.gather import NAMES
from eval.pages import figure
from eval.paired import METRICS, article_table
from eval.predictions import Predictions
from strijdtaal.labels import KEYS

HEAD = ("system", "macro-F1", "95% interval", "sd", "worst", "micro-F1", "exact", *KEYS, "seconds")


def interval(tables: Sequence[Array], draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """95% percentile interval, over draws of articles, of the mean macro-F1 of ``tables`` (one a seed).

    Tables are those of ``eval.paired.article_table``, of the same articles. The spread over seeds is not in
    it. (nan, nan) with fewer than ``FEWEST_ARTICLES`` articles.
    """
    number = len(tables[0])
    if number < FEWEST_ARTICLES:
        return NO_INTERVAL
    weights = article_draws(number, draws, seed)
    return percentile_interval(np.mean([METRICS["macro_f1"](weights @ table) for table in tables], axis=0))


def row(system: str, seeds: Sequence[Predictions], seconds: float) -> dict[str, Any]:
    """One system's row: the mean over its seeds of every metric, and their spread where there are several.

    ``seconds`` of training, NaN where unknown.
    """
    tables = [article_table(item.articles, item.gold, item.decided) for item in seeds]
    each = {metric: [float(of(table.sum(axis=0))) for table in tables] for metric, of in METRICS.items()}
    macro = each["macro_f1"]
    return {
        "system": system,
        "name": NAMES.get(system, system) + (f", mean of {len(seeds)} seeds" if len(seeds) > 1 else ""),
        "seeds": len(seeds),
        **{metric: float(np.mean(each[metric])) for metric in ("macro_f1", "micro_f1", "exact_match")},
        "macro_f1_interval": list(interval(tables)),
        "seed_sd": float(np.std(macro, ddof=1)) if len(macro) > 1 else float("nan"),
        "worst_seed": min(macro) if len(macro) > 1 else float("nan"),
        "labels": {key: float(np.mean(each[key])) for key in KEYS},
        "thresholds": [item.thresholds.tolist() for item in seeds],
        "seconds": seconds,
    }


def cells(entry: dict[str, Any]) -> list[str]:
    """A row as text, in the order of ``HEAD``; what does not exist is n/a."""
    low, high = entry["macro_f1_interval"]
    several = entry["seeds"] > 1
    return [
        entry["name"],
        figure(entry["macro_f1"]),
        "n/a" if low is None else f"{low:.3f}-{high:.3f}",
        figure(entry["seed_sd"]) if several else "",
        figure(entry["worst_seed"]) if several else "",
        figure(entry["micro_f1"]),
        figure(entry["exact_match"]),
        *(figure(entry["labels"][key]) for key in KEYS),
        "n/a" if entry["seconds"] is None else f"{entry['seconds']:.1f}",
    ]


def _caption(result: dict[str, Any]) -> str:
    return f"{result['name']}: {result['split']}, {result['sentences']} sentences of {result['articles']} articles"


def table(result: dict[str, Any]) -> str:
    """The ladder for the terminal: one row a system."""
    rows: list[Sequence[str]] = [HEAD, *(cells(entry) for entry in result["systems"])]
    widths = [max(len(line[column]) for line in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in rows]
    return "\n".join([_caption(result), *lines])


def markdown(result: dict[str, Any]) -> str:
    """The ladder as a Markdown table with a caption."""
    rule = ["---", *["---:"] * (len(HEAD) - 1)]
    lines = [f"| {' | '.join(line)} |" for line in (HEAD, rule, *(cells(entry) for entry in result["systems"]))]
    seeds = ", ".join(str(run["seed"]) for run in result["runs"])
    note = (
        f"{_caption(result)}. Seeds {seeds}: sd and worst of macro-F1 over them. Intervals: 95%, articles drawn "
        "with replacement; the spread over seeds is not in them. Seconds: fitting on the training sentences, of "
        "the encoder the mean a seed, of the ensemble all seeds together."
    )
    return "\n".join([*lines, "", note, ""])
