"""Scores of a system on parts of a split: by length, labels, keywords, reported speech, style, region, decade, year.

A slice is a mask over sentences; the values of one dimension share the sentences out among them. Articles
are drawn once for the whole split, so that every slice sees the same draws. How many sentences fall in a
slice then differs from draw to draw, as it would in another split.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import DRAWS, FEWEST_ARTICLES, NO_INTERVAL, Array, article_draws, percentile_interval
from eval.intervals import decision_table, precision_of_counts, ratio, recall_of_counts
from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from strijdtaal.text import clean
from training.counts import macro_f1_of_counts
from training.keywords import keyword_probabilities
from training.records import Record

Mask = NDArray[np.bool_]

LENGTHS = ("1-8", "9-15", "16-25", "26+")  # words
_LENGTH_STARTS = (9, 16, 26)
FEWEST_OF_REGION = 30  # sentences; smaller regions go together
OTHER, UNKNOWN = "other", "unknown"
YEAR = "year"  # a dimension of many values, most of them too small for an interval
SCORES = ("macro_f1", "precision", "recall", "none_accuracy")

_OPENS = r"(?<![^\s(\[\"'“„‘«:/–—-])"  # at the start, or after a space, bracket, dash or another mark
# A quotation, also one that goes on in the next sentence. An apostrophe ('s avonds, in '70) opens none.
_QUOTED = re.compile(
    _OPENS + r"(?:[\"“„](?!\s)[^\"“”„]+(?:[\"”“]|$)"
    r"|«[^«»]+(?:»|$)"
    r"|,,(?!\s).+?(?:''|[\"”]|$)"
    r"|['‘](?!\s|[stnkmr]\b|\d\d\b).+?(?:(?<=\S)['’](?!\w)|$))",
    re.IGNORECASE,
)
_QUOTE_ENDS = re.compile(r"^.+?(?:(?<=\S)[\"”»]|(?<=[.,!?…])['’])(?!\w)")  # begun in an earlier sentence
_WORD = re.compile(r"\w[\w'’.-]*")
_REPORTING = re.compile(
    r"\b(?:zei(?:den)?|zegt|(?<!voor het )zeggen|gezegd|meld(?:t|en|den?)|gemeld|verklaar(?:t|den?)|verklaren"
    r"|vertel(?:t|len|den?|d)|berichtten?|schrijft|schreef|beweer(?:t|den?)|beweren|benadruk(?:t|ken|ten?)"
    r"|bevestig(?:t|en|den?)|antwoord(?:t|den?)|ontken(?:t|nen|den?)|aldus|volgens|naar verluidt"
    r"|(?:laat|laten|liet|lieten)\b(?: [^\s,;:.]+){0,6}? weten|weten (?:laat|laten|liet|lieten))\b",
    re.IGNORECASE,
)


def _is_reported(text: str) -> bool:
    quotes = _QUOTED.findall(text) or _QUOTE_ENDS.findall(text)
    return any(len(_WORD.findall(quote)) > 1 for quote in quotes) or _REPORTING.search(text) is not None


def _masks(values: Sequence[str], order: Sequence[str]) -> dict[str, Mask]:
    numbers = {name: number for number, name in enumerate(order)}
    codes = np.array([numbers[value] for value in values], dtype=np.int64)
    return {name: codes == number for name, number in numbers.items()}


def _by_name(values: list[str]) -> dict[str, Mask]:
    """Names by the alphabet, then what is left."""
    found = set(values)
    names = sorted(found - {OTHER, UNKNOWN}, key=lambda name: (name.casefold(), name))
    return _masks(values, [*names, *(name for name in (OTHER, UNKNOWN) if name in found)])


def _record_members(records: Sequence[Record]) -> dict[str, dict[str, Mask]]:
    """Style, region, decade and year; a dimension of which no record knows anything is left out."""
    often = Counter(record.region for record in records)
    regions = [
        UNKNOWN if not record.region else record.region if often[record.region] >= FEWEST_OF_REGION else OTHER
        for record in records
    ]
    columns = {
        "style": [record.style or UNKNOWN for record in records],
        "region": regions,
        "decade": [f"{record.date[:3]}0s" if record.date else UNKNOWN for record in records],
        YEAR: [record.date[:4] if record.date else UNKNOWN for record in records],
    }
    return {name: _by_name(column) for name, column in columns.items() if set(column) - {UNKNOWN}}


def _check_records(texts: Sequence[str], records: Sequence[Record]) -> None:
    if len(records) != len(texts):
        raise DataError(f"{len(records)} records for {len(texts)} sentences. Give the records of the same split.")
    for place, (text, record) in enumerate(zip(texts, records, strict=True)):
        if text != clean(record.text):
            raise DataError(
                f"Sentence {place} is {text[:60]!r}, but record '{record.id}' at that place is {record.text[:60]!r}. "
                "Give the records of the same split, in the order of the sentences."
            )


def slice_members(
    texts: Sequence[str], gold: NDArray[np.floating], records: Sequence[Record] | None = None
) -> dict[str, dict[str, Mask]]:
    """Dimension -> value -> mask of shape (sentences,); ``gold`` has shape (sentences, labels).

    From the text: ``length`` (words), ``labels`` (annotated: none, one, several), ``keyword`` (a stem of
    ``training.keywords`` occurs: with, without) and ``reported`` (quotation marks around two or more words,
    or a reporting verb: reported, plain); all of their values are given, also those without sentences.
    From the records: ``style``, ``region`` (with fewer than 30 sentences: "other"), ``decade`` and ``year``;
    "unknown" where a record does not say, and no such dimension where none does.

    Raises:
        DataError: the gold labels or the records are not those of the sentences.
    """
    if gold.shape != (len(texts), len(KEYS)):
        raise DataError(f"Gold labels of shape {gold.shape} for {len(texts)} sentences and {len(KEYS)} labels.")
    cleaned = [clean(text) for text in texts]
    words = np.array([len(text.split()) for text in cleaned], dtype=np.int64)
    number = np.minimum((gold >= 0.5).sum(axis=1), 2)
    keyword: Mask = np.asarray(keyword_probabilities(cleaned).any(axis=1), dtype=np.bool_)
    reported = np.array([_is_reported(text) for text in cleaned], dtype=bool)
    length = np.digitize(words, _LENGTH_STARTS)
    members: dict[str, dict[str, Mask]] = {
        "length": {name: length == place for place, name in enumerate(LENGTHS)},
        "labels": {name: number == count for count, name in enumerate(("none", "one", "several"))},
        "keyword": {"with": keyword, "without": ~keyword},
        "reported": {"reported": reported, "plain": ~reported},
    }
    if records is not None:
        _check_records(cleaned, records)
        members |= _record_members(records)
    return members


def _values(sums: Array) -> dict[str, Array]:
    """The scores from sums of ``decision_table``, shape (..., columns); NaN where no label is annotated."""
    counts = sums[..., :-4].reshape(*sums.shape[:-1], 3, -1)
    pooled = counts.sum(axis=-1, keepdims=True)
    recall = recall_of_counts(pooled)[..., 0]
    return {
        "macro_f1": np.where(np.isnan(recall), np.nan, macro_f1_of_counts(counts)),
        "precision": np.where(np.isnan(recall), np.nan, precision_of_counts(pooled)[..., 0]),
        "recall": recall,
        "none_accuracy": ratio(sums[..., -1], sums[..., -2]),
    }


def _reasons(row: Mapping[str, Any]) -> str:
    """Why a value of the row is n/a, in a few words."""
    if not row["sentences"]:
        return "no sentences"
    reasons = []
    if not sum(row["positives"].values()):
        reasons.append("no positives: macro-F1, precision and recall are undefined, none accuracy is what counts")
    elif np.isnan(row["precision"]):
        reasons.append("no label predicted: precision is undefined")
    if any(np.isfinite(row[name]) and np.isnan(row[f"{name}_interval"][0]) for name in SCORES):
        few = row["articles"] < FEWEST_ARTICLES
        reasons.append(f"{f'fewer than {FEWEST_ARTICLES} articles' if few else 'too few draws'}: no interval")
    if np.isnan(row["none_accuracy"]):
        reasons.append("no sentences annotated none")
    return "; ".join(reasons)


def _score(place: NDArray[np.intp], yes: Mask, said: Mask, drawn: Array) -> dict[str, Any]:
    """Scores of one slice with their intervals; ``drawn`` has shape (articles of the split, draws)."""
    which, articles = np.unique(place, return_inverse=True)
    row: dict[str, Any] = {
        "sentences": len(yes),
        "articles": len(which),
        "positives": {key: int(count) for key, count in zip(KEYS, yes.sum(axis=0), strict=True)},
    }
    codes: Any = articles  # numbers serve as well as names
    table = (
        decision_table(codes, yes.astype(np.float64), said.astype(np.int64))
        if len(yes)
        else np.zeros((1, 3 * len(KEYS) + 4))
    )
    row |= {name: float(value) for name, value in _values(table.sum(axis=0)).items()}
    intervals = dict.fromkeys(SCORES, NO_INTERVAL)
    if len(which) >= FEWEST_ARTICLES:
        values = _values((table.T @ drawn[which]).T)
        intervals = {name: percentile_interval(values[name]) for name in SCORES}
    row["low"], row["high"] = intervals["macro_f1"]
    return row | {f"{name}_interval": interval for name, interval in intervals.items()}


def slice_scores(
    articles: Sequence[str],
    gold: NDArray[np.floating],
    decided: NDArray[np.integer],
    members: Mapping[str, Mapping[str, Mask]],
    draws: int = DRAWS,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """One row a dimension and value, in the order of ``members``; ``gold`` and ``decided``: (sentences, labels).

    Keys: ``dimension``, ``value``, ``sentences``, ``articles``, ``positives`` (label key -> count),
    ``macro_f1``, ``precision`` and ``recall`` (micro), ``none_accuracy`` (share of the sentences annotated none that
    get no label), of each its 95% interval as ``<score>_interval`` (articles drawn with replacement), that of macro-F1
    also as ``low`` and ``high``, and ``why``: what is n/a (NaN) for which reason, or an empty string.

    Without any annotated label macro-F1, precision and recall are NaN (they could only be 0 or undefined),
    and ``none_accuracy`` is what counts.

    Raises:
        DataError: articles, labels, decisions and masks are not of the same sentences.
    """
    expected = (len(articles), len(KEYS))
    if gold.shape != expected or decided.shape != expected:
        raise DataError(
            f"Gold labels of shape {gold.shape} and decisions of shape {decided.shape} "
            f"for {len(articles)} sentences and {len(KEYS)} labels. Give those of the same split."
        )
    for dimension, values in members.items():
        for value, mask in values.items():
            if mask.shape != expected[:1]:
                raise DataError(f"Slice {dimension} = {value} has shape {mask.shape} for {len(articles)} sentences.")
    if not len(articles):
        raise DataError("No sentences to score. Give a split with at least one sentence.")
    names, place = np.unique(np.asarray(articles), return_inverse=True)
    drawn = np.ascontiguousarray(article_draws(len(names), draws, seed).T)
    yes, said = gold >= 0.5, decided >= 1
    rows = []
    for dimension, values in members.items():
        for value, mask in values.items():
            row = {"dimension": dimension, "value": value, **_score(place[mask], yes[mask], said[mask], drawn)}
            rows.append(row | {"why": _reasons(row)})
    return rows
