"""The behavioural suite: reading its cases, and scores by case and by pair worked by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from eval.behaviour import FEWEST_PAIRS, Case, behaviour_scores, failures, read_cases
from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS, to_vector

SUITE = Path(__file__).resolve().parent.parent / "seeds" / "behaviour.jsonl"
LINE = {"id": "b1", "phenomenon": "negation", "pair": "n-1", "text": "Zij gaan niet.", "labels": []}


def write(path, *changes):
    lines = [json.dumps(LINE | change) if isinstance(change, dict) else change for change in changes]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def right_for(cases):
    return np.array([to_vector(case.labels) for case in cases]).astype(int)


def many(pairs, name="negation", sizes=(2,)):
    return [
        Case(f"{name}-{pair}-{number}", name, f"{name}-{pair}", "Zij gaan.", ("retreat",) if number == 0 else ())
        for pair in range(pairs)
        for number in range(sizes[pair % len(sizes)])
    ]


def test_the_suite_of_the_project_is_read_whole():
    cases = read_cases(SUITE)
    lines = [json.loads(line) for line in SUITE.read_text("utf-8").splitlines()]
    assert len(lines) >= 500
    assert [(c.id, c.phenomenon, c.pair, c.text) for c in cases] == [
        tuple(line[key] for key in ("id", "phenomenon", "pair", "text")) for line in lines
    ]
    assert [set(case.labels) for case in cases] == [set(line["labels"]) for line in lines]
    rows = behaviour_scores(cases, right_for(cases), draws=50)
    assert [row["phenomenon"] for row in rows] == [*dict.fromkeys(line["phenomenon"] for line in lines), "all"]
    assert (rows[-1]["cases"], rows[-1]["pairs"]) == (len(lines), len({line["pair"] for line in lines}))
    assert all((row["exact"], row["pair_exact"], row["pair_low"], row["pair_high"]) == (1, 1, 1, 1) for row in rows)
    assert failures(cases, right_for(cases)) == []


def test_labels_come_in_the_order_of_the_label_set(tmp_path):
    (case,) = read_cases(write(tmp_path / "c.jsonl", {"labels": ["ceasefire_call", "threat"]}, "", "  "))
    assert case == Case("b1", "negation", "n-1", "Zij gaan niet.", ("threat", "ceasefire_call"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "b1"}, "id 'b1' was used before, at line 1"),
        ({"id": "b2", "labels": ["treat"]}, "unknown label 'treat'. Did you mean 'threat'"),
        ({"id": "b2", "labels": ["threat", "threat"]}, "stands twice"),
        ({"id": "b2", "labels": "threat"}, "must be a list"),
        ({"id": "b2", "labels": [["threat"]]}, "unknown label"),
        ({"id": "b2", "text": " \u200b"}, "field 'text' must be text"),
        ({"id": 2}, "field 'id' must be text, found 2"),
        ({"id": "b2", "text": "half \ud800"}, "surrogate"),
        ({"id": "b2", "pairs": "n"}, "unknown field 'pairs'. Did you mean 'pair'"),
        ({"id": "b2", "phenomenon": "quotes"}, "pair 'n-1' stands under 'negation' too"),
        ({"id": "b2", "phenomenon": "all", "pair": "n-2"}, "choose another"),
        ('{"id": "b2", "phenomenon": "negation", "pair": "n-1", "text": "Zij."}', "field 'labels' is missing"),
        ('{"id": "b2", "id": "b3"}', "a field stands twice"),
        ('{"id": "b2"', "not valid JSON"),
        ("[" * 100_000, "nested too deep"),
        ("[]", "not a JSON object"),
    ],
)
def test_faults_are_named_with_file_and_line(tmp_path, change, message):
    path = write(tmp_path / "c.jsonl", {}, change)
    with pytest.raises(DataError) as raised:
        read_cases(path)
    assert str(raised.value).startswith("1 fault in the cases")
    assert f"{path}, line 2: " in str(raised.value)
    assert message in str(raised.value)


def test_all_faults_are_counted_and_twenty_shown(tmp_path):
    path = write(tmp_path / "c.jsonl", *[{"id": f"b{number}", "labels": ["x"]} for number in range(23)])
    with pytest.raises(DataError, match=r"(?s)^23 faults in the cases.*\n  and 3 more$") as raised:
        read_cases(path)
    assert str(raised.value).count("line ") == 20


def test_files_that_hold_nothing_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"Cannot read .*none\.jsonl"):
        read_cases(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="no cases"):
        read_cases(write(tmp_path / "c.jsonl", "", " "))
    (tmp_path / "l.jsonl").write_bytes(b'{"id": "\xe9"}')
    with pytest.raises(DataError, match=r"line 1: not UTF-8 \(place 8"):
        read_cases(tmp_path / "l.jsonl")


def test_scores_on_a_case_worked_by_hand():
    cases = [
        Case("1", "negation", "n-1", "a", ("threat",)),
        Case("2", "quotes", "q-1", "b", ()),
        Case("3", "negation", "n-1", "c", ()),
        Case("4", "negation", "n-2", "d", ("threat", "support")),
        Case("5", "negation", "n-2", "e", ()),
        Case("6", "negation", "n-2", "f", ()),
    ]
    decided = right_for(cases)
    decided[1, 3] = 1  # case 2: a label too many
    decided[3, 1] = 0  # case 4: a label too few
    rows = behaviour_scores(cases, decided)
    assert [(r["phenomenon"], r["cases"], r["pairs"]) for r in rows] == [
        ("negation", 5, 2),
        ("quotes", 1, 1),
        ("all", 6, 3),
    ]
    assert [r["exact"] for r in rows] == pytest.approx([4 / 5, 0, 4 / 6])
    assert [r["pair_exact"] for r in rows] == pytest.approx([1 / 2, 0, 1 / 3])
    bounds = ("exact_low", "exact_high", "pair_low", "pair_high")
    assert all(math.isnan(row[key]) for row in rows for key in bounds)  # too few pairs to draw from
    wrong = failures(cases, decided)
    assert wrong == [
        {"id": "2", "phenomenon": "quotes", "pair": "q-1", "text": "b", "gold": [], "said": ["ceasefire_call"]},
        {
            "id": "4",
            "phenomenon": "negation",
            "pair": "n-2",
            "text": "d",
            "gold": ["threat", "support"],
            "said": ["threat"],
        },
    ]
    assert failures(cases, decided, limit=1) == wrong[:1]
    assert failures(cases, decided, limit=0) == []


def test_going_by_the_words_gets_half_of_the_cases_and_no_pair():
    cases = many(FEWEST_PAIRS)
    decided = np.tile(to_vector(["retreat"]), (len(cases), 1)).astype(int)
    row = behaviour_scores(cases, decided)[0]
    assert (row["exact"], row["pair_exact"]) == (0.5, 0.0)
    assert (row["pair_low"], row["pair_high"]) == (0.0, 0.0)
    assert math.isnan(behaviour_scores(cases[:-2], decided[:-2])[0]["pair_low"])


def test_intervals_equal_a_plain_loop_over_the_drawn_pairs():
    cases = many(12, sizes=(2, 3))
    generator = np.random.default_rng(1)
    decided = right_for(cases)
    decided[:, 0] |= generator.random(len(cases)) < 0.3
    right = {case.id: not wrong for case, wrong in zip(cases, decided[:, 0], strict=True)}
    pairs = [[right[case.id] for case in cases if case.pair == f"negation-{pair}"] for pair in range(12)]
    exact, whole = [], []
    for times in np.random.default_rng(9).multinomial(12, [1 / 12] * 12, size=80):
        drawn = [pair for pair, count in zip(pairs, times, strict=True) for _ in range(count)]
        exact.append(sum(map(sum, drawn)) / sum(map(len, drawn)))
        whole.append(sum(map(all, drawn)) / 12)
    for row in behaviour_scores(cases, decided, draws=80, seed=9):
        assert (row["exact_low"], row["exact_high"]) == pytest.approx(tuple(np.percentile(exact, [2.5, 97.5])))
        assert (row["pair_low"], row["pair_high"]) == pytest.approx(tuple(np.percentile(whole, [2.5, 97.5])))
        assert row["pair_low"] < row["pair_exact"] < row["pair_high"]


def test_the_order_of_the_cases_does_not_matter_to_the_scores():
    cases = many(15) + many(11, "quotes", sizes=(3, 2))
    decided = right_for(cases)
    decided[::5, 1] = 1
    order = np.random.default_rng(2).permutation(len(cases))
    rows = behaviour_scores(cases, decided, draws=20)
    shuffled = behaviour_scores([cases[place] for place in order], decided[order], draws=20)
    points = ("phenomenon", "cases", "pairs", "exact", "pair_exact")
    assert sorted([tuple(r[key] for key in points) for r in rows]) == sorted(
        [tuple(r[key] for key in points) for r in shuffled]
    )
    assert rows == behaviour_scores(cases, decided, draws=20)
    assert rows != behaviour_scores(cases, decided, draws=20, seed=1)


def test_decisions_that_do_not_fit_are_refused():
    cases = many(2)
    decided = right_for(cases)
    for function in (behaviour_scores, failures):
        with pytest.raises(DataError, match=rf"shape \(3, {len(KEYS)}\) for 4 cases"):
            function(cases, decided[1:])
        with pytest.raises(DataError, match="0 or 1"):
            function(cases, decided * 0.5)
        with pytest.raises(DataError, match="No cases"):
            function([], decided[:0])
