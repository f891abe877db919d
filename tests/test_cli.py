"""The command line as a user meets it: real processes, exit codes, messages."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from strijdtaal.cli import main

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def article(tmp_path):
    path = tmp_path / "artikel.txt"
    path.write_text("\ufeffAnkara stuurt <b>wapens</b> naar Tripoli. Het regende.\n", "utf-8")
    return path


def test_predict_prints_every_sentence(bundle, article, capsys):
    assert main(["predict", str(bundle), str(article)]) == 0
    out = capsys.readouterr().out
    assert out.count("ceasefire_call") == 2
    assert "Het regende." in out


def test_predict_json_has_offsets_into_the_file(bundle, article, capsys):
    assert main(["predict", "--json", str(bundle), str(article)]) == 0
    rows = json.loads(capsys.readouterr().out)
    text = article.read_text("utf-8-sig")
    assert [text[row["start"] : row["end"]] for row in rows] == [row["text"] for row in rows]
    assert set(rows[0]) == {"text", "labels", "probabilities", "start", "end"}


def test_predict_html_is_escaped_and_self_contained(bundle, article, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert main(["predict", "--html", "--out", str(out), str(bundle), str(article)]) == 0
    page = out.read_text("utf-8")
    assert "<b>wapens</b>" not in page
    assert "&lt;b&gt;wapens" in page
    assert "http" not in page
    assert capsys.readouterr().out == ""


def test_verify_says_whole_and_names_the_damage(bundle, tmp_path, capsys):
    assert main(["verify", str(bundle)]) == 0
    assert "whole" in capsys.readouterr().out
    copy = tmp_path / "b"
    shutil.copytree(bundle, copy)
    with (copy / "config.json").open("a") as handle:
        handle.write(" ")
    assert main(["verify", str(copy)]) == 4
    assert "config.json was changed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        ("Libi\u00eb".encode("cp1252"), "is not UTF-8"),
        (None, "No such file"),
    ],
)
def test_bad_article_is_named_and_exits_3(bundle, tmp_path, capsys, content, message):
    path = tmp_path / "slecht.txt"
    if content is not None:
        path.write_bytes(content)
    assert main(["predict", str(bundle), str(path)]) == 3
    error = capsys.readouterr().err
    assert message in error
    assert "slecht.txt" in error


def test_process_reads_standard_input_and_exits_cleanly(bundle):
    command = [sys.executable, "-m", "strijdtaal", "predict", "--json", str(bundle), "-"]
    result = subprocess.run(command, input=b"Het regende.", capture_output=True, check=True)
    assert json.loads(result.stdout)[0]["text"] == "Het regende."
    assert result.stderr == b""


def test_unknown_command_exits_2():
    result = subprocess.run([sys.executable, "-m", "strijdtaal", "predikt"], capture_output=True, text=True)
    assert result.returncode == 2
    assert "invalid choice" in result.stderr


def test_eval_on_a_folder_that_is_no_run(tmp_path, run_module):
    result = run_module("eval", "report", tmp_path)
    assert result.returncode == 2
    assert "manifest.json" in result.stderr
    assert "Traceback" not in result.stderr


def test_plain_output_names_the_place_of_every_sentence(bundle, article, capsys):
    main(["predict", str(bundle), str(article)])
    assert "  0-41  threat" in capsys.readouterr().out


def test_html_output_carries_the_offsets(bundle, article, capsys):
    main(["predict", "--html", str(bundle), str(article)])
    page = capsys.readouterr().out
    assert 'data-start="0" data-end="41"' in page
    assert "<td>42-54</td>" in page


def test_output_file_may_not_be_the_article_nor_in_a_missing_folder(bundle, article, tmp_path, capsys):
    before = article.read_bytes()
    assert main(["predict", "--out", str(article), str(bundle), str(article)]) == 2
    assert "is the article itself" in capsys.readouterr().err
    assert article.read_bytes() == before
    assert main(["predict", "--out", str(tmp_path / "no" / "x.txt"), str(bundle), str(article)]) == 1
    assert "Cannot write" in capsys.readouterr().err


@pytest.mark.slow
def test_terminated_training_leaves_no_folder(overrides, tmp_path):
    import signal
    import time

    command = [sys.executable, "-m", "training", "finetune", "configs/default.yaml", *overrides]
    command += [f"output={tmp_path}", "name=x", "train.epochs=500"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".x-*.part/checkpoints/*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(tmp_path.glob(".x-*.part")), "training did not begin"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error_worth_a_traceback(corpus_file):
    command = [sys.executable, "-m", "training", "audit", str(corpus_file)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
        assert process.wait() == 141
