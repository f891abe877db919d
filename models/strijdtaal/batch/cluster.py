"""The engine ``ray``: the same scorer mapped over shards by Ray Data (extra ``ray``).

The cluster moves shard numbers and counts only. Each actor reads its range of the input and writes its shard's file by
itself, as a local worker does, so that resuming, "no row twice" and the bytes of the output do not depend on the
engine. All machines must see bundle, input and output under the same paths.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strijdtaal import __version__
from strijdtaal.batch.local import ATTEMPTS, raise_answer
from strijdtaal.errors import StrijdtaalError, UsageError

OBJECT_STORE = 80 * 2**20  # bytes, near the least that Ray takes: containers often have 64 MB of shared memory
# Whatever its name says: unless it is 0 when Ray is imported, Ray replaces 127.0.0.1 by the machine's own address, and
# listens on all interfaces.
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
TASKS_AHEAD = 1  # a shard takes seconds to minutes; queues before single actors would only unbalance the end


class ShardScorer:
    """An actor: loads the bundle once, then scores shard after shard."""

    def __init__(self, setup: str) -> None:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        self._setup = Path(setup)
        self._worker: Any = None

    def _answer(self, shard: int) -> dict[str, Any]:
        from strijdtaal.batch.worker import Worker

        if self._worker is None:
            try:
                setup = json.loads(self._setup.read_text(encoding="utf-8"))
            except OSError as error:
                advice = "Put bundle, input and output where all machines of the cluster see them under one path."
                message = f"A machine of the cluster cannot read {self._setup}: {error.strerror}. {advice}"
                return {"error": "UsageError", "message": message}
            if setup["strijdtaal"] != __version__:
                message = f"The cluster has strijdtaal {__version__}, this machine {setup['strijdtaal']}. Install one."
                return {"error": "UsageError", "message": message}
            self._worker = Worker(setup)
        tries = self._worker.folder.tries(shard)  # Ray would try for ever what kills an actor every time
        if tries.exists() and tries.stat().st_size >= ATTEMPTS:
            message = f"{ATTEMPTS} actors died at shard {shard}. Is there enough memory? Finished shards stay."
            return {"error": "StrijdtaalError", "message": message}
        with tries.open("a") as file:
            file.write(".")
        answer: dict[str, Any] = self._worker.do({"do": "score", "number": shard}, lambda rows, sentences: None)
        tries.unlink(missing_ok=True)
        return answer

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Score the shards of a batch; the answers as JSON."""
        return {"answer": [json.dumps(self._answer(int(shard))) for shard in batch["shard"]]}


@contextlib.contextmanager
def _connected(workers: int, address: str | None) -> Iterator[Any]:
    """Ray, connected to a cluster, or to one of its own on this machine; a connection of the caller's is used as it is.

    Raises:
        UsageError: Ray is not installed, or there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address is None:
        os.environ.setdefault(LOOPBACK, "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UsageError("The engine 'ray' needs Ray. Install the extra: pip install 'strijdtaal[ray]'.") from error
    if ray.is_initialized():
        yield ray
        return
    own: dict[str, Any] = {
        "num_cpus": workers,
        "object_store_memory": OBJECT_STORE,
        "include_dashboard": False,
        "_node_ip_address": "127.0.0.1",
    }
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ray.init(address=address, logging_level=logging.ERROR, **({} if address else own))
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UsageError(f"Ray could not be reached or started ({address or 'on this machine'}): {error}") from error
    try:
        with contextlib.suppress(ValueError):  # not in the main thread: Ray set no handlers either
            for number, handler in handlers.items():
                signal.signal(number, handler)  # Ray puts its own in place, which would end us without a word
        yield ray
    finally:
        ray.shutdown()


def _dataset(ray: Any, setup: Path, shards: list[int], workers: int) -> Any:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray.data.from_items([{"shard": shard} for shard in shards], override_num_blocks=len(shards)).map_batches(
        ShardScorer,
        fn_constructor_args=(str(setup),),
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(shards)), max_tasks_in_flight_per_actor=TASKS_AHEAD),
        batch_size=1,
        num_cpus=1,
    )


def score_shards(setup: Path, shards: list[int], workers: int, address: str | None) -> Iterator[dict[str, Any]]:
    """Score shards on a cluster; yields the figures of each as it is done.

    Raises:
        UsageError: no Ray, no cluster, or a machine that does not see the files.
        StrijdtaalError: what a shard ended with, or an actor that died again and again at one.
    """
    if not shards:
        return
    with _connected(workers, address) as ray:
        try:
            for row in _dataset(ray, setup, shards, workers).iter_rows():
                yield raise_answer(json.loads(row["answer"]))
        except ray.exceptions.RayError as error:
            first = str(error).strip().splitlines()[0]
            raise StrijdtaalError(f"Ray gave up: {first} Finished shards stay; the same command goes on.") from error
