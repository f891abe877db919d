"""Characters that should not be there: text decoded wrongly, invisible marks, look-alike letters, remains of pages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from training.audit.checks import SHOWN, Check, none_of
from training.audit.rows import Sample

# UTF-8 read as cp1252 or Latin-1. What may end a quotation in capitals (CAFÉ”) is not taken for it.
_QUOTES = "\u2013\u2014\u2018-\u201a\u201c-\u201e\u2026"
_SIGNS = "\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc"
_SIGNS += "\u2020-\u2022\u2030\u2039\u203a\u20ac\u2122"
_MOJIBAKE = re.compile(
    f"[\u00c2\u00c3][{_SIGNS}{_QUOTES}]"  # letters of Western Europe
    f"|[\u00c4\u00c5][{_SIGNS}]"  # of Central Europe
    f"|(?:[\u00ce-\u00d1][{_SIGNS}{_QUOTES}]){{2}}"  # Greek and Cyrillic, never one letter alone
    f"|\u00e2\u20ac|\u00e2[\u201a\u201e\u02c6][{_SIGNS}{_QUOTES}]"  # quotes, dashes, signs; also cut off
    "|\u00ef\u00bb\u00bf|\ufffd|aEUR"  # a byte-order mark, a lost byte, a quote that was made ASCII afterwards
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_INVISIBLE = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_NO_LATIN = re.compile("[\u0370-\u03ff\u0400-\u052f]")  # Greek and Cyrillic, where the look-alikes are
_MIXED = re.compile(
    "[A-Za-z\u00c0-\u024f][^\\W\\d_]*[\u0370-\u03ff\u0400-\u052f]"
    "|[\u0370-\u03ff\u0400-\u052f][^\\W\\d_]*[A-Za-z\u00c0-\u024f]"
)
_HTML = re.compile(r"</?[a-z][a-z0-9]*(?:\s[^<>]*)?/?>|&(?:[a-z]{2,8}|#\d{2,6}|#x[0-9a-f]{2,6});", re.IGNORECASE)


def mojibake(text: str) -> bool:
    """True if UTF-8 was read as cp1252 or Latin-1 somewhere on the way.

    >>> mojibake("TurkijÃ« en LibiÃ«"), mojibake("café’s in Libië, â la carte")
    (True, False)
    """
    return "aEUR" in text if text.isascii() else bool(_MOJIBAKE.search(text))


def _invisible(text: str) -> bool:
    return not text.isascii() and bool(_INVISIBLE.search(text))


def _not_nfc(text: str) -> bool:
    return not unicodedata.is_normalized("NFC", text)


def mixed_scripts(text: str) -> bool:
    """True if one word has Latin and Greek or Cyrillic letters: a look-alike, not a foreign word."""
    return not text.isascii() and bool(_NO_LATIN.search(text)) and bool(_MIXED.search(text))


def _html(text: str) -> bool:
    return ("<" in text or "&" in text) and bool(_HTML.search(text))


def _control(text: str) -> bool:
    return not text.isprintable() and bool(_CONTROL.search(text))


KINDS: dict[str, Callable[[str], bool]] = {
    "wrongly decoded text (Ã«, â€)": mojibake,
    "control characters": _control,
    "invisible marks": _invisible,
    "letters not composed (NFC)": _not_nfc,
    "two scripts in one word": mixed_scripts,
    "remains of HTML": _html,
}


def characters(sample: Sample) -> list[Check]:
    """For each kind, the sentences that have it."""
    found: dict[str, list[int]] = {name: [] for name in KINDS}
    for number, row in enumerate(sample.rows):
        text = row.text
        if text.isascii() and text.isprintable() and not set("<&E") & set(text):
            continue  # nothing below can be in it
        for name, test in KINDS.items():
            if test(text):
                found[name].append(number)
    return [
        none_of(name, len(rows), [f"{sample.rows[n].id}: {sample.rows[n].text[:70]}" for n in rows[:SHOWN]])
        for name, rows in found.items()
    ]
