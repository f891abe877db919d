"""Adjudication: what settles a difference and what does not, on fixed answers and on synthetic annotators."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strijdtaal.errors import UsageError
from strijdtaal.labels import KEYS
from training.intake.adjudicate import Item, adjudicate, check_method, tally
from training.intake.crowd import estimate

ROOT = Path(__file__).resolve().parent.parent
FIXED = ("unanimous", "majority", "soft")


def item(*answers, gold=None, name="z1"):
    return Item(name, {f"p{number}": tuple(labels) for number, labels in enumerate(answers)}, gold)


def decide(method, *answers, gold=None):
    return adjudicate([item(*answers, gold=gold)], method)[0]


@pytest.mark.parametrize("method", FIXED)
def test_answers_that_are_alike_settle_a_sentence(method):
    for answers in ([["threat", "support"]] * 3, [[], []]):
        decision = decide(method, *answers)
        assert (decision.labels, decision.reason, decision.kind) == (tuple(answers[0]), "", "alike")


@pytest.mark.parametrize("method", FIXED)
def test_a_single_answer_is_taken_and_counted(method):
    decision = decide(method, ["retreat"])
    assert (decision.labels, decision.kind) == (("retreat",), "single")


@pytest.mark.parametrize("method", FIXED)
def test_no_answer_is_not_no_label(method):
    decision = decide(method)
    assert (decision.labels, decision.soft, decision.reason, decision.kind) == (None, None, "no answer", "unanswered")


def test_unanimous_settles_no_difference():
    decision = decide("unanimous", ["threat", "support"], ["threat"], ["threat"])
    assert (decision.labels, decision.tied) == (None, ("support",))
    assert decision.reason == "not unanimous: 1 of 3 for support"


def test_majority_goes_label_by_label():
    decision = decide("majority", ["threat", "support"], ["threat"], ["threat", "support", "retreat"])
    assert decision.labels == ("threat", "support")
    assert decision.reason == "majority 2 of 3 for support; majority 2 of 3 against retreat"
    assert (decision.tied, decision.soft, decision.kind) == ((), None, "settled")


@pytest.mark.parametrize("method", ["majority", "soft"])
def test_exactly_half_settles_nothing(method):
    decision = decide(method, ["threat", "support"], ["threat"])
    assert (decision.labels, decision.tied, decision.kind) == (None, ("support",), "unsettled")
    assert decision.reason == "tie 1 of 2 for support"
    decision = decide(method, ["threat"], ["support"], ["threat"], [])
    assert (decision.labels, decision.tied) == (None, ("threat",))
    assert decision.reason == "tie 2 of 4 for threat; majority 3 of 4 against support"


def test_soft_keeps_the_shares():
    decision = decide("soft", ["threat"], ["threat", "retreat"], ["threat"])
    assert decision.labels == ("threat",)
    assert decision.soft == {"threat": 1.0, "support": 0.0, "retreat": pytest.approx(1 / 3), "ceasefire_call": 0.0}
    assert decide("soft", ["threat"], []).soft["threat"] == 0.5


def test_labels_come_in_the_order_of_the_label_set():
    assert decide("unanimous", ["retreat", "threat"], ["threat", "retreat"]).labels == ("threat", "retreat")


@pytest.mark.parametrize("method", [*FIXED, "adjudicator:p0"])
def test_what_the_file_decides_wins(method):
    decision = decide(method, ["threat"], ["support"], gold=("retreat", "support"))
    assert (decision.labels, decision.tied, decision.kind) == (("support", "retreat"), (), "gold")
    assert decision.reason == "as the file decides, against 2 of 2 answers"
    assert decision.soft is None  # training takes the labels
    assert decide(method, ["threat"], gold=("threat",)).reason == ""


def test_gold_without_answers():
    assert decide("unanimous", gold=()).labels == ()


def test_the_adjudicator_decides_where_there_is_an_answer():
    items = [
        Item("1", {"anna": ("threat",), "bram": (), "eva": ("threat", "support")}),
        Item("2", {"anna": ("threat",), "bram": ()}),
        Item("3", {"anna": ("threat",), "bram": ("threat",)}),
        Item("4", {"eva": ()}),
        Item("5", {"anna": ("retreat",), "eva": ("retreat",)}),
    ]
    found = adjudicate(items, "adjudicator:eva")
    assert [one.labels for one in found] == [("threat", "support"), None, ("threat",), (), ("retreat",)]
    assert [one.reason for one in found][:2] == ["adjudicator eva", "not unanimous: 1 of 2 for threat"]
    assert [one.kind for one in found] == ["settled", "unsettled", "alike", "single", "alike"]


def test_unknown_methods_and_adjudicators_are_refused_with_the_nearest():
    with pytest.raises(UsageError, match=r"Unknown adjudication 'majorty'.*Did you mean 'majority'"):
        check_method("majorty")
    with pytest.raises(UsageError, match="Unknown adjudication 'adjudicator:'"):
        adjudicate([], "adjudicator:")
    with pytest.raises(UsageError, match=r"adjudicator 'anne'\. Did you mean 'anna'\? Annotators: anna, bram\."):
        adjudicate([Item("1", {"anna": (), "bram": ()})], "adjudicator:anne")


def test_tally_counts_every_sentence_once():
    items = [item(["threat"]), item(["threat"], []), item([], []), item(), item(gold=("retreat",)), item(["support"])]
    found = tally(adjudicate(items, "majority"))
    assert found == {"gold": 1, "alike": 1, "single": 2, "unsettled": 1, "unanswered": 1}


answers = st.dictionaries(st.sampled_from("abcde"), st.lists(st.sampled_from(KEYS), unique=True).map(tuple), max_size=5)


@settings(deadline=None)
@given(given_answers=answers, method=st.sampled_from(FIXED))
def test_no_difference_is_settled_without_more_than_half(given_answers, method):
    decision = adjudicate([Item("1", given_answers)], method)[0]
    number = len(given_answers)
    counts = {key: sum(key in labels for labels in given_answers.values()) for key in KEYS}
    halves = tuple(key for key in KEYS if number and 2 * counts[key] == number)
    if decision.labels is not None:
        assert not halves
        assert decision.labels == tuple(key for key in KEYS if 2 * counts[key] > number)
        assert bool(decision.reason) == any(0 < count < number for count in counts.values())
        assert method != "unanimous" or not decision.reason
    else:
        assert decision.reason
        assert (method == "unanimous" and decision.tied) or decision.tied == halves


def crowd(seed=1, sentences=1500, share=0.3, rates=((0.9, 0.95), (0.85, 0.95), (0.9, 0.9), (0.2, 0.3)), each=3):
    """Sentences with and without threat, each answered by some annotators of known sensitivity and specificity."""
    generator = np.random.default_rng(seed)
    truth = generator.random(sentences) < share
    items = []
    for number, applies in enumerate(truth):
        who = generator.choice(len(rates), size=each, replace=False)
        gives = {
            f"p{one}": generator.random() < (rates[one][0] if applies else 1 - rates[one][1]) for one in sorted(who)
        }
        items.append(Item(f"z{number}", {name: ("threat",) * int(value) for name, value in gives.items()}))
    return truth, items


def share_right(truth, decisions):
    """Unsettled sentences count as wrong."""
    return np.mean([one.labels == ("threat",) * int(value) for one, value in zip(decisions, truth, strict=True)])


@pytest.fixture(scope="module")
def bad_one():
    return crowd()


def test_dawid_skene_beats_the_majority_with_one_bad_annotator_in_four(bad_one):
    truth, items = bad_one
    decisions = adjudicate(items, "dawid-skene")
    assert share_right(truth, decisions) > share_right(truth, adjudicate(items, "majority")) + 0.02
    split = next(one for one in decisions if one.kind == "settled")
    assert split.reason.startswith("dawid-skene 0.") or split.reason.startswith("dawid-skene 1.00 for threat")
    assert " of 3 answers" in split.reason


def test_dawid_skene_finds_how_everybody_errs():
    _, items = crowd()
    found = estimate(items, "dawid-skene").annotators
    for number, (sensitivity, specificity) in enumerate(((0.9, 0.95), (0.85, 0.95), (0.9, 0.9), (0.2, 0.3))):
        rates = found[f"p{number}"]["threat"]
        assert rates["sensitivity"] == pytest.approx(sensitivity, abs=0.07)
        assert rates["specificity"] == pytest.approx(specificity, abs=0.05)
    assert "support" not in found["p0"]  # nobody gave it


@pytest.mark.slow
def test_mace_beats_the_majority_where_one_guesses_and_labels_are_not_rare():
    truth, items = crowd(share=0.5, rates=((0.95, 0.95), (0.9, 0.9), (0.9, 0.9), (0.5, 0.5)), sentences=300)
    assert share_right(truth, adjudicate(items, "mace")) > share_right(truth, adjudicate(items, "majority"))


def mace_by_hand(items, steps=50):
    """MACE by plain expectation maximisation (Hovy et al. 2013), from a fixed start; probability of the label."""
    names = sorted({name for one in items for name in one.annotations})
    table = np.array([[int(bool(one.annotations[n])) if n in one.annotations else -1 for n in names] for one in items])
    knows, guesses = np.full(len(names), 0.7), np.full((len(names), 2), 0.5)
    for _ in range(steps):
        said = np.where(table == 1, guesses[:, 1], guesses[:, 0]) * (1 - knows)
        like = np.stack([np.where(table < 0, 1, said + knows * (table == one)).prod(axis=1) for one in (0, 1)], axis=1)
        true = like / like.sum(axis=1, keepdims=True)
        known, guessed = np.zeros(len(names)), np.zeros((len(names), 2))
        for one in (0, 1):
            right = np.where(table == one, true[:, [one]] * knows / (knows + said), 0).sum(axis=0)
            known += right
            guessed[:, one] = (table == one).sum(axis=0) - right
        knows = known / (known + guessed.sum(axis=1))
        guesses = guessed / guessed.sum(axis=1, keepdims=True)
    return true[:, 1], knows


@pytest.mark.slow
@pytest.mark.parametrize("first", [(), ("threat",)])
def test_mace_agrees_with_its_definition_whatever_comes_first(first):
    _, items = crowd(share=0.5, rates=((0.95, 0.9), (0.9, 0.85), (0.8, 0.9), (0.3, 0.7)), sentences=600)
    items = [Item("a", {f"p{number}": first for number in range(4)}), *items]
    expected, knows = mace_by_hand(items)
    found = estimate(items, "mace")
    values = [found.probabilities[one.id]["threat"] for one in items]
    # crowd-kit smooths a little (variational Bayes), the definition does not
    assert np.mean(np.abs(values - expected) < 0.1) > 0.95
    competence = [found.annotators[f"p{number}"]["threat"]["competence"] for number in range(4)]
    assert competence == pytest.approx(knows, abs=0.1)
    assert competence[3] < 0.2 < 0.6 < min(competence[:3])  # the one who guesses is found


@pytest.mark.parametrize("method", ["dawid-skene", pytest.param("mace", marks=pytest.mark.slow)])
def test_order_and_names_do_not_matter(method, bad_one):
    items = bad_one[1][:120]
    turned = {"p0": "x", "p1": "c", "p2": "b", "p3": "a"}
    others = [
        Item(one.id, {turned[name]: labels for name, labels in one.annotations.items()})
        for one in random.Random(3).sample(items, len(items))
    ]
    after = dict(zip([one.id for one in others], adjudicate(others, method), strict=True))
    before = adjudicate(items, method)
    assert [after[one.id] for one in items] == before
    assert sum(one.kind == "settled" for one in before) > 40


@pytest.mark.parametrize("method", ["dawid-skene", pytest.param("mace", marks=pytest.mark.slow)])
def test_even_answers_are_a_tie(method):
    items = [Item(f"z{n}", {"anna": ("threat",) * (n % 2), "bram": ("threat",) * (n // 2 % 2)}) for n in range(40)]
    decisions = adjudicate(items, method)
    assert {
        one.labels for one, row in zip(decisions, items, strict=True) if len(set(row.annotations.values())) > 1
    } == {None}


def test_an_estimate_overrules_nobody_who_is_not_contradicted(bad_one):
    # The bad annotator turns answers around, so the model believes the opposite of each lonely answer.
    lonely = [Item("l1", {"p3": ("threat",)}), Item("l2", {"p3": ()}), Item("l3", {}), Item("l4", {"p0": ("threat",)})]
    found = adjudicate([*bad_one[1], *lonely], "dawid-skene")[-4:]
    assert found[1].labels is None or found[1].kind == "single"
    assert (found[0].labels, found[0].tied) == (None, ("threat",))
    assert found[0].reason.startswith("dawid-skene 0.")
    assert found[0].reason.endswith("for threat, 1 of 1 answers")
    assert (found[2].labels, found[2].kind) == (None, "unanswered")
    assert (found[3].labels, found[3].kind) == (("threat",), "single")


@pytest.mark.parametrize("method", ["dawid-skene", pytest.param("mace", marks=pytest.mark.slow)])
def test_models_need_annotators_who_meet(method):
    with pytest.raises(UsageError, match=r"compares annotators, and only 'anna' answered"):
        adjudicate([Item("1", {"anna": ("threat",)})], method)
    with pytest.raises(UsageError, match="and nobody answered"):
        adjudicate([Item("1", {})], method)
    with pytest.raises(UsageError, match=r"there are none \(2 annotators, 2 sentences\)"):
        adjudicate([Item("1", {"anna": ("threat",)}), Item("2", {"bram": ()})], method)


@pytest.mark.parametrize("method", ["dawid-skene", pytest.param("mace", marks=pytest.mark.slow)])
def test_a_label_that_all_answers_agree_on_needs_no_model(method):
    items = [Item(str(number), {"anna": ("threat",), "bram": ("threat",)}) for number in range(3)]
    assert {(one.labels, one.kind) for one in adjudicate(items, method)} == {(("threat",), "alike")}


@pytest.mark.slow
def test_mace_warns_of_rare_labels(caplog):
    _, items = crowd(share=0.05, rates=((0.9, 0.99),) * 3, sentences=60)
    estimate(items, "mace")
    assert "these are rare in the answers: threat" in caplog.text
    caplog.clear()
    estimate(items, "dawid-skene")
    assert not caplog.text


@pytest.mark.parametrize("blocked", ["crowdkit", "pandas"])
def test_without_the_extra_the_message_says_how_to_install_it(blocked):
    code = (
        f"import sys; sys.modules[{blocked!r}] = None\n"
        "from strijdtaal.errors import UsageError\n"
        "from training.intake.adjudicate import Item, adjudicate\n"
        "items = [Item('1', {'anna': ('threat',), 'bram': ()})]\n"
        "assert adjudicate(items, 'majority')[0].labels is None\n"
        "try:\n    adjudicate(items, 'mace')\n"
        "except UsageError as error:\n    print(error)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("--adjudicate mace needs the extra 'intake'")
    assert 'pip install -e ".[intake]"' in result.stdout
