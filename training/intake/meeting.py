"""Rows that speak of one sentence become one entry; contradictions are faults that name both rows.

Rows meet by ``id``, by their place in the article, or by the tool's own key, and across files also by their text
in one article, as long as that leaves no doubt. Two sentences at overlapping places are a fault: two articles
have got one name, or two versions of one article are mixed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from strijdtaal.text import clean
from training.intake.sentence import Intake

if TYPE_CHECKING:
    from training.intake.assemble import Entry

MET = "sentences of several files that met by their text in one article"
REPEATED = "sentences that stand in their article more than once"


def merge(old: Entry, new: Entry, intake: Intake) -> None:
    """Add what another row says of the same sentence."""
    if clean(old.text) != clean(new.text):
        named = f"id {old.id!r}" if old.id else "key of the tool or place"
        intake.fault(
            new.where, f"has another text than {old.where}, under one {named}; import the two apart, or give ids"
        )
        return
    for name in ("id", "article", "index", "gold", "soft", "span"):
        before, now = getattr(old, name), getattr(new, name)
        if before is not None and now is not None and before != now:
            intake.fault(new.where, f"{name} {now!r} contradicts {before!r} at {old.where}")
        elif before is None:
            setattr(old, name, now)
    if new.annotations.keys() <= old.annotations.keys():
        intake.count("repeated rows")
    for annotator, labels in new.annotations.items():
        if old.annotations.setdefault(annotator, labels) != labels:
            intake.fault(
                new.where,
                f"annotator {annotator!r} answers {list(labels)} here and {list(old.annotations[annotator])} at "
                f"{old.where}; remove the answer that does not count",
            )
    old.meta = {**new.meta, **old.meta}
    old.files |= new.files


def _answered(entry: Entry) -> bool:
    return bool(entry.annotations) or entry.gold is not None


def _apart(one: Entry, other: Entry) -> bool:
    """True if two rows with one text in one article cannot be the same sentence."""
    both = _answered(one) and _answered(other)  # the index in an article as plain text counts all its sentences
    for name in ("id", "span", *(["index"] if both else [])):
        before, now = getattr(one, name), getattr(other, name)
        if before is not None and now is not None and before != now:
            return True
    return not one.files.isdisjoint(other.files)


def _contradict(one: Entry, other: Entry) -> bool:
    """True if two rows of one file give one text different labels, and nothing says that they are two sentences."""
    if not (one.anonymous and other.anonymous):
        return False
    if one.gold is not None and other.gold is not None and one.gold != other.gold:
        return True
    common = one.annotations.keys() & other.annotations.keys()
    return any(one.annotations[name] != other.annotations[name] for name in common)


def _partners(members: Sequence[Entry], kept: Sequence[Entry]) -> list[list[Entry]]:
    """For each row of a file the entries of other files that it may be: none, one, or several if it cannot be told.

    A text that stands equally often on both sides is paired in the order of the files.
    """
    found = [[one for one in kept if not _apart(one, entry)] for entry in members]
    if len(found[0]) == len(members) and all(list(map(id, one)) == list(map(id, found[0])) for one in found):
        return [[one] for one in found[0]]
    sought = Counter(id(one) for several in found for one in several)
    return [several * max((sought[id(one)] for one in several), default=0) for several in found]


def _check_labels(members: Sequence[Entry], intake: Intake) -> None:
    for one, other in pairwise(members):
        if _contradict(one, other):
            intake.fault(
                other.where,
                f"other labels than at {one.where} for the same text in article {one.article!r}; put all labels of a "
                "sentence into one row (and name the annotators, if there are several), or give each sentence an id",
            )


def _meet(copies: Sequence[Entry], intake: Intake) -> list[Entry]:
    """Of entries with one text in one article those that are different sentences, the others merged into them."""
    kept: list[Entry] = []
    for _, group in groupby(copies, key=lambda entry: entry.files):
        members = list(group)
        _check_labels(members, intake)
        for entry, partners in zip(members, _partners(members, kept), strict=True):
            if not partners:
                kept.append(entry)
            elif len(partners) > 1:
                intake.fault(
                    entry.where,
                    f"this text stands in article {entry.article!r} several times, and nothing says whether this row "
                    f"is the one at {partners[0].where}; give the rows of both files an id (the folder of an import "
                    "has them)",
                )
            else:
                if not (_answered(entry) and _answered(partners[0])) and partners[0].index is not None:
                    entry.index = None
                merge(partners[0], entry, intake)
                intake.count(MET)
    return kept


def meet_by_text(entries: Sequence[Entry], intake: Intake) -> list[Entry]:
    """Let the rows of several files meet that have one text in one article, where that leaves no doubt.

    So the export meets the queue that was made of it, and an annotated sentence its place in the plain text.
    """
    groups: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.article, clean(entry.text)].append(entry)
    gone: set[int] = set()
    for copies in groups.values():
        if len(copies) > 1:
            kept = _meet(copies, intake)
            gone |= {id(entry) for entry in copies} - {id(entry) for entry in kept}
            if len(kept) > 1:
                intake.count(REPEATED, len(kept) - 1)
    return [entry for entry in entries if id(entry) not in gone]


def check_places(article: str, members: Sequence[Entry], intake: Intake) -> None:
    """Note a fault where two sentences of an article overlap: that happens only between different texts."""
    placed = sorted((entry.span, number) for number, entry in enumerate(members) if entry.span is not None)
    for (one, first), (other, second) in pairwise(placed):
        if other[0] < one[1]:
            intake.fault(
                members[second].where,
                f"characters {other[0]}-{other[1]} of article {article!r} overlap with {one[0]}-{one[1]} at "
                f"{members[first].where}: two articles of one name, or two versions of one? Name them apart (and "
                "leave out start and end if they are no places in the article)",
            )
            return
