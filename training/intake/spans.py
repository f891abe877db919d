"""Whole articles with labelled spans -> sentences, by the splitter that the runtime uses.

Tools that annotate spans know nothing of our sentences. A sentence gets the labels of the spans that cover
at least one of its words; a span that runs a letter into the next sentence by a slip of the mouse does not
label that sentence.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from strijdtaal.text import sentence_spans
from training.intake.sentence import Intake, Sentence

_LONE_RETURN = re.compile(r"\r(?!\n)")
_WORD = re.compile(r"\w+(?:['’\-]\w+)*")


@dataclass(frozen=True)
class _Words:
    """The words of an article, in order: where each begins and ends, and the number of its sentence."""

    starts: list[int]
    ends: list[int]
    sentences: list[int]

    def covered(self, start: int, end: int) -> list[int]:
        """Sentences of which the span covers a whole word; if it covers none at all, a part of one."""
        whole = self.sentences[bisect_left(self.starts, start) : bisect_right(self.ends, end)]
        part = self.sentences[bisect_right(self.ends, start) : bisect_left(self.starts, end)]
        return list(dict.fromkeys(whole or part))


def places_of(text: str, source_name: str) -> list[tuple[int, int]]:
    """Start and end of the sentences of an article with line ends of any system, by the splitter of the runtime.

    Raises:
        DataError: the article is too long to be split.
    """
    try:
        return sentence_spans(_LONE_RETURN.sub("\n", text))  # of the same length, so that offsets hold
    except DataError as error:
        raise DataError(f"{source_name}: {error}") from error


def _words(text: str, places: Sequence[tuple[int, int]]) -> _Words:
    words = _Words([], [], [])
    for number, (first, last) in enumerate(places):
        for match in _WORD.finditer(text, first, last):
            words.starts.append(match.start())
            words.ends.append(match.end())
            words.sentences.append(number)
    return words


def _wrong_place(text: str, start: int, end: int) -> str:
    """What is wrong with the offsets themselves, or nothing."""
    if start == end:
        return "the span is empty; give it some text, or delete it in the tool"
    if not 0 <= start < end <= len(text):
        return f"the span lies outside the text, which has {len(text):,} characters; is this the text it was made on?"
    return ""


def _labels(
    text: str, spans: Sequence[tuple[int, int, str]], words: _Words, source_name: str, intake: Intake
) -> dict[int, set[str]]:
    """Sentence number -> labels; faults are noted for spans that cannot be used."""
    found: dict[int, set[str]] = {}
    for start, end, name in dict.fromkeys(spans):
        where = f"{source_name}, characters {start}-{end}"
        if wrong := _wrong_place(text, start, end):
            intake.fault(where, wrong)
            continue
        try:
            keys = intake.labels([name])
        except ValueError as error:
            intake.fault(where, error)
            continue
        numbers = words.covered(start, end)
        if not numbers:
            intake.fault(where, f"the span {text[start:end]!r:.40} covers no word; delete it in the tool")
            continue
        if len(numbers) > 1:
            intake.count("spans over several sentences")
        for number in numbers:
            found.setdefault(number, set()).update(keys)
    return found


def sentences_of(
    text: str,
    spans: Sequence[tuple[int, int, str]],
    annotator: str | None,
    source_name: str,
    article: str,
    intake: Intake,
) -> list[Sentence]:
    """A whole article with labelled spans -> all its sentences.

    Args:
        text: the article, as the tool knows it.
        spans: start, end (code points) and the tool's name of the label. One span may stand there twice.
        annotator: whose answer the spans are; sentences without one were answered with no label. None:
            the labels are decided (``gold``).
        source_name: the file, for messages.
        article: name of the article; goes into ``meta`` with the index of the sentence.
        intake: takes faults (a span that is empty, outside the text, over no word, or has an unknown label)
            and counts spans over several sentences, which label each of them.

    Raises:
        DataError: the article is too long to be split.
    """
    places = places_of(text, source_name)
    if not places:
        intake.fault(source_name, "the article holds no sentence; leave the file out")
        return []
    labels = _labels(text, spans, _words(text, places), source_name, intake)
    result = []
    for number, (start, end) in enumerate(places):
        answer = tuple(key for key in KEYS if key in labels.get(number, ()))
        result.append(
            Sentence(
                where=f"{source_name}, sentence {number + 1}",
                text=text[start:end],
                annotations={} if annotator is None else {annotator: answer},
                gold=answer if annotator is None else None,
                span=(start, end),
                meta={"article": article, "index": str(number)},
            )
        )
    return result
