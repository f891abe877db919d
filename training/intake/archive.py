"""Zip archives of exports, unpacked in memory with care: nothing is written, and no header is believed.

Sizes are checked before a member is unpacked (by what the archive says) and while it is (by what comes out).
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path, PurePosixPath

from strijdtaal.errors import DataError

MAX_FILE_BYTES = 2_000_000_000
MAX_MEMBERS = 10_000
MAX_RATIO = 200  # unpacked bytes for each packed one; text seldom passes 20
SMALL = 1_000_000  # unpacked bytes below which the ratio does not matter
MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
DOCUMENTS = (".xlsx", ".xlsm", ".docx", ".odt", ".ods")  # zip archives by their bytes, files to their users

_KNOWN = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # the other methods cannot be unpacked in bounded memory
_ENCRYPTED, _UTF8 = 0x1, 0x800
_SYMLINK = 0xA
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DRIVE = re.compile(r"[A-Za-z]:")
_JUNK = {"__MACOSX", "Thumbs.db", "desktop.ini"}
# What zipfile raises for bytes that are no archive; fuzzed in the tests.
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, OverflowError)


def is_archive(data: bytes) -> bool:
    """Whether the bytes are those of a zip archive."""
    return data.startswith(MAGIC)


def is_junk(parts: Sequence[str]) -> bool:
    """Whether a path (its parts) is hidden, or left behind by an operating system or office program."""
    return any(part.startswith((".", "~$")) or part in _JUNK for part in parts)


def _name(info: zipfile.ZipInfo) -> str:
    """The member's name; macOS writes UTF-8 without saying so."""
    name = info.filename.replace("\\", "/")
    if not info.flag_bits & _UTF8:
        try:
            return name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return name


def _check_name(path: Path, info: zipfile.ZipInfo) -> None:
    name = _name(info)
    if not PurePosixPath(name).name:
        raise DataError(f"{path} holds a file without a name. Unpack it yourself and import the files.")
    if _CONTROL.search(info.orig_filename + name):
        raise DataError(f"{path} holds a file with control characters in its name: {info.orig_filename!r}.")
    if name.startswith("/") or ".." in name.split("/") or _DRIVE.match(name):
        raise DataError(f"{path} holds a file that points outside it: {info.filename!r}. Nothing was unpacked.")
    if (info.external_attr >> 28) == _SYMLINK:
        raise DataError(f"{path} holds a symbolic link, {info.filename!r}. Pack the file itself.")


def _check_content(path: Path, info: zipfile.ZipInfo) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise DataError(f"{path}: {info.filename!r} is encrypted. Unpack it yourself and import the files.")
    if info.compress_type not in _KNOWN:
        method = zipfile.compressor_names.get(info.compress_type, f"method {info.compress_type}")  # type: ignore[attr-defined]
        raise DataError(
            f"{path}: {info.filename!r} is packed by {method}; only deflate is read. Unpack it yourself and "
            "import the files."
        )
    if info.file_size > max(SMALL, MAX_RATIO * info.compress_size):
        raise DataError(
            f"{path}: {info.filename!r} would grow from {info.compress_size:,} to {info.file_size:,} bytes, "
            f"more than {MAX_RATIO} to 1. If that is right, unpack it yourself and import the files."
        )


def _check_whole(path: Path, packed: int, members: Sequence[zipfile.ZipInfo]) -> None:
    if sum(info.compress_size for info in members) > packed:
        raise DataError(f"{path} holds files that overlap, or is cut off. Nothing was unpacked.")
    if (total := sum(info.file_size for info in members)) > MAX_FILE_BYTES:
        raise DataError(f"{path} unpacks to {total:,} bytes; at most {MAX_FILE_BYTES:,}. Divide it into parts.")
    if total > max(SMALL, MAX_RATIO * packed):
        raise DataError(
            f"{path} would grow from {packed:,} to {total:,} bytes, more than {MAX_RATIO} to 1. If that is "
            "right, unpack it yourself and import the files."
        )
    names: set[str] = set()
    for info in members:
        if (name := _name(info)) in names:
            raise DataError(f"{path} holds two files named {name!r}. Unpack it yourself and import the right one.")
        names.add(name)


def _unpack(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    declared = info.file_size
    # zipfile stops without a word at the size that the header states: state more, ask for one byte more.
    info.file_size += SMALL
    with archive.open(info) as stream:
        data = stream.read(declared + 1)
    if len(data) != declared:
        more = "more" if len(data) > declared else "fewer"
        raise DataError(f"{path}: {info.filename!r} unpacks to {more} bytes than the {declared:,} that it states.")
    if is_archive(data) and PurePosixPath(_name(info)).suffix.lower() not in DOCUMENTS:
        raise DataError(f"{path} holds another archive, {info.filename!r}. Unpack it and import what is inside.")
    return data


def open_zip(path: Path, data: bytes) -> dict[str, bytes]:
    """The files of an archive by name, hidden ones and macOS's copies left out.

    Raises:
        DataError: damaged, encrypted or empty; a name that points outside, stands twice or holds control
            characters; a symbolic link, an archive in the archive; too many files, or more bytes than
            ``MAX_RATIO`` allows or than the headers state.
    """
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = [info for info in archive.infolist() if not _name(info).endswith("/")]
            if len(members) > MAX_MEMBERS:
                raise DataError(f"{path} holds {len(members):,} files; at most {MAX_MEMBERS:,}. Divide it into parts.")
            for info in members:
                _check_name(path, info)
            chosen = [info for info in members if not is_junk(PurePosixPath(_name(info)).parts)]
            if not chosen:
                raise DataError(f"{path} holds no files. Is it the right archive?")
            for info in chosen:
                _check_content(path, info)
            _check_whole(path, len(data), chosen)
            return {_name(info): _unpack(path, archive, info) for info in chosen}
    except _DAMAGE as error:
        raise DataError(f"{path} is no zip archive that can be read: {error}. Is it cut off?") from error
