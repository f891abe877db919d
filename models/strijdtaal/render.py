"""How predictions of an article are shown: a terminal table, JSON, or one HTML page."""

from __future__ import annotations

import html
import json
import textwrap

from strijdtaal.classifier import Prediction
from strijdtaal.labels import DUTCH, KEYS, LABELS
from strijdtaal.text import clean

COLOURS = {"threat": "#b3261e", "support": "#1f5fae", "retreat": "#8a5a00", "ceasefire_call": "#17703b"}


def as_json(predictions: list[Prediction]) -> str:
    """A JSON array, one object a sentence."""
    return json.dumps([item.as_dict() for item in predictions], ensure_ascii=False, indent=1)


def as_text(predictions: list[Prediction], width: int = 100) -> str:
    """One block a sentence: number, labels in Dutch, offsets, probabilities in percent, and the sentence."""
    lines = []
    for number, item in enumerate(predictions, 1):
        figures = "  ".join(f"{key} {100 * item.probabilities[key]:3.0f}%" for key in KEYS)
        place = "" if item.start is None else f"  {item.start}-{item.end}"
        lines.append(f"{number:3d}. [{item.dutch}]{place}  {figures}")
        lines.extend(textwrap.wrap(clean(item.text), width, initial_indent="     ", subsequent_indent="     "))
    return "\n".join(lines)


_STYLE = """
body{font:17px/1.6 Georgia,serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}
h1{font-size:1.3rem} .s{padding:.1rem .15rem;border-radius:.2rem}
.s[data-labels]{border-bottom:3px solid} .tag{font:600 .7rem/1 system-ui,sans-serif;color:#fff;padding:.12rem .35rem;
border-radius:.25rem;margin-left:.25rem;white-space:nowrap;vertical-align:middle} p{margin:0 0 1rem}
table{border-collapse:collapse;font:.85rem/1.4 system-ui,sans-serif;width:100%} td,th{padding:.25rem .4rem;
border-bottom:1px solid #ddd;text-align:right;vertical-align:top} td:first-child,th:first-child{text-align:left}
.hit{font-weight:700} td:nth-child(2){white-space:nowrap}
"""


def _sentence_html(item: Prediction) -> str:
    tags = "".join(
        f'<span class="tag" style="background:{COLOURS[key]}">{html.escape(DUTCH[key])} '
        f"{100 * item.probabilities[key]:.0f}%</span>"
        for key in item.labels
    )
    mark = f' data-labels style="border-color:{COLOURS[item.labels[0]]}"' if item.labels else ""
    place = f' title="{item.start}-{item.end}" data-start="{item.start}" data-end="{item.end}"'
    return f'<span class="s"{mark}{place}>{html.escape(clean(item.text))}{tags}</span>'


def as_html(text: str, predictions: list[Prediction], title: str) -> str:
    """The article with its labelled sentences marked, and a table of all probabilities; one file."""
    paragraphs: list[list[str]] = [[]]
    before = 0
    for item in predictions:
        if item.start is not None and "\n" in text[before : item.start]:
            paragraphs.append([])
        paragraphs[-1].append(_sentence_html(item))
        before = item.end or before
    body = "\n".join(f"<p>{' '.join(parts)}</p>" for parts in paragraphs if parts)
    head = "".join(f"<th>{html.escape(label.dutch)}</th>" for label in LABELS)
    rows = "\n".join(
        f"<tr><td>{html.escape(clean(item.text))}</td><td>{item.start}-{item.end}</td>"
        + "".join(
            f'<td class="{"hit" if key in item.labels else ""}">{100 * item.probabilities[key]:.0f}%</td>'
            for key in KEYS
        )
        + "</tr>"
        for item in predictions
    )
    return (
        f'<!doctype html>\n<html lang="nl"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>{html.escape(title)}</h1>\n{body}\n"
        f"<table><thead><tr><th>zin</th><th>plaats</th>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>\n</body></html>\n"
    )
