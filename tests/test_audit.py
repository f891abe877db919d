"""The audit: each check finds what was planted, and agreement equals other libraries' figures."""

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from training.agreement import krippendorff_alpha, pairwise_f1
from training.audit import audit, distinct_ngrams, table
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
