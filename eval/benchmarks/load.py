"""The service under ten times the load that it can bear: what is answered is right, nothing is lost, memory stays.

    python -m eval.benchmarks.load runs/default/bundle --seconds 30

Starts the service as a process on loopback and measures its capacity (a closed loop: clients that ask again as
soon as they are answered). Then requests are offered at ``--factor`` times that rate for a bounded time (an open
loop: they come whether or not the service keeps up; times count from when a request was due). Every answer is
compared with the probabilities that the classifier gives the same sentences beforehand. Ends with 1 when an answer
is wrong or a request gets none. Client and service share the machine's processors.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.benchmarks.load_client import Pool, Shot, closed_loop, open_loop
from eval.benchmarks.load_service import memory, service
from strijdtaal.classifier import Classifier
from strijdtaal.errors import DataError, StrijdtaalError, UsageError
from strijdtaal.folder import write_file
from training.console import run_command
from training.records import find_files, read_records

SEEDS = Path(__file__).resolve().parent.parent.parent / "seeds" / "annotations"
TOLERANCE = 1e-5  # in probability
DISTINCT = 400  # sentences
MOST = 200_000  # requests of one measurement
CLOSED_LOOP = 32  # clients that measure the capacity


@dataclass(frozen=True)
class Load:
    """The requests, and the probabilities that their answers must hold."""

    texts: list[list[str]]
    expected: list[NDArray[np.float64]]
    thresholds: NDArray[np.float64]
    keys: tuple[str, ...]

    def requests(self, host: str, port: int) -> list[bytes]:
        """Each request as the bytes that go over the line."""
        made = []
        for texts in self.texts:
            body = json.dumps({"sentences": texts}, ensure_ascii=False).encode()
            head = f"POST /predict HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
            made.append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return made

    def right(self, shot: Shot) -> bool:
        """Whether an answer has the sentences, probabilities and labels of its request."""
        answers = json.loads(shot.body)["predictions"]
        expected = self.expected[shot.number]
        if [item["text"] for item in answers] != self.texts[shot.number]:
            return False
        found = np.array([[item["probabilities"][key] for key in self.keys] for item in answers])
        labels = np.array([[key in item["labels"] for key in self.keys] for item in answers])
        near = np.abs(expected - self.thresholds) <= TOLERANCE
        same = (labels == (expected >= self.thresholds)) | near
        return bool((np.abs(found - expected) <= TOLERANCE).all() and same.all())


@dataclass(frozen=True)
class Result:
    """What was measured. Rates are requests a second, times seconds, memory MiB."""

    sentences: list[int]
    capacity: float
    capacity_sentences: float
    planned: float
    offered: float
    accepted: float
    share_429: float
    statuses: dict[str, int]
    accepted_p50: float
    accepted_p95: float
    accepted_p99: float
    refused_p50: float
    refused_p99: float
    wrong: int
    lost: int
    not_sent: int
    memory_before: float
    memory_after: float

    def table(self) -> str:
        """The figures as text."""
        sizes = "/".join(map(str, self.sentences))
        statuses = ", ".join(f"{status}: {count:,}" for status, count in self.statuses.items())
        return (
            f"sentences in a request         {sizes}\n"
            f"capacity, requests/s           {self.capacity:.1f} ({self.capacity_sentences:.0f} sentences/s)\n"
            f"offered, requests/s            {self.offered:.1f} ({self.offered / self.capacity:.1f} times as many)\n"
            f"accepted, requests/s           {self.accepted:.1f}\n"
            f"answered 429                   {self.share_429:.1%}\n"
            f"accepted, p50 / p95 / p99      "
            f"{self.accepted_p50:.2f} / {self.accepted_p95:.2f} / {self.accepted_p99:.2f} s\n"
            f"429, p50 / p99                 {self.refused_p50:.3f} / {self.refused_p99:.3f} s\n"
            f"answers by status              {statuses}\n"
            f"wrong answers                  {self.wrong}\n"
            f"lost (no answer)               {self.lost}\n"
            f"not sent (client too slow)     {self.not_sent}\n"
            f"memory before / after          {self.memory_before:.0f} / {self.memory_after:.0f} MiB"
        )


def make_load(classifier: Classifier, texts: Sequence[str], sizes: Sequence[int]) -> Load:
    """Requests of the given sizes in turn over the texts, until each text was used."""
    requests: list[list[str]] = []
    start = 0
    while start < len(texts):
        size = sizes[len(requests) % len(sizes)]
        requests.append([texts[(start + step) % len(texts)] for step in range(size)])
        start += size
    values = dict(zip(texts, classifier.probabilities(texts), strict=True))
    contract = classifier.contract
    expected = [np.array([values[text] for text in request]) for request in requests]
    return Load(requests, expected, np.array(contract.thresholds), contract.keys)


def _percentiles(shots: list[Shot], *percents: int) -> list[float]:
    times = [shot.done - shot.due for shot in shots]
    return [float(np.percentile(times, percent)) if times else float("nan") for percent in percents]


async def measure(load: Load, host: str, port: int, seconds: float, factor: float, connections: int) -> Result:
    """Capacity for a third of the time, then ``factor`` times as much for the rest."""
    requests = load.requests(host, port)
    calm = Pool(requests, CLOSED_LOOP)
    await calm.connect(host, port)
    await closed_loop(calm, CLOSED_LOOP, seconds / 12)  # warm
    warm = len(calm.shots)
    took = await closed_loop(calm, CLOSED_LOOP, seconds / 4)
    answered = [shot for shot in calm.shots[warm:] if shot.status == 200]
    capacity = len(answered) / took
    if not answered:
        raise DataError(f"The service answered nothing: {Counter(shot.status for shot in calm.shots)}.")
    before = await asyncio.to_thread(memory, host, port)
    calm.close()
    pool = Pool(requests, connections)
    await pool.connect(host, port)
    sending = await open_loop(pool, factor * capacity, seconds * 2 / 3, MOST)
    not_sent = pool.give_up()
    await pool.settle(60)
    after = await asyncio.to_thread(memory, host, port)
    pool.close()
    rates = {"capacity": capacity, "planned": factor * capacity, "offered": len(pool.shots) / sending}
    rates["capacity_sentences"] = sum(len(load.texts[shot.number]) for shot in answered) / took
    return _result(load, calm.shots, pool.shots, rates, not_sent, (before, after))


def _result(
    load: Load,
    calm: list[Shot],
    shots: list[Shot],
    rates: dict[str, float],
    not_sent: int,
    memories: tuple[float, float],
) -> Result:
    """Check every answer and sum up; ``calm`` are the requests that measured the capacity, ``shots`` the overload."""
    accepted = [shot for shot in shots if shot.status == 200]
    refused = [shot for shot in shots if shot.status == 429]
    last = max((shot.done for shot in accepted), default=0.0) - shots[0].due
    p50, p95, p99 = _percentiles(accepted, 50, 95, 99)
    refused50, refused99 = _percentiles(refused, 50, 99)
    every = calm + shots
    return Result(
        **rates,
        sentences=sorted({len(texts) for texts in load.texts}),
        accepted=len(accepted) / last if last > 0 else 0.0,
        share_429=len(refused) / len(shots),
        statuses={str(status): count for status, count in sorted(Counter(shot.status for shot in every).items())},
        accepted_p50=p50,
        accepted_p95=p95,
        accepted_p99=p99,
        refused_p50=refused50,
        refused_p99=refused99,
        wrong=sum(not load.right(shot) for shot in every if shot.status == 200),
        lost=sum(not shot.status for shot in every),
        not_sent=not_sent,
        memory_before=memories[0],
        memory_after=memories[1],
    )


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, and fail on wrong or lost answers.

    Raises:
        StrijdtaalError: an answer was wrong or missing.
    """
    if not (1 <= arguments.seconds <= 3_600 and 0 < arguments.factor <= 100 and min(arguments.sentences) >= 1):
        raise UsageError("--seconds goes from 1 to 3600, --factor to 100, --sentences are whole numbers from 1.")
    texts = sorted({record.text for record in read_records(find_files([arguments.data]))})
    random.Random(0).shuffle(texts)
    load = make_load(Classifier.load(arguments.bundle), texts[:DISTINCT], arguments.sentences)
    with service(arguments.bundle, arguments.option) as (host, port):
        connections = arguments.connections
        result = asyncio.run(measure(load, host, port, arguments.seconds, arguments.factor, connections))
    sys.stdout.write(result.table() + "\n")
    if arguments.json:
        write_file(arguments.json, json.dumps(asdict(result), indent=1) + "\n")
    if result.wrong or result.lost:
        raise StrijdtaalError(f"{result.wrong} answers are wrong, {result.lost} requests got none.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the measurement from the command line."""
    parser = argparse.ArgumentParser(prog="python -m eval.benchmarks.load", description=__doc__)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("--seconds", type=float, default=30, help="of the whole measurement (default 30)")
    parser.add_argument("--factor", type=float, default=10, help="offered load in capacities (default 10)")
    parser.add_argument("--sentences", type=int, nargs="+", default=[1, 4, 16], help="in a request, in turn")
    parser.add_argument("--connections", type=int, default=700, help="of the client under overload (default 700)")
    parser.add_argument("--data", type=Path, default=SEEDS, help="annotated sentences (default: the shipped ones)")
    parser.add_argument(
        "--option", action="append", default=[], help="an option for the service, as --option=--workers=4"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args(argv)
    return run_command("eval.benchmarks.load", lambda: run(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
