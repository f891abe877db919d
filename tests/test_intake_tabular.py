"""CSV, TSV and Parquet: nothing is guessed about values, every fault has its row, a missing answer is not 0."""

import csv
import datetime
import io
import json
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from training.intake.formats import tabular
from training.intake.sentence import Intake
from training.intake.source import Source, open_sources

DATA = Path(__file__).parent / "data" / "intake"
FLAGS = "text,threat,support,retreat,ceasefire_call"


def read(data, name="t.csv", encoding="utf-8", **options):
    intake = Intake(**options)
    source = Source(name, data if isinstance(data, bytes) else data.encode(), encoding)
    assert tabular.recognises(source)
    return list(tabular.read(source, intake)), intake


def parquet(**columns):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def good(data, **options):
    found, intake = read(data, **options)
    assert not intake.faults
    return found


def fault(data, **options):
    _, intake = read(data, **options)
    assert len(intake.faults) == 1
    return intake.faults[0]


def refused(data, **options):
    with pytest.raises(DataError) as caught:
        read(data, **options)
    return str(caught.value)


@pytest.mark.parametrize("name", ["table.csv", "table.tsv", "table.parquet"])
def test_the_samples_say_what_the_sentences_say(name):
    intake = Intake()
    (source,) = open_sources([DATA / name])
    said = {}
    for one in tabular.read(source, intake):
        place = {key: one.meta[key] for key in ("id", "article", "index", "date", "region", "style")}
        said.setdefault((one.text, *place.values()), {}).update(one.annotations)
        assert one.gold is None
    rows = json.loads((DATA / "sentences.json").read_text("utf-8"))
    wanted = {}
    for row in rows:
        place = (row["id"], row["article"], str(row["index"]), row["date"], row["region"], row["style"])
        wanted[row["text"], *place] = {name: tuple(answer) for name, answer in row["annotations"].items()}
    assert said == wanted
    assert not intake.faults


class TestCells:
    def test_everything_stays_text(self):
        (one,) = good("id,tekst,aantal,status,article,leeg\n007,null,1.200,NA,nan,\n")
        assert one.text == "null"
        assert one.meta == {"id": "007", "aantal": "1.200", "status": "NA", "article": "nan"}
        assert (one.gold, one.annotations) == (None, {})

    def test_quotes_and_cells_of_several_lines(self):
        one, two = good('text;labels\r\n"Hij zei: ""nee""; en\r\nging.";threat\r\n"Zij bleef.";\r\n')
        assert (one.text, one.gold) == ('Hij zei: "nee"; en\r\nging.', ("threat",))
        assert (two.text, two.gold) == ("Zij bleef.", ())
        assert two.where == "t.csv, row 3 (line 4)"

    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    def test_usual_delimiters(self, delimiter, mark):
        header = delimiter.join(("id", "zin", "labels"))
        text = 'Ja, nee; of: "misschien" | wie weet?'
        quoted = '"' + text.replace('"', '""') + '"'
        (one,) = good(f"{mark}{header}\n7{delimiter}{quoted}{delimiter}threat\n")
        assert (one.text, one.gold, one.meta) == (text, ("threat",), {"id": "7"})

    def test_the_line_that_excel_understands(self):
        (one,) = good("sep=;\r\ntext;labels\r\nJa, nee.;threat\r\n")
        assert (one.text, one.gold) == ("Ja, nee.", ("threat",))

    def test_cp1252_is_refused_by_its_byte_and_read_when_named(self):
        data = "text;labels\r\nNee.;\r\nLibië dreigt.;threat\r\n".encode("cp1252")
        assert "t.csv, line 3: not utf-8 (byte 0xeb" in refused(data)
        found, _ = read(data, encoding="cp1252")
        assert found[1].text == "Libië dreigt."

    def test_utf16_of_excel_is_named(self):
        assert "t.csv is UTF-16" in refused("text\tlabels\r\nJa.\t\r\n".encode("utf-16"))

    @given(
        st.lists(st.text(st.characters(exclude_categories=["Cs"])).filter(str.strip), min_size=1, max_size=5),
        st.sampled_from(",;\t|"),
        st.sampled_from(["\n", "\r\n"]),
        st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    )
    def test_whatever_csv_writes_comes_back(self, texts, delimiter, end, quoting):
        # The writer itself leaves lone returns unquoted where they end no line.
        assume(end == "\r\n" or quoting == csv.QUOTE_ALL or "\r" not in "".join(texts))
        file = io.StringIO(newline="")
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting)
        writer.writerow(["article", "text", "labels"])
        writer.writerows([f"a{number}", text, "threat"] for number, text in enumerate(texts))
        found = good(file.getvalue())
        assert [one.text for one in found] == texts
        assert [one.meta["article"] for one in found] == [f"a{number}" for number in range(len(texts))]


class TestRows:
    def test_ragged_rows_are_named(self):
        message = fault("text,labels\nJa.,\nNee, toch.,threat\nOch.,\n")
        assert "t.csv, row 3: 3 cells, but 2 columns; a cell that holds ',' must stand in quotes" in message
        assert "row 2: 1 cells" in fault("text\tlabels\nJa.\n")

    def test_one_column_with_commas_in_the_text(self):
        assert "row 3: 2 cells, but 1 columns" in fault("text\nJa.\nNee, toch.\n")

    def test_a_quote_that_is_never_closed(self):
        rows = 'text,labels\nJa.,\n"Nee.,threat\nOch.,\nTja.,\n'
        assert "t.csv, row 3: a quote is opened in this row and never closed" in fault(rows)
        long = rows + "x,\n" * 60_000
        assert "t.csv, row 3: a cell of this row does not end; is a quote opened and not closed?" in fault(long)

    def test_a_quote_that_ends_too_late_or_too_early(self):
        message = fault('text,labels\n"Nee.,threat\nOch.,\n"Tja, zei hij.",\nJa.,\n')
        assert "t.csv, row 2: a quote ends before its cell does" in message
        found, intake = read('text,labels\n"Ja" zei hij.,\nToen ging hij.,\n')
        assert "t.csv, row 2: a quote ends before its cell does" in intake.faults[0]
        assert [one.text for one in found] == ["Toen ging hij."]

    def test_blank_lines_and_empty_rows_are_no_sentences(self):
        found, intake = read("text;labels;id\n\nJa.;threat;1\n;;\n\nNee.;support;2\n")
        assert [(one.text, one.where) for one in found] == [("Ja.", "t.csv, row 3"), ("Nee.", "t.csv, row 6")]
        assert intake.counts == {"empty rows": 1}

    def test_empty_columns_to_the_right_are_passed_over(self):
        found, intake = read("tekst;labels;;\r\nJa.;threat;;\r\nNee.;support\r\nWel.;threat;;;;\r\nOch.;support;x;\r\n")
        assert [(one.text, one.gold) for one in found] == [
            ("Ja.", ("threat",)),
            ("Nee.", ("support",)),
            ("Wel.", ("threat",)),
        ]
        assert intake.faults[0].startswith("t.csv, row 5: 4 cells, but 2 columns")

    def test_a_row_without_text_is_a_fault(self):
        assert "row 3: no text in this row" in fault("text,labels\nJa.,\n  ,threat\n")

    def test_large_tables_take_seconds(self):
        data = "id;article;text;labels\n" + "".join(
            f"{n};a{n // 20};Het leger zal stad {n} morgen aanvallen.;threat,support\n" for n in range(100_000)
        )
        began = time.perf_counter()
        assert sum(1 for _ in tabular.read(Source("t.csv", data.encode()), Intake())) == 100_000
        assert time.perf_counter() - began < 5  # 0.5 s on one core; a tenth of the million


class TestHeader:
    @pytest.mark.parametrize(
        ("data", "words"),
        [
            ("", "t.csv is empty"),
            ("\n\n", "t.csv is empty"),
            ("text#labels\nJa.#threat\n", "The first row is one column, 'text#labels'"),
            ("kop,labels\nJa.,\n", "no column with the sentences; name it text, tekst, sentence or zin. Found: 'kop'"),
            ("text,labels,labels\nJa.,,\n", "the column 'labels' stands twice"),
            ("text,,labels\nJa.,,\n", "column 2 has no name"),
            ("text,tekst\nJa.,\n", "'text' and 'tekst' could both be the column 'text'"),
            ("text,label,labels\nJa.,,\n", "'label' and 'labels' could both be"),
            ("text,annotator\nJa.,anna\n", "a column 'annotator', but none with labels"),
            (f"{FLAGS},labels\nJa.,0,0,0,0,\n", "labels stand in column 'labels' and in columns of their own"),
            ("text,threat,support\nJa.,0,0\n", "columns for retreat, ceasefire_call are missing, and a missing"),
            ("text,Threat,Support\nJa.,0,0\n", "is column 'Threat' the label threat? Then say so"),
            ("text,Steun\nJa.,0\n", "is column 'Steun' the label support? Then say so: --map \"Steun=support\""),
            ("text,ceasefire-call\nJa.,0\n", "the label ceasefire_call?"),
            ('text,"labels\nJa.,\n', "t.csv, first row: a quote is opened"),
        ],
    )
    def test_faults_are_named(self, data, words):
        message = refused(data)
        assert words in message
        assert message.startswith("t.csv")

    def test_names_are_read_without_blanks_and_case(self):
        (one,) = good(" Tekst ; Labels ;ID\nJa.;threat;x1\n")
        assert (one.text, one.gold, one.meta) == ("Ja.", ("threat",), {"id": "x1"})

    def test_spreadsheets_are_refused_with_advice(self, tmp_path):
        for name, data in (("t.xlsx", b"PK\x03\x04rest"), ("t.xls", b"\xd0\xcf\x11\xe0rest")):
            (tmp_path / name).write_bytes(data)
            (source,) = open_sources([tmp_path / name])
            assert tabular.recognises(source)
            with pytest.raises(DataError, match="is a spreadsheet, which is not read"):
                list(tabular.read(source, Intake()))


class TestLabels:
    @pytest.mark.parametrize(
        ("cell", "labels"),
        [
            ("threat", ("threat",)),
            ("support; threat", ("threat", "support")),
            ('"threat,retreat"', ("threat", "retreat")),
            ("threat|ceasefire_call", ("threat", "ceasefire_call")),
            ("", ()),
            (" ", ()),
        ],
    )
    def test_lists_in_a_cell(self, cell, labels):
        assert good(f"text,label\nJa.,{cell}\n")[0].gold == labels

    @pytest.mark.parametrize(
        ("cell", "words"),
        [
            ("Threat", "row 2: unknown label 'Threat'. Did you mean 'threat'?"),
            ("threat;", "row 2: unknown label ''"),
            ("threat|threat", "row 2: label 'threat' stands twice"),
        ],
    )
    def test_unknown_labels_are_faults(self, cell, words):
        assert words in fault(f"text,labels\nJa.,{cell}\nNee.,threat\n")

    def test_empty_cells_are_counted_since_nobody_may_have_looked(self):
        found, intake = read("text;labels\nJa.;threat\nNee.;\nMisschien.; \n")
        assert [one.gold for one in found] == [("threat",), (), ()]
        assert intake.counts == {tabular.EMPTY_CELLS: 2}

    @pytest.mark.parametrize("cell", ['{"choices":["threat"]}', "['threat', 'support']"])
    def test_code_in_a_cell_is_named(self, cell):
        assert "column 'labels' holds" in fault(f'text;labels\nJa.;"{cell.replace(chr(34), chr(34) * 2)}"\n')

    def test_the_dutch_name_of_the_column_with_annotators(self):
        assert good("tekst;labels;Annotateur\nJa.;threat;anna\n")[0].annotations == {"anna": ("threat",)}

    def test_one_fault_a_row_also_for_equal_cells(self):
        _, intake = read("text,labels\nJa.,X\nNee.,X\n")
        assert [one.partition(":")[0] for one in intake.faults] == ["t.csv, row 2", "t.csv, row 3"]

    def test_label_map_also_for_names_that_hold_a_separator(self):
        names = {"Oproep, bestand": "ceasefire_call", "geen": "", "Steun": "support"}
        found = good('text;labels\nJa.;"Oproep, bestand"\nNee.;geen\nOch.;"Steun|threat"\n', label_map=names)
        assert [one.gold for one in found] == [("ceasefire_call",), (), ("threat", "support")]

    @pytest.mark.parametrize("yes", ["1", "true", "TRUE", "ja", "Yes"])
    @pytest.mark.parametrize("no", ["0", "false", "Nee", "no "])
    def test_columns_of_yes_and_no(self, yes, no):
        one, two = good(f"{FLAGS}\nJa.,{yes},{no},{yes},{no}\nNee.,{no},{no},{no},{no}\n")
        assert (one.gold, two.gold) == (("threat", "retreat"), ())

    @pytest.mark.parametrize("cell", ["", "2", "1.0", "x", "NA"])
    def test_anything_else_there_is_a_fault(self, cell):
        message = fault(f"{FLAGS}\nNee.,0,0,0,0\nJa.,1,0,{cell},0\n")
        assert "t.csv, row 3: column 'retreat' is " in message
        assert ("empty" in message) == (not cell)

    def test_columns_in_any_order_and_renamed(self):
        data = "Steun,ceasefire_call,text,retreat,dreiging,geen\n1,0,Ja.,0,1,0\n0,0,Nee.,0,0,1\n"
        names = {"Steun": "support", "dreiging": "threat", "geen": ""}
        assert [one.gold for one in good(data, label_map=names)] == [("threat", "support"), ()]
        _, intake = read(data.replace("0,1,0\n", "0,1,1\n").replace("0,0,1\n", "0,0,0\n"), label_map=names)
        assert len(intake.faults) == 2
        assert all("none of the labels contradicts the others" in one for one in intake.faults)

    def test_two_columns_for_one_label(self):
        assert "two columns stand for threat" in refused(f"{FLAGS},dreiging\n", label_map={"dreiging": "threat"})

    def test_rows_with_an_annotator_are_answers(self):
        data = "annotator,article,index,text,labels\nanna,i1,0,Ja.,threat\nbram,i1,0,Ja.,\n"
        one, two = good(data)
        assert (one.annotations, one.gold) == ({"anna": ("threat",)}, None)
        assert two.annotations == {"bram": ()}
        assert one.key == two.key
        assert "row 3: an answer without the name of its annotator" in fault(data.replace("bram", " "))

    def test_answers_meet_by_id_place_or_text_and_decided_rows_by_id_alone(self):
        def keys(*rows):
            return [one.key for one in good("\n".join(rows))]

        assert keys("text,id,article,index", "Ja.,7,i1,0") == ["7"]
        one, two = keys("text,article,labels,annotator", "Ja.,i1,,anna", "Ja.,i2,,bram")
        assert one != two
        assert keys("text,article,labels", "Ja.,i1,") == [None]


class TestParquet:
    def test_lists_and_kinds(self):
        data = parquet(
            text=pa.array(["Ja.", "Nee."]).dictionary_encode(),
            labels=pa.array([["threat"], []], pa.list_(pa.string())),
            id=pa.array([7, 8]),
            date=pa.array([datetime.date(2023, 3, 4), None]),
            kans=pa.array([0.5, float("nan")]),
            zeker=pa.array([True, None]),
            vector=pa.array([[1.0], [2.0]]),
        )
        found, intake = read(data, name="t.parquet")
        assert [(one.text, one.gold, dict(one.meta)) for one in found] == [
            ("Ja.", ("threat",), {"id": "7", "date": "2023-03-04", "kans": "0.5", "zeker": "true"}),
            ("Nee.", (), {"id": "8"}),
        ]
        assert intake.counts == {"columns of nested values": 1}
        assert found[1].where == "t.parquet, row 2"

    @pytest.mark.parametrize("values", [[True, False], [1, 0], ["ja", "nee"]])
    def test_a_column_a_label(self, values):
        flags = {key: [values[1]] * 2 for key in KEYS} | {"retreat": values}
        found, _ = read(parquet(text=["Ja.", "Nee."], **flags), name="t.parquet")
        assert [one.gold for one in found] == [("retreat",), ()]

    def test_missing_values_are_faults_and_not_none_of_the_labels(self):
        data = parquet(text=["Ja.", "Nee.", None], labels=pa.array([None, ["threat"], []], pa.list_(pa.string())))
        _, intake = read(data, name="t.parquet")
        assert "row 1: column 'labels' has no value; a missing answer is not" in intake.faults[0]
        assert "row 3: no text" in intake.faults[1]
        _, intake = read(parquet(text=["Ja."], labels=[[None, "threat"]]), name="t.parquet")
        assert "row 1: a label must be text, found NoneType" in intake.faults[0]
        flags = {key: pa.array([None], pa.bool_()) for key in KEYS}
        _, intake = read(parquet(text=["Ja."], **flags), name="t.parquet")
        assert "column 'threat' is empty" in intake.faults[0]

    @pytest.mark.parametrize(
        ("columns", "words"),
        [
            ({"text": [1, 2]}, "column 'text' must hold text"),
            ({"text": ["Ja."], "labels": [7]}, "column 'labels' must hold text or lists of text"),
            ({"text": ["Ja."], "labels": [[7]]}, "column 'labels' must hold text or lists of text"),
            ({"text": ["Ja."], **{key: [0.0] for key in KEYS}}, "'threat' must hold text or whole numbers"),
            ({"text": ["Ja."], "labels": [[]], "annotator": [1.5]}, "'annotator' must hold text or whole numbers"),
            ({"text": [["Ja."]]}, "column 'text' must hold text"),
            ({"kop": ["Ja."]}, "no column with the sentences"),
        ],
    )
    def test_wrong_kinds_are_refused(self, columns, words):
        assert words in refused(parquet(**columns), name="t.parquet")

    def test_damaged_files_are_refused(self):
        data = parquet(text=["Ja, het leger vertrok."] * 50, labels=[["threat"]] * 50)
        for end in range(4, len(data) - 1, 61):
            assert "t.parquet is no Parquet file that can be read" in refused(data[:end], name="t.parquet")
        spoiled = data[:4] + bytes(len(data) // 3) + data[4 + len(data) // 3 :]
        assert "t.parquet" in refused(spoiled, name="t.parquet")


@pytest.mark.parametrize(
    ("name", "data", "known"),
    [
        ("t.csv", b"a;b", True),
        ("t.tsv", b"text\tlabels", True),
        ("t.tsv", b"#FORMAT=WebAnno TSV 3.3\n", False),
        ("t", b"PAR1", True),
        ("t.txt", b"id\ttext\r\n1\tJa.", True),
        ("t.txt", b"Text, van onze redactie", False),
        ("t.json", b'{"text": "Ja."}', False),
        ("t.txt", b"\xff\xfe\x00\xd8", False),
    ],
)
def test_recognises_tables_only(name, data, known):
    assert tabular.recognises(Source(name, data)) is known
