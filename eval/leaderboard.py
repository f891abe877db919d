"""The leaderboard: all finished, scored runs below a folder, best first; what cannot be compared stands apart."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eval.gather import predictions_of
from eval.ladder import flat
from eval.ladder_rows import row as score_row
from eval.pages import figure, plain, render
from eval.predictions import Predictions
from strijdtaal.errors import DataError, StrijdtaalError, UsageError
from strijdtaal.folder import MANIFEST, write_file
from strijdtaal.labels import CODEBOOK_VERSION, KEYS
from training.run import KIND, Run, open_run

SYSTEM = "encoder"
OWN = ("name", "output")  # of every run by itself; no difference between recipes
ABSENT = "absent"
SHOWN = ("macro_f1", "macro_f1_interval", "micro_f1", "exact_match", "labels", "seconds")


def candidates(folder: Path) -> Iterator[Path]:
    """Folders that are runs or look like one that was not finished, in the order of their names.

    What lies inside a run belongs to it. Symbolic links are not followed.
    """
    for place, below, files in os.walk(folder):
        below.sort()
        path = Path(place)
        if "config.yaml" in files or _says_run(path):
            below.clear()
            yield path
        elif path != folder and path.name.startswith(".") and path.name.endswith(".part"):
            below.clear()  # left by a process that was ended
            if "model" in os.listdir(path) or "checkpoints" in os.listdir(path):
                yield path


def _says_run(path: Path) -> bool:
    try:
        return bool(json.loads((path / MANIFEST).read_text(encoding="utf-8"))["kind"] == KIND)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _sentences_of(item: Predictions) -> str:
    """Hex sha256 of ids, articles, texts and annotations, whatever their order."""
    rows = sorted(zip(item.ids, item.articles, item.texts, item.gold.astype(int).tolist(), strict=True))
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()


def _parameters(path: Path) -> int | None:
    """Numbers in a safetensors file, from its head alone; None when it cannot be read."""
    from safetensors import SafetensorError, safe_open

    total = 0
    try:
        with safe_open(path, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (no mapping)
                count = 1
                for size in tensors.get_slice(name).get_shape():
                    count *= size
                total += count
    except (SafetensorError, OSError):
        return None
    return total


def _row(run: Run, item: Predictions, folder: Path) -> dict[str, Any]:
    seconds = run.metrics.get("training_seconds")
    scores = plain(score_row(SYSTEM, [item], float("nan") if seconds is None else float(seconds)))
    weights = run.folder / "model" / "model.safetensors"
    return {
        "name": run.name,
        "folder": run.folder.relative_to(folder).as_posix(),
        **{name: scores[name] for name in SHOWN},
        "encoder": run.config.network.encoder,
        "seed": run.config.train.seed,
        "bytes": weights.stat().st_size,
        "parameters": _parameters(weights),
        "config": flat(run.config.model_dump(mode="json")),
    }


def _read(path: Path, folder: Path, split: str) -> tuple[str, Predictions, dict[str, Any]]:
    """What sentences a run speaks of, what it says, and its row."""
    run = open_run(path)
    found = predictions_of(run)
    if split not in found:
        raise DataError(f"{path} has no predictions of the split '{split}'.")
    item = found[split][SYSTEM]
    return _sentences_of(item), item, _row(run, item, folder)


def _by_score(row: dict[str, Any]) -> tuple[bool, float, str]:
    return row["macro_f1"] is None, -(row["macro_f1"] or 0.0), row["folder"]


def _group(item: Predictions, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Runs on the same sentences, best first, each with the config values that the first does not have."""
    rows.sort(key=_by_score)
    reference = rows[0]["config"]
    for row in rows:
        keys = [*reference, *(key for key in row["config"] if key not in reference)]
        row["differences"] = {
            key: row["config"].get(key, ABSENT)
            for key in keys
            if key not in OWN and row["config"].get(key, ABSENT) != reference.get(key, ABSENT)
        }
    for row in rows:
        del row["config"]
    return {"sentences": len(item.ids), "articles": len(set(item.articles)), "reference": rows[0]["name"], "rows": rows}


def leaderboard(folder: Path, split: str = "test") -> dict[str, Any]:
    """All runs below ``folder``: those on the same test sentences in one group, best macro-F1 first.

    ``differences`` of a row holds the config values (dotted key -> value) that its group's first run does not
    have. Runs that cannot be read or were not scored are in ``left_out``, with the reason.

    Raises:
        UsageError: ``folder`` is no folder, or there is no run below it.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder. Check the path.")
    groups: dict[str, tuple[Predictions, list[dict[str, Any]]]] = {}
    left_out = []
    for path in candidates(folder):
        name = path.relative_to(folder).as_posix()
        try:
            key, item, row = _read(path, folder, split)
        except StrijdtaalError as error:
            left_out.append({"folder": name, "reason": str(error)})
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"{path} was made by another version: {type(error).__name__} {error}."
            left_out.append({"folder": name, "reason": reason})
        else:
            groups.setdefault(key, (item, []))[1].append(row)
    if not groups and not left_out:
        raise UsageError(f"There is no run below {folder}. First: python -m training finetune CONFIG")
    ranked = [_group(item, rows) for item, rows in groups.values()]
    ranked.sort(key=lambda group: (-len(group["rows"]), -group["sentences"]))
    return {"split": split, "codebook_version": CODEBOOK_VERSION, "groups": ranked, "left_out": left_out}


def _interval(row: dict[str, Any]) -> str:
    low, high = row["macro_f1_interval"]
    return "n/a" if low is None else f"{low:.3f}-{high:.3f}"


def _changes(row: dict[str, Any]) -> str:
    return "  ".join(f"{key}={value}" for key, value in row["differences"].items())


def text(result: dict[str, Any]) -> str:
    """The leaderboard for the terminal: a block a group, then what was left out."""
    lines = []
    for group in result["groups"]:
        lines += [f"{result['split']}: {group['sentences']} sentences of {group['articles']} articles"]
        rows = [["run", "macro-F1", "95% interval", "micro-F1", "exact", *KEYS, f"differs from {group['reference']}"]]
        for row in group["rows"]:
            scores = [figure(row[name]) for name in ("micro_f1", "exact_match")]
            labels = [figure(row["labels"][key]) for key in KEYS]
            rows.append([row["folder"], figure(row["macro_f1"]), _interval(row), *scores, *labels, _changes(row)])
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines += ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        lines.append("")
    lines += [f"left out: {entry['folder']}: {entry['reason']}" for entry in result["left_out"]]
    return "\n".join(lines).rstrip()


def write_leaderboard(result: dict[str, Any], target: Path) -> None:
    """Write the leaderboard as one HTML file; an older one is replaced.

    Raises:
        FolderError: the disk refuses; an older file is untouched.
    """
    write_file(target, render("leaderboard.html.j2", result=result, interval=_interval))
