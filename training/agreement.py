"""Agreement between annotators, with intervals; "n/a" with the reason where it is undefined, never a silent number.

Krippendorff's alpha of each label and of the label sets (MASI) is for all annotators together; F1, Cohen's
kappa and the number of common sentences are for each pair. Intervals are 95% percentile intervals over
articles drawn with replacement: sentences of one article are not independent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from strijdtaal.errors import UsageError
from strijdtaal.labels import KEYS, LABEL2ID
from training.agreement_counts import (
    CELLS,
    MISSING,
    SETS,
    Answered,
    Answers,
    Array,
    alphas,
    coincidences,
    collect,
    drawn_sums,
    kappas,
    pair_cells,
)
from training.counts import f1_of_counts

DRAWS = 1000
FEWEST_ARTICLES = 10  # below this, drawing articles says nothing of other articles


@dataclass(frozen=True)
class Figure:
    """One figure. ``value`` or ``interval`` is None where it is undefined, and ``note`` says why."""

    value: float | None
    interval: tuple[float, float] | None = None
    note: str = ""


@dataclass(frozen=True)
class Annotator:
    """One annotator: how many sentences were answered, with which labels, and how many with none."""

    name: str
    sentences: int
    labels: dict[str, int]
    none: int


@dataclass(frozen=True)
class PairLabel:
    """One label of a pair: how many common sentences got it from both, only from the first, only from the second."""

    both: int
    first: int
    second: int
    f1: Figure
    kappa: Figure


@dataclass(frozen=True)
class Pair:
    """Two annotators. ``alike`` counts the common sentences with the same label set from both."""

    first: str
    second: str
    sentences: int
    articles: int
    alike: int
    labels: dict[str, PairLabel]


@dataclass(frozen=True)
class Agreement:
    """Everything about the agreement of one set of annotations.

    Attributes:
        sentences, articles: how many there are.
        common: sentences with two answers or more; ``differing`` of them have answers that are not all alike.
        annotators: by name. ``pairs``: all pairs of them, by name.
        alpha: nominal Krippendorff's alpha of each label; ``sets`` that of the label sets, with MASI distance.
        draws: behind each interval.
        reason: why nothing can be said of these annotations; empty where something can.
    """

    sentences: int
    articles: int
    common: int
    differing: int
    annotators: tuple[Annotator, ...]
    pairs: tuple[Pair, ...]
    alpha: dict[str, Figure]
    sets: Figure
    draws: int
    reason: str

    def mean_f1(self, label: str) -> float | None:
        """Mean F1 of a label over the pairs where it is defined; None if there is none."""
        known = [pair.labels[label].f1.value for pair in self.pairs]
        found = [value for value in known if value is not None]
        return float(np.mean(found)) if found else None


def _figure(value: float, drawn: Array, articles: int, why: str) -> Figure:
    """A value with its interval from the draws, or the reasons why there is none."""
    if not np.isfinite(value):
        return Figure(None, None, why)
    if articles < FEWEST_ARTICLES:
        return Figure(float(value), None, f"no interval: fewer than {FEWEST_ARTICLES} articles")
    known = drawn[np.isfinite(drawn)]  # a label of one article is missing in 37 draws of 100
    if not len(known):
        return Figure(float(value), None, f"no interval: {'undefined in every draw' if len(drawn) else 'no draws'}")
    low, high = np.percentile(known, [2.5, 97.5])
    return Figure(float(value), (float(low), float(high)))


def _draw(table: Array, draws: int, seed: int) -> tuple[Array, int]:
    """Sums over drawn articles, and from how many articles; those that say nothing take no part."""
    used = table[table.any(axis=tuple(range(1, table.ndim)))]
    return drawn_sums(used, draws if len(used) >= FEWEST_ARTICLES else 0, seed), len(used)


def _alpha_figures(table: Array, reason: str, draws: int, seed: int) -> tuple[dict[str, Figure], Figure]:
    sums = table.sum(axis=0)
    drawn, articles = _draw(table, draws, seed)
    values, drawn_values = alphas(sums), alphas(drawn)
    figures = {}
    for column, key in enumerate(KEYS):
        given = sums[[one for one in range(SETS) if one >> column & 1]].sum()
        why = reason or ("always given where two answered" if given else "never given where two answered")
        figures[key] = _figure(values[column], drawn_values[:, column], articles, why)
    return figures, _figure(values[-1], drawn_values[:, -1], articles, reason or "all answers are the same")


def _pair(answers: Answers, one: int, other: int, draws: int, seed: int) -> Pair:
    table = pair_cells(answers, one, other)
    sums = table.sum(axis=0)
    drawn, articles = _draw(table, draws, seed)
    both = answers.sets[(answers.sets[:, [one, other]] != MISSING).all(axis=1)]
    f1, drawn_f1 = f1_of_counts(sums[:-1]), f1_of_counts(drawn[:, :-1])
    kappa, drawn_kappa = kappas(sums), kappas(drawn)
    labels = {}
    for column, key in enumerate(KEYS):
        counts = dict(zip(CELLS, sums[:, column].astype(int).tolist(), strict=True))
        never = "neither gave it" if len(both) else "no common sentence"
        always = "both always gave it" if counts["both"] else never
        labels[key] = PairLabel(
            counts["both"],
            counts["first"],
            counts["second"],
            f1=_figure(f1[column], drawn_f1[:, column], articles, never),
            kappa=_figure(kappa[column], drawn_kappa[:, column], articles, always),
        )
    names = answers.annotators
    alike = int((both[:, one] == both[:, other]).sum())
    return Pair(names[one], names[other], len(both), articles, alike, labels)


def _annotator(answers: Answers, number: int) -> Annotator:
    sets = answers.sets[:, number]
    counts = answers.given(number).sum(axis=0).astype(int).tolist()
    return Annotator(
        name=answers.annotators[number],
        sentences=int((sets != MISSING).sum()),
        labels=dict(zip(KEYS, counts, strict=True)),
        none=int((sets == 0).sum()),
    )


def _differ(answers: Answers) -> NDArray[np.bool_]:
    """(sentences with two answers or more,): whether the answers are not all alike."""
    number = (answers.sets != MISSING).sum(axis=1)
    sets = answers.sets[number >= 2]
    lowest = np.where(sets == MISSING, SETS, sets).min(axis=1, initial=SETS)
    return np.asarray(lowest < sets.max(axis=1, initial=MISSING))


def agreement(answers: Iterable[Answered], draws: int = DRAWS, seed: int = 1) -> Agreement:
    """Agreement of annotators on sentences (records, or anything with id, article and annotations).

    A missing answer is none; an answer ``()`` is one that gives no label. The order of sentences and
    annotators does not matter. ``draws`` sets of articles are drawn for the intervals; 0 leaves them out.

    Raises:
        DataError: an id stands twice, or a label is unknown.
        UsageError: ``draws`` is negative.
    """
    if draws < 0:
        raise UsageError(f"The number of draws must be 0 or more, found {draws}.")
    found = collect(answers)
    people = tuple(_annotator(found, number) for number in range(len(found.annotators)))
    differ = _differ(found)
    reason = "" if len(differ) else "no sentence with two answers"
    if len(people) < 2:
        reason = "one annotator only" if people else "no answers"
    alpha, sets = _alpha_figures(coincidences(found), reason, draws, seed)
    return Agreement(
        sentences=len(found.sets),
        articles=found.articles,
        common=len(differ),
        differing=int(differ.sum()),
        annotators=people,
        pairs=tuple(_pair(found, one, other, draws, seed) for one, other in combinations(range(len(people)), 2)),
        alpha=alpha,
        sets=sets,
        draws=draws,
        reason=reason,
    )


def krippendorff_alpha(records: Iterable[Answered], label: str) -> float | None:
    """Nominal Krippendorff's alpha of one label (given or not given), any number of annotators.

    Sentences with one annotation do not count. None when nobody, or everybody always, gave the label.
    """
    value = alphas(coincidences(collect(records)).sum(axis=0))[LABEL2ID[label]]
    return float(value) if np.isfinite(value) else None


def pairwise_f1(records: Iterable[Answered], label: str) -> float | None:
    """Mean over the pairs of annotators of the F1 of one against the other (it is symmetric)."""
    return agreement(records, draws=0).mean_f1(label)
