"""A client's half of text-embeddings-inference (TEI): what to send to its ``/predict``, what its answer means.

TEI applies softmax wherever a model has more than one label and does not read ``problem_type``, so the labels
of a sentence would share one unit of probability. With ``raw_scores`` it answers logits; the sigmoid is ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from strijdtaal.text import clean

CLIENT_BATCH = 32  # TEI's default --max-client-batch-size
_SOFTMAX_SUM = 1e-3


def request_bodies(texts: Sequence[str], size: int = CLIENT_BATCH) -> Iterator[dict[str, Any]]:
    """JSON bodies for ``POST /predict``, at most ``size`` sentences each, in order.

    Each sentence stands in a list of its own: TEI reads ["a", "b"] as one pair of sentences.

    Raises:
        DataError: a sentence is empty after clean-up; TEI refuses the whole batch for one.
    """
    cleaned = [clean(text) for text in texts]
    for number, text in enumerate(cleaned):
        if not text:
            raise DataError(f"Sentence {number} is empty, and TEI refuses it. Leave it out: it has no label.")
    for start in range(0, len(cleaned), size):
        inputs = [[text] for text in cleaned[start : start + size]]
        yield {"inputs": inputs, "raw_scores": True, "truncate": True}


def probabilities_from_raw_scores(answer: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """TEI's answer for one sentence, ``[{"score": logit, "label": key}, ...]`` in any order -> probabilities.

    >>> answer = [{"score": 2.0, "label": "support"}, {"score": 0.0, "label": "threat"},
    ...           {"score": -1.0, "label": "retreat"}, {"score": -3.0, "label": "ceasefire_call"}]
    >>> {key: round(value, 3) for key, value in probabilities_from_raw_scores(answer).items()}
    {'threat': 0.5, 'support': 0.881, 'retreat': 0.269, 'ceasefire_call': 0.047}

    Raises:
        DataError: labels are missing or foreign, a score is no finite number, or the scores are those of a
            softmax (the request lacked ``raw_scores``).
    """
    scores = {entry["label"]: float(entry["score"]) for entry in answer}
    if set(scores) != set(KEYS) or len(answer) != len(KEYS):
        raise DataError(f"The answer has the labels {sorted(scores)}, not {sorted(KEYS)}. Is it our model?")
    if not all(math.isfinite(value) for value in scores.values()):
        raise DataError(f"The answer holds a score that is no finite number: {scores}.")
    if min(scores.values()) >= 0 and abs(sum(scores.values()) - 1) < _SOFTMAX_SUM:
        raise DataError('The scores sum to 1: TEI applied softmax. Send "raw_scores": true.')
    return {key: 0.5 * (1 + math.tanh(scores[key] / 2)) for key in KEYS}
