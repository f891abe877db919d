"""The audit of annotated sentences: counts, leaks between articles, shortcuts, agreement, oddities.

Every check is a row of a table: what, value, the bound it should keep (where there is one) and whether
it does. Bounds describe the project's own corpus; on other data they are a yardstick, not a law.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strijdtaal.labels import KEYS, to_vector
from strijdtaal.text import clean
from training.agreement import krippendorff_alpha, pairwise_f1
from training.keywords import keyword_probabilities
from training.records import Record
from training.splits import near_duplicates

_WORD = re.compile(r"\w+")
SHOWN = 10


@dataclass(frozen=True)
class Check:
    """One row: ``passed`` is None where there is no bound."""

    name: str
    value: str
    bound: str = ""
    passed: bool | None = None
    examples: tuple[str, ...] = ()


def distinct_ngrams(texts: Sequence[str], size: int = 4) -> float:
    """Different word n-grams as a share of all; 1 when no sequence of ``size`` words comes twice."""
    seen: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        words = _WORD.findall(clean(text).lower())
        for start in range(len(words) - size + 1):
            seen.add(tuple(words[start : start + size]))
            total += 1
    return len(seen) / total if total else float("nan")


def _number(name: str, value: float, low: float | None = None, high: float | None = None, form: str = ",.0f") -> Check:
    bounds = [f">= {low:{form}}" if low is not None else "", f"<= {high:{form}}" if high is not None else ""]
    passed = None
    if low is not None or high is not None:
        passed = (low is None or value >= low) and (high is None or value <= high)
    return Check(name, f"{value:{form}}", " ".join(filter(None, bounds)), passed)


def _counts(records: Sequence[Record]) -> list[Check]:
    positive = [record for record in records if record.labels]
    several = sum(len(record.labels) > 1 for record in positive)
    checks = [
        _number("articles", len({record.article for record in records}), low=500),
        _number("sentences", len(records), low=5000),
        *(_number(f"positives: {key}", sum(key in r.labels for r in records), low=600) for key in KEYS),
        _number("share without a label", 1 - len(positive) / len(records), low=0.55, form=".3f"),
        _number("share of positives with 2+ labels", several / max(1, len(positive)), low=0.10, form=".3f"),
        _number("regions", len({record.region for record in records if record.region}), low=40),
        _number("styles", len({record.style for record in records if record.style})),
    ]
    lengths = np.array([len(record.text.split()) for record in records])
    quantiles = "/".join(f"{value:.0f}" for value in np.percentile(lengths, [0, 10, 50, 90, 100]))
    return [*checks, Check("words a sentence: 0/10/50/90/100%", quantiles)]


def _shortcuts(records: Sequence[Record]) -> list[Check]:
    from sklearn.metrics import f1_score

    gold = np.array([to_vector(record.labels) for record in records]) > 0
    found = keyword_probabilities([record.text for record in records]) > 0
    each = f1_score(gold, found, average=None, zero_division=0.0)
    without = [
        1 - found[gold[:, column], column].mean() if gold[:, column].any() else 1.0 for column in range(len(KEYS))
    ]
    none = ~gold.any(axis=1)
    return [
        _number("keyword rule, macro-F1", float(np.mean(each)), high=0.60, form=".3f"),
        *(
            _number(f"positives without a keyword: {key}", share, low=0.25, form=".3f")
            for key, share in zip(KEYS, without, strict=True)
        ),
        _number(
            "none sentences with a keyword", float(found[none].any(axis=1).mean()) if none.any() else 0.0, form=".3f"
        ),
    ]


def _duplicates(records: Sequence[Record]) -> list[Check]:
    pairs = near_duplicates(records)
    shown = tuple(
        f"{records[one].id} ~ {records[two].id} ({similarity:.2f}): {clean(records[one].text)[:70]}"
        for one, two, similarity in pairs[:SHOWN]
    )
    labels: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    ids: dict[str, list[str]] = defaultdict(list)
    for record in records:
        key = clean(record.text).lower()
        labels[key].add(record.labels)
        ids[key].append(record.id)
    contrary = [", ".join(ids[key]) for key, found in labels.items() if len(found) > 1]
    return [
        Check("near-duplicates across articles", str(len(pairs)), "= 0", not pairs, shown),
        Check("one text, different labels", str(len(contrary)), "= 0", not contrary, tuple(contrary[:SHOWN])),
        _number("distinct 4-grams", distinct_ngrams([record.text for record in records]), form=".3f"),
    ]


def _characters(records: Sequence[Record]) -> list[Check]:
    odd = [record.id for record in records if clean(record.text) != record.text]
    foreign = [r.id for r in records if re.search(r"[\u0370-\u1dff\u2c00-\ud7ff]", r.text)]
    return [
        Check("text that clean-up changes", str(len(odd)), "= 0", not odd, tuple(odd[:SHOWN])),
        Check("letters outside Latin script", str(len(foreign)), "", None, tuple(foreign[:SHOWN])),
    ]


def _agreement(records: Sequence[Record]) -> list[Check]:
    both = [record for record in records if len(record.annotations) >= 2]
    if not both:
        return [Check("agreement", "n/a: no sentence has two annotations")]
    differ = sum(len(set(record.annotations.values())) > 1 for record in both)
    unexplained = [r.id for r in both if len(set(r.annotations.values())) > 1 and not r.reason]
    checks = [
        _number("sentences annotated twice", len(both) / len(records), low=1.0, form=".3f"),
        Check("disagreements", f"{differ} of {len(both)}"),
        Check("of these without a reason", str(len(unexplained)), "= 0", not unexplained, tuple(unexplained[:SHOWN])),
    ]
    for key in KEYS:
        alpha, f1 = krippendorff_alpha(both, key), pairwise_f1(both, key)
        value = "n/a" if alpha is None or f1 is None else f"{alpha:.3f} / {f1:.3f}"
        checks.append(Check(f"alpha / pairwise F1: {key}", value))
    return checks


def audit(records: Sequence[Record]) -> list[Check]:
    """All checks, in the order of the table."""
    parts = (_counts, _shortcuts, _duplicates, _characters, _agreement)
    return [check for part in parts for check in part(records)]


def table(checks: Sequence[Check]) -> str:
    """The checks for a terminal, with examples under those that have any."""
    width = max(len(check.name) for check in checks)
    value = max(len(check.value) for check in checks)
    lines = []
    for check in checks:
        verdict = {None: "", True: "ok", False: "NOT MET"}[check.passed]
        lines.append(f"{check.name:<{width}}  {check.value:>{value}}  {check.bound:<10} {verdict}".rstrip())
        lines += [f"    {example}" for example in check.examples]
    return "\n".join(lines)
