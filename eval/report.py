"""The report of a run: every system on every split, with intervals -> report.json and one-file report.html."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eval.bootstrap import DRAWS, f1_intervals
from eval.pages import figure, plain, render
from eval.predictions import KIND as PREDICTIONS
from eval.predictions import Predictions, read_predictions
from strijdtaal.errors import DataError
from strijdtaal.folder import verify_folder, write_folder
from strijdtaal.labels import CODEBOOK_VERSION, DUTCH, KEYS, from_vector
from training.run import Run, open_run, write_json

KIND = "report"
SPLITS = ("validation", "test", "held_out")
SYSTEMS = ("majority", "keywords", "tfidf", "encoder")
NAMES = {
    "majority": "majority (no label)",
    "keywords": "keyword rule",
    "tfidf": "TF-IDF + logistic regression",
    "encoder": "fine-tuned encoder",
}
SHOWN_SENTENCES = 1500  # of the test split, in the page's browser


def evaluate_predictions(item: Predictions) -> dict[str, Any]:
    """All metrics of one system on one split, with 95% intervals of F1."""
    from eval.metrics import score

    result = score(item.gold, item.decided, item.probabilities)
    macro, each = f1_intervals(item.articles, item.gold, item.decided)
    result["macro_f1_interval"] = macro
    for key, interval in zip(KEYS, each, strict=True):
        result["labels"][key]["f1_interval"] = interval
    result |= {"threshold": item.threshold, "articles": len(set(item.articles))}
    return dict(plain(result))


def read_all(folder: Path, extra: Sequence[Path] = ()) -> dict[str, dict[str, Predictions]]:
    """Predictions by split and system, the project's own systems first; the same ids in all of a split.

    ``extra`` are files of outside systems; their metadata says which system and split they are.

    Raises:
        DataError: a file is missing or wrong, or two systems speak of different sentences.
    """
    found: dict[str, dict[str, Predictions]] = {}
    for split in SPLITS:
        for system in SYSTEMS:
            path = folder / f"{system}-{split}.parquet"
            if path.is_file():
                found.setdefault(split, {})[system] = read_predictions(path)
    if "test" not in found:
        raise DataError(f"{folder} holds no predictions of the test split. First: python -m eval score RUN")
    for path in extra:
        _join(found, path)
    for split, systems in found.items():
        if "encoder" not in systems:
            raise DataError(f"{folder} lacks encoder-{split}.parquet. First: python -m eval score RUN")
        first = systems["encoder"]
        for system, item in systems.items():
            if item.ids != first.ids or not np.array_equal(item.gold, first.gold):
                raise DataError(f"{folder}: {system} and encoder differ in the sentences of {split}. Score again.")
    return found


def _join(found: dict[str, dict[str, Predictions]], path: Path) -> None:
    """Put an outside system's file beside the others."""
    item = read_predictions(path)
    if item.split not in found:
        raise DataError(f"{path}: split '{item.split}' is not one of {', '.join(found)}.")
    if item.system in found[item.split]:
        raise DataError(f"{path}: system '{item.system}' on split '{item.split}' is there already. Rename it.")
    found[item.split][item.system] = item


def predictions_of(run: Run, extra: Sequence[Path] = ()) -> dict[str, dict[str, Predictions]]:
    """A run's predictions, verified: whole, and about the sentences that the run set apart."""
    folder = run.folder / "predictions"
    if not folder.is_dir():
        raise DataError(f"{run.folder} was not scored. First: python -m eval score {run.folder}")
    manifest = verify_folder(folder, PREDICTIONS)
    if manifest.get("model_sha256") != run.model_sha256:
        raise DataError(f"{folder} was made by another model. First: python -m eval score {run.folder}")
    found = read_all(folder, extra)
    for split, systems in found.items():
        if systems["encoder"].ids != run.data["ids"][split]:
            raise DataError(f"{folder}: other sentences than the run's {split} split. Score again.")
    return found


def _sentences(systems: dict[str, Predictions], limit: int) -> list[dict[str, Any]]:
    item = systems["encoder"]
    rows = []
    for number in range(min(len(item.ids), limit)):
        gold, said = from_vector(item.gold[number]), from_vector(item.decided[number])
        rows.append(
            {
                "id": item.ids[number],
                "text": item.texts[number],
                "gold": gold,
                "said": said,
                "right": gold == said,
                "probabilities": dict(zip(KEYS, item.probabilities[number].round(4).tolist(), strict=True)),
            }
        )
    return rows


def build(run: Run, extra: Sequence[Path] = ()) -> dict[str, Any]:
    """The report as plain values: what made the run, its data, results by split and system."""
    found = predictions_of(run, extra)
    return {
        "run": run.name,
        "codebook_version": CODEBOOK_VERSION,
        "labels": list(KEYS),
        "config": run.config.model_dump(mode="json"),
        "environment": run.environment,
        "model_sha256": run.model_sha256,
        "data_fingerprint": run.data["data_fingerprint"],
        "split_fingerprint": run.data["split_fingerprint"],
        "counts": run.data["counts"],
        "interval": f"95% percentile bootstrap over articles, {DRAWS} draws",
        "threshold_chosen_on": "validation",
        "best_epoch": run.metrics["best_epoch"],
        "epochs": plain(run.metrics["epochs"]),
        "results": {
            split: {system: evaluate_predictions(item) for system, item in systems.items()}
            for split, systems in found.items()
        },
        "sentences": {
            split: _sentences(found[split], SHOWN_SENTENCES) for split in ("held_out", "test") if split in found
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
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _html(report: dict[str, Any]) -> str:
    return render("report.html.j2", report=report, names=NAMES, dutch=DUTCH, keys=KEYS)


def write_report(folder: Path | str, extra: Sequence[Path] = ()) -> tuple[Path, dict[str, Any]]:
    """Write ``report/`` into a scored run: report.json and report.html; an older one is replaced.

    Raises:
        UsageError: the run is not whole. DataError: it was not scored, or the predictions are faulty.
    """
    run = open_run(folder)
    report = build(run, extra)
    target = run.folder / "report"
    with write_folder(target, KIND, replace=True) as work:
        write_json(work / "report.json", {key: value for key, value in report.items() if key != "sentences"})
        (work / "report.html").write_text(_html(report), encoding="utf-8")
    return target, report
