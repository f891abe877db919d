"""What labels, systems and groups of sentences are called on pages and in plots, in English and in Dutch.

Files and code keep the keys; a name that is not known here is shown as it is.
"""

from __future__ import annotations

import re

from eval.gather import NAMES
from strijdtaal.labels import LABELS

_SHORT = {"ceasefire_call": ("ceasefire call", "oproep staakt-het-vuren")}  # for heads of columns and plots
ENGLISH = {label.key: _SHORT.get(label.key, (label.english, ""))[0] for label in LABELS}
DUTCH = {label.key: _SHORT.get(label.key, ("", label.dutch))[1] for label in LABELS}
BOTH = {key: f"{DUTCH[key]} · {ENGLISH[key]}" for key in ENGLISH}

_DUTCH = {
    # systems
    "majority (no label)": "meerderheid (geen label)",
    "keyword rule": "trefwoordregel",
    "static embeddings + logistic regression": "statische embeddings + logistische regressie",
    "TF-IDF + logistic regression": "TF-IDF + logistische regressie",
    "fine-tuned encoder": "gefinetunede encoder",
    "seed ensemble": "ensemble van seeds",
    # splits
    "validation": "validatie",
    "test": "test",
    "held_out": "buiten training",
    # decision rules
    "0.5 for all, not calibrated": "0,5 voor alle labels, niet gekalibreerd",
    "one threshold for all, not calibrated": "één drempel voor alle labels, niet gekalibreerd",
    "in use": "in gebruik",
    # dimensions and values of slices
    "length": "lengte",
    "labels": "labels",
    "keyword": "trefwoord",
    "reported": "aangehaald",
    "style": "stijl",
    "region": "regio",
    "decade": "decennium",
    "year": "jaar",
    "analysis": "analyse",
    "broadcaster": "omroep",
    "broadsheet": "kwaliteitskrant",
    "regional": "streekkrant",
    "wire": "persbureau",
    "youth": "jeugdnieuws",
    "none": "geen",
    "one": "één",
    "several": "meerdere",
    "with": "met",
    "without": "zonder",
    "plain": "niet aangehaald",
    "other": "overig",
    "unknown": "onbekend",
    "slice": "deelgroep",
    "no sentences": "geen zinnen",
    "no positives: macro-F1, precision and recall are undefined, none accuracy is what counts": (
        "geen positieven: macro-F1, precisie en recall zijn niet bepaald, het gaat om juist bij geen label"
    ),
    "no label predicted: precision is undefined": "geen label voorspeld: precisie is niet bepaald",
    "too few draws: no interval": "te weinig trekkingen: geen interval",
    "no sentences annotated none": "geen zinnen zonder label",
    # phenomena of the behavioural cases
    "all": "alle",
    "calm_vs_stop": "kalmte of stoppen",
    "capitals": "hoofdletters",
    "civilians_vs_party": "burgers of strijdende partij",
    "civilians_vs_troops_leaving": "vertrek: burgers of troepen",
    "conquest_vs_departure": "verovering of vertrek",
    "demand_vs_doing": "eisen of zelf doen",
    "ended_support": "beëindigde steun",
    "is_about_to": "staat op het punt",
    "name_invariance": "andere namen",
    "negation": "ontkenning",
    "no_keyword": "zonder trefwoord",
    "other_domain": "ander domein",
    "plan_vs_party": "steun: plan of partij",
    "quotes": "citaten",
    "refusal": "weigering",
    "several_labels": "meerdere labels",
    "spelling": "spelling",
    "syntax": "zinsbouw",
    "third_party_warning": "waarschuwing van buitenstaander",
    "truce_in_force_vs_called_for": "bestand: van kracht of gevraagd",
}
_PATTERNS = [
    (re.compile(pattern), form)
    for pattern, form in (
        (r"(\d{4})s", r"jaren \1"),
        (
            r"95% percentile bootstrap over articles, (\d+) draws",
            r"95%, percentielen van een bootstrap over artikelen, \1 trekkingen",
        ),
        (r"fewer than (\d+) articles: no interval", r"minder dan \1 artikelen: geen interval"),
    )
]


def system(name: str) -> str:
    """The English name of a system; outside systems keep their own."""
    return NAMES.get(name, name)


def dutch(name: str) -> str:
    """The Dutch name of what the project names in English; anything else stays as it is."""
    for pattern, form in _PATTERNS:
        if pattern.fullmatch(name):
            return pattern.sub(form, name)
    return _DUTCH.get(name, name)
