"""Leaks: what stands in one split and, the same or nearly so, in another.

Counts are of sentences, not of pairs, so that they are exact however often a text is repeated.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from training.audit.checks import SHOWN, Check, none_of, share
from training.audit.rows import Sample
from training.word_runs import Numbers

Mask = NDArray[np.bool_]


class _Partners:
    """For each class of sentences (one text, one article), the splits that it touches.

    ``place[c, s]`` is a class of split ``s`` that class ``c`` meets, or -1.
    """

    def __init__(self, classes: Numbers, sample: Sample) -> None:
        self.classes = classes
        self.place = np.full((int(classes.max(initial=-1)) + 1, len(sample.splits)), -1, dtype=np.int32)
        inside = sample.split_of >= 0
        self.place[classes[inside], sample.split_of[inside]] = classes[inside]
        self.own = self.place >= 0

    def meet(self, left: Numbers, right: Numbers) -> None:
        """Two classes are alike: each meets the splits of the other."""
        for one, other in ((left, right), (right, left)):
            for split in range(self.place.shape[1]):
                new = self.own[other, split] & (self.place[one, split] < 0)
                self.place[one[new], split] = other[new]

    def touches(self, split: int) -> Mask:
        """Sentences that meet a split, those in it included."""
        return np.asarray(self.place[self.classes, split] >= 0)


def _examples(sample: Sample, partners: _Partners, found: Mask, split: int, sign: str) -> tuple[str, ...]:
    lines = []
    for row in np.flatnonzero(found)[:SHOWN].tolist():
        other = partners.place[partners.classes[row], split]
        partner = int(np.flatnonzero((partners.classes == other) & (sample.split_of == split))[0])
        text = sample.cleaned[row][:70]
        lines.append(f"{sample.rows[row].id} {sign} {sample.rows[partner].id}: {text}")
    return tuple(lines)


def _articles(sample: Sample, one: int, other: int) -> tuple[list[Check], Mask]:
    """Articles of a split that are also in an earlier one, and the sentences concerned."""
    first, second = sample.splits[one], sample.splits[other]
    article, known = sample.article_of, sample.article_of >= 0
    early, late = (np.unique(article[(sample.split_of == split) & known]) for split in (one, other))
    if not len(early) or not len(late):
        return [], np.zeros(len(known), dtype=bool)
    shared = np.intersect1d(early, late)
    rows = np.isin(article, shared) & (sample.split_of == other)
    names = list(dict.fromkeys(sample.rows[row].article for row in np.flatnonzero(rows).tolist()))
    examples = [", ".join(names[:SHOWN]) + (" ..." if len(names) > SHOWN else "")] if names else []
    figures = {"articles": len(shared), "of_articles": len(late), "test_rows": int(rows.sum())}
    value = f"{share(len(shared), len(late))}; {share(figures['test_rows'], _size(sample, other))} sentences"
    name = f"articles of {second} also in {first}"
    return [none_of(name, len(shared), examples, value, serious=True, **figures)], rows


def _size(sample: Sample, split: int) -> int:
    return int((sample.split_of == split).sum())


def _copies(
    sample: Sample, partners: _Partners, one: int, other: int, known: Mask, kind: tuple[str, str]
) -> tuple[Check, Mask]:
    """Sentences of two splits that meet and were not known to, counted on both sides."""
    first, second = sample.splits[one], sample.splits[other]
    late = partners.touches(one) & (sample.split_of == other) & ~known
    early = partners.touches(other) & (sample.split_of == one) & ~known
    tests, trains = int(late.sum()), int(early.sum())
    value = f"{share(tests, _size(sample, other))}; {trains:,} of {first}"
    figures = {"test_rows": tests, "train_rows": trains, "rows": tests + trains, "of": _size(sample, other)}
    examples = _examples(sample, partners, late, one, kind[1])
    check = none_of(f"{kind[0]} of {second} in {first}", tests, examples, value, serious=True, **figures)
    return check, late | early


def leaks(sample: Sample) -> list[Check]:
    """Articles, copies and near-copies across each two splits, and all of them together.

    A copy has the same text after clean-up, but for capitals; a near-copy another text with more than half of
    the word shingles in common, or the same words with other punctuation.
    """
    if len(sample.splits) < 2:
        return [Check("leaks between splits", "not looked for: no splits known (--split, --split-column)")]
    exact, near = _Partners(sample.same_text, sample), _Partners(sample.index.text_of, sample)
    for left, right, _ in sample.index.similar():
        near.meet(left, right)
    checks: list[Check] = []
    for one, other in combinations(range(len(sample.splits)), 2):
        found, touched = _articles(sample, one, other)
        copies, copied = _copies(sample, exact, one, other, np.zeros(len(touched), dtype=bool), ("copies", "="))
        nearly, alike = _copies(sample, near, one, other, copied, ("near-copies", "~"))
        late = (touched | copied | alike) & (sample.split_of == other)
        total = int(late.sum())
        figures = {"test_rows": total, "of": _size(sample, other)}
        name = f"sentences of {sample.splits[other]} that {sample.splits[one]} gives away"
        checks += [*found, copies, nearly, Check(name, share(total, figures["of"]), figures=figures)]
    if (sample.article_of < 0).all():
        checks.append(Check("articles across splits", "not looked for: no articles known (--article)"))
    return checks
