"""Comparing systems: what is refused, what is said, and the page."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eval.compare import compare, text, write_comparison
from eval.names import DUTCH
from eval.pages import plain
from eval.paired import Difference
from eval.predictions import Predictions, write_predictions
from eval.verdict import p_text, verdicts
from strijdtaal.errors import DataError, UsageError
from strijdtaal.labels import KEYS

ROOT = Path(__file__).resolve().parent.parent
HOSTILE = '<script>alert(1)</script>=HYPERLINK("http://x")\u202e'


@pytest.fixture
def item():
    """40 articles of 6 sentences, annotated and predicted at random, a fifth of the decisions wrong."""
    generator = np.random.default_rng(0)
    gold = (generator.random((240, len(KEYS))) < 0.3).astype(float)
    wrong = generator.random(gold.shape) < 0.2
    return Predictions(
        system="first",
        split="test",
        threshold=0.5,
        ids=[f"s{number}" for number in range(240)],
        articles=[f"a{number // 6}" for number in range(240)],
        texts=[f"Zin {number}." for number in range(240)],
        gold=gold,
        probabilities=np.where(wrong, 1 - gold, gold) * 0.8 + 0.1,
    )


@pytest.fixture
def better(item):
    """The same with half of the errors mended."""
    right = item.gold * 0.8 + 0.1
    mended = np.random.default_rng(1).random(item.gold.shape) < 0.5
    return replace(item, system="second", probabilities=np.where(mended, right, item.probabilities))


def put(folder, *items):
    paths = []
    for number, entry in enumerate(items):
        paths.append(str(folder / f"{number}.parquet"))
        write_predictions(folder / f"{number}.parquet", entry)
    return paths


def test_better_system_is_called_better_and_its_mirror_worse(item, better, tmp_path):
    one, two = put(tmp_path, item, better)
    result = compare([one, two])
    pair = result["pairs"][0]
    assert pair["verdict"].startswith("second is better than first: +")
    assert pair["verdict_nl"].startswith("second is beter dan first: +")
    mirror = compare([two, one])["pairs"][0]
    assert mirror["verdict"].startswith("first is worse than second: -")
    assert mirror["verdict_nl"].startswith("first is slechter dan second: -")
    assert pair["gained"] > 20
    assert pair["lost"] == 0
    assert "second is better than first" in text(result)


def test_a_small_difference_cannot_be_told_and_says_how_small(item, tmp_path):
    probabilities = item.probabilities.copy()
    wrong = np.argwhere((probabilities >= 0.5) != (item.gold >= 0.5))[0]
    probabilities[tuple(wrong)] = 1 - probabilities[tuple(wrong)]
    result = compare(put(tmp_path, item, replace(item, system="second", probabilities=probabilities)))
    pair = result["pairs"][0]
    assert pair["verdict"].startswith("Cannot tell whether second differs from first: +")
    assert "would be missed more often than once in five times" in pair["verdict"]
    assert pair["verdict_nl"].startswith("Niet te zeggen of second van first verschilt: +")
    assert pair["gained"] + pair["lost"] <= 1


def test_order_of_rows_does_not_matter(item, better, tmp_path):
    order = np.random.default_rng(3).permutation(len(item.ids))
    shuffled = replace(
        better,
        ids=[better.ids[number] for number in order],
        articles=[better.articles[number] for number in order],
        texts=[better.texts[number] for number in order],
        gold=better.gold[order],
        probabilities=better.probabilities[order],
    )
    one, two, three = put(tmp_path, item, better, shuffled)
    straight, mixed = compare([one, two])["pairs"][0], compare([one, three])["pairs"][0]
    assert plain(straight) == plain(mixed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": lambda item: ["new", *item.ids[1:]]}, r"1 are missing \(first: s0\)"),
        ({"texts": lambda item: ["Anders.", *item.texts[1:]]}, "the text of sentence s0 differs"),
        ({"gold": lambda item: 1 - item.gold}, "the annotation of sentence s0 differs"),
        ({"articles": lambda item: ["b", *item.articles[1:]]}, "the article of sentence s0 differs"),
    ],
)
def test_other_sentences_or_annotations_are_refused_by_name(item, tmp_path, change, message):
    other = replace(item, system="second", **{name: make(item) for name, make in change.items()})
    with pytest.raises(DataError, match=message):
        compare(put(tmp_path, item, other))


def test_one_system_too_few_articles_and_another_split_are_refused(item, tmp_path):
    (one,) = put(tmp_path, item)
    with pytest.raises(UsageError, match="at least two systems"):
        compare([one])
    few = replace(item, articles=[f"a{number % 5}" for number in range(len(item.ids))])
    with pytest.raises(DataError, match="holds 5 articles"):
        compare(put(tmp_path, few, few))
    with pytest.raises(UsageError, match="holds the split 'test', not 'validation'"):
        compare([one, one], split="validation")


def test_seeds_of_one_system_are_joined(item, better, tmp_path):
    one, two, three = put(tmp_path, item, better, item)
    result = compare([one, f"{two},{three}"])
    system = result["systems"][1]
    assert system["seeds"] == 2
    assert system["seed_sd"] > 0
    assert system["worst_seed"] == result["systems"][0]["macro_f1"]
    assert result["pairs"][0]["differences"]["macro_f1"]["seed_sd"] > 0
    assert "sd over 2 seeds" in text(result)


def test_a_run_is_compared_with_its_baseline_from_the_command_line(run_folder, run_module, tmp_path):
    out = tmp_path / "out"
    done = run_module("eval", "compare", f"{run_folder}:tfidf", run_folder, "--split", "validation", "--out", out)
    if done.returncode:  # the small corpus may leave too few articles in the split
        assert "articles; drawing articles says nothing" in done.stderr
        return
    assert "macro_f1" in done.stdout
    assert (out / "compare.html").is_file()


def test_unknown_system_of_a_run_is_refused_with_those_it_has(run_folder, run_module):
    done = run_module("eval", "compare", run_folder, f"{run_folder}:fasttext")
    assert done.returncode == 2
    assert "has no system 'fasttext'" in done.stderr
    assert "tfidf" in done.stderr


@pytest.mark.slow
def test_page_is_one_harmless_file(item, better, tmp_path):
    bad = [replace(entry, system=entry.system + HOSTILE, texts=[HOSTILE] * 240) for entry in (item, better)]
    write_comparison(compare(put(tmp_path, *bad)), tmp_path / "out")
    page = (tmp_path / "out" / "compare.html").read_text("utf-8")
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "http-equiv" not in page
    assert "src=" not in page
    write_comparison(compare(put(tmp_path, item, better)), tmp_path / "out")  # an older comparison gives way


def test_the_page_draws_each_pair_and_all_systems_once(item, better, tmp_path):
    write_comparison(compare(put(tmp_path, item, better, replace(item, system="third"))), tmp_path / "out")
    page = (tmp_path / "out" / "compare.html").read_text("utf-8")
    assert page.count("<svg ") == 2 * 2 + 2
    for key in KEYS:
        assert page.count(f">{DUTCH[key]}<") > 2
    assert page.count('class="nl" lang="nl"') > 50


def test_p_values_are_never_a_bare_zero():
    assert p_text(0.0004) == "p < 0.001"
    assert p_text(0.25) == "p = 0.250"
    nothing = float("nan")
    undefined = Difference("macro_f1", *[nothing] * 9)
    english, dutch = verdicts("a", "b", undefined, nothing, 20)
    assert english.startswith("n/a: macro-F1 is undefined")
    assert dutch.startswith("n/a: macro-F1 is op deze zinnen niet bepaald")


def test_a_borderline_case_is_called_one_in_both_languages():
    found = Difference("macro_f1", 0.5, 0.55, 0.05, 0.001, 0.1, 0.08, 0.06, float("nan"), 0.03)
    english, dutch = verdicts("a", "b", found, 0.08, 20)
    assert english.endswith("a borderline case.")
    assert dutch.endswith("een grensgeval.")
    assert verdicts("a", "b", found, 0.01, 20)[1] == (
        "b is beter dan a: +5.0 punten macro-F1 (95%-interval +0.1 tot +10.0, p = 0.010)."
    )


def test_decisions_that_only_one_has_right_are_counted_by_label_and_by_sentence(item, better, tmp_path):
    pair = compare(put(tmp_path, item, better))["pairs"][0]
    gold = item.gold >= 0.5
    one, two = (item.decided >= 1) == gold, (better.decided >= 1) == gold
    found = pair["only_one_right"]
    for column, key in enumerate(KEYS):
        assert found[key] == {
            "lost": int((one & ~two)[:, column].sum()),
            "gained": int((~one & two)[:, column].sum()),
        }
    assert found["threat"]["gained"] > 5
    assert found["sentence"] == {"lost": pair["lost"], "gained": pair["gained"]}
    assert all(0 <= row["shift"] <= 1 for row in pair["flips"])
    assert pair["flips"][0]["shift"] == pytest.approx(0.8)  # 0.1 became 0.9, or the other way round


def test_curves_of_each_system_are_those_of_scikit_learn(item, better, tmp_path):
    from sklearn.metrics import average_precision_score, precision_score, recall_score

    systems = compare(put(tmp_path, item, better))["systems"]
    assert [system["name"] for system in systems] == ["first", "second"]
    for system, entry in zip(systems, (item, better), strict=True):
        for column, key in enumerate(KEYS):
            gold, decided = entry.gold[:, column], entry.decided[:, column]
            found = system["labels"][key]
            average = average_precision_score(gold, entry.probabilities[:, column])
            assert found["average_precision"] == pytest.approx(average)
            assert found["used"] == pytest.approx([recall_score(gold, decided), precision_score(gold, decided)])
            assert found["brier"] == pytest.approx(((entry.probabilities[:, column] - gold) ** 2).mean())
            assert sum(point["count"] for point in found["bins"]) == 240
            assert found["points"][0][0] == 1.0  # everything is found at the lowest threshold


def test_a_label_that_does_not_occur_has_no_curve_and_the_page_is_made(item, better, tmp_path):
    items = []
    for entry in (item, better):
        gold = entry.gold.copy()
        gold[:, 2] = 0
        items.append(replace(entry, gold=gold))
    result = compare(put(tmp_path, *items))
    found = result["systems"][0]["labels"]["retreat"]
    assert (found["points"], found["used"]) == ([], None)
    assert np.isnan(found["average_precision"])
    write_comparison(result, tmp_path / "out")
    assert "does not occur" in (tmp_path / "out" / "compare.html").read_text("utf-8")


@pytest.mark.slow
def test_the_example_of_an_outside_system_joins_report_and_comparison(run_folder, run_module, tmp_path):
    text = (ROOT / "eval" / "README.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    source, target = run_folder / "predictions" / "encoder-test.parquet", tmp_path / "questions.parquet"
    command = [sys.executable, "-c", code, str(source), str(target)]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    done = run_module("eval", "report", source, "--with", target, "--out", tmp_path / "report")
    assert done.returncode == 0, done.stderr
    assert "questions" in done.stdout
