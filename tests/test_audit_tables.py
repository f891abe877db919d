"""Tables of any kind are read as they are: columns, headers, quotes, labels; faults name file and line."""

import json
from argparse import Namespace

import pytest

from strijdtaal.errors import DataError, UsageError
from training.__main__ import _parser, main
from training.audit.load import load

LONG = "De colonne reed in de nacht over de brug naar het noorden"


def options(*arguments) -> Namespace:
    return _parser().parse_args(["audit", *(str(argument) for argument in arguments)])


@pytest.fixture
def read(tmp_path):
    """Write a file, and load it with options: the sample."""

    def write_and_load(name, content, *more):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load(options(path, *more))[0]

    return write_and_load


def labels(sample):
    return [row.labels for row in sample.rows]


@pytest.fixture
def refused(read):
    def message(*arguments):
        with pytest.raises((DataError, UsageError)) as caught:
            read(*arguments)
        return str(caught.value)

    return message


class TestSeparated:
    @pytest.mark.parametrize(("delimiter", "name"), [(",", "a.csv"), (";", "a.csv"), ("\t", "a.tsv"), ("|", "a.txt")])
    def test_the_delimiter_is_the_one_that_gives_even_rows(self, read, delimiter, name):
        text = "Ja; nee, zei hij | en hij ging\tweg."
        rows = [["zin", "label"], [f'"{text}"', "steun"], [f'"{text} Toen"', ""]]
        sample = read(name, "\r\n".join(delimiter.join(row) for row in rows))
        assert [row.text for row in sample.rows] == [text, text + " Toen"]
        assert labels(sample) == [("steun",), ()]

    def test_values_stay_text(self, read):
        sample = read("a.csv", "id,text,label,article\n007,NA zei hij,null,1.200\n008,niets daarvan,nan,1.2\n")
        assert [row.id for row in sample.rows] == ["007", "008"]
        assert [row.article for row in sample.rows] == ["1.200", "1.2"]
        assert labels(sample) == [("null",), ("nan",)]

    def test_a_table_without_header_is_recognised_and_told(self, read):
        sample = read("a.tsv", f"{LONG}\t0\t1\nDat zei hij gisteren nog\t1\t0\n")
        assert [row.text for row in sample.rows] == [LONG, "Dat zei hij gisteren nog"]
        assert labels(sample) == [("3",), ("2",)]
        assert "no header" in sample.notes[0]

    def test_a_short_first_row_is_data_if_one_says_so(self, read):
        content = "dat zei hij\tsteun\n" + f"{LONG}\tdreiging\n" * 3
        assert len(read("a.tsv", content, "--text", "dat zei hij", "--labels", "steun").rows) == 3
        assert labels(read("a.tsv", content, "--no-header"))[0] == ("steun",)

    def test_quotes_of_a_table_written_without_quoting_are_text(self, read):
        sample = read("a.tsv", 'text\tlabel\n"Wij gaan door, zei hij.\tdreiging\nHij zei: "nee" en ging.\tgeen\n')
        assert sample.rows[0].text == '"Wij gaan door, zei hij.'
        assert "quotes taken as text" in sample.notes[0]

    def test_cells_may_hold_line_ends(self, read):
        sample = read("a.csv", f'text,label\n"{LONG}\n\n",steun\n"Nee, zei hij.",geen\n')
        assert [row.id for row in sample.rows] == ["a:2", "a:5"]

    def test_a_ragged_row_is_named_by_its_line(self, refused):
        message = refused("a.csv", f"text,label\n{LONG},steun\n{LONG}, zei hij,geen\n")
        assert "a.csv, line 3: 3 cells, but the first row has 2" in message

    def test_other_encodings_are_named_and_read(self, read, refused):
        raw = "text,label\nDe strijd in Libië,steun\n".encode("cp1252")
        assert "line 2" in refused("a.csv", raw)
        assert read("a.csv", raw, "--encoding", "cp1252").rows[0].text == "De strijd in Libië"

    def test_rows_without_text_are_counted_and_passed_over(self, read):
        sample = read("a.csv", f"text,label\n{LONG},steun\n ,geen\n")
        assert len(sample.rows) == 1
        assert "passed over: 1" in sample.notes[1]

    @pytest.mark.parametrize("content", ["", "text,label\n", "\n\n"])
    def test_nothing_usable_is_an_error(self, refused, content):
        assert "a.csv" in refused("a.csv", content)


class TestColumns:
    def test_an_unknown_column_is_named_with_the_nearest(self, refused):
        message = refused("a.csv", f"zin,soort\n{LONG},steun\n", "--text", "zinn", "--labels", "soort")
        assert "has no column 'zinn' (--text). Did you mean 'zin'?" in message
        assert "'zin', 'soort'" in message

    def test_what_cannot_be_told_is_asked_for(self, refused):
        assert "--text" in refused("a.csv", f"kop,soort\n{LONG},steun\n")
        assert "--labels" in refused("a.csv", f"text,soort\n{LONG},steun\n")

    def test_columns_of_zero_and_one_are_labels_by_name(self, read):
        sample = read("a.csv", f"text,steun,dreiging,plaats\n{LONG},1,0,Goma\n{LONG},1,1,Bangui\n{LONG},0,0,Goma\n")
        assert labels(sample) == [("steun",), ("steun", "dreiging"), ()]
        assert sample.labels == ("steun", "dreiging")

    def test_several_columns_of_names_carry_the_column_in_front(self, read):
        sample = read("a.csv", f"text,soort,wie\n{LONG},steun,leger\n", "--labels", "soort,wie")
        assert labels(sample) == [("soort=steun", "wie=leger")]

    @pytest.mark.parametrize(
        ("cell", "more"),
        [
            ('"[""steun"", ""dreiging""]"', ()), ("\"['steun', 'dreiging']\"", ()),
            ("steun;dreiging", ("--label-separator", ";")), ("steun#dreiging", ("--label-separator", "#")),
        ],
    )  # fmt: skip
    def test_a_cell_may_list_labels(self, read, cell, more):
        assert labels(read("a.csv", f"text,labels\n{LONG},{cell}\n{LONG},[]\n", *more))[0] == ("steun", "dreiging")

    def test_a_column_of_running_text_is_no_label_column(self, refused):
        rows = "".join(f"{LONG} {number},nummer {number}\n" for number in range(300))
        assert "300 different values" in refused("a.csv", "text,label\n" + rows)

    def test_a_split_column_is_found_and_used(self, read):
        sample = read("a.csv", f"text,label,split\n{LONG},steun,test\n{LONG} toe,geen,train\n")
        assert sample.splits == ("train", "test")
        assert sample.split_of.tolist() == [1, 0]

    def test_a_split_column_may_have_one_value_a_file(self, tmp_path):
        for name, split in (("a.csv", "test"), ("b.csv", "train")):
            (tmp_path / name).write_text(f"text,label,split\n{LONG} {split},steun,{split}\n", "utf-8")
        assert load(options(tmp_path / "a.csv", tmp_path / "b.csv"))[0].splits == ("train", "test")

    def test_a_column_that_one_file_lacks_is_named_with_the_file(self, tmp_path):
        (tmp_path / "a.csv").write_text(f"text,label,doc\n{LONG},steun,1\n", "utf-8")
        (tmp_path / "b.csv").write_text(f"text,label\n{LONG},steun\n", "utf-8")
        with pytest.raises(DataError, match=r"b\.csv has no column 'doc' \(--article\)"):
            load(options(tmp_path / "a.csv", tmp_path / "b.csv"))

    def test_a_column_that_merely_sounds_like_splits_is_none(self, read):
        rows = "".join(f"{LONG} {number},steun,deel{number}\n" for number in range(20))
        assert read("a.csv", "text,label,set\n" + rows).splits == ()
        assert read("b.csv", f"text,label,set\n{LONG},steun,alles\n").splits == ()

    def test_a_column_with_very_many_values_is_no_split_column(self, refused):
        rows = "".join(f"{LONG},steun,deel{number}\n" for number in range(20))
        assert "at most 12" in refused("a.csv", "text,label,deel\n" + rows, "--split-column", "deel")


class TestJsonLines:
    def test_lists_texts_and_numbers_are_labels(self, read):
        rows = [{"text": LONG, "labels": ["steun", 3]}, {"text": LONG, "labels": []}]
        assert labels(read("a.jsonl", "\n".join(map(json.dumps, rows)))) == [("steun", "3"), ()]
        rows = [{"text": LONG, "label": "steun"}, {"text": LONG, "label": ""}]
        assert labels(read("a.jsonl", "\n".join(map(json.dumps, rows)))) == [("steun",), ()]

    def test_a_field_that_changes_its_type_is_named_with_both_rows(self, refused):
        rows = [{"text": LONG, "labels": ["steun"]}, {"text": LONG, "labels": "steun"}]
        message = refused("a.jsonl", "\n".join(map(json.dumps, rows)))
        assert "a.jsonl, line 1" in message
        assert "a.jsonl, line 2" in message

    def test_a_missing_answer_is_no_empty_one(self, refused):
        rows = [{"text": LONG, "labels": ["steun"]}, {"text": LONG}]
        assert "line 2, column 'labels': no labels" in refused("a.jsonl", "\n".join(map(json.dumps, rows)))

    def test_a_fault_of_json_is_named_by_line(self, refused):
        assert "line 2" in refused("a.jsonl", json.dumps({"text": LONG, "label": "x"}) + '\n{"text": "half')

    def test_a_json_list_is_refused_with_the_remedy(self, refused):
        assert "one object a line" in refused("a.json", json.dumps([{"text": LONG, "label": "x"}]))


class TestOwn:
    def test_records_are_read_as_records(self, tmp_path):
        row = {"id": "x-0", "article": "x", "index": 0, "text": LONG, "labels": ["onbekend"]}
        path = tmp_path / "eigen.jsonl"
        path.write_text(json.dumps(row), "utf-8")
        with pytest.raises(DataError, match="unknown label 'onbekend'"):
            load(options(path))
        sample, records = load(options(path, "--text", "text", "--labels", "labels"))
        assert records is None
        assert sample.labels == ("onbekend",)

    def test_one_sentence_in_two_splits_of_ours_is_a_leak_and_no_fault(self, corpus_file, tmp_path, capsys):
        lines = corpus_file.read_text("utf-8").splitlines(keepends=True)
        (tmp_path / "train.jsonl").write_text("".join(lines[:200]), "utf-8")
        (tmp_path / "test.jsonl").write_text("".join(lines[197:]), "utf-8")
        assert main(["audit", str(tmp_path / "test.jsonl"), str(tmp_path / "train.jsonl"), "--strict"]) == 3
        printed = capsys.readouterr()
        assert "copies of test in train" in printed.out
        assert "3 of 73 (4.1%); 3 of train" in printed.out
        assert "articles of test also in train (2 of 9 (22.2%); 10 of 73" in printed.err

    def test_the_table_of_our_records_keeps_its_form(self, corpus_file, capsys):
        assert main(["audit", str(corpus_file)]) == 0
        first, second, verdict = capsys.readouterr().out.strip().split("\n\n")
        assert first.startswith("articles  ")
        assert "one text, different labels" in first
        assert "one text, different labels" not in second
        assert "best word, F1: threat" in second
        assert verdict.endswith(" bounds are not met.")


class TestCommand:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "Name the files"),
            (["--split", "train.tsv"], "NAME=FILE"),
            (["--split", "train=a.tsv", "--split-column", "deel"], "not both"),
            (["a.csv", "--split", "test=b.csv"], "a.csv is in no split"),
            (["a.csv", "--label-errors-out", "x.jsonl"], "goes with --label-errors"),
            (["a.csv", "--json", "nergens/x.json"], "no such folder"),
        ],
    )
    def test_options_that_do_not_go_together_are_refused(self, capsys, arguments, message):
        assert main(["audit", *arguments]) == 2
        assert message in capsys.readouterr().err

    def test_an_input_is_not_overwritten(self, tmp_path, capsys):
        (tmp_path / "a.csv").write_text(f"text,label\n{LONG},x\n", "utf-8")
        assert main(["audit", str(tmp_path / "a.csv"), "--json", str(tmp_path / "a.csv")]) == 2
        assert "exists already" in capsys.readouterr().err
        assert LONG in (tmp_path / "a.csv").read_text("utf-8")

    def test_nothing_of_a_file_can_steer_the_terminal(self, tmp_path, capsys):
        (tmp_path / "a.csv").write_text(f"text,label,id\n{LONG},x,\x1b[2J1\n{LONG},y\x1b[31m,\x072\n", "utf-8")
        assert main(["audit", str(tmp_path / "a.csv")]) == 0
        printed = capsys.readouterr().out
        assert "\x1b" not in printed
        assert "\x07" not in printed
        assert "\\x1b[2J1 x / \\x072 y\\x1b[31m" in printed

    def test_a_missing_file_is_named(self, tmp_path, capsys):
        assert main(["audit", str(tmp_path / "weg.csv")]) == 3
        assert "weg.csv" in capsys.readouterr().err

    def test_a_folder_gives_its_tables_with_their_splits(self, tmp_path, capsys):
        (tmp_path / "train.csv").write_text(f"text,label\n{LONG},steun\n", "utf-8")
        (tmp_path / "test.csv").write_text(f"text,label\n{LONG.upper()},geen\n", "utf-8")
        (tmp_path / "LICENSE").write_text("vrij", "utf-8")
        assert main(["audit", str(tmp_path), "--strict"]) == 3
        told = capsys.readouterr().err
        assert "copies of test in train (1 of 1" in told
        assert "one text, different labels (1 (2 sentences))" in told

    def test_an_empty_folder_is_refused(self, tmp_path, capsys):
        assert main(["audit", str(tmp_path)]) == 3
        assert "holds no table" in capsys.readouterr().err

    def test_files_with_and_without_header_do_not_mix(self, tmp_path, capsys):
        (tmp_path / "train.csv").write_text(f"text,label\n{LONG},1\n", "utf-8")
        (tmp_path / "test.csv").write_text(f"{LONG},1\n", "utf-8")
        assert main(["audit", str(tmp_path / "train.csv"), str(tmp_path / "test.csv")]) == 3
        assert "test.csv seems to have no header" in capsys.readouterr().err

    def test_a_clean_table_meets_all_bounds_and_passes_strict(self, tmp_path, capsys):
        (tmp_path / "a.csv").write_text(f"text,label\n{LONG},steun\nNee,geen\n", "utf-8")
        assert main(["audit", str(tmp_path / "a.csv"), "--strict"]) == 0
        assert capsys.readouterr().out.endswith("\nAll bounds are met.\n")


class TestNotMisread:
    @pytest.mark.parametrize("cell", [[0, 1, 0], "[1, 0, 0, 1]", [True, False, False]])
    def test_a_vector_of_0_and_1_is_refused(self, refused, cell):
        assert "does not name its labels" in refused("a.jsonl", json.dumps({"text": LONG, "labels": cell}))

    def test_numbers_of_classes_are_labels_also_if_they_are_0_and_1(self, read):
        rows = [{"text": LONG, "labels": cell} for cell in ([0], [1], [0, 1], [])]
        sample = read("a.jsonl", "\n".join(map(json.dumps, rows)))
        assert labels(sample) == [("0",), ("1",), ("0", "1"), ()]

    def test_an_empty_column_is_no_column_of_labels(self, refused):
        message = refused("a.csv", f"text,notes,topic\n{LONG},,steun\n{LONG} toen,,geen\n")
        assert "holds the labels" in message

    def test_a_text_may_begin_with_a_bracket(self, read):
        sample = read("a.csv", f"[Update] {LONG},a\n{LONG},b\n" * 2)
        assert labels(sample)[:2] == [("a",), ("b",)]

    def test_a_split_column_that_is_named_wins_over_names_of_files(self, tmp_path):
        for name in ("train", "test"):
            (tmp_path / f"{name}.csv").write_text(f"text,label,fold\n{LONG},a,p\n{LONG} toen,b,q\n", "utf-8")
        files = (tmp_path / "train.csv", tmp_path / "test.csv")
        assert load(options(*files, "--split-column", "fold"))[0].splits == ("p", "q")
        assert load(options(*files))[0].splits == ("train", "test")

    def test_files_that_are_splits_win_over_a_column_and_the_note_says_so(self, tmp_path):
        for name in ("train", "test"):
            (tmp_path / f"{name}.csv").write_text(f"text,label,split\n{LONG},a,p\n{LONG} toen,b,q\n", "utf-8")
        sample = load(options(tmp_path / "train.csv", tmp_path / "test.csv"))[0]
        assert sample.splits == ("train", "test")
        assert "split" not in sample.notes[0]

    def test_a_missing_article_in_the_other_table_is_no_article(self, read, tmp_path):
        other = tmp_path / "other.jsonl"
        other.write_text(json.dumps({"text": LONG, "article": None}), "utf-8")
        sample = read("a.csv", f"text,label\n{LONG},a\n", "--article-from", other)
        assert sample.rows[0].article == ""
