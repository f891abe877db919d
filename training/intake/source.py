"""The files to import: read once, capped, decoded strictly; folders and zip archives opened with care.

Nothing in an archive is written to disk, and its members are checked (name, size, ratio, number) before
they are unpacked.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path, PurePosixPath

from strijdtaal.errors import DataError

MAX_FILE_BYTES = 2_000_000_000
MAX_MEMBERS = 10_000
MAX_RATIO = 200  # unpacked bytes for each packed one; text seldom passes 20
SMALL = 1_000_000  # unpacked bytes below which the ratio does not matter

_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True)
class Source:
    """One file, or one member of an archive: ``name`` for messages, ``data`` as bytes."""

    name: str
    data: bytes
    encoding: str = "utf-8"
    beside: Mapping[str, Source] = field(default_factory=dict, repr=False, compare=False)

    @property
    def stem(self) -> str:
        """The file's name without folders and ending."""
        return PurePosixPath(self.name.replace("\\", "/").rpartition("!")[2]).stem

    @property
    def suffix(self) -> str:
        """The ending in lower case, with its dot."""
        return PurePosixPath(self.name).suffix.lower()

    def sibling(self, suffix: str) -> Source | None:
        """The file of the same name with another ending, as ``.txt`` beside ``.ann``."""
        return self.beside.get(str(PurePosixPath(self.name).with_suffix(suffix)))

    @cached_property
    def text(self) -> str:
        """The decoded content (a byte-order mark is dropped; line ends stay as they are).

        Raises:
            DataError: not in the expected encoding; the byte and its place are named.
        """
        for mark, found in _MARKS.items():
            if self.data.startswith(mark) and self.encoding == "utf-8":
                raise DataError(f"{self.name} is {found}. Save it as UTF-8, or give --encoding utf-16.")
        try:
            return self.data.decode("utf-8-sig" if self.encoding == "utf-8" else self.encoding)
        except UnicodeDecodeError as error:
            line = self.data.count(b"\n", 0, error.start) + 1
            raise DataError(
                f"{self.name}, line {line}: not {self.encoding} (byte {self.data[error.start]:#04x} at position "
                f"{error.start}). Save it as UTF-8, or name its encoding, for example --encoding cp1252."
            ) from error


def _read(path: Path) -> bytes:
    try:
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            raise DataError(f"{path} has {size:,} bytes; at most {MAX_FILE_BYTES:,}. Divide it into parts.")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}. Check the path.") from error


def _check_member(archive: Path, info: zipfile.ZipInfo) -> None:
    name = info.filename.replace("\\", "/")
    if name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0]:
        raise DataError(f"{archive} holds a file that points outside it: {info.filename!r}. Nothing was unpacked.")
    if (info.external_attr >> 28) == 0xA:
        raise DataError(f"{archive} holds a symbolic link, {info.filename!r}. Pack the file itself.")
    if info.flag_bits & 1:
        raise DataError(f"{archive}: {info.filename!r} is encrypted. Unpack it yourself and import the files.")
    if info.file_size > max(SMALL, MAX_RATIO * info.compress_size):
        raise DataError(
            f"{archive}: {info.filename!r} would grow from {info.compress_size:,} to {info.file_size:,} bytes, "
            f"more than {MAX_RATIO} to 1. If that is right, unpack it yourself and import the files."
        )


def _open_zip(path: Path, data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if len(members) > MAX_MEMBERS:
                raise DataError(f"{path} holds {len(members):,} files; at most {MAX_MEMBERS:,}.")
            for info in members:
                _check_member(path, info)
            if (total := sum(info.file_size for info in members)) > MAX_FILE_BYTES:
                raise DataError(f"{path} unpacks to {total:,} bytes; at most {MAX_FILE_BYTES:,}.")
            chosen = [info for info in members if not PurePosixPath(info.filename).name.startswith(".")]
            return {f"{path}!{info.filename}": archive.read(info) for info in chosen}
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise DataError(f"{path} is no zip archive that can be read: {error}. Is it cut off?") from error


def _files_below(path: Path) -> list[Path]:
    found = sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink() and not p.name.startswith("."))
    if not found:
        raise DataError(f"{path} holds no files. Give an export, or a folder that holds one.")
    return found


def open_sources(paths: Sequence[Path], encoding: str = "utf-8") -> list[Source]:
    """Read the files, folders and zip archives of an import, in the order given (folders by name).

    Raises:
        DataError: a path is missing, unreadable, too large, or an archive that is damaged or unsafe.
        LookupError: ``encoding`` is unknown to Python.
    """
    contents: dict[str, bytes] = {}
    for path in paths:
        for file in _files_below(path) if path.is_dir() else [path]:
            data = _read(file)
            if data.startswith(b"PK\x03\x04") and file.suffix.lower() not in (".xlsx", ".docx"):
                contents.update(_open_zip(file, data))
            else:
                contents[str(file)] = data
    beside: dict[str, Source] = {}
    for name, data in contents.items():
        beside[name] = Source(name, data, encoding, beside)
    return list(beside.values())
