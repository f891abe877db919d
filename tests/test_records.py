"""Annotation files: every fault is named with file, line and remedy."""

import json
import random

import pytest

from strijdtaal.errors import DataError
from training.records import MAX_LINE_BYTES, SHOWN_FAULTS, find_files, fingerprint, read_records

GOOD = {
    "id": "a1-00",
    "article": "a1",
    "index": 0,
    "text": "De rebellen dreigen Goma te bestormen.",
    "labels": ["threat"],
}


def row(**changes):
    return json.dumps({**GOOD, **changes}, ensure_ascii=False)


def without(key):
    return json.dumps({name: value for name, value in GOOD.items() if name != key})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "annotaties.jsonl"


@pytest.fixture
def read(path):
    def write_and_read(*lines):
        path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines))
        return read_records([path])

    return write_and_read


@pytest.fixture
def refused(read, path):
    """The message for a second line with a fault; it must name the file and that line, and no other."""

    def message(line):
        with pytest.raises(DataError) as caught:
            read(row(id="a0-00"), line, row(id="a2-00"))
        text = str(caught.value)
        assert text.startswith("1 fault in the annotations:")
        assert f"{path}, line 2: " in text
        assert f"{path}, line 3: " not in text
        return text

    return message


class TestGood:
    def test_a_full_record_is_read_as_written(self, read):
        more = {"annotations": {"a": ["threat"], "b": []}, "reason": "dreigt met aanval", "date": "2012-11-20"}
        (record,) = read(row(**more, region="Congo", style="wire"))
        assert (record.id, record.article, record.index, record.labels) == ("a1-00", "a1", 0, ("threat",))
        assert record.text == GOOD["text"]
        assert record.annotations == {"a": ("threat",), "b": ()}
        assert (record.date, record.region, record.style) == ("2012-11-20", "Congo", "wire")

    def test_an_empty_list_of_labels_is_none(self, read):
        assert read(row(labels=[]))[0].labels == ()

    def test_labels_are_put_in_the_fixed_order(self, read):
        assert read(row(labels=["ceasefire_call", "threat"]))[0].labels == ("threat", "ceasefire_call")

    def test_a_byte_order_mark_is_accepted(self, read):
        assert read(b"\xef\xbb\xbf" + row().encode())[0].id == "a1-00"

    def test_blank_lines_and_windows_line_ends_are_accepted(self, read):
        assert [record.id for record in read(row() + "\r", "", " \r", row(id="b") + "\r", "")] == ["a1-00", "b"]

    def test_a_line_separator_within_a_text_does_not_end_the_line(self, read):
        assert read(row(text="Het leger\u2028trekt zich terug."))[0].text == "Het leger\u2028trekt zich terug."

    def test_the_order_of_files_and_lines_is_kept(self, tmp_path):
        for name in "ba":
            (tmp_path / name).write_text(row(id=f"{name}1") + "\n" + row(id=f"{name}0"), "utf-8")
        assert [r.id for r in read_records([tmp_path / "b", tmp_path / "a"])] == ["b1", "b0", "a1", "a0"]

    def test_a_record_cannot_be_changed(self, read):
        with pytest.raises(ValueError, match="frozen"):
            read(row())[0].text = "anders"


class TestLabels:
    def test_an_unknown_label_is_named_with_the_nearest_and_all_known_ones(self, refused):
        message = refused(row(labels=["treat"]))
        assert "field 'labels': unknown label 'treat'. Did you mean 'threat'?" in message
        assert "Known: threat, support, retreat, ceasefire_call" in message

    @pytest.mark.parametrize("label", ["dreiging", "Threat", "", 3, None, ["threat"], {}])
    def test_what_is_not_a_key_is_not_a_label(self, refused, label):
        assert "unknown label" in refused(row(labels=[label]))

    def test_missing_labels_are_refused_with_the_way_to_write_none(self, refused):
        message = refused(without("labels"))
        assert "field 'labels' is missing" in message
        assert '"labels": []' in message

    @pytest.mark.parametrize(("value", "found"), [(None, "NoneType"), ("threat", "str"), ({}, "dict"), (0, "int")])
    def test_labels_that_are_no_list_are_refused(self, refused, value, found):
        assert f"field 'labels': must be a list of labels, found {found}" in refused(row(labels=value))

    def test_a_label_twice_is_refused(self, refused):
        assert "a label stands twice" in refused(row(labels=["support", "support"]))

    def test_the_labels_of_each_annotator_are_checked_too(self, refused):
        message = refused(row(annotations={"a": ["suport"]}))
        assert "field 'annotations': unknown label 'suport'. Did you mean 'support'?" in message

    def test_annotations_must_be_an_object(self, refused):
        assert "field 'annotations': must be an object" in refused(row(annotations=[["threat"]]))


class TestFields:
    @pytest.mark.parametrize("key", ["id", "article", "index", "text"])
    def test_a_missing_field_is_named(self, refused, key):
        assert f"field '{key}' is missing" in refused(without(key))

    def test_an_unknown_field_is_named_with_the_nearest_known_one(self, refused):
        assert "unknown field 'regio'. Did you mean 'region'?" in refused(row(regio="Congo"))

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            *[("id", 5), ("id", ""), ("id", " a"), ("id", "a\nb"), ("id", "x" * 201), ("article", None)],
            *[("index", -1), ("index", 1.0), ("index", "0"), ("index", True), ("text", ""), ("text", 3)],
            *[
                ("text", " \u200b\n"),
                ("text", "a" * 5_001),
                ("reason", None),
                ("date", "2020-13-01"),
                ("date", "gisteren"),
            ],
        ],
    )
    def test_a_value_that_cannot_be_is_refused_by_field(self, refused, key, value):
        assert f"field '{key}': " in refused(row(**{key: value}))

    def test_a_dutch_date_is_refused_with_the_way_to_write_it(self, refused):
        assert "must be written as year-month-day, for example 2020-05-22, found '22-05-2020'" in refused(
            row(date="22-05-2020")
        )

    def test_several_faults_of_one_line_are_all_named(self, refused):
        message = refused('{"id": 5, "text": "x", "lables": []}')
        for part in ("'id'", "'article' is missing", "'index' is missing", "'labels' is missing", "'lables'"):
            assert part in message

    @pytest.mark.parametrize("key", ["id", "article", "text", "reason", "region", "style"])
    def test_half_a_surrogate_pair_is_refused_in_any_field(self, refused, key):
        assert f"'{key}'" in refused(json.dumps({**GOOD, key: "x\ud800"}))


class TestLines:
    def test_bytes_that_are_not_utf8_are_named_with_the_remedy(self, refused):
        line = row(text="Oekraïne trekt zich terug.").encode("latin-1")
        message = refused(line)
        assert f"not UTF-8 (byte 0xef at place {line.index(0xEF)} of the line)" in message
        assert "save the file as UTF-8" in message

    @pytest.mark.parametrize("length", [1, 30, -1, -10])
    def test_a_truncated_line_is_recognised(self, refused, length):
        message = refused(row()[:length])
        assert "not valid JSON" in message
        assert "is it cut off?" in message

    def test_two_records_on_one_line_are_refused(self, refused):
        assert "not valid JSON" in refused(row() + row(id="b"))

    @pytest.mark.parametrize("key", ["labels", "text"])
    def test_a_duplicate_key_is_named(self, refused, key):
        line = row()[:-1] + f', "{key}": {json.dumps(GOOD[key])}}}'
        assert f"key '{key}' stands twice" in refused(line)

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
    def test_a_constant_that_is_not_json_is_named(self, refused, number):
        assert f"{number} is not a JSON number" in refused(row().replace('"index": 0', f'"index": {number}'))

    @pytest.mark.parametrize("number", ["9" * 5_000, "1e400"])
    def test_a_number_beyond_all_bounds_is_refused(self, refused, number):
        assert refused(row().replace('"index": 0', f'"index": {number}'))

    @pytest.mark.timeout(20)
    @pytest.mark.parametrize("line", ["[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000])
    def test_deep_nesting_is_refused_in_bounded_time(self, refused, line):
        assert "brackets nested deeper than" in refused(line)

    def test_deep_nesting_within_a_field_is_refused(self, refused):
        assert "nested deeper" in refused(row()[:-1] + ', "reason": ' + "[" * 500 + "]" * 500 + "}")

    def test_brackets_in_a_text_are_not_nesting(self, read):
        assert read(row(text="De lijst: " + "[ " * 30))[0].text.count("[") == 30

    def test_an_overlong_line_is_refused_with_both_lengths(self, refused):
        message = refused(b"x" * (MAX_LINE_BYTES + 1))
        assert "1,000,001 bytes in one line; at most 1,000,000" in message

    @pytest.mark.parametrize("line", ["[]", "3", '"tekst"', "null"])
    def test_a_line_that_is_no_object_is_refused(self, refused, line):
        assert "not a JSON object" in refused(line)


class TestFiles:
    def test_a_duplicate_id_is_named_with_both_places(self, read, path):
        with pytest.raises(DataError) as caught:
            read(row(), row(id="b"), row())
        assert f"{path}, line 3: id 'a1-00' was used before, at {path}, line 1" in str(caught.value)

    def test_an_id_used_in_another_file_is_named_with_both_files(self, tmp_path):
        for name in ("een.jsonl", "twee.jsonl"):
            (tmp_path / name).write_text(row(), "utf-8")
        with pytest.raises(DataError) as caught:
            read_records([tmp_path / "een.jsonl", tmp_path / "twee.jsonl"])
        assert f"{tmp_path / 'twee.jsonl'}, line 1" in str(caught.value)
        assert f"at {tmp_path / 'een.jsonl'}, line 1" in str(caught.value)

    def test_faults_of_all_lines_come_together(self, read, path):
        with pytest.raises(DataError) as caught:
            read(row(labels=["treat"]), row(id="b"), "", without("text"), "{")
        message = str(caught.value)
        assert message.startswith("3 faults in the annotations:")
        assert [number for number in range(1, 6) if f"{path}, line {number}: " in message] == [1, 4, 5]

    def test_very_many_faults_are_counted_but_not_all_shown(self, read):
        count = SHOWN_FAULTS + 7
        with pytest.raises(DataError) as caught:
            read(*["{"] * count)
        assert str(caught.value).startswith(f"{count} faults")
        assert str(caught.value).count(", line ") == SHOWN_FAULTS
        assert str(caught.value).endswith("and 7 more")

    @pytest.mark.parametrize("content", [b"", b"\n\n", b" \r\n"])
    def test_an_empty_file_is_refused_by_name(self, path, content):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"annotaties\.jsonl is empty: no usable rows\. Give a file"):
            read_records([path])

    def test_one_empty_file_among_others_is_refused(self, path, tmp_path):
        (tmp_path / "goed.jsonl").write_text(row(), "utf-8")
        path.write_bytes(b"")
        with pytest.raises(DataError, match=r"annotaties\.jsonl is empty"):
            read_records([tmp_path / "goed.jsonl", path])

    def test_a_missing_file_is_named(self, path):
        with pytest.raises(DataError, match=r"Cannot read .*annotaties\.jsonl.*Check the path"):
            read_records([path])

    def test_a_folder_stands_for_its_jsonl_files_by_name(self, tmp_path):
        for name in ("b.jsonl", "a.jsonl", "lees.txt"):
            (tmp_path / name).write_text("")
        single = tmp_path / "lees.txt"
        assert find_files([tmp_path, single]) == [tmp_path / "a.jsonl", tmp_path / "b.jsonl", single]

    def test_a_folder_without_jsonl_files_is_refused(self, tmp_path):
        with pytest.raises(DataError, match=r"holds no \.jsonl file"):
            find_files([tmp_path])

    def test_a_path_that_does_not_exist_points_at_the_config_key(self, tmp_path):
        with pytest.raises(DataError, match=r"weg does not exist\. Check the path .*data\.files"):
            find_files([tmp_path / "weg"])


class TestFingerprint:
    rows = tuple(row(id=f"a1-{number:02}", index=number, text=f"Zin nummer {number}.") for number in range(20))

    def test_does_not_depend_on_the_order(self, read):
        expected = fingerprint(read(*self.rows))
        shuffled = list(self.rows)
        random.Random(3).shuffle(shuffled)
        assert shuffled != list(self.rows)
        assert fingerprint(read(*shuffled)) == expected

    @pytest.mark.parametrize(
        "changes",
        [{"labels": []}, {"labels": ["support"]}, {"text": "Een andere zin."}, {"id": "b"}, {"article": "b"}],
        ids=lambda changes: next(iter(changes)),
    )
    def test_changes_with_what_training_depends_on(self, read, changes):
        first = json.loads(self.rows[0])
        changed = json.dumps({**first, **changes})
        assert fingerprint(read(changed, *self.rows[1:])) != fingerprint(read(*self.rows))

    def test_changes_when_a_record_is_left_out(self, read):
        assert fingerprint(read(*self.rows[1:])) != fingerprint(read(*self.rows))

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ({}, {"region": "Congo"}),
            ({}, {"reason": "uitleg", "annotations": {"a": []}}),
            ({"text": "De  rebellen\u00a0dreigen.\u200b"}, {"text": "De rebellen dreigen."}),
            ({"labels": ["threat", "support"]}, {"labels": ["support", "threat"]}),
        ],
    )
    def test_does_not_change_with_what_training_does_not_see(self, read, before, after):
        assert fingerprint(read(row(**before))) == fingerprint(read(row(**after)))
