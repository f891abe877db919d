"""Pages: one HTML file each, without network; text as the model reads it, escaped."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from eval import names
from strijdtaal.labels import KEYS
from strijdtaal.text import clean

LONGEST = 2000  # characters of a sentence on a page


def plain(value: Any) -> Any:
    """NaN becomes None, so that JSON is valid and nothing undefined looks like a number."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def shortened(text: str) -> str:
    """A sentence as a page shows it: cut where it is longer than anybody reads."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"


def figure(value: float | None) -> str:
    """Three digits, or n/a."""
    return "n/a" if value is None else f"{value:.3f}"


def render(template: str, **values: Any) -> str:
    """Fill a template of ``eval/templates``; everything in ``values`` is escaped.

    Templates know the labels' names as ``label_dutch``, ``label_english`` and ``label_both``, their order as
    ``keys``, and the filters ``figure``, ``system`` and ``dutch`` (of ``eval.names``).
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        # No marks that turn the writing direction round for the reader.
        finalize=lambda value: clean(value) if type(value) is str else value,
    )
    environment.filters |= {"figure": figure, "system": names.system, "dutch": names.dutch}
    environment.globals |= {
        "keys": KEYS,
        "label_dutch": names.DUTCH,
        "label_english": names.ENGLISH,
        "label_both": names.BOTH,
    }
    return environment.get_template(template).render(**values)
