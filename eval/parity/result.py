"""What became of each loader: difference, decisions, or why it did not run."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

TOLERANCE = 1e-5  # in probability, between loaders of the fp32 model; the int8 model has the packager's bounds
FEW = 2  # sentences to which the int8 model may always give other labels: a small set cannot show 99.5%


@dataclass(frozen=True)
class Outcome:
    """One loader against the reference.

    ``difference`` is the largest in probability, found in the sentence that ``worst`` begins. ``differing`` counts
    sentences that get other labels; a label whose probability lies within ``TOLERANCE`` of its threshold does not
    count for fp32. ``other_ids`` counts sentences with other token ids, None where a loader does not show them.
    ``macro_f1`` is the change against the reference, None without gold labels.
    ``note`` explains a difference that is to be expected. Where ``skipped`` or ``error`` holds a reason there are
    no figures.
    """

    loader: str
    precision: str
    version: str = ""
    sentences: int = 0
    difference: float = math.nan
    worst: str = ""
    differing: int = 0
    other_ids: int | None = None
    macro_f1: float | None = None
    note: str = ""
    skipped: str = ""
    error: str = ""

    @property
    def equal(self) -> float:
        """Share of the sentences that get the labels of the reference."""
        return 1 - self.differing / self.sentences if self.sentences else math.nan

    @property
    def fault(self) -> str:
        """What is out of tolerance, in words; an empty string when nothing is, or when it did not run."""
        if self.skipped:
            return ""
        if self.error:
            return self.error
        fault = self._fp32_fault() if self.precision == "fp32" else self._int8_fault()
        if self.other_ids:
            fault = f"{self.other_ids} sentences have other token ids"
        return f"{fault}. {self.note}" if fault and self.note else fault

    def _fp32_fault(self) -> str:
        if not self.difference <= TOLERANCE:  # a value that is not a number is out as well
            return f"differs by more than {TOLERANCE:g}, most in {self.worst!r}"
        return f"{self.differing} sentences get other labels" if self.differing else ""

    def _int8_fault(self) -> str:
        from eval.int8 import DECISIONS_EQUAL, MACRO_F1_LOSS

        if math.isnan(self.difference):
            return "values that are not numbers"
        allowed = max(FEW, math.floor((1 - DECISIONS_EQUAL) * self.sentences))
        if self.differing > allowed:
            return f"{self.differing} of {self.sentences} sentences get other labels (allowed {allowed})"
        if self.macro_f1 is not None and not self.macro_f1 >= -MACRO_F1_LOSS:
            return f"macro-F1 falls by {-100 * self.macro_f1:.2f} points (allowed {100 * MACRO_F1_LOSS:g})"
        return ""


@dataclass(frozen=True)
class Parity:
    """All outcomes for one bundle on the same sentences."""

    bundle: str
    sha256: str
    sentences: int
    outcomes: tuple[Outcome, ...]

    @property
    def largest(self) -> float:
        """Largest difference in probability among the fp32 loaders that ran."""
        found = [item.difference for item in self.outcomes if item.precision == "fp32" and item.sentences]
        return math.nan if not found or any(map(math.isnan, found)) else max(found)

    @property
    def faults(self) -> list[str]:
        """Loaders out of tolerance, each with what is wrong."""
        return [f"{item.loader} ({item.precision}): {item.fault}" for item in self.outcomes if item.fault]

    @property
    def skipped(self) -> list[str]:
        """Loaders that did not run, each with the reason."""
        return [f"{item.loader} ({item.precision}): {item.skipped}" for item in self.outcomes if item.skipped]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; figures that do not exist are null."""
        rows = []
        for item in self.outcomes:
            row = asdict(item) | {"equal": item.equal, "fault": item.fault}
            rows.append({key: None if value != value else value for key, value in row.items()})
        about = {"bundle": self.bundle, "bundle_sha256": self.sha256, "sentences": self.sentences}
        return about | {"tolerance": TOLERANCE, "loaders": rows}

    def table(self) -> str:
        """One line a loader, and the largest difference below."""
        wide = max(len(item.loader) for item in self.outcomes)
        head = f"{'loader':{wide}}  precision  sentences  difference  same labels"
        lines = [head, *(_line(item, wide) for item in self.outcomes)]
        lines.append(f"\nLargest difference in probability, fp32: {self.largest:.1e} (allowed {TOLERANCE:g}).")
        if all(item.precision == "fp32" for item in self.outcomes):
            lines.append("The bundle holds no int8 model.")
        return "\n".join(lines)


def _line(item: Outcome, wide: int) -> str:
    start = f"{item.loader:{wide}}  {item.precision:9}"
    if item.skipped:
        return f"{start}  skipped: {item.skipped}"
    if item.error:
        return f"{start}  FAILED: {item.error}"
    figures = f"{item.sentences:9}  {item.difference:10.1e}  {100 * item.equal:10.2f}%"
    change = "" if item.macro_f1 is None else f"  macro-F1 {100 * item.macro_f1:+.2f}"
    fault = f"  OUT OF TOLERANCE: {item.fault}" if item.fault else ""
    return f"{start}  {figures}{change}{fault}"
