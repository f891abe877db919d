"""What the command line of ``import`` says, checked before any file is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from strijdtaal.errors import UsageError, nearest
from strijdtaal.labels import KEYS
from strijdtaal.text import clean
from training.intake.sentence import NO_LABEL


@dataclass(frozen=True)
class Options:
    """See ``python -m training import --help``; ``label_map`` and ``rename`` are pairs as they were written."""

    files: tuple[Path, ...]
    out: Path
    format: str | None = None
    encoding: str = "utf-8"
    article: str | None = None
    adjudicate: str = "unanimous"
    label_map: tuple[str, ...] = ()
    rename: tuple[str, ...] = ()

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """Name in the export -> label key, or ``NO_LABEL``.

        Raises:
            UsageError: a pair is no NAME=LABEL, the label is unknown, or a name stands for two labels.
        """
        pairs = [pair.rpartition("=") for pair in self.label_map]
        for (name, _, key), pair in zip(pairs, self.label_map, strict=True):
            if not name:
                raise UsageError(
                    f'--map {pair!r} must be written as "name in the export=label", or "name=" for no label.'
                )
            if key.strip() not in (NO_LABEL, *KEYS):
                hint = nearest(key.strip(), list(KEYS))
                raise UsageError(f"--map {pair!r}: {key.strip()!r} is no label.{hint} Known: {', '.join(KEYS)}.")
        return _once("--map", [(name, key.strip()) for name, _, key in pairs])

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Annotator in the export -> new name.

        Raises:
            UsageError: a pair is no OLD=NEW, or an annotator gets two names.
        """
        pairs = [tuple(map(clean, pair.rpartition("=")[::2])) for pair in self.rename]
        if wrong := [pair for pair, parts in zip(self.rename, pairs, strict=True) if not all(parts)]:
            raise UsageError(f"--annotator {wrong[0]!r} must be written as OLD=NEW, for example ann@example.org=anna.")
        return _once("--annotator", [(old, new) for old, new in pairs])


def _once(option: str, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise UsageError(f"{option} gives {name!r} two meanings, {found[name]!r} and {value!r}. Keep one.")
    return found
