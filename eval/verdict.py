"""What a comparison allows one to say of two systems, in English and Dutch sentences."""

from __future__ import annotations

import math

from eval.paired import Difference

LEVEL = 0.05


def points(value: float) -> str:
    """A difference in points of 0.01, with its sign."""
    return f"{100 * value:+.1f}"


def p_text(p: float) -> str:
    """A p-value for people: three digits, never a bare 0."""
    return "n/a" if not math.isfinite(p) else "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def verdicts(first: str, second: str, found: Difference, p: float, articles: int) -> tuple[str, str]:
    """What the numbers allow one to say, in English and Dutch; ``p`` is corrected for the number of systems."""
    if not math.isfinite(p):
        return (
            f"n/a: macro-F1 is undefined for {first} or {second} on these sentences.",
            f"n/a: macro-F1 is op deze zinnen niet bepaald voor {first} of {second}.",
        )
    low, high, difference = points(found.low), points(found.high), points(found.difference)
    interval = f"95% interval {low} to {high}, {p_text(p)}"
    nl_interval = f"95%-interval {low} tot {high}, {p_text(p)}"
    apart = found.low > 0 or found.high < 0
    if p < LEVEL and apart:
        word, woord = ("better", "beter") if found.difference > 0 else ("worse", "slechter")
        return (
            f"{second} is {word} than {first}: {difference} points of macro-F1 ({interval}).",
            f"{second} is {woord} dan {first}: {difference} punten macro-F1 ({nl_interval}).",
        )
    border, grens = "", ""
    if apart or p < LEVEL:
        border = " Interval and test disagree: a borderline case."
        grens = " Interval en toets spreken elkaar tegen: een grensgeval."
    smallest = f"{100 * found.smallest:.1f}"
    return (
        f"Cannot tell whether {second} differs from {first}: {difference} points of macro-F1 "
        f"({interval}). With these {articles} articles a true difference of less than "
        f"{smallest} points would be missed more often than once in five times.{border}",
        f"Niet te zeggen of {second} van {first} verschilt: {difference} punten macro-F1 ({nl_interval}). "
        f"Met deze {articles} artikelen blijft een werkelijk verschil van minder dan {smallest} punten "
        f"vaker dan één op de vijf keer onopgemerkt.{grens}",
    )
