"""Slices: which sentences fall in which, and their scores against a plain recount and the bootstrap of the whole."""

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from eval.bootstrap import f1_intervals
from eval.slices import LENGTHS, slice_members, slice_scores
from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS, to_vector
from training.records import Record


def gold_of(*labels):
    return np.array([to_vector(each) for each in labels])


def value_of(members, dimension):
    """The values of each sentence: exactly one, or the test fails."""
    values = members[dimension]
    table = np.stack(list(values.values()))
    assert table.dtype == bool
    assert (table.sum(axis=0) == 1).all(), f"{dimension}: a sentence in no slice, or in two"
    return [list(values)[place] for place in table.argmax(axis=0)]


def reported(*texts):
    return value_of(slice_members(texts, np.zeros((len(texts), len(KEYS)))), "reported")


def record(number, text="Het leger wacht.", **fields):
    return Record(id=f"s{number}", article=f"a{number}", index=0, text=text, labels=(), **fields)


def macro(gold, decided):
    return np.nanmean(f1_score(gold, decided, average=None, zero_division=np.nan))


def random_split(seed, articles=30, accuracy=0.8):
    generator = np.random.default_rng(seed)
    names = [f"a{number:02d}" for number in range(articles) for _ in range(generator.integers(2, 8))]
    gold = (generator.random((len(names), len(KEYS))) < 0.2).astype(float)
    right = generator.random(gold.shape) < accuracy
    return names, gold, np.where(right, gold, 1 - gold).astype(int)


def test_length_is_counted_in_words_after_clean_up_at_every_edge():
    numbers = [1, 8, 9, 15, 16, 25, 26, 60]
    texts = ["  ".join(["woord"] * number) + "\u200b \n" for number in numbers]
    members = slice_members(texts, np.zeros((len(texts), len(KEYS))))
    assert tuple(members["length"]) == LENGTHS
    assert value_of(members, "length") == [value for value in LENGTHS for _ in range(2)]


def test_labels_are_counted_and_keywords_found():
    texts = ["Het regent.", "Er dreigt regen.", "WAPENSTILSTAND!", "Zij vallen morgen aan."]
    gold = gold_of([], ["threat"], ["threat", "retreat", "support"], ["threat", "support"])
    members = slice_members(texts, gold)
    assert list(members) == ["length", "labels", "keyword", "reported"]
    assert value_of(members, "labels") == ["none", "one", "several", "several"]
    assert value_of(members, "keyword") == ["without", "with", "with", "without"]
    assert [*members["labels"], *members["keyword"]] == ["none", "one", "several", "with", "without"]
    assert [*members["reported"]] == ["reported", "plain"]


@pytest.mark.parametrize(
    "text",
    [
        'Het was "een goed teken" voor de stad.',
        "Die stap heet „een laatste kans” in Bonn.",
        "Hij noemt Assad's leger 'een kudde uit '68' en lacht.",
        "«On ne passe pas» stond op de muur.",
        "In de krant stond ,,een schande'' te lezen.",
        '"Eerst geloofde niemand mij.',  # goes on in the next sentence
        "Die generaals denken in jaren.'",  # began in an earlier one
        "En dat is ruzie”, lacht ze.",
        "De generaal ZEI niets.",
        "Volgens de gouverneur is de weg vrij.",
        "Het leger liet woensdag op de radio weten dat de weg vrij is.",
        "De weg is vrij, zo laat het leger weten.",
    ],
)
def test_reported_speech_is_found_by_quotation_marks_and_verbs(text):
    assert reported(text) == ["reported"]


@pytest.mark.parametrize(
    "text",
    [
        "'s Avonds was het stil, en ’s nachts namen de guerrilla's foto's van auto's.",
        "In '70 en '80 was dat anders.",
        "Zo'n colonne zag niemand ooit in Parijs' straten.",
        "De 'vredeszone' en het 'bestand' bestaan nog.",  # two marks of one word, not one of five
        'Het woord "routine" viel.',
        "Zij hebben het daar voor het zeggen.",
        "De zeilen en de zeiler zijn weg.",
        "",
    ],
)
def test_apostrophes_and_single_words_in_marks_are_no_reported_speech(text):
    assert reported(text) == ["plain"]


def test_records_give_style_region_decade_and_year_in_a_fixed_order():
    rows = [("Libië", "wire", "1979-12-31")] * 30 + [("Angola", "radio", "1980-01-01")] * 29
    rows += [("Congo", "analysis", "2020-05-22")] * 35 + [(None, None, None), ("", "", None)]
    records = [record(number, region=r, style=s, date=d) for number, (r, s, d) in enumerate(rows)]
    texts, gold = [each.text for each in records], np.zeros((len(records), len(KEYS)))
    members = slice_members(texts, gold, records)
    assert list(members["style"]) == ["analysis", "radio", "wire", "unknown"]
    assert list(members["region"]) == ["Congo", "Libië", "other", "unknown"]
    assert list(members["decade"]) == ["1970s", "1980s", "2020s", "unknown"]
    assert list(members["year"]) == ["1979", "1980", "2020", "unknown"]
    assert value_of(members, "year") == ["1979"] * 30 + ["1980"] * 29 + ["2020"] * 35 + ["unknown"] * 2
    assert value_of(members, "region") == ["Libië"] * 30 + ["other"] * 29 + ["Congo"] * 35 + ["unknown"] * 2
    assert value_of(members, "decade")[28:32] == ["1970s", "1970s", "1980s", "1980s"]
    assert value_of(members, "style")[-2:] == ["unknown", "unknown"]
    order = np.random.default_rng(0).permutation(len(records))
    shuffled = slice_members(texts, gold, [records[place] for place in order])
    for dimension in ("style", "region", "decade", "year"):
        assert list(shuffled[dimension]) == list(members[dimension])


def test_a_dimension_of_which_no_record_knows_anything_is_left_out():
    members = slice_members(["Het leger wacht."], gold_of([]), [record(0, style="wire")])
    assert "style" in members
    assert not {"region", "decade", "year"} & set(members)


def test_records_of_another_split_are_refused():
    texts, gold = ["Het leger wacht.", "De stad  slaapt."], np.zeros((2, len(KEYS)))
    right = [record(0), record(1, "De stad slaapt.")]
    assert "style" not in slice_members(texts, gold, right)  # clean-up is not a difference
    with pytest.raises(DataError, match=r"Sentence 0 .* record 's1'"):
        slice_members(texts, gold, right[::-1])
    with pytest.raises(DataError, match="1 records for 2 sentences"):
        slice_members(texts, gold, right[:1])
    with pytest.raises(DataError, match="for 2 sentences and 4 labels"):
        slice_members(texts, gold[:1])


def test_a_slice_that_is_the_whole_split_has_the_scores_and_the_interval_of_the_whole():
    names, gold, decided = random_split(1)
    (row,) = slice_scores(names, gold, decided, {"all": {"yes": np.ones(len(names), dtype=bool)}}, draws=200, seed=5)
    assert row["macro_f1"] == pytest.approx(macro(gold, decided))
    assert (row["low"], row["high"]) == pytest.approx(f1_intervals(names, gold, decided, draws=200, seed=5)[0])
    assert (row["sentences"], row["articles"], row["why"]) == (len(names), 30, "")
    assert row["positives"] == {key: int(gold[:, column].sum()) for column, key in enumerate(KEYS)}


def test_a_slice_has_the_scores_of_its_own_sentences_only():
    names, gold, decided = random_split(2)
    mask = np.random.default_rng(3).random(len(names)) < 0.5
    rows = slice_scores(names, gold, decided, {"half": {"one": mask, "other": ~mask}}, draws=100)
    assert [row["value"] for row in rows] == ["one", "other"]
    assert {row["dimension"] for row in rows} == {"half"}
    for row, inside in zip(rows, (mask, ~mask), strict=True):
        assert row["macro_f1"] == pytest.approx(macro(gold[inside], decided[inside]))
        hit = ((gold[inside] == 1) & (decided[inside] == 1)).sum()
        assert row["precision"] == pytest.approx(hit / decided[inside].sum())
        assert row["recall"] == pytest.approx(hit / gold[inside].sum())
        said = [d.any() for g, d in zip(gold[inside], decided[inside], strict=True) if not g.any()]
        assert row["none_accuracy"] == pytest.approx(1 - sum(said) / len(said))
        assert row["low"] < row["macro_f1"] < row["high"]


def test_the_interval_of_a_slice_is_that_of_a_plain_loop_over_the_drawn_articles():
    names, gold, decided = random_split(4, articles=14)
    mask = (np.random.default_rng(5).random(len(names)) < 0.6) & (np.array(names) > "a02")  # not in every article
    different = sorted(set(names))
    drawn, others = [], []
    for times in np.random.default_rng(7).multinomial(14, [1 / 14] * 14, size=60):
        places = []
        for name, count in zip(different, times, strict=True):
            places += [place for place in np.flatnonzero(mask) if names[place] == name] * int(count)
        yes, said = gold[places], decided[places]
        drawn.append(macro(yes, said))
        none = ~yes.any(axis=1)
        others.append(
            {
                "precision": precision_score(yes, said, average="micro"),
                "recall": recall_score(yes, said, average="micro"),
                "none_accuracy": (~said[none].any(axis=1)).mean() if none.any() else math.nan,
            }
        )
    (row,) = slice_scores(names, gold, decided, {"part": {"one": mask}}, draws=60, seed=7)
    assert (row["low"], row["high"]) == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])))
    assert row["macro_f1_interval"] == (row["low"], row["high"])
    for name in ("precision", "recall", "none_accuracy"):
        wanted = np.nanpercentile([each[name] for each in others], [2.5, 97.5])
        assert row[f"{name}_interval"] == pytest.approx(tuple(wanted)), name


def test_years_are_scored_on_their_own_sentences_and_small_ones_have_no_interval():
    names, gold, decided = random_split(9, articles=24)
    dates = ["1979-05-22" if name < "a09" else "1980-01-01" for name in names]
    texts = ["Het leger wacht."] * len(names)
    records = [record(number, date=date) for number, date in enumerate(dates)]
    rows = slice_scores(names, gold, decided, slice_members(texts, gold, records), draws=100)
    years = [row for row in rows if row["dimension"] == "year"]
    assert [(row["value"], row["articles"]) for row in years] == [("1979", 9), ("1980", 15)]
    for row in years:
        inside = np.array([date.startswith(row["value"]) for date in dates])
        assert row["sentences"] == inside.sum()
        assert row["macro_f1"] == pytest.approx(macro(gold[inside], decided[inside]))
    assert all(math.isnan(years[0][f"{name}_interval"][0]) for name in ("macro_f1", "precision", "recall"))
    assert years[0]["why"].startswith("fewer than 10 articles: no interval")
    assert years[1]["low"] < years[1]["macro_f1"] < years[1]["high"]


def test_sentences_without_labels_count_by_none_accuracy_and_say_so():
    names, decided = [f"a{number}" for number in range(20)], np.zeros((20, len(KEYS)), dtype=int)
    decided[:5, 1] = decided[:2, 0] = 1
    members = slice_members(["Het regent."] * 20, np.zeros(decided.shape))
    rows = slice_scores(names, np.zeros(decided.shape), decided, members)
    found = {(row["dimension"], row["value"]): row for row in rows}
    none = found["labels", "none"]
    assert none["none_accuracy"] == 0.75
    assert all(math.isnan(none[key]) for key in ("macro_f1", "low", "high", "precision", "recall"))
    assert none["why"].startswith("no positives")
    assert "none accuracy is what counts" in none["why"]
    assert none["none_accuracy_interval"][0] < 0.75 < none["none_accuracy_interval"][1]
    one = found["labels", "one"]
    assert (one["sentences"], one["articles"], one["why"]) == (0, 0, "no sentences")
    assert one["positives"] == dict.fromkeys(KEYS, 0)
    assert all(math.isnan(one[key]) for key in ("macro_f1", "low", "high", "none_accuracy", "precision", "recall"))


def test_why_names_what_is_not_available():
    names = [f"a{number}" for number in range(12)]
    gold = gold_of(*[["threat"]] * 9, *[["support"]] * 3)
    decided = gold.astype(int)
    decided[9:] = 0
    first = np.arange(12) < 9
    members = {"d": {"few": first, "silent": ~first, "whole": first | ~first}}
    few, silent, whole = slice_scores(names, gold, decided, members)
    assert few["why"] == "fewer than 10 articles: no interval; no sentences annotated none"
    assert (few["macro_f1"], few["precision"], few["articles"]) == (1.0, 1.0, 9)
    assert all(math.isnan(few[key]) for key in ("low", "high", "none_accuracy"))
    assert silent["why"].startswith("no label predicted: precision is undefined; fewer than 10 articles")
    assert (silent["macro_f1"], silent["recall"]) == (0.0, 0.0)
    assert math.isnan(silent["precision"])
    assert whole["why"] == "no sentences annotated none"
    assert (whole["macro_f1"], whole["precision"], whole["recall"]) == (0.5, 1.0, 0.75)
    assert 0 <= whole["low"] <= 0.5 <= whole["high"] <= 1


def test_a_draw_without_the_positives_is_left_out_and_is_no_zero():
    names = [f"a{number:02d}" for number in range(10)]
    gold = gold_of(["threat"], *[[]] * 9)
    decided = gold.astype(int)
    decided[1:3, 0] = 1  # false alarms: without the one positive, F1 would be 0
    everything = {"d": {"v": np.ones(10, dtype=bool)}}
    (row,) = slice_scores(names, gold, decided, everything, draws=500, seed=1)
    assert row["macro_f1"] == 0.5
    assert 0 < row["low"] <= 0.5 <= row["high"] == 1.0
    seeds = [s for s in range(50) if not np.random.default_rng(s).multinomial(10, [0.1] * 10, size=1)[0, 0]]
    (row,) = slice_scores(names, gold, decided, everything, draws=1, seed=seeds[0])
    assert math.isnan(row["low"])
    assert row["why"] == "too few draws: no interval"


def test_the_seed_settles_the_interval():
    names, gold, decided = random_split(6)
    everything = {"d": {"v": np.ones(len(names), dtype=bool)}}
    (one,), (same,), (other,) = (slice_scores(names, gold, decided, everything, 50, seed) for seed in (1, 1, 2))
    assert one == same
    assert one["low"] != other["low"]


def test_inputs_of_different_sentences_are_refused():
    names, gold, decided = random_split(8)
    mask = np.ones(len(names), dtype=bool)
    with pytest.raises(DataError, match="of the same split"):
        slice_scores(names[1:], gold, decided, {"d": {"v": mask}})
    with pytest.raises(DataError, match="of the same split"):
        slice_scores(names, gold, decided[1:], {"d": {"v": mask}})
    with pytest.raises(DataError, match="Slice d = v"):
        slice_scores(names, gold, decided, {"d": {"v": mask[1:]}})
    with pytest.raises(DataError, match="No sentences"):
        slice_scores([], gold[:0], decided[:0], {})
