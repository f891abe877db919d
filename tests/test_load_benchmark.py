"""The load test of the service: it runs, counts every request, and finds wrong and lost answers."""

import asyncio
import json

import numpy as np
import pytest

from eval.benchmarks import load
from eval.benchmarks.load_client import Pool, Shot, closed_loop
from strijdtaal import Classifier
from tests.conftest import small_corpus

TEXTS = ["Het regende.", "De regen hield aan.", "Er viel sneeuw."]


@pytest.fixture(scope="module")
def classifier(bundle):
    return Classifier.load(bundle, threads=1)


def test_requests_use_every_sentence_in_the_sizes_asked_for(classifier):
    made = load.make_load(classifier, TEXTS, [1, 4])
    assert made.texts == [TEXTS[:1], [*TEXTS[1:], *TEXTS[:2]]]
    raw = made.requests("127.0.0.1", 80)[1]
    head, _, body = raw.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body) == {"sentences": made.texts[1]}


@pytest.mark.parametrize("change", ["", "probability", "labels", "order", "missing"])
def test_a_wrong_answer_is_seen(classifier, change):
    made = load.make_load(classifier, TEXTS, [3])
    answers = [item.as_dict() for item in classifier.predict(TEXTS)]
    if change == "probability":
        answers[1]["probabilities"]["retreat"] += 3e-5
    elif change == "labels":
        answers[1]["labels"] = sorted({"threat", "support"} ^ set(answers[1]["labels"]))
    elif change == "order":
        answers.reverse()
    elif change == "missing":
        answers.pop()
    shot = Shot(0, 0.0, 1.0, 200, json.dumps({"predictions": answers}).encode())
    assert made.right(shot) == (not change)


def test_requests_without_an_answer_are_lost():
    """A server that answers two requests and then hangs up."""

    async def run():
        left = 2

        async def serve(reader, writer):
            nonlocal left
            while left and await reader.readuntil(b"\r\n\r\n"):
                left -= 1
                writer.write(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            pool = Pool([b"GET / HTTP/1.1\r\n\r\n"], 1)
            await pool.connect("127.0.0.1", server.sockets[0].getsockname()[1])
            await closed_loop(pool, 1, 0.3)
            return [shot.status for shot in pool.shots]

    assert asyncio.run(run()) == [429, 429, 0]


@pytest.mark.slow
def test_the_load_test_measures_a_service(bundle, tmp_path, capsys):
    data, out = tmp_path / "own.jsonl", tmp_path / "load.json"
    rows = [{**row, "date": None, "region": None, "style": None} for row in small_corpus()[:60]]
    data.write_text("".join(json.dumps({k: v for k, v in row.items() if v is not None}) + "\n" for row in rows))
    options = ["--seconds=6", "--sentences", "8", "60", f"--data={data}", f"--json={out}", "--connections=64"]
    small = ["--option=--queue-tokens=6000", "--option=--queue-requests=20"]
    assert load.main([str(bundle), *options, *small]) == 0
    result = json.loads(out.read_text())
    assert (result["wrong"], result["lost"]) == (0, 0)
    assert result["offered"] > 3 * result["capacity"]
    assert result["statuses"]["200"] > 0
    assert 0 < result["share_429"] < 1
    assert np.isfinite(result["accepted_p99"])
    assert "lost (no answer)               0" in capsys.readouterr().out
