"""Whole articles as plain text, one a file: sentences without labels, cut as the runtime cuts them."""

from __future__ import annotations

from collections.abc import Iterator

from strijdtaal.errors import DataError
from strijdtaal.text import clean
from training.intake.formats import tabular
from training.intake.json_rows import first_object
from training.intake.layout import article_of
from training.intake.sentence import Intake, Sentence
from training.intake.source import Source
from training.intake.spans import places_of

NAME = "text"
TITLE = "plain text, one article a file"

_SUFFIX = ".txt"
_FASTTEXT = "__label__"


def recognises(source: Source) -> bool:
    """A ``.txt`` file that is neither the text of a brat document nor rows of JSON, fastText or a table."""
    if source.suffix != _SUFFIX or source.sibling(".ann") or tabular.recognises(source):
        return False
    return first_object(source) is None and not source.head.lstrip().startswith(_FASTTEXT)


def read(source: Source, intake: Intake) -> Iterator[Sentence]:
    """The sentences of the article, with their places in it (code points, after a byte-order mark).

    Raises:
        DataError: empty, longer than an article may be, or not in the expected encoding.
    """
    text = source.text
    if not clean(text):
        raise DataError(f"{source.name} is empty: no usable rows. Give a file with at least one sentence.")
    article = article_of(source)
    for index, (start, end) in enumerate(places_of(text, source.name)):
        yield Sentence(
            where=f"{source.name}, sentence {index + 1}",
            text=text[start:end],
            span=(start, end),
            meta={"article": article, "index": str(index)},
        )
