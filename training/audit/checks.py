"""A check is a row of the audit's table: what, value, the bound it should keep (where there is one), and whether."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SHOWN = 10  # examples


@dataclass(frozen=True)
class Check:
    """One row: ``passed`` is None where there is no bound.

    ``serious`` marks what makes a score worthless (leaks, contradictions): ``--strict`` ends with an error
    when such a check fails. ``figures`` are the numbers behind ``value``, for ``--json``.
    """

    name: str
    value: str
    bound: str = ""
    passed: bool | None = None
    examples: tuple[str, ...] = ()
    serious: bool = False
    figures: Mapping[str, float] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The check as JSON values."""
        return {
            "name": self.name,
            "value": self.value,
            "bound": self.bound,
            "passed": self.passed,
            "serious": self.serious,
            "figures": dict(self.figures),
            "examples": list(self.examples),
        }


def number(name: str, value: float, low: float | None = None, high: float | None = None, form: str = ",.0f") -> Check:
    """A check of one number against a lower bound, an upper one, both or none."""
    bounds = [f">= {low:{form}}" if low is not None else "", f"<= {high:{form}}" if high is not None else ""]
    passed = None
    if low is not None or high is not None:
        passed = (low is None or value >= low) and (high is None or value <= high)
    return Check(name, f"{value:{form}}", " ".join(filter(None, bounds)), passed, figures={"value": value})


def none_of(
    name: str, found: int, examples: Sequence[str] = (), value: str = "", serious: bool = False, **figures: float
) -> Check:
    """A check that nothing of a kind was found; the first ``SHOWN`` examples are kept."""
    shown = tuple(examples[:SHOWN])
    return Check(name, value or f"{found:,}", "= 0", not found, shown, serious, {"found": found, **figures})


def share(part: int, whole: int) -> str:
    """``101 of 2,589 (3.9%)``."""
    return f"{part:,} of {whole:,} ({part / whole:.1%})" if whole else "0 of 0"


def _visible(text: str) -> str:
    """Text of strangers for a terminal: what cannot be printed is written as an escape."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def table(checks: Sequence[Check]) -> str:
    """The checks for a terminal, with examples under those that have any."""
    width = max(len(check.name) for check in checks)
    value = max(len(check.value) for check in checks)
    lines = []
    for check in checks:
        verdict = {None: "", True: "ok", False: "NOT MET"}[check.passed]
        lines.append(f"{check.name:<{width}}  {check.value:>{value}}  {check.bound:<10} {verdict}".rstrip())
        lines += [f"    {example}" for example in check.examples]
    return "\n".join(map(_visible, lines))
