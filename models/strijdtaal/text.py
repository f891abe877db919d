"""Text clean-up and sentence spans, the same for training and for inference.

Offsets are Python string indices (Unicode code points) into the text as it was given.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from strijdtaal.errors import DataError

MAX_ARTICLE = 1_000_000  # characters; far above any article, far below what makes a splitter slow
MAX_RUN = 5_000  # characters between two line ends that the splitter is given at once; its time grows with the square

# Zero-width characters, byte-order mark, soft hyphen, and marks that change the writing direction.
INVISIBLE = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_SPACE = re.compile(r"\s+")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_END = re.compile(r"\n\s*")
_WRAPPED = 55  # characters; a line this long without a final stop was cut by its width, not by its writer
_STOPS = tuple(".!?:;…\"'”’»)")


def clean(text: str) -> str:
    r"""The form of a sentence that the model reads: NFC, no invisible or control marks, single spaces.

    >>> clean("Dat\u00a0zei   hij\u200b.")
    'Dat zei hij.'
    """
    text = _SPACE.sub(" ", _CONTROL.sub(" ", INVISIBLE.sub("", text))).strip()
    return unicodedata.normalize("NFC", text)


@cache
def _titles() -> frozenset[str]:
    """Dutch titles and abbreviations after which a sentence goes on (data file, one a line)."""
    lines = resources.files("strijdtaal").joinpath("abbreviations.txt").read_text("utf-8").splitlines()
    return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))


@cache
def _tokenizer() -> Any:
    from syntok.tokenizer import Tokenizer

    return Tokenizer(emit_hyphen_or_underscore_sep=True, replace_not_contraction=False)


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Spans between hard breaks.

    A blank line is one. So is a single line end, unless the text runs on: the next line begins with a
    lower-case letter, or this line is long and has no final stop (text wrapped at a fixed width).
    """
    start = line = 0
    for match in _LINE_END.finditer(text):
        before = text[line : match.start()].rstrip()
        line = match.end()
        runs_on = text[line : line + 1].islower() or (len(before) >= _WRAPPED and not before.endswith(_STOPS))
        if match.group().count("\n") > 1 or not runs_on:
            yield start, match.start()
            start = line
    yield start, len(text)


def _syntok_spans(text: str) -> list[tuple[int, int]]:
    from syntok import segmenter

    # The old Dutch low quotes ,,...'' confuse the splitter; same length, so that offsets hold.
    plain = text.replace(",,", ' "').replace("''", '" ')
    spans = []
    for sentence in segmenter.split(_tokenizer().tokenize(plain)):
        first, last = sentence[0], sentence[-1]
        start, end = first.offset, last.offset + len(last.value)
        start -= text[start - 1 : start + 1] == ",,"  # the quote stands for both commas
        end += text[end - 1 : end + 1] == "''"
        spans.append((start, end))
    return spans


def _merge_after_titles(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged:
            before = text[merged[-1][0] : merged[-1][1]].rsplit(None, 1)
            if before and before[-1].strip("(\"'“‘„").lower() in _titles():
                merged[-1] = (merged[-1][0], end)
                continue
        merged.append((start, end))
    return merged


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Split an article into sentences: (start, end) offsets into ``text``, in order, no overlap.

    The core is syntok (MIT); sentences cut after a Dutch title or abbreviation ("dr.", "bijv.") are
    joined again. Paragraph breaks always end a sentence, so that headings do not run on.

    Raises:
        DataError: the text is longer than ``MAX_ARTICLE`` characters.
    """
    if len(text) > MAX_ARTICLE:
        raise DataError(
            f"The text has {len(text):,} characters; at most {MAX_ARTICLE:,} are split at once. "
            "Give one article at a time."
        )
    return [
        _trimmed(text, first, last)
        for start, end in _paragraphs(text)
        for first, last in _paragraph_spans(text, start, end)
        if clean(text[first:last])
    ]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without white space at its ends; a sentence without a final stop comes with some."""
    sentence = text[start:end]
    return end - len(sentence.lstrip()), start + len(sentence.rstrip())


def _paragraph_spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Sentences of one paragraph. A very long one is taken in runs that overlap at a sentence start."""
    while start < end:
        stop = min(start + MAX_RUN, end)
        part = text[start:stop]
        spans = _merge_after_titles(part, _syntok_spans(part)) if clean(part) else []
        whole = spans if stop == end or len(spans) < 2 else spans[:-1]  # the last may be cut off
        yield from ((start + first, start + last) for first, last in whole)
        start = stop if len(whole) == len(spans) else start + spans[-1][0]


def read_text(path: Path) -> str:
    """Read an article file as UTF-8 (a byte-order mark is accepted).

    Raises:
        DataError: the file is missing, empty, or not UTF-8 (byte named).
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}. Check the path.") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8: byte {raw[error.start]:#04x} at position {error.start}. "
            "Save it as UTF-8 (for example: iconv -f cp1252 -t utf-8)."
        ) from error
    if not clean(text):
        raise DataError(f"{path} is empty. Give a file with at least one sentence.")
    return text
