"""Which words moved the decisions that people will look at: kept beside the predictions, shown in the report.

``words.json`` in a run's ``predictions/`` holds, by split and sentence id, what ``eval.occlusion`` found for
the held-out article and for the first wrong sentences of the test split.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.occlusion import highlight, occlusion
from eval.pages import LONGEST
from eval.predictions import Predictions
from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from strijdtaal.text import clean

FILE = "words.json"
EXPLAINED = 150  # sentences of a split

Words = list[dict[str, Any]]  # of one sentence, as eval.occlusion gives them


def chosen(item: Predictions) -> NDArray[np.int64]:
    """Rows to explain: the wrong ones first, then those with a label, as many as ``EXPLAINED``."""
    gold, said = item.gold >= 0.5, item.decided >= 1
    wrong = (gold != said).any(axis=1)
    labelled = ~wrong & said.any(axis=1)
    rows = np.concatenate([np.flatnonzero(wrong), np.flatnonzero(labelled)])
    return np.sort(rows[:EXPLAINED])


def explain(
    items: Sequence[Predictions], predict: Callable[[list[str]], NDArray[np.float64]]
) -> dict[str, dict[str, Words]]:
    """Word effects by split and sentence id; ``predict`` gives logits of shape (texts, labels)."""
    found = {}
    for item in items:
        rows = chosen(item)
        effects = occlusion(predict, [clean(item.texts[row]) for row in rows])
        found[item.split] = {item.ids[row]: entry for row, entry in zip(rows, effects, strict=True)}
    return found


def write_words(folder: Path, found: dict[str, dict[str, Words]]) -> None:
    """Write ``words.json`` into a predictions folder that is being made."""
    (folder / FILE).write_text(json.dumps(found, ensure_ascii=False) + "\n", encoding="utf-8")


def read_words(folder: Path) -> dict[str, dict[str, Words]]:
    """Read ``words.json``; {} where there is none (systems without it, older runs).

    Raises:
        DataError: the file is not JSON.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        found: dict[str, dict[str, Words]] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON: {error}. Score the run again.") from error
    return found


def shaded(text: str, words: Words | None) -> dict[str, Any] | None:
    """The sentence in pieces with weights from -1 to 1, for the label that its words move most; None without."""
    known = [word for word in words or [] if word["effects"] is not None]
    if not known or len(text) > LONGEST:
        return None
    strongest = np.abs(np.array([word["effects"] for word in known])).max(axis=0)
    label = int(strongest.argmax())
    pieces = highlight(clean(text), words or [], label)
    return {"label": KEYS[label], "pieces": [[piece, round(weight, 2)] for piece, weight in pieces]}
