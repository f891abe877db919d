"""``python -m training import`` as a process: disks that refuse, death while writing, input that has nothing usable."""

import json
import resource
import signal
import subprocess
import sys
import time

import pytest

from strijdtaal.folder import verify_folder

CANCELLED = [
    {"id": 1, "data": {"text": "Ankara dreigt.", "article": "k"},
     "annotations": [{"completed_by": "anna", "was_cancelled": True, "result": [
         {"from_name": "l", "to_name": "text", "type": "choices", "value": {"choices": ["threat"]}}]}]},
]  # fmt: skip


@pytest.fixture
def table(tmp_path):
    """2,000 sentences of 200 articles, answered by two."""
    rows = [
        f"Konvooi {n} keerde om bij de brug over de Tigris.;k{n // 10};{who};{'retreat' if n % 3 else ''}"
        for n in range(2000)
        for who in ("anna", "bram")
    ]
    path = tmp_path / "grote tabel é.csv"
    path.write_text("\n".join(["tekst;article;annotator;labels", *rows]), "utf-8")
    return path


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_full_disk_leaves_nothing(table, tmp_path, run_module):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    result = run_module("training", "import", table, "--out", tmp_path / "own", preexec_fn=small_files)
    assert result.returncode == 1
    assert "File too large" in result.stderr
    assert "Traceback" not in result.stderr
    assert left(tmp_path) == [table.name]


def test_a_parent_that_is_no_folder_is_refused(table, tmp_path, run_module):
    result = run_module("training", "import", table, "--out", table / "own")
    assert result.returncode == 1
    assert "Cannot write below" in result.stderr
    assert left(tmp_path) == [table.name]


@pytest.mark.parametrize("delay", [0, 0.03, 0.1])
def test_killed_while_writing_nothing_stands_at_the_place_and_the_next_import_works(
    table, tmp_path, run_module, request, delay
):
    arguments = ["training", "import", str(table), "--out", str(tmp_path / "own")]
    process = subprocess.Popen([sys.executable, "-m", *arguments], cwd=request.config.rootpath)
    while process.poll() is None and not list(tmp_path.glob(".own-*")):
        time.sleep(0.001)
    time.sleep(delay)
    process.kill()
    if process.wait() == -signal.SIGKILL:  # else it was quicker
        assert not (tmp_path / "own").exists() or verify_folder(tmp_path / "own", "strijdtaal import")
        again = run_module("training", "import", tmp_path, "--out", tmp_path / "again")
        assert again.returncode == 0, again.stderr
        assert "2,000 sentences in 200 articles" in again.stdout
    verify_folder(tmp_path / ("again" if (tmp_path / "again").exists() else "own"), "strijdtaal import")


@pytest.mark.parametrize(
    ("name", "content"),
    [("leeg.csv", "tekst;labels\n"), ("leeg.json", "[]"), ("leeg.jsonl", ""), ("leeg.txt", " \n")],
)
def test_nothing_usable_is_refused(tmp_path, run_module, name, content):
    (tmp_path / name).write_text(content, "utf-8")
    result = run_module("training", "import", tmp_path / name, "--out", tmp_path / "own")
    assert result.returncode == 3
    assert "o usable rows" in result.stderr
    assert left(tmp_path) == [name]


def test_an_export_whose_answers_were_all_cancelled_has_no_usable_rows(tmp_path, run_module):
    (tmp_path / "x.json").write_text(json.dumps(CANCELLED), "utf-8")
    result = run_module("training", "import", tmp_path / "x.json", "--out", tmp_path / "own")
    assert result.returncode == 3
    assert "No usable rows: no answer in" in result.stderr
    assert "1 cancelled answers" in result.stderr
    assert left(tmp_path) == ["x.json"]


@pytest.mark.parametrize("name", ["diep.json", "diep.jsonl", "diep.csv"])
def test_deep_nesting_is_an_error_and_no_crash(tmp_path, run_module, name):
    (tmp_path / name).write_text("[" * 100_000 + "\n", "utf-8")
    result = run_module("training", "import", tmp_path / name, "--out", tmp_path / "own")
    assert (result.returncode, "Traceback" in result.stderr) == (3, False)
    assert name in result.stderr
