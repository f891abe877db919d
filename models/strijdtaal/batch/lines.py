"""Text files line by line, plain or packed with gzip, from any byte offset on; readers of .txt and .jsonl."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO, cast

from strijdtaal.batch.inputs import Input
from strijdtaal.batch.rows import BadRowError, Columns, Fault, Mark, Row, check_columns, row_of, unknown_column
from strijdtaal.errors import DataError
from strijdtaal.text import MAX_ARTICLE

MAX_LINE = 32_000_000  # bytes; an article of a million characters fits, however it is escaped
BUFFER = 1 << 20
START = Mark(0, 1, 1)
_UTF8_MARK = b"\xef\xbb\xbf"
_OTHER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x1f\x8b": "packed with gzip (name it .gz)"}
_HEAD = 1_000


class Lines:
    """The lines of a file as bytes, with their ends; keeps count of the offset and the line number."""

    def __init__(self, source: Input) -> None:
        self.name = source.name
        try:
            raw = open(source.path, "rb", buffering=BUFFER)  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise DataError(f"Cannot read {source.path}: {error.strerror}. Check the path.") from error
        self._file: BinaryIO = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if source.packed else raw
        self._raw = raw
        self.offset, self.line = 0, 1
        try:
            self._check_head()
            self.go(0, 1)
        except DataError:
            self.close()
            raise

    def _read(self, size: int) -> bytes:
        """The next line, at most ``size`` bytes of it."""
        try:
            return self._file.readline(size)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(
                f"{self.name} cannot be read after line {self.line - 1:,}: {error}. Is it whole?"
            ) from error

    def _check_head(self) -> None:
        head = self._read(_HEAD)
        for mark, what in _OTHER_MARKS.items():
            if head.startswith(mark):
                raise DataError(f"{self.name} is {what}, not UTF-8 text. Convert it first.")
        if b"\0" in head:
            raise DataError(f"{self.name} is no UTF-8 text: NUL byte at position {head.index(0)}. Convert it first.")
        self._mark = len(_UTF8_MARK) if head.startswith(_UTF8_MARK) else 0

    def go(self, offset: int, line: int) -> None:
        """Continue at the beginning of a line. In a packed file going back means unpacking from the start."""
        try:
            self._file.seek(max(offset, self._mark))
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{self.name} cannot be read up to line {line:,}: {error}. Is it whole?") from error
        self.offset, self.line = max(offset, self._mark), line

    def next(self) -> bytes | None:
        """The next line; empty at the end of the file, None for one of more than ``MAX_LINE`` bytes."""
        data = self._read(MAX_LINE + 1)
        self.offset += len(data)
        whole: bytes | None = data
        while len(data) > MAX_LINE and not data.endswith(b"\n"):
            whole, data = None, self._read(MAX_LINE + 1)
            self.offset += len(data)
        self.line += bool(whole is None or whole)
        return whole

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._raw.close()


def decoded(line: bytes | None) -> str:
    """A line as text, without its end.

    Raises:
        BadRowError: too long, or not UTF-8; the byte is named.
    """
    if line is None:
        raise BadRowError(f"the line has more than {MAX_LINE:,} bytes")
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise BadRowError(f"not UTF-8: byte {line[error.start]:#04x} at position {error.start} of the line") from error


class _LineReader:
    """What both readers do: one record a line, lines of white space passed over."""

    def __init__(self, lines: Lines, columns: Columns) -> None:
        self.lines, self.columns = lines, columns
        self.has_id, self.blank = False, 0
        self.mark = START

    def go(self, mark: Mark) -> None:
        """Continue at a mark."""
        self.lines.go(mark.offset, mark.line)
        self.mark = mark

    def close(self) -> None:
        """Close the file."""
        self.lines.close()

    def check_kept(self) -> None:
        """Raises DataError: a column to keep that no record had."""

    def values(self, line: str) -> dict[str, Any]:
        """The columns of one line: here the line is the text."""
        return {self.columns.text: line}

    def records(self) -> Iterator[Row | Fault]:
        """The records from the mark on."""
        while (line := self.lines.next()) != b"":
            number = self.mark.line
            self.mark = Mark(self.lines.offset, number + 1, number + 1)
            try:
                text = decoded(line)
                if not text.strip():
                    self.blank += 1
                    continue
                yield row_of(self.values(text), number, number, self.columns)
            except BadRowError as error:
                yield Fault(number, number, str(error))


class TextReader(_LineReader):
    """One sentence a line. It has no ids."""


class ArticleReader(_LineReader):
    """The whole file is one article, its id the file's name."""

    def __init__(self, lines: Lines, columns: Columns) -> None:
        super().__init__(lines, replace(columns, has_id=True))
        self.has_id = True

    def records(self) -> Iterator[Row | Fault]:
        """The one record."""
        if self.mark.row > 1:
            return
        parts, size = [], 0
        while size <= 4 * MAX_ARTICLE and (line := self.lines.next()) != b"":
            parts.append(line or b"")
            size += MAX_LINE if line is None else len(line)
        self.mark = Mark(self.lines.offset, 2, self.lines.line)
        if size > 4 * MAX_ARTICLE:  # bytes of the longest article, before it is decoded
            yield Fault(1, 1, f"the article has more than {MAX_ARTICLE:,} characters")
            return
        data = b"".join(parts)
        try:
            values = {self.columns.text: data.decode(), self.columns.id: self.lines.name}
            yield row_of(values, 1, 1, self.columns)
        except UnicodeDecodeError as error:
            line_number = data.count(b"\n", 0, error.start) + 1
            yield Fault(1, 1, f"not UTF-8: byte {data[error.start]:#04x} in line {line_number}")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise BadRowError(f"key {twice!r} stands twice")
    return result


def _no_constant(value: str) -> Any:
    raise BadRowError(f"{value} is not a JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_no_constant)


def parse_object(line: str) -> dict[str, Any]:
    """One JSON object.

    Raises:
        BadRowError: not JSON, no object, a key twice, NaN, or nested too deep.
    """
    try:
        value = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        raise BadRowError(f"not valid JSON: {error.msg} at position {error.pos}") from error
    except RecursionError as error:
        raise BadRowError("not valid JSON: nested too deep") from error
    except BadRowError:
        raise
    except ValueError as error:  # a whole number of thousands of digits
        raise BadRowError(f"not usable JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadRowError(f"a line must be a JSON object, found {type(value).__name__}")
    return value


class JsonlReader(_LineReader):
    """One JSON object a line. It has ids if its first object has one."""

    def __init__(self, lines: Lines, columns: Columns, must_have_id: bool = False) -> None:
        super().__init__(lines, columns)
        first = self._first()
        self.known = list(first or ())
        if first is not None:
            check_columns(lines.name, self.known, replace(columns, keep=()), must_have_id)
        self.has_id = columns.id in self.known
        self.unseen = set(columns.keep)
        self.columns = replace(columns, has_id=self.has_id)
        self.go(START)

    def _first(self) -> dict[str, Any] | None:
        while (line := self.lines.next()) != b"":
            try:
                return parse_object(decoded(line))
            except BadRowError:
                continue
        return None

    def values(self, line: str) -> dict[str, Any]:
        """The object on the line."""
        found = parse_object(line)
        if self.unseen:
            self.unseen -= found.keys()
        return found

    def check_kept(self) -> None:
        """Raises DataError: a column to keep that no record had."""
        for column in sorted(self.unseen):
            raise unknown_column(self.lines.name, column, "--keep", self.known)
