"""Several answers to one sentence -> its labels, or none: what cannot be settled goes to the queue.

unanimous         all answers are alike (the default: the strictest)
majority          label by label, more than half of the answers; exactly half settles nothing
soft              as majority, with the share of the annotators behind each label to train on
dawid-skene       label by label, by annotators' estimated errors (Dawid and Skene 1979)
mace              label by label, by annotators' estimated competence (Hovy et al. 2013); not for rare labels,
                  see ``training.intake.crowd``
adjudicator:NAME  the answer of the annotator NAME, where there is one; elsewhere as unanimous

Labels that a file states as decided always win. A single answer is taken as it is, and counted by ``tally``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from strijdtaal.errors import UsageError, nearest
from strijdtaal.labels import KEYS

ADJUDICATOR = "adjudicator:"
METHODS = ("unanimous", "majority", "soft", "dawid-skene", "mace", f"{ADJUDICATOR}NAME")
NEAR = 0.05  # a probability this close to one half decides nothing

Labels = tuple[str, ...]


@dataclass(frozen=True)
class Item:
    """One sentence: who gave which labels, and those that the file states as decided."""

    id: str
    annotations: Mapping[str, Labels]
    gold: Labels | None = None


@dataclass(frozen=True)
class Decision:
    """What became of one sentence.

    Attributes:
        labels: in the order of the label set; None is unsettled.
        soft: share of the annotators behind each label (method ``soft`` only).
        reason: how a difference was settled, or why not; empty where nobody differs.
        tied: the labels that are not settled.
        kind: ``gold``, ``unanswered``, ``single``, ``alike``, ``settled`` or ``unsettled``, for ``tally``.
    """

    labels: Labels | None
    soft: dict[str, float] | None = None
    reason: str = ""
    tied: Labels = ()
    kind: str = "settled"


def check_method(method: str) -> None:
    """Refuse what is no method, before any file is read.

    Raises:
        UsageError: naming the methods and the nearest one.
    """
    if method in METHODS[:-1] or (method.startswith(ADJUDICATOR) and method.removeprefix(ADJUDICATOR).strip()):
        return
    raise UsageError(f"Unknown adjudication {method!r}.{nearest(method, list(METHODS))} Known: {', '.join(METHODS)}.")


def votes(item: Item) -> dict[str, int]:
    """How many answers hold each label.

    >>> votes(Item("1", {"a": ("threat",), "b": ()}))["threat"]
    1
    """
    return {key: sum(key in labels for labels in item.annotations.values()) for key in KEYS}


def _from_gold(item: Item, gold: Labels) -> Decision:
    against = sum(set(labels) != set(gold) for labels in item.annotations.values())
    reason = f"as the file decides, against {against} of {len(item.annotations)} answers" if against else ""
    return Decision(_ordered(gold), reason=reason, kind="gold")


def _ordered(labels: Iterable[str]) -> Labels:
    given = set(labels)
    return tuple(key for key in KEYS if key in given)


def _plain(item: Item) -> Decision | None:
    """The decision where there is nothing to settle: no answer, one, or all alike."""
    answers = [_ordered(labels) for labels in item.annotations.values()]
    if not answers:
        return Decision(None, reason="no answer", kind="unanswered")
    if len(set(answers)) > 1:
        return None
    return Decision(answers[0], kind="single" if len(answers) == 1 else "alike")


def _unanimous(item: Item) -> Decision:
    plain = _plain(item)
    if plain:
        return plain
    number = len(item.annotations)
    split = tuple(key for key, count in votes(item).items() if 0 < count < number)
    reason = "; ".join(f"{votes(item)[key]} of {number} for {key}" for key in split)
    return Decision(None, reason=f"not unanimous: {reason}", tied=split, kind="unsettled")


def _majority(item: Item) -> Decision:
    plain = _plain(item)
    if plain:
        return plain
    number, chosen, tied, reasons = len(item.annotations), [], [], []
    for key, count in votes(item).items():
        if 2 * count > number:
            chosen.append(key)
        if count * 2 == number:
            tied.append(key)
            reasons.append(f"tie {count} of {number} for {key}")
        elif 0 < count < number:
            side, most = ("for", count) if 2 * count > number else ("against", number - count)
            reasons.append(f"majority {most} of {number} {side} {key}")
    labels = None if tied else tuple(chosen)
    return Decision(labels, reason="; ".join(reasons), tied=tuple(tied), kind="unsettled" if tied else "settled")


def _soft(item: Item) -> Decision:
    found, number = _majority(item), len(item.annotations)
    shares = {key: count / number for key, count in votes(item).items()} if number else None
    return Decision(found.labels, shares, found.reason, found.tied, found.kind)


def _by_name(item: Item, name: str) -> Decision:
    if name not in item.annotations:
        return _unanimous(item)
    plain = _plain(item)
    return plain or Decision(_ordered(item.annotations[name]), reason=f"adjudicator {name}")


def _by_model(item: Item, method: str, probabilities: Mapping[str, float]) -> Decision:
    """The decision from the probability of each label, given all answers of all annotators.

    An estimate never overrules answers that are all alike: where it would, the label is not settled.
    """
    plain, number = _plain(item), len(item.annotations)
    if plain and plain.labels is None:
        return plain
    tied, reasons = [], []
    for key, count in votes(item).items():
        value = probabilities[key]
        against = count == (0 if value > 0.5 else number)
        if against or abs(value - 0.5) < NEAR:
            tied.append(key)
        if key in tied or 0 < count < number:
            reasons.append(f"{method} {value:.2f} for {key}, {count} of {number} answers")
    reason = "; ".join(reasons)
    if tied:
        return Decision(None, reason=reason, tied=tuple(tied), kind="unsettled")
    return plain or Decision(tuple(key for key in KEYS if probabilities[key] > 0.5), reason=reason)


def _check_name(items: Sequence[Item], name: str) -> None:
    known = sorted({annotator for item in items for annotator in item.annotations})
    if name not in known:
        shown = ", ".join(known[:20]) or "none"
        raise UsageError(f"No answer is by the adjudicator {name!r}.{nearest(name, known)} Annotators: {shown}.")


def adjudicate(items: Sequence[Item], method: str = "unanimous") -> list[Decision]:
    """One decision for each item, in their order; the same for the same items, whatever their order.

    Raises:
        UsageError: an unknown method or adjudicator; ``dawid-skene`` and ``mace`` without the extra
            ``intake``, with fewer than two annotators, or without a sentence that two of them answered.
    """
    check_method(method)
    if method in ("dawid-skene", "mace"):
        from training.intake.crowd import estimate

        found = estimate(items, method).probabilities
        decisions = [_by_model(item, method, found.get(item.id, {})) for item in items]
    elif method.startswith(ADJUDICATOR):
        name = method.removeprefix(ADJUDICATOR).strip()
        _check_name(items, name)
        decisions = [_by_name(item, name) for item in items]
    else:
        decide = {"unanimous": _unanimous, "majority": _majority, "soft": _soft}[method]
        decisions = [decide(item) for item in items]
    return [
        decision if item.gold is None else _from_gold(item, item.gold)
        for item, decision in zip(items, decisions, strict=True)
    ]


def tally(decisions: Iterable[Decision]) -> dict[str, int]:
    """How many sentences ended in which way; ``single`` rests on one answer only."""
    counts = Counter(decision.kind for decision in decisions)
    kinds = ("gold", "alike", "single", "settled", "unsettled", "unanswered")
    return {kind: counts[kind] for kind in kinds if counts[kind]}
