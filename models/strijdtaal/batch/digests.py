"""Ids that stand twice, found in bounded memory: digests on disk, sorted in parts.

A row takes 24 bytes on disk: 128 bits of BLAKE2b of its id and its row number. Two different ids have one digest with a
chance of about n^2 / 2^129, 1.5e-21 for 10^9 ids; equal digests are taken for equal ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from strijdtaal.errors import DataError

STORED = np.dtype([("a", "<u8"), ("b", "<u8"), ("row", "<u8")])
SORTED = np.dtype([("a", "<u8"), ("b", "<u8"), ("file", "<u4"), ("row", "<u8")])
BUFFER = 1 << 20  # bytes
CHUNK = 1 << 18  # rows
PART = 1 << 22  # rows sorted at once, about 120 MB
MAX_DUPLICATES = 100_000
NO_IDS = f"More than {MAX_DUPLICATES:,} rows have an id that stands twice. Name another column with --id."


class DigestFile:
    """Digests of the ids of one file, in the order of rows."""

    def __init__(self, path: Path, wanted: bool) -> None:
        self._file: IO[bytes] | None = path.open("wb") if wanted else None
        self._waiting = bytearray()

    def __enter__(self) -> DigestFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._flush(self._file)
            self._file.close()

    def add(self, identity: str, row: int) -> None:
        """Add the id of a row."""
        digest = hashlib.blake2b(identity.encode(), digest_size=16).digest()
        self._waiting += digest + row.to_bytes(8, "little")
        if self._file and len(self._waiting) >= BUFFER:
            self._flush(self._file)

    def _flush(self, file: IO[bytes]) -> None:
        file.write(self._waiting)
        self._waiting.clear()


def _chunks(paths: Sequence[Path | None]) -> Iterator[NDArray[Any]]:
    for number, path in enumerate(paths):
        if path is None:
            continue
        with path.open("rb") as file:
            while len(stored := np.fromfile(file, STORED, CHUNK)):
                chunk = np.empty(len(stored), SORTED)
                chunk["file"] = number
                for name in STORED.names or ():
                    chunk[name] = stored[name]
                yield chunk


def _divided(paths: Sequence[Path | None], folder: Path, parts: int) -> Iterator[Path]:
    """All digests, in files by their first bits, so that equal ones come together."""
    targets = [folder / f"part-{number}" for number in range(parts)]
    files = [target.open("wb") for target in targets]
    try:
        for chunk in _chunks(paths):
            part = (chunk["a"] % np.uint64(parts)).astype(np.int64)
            order = np.argsort(part, kind="stable")
            bounds = np.searchsorted(part[order], np.arange(parts + 1))
            for number, file in enumerate(files):
                chunk[order[bounds[number] : bounds[number + 1]]].tofile(file)
    finally:
        for file in files:
            file.close()
    for target in targets:
        yield target
        target.unlink()


def _twice(rows: NDArray[Any]) -> list[tuple[int, int, int, int]]:
    """(file, row, first file, first row) of every row whose digest an earlier row has."""
    rows = rows[np.lexsort((rows["row"], rows["file"], rows["b"], rows["a"]))]
    again = np.zeros(len(rows), dtype=bool)
    again[1:] = (rows["a"][1:] == rows["a"][:-1]) & (rows["b"][1:] == rows["b"][:-1])
    places = np.flatnonzero(again)
    starts = np.flatnonzero(~again)
    first = starts[np.searchsorted(starts, places, side="right") - 1]
    if len(places) > MAX_DUPLICATES:
        raise DataError(NO_IDS)
    columns = (rows["file"][places], rows["row"][places], rows["file"][first], rows["row"][first])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def duplicates(paths: Sequence[Path | None], folder: Path) -> list[tuple[int, int, int, int]]:
    """(file, row, file of the first, row of the first) of every row whose id an earlier row has, in order.

    ``paths`` are the digests of each file in order, None for a file without ids; ``folder`` holds what does not
    fit into memory, and is left empty.

    Raises:
        DataError: more than ``MAX_DUPLICATES``: the column holds no ids.
    """
    total = sum(path.stat().st_size for path in paths if path) // STORED.itemsize
    found: list[tuple[int, int, int, int]] = []
    for target in _divided(paths, folder, max(1, -(-total // PART))):
        # Equal digests fall into one part, others spread evenly.
        if target.stat().st_size > (2 * PART + MAX_DUPLICATES) * SORTED.itemsize:
            raise DataError(NO_IDS)
        found += _twice(np.fromfile(target, SORTED))
        if len(found) > MAX_DUPLICATES:
            raise DataError(NO_IDS)
    return sorted(found)
