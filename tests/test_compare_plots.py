"""The plots of a comparison, and texts in two languages in all plots."""

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from eval import compare_plots, panels, plots
from eval import svg as svg_of
from eval.names import BOTH, DUTCH, ENGLISH, dutch
from strijdtaal.labels import KEYS
from tests.drawings import SVG, bins, coordinates, markers, stands_alone, texts, vertices

NAN = math.nan
PRECISION_RECALL = [[1.0, 0.1], [0.8, 0.6], [0.5, 0.9], [0.0, 1.0]]


def compared(*names):
    label = {"points": PRECISION_RECALL, "used": [0.8, 0.6], "bins": bins(0.05)}
    return [{"name": name, "labels": dict.fromkeys(KEYS, label)} for name in names]


def differences(**rows):
    names = ("difference", "low", "high", "smallest")
    return {metric: dict(zip(names, row, strict=True)) for metric, row in rows.items()}


DIFFERENCES = differences(
    macro_f1=(0.03, 0.01, 0.05, 0.02),
    micro_f1=(0.01, -0.01, 0.03, 0.02),
    exact_match=(-0.02, -0.03, -0.01, 0.01),
    **dict.fromkeys(KEYS, (0.02, -0.02, 0.06, 0.05)),
)
ONLY = {name: {"lost": 30 + place, "gained": 40 + place} for place, name in enumerate(("sentence", *KEYS))}
DRAWN = {name: getattr(panels, name) for name in ("pr_of_systems", "reliability_of_systems")}
DRAWN |= {name: getattr(compare_plots, name) for name in ("difference_plot", "flips_plot")}
FULL = {
    "pr_of_systems": (compared("one", "two", "three", "four"),),
    "reliability_of_systems": (compared("one", "two"),),
    "difference_plot": (DIFFERENCES, "one", "two"),
    "flips_plot": (ONLY, "one", "two"),
}
EMPTY = {"points": [], "used": None, "bins": []}
UNDEFINED = [
    ("pr_of_systems", ([],)),
    ("pr_of_systems", ([{"name": "one", "labels": dict.fromkeys(KEYS, EMPTY)}],)),
    ("reliability_of_systems", ([{"name": "one", "labels": dict.fromkeys(KEYS, EMPTY)}],)),
    ("difference_plot", (differences(macro_f1=(NAN, None, NAN, None)), "one", "two")),
    ("flips_plot", ({"sentence": {"lost": 0, "gained": 0}}, "one", "two")),
]


@pytest.mark.parametrize("name", FULL)
def test_each_stands_alone_in_a_page(name):
    svg = DRAWN[name](*FULL[name])
    assert svg == DRAWN[name](*FULL[name])
    stands_alone(svg)


@pytest.mark.parametrize(("name", "given"), UNDEFINED)
def test_what_is_undefined_is_said_to_be(name, given):
    svg = DRAWN[name](*given)
    assert any("n/a" in text for text in texts(svg))
    assert not re.search(r"\b(nan|inf)\b", svg, re.I)


def test_texts_stand_there_in_both_languages_and_only_the_english_ones_show():
    svg = plots.threshold_sweep(*np.random.default_rng(0).random((2, 300, 4)).round(1), np.full(4, 0.5))
    elements = list(ElementTree.fromstring(svg).iter(f"{SVG}text"))
    pairs = [(one, other) for one, other in pairwise(elements) if one.get("class") == "en"]
    assert ("threshold", "drempel") in [(one.text, other.text) for one, other in pairs]
    for one, other in pairs:
        assert (other.get("class"), other.get("lang"), other.get("display")) == ("nl", "nl", "none")
        assert {name: one.get(name) for name in ("x", "y", "transform")} == {
            name: other.get(name) for name in ("x", "y", "transform")
        }
    assert {element.get("display") for element in elements if element.get("class") != "nl"} == {None}
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label").startswith("F1 against the threshold")
    assert root.get("data-nl").startswith("F1 tegen de drempel")


def test_a_text_of_the_data_is_not_taken_for_one_of_ours():
    drawn = compare_plots.flips_plot(ONLY, "<b>&", "drempel")
    assert "only <b>& right" in texts(drawn)
    assert "alleen drempel goed" in texts(drawn)
    with pytest.raises(LookupError):
        svg_of.say("outside", "buiten")  # no drawing that it could belong to


def test_differences_stand_where_they_are_with_the_band_of_what_cannot_be_seen():
    svg = compare_plots.difference_plot(DIFFERENCES, "reference", "challenger")
    assert {"← reference", "challenger →", "macro-F1", "exact match", "precies goed"} <= set(texts(svg))
    root = ElementTree.fromstring(svg)
    assert "exact match -2.0; " in root.get("aria-label")
    assert f"precies goed -2.0; {DUTCH['threat']} +2.0; " in root.get("data-nl")
    reach = 6 * 1.08  # the largest bound, and room
    clear = markers(svg, svg_of.BLUE)  # the intervals without 0
    assert clear[:, 0] * 2 * reach - reach == pytest.approx([3, -2], abs=0.05)
    unclear = markers(svg, svg_of.INK)
    assert unclear[:, 0] * 2 * reach - reach == pytest.approx([1, 2, 2, 2, 2], abs=0.05)
    bands = [
        coordinates(path.get("d"))[:, 0]
        for path in ElementTree.fromstring(svg).iter(f"{SVG}path")
        if f"fill: {compare_plots.BAND}" in path.get("style", "")
    ]
    widths = [np.ptp(band) for band in bands if len(band) >= 4]
    assert len(widths) == len(DIFFERENCES) + 1  # and the legend's
    assert max(widths) / min(sorted(widths)[1:]) == pytest.approx(5, abs=0.2)  # 0.05 and 0.01


def test_bars_count_what_only_one_has_right():
    counts = {"sentence": {"lost": 1234, "gained": 7}, "threat": {"lost": 0, "gained": 3}}
    found = texts(compare_plots.flips_plot(counts, "one", "two"))
    assert {"1,234", "7", "0", "3", "whole sentence", "hele zin", DUTCH["threat"], ENGLISH["threat"]} <= set(found)
    assert ENGLISH["support"] not in found


def test_panels_have_a_curve_a_system_and_a_dot_at_its_threshold():
    drawn = panels.pr_of_systems(compared("one", "two"))
    assert vertices(drawn, svg_of.SYSTEMS[0][0]) == pytest.approx(np.array(PRECISION_RECALL), abs=0.01)
    for color in (svg_of.SYSTEMS[0][0], svg_of.SYSTEMS[1][0]):
        assert markers(drawn, color) == pytest.approx(np.array([[0.8, 0.6]]), abs=0.01)
    assert all(name in texts(drawn) for key in KEYS for name in (DUTCH[key], ENGLISH[key]))
    two, three = (panels.reliability_of_systems(compared(*names)) for names in (("a", "b"), ("a", "b", "c")))
    assert two.count("M ") > three.count("M ") + 100  # the intervals of more than two systems would hide each other


def test_what_the_project_names_has_a_dutch_name_and_the_rest_its_own():
    assert dutch("keyword rule") == "trefwoordregel"
    assert dutch("1990s") == "jaren 1990"
    assert dutch("fewer than 10 articles: no interval") == "minder dan 10 artikelen: geen interval"
    assert dutch("Nederland") == "Nederland"
    assert BOTH["threat"] == "dreiging · threat"
