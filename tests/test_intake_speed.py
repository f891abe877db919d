"""The speed of import and audit is measured on data that is what it says to be, in processes of their own."""

import json
import re

import pytest

from eval.benchmarks.intake_speed import Measured, invented, main, prodigy_rows, run, table, write
from strijdtaal.errors import DataError
from training.duplicates import near_duplicates
from training.records import Record, read_records


@pytest.fixture(scope="module")
def rows():
    return list(invented(4_000))


def test_the_invented_data_is_valid_and_the_same_every_time(rows, tmp_path):
    write(tmp_path / "a.jsonl", 4_000, prodigy=False)
    records = read_records([tmp_path / "a.jsonl"])
    assert records == [Record.model_validate(row) for row in rows]


def test_it_has_articles_of_about_eleven_sentences_and_some_near_copies(rows):
    records = [Record.model_validate(row) for row in rows]
    assert 10 <= len(records) / len({record.article for record in records}) <= 12
    assert 5 <= len(near_duplicates(records)) <= 60
    assert {len(record.annotations) for record in records} == {2}
    differ = sum(len(set(record.annotations.values())) > 1 for record in records)
    assert differ < 0.01 * len(records)


def test_the_export_has_a_row_for_each_annotator(rows):
    first, second = prodigy_rows(rows[1])
    assert (first["_annotator_id"], second["_annotator_id"]) == ("nieuws-anna", "nieuws-bob")
    assert first["accept"] == rows[1]["annotations"]["anna"]
    assert first["_input_hash"] == second["_input_hash"]


def test_the_table_gives_the_exponent_of_growth():
    found = [Measured("audit", 1_000, 2.0, 100.0), Measured("audit", 10_000, 200.0, 101.4)]
    *_, last = table(found).splitlines()
    assert last.split() == ["audit", "10,000", "200.0", "101", "2000.0", "2.00"]


def test_a_command_that_fails_is_quoted(tmp_path):
    with pytest.raises(DataError, match=r"audit ended with 3: .*weg\.jsonl"):
        run("audit", [str(tmp_path / "weg.jsonl")], 1)


@pytest.mark.slow
def test_both_steps_are_measured(capsys):
    assert main(["--sizes", "300", "600"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [
        ["import", "300"], ["import", "600"], ["audit", "300"], ["audit", "600"],
    ]  # fmt: skip
    for line in lines[1:]:
        assert all(float(value.replace(",", "")) > 0 for value in re.findall(r"[\d.,]+", line)[:4])


def test_lines_of_the_export_are_json(tmp_path):
    write(tmp_path / "a.jsonl", 20, prodigy=True)
    lines = (tmp_path / "a.jsonl").read_text("utf-8").splitlines()
    assert len([json.loads(line) for line in lines]) == 40
