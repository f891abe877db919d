"""Corrected label counts of a set of documents: how many sentences threaten, and how sure is that.

Counting decisions is biased when a label is rarer or more common in the set than in the training data:
with few true cases most of those counted are false alarms. Reviews: Forman 2008 (Data Mining and Knowledge
Discovery 17), González et al. 2017 (ACM Computing Surveys 50). All corrections suppose that only the shares of
the labels differ from those of the validation data, not how a label is put into words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import DRAWS, FEWEST_ARTICLES
from strijdtaal.errors import DataError, UsageError
from strijdtaal.labels import CODEBOOK_VERSION, KEYS

SMALLEST_GAP = 0.1  # tpr - fpr below this says too little to correct a count
ITERATIONS = 1000
TOLERANCE = 1e-7  # of a share
COUNTS = ("true_positives", "positives", "false_positives", "negatives")
Array = NDArray[np.float64]


def _divide(above: Sequence[int], below: Sequence[int]) -> Array:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.array(above) / np.array(below))


def _two_dimensional(name: str, values: NDArray[Any], labels: int | None = None) -> Array:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 2 or not len(found) or found.shape[1] != (labels or found.shape[1]):
        wanted = f"{labels} values" if labels else "one value a label"
        raise DataError(f"{name} have shape {found.shape}. Give at least one sentence and {wanted} for each.")
    if not ((found >= 0) & (found <= 1)).all():
        raise DataError(f"{name} must lie between 0 and 1, none missing. Score the system again.")
    return found


@dataclass(frozen=True)
class Rates:
    """How often the decisions of a system hit and falsely alarm, from validation data.

    Sentences counted, one number a label, in the order of ``strijdtaal.labels.KEYS``.
    """

    true_positives: tuple[int, ...]
    positives: tuple[int, ...]
    false_positives: tuple[int, ...]
    negatives: tuple[int, ...]

    @property
    def tpr(self) -> Array:
        """True-positive rate (recall), shape (labels,); NaN where the label never occurs."""
        return _divide(self.true_positives, self.positives)

    @property
    def fpr(self) -> Array:
        """False-positive rate, shape (labels,); NaN where every sentence has the label."""
        return _divide(self.false_positives, self.negatives)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file: the codebook and the four counts of each label."""
        rows = zip(*(getattr(self, name) for name in COUNTS), strict=True)
        labels = {key: dict(zip(COUNTS, row, strict=True)) for key, row in zip(KEYS, rows, strict=True)}
        return {"codebook_version": CODEBOOK_VERSION, "labels": labels}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Rates:
        """Read what ``as_dict`` wrote.

        Raises:
            DataError: another codebook, a label or count is missing, or counts that cannot be.
        """
        if not isinstance(value, Mapping) or value.get("codebook_version") != CODEBOOK_VERSION:
            raise DataError(f"The rates are not of codebook {CODEBOOK_VERSION}. Measure them again.")
        labels = value.get("labels")
        if not isinstance(labels, Mapping) or set(labels) != set(KEYS):
            raise DataError(f"The rates must hold the labels {', '.join(KEYS)}. Measure them again.")
        for key in KEYS:
            _check_counts(key, labels[key])
        return cls(**{name: tuple(labels[key][name] for key in KEYS) for name in COUNTS})


def _check_counts(key: str, row: Any) -> None:
    numbers = [row.get(name) for name in COUNTS] if isinstance(row, Mapping) else []
    known = [number for number in numbers if type(number) is int and number >= 0]  # True is no count
    if len(known) != len(COUNTS) or known[0] > known[1] or known[2] > known[3]:
        raise DataError(f"Rates of {key!r} are {row!r}, which cannot be counts. Measure them again.")


def rates(decided: NDArray[np.integer], gold: NDArray[np.floating]) -> Rates:
    """Count the hits and false alarms of 0/1 decisions on validation data, shapes (sentences, labels).

    Raises:
        DataError: no sentences, or shapes that do not fit.
    """
    said = _two_dimensional("Decisions", decided, len(KEYS)) >= 0.5
    yes = _two_dimensional("Gold labels", gold, len(KEYS)) >= 0.5
    if said.shape != yes.shape:
        raise DataError(f"Decisions on {len(said)} sentences, gold labels of {len(yes)}. Give the same rows.")
    found = (said & yes, yes, said & ~yes, ~yes)
    return Rates(*(tuple(part.sum(axis=0).tolist()) for part in found))


def classify_and_count(decided: NDArray[np.integer]) -> Array:
    """Share of sentences given each label: decisions of shape (sentences, labels) -> (labels,)."""
    return np.asarray(_two_dimensional("Decisions", decided).mean(axis=0))


def _adjust(share: Array, tpr: Array, fpr: Array, smallest: float) -> Array:
    return np.asarray(np.clip((share - fpr) / np.maximum(tpr - fpr, smallest), 0, 1))


def adjusted_count(decided: NDArray[np.integer], rates: Rates) -> Array:
    """Share of each label, corrected for hits missed and false alarms (Forman 2008).

    (share - fpr) / (tpr - fpr), clipped to 0 to 1; NaN where tpr - fpr is undefined or below 0.1.

    Args:
        decided: 0/1, shape (sentences, labels).
        rates: of the same system on validation data.

    Returns:
        Shape (labels,), from 0 to 1.

    Raises:
        DataError: no sentences, another shape, or values outside 0 to 1.
    """
    share, tpr, fpr = _two_dimensional("Decisions", decided, len(KEYS)).mean(axis=0), rates.tpr, rates.fpr
    return np.where(tpr - fpr >= SMALLEST_GAP - 1e-12, _adjust(share, tpr, fpr, SMALLEST_GAP), np.nan)


def probabilistic_count(probabilities: NDArray[np.floating]) -> Array:
    """Mean calibrated probability of each label (Bella et al. 2010): (sentences, labels) -> (labels,)."""
    return np.asarray(_two_dimensional("Probabilities", probabilities).mean(axis=0))


def _em(values: Array, prior: float, iterations: int, tolerance: float) -> float:
    if not 0 < prior < 1:
        return float("nan")
    share = prior
    for _ in range(iterations):
        yes, no = values * (share / prior), (1 - values) * ((1 - share) / (1 - prior))
        moved = float(np.mean(yes / (yes + no)))
        if abs(moved - share) < tolerance:
            return moved
        share = moved
    return float("nan")


def em_count(
    probabilities: NDArray[np.floating],
    prior: NDArray[np.floating],
    iterations: int = ITERATIONS,
    tolerance: float = TOLERANCE,
) -> Array:
    """Share of each label at which probabilities and share agree (Saerens, Latinne and Decaestecker 2002).

    Each label apart: probabilities are turned from the prior to the share found so far; their mean is next.

    Args:
        probabilities: calibrated, shape (sentences, labels).
        prior: share of each label in the data they were calibrated on, shape (labels,).
        iterations: most steps taken; a label that has not settled by then is NaN.
        tolerance: largest last step, as a share.

    Returns:
        Shape (labels,), from 0 to 1; NaN also where the prior is not between 0 and 1.

    Raises:
        DataError: no sentences, values outside 0 to 1, or a prior of another shape.
    """
    values, shares = _two_dimensional("Probabilities", probabilities), np.asarray(prior, dtype=np.float64)
    if shares.shape != values.shape[1:]:
        raise DataError(f"The prior has shape {shares.shape}. Give {values.shape[1]} shares, one a label.")
    return np.array([_em(values[:, at], float(share), iterations, tolerance) for at, share in enumerate(shares)])


def _adjusted_interval(decided: Array, articles: Sequence[str], known: Rates, draws: int, seed: int) -> Array:
    """Low and high adjusted shares with articles and rates drawn: shape (2, labels); NaN with too few articles."""
    _, place = np.unique(np.asarray(articles), return_inverse=True)
    sizes = np.bincount(place).astype(np.float64)
    if draws < 1:
        raise UsageError(f"{draws} draws were asked for; give at least 1.")
    if (number := len(sizes)) < FEWEST_ARTICLES:
        return np.full((2, decided.shape[1]), np.nan)
    table = np.column_stack([np.bincount(place, weights=column) for column in decided.T])  # (articles, labels)
    generator = np.random.default_rng(seed)
    weights = generator.multinomial(number, np.full(number, 1 / number), size=draws).astype(np.float64)
    share = (weights @ table) / (weights @ sizes)[:, None]
    hits, positives, alarms, negatives = (np.array(getattr(known, name)) for name in COUNTS)
    tpr = generator.beta(hits + 0.5, positives - hits + 0.5, size=share.shape)  # Jeffreys prior
    fpr = generator.beta(alarms + 0.5, negatives - alarms + 0.5, size=share.shape)
    drawn = _adjust(share, tpr, fpr, 1e-9)  # a weak draw goes to 0 or 1, so that it widens the interval
    return np.asarray(np.percentile(drawn, [2.5, 97.5], axis=0))


def count_table(
    decided: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    articles: Sequence[str],
    rates: Rates,
    prior: NDArray[np.floating],
    gold: NDArray[np.floating] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Counts of each label in a set, by four methods.

    The interval is of the count to expect in as many sentences of such articles (articles are drawn with
    replacement, rates from their Beta posteriors), so it is somewhat wide for these very sentences.

    ``decided`` and ``rates`` are as in ``adjusted_count``, ``probabilities`` and ``prior`` as in ``em_count``;
    ``articles`` holds the article of each sentence, ``gold`` (0/1, shape (sentences, labels)) the truth if known.

    Returns:
        One row a label: ``label`` (key), ``counted``, ``adjusted``, ``em``, ``probabilistic``, ``low``,
        ``high`` (95% interval of adjusted; NaN where that is, or with fewer than 10 articles), ``true`` (None
        without gold), ``sentences``; numbers of sentences, NaN where undefined.

    Raises:
        DataError: no sentences, shapes or lengths that do not fit, or values outside 0 to 1.
        UsageError: no draws.
    """
    said = _two_dimensional("Decisions", decided, len(KEYS))
    for name, rows in (("probabilities", probabilities), ("articles", articles), ("gold labels", gold)):
        if rows is not None and len(rows) != len(said):
            raise DataError(f"Decisions on {len(said)} sentences, {name} of {len(rows)}. Give the same rows.")
    adjusted = adjusted_count(decided, rates)
    low, high = _adjusted_interval(said, articles, rates, draws, seed)
    columns = {
        "counted": said.mean(axis=0),
        "adjusted": adjusted,
        "em": em_count(probabilities, prior),
        "probabilistic": probabilistic_count(probabilities),
        "low": np.where(np.isfinite(adjusted), low, np.nan),
        "high": np.where(np.isfinite(adjusted), high, np.nan),
    }
    true = None if gold is None else (_two_dimensional("Gold labels", gold, len(KEYS)) >= 0.5).sum(axis=0)
    return [
        {"label": key}
        | {name: float(shares[at] * len(said)) for name, shares in columns.items()}
        | {"true": None if true is None else int(true[at]), "sentences": len(said)}
        for at, key in enumerate(KEYS)
    ]
