"""Batch scoring as processes: death at any moment, signals, two at once, disks that fill up, input that changes."""

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strijdtaal.batch import score_files
from strijdtaal.batch.finish import KIND
from strijdtaal.errors import StrijdtaalError
from strijdtaal.folder import verify_folder
from tests.batch_cases import ROOT, contents, read_parts, records, run_command, start_command, write_rows

SMALL = ("--shard-rows", "10")


@pytest.fixture(scope="module")
def job(bundle, tmp_path_factory):
    """4,000 rows in 400 shards, and what an uninterrupted job makes of them."""
    folder = tmp_path_factory.mktemp("taak")
    path = write_rows(folder / "a.csv", records(4_000))
    score_files(bundle, [path], folder / "whole", shard_rows=10, workers=2)
    return path, contents(folder / "whole")


def parts(out):
    return len(list(out.glob("part-*")))


def wait_for(out, number, process):
    deadline = time.monotonic() + 60
    while parts(out) < number and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)


def workers_of(pid):
    """Process ids of the children of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


def alive(pid):
    with contextlib.suppress(OSError):
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return False


def kill_and_wait(process):
    children = workers_of(process.pid)
    process.kill()
    process.wait(timeout=30)
    deadline = time.monotonic() + 10
    while any(alive(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not [child for child in children if alive(child)], "workers outlive the process that started them"


@pytest.mark.slow
def test_killed_at_any_moment_and_started_again_the_output_is_that_of_an_uninterrupted_job(bundle, job, tmp_path):
    path, expected = job
    out = tmp_path / "out"
    chance = random.Random(20)
    killed = 0
    for step in range(10):
        with start_command(bundle, path, out, *SMALL, "--workers", "2", "--quiet", stderr=None) as process:
            if step:
                wait_for(out, parts(out) + 1, process)
            time.sleep(chance.random() * (0.06 if step else 0.4))  # the first one dies before a shard is done
            killed += process.poll() is None
            kill_and_wait(process)
        assert not (out / "manifest.json").exists() or process.returncode == 0
    assert killed >= 8
    done = parts(out)
    assert 0 < done < 400
    code, text, _ = run_command(bundle, path, out, *SMALL, "--workers", "1")
    assert code == 0
    assert f"{done} shards were finished before" in text
    assert contents(out) == expected
    assert verify_folder(out, KIND)["read"] == 4_000
    assert [row["id"] for row in read_parts(sorted(out.glob("part-*")))] == [row["id"] for row in records(4_000)]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_at_once_with_exit_code_75_and_says_how_to_go_on(bundle, job, tmp_path, number):
    path, expected = job
    out = tmp_path / "out"
    with start_command(bundle, path, out, *SMALL, "--workers", "2") as process:
        wait_for(out, 3, process)
        children = workers_of(process.pid)
        started = time.monotonic()
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 75
    assert time.monotonic() - started < 3
    assert f"strijdtaal: stopped by {number.name}; " in errors
    assert "finished shards stay in" in errors
    assert "Give the same command again to go on." in errors
    assert "Traceback" not in errors
    assert not [child for child in children if alive(child)]
    assert not list((out / ".job").glob("*.tmp"))
    assert run_command(bundle, path, out, *SMALL)[0] == 0
    assert contents(out) == expected


def test_of_two_at_once_the_second_is_refused(bundle, tmp_path):
    path, out = write_rows(tmp_path / "a.jsonl", records(3)), tmp_path / "out"
    holder = (
        "import sys, time; from pathlib import Path; from strijdtaal.batch.job_folder import hold\n"
        "with hold(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", holder, str(out)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StrijdtaalError, match="in use by another process"):
            score_files(bundle, [path], out, workers=1)
        process.kill()
    assert score_files(bundle, [path], out, workers=1).rows == 3


def test_a_folder_with_other_files_is_refused_and_left_alone(bundle, tmp_path):
    path, out = write_rows(tmp_path / "a.jsonl", records(3)), tmp_path / "out"
    out.mkdir()
    (out / "brief.txt").write_text("bewaren")
    code, _, errors = run_command(bundle, path, out)
    assert (code, "holds other files (brief.txt)" in errors) == (2, True)
    assert [file.name for file in out.iterdir()] == ["brief.txt"]


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_and_its_shard_done_again(bundle, job, tmp_path):
    path, expected = job
    out = tmp_path / "out"
    with start_command(bundle, path, out, *SMALL, "--workers", "2") as process:
        for number in (2, 40, 80):
            wait_for(out, number, process)
            for child in workers_of(process.pid)[:1]:
                os.kill(child, signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert contents(out) == expected


@pytest.mark.slow
def test_a_task_at_which_every_worker_dies_stops_the_job_with_its_name(bundle, tmp_path):
    path, out = write_rows(tmp_path / "a.jsonl", records(40)), tmp_path / "out"
    with start_command(bundle, path, out, "--workers", "1") as process:
        while process.poll() is None:
            for child in workers_of(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            time.sleep(0.01)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "3 workers died at the same task (fingerprint 0); the last one was killed by SIGKILL; is there" in errors
    assert not out.exists()
    assert run_command(bundle, path, out)[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_disk_that_fills_up_keeps_finished_shards_and_the_job_goes_on(bundle, tmp_path, form):
    rows, chance = records(60), random.Random(1)
    for row in rows[40:50]:
        row["text"] += f" {chance.randbytes(5_000).hex()}"
    path, out = write_rows(tmp_path / "a.jsonl", rows), tmp_path / "out"
    score_files(bundle, [path], tmp_path / "whole", form=form, shard_rows=10, workers=1)
    size = sorted(part.stat().st_size for part in (tmp_path / "whole").glob("part-*"))

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size[-1] - 100,) * 2)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    arguments = (bundle, path, out, *SMALL, "--to", form, "--workers", "1", "--quiet")
    code, _, errors = run_command(*arguments, preexec_fn=small_files)
    assert code == 1
    assert errors.startswith("strijdtaal: Cannot write ")
    assert "part-00004" in errors
    assert "File too large" in errors
    assert "Traceback" not in errors
    assert parts(out) == 4
    assert not list((out / ".job").glob("*.tmp"))
    assert run_command(*arguments)[0] == 0
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.slow
def test_input_that_changes_while_the_job_runs_stops_it(bundle, job, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(job[0].read_bytes())
    out = tmp_path / "out"
    with start_command(bundle, path, out, *SMALL, "--workers", "1") as process:
        wait_for(out, 2, process)
        with path.open("a") as file:
            file.write("r99999,Er kwam een zin bij.,x,2020\n")
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "changed while the job ran" in errors
    assert parts(out) >= 2
    code, _, errors = run_command(bundle, path, out, *SMALL)
    assert (code, "input a.csv.sha256: was" in errors) == (2, True)
    path.write_bytes(job[0].read_bytes())
    assert run_command(bundle, path, out, *SMALL)[0] == 0
    assert contents(out) == job[1]


@pytest.mark.slow
def test_a_finished_shard_that_was_damaged_is_scored_again(bundle, job, tmp_path):
    path, expected = job
    out = tmp_path / "out"
    with start_command(bundle, path, out, *SMALL, "--workers", "2") as process:
        wait_for(out, 5, process)
        kill_and_wait(process)
    damaged = sorted(out.glob("part-*"))[1]
    raw = bytearray(damaged.read_bytes())
    raw[100] ^= 1
    damaged.write_bytes(raw)
    assert run_command(bundle, path, out, *SMALL)[0] == 0
    assert contents(out) == expected


@pytest.mark.slow
def test_the_command_shows_progress_counts_and_faults(bundle, tmp_path):
    path, out = write_rows(tmp_path / "a.jsonl", records(30)), tmp_path / "out"
    code, text, errors = run_command(bundle, path, tmp_path / "x", "--keep", "brom")
    assert (code, "Did you mean 'bron'?" in errors, text) == (3, True, "")
    with path.open("a") as file:
        file.write('\n{"id": "x", "text": ""}\n')
    code, text, _ = run_command(bundle, path, out, "--on-error", "skip", "--to", "csv", "--shard-rows", "7")
    assert code == 0
    assert text.startswith(f"{out}: 30 sentences in 5 shards (threat ")
    assert "1 rows could not be scored" in text
    assert "1 empty lines were passed over." in text
    code, _, errors = run_command(
        bundle, path, out, "--on-error", "skip", "--to", "csv", "--shard-rows", "7", "--id", "i"
    )
    assert (code, "options.identity: was not given, is i" in errors) == (2, True)
    assert json.loads((out / "rejected.jsonl").read_text())["reason"] == "'text' is empty"
    assert run_command(bundle, path, out, "--workers", "0")[0] == 2
    assert run_command(ROOT / "README.md", path, out)[0] == 4
