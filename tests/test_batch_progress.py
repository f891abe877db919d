"""The line of progress, and how many processors there are."""

import io

import pytest

from strijdtaal.batch import progress
from strijdtaal.batch.progress import Progress, ProgressLine
from strijdtaal.session import available_cores


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_on_a_terminal_one_line_is_drawn_again_with_speed_and_time_left(clock):
    stream = Terminal()
    line = ProgressLine(stream)
    line(Progress("score", 20_000, 100_000, 0))
    clock[0] += 10
    line(Progress("score", 26_000, 100_000, 6_000))
    assert stream.getvalue().split("\r\x1b[K")[-1] == "Scored 26,000 of 100,000 rows, 600 sentences/s, 2:03 left"
    clock[0] += 0.01
    before = stream.getvalue()
    line(Progress("score", 26_010, 100_000, 6_010))
    assert stream.getvalue() == before
    line.close()
    assert stream.getvalue() == before + "\r\x1b[K"


def test_in_a_log_it_is_a_line_now_and_then(clock):
    stream = io.StringIO()
    line = ProgressLine(stream)
    line(Progress("fingerprint", 1, 2))
    for _ in range(100):
        clock[0] += 1
        line(Progress("check", 5_000, None))
    line.close()
    assert 3 <= len(stream.getvalue().splitlines()) <= 5
    assert stream.getvalue().splitlines()[0] == "Checked 5,000 rows"


def test_the_speed_is_that_of_the_last_minute(clock):
    stream = Terminal()
    line = ProgressLine(stream)
    done = 0
    for second in range(300):
        clock[0] += 1
        done += 1_000 if second < 200 else 10
        line(Progress("score", done, 1_000_000, done))
    assert ", 10 sentences/s, " in stream.getvalue().split("\r\x1b[K")[-1]


def test_there_is_a_processor():
    assert available_cores() >= 1
