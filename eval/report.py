"""The report of a run: every system on every split, with intervals -> report.json and one-file report.html."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval import plots as plot
from eval import sections
from eval.bootstrap import DRAWS, FEWEST_ARTICLES
from eval.gather import NAMES, SPLITS, aligned, ensemble_files, join_ensemble, predictions_of
from eval.intervals import with_intervals
from eval.pages import figure, plain, render, shortened
from eval.parts import parts_of
from eval.predictions import Predictions, read_predictions
from eval.slices import YEAR
from eval.words import Words, read_words, shaded, shown_rows
from strijdtaal.errors import DataError
from strijdtaal.folder import write_folder
from strijdtaal.labels import CODEBOOK_VERSION, KEYS, from_vector
from training.run import Run, open_run, write_json

KIND = "report"
SHOWN_SENTENCES = 1500  # of the test split, in the page's browser


def evaluate_predictions(item: Predictions) -> dict[str, Any]:
    """All metrics of one system on one split, each with its 95% interval beside it."""
    from eval.metrics import score

    result = with_intervals(score(item.gold, item.decided, item.probabilities), item)
    result |= {"thresholds": item.thresholds.tolist(), "articles": len(set(item.articles))}
    return dict(plain(result))


def _sentences(
    systems: dict[str, Predictions], limit: int, words: dict[str, Words] | None = None
) -> list[dict[str, Any]]:
    item = systems["encoder"]
    rows = []
    for number in shown_rows(item, limit):
        gold, said = from_vector(item.gold[number]), from_vector(item.decided[number])
        asked = sorted({*gold} ^ {*said}) or said  # the wrong labels, else those it got
        rows.append(
            {
                "id": item.ids[number],
                "text": shortened(item.texts[number]),
                "gold": gold,
                "said": said,
                "right": gold == said,
                "pieces": shaded(item.texts[number], (words or {}).get(item.ids[number]), asked),
                "probabilities": dict(zip(KEYS, item.probabilities[number].round(4).tolist(), strict=True)),
            }
        )
    return rows


def _chosen_on(run: Run) -> str:
    section = run.config.decision
    if section.threshold != "validation":
        return "config"
    return "validation and training" if section.cross_fit else "validation"


def build(run: Run, extra: Sequence[Path] = ()) -> dict[str, Any]:
    """The report as plain values: what made the run, its data, results by split and system, and the parts."""
    found = predictions_of(run, extra)
    join_ensemble(found, ensemble_files(run))
    alone = "ensemble" not in found["test"]
    words = read_words(run.folder / "predictions")
    return {
        "run": run.name,
        "no_ensemble": "this is one seed; python -m eval ladder CONFIG --seeds 3 makes one" if alone else "",
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
        "threshold_chosen_on": _chosen_on(run),
        "best_epoch": run.metrics["best_epoch"],
        "epochs": plain(run.metrics["epochs"]),
        "results": {
            split: {system: evaluate_predictions(item) for system, item in found[split].items()}
            for split in SPLITS
            if split in found
        },
        "parts": plain(parts_of(run, found)),
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
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if split == report["main"] and report["no_ensemble"]:
        lines.append(f"{NAMES['ensemble']}: n/a, {report['no_ensemble']}")
    return "\n".join(lines)


def _html(report: dict[str, Any], plots: dict[str, str]) -> str:
    return render("report.html.j2", report=report, plots=plots, fewest=FEWEST_ARTICLES)


def build_bare(items: Sequence[Predictions]) -> dict[str, Any]:
    """A report on predictions files alone, all of one split; the first is the system that the page is about.

    Raises:
        DataError: other sentences or annotations than the first.
    """
    first = items[0]
    other = [item for item in items if item.split != first.split]
    if other:
        raise DataError(f"{other[0].system} holds the split '{other[0].split}', {first.system} '{first.split}'.")
    found = {item.system: aligned(first, item, item.system) for item in items}
    if len(found) < len(items):
        raise DataError("Two files speak for the same system. Give each its own name in the metadata.")
    parts = dict.fromkeys(("agreement", "decision", "rules", "counts", "behaviour"))
    return {
        "run": first.system,
        "ours": first.system,
        "main": first.split,
        "codebook_version": CODEBOOK_VERSION,
        "labels": list(KEYS),
        "config": None,
        "no_ensemble": "",
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
    """Years, and regions with too few articles for an interval, are many; they stand in tables only."""
    return row["dimension"] != YEAR and (row["dimension"] != "region" or row["low"] is not None)


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
        "epochs": plot.training_curve(report["epochs"], report["best_epoch"]) if report["epochs"] else "",
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
