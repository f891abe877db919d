"""The sentences that every loader gets: golden ones of the bundle, hard ones, and those of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strijdtaal.errors import DataError, nearest
from strijdtaal.labels import KEYS, to_vector
from training.strict_json import parse

_LONG = "De onderhandelaars spraken over een bestand, en de gouverneur van de kustprovincie zweeg. "

# Written for the project. A short one stands beside each long one, so that batches hold both.
HARD = (
    "",
    " \t\n ",
    "\u200b\ufeff",
    "Nee!",
    _LONG * 40,
    "Stop.",
    "De rebellen 🏳️‍🌈 juichten 👨‍👩‍👧‍👦 na de aftocht 😀😀; de generaal 🕊️ niet.",
    "Kyi\u0308v eiste ’s avonds coo\u0308rdinatie: de regering in Kyïv sprak van coördinatie.",
    "‘Wij slaan terug’, zei hij, „en hard”; ‚niemand’ antwoordde: \"Nee\". ,,Nooit''.",
    "Staakthetvurenonderhandelingsdelegatieleiderschapsverkiezingscommissievoorzitter " * 2,
    "oorlogsdreigingsverklaringsondertekeningsplechtigheidsorganisatiecomitélid",
    "DE REBELLEN GAVEN DE STAD OVER EN TROKKEN ZICH TERUG!!!",
    "Na 3.500 doden, € 1.250.000,- schade en 12½ uur vuurpauze (-7,5 °C) viel het front stil.",
    "De zin heeft\u00a0vaste\u2009en smalle spaties,\tregel-\neinden en een zach\u00adt afbreekteken.",
    "Een woord \u202evan rechts naar links\u202c en een teken \x07 dat niemand ziet.",
    "[CLS] De legerleiding [MASK] dreigt [SEP] met [PAD] vergelding. [UNK]",
    "الجيش يهدد العاصمة, zei de zender; 停火 riep Peking, прекратите огонь riep Moskou.",
    "Ⅷ divisies, ﬁnale aanval, ½ bataljon, ①②③: ＡＮＫＡＲＡ stuurt wapens.",
    "a" * 150,
    "https://voorbeeld.example/nieuws?id=1&taal=nl#front @woordvoerder #staakthetvuren",
    "Het leger van president Al-Qurasji dreigde dinsdag 'met alle middelen' terug te slaan.",
    "De colonne vertrok uit de stad terwijl de bisschop om een gevechtspauze smeekte.",
    _LONG * 8 + "Ankara stuurt pantserwagens naar het regeringsleger.",
)


@dataclass(frozen=True)
class Sentences:
    """Texts, and where all rows of a file have labels, their 0/1 rows.

    ``gold`` has shape (number of texts from the file, labels); those texts come last in ``texts``.
    """

    texts: tuple[str, ...]
    gold: NDArray[np.float64] | None = None


def read_sentences(path: Path) -> tuple[list[str], NDArray[np.float64] | None]:
    """The sentences of a predictions file (.parquet), or the field ``text`` of each line of a JSONL file.

    With them come 0/1 rows, shape (sentences, labels), if every line has ``labels``, else None.

    Raises:
        DataError: the file cannot be read, is empty, or a line has a fault (line named).
    """
    if path.suffix == ".parquet":
        from eval.predictions import read_predictions

        predictions = read_predictions(path)
        return list(predictions.texts), np.asarray(predictions.gold, dtype=np.float64)
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}. Check the path.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                rows.append(_row(parse(line)))
            except ValueError as error:
                raise DataError(f"{path}, line {number}: {error}.") from error
    if not rows:
        raise DataError(f'{path} is empty. Give JSONL, one {{"text": "..."}} a line.')
    gold = [to_vector(labels) for _, labels in rows if labels is not None]
    return [text for text, _ in rows], np.array(gold) if len(gold) == len(rows) else None


def _row(value: Any) -> tuple[str, list[str] | None]:
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        raise ValueError("there is no field 'text' with a sentence")
    labels = value.get("labels")
    if labels is None:
        return value["text"], None
    if not isinstance(labels, list):
        raise ValueError(f"'labels' is {type(labels).__name__}, not a list")
    for label in labels:
        if label not in KEYS:
            raise ValueError(f"unknown label {label!r}.{nearest(str(label), list(KEYS))}")
    return value["text"], labels


def gather(golden: Sequence[dict[str, Any]], path: Path | None) -> Sentences:
    """The golden sentences, then the hard ones, then those of the file."""
    texts, gold = read_sentences(path) if path else ([], None)
    return Sentences((*(entry["text"] for entry in golden), *HARD, *texts), gold)
