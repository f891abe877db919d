"""The audit: each check finds what was planted, and agreement equals other libraries' figures."""

import json
import math
import random
import sys

import numpy as np
import pytest
from sklearn.metrics import f1_score

from strijdtaal.errors import DataError, UsageError
from training.__main__ import main
from training.agreement import krippendorff_alpha, pairwise_f1
from training.audit import labels
from training.audit.characters import characters
from training.audit.checks import table
from training.audit.errors import suspects
from training.audit.own import audit, distinct_ngrams
from training.audit.rows import Row, Sample, in_order
from training.audit.shortcuts import shortcuts
from training.records import Record

TEXTS = [
    "De gouverneur van de provincie ontkent dat er een bestand is gesloten.",
    "Pantserwagens uit Ankara rollen de haven van Misrata binnen voor het leger.",
    "De laatste bataljons reden 's nachts over de brug terug naar huis.",
    "Op het plein van Kidal verkochten vrouwen gisteren weer uien en zout.",
]


def record(article, index, text, labels=(), **more):
    return Record(id=f"{article}-{index}", article=article, index=index, text=text, labels=labels, **more)


def by_name(records):
    return {check.name: check for check in audit(records)}


def test_near_duplicates_are_named():
    records = [
        record("x", 0, TEXTS[0]),
        record("y", 0, TEXTS[0].replace("gouverneur", "Gouverneur")),
        record("z", 0, TEXTS[3]),
    ]
    check = by_name(records)["near-duplicates across articles"]
    assert check.passed is False
    assert check.value == "1"
    assert check.examples[0].startswith("x-0 ~ y-0 (1.00)")


def test_contrary_labels_of_one_text_are_named():
    records = [record("x", 0, TEXTS[1], ["support"]), record("y", 0, TEXTS[1], [])]
    check = by_name(records)["one text, different labels"]
    assert (check.value, check.passed, check.examples) == ("1", False, ("x-0, y-0",))


def test_keyword_shortcut_is_measured():
    easy = [record(f"a{n}", 0, f"Land {n} dreigt met een aanval op stad {n}.", ["threat"]) for n in range(5)]
    hard = [record(f"b{n}", 0, f"Wie stad {n} nadert, vindt daar het graf.", ["threat"]) for n in range(15)]
    checks = by_name(easy + hard)
    assert checks["positives without a keyword: threat"].value == "0.750"
    assert float(checks["keyword rule, macro-F1"].value) == pytest.approx(0.25 * 2 / 1.25 / 4, abs=1e-3)


def test_hidden_characters_are_named():
    check = by_name([record("x", 0, "Het leger\u200b trok zich terug."), record("y", 0, TEXTS[3])])[
        "text that clean-up changes"
    ]
    assert (check.passed, check.examples) == (False, ("x-0",))


def test_disagreement_needs_a_reason():
    both = {"a": ["threat"], "b": []}
    records = [
        record("x", 0, TEXTS[0], [], annotations=both),
        record("y", 0, TEXTS[1], ["threat"], annotations=both, reason="says what it will do"),
    ]
    check = by_name(records)["of these without a reason"]
    assert (check.value, check.examples) == ("1", ("x-0",))


def test_agreement_without_second_annotations_is_not_a_number():
    assert by_name([record("x", 0, TEXTS[0])])["agreement"].value.startswith("n/a")


def annotated(rows):
    """Records from a table of sentences by annotators; None is a sentence that an annotator did not see."""
    records = []
    for number, row in enumerate(rows):
        given = {
            name: ["threat"] if value else [] for name, value in zip("abc", row, strict=False) if value is not None
        }
        records.append(record("x", number, f"Zin {number}.", [], annotations=given))
    return records


def alpha_by_hand(rows):
    """Krippendorff's alpha for two values, from the coincidence table."""
    coincidences = np.zeros((2, 2))
    for row in rows:
        values = [v for v in row if v is not None]
        if len(values) < 2:
            continue
        for i, one in enumerate(values):
            for j, other in enumerate(values):
                if i != j:
                    coincidences[one, other] += 1 / (len(values) - 1)
    totals = coincidences.sum(axis=1)
    observed = coincidences[0, 1] + coincidences[1, 0]
    expected = 2 * totals[0] * totals[1] / (totals.sum() - 1)
    return 1 - observed / expected


@pytest.mark.parametrize("seed", range(5))
def test_alpha_equals_its_definition_on_random_matrices_with_gaps(seed):
    generator = np.random.default_rng(seed)
    truth = generator.random(60) < 0.3
    flipped = [[int(value ^ (generator.random() < 0.15)) for _ in range(3)] for value in truth]
    rows = [[None if generator.random() < 0.2 else value for value in row] for row in flipped]
    rows += [[1, 0, None], [0, 0, 1]]
    assert krippendorff_alpha(annotated(rows), "threat") == pytest.approx(alpha_by_hand(rows))


def test_pairwise_f1_equals_scikit_learn():
    generator = np.random.default_rng(1)
    rows = generator.integers(0, 2, (50, 2)).tolist()
    first, second = np.array(rows).T
    assert pairwise_f1(annotated(rows), "threat") == pytest.approx(f1_score(first, second))


def test_undefined_agreement_is_none():
    nobody = annotated([[0, 0], [0, 0]])
    assert krippendorff_alpha(nobody, "threat") is None
    assert pairwise_f1(nobody, "threat") is None
    assert krippendorff_alpha(annotated([[1, None], [0, None]]), "threat") is None


def test_distinct_ngrams():
    assert distinct_ngrams(["een twee drie vier", "een twee drie vier"]) == 0.5
    assert math.isnan(distinct_ngrams(["kort"]))


@pytest.mark.slow
def test_the_projects_own_annotations_pass_every_check(run_module):
    result = run_module("training", "audit", "seeds/annotations")
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("\nAll bounds are met.\n")


def test_table_shows_verdicts_and_examples():
    text = table(audit([record("x", 0, TEXTS[0]), record("y", 0, TEXTS[0])]))
    assert "NOT MET" in text
    assert "\n    x-0 ~ y-0" in text


def rows_of(texts, given=(), splits=("",)):
    """A sample with a row a text; labels and splits are given in turn."""
    cycle = [tuple(names) for names in given] or [()]
    rows = [
        Row(f"r{number}", f"a{number}", text, cycle[number % len(cycle)], splits[number % len(splits)])
        for number, text in enumerate(texts)
    ]
    known = sorted({label for row in rows for label in row.labels})
    return Sample(rows, in_order(row.split for row in rows), tuple(known))


def named(checks):
    return {check.name: check for check in checks}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("De strijd in LibiÃ« gaat door.", "wrongly decoded"),
        ("Het â€˜bestandâ€™ hield stand.", "wrongly decoded"),
        ("De aEUR~slagaEUR(tm) om de stad.", "wrongly decoded"),
        ("De generaal BoÅ¡ko MladiÄ‡ zweeg.", "wrongly decoded"),
        ("De Ð¡Ñ‚Ð°Ð»Ð¸Ð½ zweeg.", "wrongly decoded"),
        ("Het kost 5 â‚¬ per dag.", "wrongly decoded"),
        ("Bang\ufffdi viel gisteren.", "wrongly decoded"),
        ("Wacht\x07 even.", "control"),
        ("Het leger\u200b trok op.", "invisible"),
        ("Libie\u0308 zwijgt.", "letters not composed"),
        ("De \u0441tad viel.", "two scripts"),  # a Cyrillic es
        ("Hij zei <br/> niets.", "remains of HTML"),
        ("Frans &amp; Nederlands.", "remains of HTML"),
    ],
)
def test_each_kind_of_bad_character_is_found_and_no_other(text, kind):
    found = [check.name for check in characters(rows_of([text, "Niets aan de hand."])) if check.passed is False]
    assert len(found) == 1
    assert found[0].startswith(kind)


@pytest.mark.parametrize(
    "text",
    [
        "Hij zei: ‘Nee, in Libië niet’, à la carte – voor €5 … en 20 °C, naïef geëmigreerd, Ægir, Łódź, São Tomé.",
        "De krant Правда en het woord λόγος staan er heel in.",
        "Een < b en AT&T, R&D; 3 > 2.",
        "Privé’s en café’s, ‘de naam “café”’, “CAFÉ”, “MAÏS”, “ÉÉN” – “Å”, 1 ° niet.",
    ],
)
def test_good_characters_are_left_alone(text):
    assert [check.name for check in characters(rows_of([text])) if check.passed is False] == []


def test_one_word_that_is_the_label_is_found_on_other_sentences():
    generator = np.random.default_rng(0)
    words = [f"woord{number}" for number in range(50)]
    texts = [" ".join([*generator.choice(words, 9), *(["kogel"] if number % 4 == 0 else [])]) for number in range(400)]
    check = named(shortcuts(rows_of(texts, [("dreiging",), (), (), ()])))
    best = check["best word, F1: dreiging"]
    assert best.value.startswith("'kogel' 1.000 (precision 1.00, recall 1.00)")
    assert best.passed is False
    given = check["words that give it away: dreiging"]
    assert given.value == "1, in 100.0% of its sentences"
    assert given.examples[0].startswith("'kogel' ")


def test_a_word_that_goes_with_a_label_in_train_alone_is_an_accident():
    generator = np.random.default_rng(0)
    words = [f"woord{number}" for number in range(50)]
    texts = [" ".join(generator.choice(words, 9)) for number in range(400)]
    texts = [f"{text} kogel" if number % 8 == 0 or number % 8 == 3 else text for number, text in enumerate(texts)]
    sample = rows_of(texts, [("dreiging",), ("dreiging",), (), ()], ["train", "test"])
    check = named(shortcuts(sample))
    assert check["words that give it away: dreiging"].value.startswith("0,")
    assert check["words that give it away: dreiging"].passed is True


def test_a_frequent_word_is_no_shortcut_to_a_frequent_label():
    generator = np.random.default_rng(0)
    words = [f"woord{number}" for number in range(50)]
    texts = ["de " + " ".join(generator.choice(words, 9)) for _ in range(400)]
    check = named(shortcuts(rows_of(texts, [("geen",), ("geen",), ("geen",), ("steun",)])))
    assert check["best word, F1: geen"].value.startswith("'de' 0.8")
    assert check["best word, F1: geen"].passed is True
    assert check["words that give it away: geen"].value.startswith("0,")


def test_a_shift_of_labels_between_splits_is_seen_and_an_equal_mix_is_not():
    texts = [f"Zin nummer {number}" for number in range(2_000)]
    even = labels.shifts(rows_of(texts, [("steun",), ("steun",), (), ()], ["train", "test"]))
    assert [check.passed for check in even] == [True]
    shifted = labels.shifts(rows_of(texts, [("steun",), ("steun", "dreiging"), (), ()], ["train", "test"]))
    assert shifted[0].passed is False
    assert shifted[0].examples[0] == "dreiging 0.0% -> 50.0%"
    assert shifted[0].figures["total_variation"] == 0.5


def test_a_shift_too_small_to_matter_is_none_whatever_its_p_value():
    given = [("steun",) if number // 2 < (50, 51)[number % 2] else () for number in range(200)]
    check = labels.shifts(rows_of([f"Zin {number}" for number in range(60_000)], given, ["train", "test"]))[0]
    assert check.passed is True
    assert check.figures["total_variation"] == pytest.approx(0.01)


def test_a_label_that_a_split_lacks_is_named():
    check = labels.absent(rows_of(["een", "twee", "drie"], [("steun",), (), ("dreiging",)], ["train", "test", "train"]))
    assert check[0].examples == ("test: dreiging", "test: steun")


def test_contradictions_name_the_sentences_with_their_labels():
    check = labels.contradictions(rows_of(["Ja.", " JA.", "ja. ", "Nee."], [("steun",), ("steun",), (), ()]))[0]
    assert (check.value, check.passed, check.serious) == ("1 (3 sentences)", False, True)
    assert check.examples == ("r0 steun / r1 steun / r2 none",)


def test_the_order_of_labels_is_no_contradiction():
    assert labels.contradictions(rows_of(["Ja.", "Ja."], [("a", "b"), ("b", "a")]))[0].passed is True


def noisy(share, seed=0):
    """Sentences whose labels follow from their words, and the rows of which one label was turned round."""
    draw = random.Random(seed)
    signs = {"dreiging": ["slaan", "wraak", "vuur"], "steun": ["wapens", "geld", "hulp"]}
    filler = [f"woord{number}" for number in range(200)]
    rows, wrong = [], set()
    for number in range(600):
        given = {label for label in signs if draw.random() < 0.3}
        words = draw.choices(filler, k=8) + [word for label in sorted(given) for word in draw.sample(signs[label], 2)]
        if draw.random() < share:
            wrong.add(number)
            given ^= {draw.choice(sorted(signs))}
        rows.append(Row(f"r{number}", f"a{number // 4}", " ".join(words), tuple(sorted(given)), ""))
    return Sample(rows, (), ("dreiging", "steun")), wrong


def test_planted_label_errors_come_first():
    sample, wrong = noisy(0.06)
    found = suspects(sample)
    first = [one.row for one in found[: len(wrong)]]
    precision = sum(row in wrong for row in first) / len(first)
    assert precision >= 0.7  # by chance it would be 0.06
    assert [one.score for one in found] == sorted(one.score for one in found)
    one = next(one for one in found if one.row in wrong)
    assert set(one.suggestion) != set(sample.rows[one.row].labels)


def test_label_errors_of_a_single_label_are_found():
    both, wrong = noisy(0.06)
    rows = [Row(row.id, row.article, row.text, tuple({"steun"} & set(row.labels)), "") for row in both.rows]
    found = suspects(Sample(rows, (), ("steun",)))
    assert sum(one.row in wrong for one in found[:10]) >= 8
    assert all(one.suggestion == (() if rows[one.row].labels else ("steun",)) for one in found)
    assert [one.score for one in found] == sorted(one.score for one in found)


def test_label_errors_go_to_a_file(tmp_path, capsys):
    sample, wrong = noisy(0.06, seed=3)
    rows = [{"id": row.id, "doc": row.article, "text": row.text, "labels": row.labels} for row in sample.rows]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    out = tmp_path / "fouten.jsonl"
    assert main(["audit", str(tmp_path / "a.jsonl"), "--label-errors", "--label-errors-out", str(out)]) == 0
    listed = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert set(listed[0]) == {"id", "text", "labels", "suggestion", "score"}
    assert int(listed[0]["id"][1:]) in wrong
    assert f"{len(listed)} of 600" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "fouten.jsonl"]


def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab.multilabel_classification", None)
    with pytest.raises(UsageError, match=r"pip install -e \"\.\[intake\]\""):
        suspects(noisy(0.1)[0])


def test_too_few_articles_for_label_errors_are_an_error():
    with pytest.raises(DataError, match="too few independent articles"):
        suspects(rows_of([f"Zin {number} staat hier." for number in range(12)], [("steun",), ()]))
