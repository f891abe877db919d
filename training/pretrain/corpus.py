"""From text files to packed rows of token ids.

Text (plain, .xz, .gz, .zst) -> documents (blank line between) -> ids, as 16-bit integers in one flat
file with the places where lines start. Rows are cut from it so that they begin at a line start where
one is near: no padding, and [CLS] mostly stands before the first word of a sentence.
"""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from strijdtaal.errors import DataError

BATCH_LINES = 4096
MAX_LINE = 20_000  # characters; longer lines are cut


def _zst_chunks(handle: IO[bytes]) -> Iterator[bytes]:
    """The bytes of one or more zstandard frames; EOFError when the last one is cut off."""
    import zstandard

    reader, whole = zstandard.ZstdDecompressor().decompressobj(), True
    while chunk := handle.read(1 << 20):
        while chunk:
            yield reader.decompress(chunk)
            chunk, whole = reader.unused_data, reader.eof
            if whole:
                reader = zstandard.ZstdDecompressor().decompressobj()
    if not whole:
        raise EOFError("the file ends before its end-of-stream marker")


def _raw_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as handle:
        if path.suffix == ".zst":
            rest = b""
            for chunk in _zst_chunks(handle):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines
            yield rest
        elif path.suffix in (".xz", ".gz"):
            with lzma.open(handle) if path.suffix == ".xz" else gzip.open(handle) as text:
                yield from text
        else:
            yield from handle


def _read_errors(path: Path) -> tuple[type[Exception], ...]:
    """What the decompressors raise for a damaged file."""
    errors: tuple[type[Exception], ...] = (OSError, EOFError, lzma.LZMAError, zlib.error)
    if path.suffix == ".zst":
        import zstandard

        errors = (*errors, zstandard.ZstdError)
    return errors


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file without their ends; '' stands between documents.

    Raises:
        DataError: the file is missing, damaged or not UTF-8 (line named).
    """
    try:
        for number, raw in enumerate(_raw_lines(path), 1):
            try:
                yield raw.decode("utf-8").strip()[:MAX_LINE]
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}, line {number}: not UTF-8 (byte {error.start} of the line). Convert the file to UTF-8."
                ) from error
    except _read_errors(path) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"Cannot read corpus file {path}: {reason}.") from error


def _batches(lines: Iterator[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for line in lines:
        batch.append(line)
        if len(batch) == BATCH_LINES:
            yield batch
            batch = []
    if batch:
        yield batch


def encode_file(path: Path, tokenizer: Any, target: Path) -> None:
    """Write the ids of ``path`` to ``target``.ids and its line starts to ``target``.starts.

    Both files are raw little-endian arrays (uint16 ids, int64 positions). A document ends with [SEP].

    Raises:
        DataError: the file holds no text.
    """
    backend = tokenizer.backend_tokenizer
    separator = np.array([tokenizer.sep_token_id], dtype="<u2")
    size = 0
    with target.with_suffix(".ids").open("wb") as ids, target.with_suffix(".starts").open("wb") as starts:
        inside = False
        for batch in _batches(read_lines(path)):
            encodings = backend.encode_batch_fast(batch, add_special_tokens=False)
            places = []
            for line, encoding in zip(batch, encodings, strict=True):
                if line and encoding.ids:
                    places.append(size)
                    block = np.array(encoding.ids, dtype="<u2")
                    inside = True
                elif inside:
                    block, inside = separator, False
                else:
                    continue
                ids.write(block.tobytes())
                size += len(block)
            starts.write(np.array(places, dtype="<i8").tobytes())
    if size == 0:
        raise DataError(f"Corpus file {path} holds no text. Remove it from corpus.files.")


def row_starts(starts: NDArray[np.int64], size: int, width: int) -> NDArray[np.int64]:
    """Where rows of ``width`` ids begin: after each row, at the nearest line start or right away.

    A line start counts as near within a quarter of the width before or after the row's end.
    """
    places = []
    place = 0
    while place + width <= size:
        places.append(place)
        end = place + width
        index = int(np.searchsorted(starts, end))
        around = [int(start) for start in starts[max(0, index - 1) : index + 1] if abs(start - end) <= width // 4]
        place = min(around, key=lambda start: abs(start - end), default=end)
    return np.array(places, dtype=np.int64)


class PackedFile:
    """The ids of one corpus file, with rows of several lengths cut from it."""

    def __init__(self, base: Path, lengths: list[int], cls_id: int, sep_id: int) -> None:
        self.ids: NDArray[np.uint16] = np.memmap(base.with_suffix(".ids"), dtype="<u2", mode="r")
        starts = np.fromfile(base.with_suffix(".starts"), dtype="<i8")
        self.rows = {n: row_starts(starts, len(self.ids), n - 2) for n in lengths}
        self.cls_id, self.sep_id = cls_id, sep_id

    def take(self, places: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """Rows [CLS] ids [SEP] that begin at ``places``: shape (len(places), length)."""
        body = self.ids[places[:, None] + np.arange(length - 2)].astype(np.int64)
        column = np.ones((len(places), 1), dtype=np.int64)
        return np.concatenate([column * self.cls_id, body, column * self.sep_id], axis=1)


class RowStream:
    """An endless, seeded, restartable stream of batches of one row length.

    Files are mixed by ``weights``; the state is the number of rows drawn, so that a stream can be taken
    up again exactly. The last ``held_out`` share of each file is never drawn by ``batch``.
    """

    def __init__(self, files: list[PackedFile], weights: list[float], length: int, held_out: float, seed: int) -> None:
        self.files, self.weights, self.length, self.seed = files, weights, length, seed
        self.train: list[NDArray[np.int64]] = []
        self.kept: list[NDArray[np.int64]] = []
        for number, file in enumerate(files):
            rows = file.rows[length]
            cut = int(len(file.ids) * (1 - held_out))  # the tail of each file, the same for all lengths
            self.train.append(rows[rows + length <= cut])
            self.kept.append(rows[rows >= cut])
            if len(self.train[number]) == 0:
                raise DataError(
                    f"Corpus file {number + 1} is too small for rows of {length} tokens. "
                    "Add text or take that length out of train.lengths."
                )
        if not any(len(kept) for kept in self.kept):
            raise DataError(f"No row of {length} tokens is left for the held-out loss. Raise corpus.held_out.")
        self._epoch = -1
        self._order: NDArray[np.int64] = np.empty((0, 2), dtype=np.int64)

    def _shuffle(self, epoch: int) -> None:
        generator = np.random.default_rng([self.seed, self.length, epoch])
        parts = []
        for number, (rows, weight) in enumerate(zip(self.train, self.weights, strict=True)):
            whole, fraction = divmod(weight, 1)
            picks = [rows] * int(whole)
            picks.append(generator.permutation(rows)[: round(fraction * len(rows))])
            chosen = np.concatenate(picks)
            parts.append(np.stack([np.full(len(chosen), number), chosen], axis=1))
        self._order = generator.permutation(np.concatenate(parts))
        self._epoch = epoch

    def rows_per_epoch(self) -> int:
        """Rows in one pass, weights applied."""
        if self._epoch < 0:
            self._shuffle(0)
        return len(self._order)

    def batch(self, drawn: int, count: int) -> NDArray[np.int64]:
        """``count`` rows from position ``drawn`` on: shape (count, length)."""
        size = self.rows_per_epoch()
        rows = []
        for position in range(drawn, drawn + count):
            epoch, index = divmod(position, size)
            if epoch != self._epoch:
                self._shuffle(epoch)
            number, place = self._order[index]
            rows.append(self.files[number].take(np.array([place]), self.length))
        return np.concatenate(rows)

    def held_out_rows(self, limit: int) -> NDArray[np.int64]:
        """Up to ``limit`` rows that are never trained on, spread over the files."""
        each = max(1, limit // len(self.files))
        parts = [file.take(kept[:each], self.length) for file, kept in zip(self.files, self.kept, strict=True)]
        return np.concatenate(parts)[:limit]
