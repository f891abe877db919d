"""The files to import: read once, capped, decoded strictly; folders and zip archives opened with care."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from strijdtaal.errors import DataError, UsageError, nearest
from training.intake.archive import DOCUMENTS, MAX_FILE_BYTES, MAX_MEMBERS, is_archive, is_junk, open_zip

HEAD_BYTES = 1_000_000  # what recognising a format may look at

_MARKS = (  # the longer ones first
    (b"\xff\xfe\x00\x00", "UTF-32", "utf-32"),
    (b"\x00\x00\xfe\xff", "UTF-32", "utf-32"),
    (b"\xff\xfe", "UTF-16", "utf-16"),
    (b"\xfe\xff", "UTF-16", "utf-16"),
)
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"Rar!\x1a\x07": "RAR",
}
_UTF8_MARK = b"\xef\xbb\xbf"
_NO_ENCODING_OF_FILES = {"idna", "punycode", "unicode-escape", "unicode_escape", "raw-unicode-escape", "utf-7"}
_MEMBER = re.compile(r"\.zip!", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")


def _share_of_nul(data: bytes) -> float:
    return data.count(0) / len(data) if data else 0.0


def other_unicode(data: bytes) -> tuple[str, str] | None:
    """Name and --encoding of text in UTF-16 or UTF-32, by its mark or, without one, by its NUL bytes."""
    for mark, name, encoding in _MARKS:
        if data.startswith(mark):
            return name, encoding
    sample = data[:4000]
    if b"\0" not in sample:
        return None
    first, second, third, fourth = (_share_of_nul(sample[start::4]) for start in range(4))
    few, many = 0.05, 0.6  # Dutch text is nearly all Latin letters, whose other bytes are NUL
    if max(first, third) <= few and min(second, fourth) >= many:
        return "UTF-16 without a byte-order mark", "utf-16-le"
    if max(second, fourth) <= few and min(first, third) >= many:
        return "UTF-16 without a byte-order mark", "utf-16-be"
    return None


@dataclass(frozen=True)
class Source:
    """One file, or one member of an archive: ``name`` for messages, ``data`` as bytes."""

    name: str
    data: bytes = field(repr=False)
    encoding: str = "utf-8"
    beside: Mapping[str, Source] = field(default_factory=dict, repr=False, compare=False)

    @property
    def path(self) -> PurePosixPath:
        """Folders and name, those within the archive for a member of one."""
        return PurePosixPath(_MEMBER.split(self.name.replace("\\", "/"))[-1])

    @property
    def stem(self) -> str:
        """The file's name without folders and ending."""
        return self.path.stem

    @property
    def suffix(self) -> str:
        """The ending in lower case, with its dot."""
        return self.path.suffix.lower()

    def sibling(self, suffix: str) -> Source | None:
        """The file of the same name with another ending, as ``.txt`` beside ``.ann``."""
        return self.beside.get(self.name.removesuffix(self.path.suffix) + suffix)

    @property
    def head(self) -> str:
        """The beginning, decoded without complaints, to recognise a format by."""
        return self.data[:HEAD_BYTES].decode(self.encoding, errors="replace").removeprefix("\ufeff")

    @cached_property
    def text(self) -> str:
        """The decoded content (a byte-order mark is dropped; line ends stay as they are).

        Raises:
            DataError: not in the expected encoding; the byte and its place are named.
        """
        if self.encoding == "utf-8" and (found := other_unicode(self.data)):
            raise DataError(f"{self.name} is {found[0]}. Save it as UTF-8, or give --encoding {found[1]}.")
        if self.encoding != "utf-8" and self.data.startswith(_UTF8_MARK):
            raise DataError(f"{self.name} begins with the mark of UTF-8: import it without --encoding {self.encoding}.")
        try:
            text = self.data.decode(self.encoding)
        except UnicodeDecodeError as error:
            line = self.data[: error.start].decode(self.encoding, errors="ignore").count("\n") + 1
            raise DataError(
                f"{self.name}, line {line}: not {self.encoding} (byte {self.data[error.start]:#04x} at position "
                f"{error.start}). Save it as UTF-8, or name its encoding, for example --encoding cp1252."
            ) from error
        if self.encoding != "utf-8" and _SURROGATE.search(text):
            raise DataError(
                f"{self.name} holds half of a surrogate pair when read as {self.encoding}. Save it as UTF-8."
            )
        return text.removeprefix("\ufeff")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:  # the size is not asked: a pipe has none
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}. Check the path.") from error
    if len(data) > MAX_FILE_BYTES:
        raise DataError(f"{path} has more than {MAX_FILE_BYTES:,} bytes. Divide it into parts.")
    return data


def _walk(path: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise DataError(f"Cannot read {error.filename}: {error.strerror}. Check its permissions.") from error

    for folder, _, names in os.walk(path, onerror=refuse):
        for file in (Path(folder, name) for name in names):
            if not is_junk(file.relative_to(path).parts):
                yield file


def _files_below(path: Path) -> list[Path]:
    found: list[Path] = []
    for file in _walk(path):
        if file.is_symlink():
            raise DataError(f"{file} is a symbolic link. Name the file itself, or import it apart.")
        if file.is_file():
            found.append(file)
        if len(found) > MAX_MEMBERS:
            raise DataError(f"{path} holds more than {MAX_MEMBERS:,} files. Is it the right folder?")
    if not found:
        raise DataError(f"{path} holds no files. Give an export, or a folder that holds one.")
    return sorted(found)


def _contents(file: Path) -> dict[str, bytes]:
    data = _read(file)
    suffix = file.suffix.lower()
    if suffix == ".zip":
        return {f"{file}!{name}": inside for name, inside in open_zip(file, data).items()}
    if is_archive(data) and suffix not in DOCUMENTS:
        raise DataError(f"{file} is a zip archive by its content. Name it {file.name}.zip if it holds exports.")
    for magic, kind in _PACKED.items():
        if data.startswith(magic):
            raise DataError(f"{file} is packed ({kind}). Unpack it first; of archives only .zip is read.")
    return {str(file): data}


def _check_encoding(encoding: str) -> str:
    """The name that Python gives to an encoding of text."""
    import codecs
    from encodings.aliases import aliases

    try:
        b"text".decode(encoding, errors="replace")  # refuses codecs that are not for text, such as base64
        name = codecs.lookup(encoding).name
        if name in _NO_ENCODING_OF_FILES:
            raise LookupError(name)
    except (LookupError, ValueError) as error:
        hint = nearest(encoding.lower(), ["utf-8", "utf-16", "latin-1", "cp1252", *aliases])
        raise UsageError(f"Unknown --encoding {encoding!r}.{hint} Common ones: utf-8, cp1252, utf-16.") from error
    return "utf-8" if name == "utf-8-sig" else name


def open_sources(paths: Sequence[Path], encoding: str = "utf-8") -> list[Source]:
    """Read the files, folders and zip archives of an import, in the order given (folders by name).

    Raises:
        DataError: a path is missing, unreadable, too large or not named in UTF-8, or an archive that is damaged or
            unsafe.
        UsageError: ``encoding`` is unknown, or a file is given twice.
    """
    encoding = _check_encoding(encoding)
    contents: dict[str, bytes] = {}
    seen: dict[Path, Path] = {}
    total = 0
    for path in paths:
        for file in _files_below(path) if path.is_dir() else [path]:
            if _SURROGATE.search(str(file)):
                raise DataError(f"The name of {str(file)!r} is not UTF-8. Rename the file or its folder.")
            if (real := file.resolve()) in seen:
                raise UsageError(f"{file} is given twice (the other time as {seen[real]}). Name it once.")
            seen[real] = file
            found = _contents(file)
            contents.update(found)
            if (total := total + sum(map(len, found.values()))) > MAX_FILE_BYTES:
                raise DataError(f"The files have more than {MAX_FILE_BYTES:,} bytes together. Import them in parts.")
    beside: dict[str, Source] = {}
    for name, data in contents.items():
        beside[name] = Source(name, data, encoding, beside)
    return list(beside.values())
