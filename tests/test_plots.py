"""The plots show the values they are given, stand alone in a page, and say n/a where nothing is known."""

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from eval import plots
from eval import svg as svg_of
from eval.names import BOTH, DUTCH, ENGLISH
from eval.svg import figures, one_line, thin
from strijdtaal.labels import KEYS
from tests.drawings import bins, markers, stands_alone, texts, vertices

ROOT = Path(__file__).resolve().parent.parent
NAN = math.nan
THRESHOLDS = np.array([0.4, 0.5, 0.35, 0.6])


def scored(sentences=3000, seed=0):
    generator = np.random.default_rng(seed)
    gold = (generator.random((sentences, len(KEYS))) < [0.2, 0.1, 0.08, 0.05]).astype(float)
    logits = np.where(gold > 0, 1.5, -2.5) + generator.normal(0, 1.6, gold.shape)
    return 1 / (1 + np.exp(-logits)), gold


def slices(*rows):
    return [dict(zip(("dimension", "value", "sentences", "macro_f1", "low", "high"), row, strict=True)) for row in rows]


def cases(*rows):
    names = ("phenomenon", "cases", "exact", "exact_low", "exact_high", "pair_exact")
    return [dict(zip(names, row, strict=True)) for row in rows]


def epochs(number, **more):
    return [{"epoch": n, "loss": 0.5 / n, "macro_f1": 0.8 - 0.1 * abs(n - 3), **more} for n in range(1, number + 1)]


SLICES = slices(*((f"dimension {n % 6}", f"value {n}", 1000 + n, 0.7, 0.6, 0.8) for n in range(40)))
CASES = cases(*((f"phenomenon {n}", 30, 0.8, 0.7, 0.9, n / 40) for n in range(40)))
COVERAGE = np.linspace(0.001, 1, 5000)
CURVES = {name: {"coverage": COVERAGE.tolist(), "risk": (top * COVERAGE**2).tolist()} for name, top in
          (("encoder", 0.1), ("tfidf", 0.2), ("keywords", 0.3))}  # fmt: skip
CALIBRATION = {key: bins(0.1) for key in KEYS}, {key: bins(0.01) for key in KEYS}
FULL = {
    "pr_curves": (*scored(), THRESHOLDS),
    "reliability_plot": CALIBRATION,
    "threshold_sweep": (*scored(), THRESHOLDS),
    "slice_plot": (SLICES,),
    "risk_plot": (CURVES,),
    "behaviour_plot": (CASES,),
    "training_curve": (epochs(8, train_loss=0.2, **{f"f1_{key}": 0.5 for key in KEYS}),),
}
NONE = np.zeros((0, len(KEYS)))
UNKNOWN = np.full((5, len(KEYS)), NAN)
UNKNOWN_BIN = {"predicted": NAN, "observed": None, "count": 0, "low": NAN, "high": NAN}
NO_POINTS = {"coverage": [], "risk": []}
UNDEFINED = [
    ("pr_curves", (NONE, NONE, THRESHOLDS)),
    ("pr_curves", (np.full((5, 4), 0.3), np.zeros((5, 4)), THRESHOLDS)),
    ("pr_curves", (UNKNOWN, np.ones((5, 4)), np.full(4, NAN))),
    ("reliability_plot", ({}, None)),
    ("reliability_plot", ({key: [] for key in KEYS}, {})),
    ("reliability_plot", ({key: [UNKNOWN_BIN] for key in KEYS},)),
    ("threshold_sweep", (NONE, NONE, THRESHOLDS)),
    ("threshold_sweep", (np.full((5, 4), 0.3), np.zeros((5, 4)), THRESHOLDS)),
    ("threshold_sweep", (UNKNOWN, np.ones((5, 4)), np.full(4, NAN))),
    ("slice_plot", ([],)),
    ("slice_plot", (slices(("source", "x", None, NAN, NAN, None)),)),
    ("risk_plot", ({},)),
    ("risk_plot", ({"_empty": NO_POINTS, "unknown": {"coverage": [1.0, NAN], "risk": [NAN, 0.1]}},)),
    ("behaviour_plot", ([],)),
    ("behaviour_plot", (cases(("irony", None, NAN, None, None, None)),)),
    ("training_curve", ([],)),
    ("training_curve", ([{"epoch": 1, "loss": NAN, "macro_f1": None}],)),
]  # fmt: skip


@pytest.mark.parametrize("name", FULL)
def test_each_stands_alone_in_a_page(name):
    svg = getattr(plots, name)(*FULL[name])
    assert svg == getattr(plots, name)(*FULL[name])
    stands_alone(svg)


def test_no_id_is_used_twice_on_a_page():
    drawn = [getattr(plots, name)(*given) for name, given in FULL.items()]
    drawn += [plots.pr_curves(*scored(seed=1), THRESHOLDS), plots.training_curve(epochs(5))]
    ids = [found for svg in drawn for found in re.findall(r'\bid="([^"]+)"', svg)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("name", "given"), UNDEFINED)
def test_what_is_undefined_is_said_to_be(name, given):
    svg = getattr(plots, name)(*given)
    assert any("n/a" in text for text in texts(svg))
    assert not re.search(r"\b(nan|inf)\b", svg, re.I)


def test_importing_loads_no_matplotlib_and_drawing_changes_no_setting():
    code = "import sys, eval.plots; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={"PYTHONPATH": "models:."}, capture_output=True)
    assert done.stdout.decode().strip() == "False", done.stderr.decode()
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plots.training_curve(epochs(2))
    assert dict(mpl.rcParams) == before


def test_precision_and_recall_of_a_case_worked_by_hand():
    probabilities, gold = np.full((4, 4), 0.1), np.zeros((4, 4))
    probabilities[:, 0], gold[:, 0] = [0.9, 0.8, 0.7, 0.1], [1, 0, 1, 0]
    svg = plots.pr_curves(probabilities, gold, np.full(4, 0.75))
    assert f"{BOTH['threat']} 0.83" in texts(svg)  # 1/2 * 1 + 1/2 * 2/3
    assert [f"{BOTH[key]} n/a" in texts(svg) for key in KEYS[1:]] == [True] * 3
    assert markers(svg, svg_of.COLORS["threat"]) == pytest.approx(np.array([[0.5, 0.5]]), abs=0.002)
    assert "n/a: no label has positives" not in texts(svg)
    without = plots.pr_curves(probabilities, gold, np.full(4, 0.95))  # nothing is predicted: precision undefined
    assert len(markers(without, svg_of.COLORS["threat"])) == 0


def test_the_sweep_is_the_f1_of_scikit_learn():
    probabilities, gold = scored(400)
    svg = plots.threshold_sweep(probabilities, gold, THRESHOLDS)
    expected = [f1_score(gold, probabilities >= value, average="macro") for value in plots.SWEEP]
    assert vertices(svg, svg_of.INK) == pytest.approx(np.column_stack([plots.SWEEP, expected]), abs=0.002)
    each = f1_score(gold, probabilities >= THRESHOLDS, average=None)
    for key, threshold, value in zip(KEYS, THRESHOLDS, each, strict=True):
        assert f"{BOTH[key]} {value:.2f}" in texts(svg)
        assert markers(svg, svg_of.COLORS[key]) == pytest.approx(np.array([[threshold, value]]), abs=0.003)
    assert f"macro-F1 {each.mean():.2f}" in texts(svg)
    assert len(markers(svg, svg_of.INK)) == 0  # the thresholds differ: no one place on the curve
    shared = plots.threshold_sweep(probabilities, gold, np.full(4, 0.5))
    assert markers(shared, svg_of.INK) == pytest.approx(np.array([[0.5, expected[48]]]), abs=0.003)


def test_a_label_without_positives_has_no_curve_in_the_sweep():
    probabilities, gold = scored(400)
    gold[:, 2] = 0
    svg = plots.threshold_sweep(probabilities, gold, THRESHOLDS)
    assert f"{BOTH['retreat']} n/a" in texts(svg)
    assert len(vertices(svg, svg_of.COLORS["retreat"])) < 10  # the legend's line only
    assert len(vertices(svg, svg_of.COLORS["support"])) > 50


def test_reliability_before_is_grey_and_empty_bins_are_left_out():
    held = {"predicted": 0.25, "observed": 0.5, "count": 8, "low": 0.3, "high": 0.7}
    empty = {"predicted": 0.75, "observed": 0.1, "count": 0, "low": NAN, "high": NAN}
    before = {key: [held, empty] for key in KEYS}
    alone = plots.reliability_plot(before)
    assert markers(alone, svg_of.GREY) == pytest.approx(np.array([[0.25, 0.5]]), abs=0.003)
    assert svg_of.COLORS["threat"].lower() not in alone
    assert "calibration" not in alone  # nothing was calibrated, so there is no before and after
    both = plots.reliability_plot(before, {key: [{**held, "observed": 0.3}] for key in KEYS})
    assert markers(both, svg_of.COLORS["threat"]) == pytest.approx(np.array([[0.25, 0.3]]), abs=0.003)
    assert markers(both, svg_of.GREY) == pytest.approx(np.array([[0.25, 0.5]]), abs=0.003)
    assert {"before calibration", "na kalibratie"} <= set(texts(both))


def test_slices_are_grouped_with_their_support_and_strange_names_are_text():
    rows = slices(
        ("source", "<b>a & $b$</b>", 2400, 0.8, 0.7, 0.9),
        ("length", "1–8\x00 words", 12, NAN, NAN, NAN),
        ("source", "نص 🙂", 7, 0.5, None, None),
    )
    svg = plots.slice_plot(rows)
    found = texts(svg)
    order = ["source", "<b>a & $b$</b>", "نص 🙂", "length", "1–8 words"]
    assert [text for text in found if text in order] == order
    assert {"2,400", "12", "7"} <= set(found)
    assert found.count("n/a") == 1
    assert markers(svg, svg_of.BLUE)[:, 0] == pytest.approx([0.8, 0.5], abs=0.003)


def test_behaviour_has_the_weakest_pairs_at_the_top():
    rows = cases(
        ("good", 30, 0.9, 0.8, 1.0, 0.8), ("unknown", 5, 0.6, 0.1, 0.9, None), ("weak", 40, 0.7, 0.6, 0.8, 0.2)
    )
    svg = plots.behaviour_plot(rows)
    assert [text for text in texts(svg) if text in ("good", "unknown", "weak")] == ["weak", "good", "unknown"]
    places = markers(svg, svg_of.BLUE)
    assert places[:, 0] == pytest.approx([0.7, 0.9, 0.6], abs=0.003)
    assert list(places[:, 1]) == sorted(places[:, 1], reverse=True)
    assert len(markers(svg, "#ffffff")) == 2  # hollow: the pairs that are known


def test_risk_curves_are_thinned_and_the_tolerated_risk_is_named():
    svg = plots.risk_plot(CURVES)
    points = vertices(svg, svg_of.SYSTEMS[1][0])
    assert 20 < len(points) <= 200
    top = 0.3 * 1.05
    assert points[:, 1] * top == pytest.approx(0.2 * points[:, 0] ** 2, abs=0.002)
    assert "5% risk" in texts(svg)
    one = plots.risk_plot({"_rule": {"coverage": [0.5], "risk": [0.03]}})
    assert markers(one, svg_of.INK) == pytest.approx(np.array([[0.5, 0.5]]), abs=0.003)
    assert any("_rule" in text for text in texts(one))


def test_training_names_the_chosen_epoch():
    svg = plots.training_curve(epochs(6))
    assert "ring: chosen epoch 3, macro-F1 0.800" in texts(svg)  # the best, where nobody says which was kept
    assert "ring: gekozen epoch 3, macro-F1 0.800" in texts(svg)
    assert "training" not in texts(svg)
    assert len(markers(svg, "#ffffff")) == 1  # in each panel; the helper looks at the first
    assert "ring: chosen epoch 5, macro-F1 0.600" in texts(plots.training_curve(epochs(6), 5.0))
    more = plots.training_curve([*epochs(2, train_loss=0.3), {"epoch": 3, "loss": None, "macro_f1": NAN}])
    assert {"training", "validation; macro-F1", "ring: chosen epoch 2, macro-F1 0.700"} <= set(texts(more))


def test_training_shows_both_losses_and_the_score_of_each_label_that_is_known():
    svg = plots.training_curve(epochs(5, train_loss=0.4, f1_threat=0.7))
    assert {ENGLISH["threat"], DUTCH["threat"]} <= set(texts(svg))
    assert ENGLISH["support"] not in texts(svg)
    heights = markers(svg, svg_of.INK)[:, 1]  # validation loss: falls from epoch to epoch
    assert list(heights) == sorted(heights, reverse=True)
    assert len(heights) == 5


def test_thinning_keeps_both_ends_and_drops_what_is_not_finite():
    points = np.column_stack([np.arange(1000.0), np.arange(1000.0)])
    points[500] = NAN
    kept = thin(points, 50)
    assert len(kept) == 50
    assert (kept[0, 0], kept[-1, 0]) == (0, 999)
    assert np.isfinite(kept).all()
    assert thin(points[:3]).tolist() == points[:3].tolist()
    assert len(thin(np.full((4, 2), NAN))) == 0


def test_text_of_data_is_one_short_line():
    assert one_line("a\n b\tc") == "a b c"
    assert one_line("x" * 50) == "x" * 25 + "…"
    assert (figures(None), figures(math.inf), figures(0.456)) == ("n/a", "n/a", "0.46")
