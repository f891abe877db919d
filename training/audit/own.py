"""The audit of the project's own records: counts, shortcuts, duplicates, oddities, agreement.

Bounds describe the project's own corpus; on other data they are a yardstick, not a law.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from heapq import nsmallest

import numpy as np

from strijdtaal.labels import KEYS, to_vector
from training.agreement import agreement
from training.audit.checks import SHOWN, Check, number
from training.audit.rows import Row, Sample
from training.duplicates import numbered
from training.keywords import keyword_probabilities
from training.records import Record
from training.word_runs import Tokens, tokenise

_FOREIGN = re.compile(r"[\u0370-\u1dff\u2c00-\ud7ff]")


def distinct_ngrams(texts: Sequence[str] | Tokens, size: int = 4) -> float:
    """Different word n-grams as a share of all; 1 when no sequence of ``size`` words comes twice."""
    _, runs = (texts if isinstance(texts, Tokens) else tokenise(texts)).runs(size)
    return len(np.unique(runs)) / len(runs) if len(runs) else float("nan")


def as_rows(records: Sequence[Record], split: str = "") -> list[Row]:
    """Records as rows of a sample."""
    return [Row(record.id, record.article, record.text, record.labels, split) for record in records]


def _counts(records: Sequence[Record]) -> list[Check]:
    positive = [record for record in records if record.labels]
    several = sum(len(record.labels) > 1 for record in positive)
    checks = [
        number("articles", len({record.article for record in records}), low=500),
        number("sentences", len(records), low=5000),
        *(number(f"positives: {key}", sum(key in r.labels for r in records), low=600) for key in KEYS),
        number("share without a label", 1 - len(positive) / len(records), low=0.55, form=".3f"),
        number("share of positives with 2+ labels", several / max(1, len(positive)), low=0.10, form=".3f"),
        number("regions", len({record.region for record in records if record.region}), low=40),
        number("styles", len({record.style for record in records if record.style})),
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
        number("keyword rule, macro-F1", float(np.mean(each)), high=0.60, form=".3f"),
        *(
            number(f"positives without a keyword: {key}", share, low=0.25, form=".3f")
            for key, share in zip(KEYS, without, strict=True)
        ),
        number(
            "none sentences with a keyword", float(found[none].any(axis=1).mean()) if none.any() else 0.0, form=".3f"
        ),
    ]


def _across_articles(records: Sequence[Record], sample: Sample) -> tuple[int, list[tuple[int, int, float]]]:
    """How many near-duplicates of different articles there are, and the first ones."""
    article = numbered(record.article for record in records)
    total, shown = 0, list[tuple[int, int, float]]()
    for one, two, similarity in sample.index.pairs():
        keep = np.flatnonzero(article[one] != article[two])
        total += len(keep)
        keep = keep[np.lexsort((two[keep], one[keep]))[:SHOWN]]
        block = zip(one[keep].tolist(), two[keep].tolist(), similarity[keep].tolist(), strict=True)
        shown = nsmallest(SHOWN, [*shown, *block])
    return total, shown


def _duplicates(records: Sequence[Record], sample: Sample) -> list[Check]:
    pairs, first = _across_articles(records, sample)
    shown = tuple(
        f"{records[one].id} ~ {records[two].id} ({similarity:.2f}): {sample.cleaned[one][:70]}"
        for one, two, similarity in first
    )
    text = sample.same_text
    again = np.flatnonzero(np.bincount(text)[text] > 1).tolist()
    members: dict[int, list[Record]] = defaultdict(list)
    for position in again:
        members[int(text[position])].append(records[position])
    contrary = [
        ", ".join(record.id for record in members[one])
        for one in sorted(members)
        if len({record.labels for record in members[one]}) > 1
    ]
    return [
        Check("near-duplicates across articles", str(pairs), "= 0", not pairs, shown, figures={"found": pairs}),
        Check(
            "one text, different labels", str(len(contrary)), "= 0", not contrary, tuple(contrary[:SHOWN]),
            serious=True, figures={"found": len(contrary)},
        ),
        number("distinct 4-grams", distinct_ngrams(sample.tokens), form=".3f"),
    ]  # fmt: skip


def _characters(records: Sequence[Record], sample: Sample) -> list[Check]:
    odd = [record.id for record, text in zip(records, sample.cleaned, strict=True) if text != record.text]
    foreign = [record.id for record in records if _FOREIGN.search(record.text)]
    return [
        Check("text that clean-up changes", str(len(odd)), "= 0", not odd, tuple(odd[:SHOWN])),
        Check("letters outside Latin script", str(len(foreign)), "", None, tuple(foreign[:SHOWN])),
    ]


def _agreement(records: Sequence[Record]) -> list[Check]:
    once = {record.id: record for record in records}  # a sentence may stand in two splits
    both = [record for record in once.values() if len(record.annotations) >= 2]
    if not both:
        return [Check("agreement", "n/a: no sentence has two annotations")]
    differ = [record for record in both if len(set(record.annotations.values())) > 1]
    unexplained = [record.id for record in differ if not record.reason]
    checks = [
        number("sentences annotated twice", len(both) / len(once), low=1.0, form=".3f"),
        Check("disagreements", f"{len(differ)} of {len(both)}"),
        Check("of these without a reason", str(len(unexplained)), "= 0", not unexplained, tuple(unexplained[:SHOWN])),
    ]
    found = agreement(both, draws=0)
    for key in KEYS:
        alpha, f1 = found.alpha[key].value, found.mean_f1(key)
        value = "n/a" if alpha is None or f1 is None else f"{alpha:.3f} / {f1:.3f}"
        checks.append(Check(f"alpha / pairwise F1: {key}", value))
    return checks


def audit(records: Sequence[Record], sample: Sample | None = None) -> list[Check]:
    """All checks, in the order of the table; ``sample`` holds the same records as rows, if there is one already."""
    sample = sample or Sample(as_rows(records), (), KEYS)
    return [
        *_counts(records),
        *_shortcuts(records),
        *_duplicates(records, sample),
        *_characters(records, sample),
        *_agreement(records),
    ]
