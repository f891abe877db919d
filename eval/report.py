"""The report of a run: every system on every split, with intervals -> report.json and one-file report.html."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eval import plots as plot
from eval import sections
from eval.behaviour import Case, read_cases
from eval.bootstrap import DRAWS, f1_intervals
from eval.gather import NAMES, SPLITS, Found, aligned, predictions_of
from eval.intervals import metric_intervals
from eval.pages import figure, plain, render, shortened
from eval.predictions import BEHAVIOUR, Predictions, read_predictions
from eval.words import Words, read_words, shaded
from strijdtaal.errors import DataError, StrijdtaalError
from strijdtaal.folder import write_folder
from strijdtaal.labels import CODEBOOK_VERSION, DUTCH, KEYS, from_vector, to_vector
from training.dataset import load_corpus, resolve
from training.records import Record
from training.run import Run, open_run, write_json

KIND = "report"
CURVES = ("tfidf", "encoder")  # systems whose coverage against risk is drawn
SHOWN_SENTENCES = 1500  # of the test split, in the page's browser


def evaluate_predictions(item: Predictions) -> dict[str, Any]:
    """All metrics of one system on one split, with 95% intervals of F1."""
    from eval.metrics import score

    result = score(item.gold, item.decided, item.probabilities)
    macro, each = f1_intervals(item.articles, item.gold, item.decided)
    result["macro_f1_interval"] = macro
    for key, interval in zip(KEYS, each, strict=True):
        result["labels"][key]["f1_interval"] = interval
    result["intervals"] = metric_intervals(item)
    result |= {"thresholds": item.thresholds.tolist(), "articles": len(set(item.articles))}
    return dict(plain(result))


def _sentences(
    systems: dict[str, Predictions], limit: int, words: dict[str, Words] | None = None
) -> list[dict[str, Any]]:
    item = systems["encoder"]
    rows = []
    for number in range(min(len(item.ids), limit)):
        gold, said = from_vector(item.gold[number]), from_vector(item.decided[number])
        rows.append(
            {
                "id": item.ids[number],
                "text": shortened(item.texts[number]),
                "gold": gold,
                "said": said,
                "right": gold == said,
                "pieces": shaded(item.texts[number], (words or {}).get(item.ids[number])),
                "probabilities": dict(zip(KEYS, item.probabilities[number].round(4).tolist(), strict=True)),
            }
        )
    return rows


def _records_of(run: Run) -> dict[str, list[Record]]:
    """The annotated sentences by split, for slices and agreement; {} when they are gone or changed since the run."""
    try:
        corpus = load_corpus(run.config.data)
    except StrijdtaalError:
        return {}
    same = corpus.split_fingerprint == run.data["split_fingerprint"]
    return corpus.splits if same and corpus.data_fingerprint == run.data["data_fingerprint"] else {}


def _cases_of(run: Run, item: Predictions) -> list[Case]:
    """The behavioural cases in the order of the predictions.

    Raises:
        DataError: the cases changed since the run was scored.
    """
    cases = {case.id: case for path in run.config.data.behaviour for case in read_cases(resolve(path))}
    if set(cases) == set(item.ids):
        found = [cases[key] for key in item.ids]
        gold = [to_vector(case.labels) for case in found]
        if [case.text for case in found] == item.texts and np.array_equal(gold, item.gold):
            return found
    raise DataError(f"The behavioural cases changed since {run.folder} was scored. Score it again.")


def _parts(run: Run, found: Found) -> dict[str, Any]:
    """Everything beside the plain scores, for the encoder on the test split."""
    records = _records_of(run)
    validation, test = found["validation"]["encoder"], found["test"]["encoder"]
    before = [sections.uncalibrated(item, run.decision) for item in (validation, test)]
    pair = (before[0], before[1]) if before[0] is not None and before[1] is not None else None
    parts: dict[str, Any] = {
        "agreement": sections.agreement(records["test"]) if records else None,
        "decision": run.decision.as_dict(),
        "rules": sections.decision_rules(validation, test, pair),
        "calibration": sections.calibration(test, before[1]),
        "slices": sections.slices(test, records.get("test")),
        "abstention": {
            name: sections.abstention(item, found["validation"][name])
            for name, item in found["test"].items()
            if name in CURVES
        },
        "counts": sections.counts(validation, test),
        "behaviour": None,
    }
    if BEHAVIOUR in found:
        systems = found[BEHAVIOUR]
        parts["behaviour"] = sections.behaviour(systems, _cases_of(run, systems["encoder"]), "encoder")
    return parts


def build(run: Run, extra: Sequence[Path] = ()) -> dict[str, Any]:
    """The report as plain values: what made the run, its data, results by split and system, and the parts."""
    found = predictions_of(run, extra)
    words = read_words(run.folder / "predictions")
    return {
        "run": run.name,
        "ours": "encoder",
        "main": "test",
        "codebook_version": CODEBOOK_VERSION,
        "labels": list(KEYS),
        "config": run.config.model_dump(mode="json"),
        "environment": run.environment,
        "model_sha256": run.model_sha256,
        "data_fingerprint": run.data["data_fingerprint"],
        "split_fingerprint": run.data["split_fingerprint"],
        "counts": run.data["counts"],
        "interval": f"95% percentile bootstrap over articles, {DRAWS} draws",
        "threshold_chosen_on": "validation" if run.config.decision.threshold == "validation" else "config",
        "best_epoch": run.metrics["best_epoch"],
        "epochs": plain(run.metrics["epochs"]),
        "results": {
            split: {system: evaluate_predictions(item) for system, item in found[split].items()}
            for split in SPLITS
            if split in found
        },
        "parts": plain(_parts(run, found)),
        "sentences": {
            split: _sentences(found[split], SHOWN_SENTENCES, words.get(split, {}))
            for split in ("held_out", "test")
            if split in found
        },
    }


def table(report: dict[str, Any], split: str) -> str:
    """A table for the terminal: one row a system."""
    rows: list[Sequence[str]] = [["system", "macro-F1", "95% interval", "micro-F1", "exact", *KEYS]]
    for system, result in report["results"][split].items():
        low, high = result["macro_f1_interval"]
        interval = "n/a" if low is None else f"{low:.3f}-{high:.3f}"
        cells = [figure(result[name]) for name in ("macro_f1", "micro_f1", "exact_match")]
        labels = [figure(result["labels"][key]["f1"]) for key in KEYS]
        rows.append([NAMES.get(system, system), cells[0], interval, *cells[1:], *labels])
    found = report["parts"]["agreement"] if split == report["main"] else None
    if found:  # what two annotators reach against each other on these sentences
        each = [figure(found[key]["pairwise_f1"]) for key in KEYS]
        known = [found[key]["pairwise_f1"] for key in KEYS if found[key]["pairwise_f1"] is not None]
        mean = figure(sum(known) / len(known)) if known else "n/a"
        rows.append(["annotators against each other", mean, "", "", "", *each])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _html(report: dict[str, Any], plots: dict[str, str]) -> str:
    return render("report.html.j2", report=report, names=NAMES, dutch=DUTCH, keys=KEYS, plots=plots)


def build_bare(items: Sequence[Predictions]) -> dict[str, Any]:
    """A report on predictions files alone, all of one split; the first is the system that the page is about.

    Raises:
        DataError: other sentences or annotations than the first.
    """
    first = items[0]
    found = {item.system: aligned(first, item, item.system) for item in items}
    if len(found) < len(items):
        raise DataError("Two files speak for the same system. Give each its own name in the metadata.")
    other = [item for item in items if item.split != first.split]
    if other:
        raise DataError(f"{other[0].system} holds the split '{other[0].split}', {first.system} '{first.split}'.")
    parts = dict.fromkeys(("agreement", "decision", "rules", "counts", "behaviour"))
    return {
        "run": first.system,
        "ours": first.system,
        "main": first.split,
        "codebook_version": CODEBOOK_VERSION,
        "labels": list(KEYS),
        "config": None,
        "interval": f"95% percentile bootstrap over articles, {DRAWS} draws",
        "epochs": [],
        "results": {first.split: {name: evaluate_predictions(item) for name, item in found.items()}},
        "parts": plain(
            {
                **parts,
                "calibration": sections.calibration(first, None),
                "slices": sections.slices(first, None),
                "abstention": {name: sections.abstention(item) for name, item in found.items()},
            }
        ),
        "sentences": {first.split: _sentences({"encoder": first}, SHOWN_SENTENCES)},
    }


def drawn_slice(row: dict[str, Any]) -> bool:
    """Single regions are many; those with too few articles for an interval stand in the table only."""
    return row["dimension"] != "region" or row["low"] is not None


def draw(report: dict[str, Any], test: Predictions) -> dict[str, str]:
    """The plots of the page, as inline SVG."""
    parts = report["parts"]
    calibration = parts["calibration"]
    before = calibration["before"] and calibration["before"]["bins"]
    drawn = {
        "pr": plot.pr_curves(test.probabilities, test.gold, test.thresholds),
        "sweep": plot.threshold_sweep(test.probabilities, test.gold, test.thresholds),
        "reliability": plot.reliability_plot(
            before or calibration["after"]["bins"], before and calibration["after"]["bins"]
        ),
        "slices": plot.slice_plot([row for row in parts["slices"] if drawn_slice(row)]),
        "risk": plot.risk_plot({NAMES.get(name, name): part["curve"] for name, part in parts["abstention"].items()}),
        "epochs": plot.training_curve(report["epochs"]) if report["epochs"] else "",
    }
    if parts["behaviour"]:
        drawn["behaviour"] = plot.behaviour_plot(parts["behaviour"]["systems"][report["ours"]])
    return drawn


def _write(target: Path, report: dict[str, Any], page: str) -> None:
    with write_folder(target, KIND, replace=True) as work:
        write_json(work / "report.json", {key: value for key, value in report.items() if key != "sentences"})
        (work / "report.html").write_text(page, encoding="utf-8")


def write_report(folder: Path | str, extra: Sequence[Path] = ()) -> tuple[Path, dict[str, Any]]:
    """Write ``report/`` into a scored run: report.json and report.html; an older one is replaced.

    Raises:
        UsageError: the run is not whole. DataError: it was not scored, or the predictions are faulty.
    """
    run = open_run(folder)
    report = build(run, extra)
    target = run.folder / "report"
    _write(target, report, _html(report, draw(report, predictions_of(run)["test"]["encoder"])))
    return target, report


def write_bare_report(files: Sequence[Path], target: Path) -> dict[str, Any]:
    """Write a report on predictions files alone into ``target``; an older report there is replaced."""
    items = [read_predictions(path) for path in files]
    report = build_bare(items)
    _write(target, report, _html(report, draw(report, items[0])))
    return report
