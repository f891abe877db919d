"""Splits: whole articles, no text on two sides, labels spread evenly, the same under a seed."""

import hashlib
import itertools
import json
import logging
import random
import re
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strijdtaal.errors import DataError, UsageError
from strijdtaal.labels import KEYS
from strijdtaal.text import clean
from training import duplicates
from training.dataset import load_corpus
from training.records import Record
from training.settings import DEFAULT, load_run_config
from training.splits import (
    COMMON,
    NEAR_DUPLICATE,
    counts_table,
    groups,
    leaks,
    near_duplicates,
    shingles,
    split_by_date,
    split_records,
)

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
FREQUENCY = dict(zip(KEYS, (0.2, 0.15, 0.1, 0.08), strict=True))
WORDS = [f"woord{number}" for number in range(3_000)]


def make(article, index, text, labels=()):
    return Record(id=f"{article}-{index:02}", article=article, index=index, text=text, labels=tuple(labels))


def corpus(articles=80, seed=1):
    """Invented articles of 4 to 12 sentences that share no run of words."""
    draw = random.Random(seed)
    return [
        make(
            f"a{article:04}",
            index,
            " ".join(draw.sample(WORDS, 12)),
            [key for key in KEYS if draw.random() < FREQUENCY[key]],
        )
        for article in range(articles)
        for index in range(draw.randint(4, 12))
    ]


def articles(records):
    return {record.article for record in records}


def where(splits, article):
    return [name for name, records in splits.items() if article in articles(records)]


class TestSplit:
    @pytest.fixture(scope="class")
    def records(self):
        return corpus()

    @pytest.fixture(scope="class")
    def splits(self, records):
        return split_records(records, SHARES, seed=1)

    def test_every_record_is_in_exactly_one_split(self, records, splits):
        divided = [record.id for part in splits.values() for record in part]
        assert sorted(divided) == sorted(record.id for record in records)
        assert list(splits) == list(SHARES)

    def test_articles_stay_whole(self, splits):
        for first, second in itertools.combinations(splits.values(), 2):
            assert not articles(first) & articles(second)

    def test_no_text_is_on_two_sides(self, splits):
        for first, second in itertools.combinations(splits.values(), 2):
            assert leaks(first, second) == []

    def test_records_keep_their_order(self, records, splits):
        place = {record.id: number for number, record in enumerate(records)}
        for part in splits.values():
            places = [place[record.id] for record in part]
            assert places == sorted(places)

    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_sizes_and_labels_follow_the_shares(self, records, seed):
        splits = split_records(records, SHARES, seed)
        for name, share in SHARES.items():
            assert len(splits[name]) / len(records) == pytest.approx(share, abs=0.03)
            for key in KEYS:
                there = sum(key in record.labels for record in splits[name])
                total = sum(key in record.labels for record in records)
                assert there / total == pytest.approx(share, abs=0.07), (name, key)

    def test_sentences_without_a_label_follow_the_shares(self, records, splits):
        total = sum(not record.labels for record in records)
        for name, share in SHARES.items():
            assert sum(not record.labels for record in splits[name]) / total == pytest.approx(share, abs=0.05)

    def test_the_same_seed_gives_the_same_splits(self, records, splits):
        assert split_records(records, SHARES, seed=1) == splits

    def test_another_seed_gives_other_splits(self, records, splits):
        other = split_records(records, SHARES, seed=2)
        assert articles(other["test"]) != articles(splits["test"])

    def test_the_input_is_left_as_it_was(self, records):
        before = list(records)
        split_records(records, SHARES, seed=5)
        assert records == before


class TestTogether:
    def test_articles_that_share_a_text_go_to_the_same_split(self):
        records = corpus()
        names = sorted(articles(records))
        pairs = list(zip(names[::8], names[4::8], strict=True))
        for number, pair in enumerate(pairs):
            text = f"Bericht {number}: " + " ".join(WORDS[number * 20 : number * 20 + 12])
            records += [make(pair[0], 50, text), make(pair[1], 50, text.upper() + "!")]
        for seed in range(4):
            splits = split_records(records, SHARES, seed)
            for first, second in pairs:
                assert where(splits, first) == where(splits, second)
                assert len(where(splits, first)) == 1

    def test_a_chain_of_shared_texts_is_one_group(self):
        texts = [" ".join(WORDS[number * 20 : number * 20 + 9]) for number in range(3)]
        records = [
            *[make("a", 0, texts[0]), make("b", 0, texts[0]), make("b", 1, texts[1])],
            *[make("c", 0, texts[2]), make("d", 0, texts[1]), make("d", 1, texts[2]), make("e", 0, WORDS[2_000])],
        ]
        found = [articles(records[number] for number in group) for group in groups(records)]
        assert sorted(found, key=len) == [{"e"}, {"a", "b", "c", "d"}]

    def test_a_text_repeated_within_one_article_joins_nothing(self):
        records = [
            make("a", 0, "Het bestand houdt nog altijd stand."),
            make("a", 1, "Het bestand houdt nog altijd stand."),
        ]
        assert near_duplicates(records) == []

    def test_a_sentence_in_very_many_articles_keeps_them_together(self):
        """Also when a longer sentence, met first, holds the same words."""
        short = "Lees hier alles over de oorlog in Soedan"
        records = [make("x", 0, short + " en over de vluchtelingen in Tsjaad en Egypte")]
        records += [make(f"y{number:04}", 0, short) for number in range(COMMON + 50)]
        sides = {len(group) for group in groups(records)}
        assert max(sides) >= COMMON + 50
        assert leaks(records[:100], records[100:])


class TestNearDuplicates:
    sentence = "een twee drie vier vijf zes zeven acht"

    def test_spelling_in_capitals_and_punctuation_does_not_hide_a_copy(self):
        one = make("a", 0, "De rebellen, zei hij, trekken zich terug uit Goma.")
        other = make("b", 0, "DE REBELLEN zei hij: «trekken zich\u00a0te\u00adrug uit Goma»")
        assert near_duplicates([one, other]) == [(0, 1, 1.0)]

    def test_the_last_word_changed_is_still_the_same_text(self):
        pair = [make("a", 0, self.sentence), make("b", 0, self.sentence.replace("acht", "elf"))]
        assert near_duplicates(pair) == [(0, 1, pytest.approx(3 / 5))]

    def test_exactly_the_bound_is_not_above_it(self):
        seven = self.sentence.removesuffix(" acht")
        pair = [make("a", 0, seven), make("b", 0, seven.replace("zeven", "elf"))]
        similarity = len(shingles(pair[0].text) & shingles(pair[1].text)) / 4
        assert similarity == NEAR_DUPLICATE
        assert near_duplicates(pair) == []

    def test_the_same_words_in_another_order_are_another_text(self):
        backwards = " ".join(reversed(self.sentence.split()))
        assert near_duplicates([make("a", 0, self.sentence), make("b", 0, backwards)]) == []

    def test_short_texts_count_only_when_equal(self):
        records = [make("a", 0, "Dat zei hij."), make("b", 0, "Dat zei zij."), make("c", 0, "dat zei hij")]
        assert near_duplicates(records) == [(0, 2, 1.0)]

    @pytest.mark.parametrize("seed", range(5))
    def test_finds_what_comparing_every_pair_finds(self, seed):
        draw = random.Random(seed)
        bases = [[draw.choice(WORDS[:40]) for _ in range(draw.randint(3, 14))] for _ in range(8)]
        records = []
        for number in range(60):
            words = list(draw.choice(bases))
            for _ in range(draw.randint(0, 2)):
                words[draw.randrange(len(words))] = draw.choice(WORDS[:40])
            records.append(make(f"a{number % 25}", number, " ".join(words)))
        expected = []
        for first, second in itertools.combinations(range(60), 2):
            one, other = shingles(records[first].text), shingles(records[second].text)
            similarity = len(one & other) / len(one | other)
            if records[first].article != records[second].article and similarity > NEAR_DUPLICATE:
                expected.append((first, second, similarity))
        assert expected
        assert near_duplicates(records) == expected


def pure_shingles(text):
    """The definition, word by word."""
    words = re.findall(r"\w+", clean(text).lower())
    runs = [words[i : i + 5] for i in range(max(1, len(words) - 4))]
    return frozenset(hashlib.blake2b(" ".join(run).encode(), digest_size=8).digest() for run in runs)


def pure_near_duplicates(records, common):
    """Near-duplicates with sets and dictionaries: slow, and plain to see."""
    same = defaultdict(list)
    for number, record in enumerate(records):
        same[pure_shingles(record.text)].append(number)
    texts = list(same.items())
    pairs = []
    for _, members in texts:
        few = len(members) <= common
        equal = itertools.combinations(members, 2) if few else itertools.product(members[:1], members[1:])
        pairs += [(one, two, 1.0) for one, two in equal]
    index = defaultdict(list)
    for number, (found, _) in enumerate(texts):
        for shingle in found:
            index[shingle].append(number)
    shared = defaultdict(int)
    for members in index.values():
        if len(members) <= common:
            for pair in itertools.combinations(members, 2):
                shared[pair] += 1
    for (one, two), count in shared.items():
        (first, left), (second, right) = texts[one], texts[two]
        similarity = count / (len(first) + len(second) - count)
        if similarity > 0.5:
            products = itertools.product(left[:common], right[:common])
            pairs += [(min(pair), max(pair), similarity) for pair in products]
    return sorted(pair for pair in pairs if records[pair[0]].article != records[pair[1]].article)


def pure_groups(records, pairs):
    """Articles joined by the pairs, one by one; a group is called after the article that was joined to last."""
    parent = {record.article: record.article for record in records}

    def root(name):
        while parent[name] != name:
            name = parent[name]
        return name

    for first, second, _ in pairs:
        parent[root(records[second].article)] = root(records[first].article)
    members = defaultdict(list)
    for number, record in enumerate(records):
        members[root(record.article)].append(number)
    return [members[name] for name in sorted(members)]


class TestTheDefinition:
    """The fast search against the plain definition, also where texts are common and work is cut into blocks."""

    sentences = st.lists(st.sampled_from(WORDS[:4]), max_size=9).map(" ".join)

    @settings(max_examples=150, deadline=None)
    @given(
        texts=st.lists(st.tuples(st.integers(0, 9), sentences), max_size=40),
        common=st.sampled_from([2, 3, 200]),
        block=st.sampled_from([1, 7, 4_000_000]),
    )
    def test_pairs_and_groups_are_those_of_the_definition(self, texts, common, block):
        records = [make(f"a{article}", number, text or "–") for number, (article, text) in enumerate(texts)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(duplicates, "COMMON", common)
            patch.setattr(duplicates, "BLOCK", block)
            expected = pure_near_duplicates(records, common)
            assert near_duplicates(records) == expected
            assert groups(records) == pure_groups(records, expected)

    @settings(max_examples=100, deadline=None)
    @given(one=st.text(max_size=60), other=st.text(max_size=60))
    def test_shingles_are_equal_where_those_of_the_definition_are(self, one, other):
        assert len(shingles(one)) == len(pure_shingles(one))
        assert len(shingles(one) & shingles(other)) == len(pure_shingles(one) & pure_shingles(other))

    def test_nothing_has_no_pairs_and_no_groups(self):
        assert near_duplicates([]) == []
        assert groups([]) == []


class TestLeaks:
    @pytest.fixture(scope="class")
    def sides(self):
        splits = split_records(corpus(), SHARES, seed=1)
        return splits["train"], splits["test"]

    def test_a_planted_copy_is_found_and_nothing_else(self, sides):
        train, test = sides
        copied = train[17]
        planted = make("nieuw", 0, copied.text.upper() + " …")
        assert leaks(train, [*test, planted]) == [(copied.id, planted.id)]

    def test_a_planted_near_copy_is_found_and_nothing_else(self, sides):
        train, test = sides
        copied = train[40]
        planted = make("nieuw", 0, f"{copied.text.rsplit(' ', 1)[0]} anders")
        assert leaks(train, [*test, planted]) == [(copied.id, planted.id)]

    def test_a_planted_sentence_of_the_same_article_is_found(self, sides):
        train, test = sides
        article = train[0].article
        planted = make(article, 99, "Een zin die nergens anders voorkomt in dit geheel.")
        found = leaks(train, [*test, planted])
        assert {identity for identity, _ in found} == {record.id for record in train if record.article == article}

    def test_a_copy_within_one_side_is_no_leak(self, sides):
        train, test = sides
        assert leaks([*train, make("nieuw", 0, train[0].text)], test) == []

    def test_an_empty_side_has_no_leaks(self, sides):
        assert leaks(sides[0], []) == []
        assert leaks([], sides[1]) == []


class TestRefused:
    def test_too_few_articles_are_refused_with_the_number_and_a_remedy(self):
        with pytest.raises(DataError, match=r"^5 independent articles are too few for 3 splits\. Annotate more"):
            split_records(corpus(5), SHARES, seed=1)

    def test_copies_do_not_count_as_articles(self):
        text = " ".join(WORDS[:12])
        records = [make(f"a{number}", 0, text, KEYS) for number in range(40)]
        with pytest.raises(DataError, match=r"^1 independent articles are too few"):
            split_records(records, SHARES, seed=1)

    def test_no_articles_at_all_are_refused(self):
        with pytest.raises(DataError, match="0 independent articles"):
            split_records([], SHARES, seed=1)

    def test_a_label_that_one_article_alone_holds_is_refused_by_split_and_label(self):
        records = [record.model_copy(update={"labels": tuple(set(record.labels) - {"retreat"})}) for record in corpus()]
        records[3] = records[3].model_copy(update={"labels": ("retreat",)})
        with pytest.raises(DataError) as caught:
            split_records(records, SHARES, seed=1)
        message = str(caught.value)
        assert "has no sentence with label 'retreat'" in message
        assert any(f"Split '{name}'" in message for name in SHARES)
        assert "Annotate more of them, in different articles, or choose another data.seed" in message


def dated(number_of_articles=120, days=("2014-03-01", "2014-11-30", "2015-01-01", "2015-06-30")):
    """The invented articles, dated in turn."""
    records = corpus(number_of_articles)
    return [record.model_copy(update={"date": days[int(record.article[1:]) % len(days)]}) for record in records]


class TestByDate:
    before = "2015-01-01"

    def test_what_is_earlier_is_trained_on_and_the_rest_tested(self):
        records = dated()
        splits, left_out = split_by_date(records, self.before, 0.2, seed=1)
        assert list(splits) == ["train", "validation", "test"]
        assert left_out == []
        assert {record.date for record in splits["train"] + splits["validation"]} == {"2014-03-01", "2014-11-30"}
        assert {record.date for record in splits["test"]} == {"2015-01-01", "2015-06-30"}  # the day itself is later
        assert sorted(record.id for part in splits.values() for record in part) == sorted(r.id for r in records)
        assert not articles(splits["train"]) & articles(splits["validation"])
        earlier = len(splits["train"]) + len(splits["validation"])
        assert len(splits["validation"]) / earlier == pytest.approx(0.2, abs=0.03)

    def test_later_articles_that_share_a_text_with_earlier_ones_are_left_out(self):
        records = dated()
        text = " ".join(WORDS[:12])
        planted = [("a0000", "2014-03-01"), ("a0002", "2015-01-01"), ("a0003", "2015-06-30")]
        records += [make(name, 50, text).model_copy(update={"date": day}) for name, day in planted]
        splits, left_out = split_by_date(records, self.before, 0.2, seed=1)
        assert articles(left_out) == {"a0002", "a0003"}
        assert articles(splits["test"]).isdisjoint(articles(left_out))
        assert "a0000" in articles(splits["train"] + splits["validation"])
        assert leaks(splits["train"] + splits["validation"], splits["test"]) == []

    def test_an_article_on_both_sides_keeps_its_earlier_sentences(self):
        records = dated()
        records[0] = records[0].model_copy(update={"date": "2016-01-01"})
        splits, left_out = split_by_date(records, self.before, 0.2, seed=1)
        assert left_out == [records[0]]
        rest = [record.id for record in records[1:] if record.article == records[0].article]
        assert set(rest) <= {record.id for record in splits["train"] + splits["validation"]}

    def test_texts_shared_among_later_articles_stay_in_test(self):
        text = " ".join(WORDS[:12])
        more = [make(name, 50, text).model_copy(update={"date": "2015-01-01"}) for name in ("a0002", "a0006")]
        splits, left_out = split_by_date(dated() + more, self.before, 0.2, seed=1)
        assert left_out == []
        assert {record.id for record in more} <= {record.id for record in splits["test"]}

    def test_undated_sentences_are_counted_and_the_first_is_named(self):
        records = dated()
        for number in (3, 70, 71):
            records[number] = records[number].model_copy(update={"date": None})
        with pytest.raises(DataError, match=rf"^3 of {len(records)} sentences have no date, .*'{records[3].id}'"):
            split_by_date(records, self.before, 0.2, seed=1)

    @pytest.mark.parametrize(("day", "side"), [("2014-03-01", "before"), ("2015-07-01", "on or after")])
    def test_a_date_with_nothing_on_one_side_is_refused_with_the_range(self, day, side):
        message = f"No sentence is dated {side} {day}: the dates run from 2014-03-01 to 2015-06-30"
        with pytest.raises(DataError, match=message):
            split_by_date(dated(), day, 0.2, seed=1)

    def test_a_label_that_is_never_given_later_is_named(self):
        records = [
            record.model_copy(update={"labels": tuple(set(record.labels) - {"retreat"})})
            if str(record.date) >= self.before
            else record
            for record in dated()
        ]
        with pytest.raises(DataError, match=r"Split 'test' has no sentence with label 'retreat'.*data\.train_before"):
            split_by_date(records, self.before, 0.2, seed=1)

    def test_a_config_asks_for_it_and_what_is_left_out_is_said_and_kept(self, tmp_path, caplog):
        text = " ".join(WORDS[:12])
        more = [
            make(name, 50, text).model_copy(update={"date": day})
            for name, day in (("a0000", "2014-03-01"), ("a0002", "2015-01-01"))
        ]
        path = tmp_path / "zinnen.jsonl"
        path.write_text("".join(f"{record.model_dump_json()}\n" for record in dated() + more), "utf-8")
        overrides = [f"data.files=[{path}]", "data.held_out=[]"]
        config = load_run_config(DEFAULT, [*overrides, f"data.train_before={self.before}"])
        with caplog.at_level(logging.INFO):
            corpus_ = load_corpus(config.data)
        assert {record.date for record in corpus_.splits["test"]} == {"2015-01-01", "2015-06-30"}
        left_out = corpus_.document()["left_out"]
        assert f"{len(left_out)} sentences dated from 2015-01-01 on are left out of test (articles: 1)" in caplog.text
        assert {identity[:5] for identity in left_out} == {"a0002"}
        at_random = load_corpus(load_run_config(DEFAULT, overrides).data)
        assert at_random.split_fingerprint != corpus_.split_fingerprint
        assert at_random.data_fingerprint == corpus_.data_fingerprint
        assert "left_out" not in at_random.document()

    @pytest.mark.parametrize("value", ["2015-1-1", "'2015-02-30'", "gisteren", "2015", "2015-01-01 10:00:00", "[]"])
    def test_what_is_no_date_is_refused_by_key(self, value):
        with pytest.raises(UsageError, match=r"data\.train_before: must be a date"):
            load_run_config(DEFAULT, [f"data.train_before={value}"])

    def test_a_date_is_text_in_the_resolved_config(self):
        config = load_run_config(DEFAULT, ["data.train_before=2015-01-01"])
        assert json.loads(config.model_dump_json())["data"]["train_before"] == "2015-01-01"
        assert load_run_config(DEFAULT, ["data.train_before='2015-01-01'"]) == config


def test_the_table_counts_articles_sentences_and_labels():
    records = [
        *[make("a", 0, "een", ["threat"]), make("a", 1, "twee", ["threat", "retreat"])],
        *[make("b", 0, "drie"), make("b", 1, "vier", ["ceasefire_call"])],
    ]
    head, row, empty = (line.split() for line in counts_table({"train": records, "test": []}).splitlines())
    assert head == ["split", "articles", "sentences", *KEYS, "none", "2+", "labels"]
    assert row == ["train", "2", "4", "2", "0", "1", "1", "1", "1"]
    assert empty == ["test", "0", "0", "0", "0", "0", "0", "0", "0"]
