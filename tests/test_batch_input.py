"""Readers of batch input: what is wrong is named with its place, and reading in pieces is reading as a whole."""

import csv
import doctest
import gzip
import json
import random
from importlib import import_module

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strijdtaal.batch.digests import DigestFile, duplicates
from strijdtaal.batch.forms import CsvForm, escaped, unescaped
from strijdtaal.batch.inputs import find_inputs
from strijdtaal.batch.options import Options, check_options
from strijdtaal.batch.plan import check_faults, shards_of
from strijdtaal.batch.rows import Mark
from strijdtaal.batch.survey import open_reader, survey
from strijdtaal.errors import DataError, UsageError
from strijdtaal.labels import KEYS
from tests.batch_cases import records, write_rows

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def source(path, tmp_path):
    return find_inputs([path], tmp_path / "out")[0][0]


def look(path, **options):
    """The survey of a file."""
    chosen = Options("jsonl", **{"shard_rows": 3, **options})
    return survey(source(path, path.parent), chosen, path.parent / "ids")


def fault(path, **options):
    """The only fault of a file."""
    found = look(path, **options)
    assert found["bad"] == 1, found
    return found["faults"][0]


@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.csv", "a.tsv", "a.parquet", "a.jsonl.gz", "a.csv.gz", "a.txt", "a.txt.gz"]
)
@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_pieces_read_in_any_order_are_the_whole(tmp_path, name, size):
    path, rows = write_rows(tmp_path / name, records(24)), records(24)
    found = look(path, shard_rows=size)
    assert found["records"] == 24
    options = Options("jsonl", shard_rows=size)
    reader = open_reader(source(path, tmp_path), options)
    order = list(range(len(found["segments"])))
    random.Random(size).shuffle(order)
    texts = {}
    for number in order:
        *mark, count = found["segments"][number]
        reader.go(Mark(*mark))
        stream = reader.records()
        texts[number] = [next(stream).text for _ in range(count)]
    reader.close()
    together = [text for number in sorted(texts) for text in texts[number]]
    assert together == [row["text"].replace("\n", " ") if "txt" in name else row["text"] for row in rows]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id": "a", "text": 3}', "line 2: 'text' is int, not text."),
        (b'{"id": "a", "text": null}', "line 2: 'text' is null."),
        (b'{"id": "a", "text": ["x"]}', "line 2: 'text' is list, not text."),
        (b'{"id": "a"}', "line 2: 'text' is missing."),
        (b'{"text": "Ja."}', "line 2: 'id' is missing."),
        (b'{"id": null, "text": "Ja."}', "line 2: 'id' is null."),
        (b'{"id": 1.5, "text": "Ja."}', "line 2: 'id' is float, not text or a whole number."),
        (b'{"id": true, "text": "Ja."}', "line 2: 'id' is bool, not text or a whole number."),
        (b'{"id": " ", "text": "Ja."}', "line 2: 'id' is empty."),
        (b'{"id": "a", "text": " \\u200b\\n "}', "line 2: 'text' is empty."),
        (b'{"id": "a", "text": "Ja \\ud83d nee"}', "line 2: 'text' holds half of a surrogate pair at position 3."),
        (b'{"id": "a", "text": "Ja."', "line 2: not valid JSON: Expecting ',' delimiter at position 25."),
        (b'{"id": "a", "text": NaN}', "line 2: NaN is not a JSON number."),
        (b'{"id": "a", "text": "x", "text": "y"}', "line 2: key 'text' stands twice."),
        (b"[" * 100_000, "line 2: not valid JSON: nested too deep."),
        (b'{"id": 1, "x": ' + b"9" * 5_000 + b"}", "line 2: not usable JSON: Exceeds the limit"),
        (b'["a"]', "line 2: a line must be a JSON object, found list."),
        (b'{"id": "a", "text": "Libi\xeb"}', "line 2: not UTF-8: byte 0xeb at position 25 of the line."),
        (b'{"id": "a", "text": "' + b"x" * 20_001 + b'"}', "line 2: 'text' has 20,001 characters; at most 20,000"),
        (b'{"id": "' + b"x" * 1_001 + b'", "text": "Ja."}', "line 2: 'id' has 1,001 characters; at most 1,000."),
    ],
    ids=lambda value: value[:30].decode(errors="replace") if isinstance(value, bytes) else "",
)
def test_a_broken_line_is_named_and_the_others_are_read(tmp_path, line, reason):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": "1", "text": "Het regende."}\n' + line + b'\n{"id": 2, "text": "Het sneeuwde."}')
    found = look(path)
    assert (found["records"], found["bad"]) == (3, 1)
    assert reason in found["faults"][0]


def test_a_line_without_end_is_passed_over_in_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("strijdtaal.batch.lines.MAX_LINE", 1_000)
    path = tmp_path / "a.txt"
    path.write_bytes(b"Het regende.\n" + b"a" * 12_345 + b"\nHet sneeuwde.\n")
    found = look(path)
    assert (found["records"], found["faults"]) == (3, ["a.txt, line 2: the line has more than 1,000 bytes."])
    assert found["segments"] == [(0, 1, 1, 3)]


def test_ten_megabytes_without_a_line_end_are_one_sentence_too_long(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"Het regende.\n" + b"woord " * 1_700_000)
    assert "line 2: 'text' has 10,200,000 characters; at most 20,000 for a sentence" in fault(path)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("1;Ja.;te veel\n", "row 2 (line 4): 3 cells, but 2 columns; a cell that holds ';' must stand in quotes."),
        ("1\n", "row 2 (line 4): 1 cells, but 2 columns"),
        ('1;"Ja" zei hij\n', "row 2 (line 4): a quote ends before its cell does"),
        ("1;\n", "row 2 (line 4): 'text' is empty."),
        (";Ja.\n", "row 2 (line 4): 'id' is empty."),
        ("1;Libi\udceb\n", "row 2 (line 4): not UTF-8: byte 0xeb in line 4, position 6."),
    ],
)
def test_a_broken_row_of_a_table_is_named_with_row_and_line(tmp_path, cells, reason):
    path = tmp_path / "a.csv"
    text = f'id;text\na;"Het\nregende."\n{cells}b;"De stad; zei hij, ""viel""."\n'
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    found = look(path)
    assert (found["records"], found["bad"]) == (3, 1)
    assert reason in found["faults"][0]


def test_a_quote_that_is_never_closed_stops_everything(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,text\na,Ja.\nb,"Nee\nc,Ja.\n')
    with pytest.raises(DataError, match=r"a\.csv, row 2 \(line 3\): a quote is opened in this row and never closed"):
        look(path, on_error="skip")


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ('text,bron\n"Ja; nee, misschien.",x\n', ","),
        ('bron;text\nNRC;"Ja; nee, misschien."\n', ";"),
        ("sep=|\ntext|bron\nJa; nee, misschien.|x\n", "|"),
        ("text\tbron\nJa; nee, misschien.\tx\n", "\t"),
        ('"text"\n"Ja; nee, misschien."\n', ","),
    ],
)
def test_the_delimiter_is_found_by_the_header(tmp_path, text, delimiter):
    path = tmp_path / "a.csv"
    path.write_text(text)
    reader = open_reader(source(path, tmp_path), Options("csv"))
    assert reader.delimiter == delimiter
    assert next(reader.records()).text == "Ja; nee, misschien."
    reader.close()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            b"tekst,bron\nJa.,x\n",
            r"a\.csv has no column 'text'\. Did you mean 'tekst'\? Name the right one with",
        ),
        ("a.csv", b"zin\nJa.\n", r"no column 'text'.*Columns: 'zin'\. The first row is one column"),
        ("a.csv", b"text,text\nJa.,x\n", "column 'text' stands twice"),
        ("a.csv", b"", "is empty: it has no first row"),
        ("a.csv", b'"text\nJa.', "first row: a quote is opened and not closed"),
        ("a.csv", b"text,Libi\xeb\nJa.,x\n", "not UTF-8: byte 0xeb in line 1, position 9"),
        ("a.jsonl", b'{"tekst": "Ja."}\n', r"a\.jsonl has no column 'text'\. Did you mean 'tekst'"),
        ("a.jsonl", b"\xff\xfe{\0", r"a\.jsonl is UTF-16, not UTF-8 text"),
        ("a.jsonl", gzip.compress(b'{"text": "Ja."}', mtime=0), r"packed with gzip \(name it \.gz\)"),
        ("a.jsonl.gz", b'{"text": "Ja."}', r"a\.jsonl\.gz cannot be read after line 0: Not a gzipped file"),
        ("a.txt.gz", gzip.compress(b"Ja.\n" * 99_999, mtime=0)[:-20], r"a\.txt\.gz cannot be read after line [\d,]+: "),
        ("a.txt", b"Ja\0nee\n", "NUL byte at position 2"),
        ("a.parquet", b"PAR1 niets", r"a\.parquet is no Parquet file that can be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_remedy(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        look(path)


def test_a_column_to_keep_or_of_ids_must_be_there(tmp_path):
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        path = write_rows(tmp_path / name, records(3))
        with pytest.raises(DataError, match=r"no column 'brom'\. Did you mean 'bron'.*--keep"):
            look(path, keep=("brom",))
        with pytest.raises(DataError, match=r"no column 'nummer'.*--id"):
            look(path, identity="nummer")
        assert look(path, identity="id")["has_id"]


def test_values_to_keep_come_as_they_are(tmp_path):
    import datetime

    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "text": pa.array(["Ja.", "Nee."]).dictionary_encode(),
            "id": pa.array([7, 8], pa.int64()),
            "dag": pa.array([datetime.date(2020, 3, 1), None]),
            "getal": pa.array([float("nan"), 1.5]),
            "lijst": pa.array([["a"], []]),
        }
    )
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    reader = open_reader(source(path, tmp_path), Options("jsonl", keep=("dag", "getal")))
    assert [(row.id, row.text, row.kept) for row in reader.records()] == [
        ("7", "Ja.", ("2020-03-01", None)),
        ("8", "Nee.", (None, 1.5)),
    ]
    with pytest.raises(DataError, match="column 'lijst' is list"):
        look(path, keep=("lijst",))
    with pytest.raises(DataError, match="column 'getal' is double; it must be text or whole"):
        look(path, identity="getal")


def test_parquet_text_that_is_not_utf_8_is_named_by_its_row(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    raw = pa.array([b"Ja.", b"Libi\xeb", b"Nee."], pa.binary()).view(pa.string())
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": raw}), path)
    assert fault(path) == "a.parquet, row 2: 'text' is not UTF-8."


def test_a_damaged_row_group_is_named(tmp_path):
    path = write_rows(tmp_path / "a.parquet", records(24))
    import pyarrow.parquet as pq

    column = pq.ParquetFile(path).metadata.row_group(2).column(1)
    raw = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    for place in range(start, start + column.total_compressed_size):
        raw[place] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"a\.parquet is damaged in row group 2 \(from row 15 on\)"):
        look(path)


def test_files_are_found_by_their_ending_and_named_once(tmp_path):
    folder = tmp_path / "in"
    (folder / "b").mkdir(parents=True)
    for name in ("b/2.CSV", "1.txt", "10.txt", ".verborgen.txt", "_SUCCESS"):
        (folder / name).write_text("text\nJa.\n")
    found, others = find_inputs([folder], tmp_path / "out")
    assert [(item.name, item.form) for item in found] == [("1.txt", "txt"), ("10.txt", "txt"), ("b/2.CSV", "csv")]
    assert others == ["_SUCCESS"]
    with pytest.raises(UsageError, match="lies within the input"):
        find_inputs([folder], folder / "out")
    with pytest.raises(UsageError, match="is given twice"):
        find_inputs([folder, folder / "1.txt"], tmp_path / "out")
    (tmp_path / "1.txt").write_text("Nee.\n")
    with pytest.raises(UsageError, match="have one name"):
        find_inputs([folder, tmp_path / "1.txt"], tmp_path / "out")
    with pytest.raises(UsageError, match=r"ending in \.json cannot be scored\. Did you mean '\.jsonl'"):
        find_inputs([tmp_path / "x.json"], tmp_path / "out")
    with pytest.raises(DataError, match="No such file"):
        find_inputs([tmp_path / "x.txt"], tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options("xlsx"), "output form 'xlsx' is unknown"),
        (Options("csv", on_error="skpi"), "Did you mean 'skip'"),
        (Options("csv", precision="int4"), "precision 'int4' is unknown. Did you mean 'int8'"),
        (Options("csv", shard_rows=0), "A shard of 0 rows"),
        (Options("csv", text="id"), "both read from the column 'id'"),
        (Options("csv", keep=("threat",)), "has a column 'threat' already"),
        (Options("csv", keep=("start",), articles=True), "has a column 'start' already"),
        (Options("csv", keep=("a", "a")), "to be kept twice"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        check_options(options)
    check_options(Options("csv", keep=("start", "artikel")))


def test_no_rows_or_no_usable_row_is_no_job():
    empty = {"records": 0, "bad": 0, "faults": []}
    with pytest.raises(DataError, match="holds no rows"):
        check_faults([empty], Options("csv"))
    broken = {"records": 2, "bad": 2, "faults": ["a.txt, line 1: leeg."]}
    with pytest.raises(DataError, match="No row can be scored"):
        check_faults([empty, broken], Options("csv", on_error="skip"))


def test_shards_hold_whole_segments_in_order_up_to_their_size():
    surveys = [
        {"segments": [(0, 1, 1, 5), (90, 6, 6, 2)]},
        {"segments": []},
        {"segments": [(0, 1, 1, 3), (9, 4, 4, 1)]},
    ]
    assert shards_of(surveys, 5) == [
        [(0, 0, 1, 1, 5)],
        [(0, 90, 6, 6, 2), (2, 0, 1, 1, 3)],
        [(2, 9, 4, 4, 1)],
    ]


@pytest.mark.parametrize("part", [5, 1_000])
def test_duplicates_are_those_of_a_dictionary_however_the_digests_are_divided(tmp_path, monkeypatch, part):
    monkeypatch.setattr("strijdtaal.batch.digests.PART", part)
    monkeypatch.setattr("strijdtaal.batch.digests.CHUNK", 7)
    generator = np.random.default_rng(1)
    first, expected, paths = {}, [], []
    for file in range(3):
        paths.append(tmp_path / f"ids-{file}")
        with DigestFile(paths[-1], True) as digests:
            for row in range(1, 41):
                identity = f"n{generator.integers(60)}"
                digests.add(identity, row)
                before = first.setdefault(identity, (file, row))
                if before != (file, row):
                    expected.append((file, row, *before))
    assert expected
    assert duplicates([paths[0], paths[1], None, paths[2]], tmp_path) == [
        (file + (file == 2), row, before + (before == 2), at) for file, row, before, at in expected
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ids-0", "ids-1", "ids-2"]


@pytest.mark.parametrize("name", ["forms", "inputs", "options", "progress", "rows"])
def test_examples_in_docstrings_hold(name):
    result = doctest.testmod(import_module(f"strijdtaal.batch.{name}"))
    assert (result.attempted > 0, result.failed) == (True, 0)


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
RISKY = st.builds("".join, st.lists(st.sampled_from(["'", "=", "+", "-", "@", "\t", "\r", "\n", ";", ",", '"', "a"])))


@given(st.one_of(CELLS, RISKY))
def test_an_escaped_cell_is_no_formula_and_comes_back(cell):
    assert escaped(cell)[:1] not in tuple("=+-@\t\r")
    assert unescaped(escaped(cell)) == cell


@QUICK
@given(st.lists(st.one_of(CELLS, RISKY).filter(lambda text: text.strip()), min_size=1, max_size=6))
def test_csv_that_was_written_is_read_again_as_it_was(tmp_path, texts):
    path = tmp_path / "uit.csv"
    with path.open("wb") as file:
        form = CsvForm(file, ["id", "text"], ["extra"])
        ids = [str(number) for number in range(len(texts))]
        figures = {key: [1 / 3] * len(texts) for key in KEYS}
        form.write({"id": ids, "text": texts, "labels": [["threat", "retreat"]] * len(texts), "extra": texts} | figures)
        form.close()
    reader = open_reader(source(path, tmp_path), Options("csv", keep=("extra", "labels", "threat")))
    found = list(reader.records())
    reader.close()
    usable = [row for row in found if hasattr(row, "text")]
    kept = {row.id: row for row in usable}
    assert len(found) == len(texts)
    for number, text in enumerate(texts):
        if row := kept.get(str(number)):
            assert (unescaped(row.text), unescaped(row.kept[0])) == (text, text)
            assert row.kept[1:] == ("threat;retreat", repr(1 / 3))
        else:
            assert any(fault.row == number + 1 and "is empty" in fault.reason for fault in found)


@QUICK
@given(st.lists(st.one_of(CELLS, RISKY), min_size=1, max_size=8), st.integers(1, 4), st.sampled_from([";", ",", "\t"]))
def test_tables_in_pieces_are_the_whole(tmp_path, texts, size, delimiter):
    path = tmp_path / "in.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([["id", "text"], *([f"r{n}", t] for n, t in enumerate(texts))])
    options = Options("csv", shard_rows=size)
    whole = open_reader(source(path, tmp_path), options)
    expected = list(whole.records())
    whole.close()
    assert [record.row for record in expected] == list(range(1, len(texts) + 1))
    pieces = open_reader(source(path, tmp_path), options)
    found = []
    for *mark, count in look(path, shard_rows=size)["segments"]:
        pieces.go(Mark(*mark))
        stream = pieces.records()
        found += [next(stream) for _ in range(count)]
    pieces.close()
    assert found == expected


def test_a_packed_file_that_is_damaged_inside_is_named(tmp_path):
    data = bytearray(gzip.compress("".join(f"Zin {number}.\n" for number in range(5_000)).encode()))
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / "a.txt.gz"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.txt\.gz cannot be read"):
        look(path)


def test_an_empty_article_and_one_that_is_too_long_are_faults(tmp_path):
    (tmp_path / "a.txt").write_text("")
    assert fault(tmp_path / "a.txt", articles=True) == "a.txt, line 1: 'text' is empty."
    (tmp_path / "b.txt").write_text("De stad viel. " * 80_000)
    assert "has 1,120,000 characters; at most 1,000,000 for an article" in fault(tmp_path / "b.txt", articles=True)
    (tmp_path / "c.jsonl").write_text(json.dumps({"id": "a", "text": "De stad viel. " * 70_000}))
    assert look(tmp_path / "c.jsonl", articles=True)["bad"] == 0
