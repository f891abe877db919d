"""Rows of JSONL, what a stranger's JSON may do, and what readers share: labels and faults."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strijdtaal.errors import DataError
from training.intake.json_rows import first_object, json_lines
from training.intake.sentence import MAX_FAULTS, MAX_MESSAGE, SHOWN_FAULTS, Intake
from training.intake.source import Source
from training.strict_json import MAX_DEPTH, depth, parse

SENTENCE = "Oekraïne vraagt om een staakt-het-vuren."
ROW = json.dumps({"text": SENTENCE, "labels": ["ceasefire_call"]}, ensure_ascii=False)


def rows_of(content, name="x.jsonl"):
    intake = Intake()
    data = content if isinstance(content, bytes) else content.encode()
    return list(json_lines(Source(name, data), intake)), intake.faults


class TestLines:
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n", "\r\n \r\n"])
    def test_line_ends_of_all_systems(self, end):
        found, faults = rows_of(end.join([ROW, ROW, ROW]) + end)
        assert [row["text"] for _, row in found] == [SENTENCE] * 3
        assert not faults

    def test_line_numbers_count_every_line(self):
        found, faults = rows_of(f"{ROW}\r\n\r\n{ROW}\r{ROW}\n{{\r\n")
        assert [where for where, _ in found] == [f"x.jsonl, line {number}" for number in (1, 3, 4)]
        assert faults[0].startswith("x.jsonl, line 5: not valid JSON")

    def test_separators_inside_a_text_do_not_end_the_line(self):
        text = "Eén\u2028twee\u0085drie\x0bvier"
        found, faults = rows_of(json.dumps({"text": text}, ensure_ascii=False).replace("\\u000b", "\\u000B"))
        assert found[0][1]["text"] == text
        assert not faults

    def test_files_that_were_joined_keep_their_marks_without_harm(self):
        found, faults = rows_of(f"\ufeff{ROW}\n\ufeff{ROW}\n")
        assert (len(found), faults) == (2, [])

    def test_a_very_long_line_is_refused_with_its_length(self):
        found, faults = rows_of('{"text": "' + "a" * 1_000_000 + '"}\n' + ROW)
        assert faults == ["x.jsonl, line 1: 1,000,012 characters in one line; at most 1,000,000"]
        assert len(found) == 1

    @pytest.mark.parametrize("line", ["[1]", "3", "null", '"tekst"'])
    def test_a_row_that_is_no_object_is_a_fault(self, line):
        assert rows_of(line)[1] == ["x.jsonl, line 1: not a JSON object"]

    def test_a_truncated_last_line_is_a_fault_and_the_others_are_read(self):
        found, faults = rows_of(f"{ROW}\n{ROW[:-5]}")
        assert len(found) == 1
        assert "line 2: not valid JSON" in faults[0]
        assert "is it cut off?" in faults[0]

    @pytest.mark.timeout(20)
    @pytest.mark.parametrize("line", ["[" * 400_000, '{"a":' * 100_000, "[" * 400_000 + "]" * 400_000])
    def test_deep_nesting_leaves_the_process_alive(self, line):
        assert "nested deeper than" in rows_of(line)[1][0]
        assert first_object(Source("x.jsonl", b'{"a":' + line.encode())) is None

    @pytest.mark.parametrize("start", ["", "[", "[\n  ", "\ufeff[", " \n"])
    def test_the_first_object_of_a_list_or_of_lines(self, start):
        pretty = json.dumps({"text": SENTENCE, "data": {"a": [1]}}, indent=2)
        assert first_object(Source("x.json", f"{start}{pretty},\n{{".encode()))["data"] == {"a": [1]}

    @pytest.mark.parametrize("content", [b"", b"[]", b"[1, {}]", b"{", b"tekst", b"\xff\xfe{\0", b"\0" * 50])
    def test_no_first_object(self, content):
        assert first_object(Source("x.json", content)) is None


class TestStrictJson:
    @pytest.mark.parametrize("text", ["NaN", "[-Infinity]", '{"a": 1e400}', "9" * 101])
    def test_numbers_that_are_none(self, text):
        with pytest.raises(ValueError, match=r"not a JSON number|too large|digits"):
            parse(text)

    @pytest.mark.parametrize("text", [r'{"b": "\ud800"}', r'{"b": ["\\\ude00"]}', r'{"b": "\uD83D\ud83d\ude00"}'])
    def test_half_a_pair_is_named_with_its_field(self, text):
        with pytest.raises(ValueError, match="field 'b' holds half of a surrogate pair"):
            parse(text)

    def test_half_a_pair_in_a_list_is_named_with_its_row(self):
        with pytest.raises(ValueError, match="row 2 holds half of a surrogate pair"):
            parse(r'[{"a": "\ud83d\ude00"}, {"a": ["\ud83d\\ude00"]}]')

    def test_whole_pairs_and_escaped_backslashes_are_text(self):
        assert parse(r'["\ud83d\ude00", "\\ud800", "\u00eb"]') == ["😀", "\\ud800", "ë"]

    def test_a_key_twice_at_any_depth_is_refused(self):
        with pytest.raises(ValueError, match="key 'a' stands twice"):
            parse('{"x": [{"a": 1, "b": 2, "a": 1}]}')

    @pytest.mark.timeout(10)
    @pytest.mark.parametrize("tail", ['"\\' * 300_000, '"' * 600_001, '"' + '\\"' * 300_000 + "\\", '"\\\n' * 200_000])
    def test_strings_that_do_not_end_take_no_more_than_linear_time(self, tail):
        with pytest.raises(ValueError, match=r"nested deeper|not valid JSON"):
            parse("[" * (MAX_DEPTH + 1) + tail)

    @settings(max_examples=200, deadline=None, derandomize=True)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text('[]{}"\\é€\ud83d', max_size=8),
            lambda inner: (
                st.lists(inner, max_size=4) | st.dictionaries(st.text('[{"\\a', max_size=3), inner, max_size=4)
            ),
        ),
        st.booleans(),
    )
    def test_gives_what_the_standard_library_gives_or_refuses(self, value, ascii_only):
        def levels(one):
            inside = one.values() if isinstance(one, dict) else one if isinstance(one, list) else None
            return 0 if inside is None else 1 + max(map(levels, inside), default=0)

        text = json.dumps(value, ensure_ascii=ascii_only)
        assert depth(text) == levels(value)
        if ascii_only and "\ud83d" in json.dumps(value, ensure_ascii=False):
            with pytest.raises(ValueError, match="surrogate"):
                parse(text)
        else:
            assert parse(text) == value


class TestIntake:
    def test_labels_are_renamed_and_put_in_order(self):
        intake = Intake(label_map={"Steun": "support", "Hulp": "support", "geen": ""})
        assert intake.labels(["Steun", "threat", "Hulp"]) == ("threat", "support")
        assert intake.labels(["geen"]) == ()

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (["Threat\u200b "], "Did you mean 'threat'"),
            (["x" * 500], "unknown label 'x{60}'"),
            ([3], "must be text, found int 3"),
            ([["threat"]], "found list"),
            (["threat", "threat"], "stands twice"),
            ("threat", "must be a list"),
            ([""], "unknown label ''"),
        ],
    )
    def test_what_is_no_label_is_refused(self, names, message):
        with pytest.raises(ValueError, match=message):
            Intake(label_map={"geen": ""}).labels(names)

    def test_faults_are_shown_without_characters_that_act_on_a_terminal(self):
        intake = Intake()
        intake.fault("a\x1b[31m.json", "label 'x\u202e\n'" + "y" * 5_000)
        assert intake.faults[0].startswith("a�[31m.json: label 'x��'yyy")
        assert len(intake.faults[0]) == MAX_MESSAGE

    def test_all_faults_are_counted_and_the_first_are_shown(self):
        intake = Intake()
        intake.check()
        for number in range(SHOWN_FAULTS + 2):
            intake.fault(f"x, line {number}", "fout")
        with pytest.raises(DataError, match=r"^22 faults in the files to import; nothing was written:") as caught:
            intake.check()
        assert str(caught.value).endswith("line 19: fout\n  and 2 more")

    def test_reading_stops_at_a_file_of_faults(self):
        with pytest.raises(DataError, match=rf"{MAX_FAULTS:,} faults(?s:.*)reading stopped there"):
            rows_of("x\n" * (MAX_FAULTS + 10))
