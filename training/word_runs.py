"""Runs of words as numbers: sentences -> 64-bit hashes of all their runs of n words, piece by piece.

Each word is hashed once (BLAKE2b), and runs are mixed from the hashes of their words with numpy, so that a
million sentences take seconds. The same words give the same number in every process.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from strijdtaal.text import clean

PIECE = 20_000  # sentences that are worked on at once

_WORD = re.compile(r"\w+")
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

Numbers = NDArray[np.int64]
Hashes = NDArray[np.uint64]


def words(text: str) -> list[str]:
    """The words of a sentence after clean-up, lower case."""
    return _WORD.findall(clean(text).lower())


def scramble(values: Hashes) -> Hashes:
    """A one-to-one map of 64-bit numbers that spreads every bit over all (the finaliser of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * _FIRST
    values = (values ^ (values >> np.uint64(27))) * _SECOND
    return values ^ (values >> np.uint64(31))


class _Vocabulary(dict[str, int]):
    """Word -> its hash, computed when the word is met for the first time."""

    def __missing__(self, word: str) -> int:
        value = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
        self[word] = value
        return value


def _mix(lengths: Numbers, hashes: Hashes, size: int, whole: bool) -> tuple[Numbers, Hashes]:
    """Sentence numbers and hashes of the runs in one piece; ``hashes`` are those of its words in order."""
    number = np.maximum(lengths - size + 1, 1 if whole else 0)
    rows = np.repeat(np.arange(len(lengths)), number)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(number) - number, number)
    begin = (np.cumsum(lengths) - lengths)[rows] + within
    long = np.minimum(lengths, size)[rows]
    padded = np.append(hashes, np.uint64(0))
    runs = long.astype(np.uint64)
    for step in range(size):
        inside = step < long
        word = padded[np.where(inside, begin + step, len(hashes))]
        runs = np.where(inside, scramble(runs) + word, runs)
    return rows, runs


@dataclass(frozen=True)
class Tokens:
    """The words of many sentences: how many each has, and the hashes of all, sentence after sentence."""

    lengths: Numbers
    hashes: Hashes

    def runs(self, size: int, whole: bool = False) -> tuple[Numbers, Hashes]:
        """Hashes of the overlapping runs of ``size`` words, and the number of the sentence of each.

        With ``whole``, a sentence of fewer words is one run by itself (also one of no words at all); else it
        has none.
        """
        ends = np.concatenate([[0], np.cumsum(self.lengths)])
        rows, runs = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
        for start in range(0, len(self.lengths), PIECE):
            lengths = self.lengths[start : start + PIECE]
            inside, mixed = _mix(lengths, self.hashes[ends[start] : ends[start + len(lengths)]], size, whole)
            rows.append(inside + start)
            runs.append(mixed)
        return np.concatenate(rows), np.concatenate(runs)


def tokenise(texts: Iterable[str]) -> Tokens:
    """The words of sentences as hashes; a million sentences take about 200 MB."""
    vocabulary = _Vocabulary()
    left = iter(texts)
    lengths, hashes = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    while piece := [words(text) for text in islice(left, PIECE)]:
        lengths.append(np.array([len(found) for found in piece], dtype=np.int64))
        each = map(vocabulary.__getitem__, chain.from_iterable(piece))
        hashes.append(np.fromiter(each, np.uint64, int(lengths[-1].sum())))
    return Tokens(np.concatenate(lengths), np.concatenate(hashes))
