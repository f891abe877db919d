"""The predictions of a run, of all systems and splits, checked to speak of the same sentences."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from eval.predictions import BEHAVIOUR, KIND, Predictions, read_predictions
from strijdtaal.errors import DataError, StrijdtaalError
from strijdtaal.folder import verify_folder
from training.run import Run

SPLITS = ("validation", "test", "held_out")
Found = dict[str, dict[str, Predictions]]
SYSTEMS = ("majority", "keywords", "static", "tfidf", "encoder")
NAMES = {
    "majority": "majority (no label)",
    "keywords": "keyword rule",
    "static": "static embeddings + logistic regression",
    "tfidf": "TF-IDF + logistic regression",
    "encoder": "fine-tuned encoder",
    "ensemble": "seed ensemble",
}


def aligned(first: Predictions, item: Predictions, name: str) -> Predictions:
    """``item`` in the order of ``first``.

    Raises:
        DataError: other sentences, other text or other annotations; the first difference is named.
    """
    place = {key: number for number, key in enumerate(item.ids)}
    missing = [key for key in first.ids if key not in place]
    added = sorted(set(item.ids) - set(first.ids))
    if missing or added:
        which = f"{len(missing)} are missing (first: {missing[0]})" if missing else f"{len(added)} more ({added[0]})"
        raise DataError(f"{name} speaks of other sentences than {first.system}: {which}. Score both on one split.")
    order = [place[key] for key in first.ids]
    same = replace(
        item,
        ids=first.ids,
        articles=[item.articles[number] for number in order],
        texts=[item.texts[number] for number in order],
        gold=item.gold[order],
        probabilities=item.probabilities[order],
        logits=None if item.logits is None else item.logits[order],
    )
    for what, one, other in (
        ("article", first.articles, same.articles),
        ("text", first.texts, same.texts),
        ("annotation", first.gold.tolist(), same.gold.tolist()),
    ):
        for key, left, right in zip(first.ids, one, other, strict=True):
            if left != right:
                raise DataError(f"{name}: the {what} of sentence {key} differs from that of {first.system}.")
    return same


def read_all(folder: Path, extra: Sequence[Path] = ()) -> Found:
    """Predictions by split and system, the project's own systems first; the same ids in all of a split.

    ``extra`` are files of outside systems; their metadata says which system and split they are.

    Raises:
        DataError: a file is missing or wrong, or two systems speak of different sentences.
    """
    found: Found = {}
    for split in (*SPLITS, BEHAVIOUR):
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
            systems[system] = aligned(first, item, system)
    return found


def _join(found: Found, path: Path) -> None:
    """Put an outside system's file beside the others."""
    item = read_predictions(path)
    if item.split not in found:
        raise DataError(f"{path}: split '{item.split}' is not one of {', '.join(found)}.")
    if item.system in found[item.split]:
        raise DataError(f"{path}: system '{item.system}' on split '{item.split}' is there already. Rename it.")
    found[item.split][item.system] = item


def ensemble_files(run: Run) -> list[Path]:
    """The predictions of the newest seed ensemble that ``run`` is part of; [] where no ladder beside it holds it.

    ``python -m eval ladder CONFIG`` leaves a ladder beside the runs of its seeds.
    """
    found: list[tuple[float, Path]] = []
    for path in run.folder.absolute().parent.glob("*/ladder.json"):
        try:
            verify_folder(path.parent, "ladder")
            members = json.loads(path.read_text(encoding="utf-8"))["runs"]
            if run.model_sha256 in [member["model_sha256"] for member in members]:
                found.append((path.stat().st_mtime, path.parent))
        except (StrijdtaalError, OSError, ValueError, KeyError, TypeError):
            continue  # a ladder of another version, or a damaged one, has no say in this report
    return sorted(max(found)[1].glob("ensemble-*.parquet")) if found else []


def join_ensemble(found: Found, files: Sequence[Path]) -> None:
    """Put the seed ensemble behind the project's own systems; a system of that name given by hand takes its place.

    What was made from sentences, annotations or cases that have changed since is left out.
    """
    for path in files:
        try:
            item = read_predictions(path)
            systems = found[item.split]
            item = aligned(systems["encoder"], item, str(path))
        except (StrijdtaalError, KeyError):
            continue
        outside = {name: systems.pop(name) for name in list(systems) if name not in SYSTEMS}
        systems |= {item.system: item, **outside}


def predictions_of(run: Run, extra: Sequence[Path] = ()) -> Found:
    """A run's predictions, verified: whole, and about the sentences that the run set apart."""
    folder = run.folder / "predictions"
    if not folder.is_dir():
        raise DataError(f"{run.folder} was not scored. First: python -m eval score {run.folder}")
    manifest = verify_folder(folder, KIND)
    if manifest.get("model_sha256") != run.model_sha256:
        raise DataError(f"{folder} was made by another model. First: python -m eval score {run.folder}")
    found = read_all(folder, extra)
    for split, systems in found.items():
        if split != BEHAVIOUR and systems["encoder"].ids != run.data["ids"][split]:
            raise DataError(f"{folder}: other sentences than the run's {split} split. Score again.")
    return found
