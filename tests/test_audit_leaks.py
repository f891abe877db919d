"""The audit of leaks: what was planted, in articles, copies and near-copies, is found to the last sentence."""

import csv
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.__main__ import main
from training.audit.leaks import leaks
from training.audit.rows import Row, Sample, in_order, role

WORDS = [f"woord{number}" for number in range(4_000)]


def sentences(number, seed, length=22):
    """Texts of words drawn at random: no two share five in a row."""
    draw = random.Random(seed)
    return [" ".join(draw.sample(WORDS, length)) for _ in range(number)]


def sample(train, test, **more):
    """A sample from (article, text) pairs."""
    rows = [
        Row(f"{split}{number}", article, text, (), split)
        for split, part in {"train": train, "test": test, **more}.items()
        for number, (article, text) in enumerate(part)
    ]
    return Sample(rows, in_order(row.split for row in rows), ("steun",))


def found(checks):
    """Figures by name, first and later split."""
    return {check.name: dict(check.figures) for check in checks}


@settings(max_examples=40, deadline=None)
@given(
    shared=st.integers(0, 6),
    copies=st.integers(0, 9),
    near=st.integers(0, 9),
    repeats=st.integers(1, 3),
    seed=st.integers(0, 1_000),
)
def test_a_planted_leak_of_any_size_is_found_exactly(shared, copies, near, repeats, seed):
    draw = random.Random(seed)
    texts = sentences(100, seed)
    train = [(f"a{number // 5}", text) for number, text in enumerate(texts[:60])]
    test = [(f"b{number // 4}", text) for number, text in enumerate(texts[60:])]  # ten articles of four
    names = {f"b{number}": f"a{number}" for number in range(shared)}
    test = [(names.get(article, article), text) for article, text in test]
    chosen = draw.sample(range(60), copies + near)
    for number in chosen[:copies]:
        test += [("c", draw.choice([str.upper, "  {}!".format, str])(train[number][1]))] * repeats
    for number in chosen[copies:]:
        words = train[number][1].split()
        words[draw.randrange(len(words))] = "anders"
        test.append(("d", " ".join(words)))
    draw.shuffle(test)
    figures = found(leaks(sample(train, test)))
    articles = figures["articles of test also in train"]
    assert articles["articles"] == shared
    assert articles["test_rows"] == 4 * shared
    exact = figures["copies of test in train"]
    inexact = figures["near-copies of test in train"]
    # Other punctuation makes a text that is not the same, and the same words: a near-copy.
    punctuated = [text for _, text in test if text.endswith("!")]
    assert exact["test_rows"] == copies * repeats - len(punctuated)
    assert inexact["test_rows"] == near + len(punctuated)
    assert exact["rows"] == exact["test_rows"] + exact["train_rows"]
    assert exact["train_rows"] + inexact["train_rows"] == copies + near
    assert figures["sentences of test that train gives away"]["test_rows"] == 4 * shared + copies * repeats + near


def test_a_sentence_repeated_very_often_is_counted_every_time():
    text, other = sentences(2, 7)
    train = [("a", text.rsplit(" ", 1)[0] + " eender")] + [(f"x{number}", other) for number in range(300)]
    test = [(f"b{number}", text) for number in range(450)] + [(f"y{number}", other) for number in range(250)]
    figures = found(leaks(sample(train, test)))
    assert figures["copies of test in train"] == {
        "found": 250, "test_rows": 250, "train_rows": 300, "rows": 550, "of": 700
    }  # fmt: skip
    near = figures["near-copies of test in train"]
    assert (near["test_rows"], near["train_rows"]) == (450, 1)


def test_examples_name_both_sentences():
    one, other = sentences(2, 3)
    checks = {check.name: check for check in leaks(sample([("a", other), ("a", one)], [("b", one.upper())]))}
    assert checks["copies of test in train"].examples[0].startswith("test0 = train1: WOORD")


def test_every_two_splits_are_compared_in_their_order():
    one, two, three = sentences(3, 5)
    material = sample(test=[("t", one), ("t", two)], validation=[("v", three), ("v", two)], train=[("a", one)])
    assert material.splits == ("train", "validation", "test")
    figures = found(leaks(material))
    assert figures["copies of validation in train"]["test_rows"] == 0
    assert figures["copies of test in train"]["test_rows"] == 1
    assert figures["copies of test in validation"]["test_rows"] == 1


def test_within_one_split_nothing_leaks():
    one, other = sentences(2, 5)
    checks = leaks(sample([("a", one), ("b", one), ("a", one)], [("c", other), ("d", other)]))
    assert all(check.passed is not False for check in checks)


def test_without_articles_that_check_is_said_to_be_missing():
    one, other = sentences(2, 5)
    checks = {check.name: check.value for check in leaks(sample([("", one)], [("", other)]))}
    assert checks["articles across splits"].startswith("not looked for")
    assert "articles of test also in train" not in checks


def test_without_splits_nothing_is_claimed():
    rows = [Row("1", "a", text, (), "") for text in sentences(1, 1) * 2]
    (check,) = leaks(Sample(rows, (), ()))
    assert check.passed is None
    assert check.value.startswith("not looked for")


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("train", "train"), ("ipe_dev", "validation"), ("TEST", "test"), ("my-valid.v2", "validation"),
        ("latest", ""), ("contest", ""), ("train_test", ""), ("a0001-a0032", ""),
    ],
)  # fmt: skip
def test_the_role_of_a_file_is_read_from_whole_words_only(name, known):
    assert role(name) == known


class TestPublishedBenchmark:
    """A benchmark that divides sentences at random, with the layout of a published one: no header, no articles."""

    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory):
        """954 articles in test, of which 947 are in train too; sentences of theirs that say where they are from."""
        folder = tmp_path_factory.mktemp("bench")
        texts = iter(sentences(947 * 2 + 7 + 40 + 30, seed=11, length=9))
        train = [(f"d{number}", next(texts)) for number in range(947)]
        test = [(f"d{number}", next(texts)) for number in range(947)]
        test += [(f"alleen{number}", next(texts)) for number in range(7)]
        test += [(f"d{number}", train[number][1]) for number in range(12)]  # verbatim
        dev = [(f"e{number}", next(texts)) for number in range(40)]
        boilerplate = [(f"d{number}", "Facebook Twitter Mail") for number in range(20)]  # in no one article
        draw = random.Random(2)
        for name, part in (("train", train + boilerplate[:10]), ("dev", dev), ("test", test + boilerplate[10:])):
            with (folder / f"{name}.tsv").open("w", encoding="utf-8", newline="") as file:
                for _, text in part:
                    csv.writer(file, delimiter="\t").writerow([text, *(int(draw.random() < 0.3) for _ in range(5))])
        with (folder / "sents.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["", "doc_id", "sent_id", "sent_text", "KILL"])
            every = [*dict.fromkeys(train + test + dev + boilerplate)]
            writer.writerows([number, article, 0, f"{text}\n\n", 0] for number, (article, text) in enumerate(every))
        return folder

    def run(self, folder, tmp_path, *options):
        out = tmp_path / "audit.json"
        files = [str(folder / f"{name}.tsv") for name in ("test", "train", "dev")]
        code = main(["audit", *files, "--json", str(out), *options])
        checks = {check["name"]: check for check in json.loads(out.read_text("utf-8"))["checks"]}
        return code, checks

    def test_947_of_954_articles_are_found(self, folder, tmp_path, capsys):
        code, checks = self.run(folder, tmp_path, "--article-from", str(folder / "sents.csv"))
        assert code == 0
        check = checks["articles of test also in train"]
        assert check["value"].startswith("947 of 954 (99.3%); 959 of 976 (98.3%) sentences")
        assert check["passed"] is False
        assert checks["copies of test in train"]["figures"] == {
            "found": 22, "test_rows": 22, "train_rows": 22, "rows": 44, "of": 976
        }  # fmt: skip
        assert checks["articles of test also in validation"]["figures"]["articles"] == 0
        printed = capsys.readouterr().out
        assert "tabs, no header, columns counted from 1; text: 1; labels: 2, 3, 4, 5, 6" in printed
        assert "known for 1,953 of 1,973 rows" in printed  # not where a text stands in several articles

    def test_strict_ends_with_the_code_of_bad_data(self, folder, tmp_path, capsys):
        code, _ = self.run(folder, tmp_path, "--strict")
        assert code == 3
        assert "copies of test in train (22 of 976" in capsys.readouterr().err

    def test_splits_can_be_named(self, folder, tmp_path, capsys):
        pairs = [f"alles={folder / 'train.tsv'}", f"proef={folder / 'test.tsv'}"]
        assert main(["audit", "--split", *pairs, "--text", "1", "--labels", "2,4"]) == 0
        printed = capsys.readouterr().out
        assert "copies of proef in alles" in printed
        assert "positives: 4" in printed
        assert "positives: 3" not in printed
