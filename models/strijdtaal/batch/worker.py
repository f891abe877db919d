"""A worker process of the local engine: one thread, tasks and answers as JSON lines.

Started as ``python -m strijdtaal.batch.worker``, not by multiprocessing: nothing is pickled, and a caller's script
needs no guard. It ends at once when the process that started it does, however that ends.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import IO, Any

from strijdtaal.batch.inputs import Input, fingerprint
from strijdtaal.batch.job_folder import JobFolder
from strijdtaal.batch.options import Options
from strijdtaal.batch.survey import survey
from strijdtaal.errors import StrijdtaalError
from strijdtaal.folder import FolderError


class Worker:
    """Does the tasks of one job."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self.setup = setup
        self.folder = JobFolder(Path(setup["out"]))
        self.inputs = [Input(**item) for item in setup["inputs"]]
        self.options = Options.from_dict(setup["options"])
        self._scorer: Any = None

    def do(self, task: dict[str, Any], tell: Any) -> dict[str, Any]:
        """The answer to a task: ``{"ok": ...}``, or ``{"error": class, "message": ...}``."""
        try:
            return {"ok": self._do(task, tell)}
        except StrijdtaalError as error:
            return {"error": type(error).__name__, "message": str(error)}
        except MemoryError:
            return {"error": "StrijdtaalError", "message": "Out of memory. Start with fewer --workers."}
        except Exception as error:
            # Neither message nor traceback: they may quote the text of a row.
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}"
            return {"error": "StrijdtaalError", "message": f"An unforeseen error: {where}."}

    def _do(self, task: dict[str, Any], tell: Any) -> Any:
        kind, number = task["do"], task["number"]
        if kind == "fingerprint":
            return fingerprint(self.inputs[number].path)
        if kind == "survey":
            ids = self.folder.ids(number)
            try:
                return survey(self.inputs[number], self.options, ids, lambda rows: tell(rows, 0))
            except OSError as error:
                raise FolderError(f"Cannot write {ids}: {error.strerror}. Check the space left.") from error
        if self._scorer is None:
            from strijdtaal.batch.scorer import Scorer

            self._scorer = Scorer(self.setup)
        return self._scorer.score(number, tell)


def _listen(tasks: queue.Queue[bytes]) -> None:
    for line in sys.stdin.buffer:
        tasks.put(line)
    os._exit(0)  # whoever gave the tasks is gone


def main() -> None:
    """Answer tasks until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    answers: IO[bytes] = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    tasks: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_listen, args=(tasks,), daemon=True).start()
    worker = Worker(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))

    def send(value: dict[str, Any]) -> None:
        try:
            answers.write(json.dumps(value).encode() + b"\n")
            answers.flush()
        except BrokenPipeError:
            os._exit(0)

    while True:
        task = json.loads(tasks.get())
        send(worker.do(task, lambda rows, sentences: send({"told": [rows, sentences]})))


if __name__ == "__main__":
    main()
