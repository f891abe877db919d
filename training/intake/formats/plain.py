"""Whole articles as plain text, one a file: sentences without labels, cut as the runtime cuts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from strijdtaal.errors import DataError
from strijdtaal.text import clean, sentence_spans
from training.intake.formats import tabular
from training.intake.json_rows import first_object
from training.intake.layout import Files
from training.intake.sentence import Intake, Sentence
from training.intake.source import Source

NAME = "text"
TITLE = "plain text, one article a file"

_SUFFIX = ".txt"
_FASTTEXT = "__label__"


def recognises(source: Source) -> bool:
    """A ``.txt`` file that is neither the text of a brat document nor rows of JSON, fastText or a table."""
    if source.suffix != _SUFFIX or source.sibling(".ann") or tabular.recognises(source):
        return False
    return first_object(source) is None and not source.head.lstrip().startswith(_FASTTEXT)


def _unix(text: str) -> str:
    r"""Line ends as the splitter knows them, at the same length, so that offsets hold.

    >>> _unix("a\r\nb\rc")
    'a \nb\nc'
    """
    return text.replace("\r\n", " \n").replace("\r", "\n")


@lru_cache(maxsize=1)
def _shared_names(files: Files) -> frozenset[str]:
    stems = Counter(source.stem for source in files.files.values() if source.suffix == _SUFFIX)
    return frozenset(stem for stem, number in stems.items() if number > 1)


def _article(source: Source) -> str:
    """The file's name; its folder as well where several files have that name."""
    folder = source.path.parent.name
    shared = source.stem in _shared_names(Files(source.beside))
    return f"{folder}/{source.stem}" if shared and folder else source.stem


def read(source: Source, intake: Intake) -> Iterator[Sentence]:
    """The sentences of the article, with their places in it (code points, after a byte-order mark).

    Raises:
        DataError: empty, longer than an article may be, or not in the expected encoding.
    """
    text = source.text
    if not clean(text):
        raise DataError(f"{source.name} is empty: no usable rows. Give a file with at least one sentence.")
    try:
        spans = sentence_spans(_unix(text))
    except DataError as error:
        raise DataError(f"{source.name}: {error}") from error
    article = _article(source)
    for index, (start, end) in enumerate(spans):
        sentence = text[start:end].rstrip()  # the last one of a paragraph may end with white space
        yield Sentence(
            where=f"{source.name}, sentence {index + 1}",
            text=sentence,
            span=(start, start + len(sentence)),
            meta={"article": article, "index": str(index)},
        )
