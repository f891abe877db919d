"""Every error that strijdtaal raises on purpose, and the exit code that each one ends with.

StrijdtaalError          1   anything else that was foreseen
├── UsageError           2   wrong command line or configuration
├── DataError            3   annotations, predictions or articles that cannot be used
├── BundleError          4   a bundle that is damaged, incomplete or unsafe
└── TrainingError        5   a run that failed: a loss or value that is not finite

A message says what was found, where (file, line, key) and what to do about it.
"""

from __future__ import annotations


class StrijdtaalError(Exception):
    """Base of all foreseen errors; commands print its text and exit with ``exit_code``."""

    exit_code: int = 1


class UsageError(StrijdtaalError):
    """The command line or the configuration is wrong."""

    exit_code = 2


class DataError(StrijdtaalError):
    """An input file (annotations, article, predictions) cannot be used."""

    exit_code = 3


class BundleError(StrijdtaalError):
    """A bundle is missing, damaged, altered or unsafe to load."""

    exit_code = 4


class TrainingError(StrijdtaalError):
    """Training went wrong (a loss, gradient or output that is not finite)."""

    exit_code = 5


def nearest(name: str, known: list[str]) -> str:
    """Return `` Did you mean 'x'?`` for the known name closest to ``name``, or an empty string."""
    import difflib

    match = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f" Did you mean '{match[0]}'?" if match else ""
