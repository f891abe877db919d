"""What a sentence may be made of: control characters are refused, odd ones kept and counted.

Texts stay as the file gives them, so that offsets hold; models read ``strijdtaal.text.clean(text)``.
"""

from __future__ import annotations

import re
import unicodedata

from strijdtaal.text import INVISIBLE as INVISIBLE_MARKS
from strijdtaal.text import clean
from training.intake.sentence import Intake
from training.records import MAX_TEXT

INVISIBLE = "texts with invisible characters"
ODD_SPACES = "texts with non-breaking or other odd spaces"
NOT_NFC = "texts not in NFC"
MISREAD = "texts that look wrongly decoded (such as Ã«)"

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_WORD = re.compile(r"\w")
_ODD_SPACE = re.compile(r"[^\S \t\r\n]")
# UTF-8 that was read as cp1252 or Latin-1 and saved again, or bytes that could not be read at all.
_MISREAD = re.compile("[ÃÂ][\u0080-\u00bf‚„†‡ˆ‰Š‹ŒŽ‘“”•–—™š›œžŸ]|â€|\ufffd")


def _refuse(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise ValueError(f"the text has {len(text):,} characters; at most {MAX_TEXT:,} for one sentence")
    if found := _CONTROL.search(text):
        code = ord(found.group())
        hint = " (cp1252 read as Latin-1 looks so)" if 0x80 <= code <= 0x9F else ""
        raise ValueError(
            f"the text holds a control character, U+{code:04X} at position {found.start()}{hint}; remove it"
        )
    if not _WORD.search(text) and not clean(text):
        raise ValueError("the text is empty after clean-up")


def check_text(text: str, intake: Intake) -> str:
    """The text of a sentence, unchanged; what a reader does not see in it is counted.

    Invisible characters are zero-width ones, soft hyphens and marks of direction. ``clean`` removes them,
    makes odd spaces plain ones and composes letters (NFC).

    Raises:
        ValueError: control characters other than tab and line ends, half of a surrogate pair, more than
            ``MAX_TEXT`` characters, or nothing left after clean-up.
    """
    if len(text) > MAX_TEXT or not text.isprintable() or not _WORD.search(text):
        _refuse(text)
        if INVISIBLE_MARKS.search(text):
            intake.count(INVISIBLE)
        if _ODD_SPACE.search(text):
            intake.count(ODD_SPACES)
    if not text.isascii():
        if not unicodedata.is_normalized("NFC", text):
            intake.count(NOT_NFC)
        if _MISREAD.search(text):
            intake.count(MISREAD)
    return text
