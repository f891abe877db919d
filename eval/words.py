"""Which words moved the decisions that people will look at: kept beside the predictions, shown in the report.

``words.json`` in a run's ``predictions/`` holds, by split and sentence id, what ``eval.occlusion`` found for
the held-out article and the test split: the wrong sentences, as many as ``SECONDS`` allow, and those that rightly
got a label, while less than ``SECONDS_RIGHT`` are spent. The shipped model takes about 0.1 s a sentence on two busy
cores (250 errors in 27 s), so that every error of a test split of thousands is done; a large model may explain fewer.

Gradient times input is cheaper, but in a trial it mostly named another word as the strongest; integrated gradients came
nearer at a higher price. So the words are left out one by one, which is what the page says.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.occlusion import Predict, highlight, occlusion
from eval.pages import LONGEST
from eval.predictions import Predictions
from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from strijdtaal.text import clean

FILE = "words.json"
SECONDS = 300.0  # for the wrong sentences of a split, about
SECONDS_RIGHT = 60.0  # after which no right ones follow
TRIED = 24  # sentences to measure the speed on
DIGITS = 3  # of an effect, in logits

Words = list[dict[str, Any]]  # of one sentence, as eval.occlusion gives them


def wrong_rows(item: Predictions) -> NDArray[np.bool_]:
    """Whether a sentence's labels are not exactly the annotated ones, shape (sentences,)."""
    return np.asarray(((item.gold >= 0.5) != (item.decided >= 1)).any(axis=1))


def explain(
    items: Sequence[Predictions],
    predict: Predict,
    seconds: float = SECONDS,
    seconds_right: float = SECONDS_RIGHT,
) -> dict[str, dict[str, Words]]:
    """Word effects by split and sentence id; ``predict`` gives logits of shape (texts, labels).

    Where there is time for all, as with small models, the result does not depend on the machine.
    """
    found: dict[str, dict[str, Words]] = {}
    for item in items:
        start = time.monotonic()
        wrong = wrong_rows(item)
        labelled = ~wrong & (item.decided >= 1).any(axis=1)
        entries = _within(item, np.flatnonzero(wrong), predict, seconds)
        rest = seconds_right - (time.monotonic() - start)
        entries |= _within(item, np.flatnonzero(labelled), predict, rest)
        found[item.split] = {item.ids[row]: entries[row] for row in sorted(entries)}
    return found


def _within(item: Predictions, rows: NDArray[np.int64], predict: Predict, seconds: float) -> dict[int, Words]:
    """Effects by row: of the first ``TRIED``, which show what one costs, and of as many as the time has room for."""
    if seconds <= 0:
        return {}
    start = time.monotonic()
    entries = _effects(item, rows[:TRIED], predict)
    spent = time.monotonic() - start
    room = int(TRIED * max(0.0, seconds - spent) / max(spent, 1e-6))
    return entries | _effects(item, rows[TRIED : TRIED + room], predict)


def _effects(item: Predictions, rows: NDArray[np.int64], predict: Predict) -> dict[int, Words]:
    effects = occlusion(predict, [clean(item.texts[row]) for row in rows])
    for words in effects:
        for word in words:
            word["effects"] = word["effects"] and [round(effect, DIGITS) for effect in word["effects"]]
    return dict(zip(rows.tolist(), effects, strict=True))


def shown_rows(item: Predictions, most: int) -> list[int]:
    """At most ``most`` rows for a page: every wrong sentence if there is room, then the others, in their order."""
    wrong = wrong_rows(item)
    return sorted(np.concatenate([np.flatnonzero(wrong), np.flatnonzero(~wrong)])[:most].tolist())


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


def shaded(text: str, words: Words | None, among: Sequence[str] = ()) -> dict[str, Any] | None:
    """The sentence in pieces with weights from -1 to 1, for the label that its words move most; None without words.

    ``among`` are the labels to choose from, all if it is empty: the wrong ones are what a reader asks about.
    """
    known = [word for word in words or [] if word["effects"] is not None]
    if not known or len(text) > LONGEST:
        return None
    strongest = np.abs(np.array([word["effects"] for word in known])).max(axis=0)
    label = max((column for column, key in enumerate(KEYS) if not among or key in among), key=strongest.__getitem__)
    pieces = highlight(clean(text), words or [], label)
    return {"label": KEYS[label], "pieces": [[piece, round(weight, 2)] for piece, weight in pieces]}
