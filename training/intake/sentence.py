"""What an export says of one sentence, and what all readers share: label names, faults, counts."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS, LABELS
from strijdtaal.text import clean

SHOWN_FAULTS = 20
MAX_FAULTS = 10_000  # then the file is not what it is taken for, and reading it further is idle
MAX_MESSAGE = 1_000  # characters
SHOWN_NAME = 60
NO_LABEL = ""  # what --map gives to an answer that means "none of the labels"

_SPELLINGS = {name.replace(" ", "_"): one.key for one in LABELS for name in (one.key, one.dutch, one.english)}
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # would act on a terminal


def _likely(name: str) -> str:
    """The label key that a name seems to mean: another spelling, or its Dutch or English name; '' if none does."""
    plain = clean(name).lower().replace(" ", "_").replace("-", "_")
    near = difflib.get_close_matches(plain, list(_SPELLINGS), n=1, cutoff=0.6)
    return _SPELLINGS[near[0]] if near else ""


@dataclass(frozen=True)
class Sentence:
    """One sentence of an export, before it has an id and adjudicated labels.

    Attributes:
        where: file and place for messages, such as ``export.json, task 12``.
        text: as the file gives it.
        annotations: annotator -> label keys, only answers that count (not cancelled, skipped, ignored, or
            made by a model). An annotator with ``()`` looked at the sentence and gave no label.
        gold: labels that the file itself states as decided (a table's columns, a ground-truth answer); None
            where it does not.
        key: what identifies the sentence in the tool (a task id), so that the answers of several files
            meet; None where the tool has nothing of the kind.
        span: start and end in the article, in code points, where the article is known.
        meta: further fields of the row, as text; ``id``, ``article``, ``index``, ``start``, ``end``, ``date``,
            ``region``, ``style`` and ``reason`` are read from here.
        soft: the share behind each label, where the file states it (our own records).
        file: the name of the file; readers leave it to whoever calls them.
    """

    where: str
    text: str
    annotations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gold: tuple[str, ...] | None = None
    key: str | None = None
    span: tuple[int, int] | None = None
    meta: Mapping[str, str] = field(default_factory=dict)
    soft: Mapping[str, float] | None = None
    file: str = ""


@dataclass
class Intake:
    """The state of one import: options that readers need, faults found, what was passed over, annotators met."""

    label_map: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    met: set[str] = field(default_factory=set)

    def fault(self, where: str, message: object) -> None:
        """Note a row that cannot be used; the import ends with all of them, and writes nothing.

        Raises:
            DataError: the ``MAX_FAULTS``-th fault; no more is read.
        """
        self.faults.append(_UNPRINTABLE.sub("\ufffd", f"{where}: {message}"[:MAX_MESSAGE]))
        if len(self.faults) >= MAX_FAULTS:
            self.check()

    def count(self, what: str, number: int = 1) -> None:
        """Count what was passed over or changed by rule, for the report: ``cancelled answers`` ..."""
        self.counts[what] += number

    def annotator(self, name: str) -> str:
        """The annotator under his or her new name, in a form in which equal names are equal (NFC, single spaces)."""
        plain = clean(name)
        self.met.add(plain)
        return self.names.get(plain, plain)

    def labels(self, names: Iterable[object]) -> tuple[str, ...]:
        """Names of an export -> label keys in the order of the label set.

        ``label_map`` renames first (``{"Steun": "support", "geen": ""}``; an empty value is no label). Two names
        may mean one label.

        Raises:
            ValueError: a name is unknown after that (with the nearest one), no text, or stands twice.
        """
        if isinstance(names, str):
            raise ValueError(f"the labels must be a list, found the text {names[:SHOWN_NAME]!r}")
        found: dict[str, str] = {}
        for name in names:
            if not isinstance(name, str):
                raise ValueError(f"a label must be text, found {type(name).__name__} {name!r:.60}")
            key = self.label_map.get(name, name)
            if key not in KEYS and not (key == NO_LABEL and name in self.label_map):
                raise ValueError(self._unknown(name))
            if name in found:
                raise ValueError(f"label {name!r} stands twice")
            found[name] = key
        return tuple([key for key in KEYS if key in found.values()]) if found else ()

    def _unknown(self, name: str) -> str:
        name = name[:SHOWN_NAME]
        target = _likely(name)
        hint = f" Did you mean '{target}'?" if target else ""
        return (
            f"unknown label {name!r}.{hint} Known: {', '.join(KEYS)}. "
            f'Rename it with --map "{name}={target or "LABEL"}" (nothing after = for "none of the labels").'
        )

    def check(self) -> None:
        """End the import if any fault was noted.

        Raises:
            DataError: naming file, place and remedy for up to 20 faults.
        """
        if not self.faults:
            return
        shown = "\n  ".join(self.faults[:SHOWN_FAULTS])
        more = f"\n  and {len(self.faults) - SHOWN_FAULTS:,} more" if len(self.faults) > SHOWN_FAULTS else ""
        if len(self.faults) >= MAX_FAULTS:
            more += "; reading stopped there. Is this the right file, and the right --format?"
        plural = "s" if len(self.faults) > 1 else ""
        raise DataError(
            f"{len(self.faults):,} fault{plural} in the files to import; nothing was written:\n  {shown}{more}"
        )
