"""Shortcuts: labels that one word gives away, found in one part of the sentences and checked in the other.

Gururangan et al. (2018), "Annotation Artifacts in Natural Language Inference Data", rank words by pointwise
mutual information; the check on sentences that the word was not chosen on keeps out accidents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from training.audit.checks import SHOWN, Check
from training.audit.rows import Sample
from training.duplicates import ones
from training.word_runs import Hashes, Numbers, tokenise, words

SUPPORT = 10  # sentences of the first part that hold a word, for it to be looked at
ACCIDENT = 0.001  # probability with which chance alone may confirm a word in the second part
SURE = 0.9  # precision of a word that gives a label away
MAX_F1 = 0.5  # of one word as the whole classifier; for a frequent label what "always" reaches, if that is more
MAX_SHARE = 0.25  # of a label's sentences with a word that gives it away

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class _Part:
    """Some rows: which words each holds, how many hold a word, have a label, or both.

    ``held`` is sparse (rows, words); ``words`` (words,), ``labels`` (labels,) and ``both`` (words, labels) count.
    """

    rows: Numbers
    held: Any
    gold: NDArray[np.bool_]
    words: Counts
    labels: Counts
    both: Counts

    def precision(self, word: int, label: int) -> float:
        return float(self.both[word, label] / max(1, self.words[word]))

    def f1(self, label: int) -> NDArray[np.float64]:
        """Of each word as the rule for a label."""
        return np.asarray(2 * self.both[:, label] / np.maximum(1, self.words + self.labels[label]))


def _part(rows: Numbers, held: Any, gold: NDArray[np.bool_]) -> _Part:
    held, gold = held[rows], gold[rows]
    both = np.asarray(held.T @ gold.astype(np.int64))
    return _Part(rows, held, gold, np.asarray(held.sum(axis=0), dtype=np.int64).ravel(), gold.sum(axis=0), both)


def halves(sample: Sample) -> tuple[Numbers, Numbers]:
    """Rows to find words in and rows to check them on: train and the rest, or two halves by whole articles."""
    if len(sample.splits) > 1:
        first = sample.split_of == 0
        return np.flatnonzero(first), np.flatnonzero(sample.split_of > 0)
    first = np.array([crc32(row.group.encode()) & 1 == 0 for row in sample.rows], dtype=bool)
    return np.flatnonzero(first), np.flatnonzero(~first)


def _parts(sample: Sample, find: Numbers, check: Numbers) -> tuple[_Part, _Part, Hashes]:
    """Both parts, over the words with enough support in the first, and the hashes of these words."""
    rows, hashes = sample.tokens.runs(1)
    different, codes = np.unique(hashes, return_inverse=True)
    held = ones(rows, codes, (len(sample.rows), len(different)))
    kept = np.flatnonzero(np.asarray(held[find].sum(axis=0)).ravel() >= SUPPORT)
    held = held[:, kept]
    return _part(find, held, sample.gold), _part(check, held, sample.gold), different[kept]


def normalised_pmi(both: Counts, held: Counts, gold: int, total: int) -> NDArray[np.float64]:
    """Normalised pointwise mutual information (Bouma 2009): 1 always together, 0 independent, -1 never together."""
    with np.errstate(divide="ignore", invalid="ignore"):
        joint = both / total
        values = np.log(joint * total * total / (held * float(gold))) / -np.log(joint)
    return np.where(both > 0, np.nan_to_num(values, nan=1.0, posinf=1.0), -1.0)


def _word(sample: Sample, part: _Part, column: int, hashes: Hashes) -> str:
    """The word behind a column, read from a sentence that holds it."""
    text = sample.rows[int(part.rows[part.held[:, [column]].nonzero()[0][0]])].text
    _, runs = tokenise([text]).runs(1)
    return words(text)[int(np.flatnonzero(runs == hashes[column])[0])]


def _best_word(sample: Sample, label: int, found: _Part, checked: _Part, hashes: Hashes) -> Check:
    """The word that is the best rule for a label by itself, and how good a rule it is elsewhere."""
    best = int(np.argmax(found.f1(label)))
    f1, precision = float(checked.f1(label)[best]), checked.precision(best, label)
    recall = float(checked.both[best, label] / checked.labels[label])
    word = _word(sample, found, best, hashes)
    value = f"'{word}' {f1:.3f} (precision {precision:.2f}, recall {recall:.2f})"
    figures = {"f1": f1, "precision": precision, "recall": recall, "support": int(checked.words[best])}
    name = f"best word, F1: {sample.labels[label]}"
    share = float(checked.labels[label] / len(checked.rows))
    bound = max(MAX_F1, 2 * share / (1 + share))
    return Check(name, value, f"<= {bound:.2f}", f1 <= bound, figures=figures)


def _giveaways(sample: Sample, label: int, found: _Part, checked: _Part, hashes: Hashes) -> Check:
    """The words beside which the label nearly always stands, in both parts, the closest bound first."""
    from scipy.stats import binom

    precise = found.both[:, label] >= SURE * found.words
    bond = normalised_pmi(found.both[:, label], found.words, int(found.labels[label]), len(found.rows))
    again = checked.both[:, label] >= SURE * checked.words
    share = checked.labels[label] / len(checked.rows)
    lasting = binom.sf(checked.both[:, label] - 1, checked.words, share) < ACCIDENT
    sure = [int(word) for word in np.argsort(-bond, kind="stable") if precise[word] and again[word] and lasting[word]]
    given = np.asarray(checked.held[:, sure].sum(axis=1)).ravel() > 0
    part = float((given & checked.gold[:, label]).sum() / checked.labels[label])
    shown = tuple(
        f"'{_word(sample, found, word, hashes)}' {checked.both[word, label]} of {checked.words[word]}"
        for word in sure[:SHOWN]
    )
    value = f"{len(sure)}, in {part:.1%} of its sentences"
    figures = {"words": len(sure), "share": part}
    name = f"words that give it away: {sample.labels[label]}"
    return Check(name, value, f"<= {MAX_SHARE:.0%}", part <= MAX_SHARE, shown, figures=figures)


def shortcuts(sample: Sample) -> list[Check]:
    """For each label the best single word, and the words that all but prove it, checked on other sentences."""
    find, check = halves(sample)
    if not len(find) or not len(check):
        return [Check("shortcuts", "not looked for: too few articles")]
    found, checked, hashes = _parts(sample, find, check)
    if not len(hashes):
        return [Check("shortcuts", f"not looked for: no word in {SUPPORT} sentences")]
    labels = [label for label in range(len(sample.labels)) if found.labels[label] and checked.labels[label]]
    return [look(sample, label, found, checked, hashes) for label in labels for look in (_best_word, _giveaways)]
