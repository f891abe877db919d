"""The benchmark of batch scoring runs, gives one row a job, and notices when two jobs give different bytes."""

import json
import re

import pytest

from eval.benchmarks import batch
from strijdtaal.errors import DataError

pytestmark = pytest.mark.slow


def test_one_row_a_job_with_speed_and_memory(bundle, tmp_path, run_module):
    out = tmp_path / "figures.json"
    arguments = ["--rows", "300", "--workers", "1", "2", "--designs", "60", "--rounds", "1", "--out", out]
    result = run_module("eval.benchmarks.batch", bundle, *arguments)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["threads", "processes", "pipeline", "tokenising"]
    jobs = [line.split() for line in lines if line.startswith("local")]
    assert [(job[1], job[3]) for job in jobs] == [("1", "300"), ("2", "300")]
    assert re.search(r"load of the machine: [\d.]+ at the start, [\d.]+ at the end", lines[-1])
    document = json.loads(out.read_text())
    assert all(job["seconds"] > 0 and job["peak_mib"] >= job["peak_process_mib"] > 10 for job in document["jobs"])
    assert set(document["designs"]) == {"threads", "processes", "pipeline", "tokenising"}


def test_a_job_that_fails_is_quoted(tmp_path):
    batch.write_input(tmp_path / "in.parquet", 10)
    with pytest.raises(DataError, match=r"(?s)A job ended with 1: .*is not a folder"):
        batch.run_job(tmp_path / "weg", tmp_path / "in.parquet", 10, 1, "local", "fp32")
