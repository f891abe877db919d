"""Labels from the answers of annotators who err in different ways: Dawid-Skene and MACE, as crowd-kit has them.

Every label is a task of its own: given or not given. Both models estimate how good each annotator is from
the sentences that several annotators answered, and weigh their answers accordingly.

MACE takes every label to apply to half of the sentences before anybody answers, and a rare label is not like
that: where 8% of 20,000 synthetic sentences have a label and three fair annotators answer all of them, it gets
95.4% of the labels right, Dawid-Skene and the majority 99.5%.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from strijdtaal.errors import UsageError
from strijdtaal.labels import KEYS

if TYPE_CHECKING:
    from training.intake.adjudicate import Item

log = logging.getLogger(__name__)

RARE = 0.2  # share of the answers below which MACE is the wrong model
STEPS = 100  # of expectation maximisation, at most
SEEDS = (0, 1)  # MACE starts from random numbers


@dataclass
class Crowd:
    """What a model makes of all answers.

    Attributes:
        probabilities: id -> label -> probability that it applies; only ids with an answer.
        annotators: name -> label -> estimates of that annotator: ``sensitivity`` (gives the label where it
            applies) and ``specificity`` (withholds it where it does not) by Dawid-Skene, ``competence``
            (share of answers that are no guess) by MACE. A label that all answers agree on has none.
    """

    probabilities: dict[str, dict[str, float]] = field(default_factory=dict)
    annotators: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)


def _import(method: str) -> tuple[Any, Any]:
    try:
        import pandas as pd
        from crowdkit import aggregation
    except ImportError as error:
        raise UsageError(
            f"--adjudicate {method} needs the extra 'intake' ({error}). "
            'Install the extra: pip install -e ".[intake]", or choose another --adjudicate.'
        ) from error
    return pd, aggregation


def _check_overlap(items: Sequence[Item], method: str) -> None:
    names = {name for item in items for name in item.annotations}
    if len(names) < 2:
        found = f"only {next(iter(names))!r} answered" if names else "nobody answered"
        raise UsageError(f"--adjudicate {method} compares annotators, and {found}. Choose another --adjudicate.")
    if not any(len(item.annotations) > 1 for item in items):
        raise UsageError(
            f"--adjudicate {method} needs sentences that two or more annotators answered, and there are none "
            f"({len(names)} annotators, {len(items):,} sentences). Choose another --adjudicate."
        )


def _warn_of_rare(items: Sequence[Item], method: str) -> None:
    answers = [labels for item in items for labels in item.annotations.values()]
    shares = {key: sum(key in labels for labels in answers) / len(answers) for key in KEYS}
    rare = [f"{key} {share:.0%}" for key, share in shares.items() if 0 < share < RARE]
    if method == "mace" and rare:
        log.warning(
            "MACE takes labels to be as often right as not, and these are rare in the answers: %s. "
            "Compare with --adjudicate dawid-skene or majority.",
            ", ".join(rare),
        )


def _dawid_skene(aggregation: Any, data: Any) -> tuple[Mapping[Any, float], dict[str, dict[str, float]]]:
    model = aggregation.DawidSkene(n_iter=STEPS).fit(data)
    errors = model.errors_
    quality = {}
    for name in errors.index.unique("worker"):
        of_one = errors.loc[name]
        rates = {said: of_one[said][said] if said in of_one.index else 0.0 for said in (0, 1)}
        quality[name] = {"sensitivity": float(rates[1]), "specificity": float(rates[0])}
    return model.probas_[1].to_dict(), quality


def _mace_once(
    aggregation: Any, data: Any, order: Sequence[str], seed: int
) -> tuple[Mapping[Any, float], dict[str, float]]:
    """One fit: task -> probability, annotator -> competence."""
    # crowd-kit 1.4.2 numbers workers and labels in the order in which they come, but reads its estimates back
    # in sorted order. So workers must come sorted, and the label that comes first must be the smaller one.
    numbers = {name: number for number, name in enumerate(order)}
    data = data.assign(worker=data["worker"].map(numbers)).sort_values(["worker", "task"])
    first = int(data["label"].iloc[0])
    data["label"] ^= first
    # Every restart of its own begins from the same seed, so that a second one repeats the first.
    model = aggregation.MACE(n_restarts=1, random_state=seed).fit(data)
    return model.probas_[1 ^ first].to_dict(), dict(zip(order, map(float, model.spamming_[:, 1]), strict=True))


def _mace(aggregation: Any, data: Any) -> tuple[Mapping[Any, float], dict[str, dict[str, float]]]:
    """Several starts, each with the annotators in both orders: where they differ, chance decided, and that is even."""
    names = sorted(set(data["worker"]))
    fits = [_mace_once(aggregation, data, order, seed) for seed in SEEDS for order in (names, names[::-1])]
    probabilities = {}
    for task in fits[0][0]:
        values = [found[task] for found, _ in fits]
        alike = len({value > 0.5 for value in values}) == 1
        probabilities[task] = sum(values) / len(values) if alike else 0.5
    quality = {name: {"competence": sum(skill[name] for _, skill in fits) / len(fits)} for name in names}
    return probabilities, quality


def estimate(items: Sequence[Item], method: str) -> Crowd:
    """Fit ``dawid-skene`` or ``mace`` to all answers; decided labels of files take no part.

    Items and annotators may come in any order.

    Raises:
        UsageError: the extra ``intake`` is missing, fewer than two annotators, or no common sentence.
    """
    _check_overlap(items, method)
    pd, aggregation = _import(method)
    fit = {"dawid-skene": _dawid_skene, "mace": _mace}[method]
    _warn_of_rare(items, method)
    answers = sorted((name, item.id, labels) for item in items for name, labels in item.annotations.items())
    workers, tasks = [name for name, _, _ in answers], [one for _, one, _ in answers]
    crowd = Crowd({one: {} for one in sorted(set(tasks))}, {name: {} for name in sorted(set(workers))})
    for key in KEYS:
        given = [int(key in labels) for _, _, labels in answers]
        if len(set(given)) == 1:  # all alike: nothing to estimate
            for one in crowd.probabilities.values():
                one[key] = float(given[0])
            continue
        found, quality = fit(aggregation, pd.DataFrame({"task": tasks, "worker": workers, "label": given}))
        for one, value in found.items():
            crowd.probabilities[one][key] = float(value)
        for name, rates in quality.items():
            crowd.annotators[name][key] = rates
    return crowd
