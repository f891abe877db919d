"""Agreement as a table for the terminal and as plain data for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from strijdtaal.labels import CODEBOOK_VERSION, KEYS
from strijdtaal.text import clean
from training.agreement import Agreement, Figure, Pair, PairLabel

SHOWN_PAIRS = 15  # of more than six annotators; the JSON has them all
LONGEST_NAME = 24

Rows = list[Sequence[str]]


def _name(name: str) -> str:
    """A name from a file of somebody else's, without control characters."""
    shown = clean(name)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 1]}…"


def _cells(figure: Figure) -> tuple[str, str]:
    value = "n/a" if figure.value is None else f"{figure.value:.3f}"
    return value, "n/a" if figure.interval is None else "{:.3f} - {:.3f}".format(*figure.interval)


def _aligned(rows: Rows) -> str:
    """Columns of one width: the first and the last (a note) to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        figures = [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *figures, row[-1]]).rstrip())
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.1%})" if whole else "0"


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _annotators(found: Agreement) -> str:
    rows: Rows = [("annotator", "sentences", *KEYS, "none", "")]
    for one in found.annotators:
        counts = (one.sentences, *(one.labels[key] for key in KEYS), one.none)
        rows.append((_name(one.name), *(f"{count:,}" for count in counts), ""))
    return _aligned(rows)


def _alpha(found: Agreement) -> str:
    rows: Rows = [("Krippendorff's alpha", "alpha", "95% interval", "")]
    for name, figure in (*found.alpha.items(), ("label sets (MASI)", found.sets)):
        rows.append((name, *_cells(figure), figure.note))
    return _aligned(rows)


def _note(one: PairLabel) -> str:
    if one.f1.note == one.kappa.note:
        return one.f1.note
    return "; ".join(f"{name}: {note}" for name, note in (("F1", one.f1.note), ("kappa", one.kappa.note)) if note)


def _pair(pair: Pair) -> str:
    first, second = _name(pair.first), _name(pair.second)
    if not pair.sentences:
        return f"{first} and {second}: n/a, no common sentence"
    head = (
        f"{first} and {second}: {_number(pair.sentences, 'common sentence')} of {_number(pair.articles, 'article')}, "
        f"{_share(pair.alike, pair.sentences)} with the same labels"
    )
    only = (f"only {first}", f"only {second}")
    rows: Rows = [("label", "both", *only, "F1", "95% interval", "kappa", "95% interval", "")]
    for key, one in pair.labels.items():
        counts = (f"{count:,}" for count in (one.both, one.first, one.second))
        rows.append((key, *counts, *_cells(one.f1), *_cells(one.kappa), _note(one)))
    return f"{head}\n{_aligned(rows)}"


def table(found: Agreement) -> str:
    """Agreement for a terminal: annotators, alpha, then each pair; notes say why a figure is n/a.

    Of more than ``SHOWN_PAIRS`` pairs those with the most common sentences are shown.
    """
    size = f"{_number(found.sentences, 'sentence')} of {_number(found.articles, 'article')}"
    differing = f"of these {_share(found.differing, found.common)} were answered differently"
    parts = [f"{size}, {found.common:,} of them with two answers or more; {differing}"]
    if not found.annotators:
        return f"{parts[0]}\n\nagreement: n/a, {found.reason}"
    parts += [_annotators(found), _alpha(found)]
    shown = sorted(found.pairs, key=lambda pair: -pair.sentences)[:SHOWN_PAIRS]
    parts += [_pair(pair) for pair in (shown if len(found.pairs) > SHOWN_PAIRS else found.pairs)]
    if (more := len(found.pairs) - SHOWN_PAIRS) > 0:
        parts.append(f"and {more:,} more pairs with fewer common sentences")
    if not found.pairs:
        parts.append(f"pairs: n/a, {found.reason}")
    elif found.draws:
        parts.append(f"95% intervals: {found.draws:,} draws of articles, with replacement")
    return "\n\n".join(parts)


def document(found: Agreement) -> dict[str, Any]:
    """Agreement as plain data: every figure has ``value``, ``interval`` ([low, high] or null) and ``note``."""
    return {"codebook_version": CODEBOOK_VERSION, **asdict(found)}
