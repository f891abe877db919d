"""The local engine: worker processes of one thread each, watched, and replaced when they die."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from strijdtaal import errors, folder
from strijdtaal.errors import StrijdtaalError

ATTEMPTS = 3  # a task during which this many workers died is given up
PACKAGES = Path(__file__).resolve().parent.parent.parent

Told = Callable[[int, int], None]  # rows and sentences of this call of map so far


def raise_answer(answer: dict[str, Any]) -> Any:
    """The value of an answer, or the error that it tells of."""
    if "ok" in answer:
        return answer["ok"]
    kind = getattr(errors, answer["error"], None) or getattr(folder, answer["error"], None) or StrijdtaalError
    raise kind(answer["message"])


class _Worker:
    """One process, with the task it is at."""

    def __init__(self, setup: Path) -> None:
        path = os.pathsep.join([str(PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "strijdtaal.batch.worker", str(setup)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path, "TOKENIZERS_PARALLELISM": "false"},
        )
        self.output = cast(IO[bytes], self.process.stdout)
        os.set_blocking(self.output.fileno(), False)
        self.task: dict[str, Any] | None = None
        self.told = (0, 0)
        self._rest = b""

    def give(self, task: dict[str, Any]) -> None:
        self.task, self.told = task, (0, 0)
        file = cast(IO[bytes], self.process.stdin)
        with contextlib.suppress(BrokenPipeError):  # it died: the end of its output will tell
            file.write(json.dumps(task).encode() + b"\n")
            file.flush()

    def answers(self) -> Iterator[dict[str, Any] | None]:
        """Whole answers that have come in; None at the end, when the process is dead."""
        while True:
            try:
                data = os.read(self.output.fileno(), 1 << 16)
            except BlockingIOError:
                return
            if not data:
                yield None
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            yield from (json.loads(line) for line in lines)

    def end(self) -> int:
        """Kill it if it lives; its exit code. Files are written aside, so nothing is left half-written in place."""
        self.process.kill()
        code = self.process.wait()
        for file in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                cast(IO[bytes], file).close()
        return code


def _died(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    hint = "; is there enough memory? Try fewer --workers" if -code == signal.SIGKILL else ""
    return f"was killed by {signal.Signals(-code).name}{hint}"


class Pool:
    """Worker processes for the tasks of one job; leave the ``with`` block to end them."""

    def __init__(self, workers: int, setup: Path) -> None:
        self._most, self._setup = workers, setup
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.end()
        self._selector.close()

    def _start(self) -> _Worker:
        worker = _Worker(self._setup)
        self._workers.append(worker)
        self._selector.register(worker.output, selectors.EVENT_READ, worker)
        return worker

    def map(self, tasks: Iterable[dict[str, Any]], told: Told = lambda rows, sentences: None) -> Iterator[Any]:
        """(task, value) of each task, as they are done; a task whose worker died is done again by a new one.

        Raises:
            StrijdtaalError: what a task ended with, or the task during which ``ATTEMPTS`` workers died.
        """
        waiting = deque(tasks)
        died: Counter[str] = Counter()
        finished = [0, 0]
        while len(self._workers) < min(self._most, len(waiting)):
            self._start()
        for worker in list(self._workers):
            if waiting:
                worker.give(waiting.popleft())
        while any(worker.task for worker in self._workers):
            for key, _ in self._selector.select():
                worker = key.data
                for answer in worker.answers():
                    if answer is None:
                        self._replace(worker, died)
                    elif "told" in answer:
                        worker.told = (worker.told[0] + answer["told"][0], worker.told[1] + answer["told"][1])
                    else:
                        value = raise_answer(answer)
                        task, worker.task = worker.task, None
                        finished = [finished[0] + worker.told[0], finished[1] + worker.told[1]]
                        worker.told = (0, 0)
                        if waiting:
                            worker.give(waiting.popleft())
                        yield task, value
            live = [worker.told for worker in self._workers]
            told(finished[0] + sum(one[0] for one in live), finished[1] + sum(one[1] for one in live))

    def _replace(self, worker: _Worker, died: Counter[str]) -> None:
        self._selector.unregister(worker.output)
        self._workers.remove(worker)
        code, task = worker.end(), worker.task
        if task is None:
            return
        name = f"{task['do']} {task['number']}"
        died[name] += 1
        if died[name] >= ATTEMPTS:
            raise StrijdtaalError(
                f"{ATTEMPTS} workers died at the same task ({name}); the last one {_died(code)}. Finished shards "
                "stay; the same command goes on."
            )
        self._start().give(task)
