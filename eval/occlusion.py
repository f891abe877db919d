"""Which words moved a decision: leave each out and see what the logits do.

Source: Li, Monroe and Jurafsky (2016), "Understanding neural networks through representation erasure",
arXiv:1612.08220. Words are left out one at a time, so two words that say the same can hide each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strijdtaal.errors import DataError

Predict = Callable[[list[str]], NDArray[np.float64]]
Word = dict[str, Any]

EMPTY = "."  # stands for a sentence whose only word is left out; models are not asked about empty text
LEAST_SCALE = 1.0  # logits; below this largest effect a sentence counts as indifferent and is shaded less

_WORD = re.compile(r"\S+")


def _without(text: str, start: int, end: int) -> str:
    """``text`` without the word at ``start`` to ``end`` and the space that it leaves behind."""
    left, right = text[:start], text[end:].lstrip()
    return (left + right if right else left.rstrip()) or EMPTY


def _checked(logits: NDArray[np.float64], variants: list[str]) -> NDArray[np.float64]:
    values = np.asarray(logits, dtype=np.float64)
    if values.ndim != 2 or len(values) != len(variants):
        raise DataError(
            f"Leaving words out: {len(variants)} texts were given to the model and values of shape {values.shape} "
            "came back. One row of logits a text is needed, in the same order."
        )
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise DataError(
            f"Leaving words out: the logits of {variants[bad[0]][:80]!r} are not finite. Check the model's weights."
        )
    return values


def occlusion(predict: Predict, texts: Sequence[str], limit_words: int = 60) -> list[list[Word]]:
    """What each word adds to each logit: logit of the full text minus logit of the text without the word.

    A word is what stands between white space, punctuation included. A text of one word becomes ``"."`` when
    it is left out. ``predict`` is called once, with every text and all its variants.

    Args:
        predict: texts -> logits, shape (texts, labels); makes its own batches.
        texts: sentences as the model reads them.
        limit_words: only so many words at the beginning of a text are tried.

    Returns:
        One list a text, in order, of ``{"start", "end", "effects"}``: Python string indices of the word, and
        one number a label in logits; ``effects`` is None for words beyond the limit. A text without words
        gives an empty list.

    Raises:
        DataError: ``predict`` gives another number of rows, or values that are not finite.
    """
    spans = [[match.span() for match in _WORD.finditer(text)] for text in texts]
    variants: list[str] = []
    for text, words in zip(texts, spans, strict=True):
        tried = words[: max(0, limit_words)]
        if tried:
            variants += [text, *(_without(text, start, end) for start, end in tried)]
    logits = _checked(predict(variants), variants) if variants else np.empty((0, 0))
    result: list[list[Word]] = []
    row = 0
    for words in spans:
        tried = words[: max(0, limit_words)]
        effects: list[list[float] | None] = [None] * len(words)
        if tried:
            effects[: len(tried)] = (logits[row] - logits[row + 1 : row + 1 + len(tried)]).tolist()
            row += 1 + len(tried)
        result.append(
            [{"start": start, "end": end, "effects": one} for (start, end), one in zip(words, effects, strict=True)]
        )
    return result


def _weights(words: Sequence[Word], label: int) -> list[float]:
    """Effects on one label over the largest of the sentence (at least ``LEAST_SCALE``): -1 to 1, untried words 0."""
    effects = [0.0 if word["effects"] is None else float(word["effects"][label]) for word in words]
    scale = max([LEAST_SCALE, *(abs(effect) for effect in effects)])
    return [effect / scale for effect in effects]


def strongest(words: Sequence[Word], label: int, share: float = 0.5) -> list[Word]:
    """The words that moved a label most, for or against it, strongest first (ties in reading order).

    Args:
        words: one text's entry of ``occlusion``.
        label: column of the label, as in ``KEYS``.
        share: how strong a word must be, as a share (above 0, up to 1) of the strongest word's effect. The
            strongest counts as at least 1 logit, so that an indifferent sentence has no such words.
    """
    weights = _weights(words, label)
    found = [place for place, weight in enumerate(weights) if weight and abs(weight) >= share]
    return [words[place] for place in sorted(found, key=lambda place: -abs(weights[place]))]


def highlight(text: str, words: Sequence[Word], label: int) -> list[tuple[str, float]]:
    """The text in consecutive pieces, words and the gaps between them, each with a weight for shading.

    Joined, the pieces give ``text`` exactly. The weight is a word's effect on the label over the largest
    effect (without sign) of the sentence, which counts as at least 1 logit: -1 speaks against the label,
    1 for it. Gaps and words that were not tried have 0.

    Raises:
        DataError: the words are not those of this text.
    """
    pieces: list[tuple[str, float]] = []
    end = 0
    for word, weight in zip(words, _weights(words, label), strict=True):
        if not end <= word["start"] < word["end"] <= len(text) or not _WORD.fullmatch(text, word["start"], word["end"]):
            raise DataError(
                f"The words do not fit the text {text[:80]!r}: none stands at {word['start']} to {word['end']}. "
                "Highlight the very text that was given to occlusion."
            )
        if word["start"] > end:
            pieces.append((text[end : word["start"]], 0.0))
        pieces.append((text[word["start"] : word["end"]], weight))
        end = word["end"]
    if end < len(text):
        pieces.append((text[end:], 0.0))
    return pieces
