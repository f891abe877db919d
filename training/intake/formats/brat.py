"""brat standoff: ``doc.ann`` beside ``doc.txt``; spans become sentences.

    T1  Threat 0 27       Turkije zal terugslaan ...    text-bound: type, offsets in characters, the text
    T2  Zin 28 40;44 60   een deel ... en nog een       discontinuous
    A1  Label T2 support                                attribute: its value, or its name if it has none

The label of a span is its type, or the value of an attribute on it (both, if both are labels). A type that is
no label and is not renamed by --map is a fault, so that nothing is lost in silence. An empty ``.ann`` is a
document that was opened and has no label at all. Annotators are folders: see ``training.intake.layout``.
Format: https://brat.nlplab.org/standoff.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from training.intake.layout import annotator_and_article
from training.intake.sentence import Intake, Sentence
from training.intake.source import Source
from training.intake.spans import sentences_of

NAME = "brat"
TITLE = "brat standoff"

_LINE = re.compile(r"(?:[TREAMN#]\d+|\*)\S*\t")
_PLACES = re.compile(r"(?P<type>\S+) (?P<places>\d+ \d+(?:;\d+ \d+)*)")
_PASSED = {"R": "relations", "*": "relations", "E": "events", "N": "normalisations", "#": "notes"}


@dataclass(frozen=True)
class _Span:
    where: str
    type: str
    places: tuple[tuple[int, int], ...]
    stored: str


@lru_cache(maxsize=4)
def _encoded(text: str, encoding: str) -> bytes:
    return text.encode(encoding)


def _slice(encoding: str, width: int) -> Callable[[str, int, int], str]:
    return lambda text, start, end: _encoded(text, encoding)[width * start : width * end].decode(encoding, "replace")


# How other programs count, tried when the text at a span is not the one stored with it.
_OTHER_COUNTS: dict[str, Callable[[str, int, int], str]] = {
    "UTF-16 units, where an emoji counts as two": _slice("utf-16-le", 2),
    "bytes": _slice("utf-8", 1),
    "line ends of one character; convert the text file to Unix line ends": (
        lambda text, start, end: text.replace("\r\n", "\n")[start:end]
    ),
    "a byte-order mark as a character": lambda text, start, end: ("\ufeff" + text)[start:end],
}


def recognises(source: Source) -> bool:
    """An ``.ann`` file whose first line is one of brat's, or an empty one."""
    if source.suffix != ".ann":
        return False
    head = source.data[:2000].decode("utf-8-sig", errors="replace").lstrip()
    return not head or _LINE.match(head) is not None


def _span(where: str, line: str) -> _Span:
    """A ``T`` line.

    Raises:
        ValueError: not as the format says.
    """
    fields = line.split("\t", 2)
    match = _PLACES.fullmatch(fields[1])
    if len(fields) < 3 or not match:
        raise ValueError("a text-bound annotation must read: T1, tab, type, start, end, tab, text")
    pairs = (pair.split(" ") for pair in match["places"].split(";"))
    return _Span(where, match["type"], tuple((int(start), int(end)) for start, end in pairs), fields[2])


def _plain(text: str) -> str:
    return " ".join(text.split())  # brat stores a line end, and the gap between fragments, as one blank


def _check_text(span: _Span, text: str) -> None:
    """The text at the offsets must be the text stored with them.

    Raises:
        ValueError: it is not; both are named, and the way of counting by which it would be.
    """
    found = " ".join(text[start:end] for start, end in span.places)
    if _plain(found) == _plain(span.stored):
        return
    places = ";".join(f"{start}-{end}" for start, end in span.places)
    hint = "is this the text that was annotated?"
    for name, cut in _OTHER_COUNTS.items():
        if _plain(" ".join(cut(text, start, end) for start, end in span.places)) == _plain(span.stored):
            hint = f"it would fit if offsets counted {name}."
            break
    raise ValueError(
        f"characters {places} of the text are {found!r:.60}, but the file says {span.stored!r:.60}; {hint}"
    )


def _attribute(where: str, line: str) -> tuple[str, str]:
    """An ``A`` line -> the annotation it stands on, and its value (its name, if it has no value).

    Raises:
        ValueError: not as the format says.
    """
    name, _, rest = line.split("\t")[1].partition(" ")
    target, _, value = rest.partition(" ")
    if not name or not target:
        raise ValueError("an attribute must read: A1, tab, name, annotation, value")
    return target, value.strip() or name


def _lines(source: Source, intake: Intake) -> tuple[dict[str, _Span], dict[str, list[str]]]:
    """Spans by their id, and the values of attributes by the id they stand on."""
    spans: dict[str, _Span] = {}
    attributes: dict[str, list[str]] = {}
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip("\r")
        if not line.strip():
            continue
        where = f"{source.name}, line {number}"
        try:
            if not _LINE.match(line):
                raise ValueError(f"{line[:40]!r} is no line of brat's")
            name = line.partition("\t")[0]
            if line[0] == "T":
                if name in spans:
                    raise ValueError(f"{name} stands twice, first at {spans[name].where}")
                spans[name] = _span(where, line)
            elif line[0] in "AM":
                target, value = _attribute(where, line)
                attributes.setdefault(target, []).append(value)
            else:
                intake.count(_PASSED[line[0]])
        except ValueError as error:
            intake.fault(where, error)
    return spans, attributes


def _names(span: _Span, values: list[str], intake: Intake) -> list[str]:
    """The names of the span's labels.

    Raises:
        ValueError: neither its type nor an attribute is a label.
    """
    named = [name for name in dict.fromkeys((span.type, *values)) if name in KEYS or name in intake.label_map]
    if not named:
        try:
            intake.labels([span.type])  # raises: says what it might mean, and how to rename it
        except ValueError as error:
            others = f" Its attributes are no labels either: {', '.join(values)}." if values else ""
            raise ValueError(f"{error}{others}") from error
    return named


def read(source: Source, intake: Intake) -> Iterator[Sentence]:
    """All sentences of one document, as answered by one annotator.

    Raises:
        DataError: there is no text beside the file, or it cannot be read.
    """
    beside = source.sibling(".txt")
    if beside is None:
        raise DataError(f"{source.name}: {source.stem}.txt is missing. Put the text beside it, as brat has it.")
    annotator, article = annotator_and_article(source, NAME, ".txt")
    spans, attributes = _lines(source, intake)
    found: list[tuple[int, int, str]] = []
    unused = 0
    for name, span in spans.items():
        try:
            _check_text(span, beside.text)
            values = attributes.pop(name, [])
            names = _names(span, values, intake)
        except ValueError as error:
            intake.fault(span.where, error)
            continue
        if len(span.places) > 1:
            intake.count("discontinuous spans")
        unused += sum(value not in names for value in values)
        found += [(start, end, label) for label in names for start, end in span.places]
    if unused := unused + sum(map(len, attributes.values())):
        intake.count("attributes that are no label", unused)
    yield from sentences_of(beside.text, found, annotator, source.name, article, intake)
