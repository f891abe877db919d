"""How far a job is: one line on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

REDRAW = 0.2  # seconds, on a terminal
REPEAT = 30.0  # seconds, in a log
WINDOW = 60.0  # seconds over which the speed is taken


_SHOWN = {"fingerprint": ("Fingerprint of", "files"), "check": ("Checked", "rows"), "score": ("Scored", "rows")}


@dataclass(frozen=True)
class Progress:
    """How much of a phase is done: ``fingerprint`` (in files), ``check`` and ``score`` (in rows).

    ``total`` is None where it is not known yet; ``sentences`` counts those scored since this start.
    """

    phase: str
    done: int
    total: int | None
    sentences: int = 0


Report = Callable[[Progress], None]


def clock(seconds: float) -> str:
    """A duration as hours, minutes and seconds.

    >>> clock(59.6), clock(3661), clock(90_000)
    ('1:00', '1:01:01', '25:00:00')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class ProgressLine:
    """Rows, sentences a second and time left; redrawn on a terminal, repeated now and then in a log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._phase = ""
        self._seen: list[tuple[float, int, int]] = []  # time, rows, sentences
        self._written = 0.0

    def __call__(self, progress: Progress) -> None:
        """Take note of how far the job is, and say so if it is time."""
        now = time.monotonic()
        if progress.phase != self._phase:
            self._phase, self._seen, self._written = progress.phase, [], now - REPEAT + REDRAW
        self._seen.append((now, progress.done, progress.sentences))
        while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW:
            self._seen.pop(0)
        if now - self._written >= (REDRAW if self._terminal else REPEAT):
            self._written = now
            self._write(progress, now)

    def _write(self, progress: Progress, now: float) -> None:
        start, rows, sentences = self._seen[0]
        verb, unit = _SHOWN[progress.phase]
        of_all = f" of {progress.total:,}" if progress.total else ""
        parts = [f"{verb} {progress.done:,}{of_all} {unit}"]
        if now > start and progress.done > rows:
            if progress.sentences > sentences:
                parts.append(f"{(progress.sentences - sentences) / (now - start):,.0f} sentences/s")
            if progress.total:
                left = (progress.total - progress.done) * (now - start) / (progress.done - rows)
                parts.append(f"{clock(left)} left")
        line = ", ".join(parts)
        self._stream.write(f"\r\x1b[K{line}" if self._terminal else f"{line}\n")
        self._stream.flush()

    def close(self) -> None:
        """Clear the line, so that what is written next stands on its own."""
        if self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
