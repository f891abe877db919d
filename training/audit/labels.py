"""Labels: how many there are, whether splits have the same mix of them, and texts that carry two answers."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
from numpy.typing import NDArray

from training.audit.checks import Check, none_of, share
from training.audit.rows import Sample

LEVEL = 0.01  # of a test, after correction for the number of labels
POINTS, RATIO = 0.02, 1.5  # a shift below both is no matter, whatever its p-value


def counts(sample: Sample) -> list[Check]:
    """Sentences, articles and positives."""
    articles = len({row.article for row in sample.rows if row.article})
    per_split = Counter(row.split for row in sample.rows)
    checks = [Check("sentences", f"{len(sample.rows):,}", figures={"value": len(sample.rows)})]
    checks += [Check(f"sentences in {name}", f"{per_split[name]:,}") for name in sample.splits]
    checks += [Check("sentences in no split", f"{per_split['']:,}")] if sample.splits and per_split[""] else []
    checks += [Check("articles", f"{articles:,}", figures={"value": articles})] if articles else []
    for number, label in enumerate(sample.labels):
        checks.append(Check(f"positives: {label}", share(int(sample.gold[:, number].sum()), len(sample.rows))))
    none = int((~sample.gold.any(axis=1)).sum())
    return [*checks, Check("without a label", share(none, len(sample.rows)))]


def contradictions(sample: Sample) -> list[Check]:
    """Texts that are equal after clean-up, but for capitals, and have different labels."""
    again = np.flatnonzero(np.bincount(sample.same_text)[sample.same_text] > 1)
    members: dict[int, list[int]] = defaultdict(list)
    for row in again.tolist():
        members[int(sample.same_text[row])].append(row)
    found = [rows for rows in members.values() if len({frozenset(sample.rows[row].labels) for row in rows}) > 1]
    examples = [
        " / ".join(f"{sample.rows[row].id} {', '.join(sample.rows[row].labels) or 'none'}" for row in rows[:4])
        for rows in found
    ]
    touched = sum(map(len, found))
    value = f"{len(found):,}" + (f" ({touched:,} sentences)" if found else "")
    return [none_of("one text, different labels", len(found), examples, value, serious=True, rows=touched)]


def _columns(sample: Sample) -> tuple[list[str], NDArray[np.bool_]]:
    """Labels and, last, none of them."""
    return [*sample.labels, "none"], np.column_stack([sample.gold, ~sample.gold.any(axis=1)])


def absent(sample: Sample) -> list[Check]:
    """Labels that one split has and another has not."""
    if len(sample.splits) < 2:
        return []
    missing = [
        f"{split}: {label}"
        for number, split in enumerate(sample.splits)
        for column, label in enumerate(sample.labels)
        if not sample.gold[sample.split_of == number, column].any()
    ]
    return [none_of("labels missing from a split", len(missing), missing)]


def _p_values(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Chi-square tests of each column for equal shares, corrected (Benjamini and Hochberg 1995)."""
    from scipy.stats import chi2_contingency, false_discovery_control

    values = []
    for one, other in zip(first.T, second.T, strict=True):
        table = np.array([[part.sum(), (~part).sum()] for part in (one, other)])
        values.append(chi2_contingency(table, correction=False).pvalue if table.sum(axis=0).all() else 1.0)
    return np.asarray(false_discovery_control(np.clip(values, 0, 1)))


def total_variation(first: list[tuple[str, ...]], second: list[tuple[str, ...]]) -> float:
    """Half the sum of the differences between the shares of all label sets: 0 the same mix, 1 nothing in common."""
    one, other = Counter(map(frozenset, first)), Counter(map(frozenset, second))
    sets = one.keys() | other.keys()
    return sum(abs(one[key] / one.total() - other[key] / other.total()) for key in sets) / 2


def shifts(sample: Sample) -> list[Check]:
    """Whether the labels are as frequent in the other splits as in the first.

    A label counts as shifted if its shares differ by the test, and by two points or half as much again.
    Sentences of one article are alike, so p-values alone are too small.
    """
    names, columns = _columns(sample)
    checks = []
    for number, split in enumerate(sample.splits[1:], 1):
        inside = [columns[sample.split_of == one] for one in (0, number)]
        before, after = (part.mean(axis=0) for part in inside)
        low, high = np.minimum(before, after), np.maximum(before, after)
        shifted = (_p_values(*inside) < LEVEL) & ((high - low >= POINTS) | (high >= RATIO * low))
        sets = [[row.labels for row in sample.rows if row.split == name] for name in (sample.splits[0], split)]
        distance = total_variation(*sets)
        order = np.argsort(-(high - low))
        examples = tuple(f"{names[one]} {before[one]:.1%} -> {after[one]:.1%}" for one in order if shifted[one])
        value = f"{int(shifted.sum())} of {len(names)} differ; total variation {distance:.3f}"
        figures = {"shifted": int(shifted.sum()), "total_variation": distance}
        name = f"label shift: {split} against {sample.splits[0]}"
        checks.append(Check(name, value, "= 0", not shifted.any(), examples, figures=figures))
    return checks
