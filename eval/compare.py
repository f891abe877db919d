"""Compare systems on the same sentences and say "better", "worse" or "cannot tell".

A system is a run folder (its encoder), ``RUN:tfidf`` (another system scored in that run) or a predictions
file. Several seeds of one system are joined with commas: ``runs/a-1,runs/a-2``. The first system is the
reference; every other one is compared with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from eval.bootstrap import FEWEST_ARTICLES
from eval.compare_plots import TITLES, difference_plot, flips_plot
from eval.gather import aligned
from eval.pages import plain, render, shortened
from eval.paired import DRAWS, HEADLINES, METRICS, Array, Difference, article_table, compare_tables, holm
from eval.paired_ranking import AVERAGE_PRECISION, compare_average_precision, macro_average_precision
from eval.panels import pr_of_systems, reliability_of_systems
from eval.predictions import Predictions, read_predictions
from eval.system_curves import curves
from eval.verdict import LEVEL, p_text, points, verdicts
from strijdtaal.errors import DataError, UsageError
from strijdtaal.folder import write_folder
from strijdtaal.labels import CODEBOOK_VERSION, KEYS, from_vector
from training.run import open_run, write_json

KIND = "comparison"
OVERALL = (*HEADLINES, AVERAGE_PRECISION)
SHOWN = (*OVERALL, *KEYS)
SHOWN_FLIPS = 1500


@dataclass(frozen=True)
class System:
    """One system: a name, and its predictions of each seed."""

    name: str
    sources: list[str]
    seeds: list[Predictions]


def _one(source: str, split: str) -> tuple[str, Predictions]:
    """Name and predictions of a run folder, ``RUN:system`` or a predictions file."""
    path = Path(source)
    if path.suffix == ".parquet" or path.is_file():
        item = read_predictions(path)
        if item.split != split:
            raise UsageError(f"{path} holds the split '{item.split}', not '{split}'. Choose with --split.")
        return item.system, item
    folder, _, system = source.rpartition(":") if not path.is_dir() else (source, "", "")
    from eval.gather import predictions_of

    run = open_run(folder)
    found = predictions_of(run).get(split)
    if found is None:
        raise UsageError(f"{folder} has no predictions of the split '{split}'.")
    if (system or "encoder") not in found:
        raise UsageError(f"{folder} has no system '{system}' on {split}; it has {', '.join(found)}.")
    return (f"{run.name}: {system}" if system else run.name), found[system or "encoder"]


def read_systems(arguments: Sequence[str], split: str) -> list[System]:
    """Read the systems to compare; names are made different from each other."""
    systems: list[System] = []
    for argument in arguments:
        sources = argument.split(",")
        found = [_one(source, split) for source in sources]
        name = found[0][0] if len(found) == 1 else f"{found[0][0]} and {len(found) - 1} more"
        number = 2
        while name in {system.name for system in systems}:
            name, number = f"{found[0][0]} ({number})", number + 1
        systems.append(System(name, sources, [item for _, item in found]))
    return [
        replace(system, seeds=[aligned(systems[0].seeds[0], item, system.name) for item in system.seeds])
        for system in systems
    ]


def _tables(system: System) -> list[Array]:
    return [article_table(item.articles, item.gold, item.decided) for item in system.seeds]


def _flips(first: Predictions, second: Predictions) -> list[dict[str, Any]]:
    """Sentences that exactly one of the two has exactly right (of the first seed of each)."""
    gold = first.gold >= 0.5
    right = [((item.decided >= 1) == gold).all(axis=1) for item in (first, second)]
    rows = []
    shifts = second.probabilities - first.probabilities
    for number in np.flatnonzero(right[0] != right[1]):
        rows.append(
            {
                "id": first.ids[number],
                "text": shortened(first.texts[number]),
                "gold": from_vector(first.gold[number]),
                "first": from_vector(first.decided[number]),
                "second": from_vector(second.decided[number]),
                "gained": bool(right[1][number]),
                "shift": float(np.abs(shifts[number]).max()),
            }
        )
    return rows


def _only_one_right(first: Predictions, second: Predictions) -> dict[str, dict[str, int]]:
    """Of whole sentences and of each label's decisions: how many only the first, and only the second, has right."""
    gold = first.gold >= 0.5
    one, two = ((item.decided >= 1) == gold for item in (first, second))
    columns = {"sentence": (one.all(axis=1), two.all(axis=1))}
    columns |= {key: (one[:, column], two[:, column]) for column, key in enumerate(KEYS)}
    return {
        name: {"lost": int((left & ~right).sum()), "gained": int((right & ~left).sum())}
        for name, (left, right) in columns.items()
    }


def _pair(first: System, second: System) -> dict[str, Any]:
    tables = _tables(first), _tables(second)
    found = {metric: compare_tables(*tables, metric) for metric in METRICS}
    item = first.seeds[0]
    one, two = ([each.probabilities for each in system.seeds] for system in (first, second))
    found[AVERAGE_PRECISION] = compare_average_precision(one, two, item.gold, item.articles)
    found = {metric: found[metric] for metric in SHOWN}
    adjusted = dict(zip(KEYS, holm([found[key].p for key in KEYS]), strict=True))
    flips = _flips(first.seeds[0], second.seeds[0])
    return {
        "first": first.name,
        "second": second.name,
        "differences": {
            metric: {**vars(entry), "p_holm": adjusted.get(metric, math.nan)} for metric, entry in found.items()
        },
        "several_seeds": max(len(first.seeds), len(second.seeds)) > 1,
        "only_one_right": _only_one_right(first.seeds[0], second.seeds[0]),
        "gained": sum(row["gained"] for row in flips),
        "lost": sum(not row["gained"] for row in flips),
        "flips": flips[:SHOWN_FLIPS],
    }


def compare(arguments: Sequence[str], split: str = "test") -> dict[str, Any]:
    """The comparison as plain values: systems, one entry a pair with its verdict, and the flips.

    Raises:
        UsageError, DataError: fewer than two systems, too few articles, or systems that do not speak of
            the same sentences, annotated alike by the same codebook.
    """
    if len(arguments) < 2:
        raise UsageError("Give at least two systems to compare.")
    systems = read_systems(arguments, split)
    item = systems[0].seeds[0]
    articles = len(set(item.articles))
    if articles < FEWEST_ARTICLES:
        raise DataError(
            f"The split '{split}' holds {articles} articles; drawing articles says nothing below {FEWEST_ARTICLES}."
        )
    pairs = [_pair(systems[0], other) for other in systems[1:]]
    corrected = holm([pair["differences"]["macro_f1"]["p"] for pair in pairs])
    for pair, p in zip(pairs, corrected, strict=True):
        entry = pair["differences"]["macro_f1"]
        found = Difference(**{name: entry[name] for name in Difference.__dataclass_fields__})
        pair["p"] = p
        pair["verdict"], pair["verdict_nl"] = verdicts(pair["first"], pair["second"], found, p, articles)
    return {
        "split": split,
        "codebook_version": CODEBOOK_VERSION,
        "labels": list(KEYS),
        "sentences": len(item.ids),
        "articles": articles,
        "draws": DRAWS,
        "level": LEVEL,
        "systems": [{**_summary(system), "labels": curves(system.seeds[0])} for system in systems],
        "pairs": pairs,
    }


def _summary(system: System) -> dict[str, Any]:
    scores: dict[str, Any] = {"name": system.name, "sources": system.sources, "seeds": len(system.seeds)}
    tables = _tables(system)
    values_of = {name: [float(of(table.sum(axis=0))) for table in tables] for name, of in METRICS.items()}
    values_of[AVERAGE_PRECISION] = [macro_average_precision(item.probabilities, item.gold) for item in system.seeds]
    for metric, values in values_of.items():
        scores[metric] = float(np.mean(values))
        if metric == "macro_f1" and len(values) > 1:
            scores["seed_sd"], scores["worst_seed"] = float(np.std(values, ddof=1)), min(values)
    return scores


def text(result: dict[str, Any]) -> str:
    """The comparison for the terminal: scores, then one block a pair."""
    lines = [f"{result['split']}: {result['sentences']} sentences of {result['articles']} articles"]
    for system in result["systems"]:
        spread = f"  (sd over {system['seeds']} seeds {100 * system['seed_sd']:.1f})" if "seed_sd" in system else ""
        scores = "  ".join(
            f"{metric} {100 * system[metric]:.1f}" if math.isfinite(system[metric]) else f"{metric} n/a"
            for metric in OVERALL
        )
        lines.append(f"  {system['name']}: {scores}{spread}")
    for pair in result["pairs"]:
        lines += ["", pair["verdict"]]
        for metric, entry in pair["differences"].items():
            p = entry["p"] if metric in OVERALL else entry["p_holm"]
            if math.isfinite(entry["p"]):
                interval = f"[{points(entry['low'])}, {points(entry['high'])}]"
                lines.append(f"  {metric:23s} {points(entry['difference']):>6s}  {interval:16s} {p_text(p)}")
            else:
                lines.append(f"  {metric:23s} n/a: undefined for one of the two")
    return "\n".join(lines)


def write_comparison(result: dict[str, Any], target: Path) -> None:
    """Write ``comparison.json`` and the one-file page ``compare.html`` into a new folder.

    Raises:
        FolderError: the folder exists, or the disk refuses.
    """
    values = plain(result)
    plots = {"pr": pr_of_systems(values["systems"]), "reliability": reliability_of_systems(values["systems"])}
    pairs = [
        {
            "differences": difference_plot(pair["differences"], pair["first"], pair["second"]),
            "flips": flips_plot(pair["only_one_right"], pair["first"], pair["second"]),
        }
        for pair in values["pairs"]
    ]
    page = render(
        "compare.html.j2", result=values, metrics=SHOWN, titles=TITLES, p_text=p_text, plots=plots, pairs=pairs
    )
    with write_folder(target, KIND, replace=True) as work:
        write_json(work / "comparison.json", values)
        (work / "compare.html").write_text(page, encoding="utf-8")
