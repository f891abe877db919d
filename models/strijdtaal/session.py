"""ONNX Runtime under the classifier: the session, and which sentences it computes together."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from strijdtaal.bundle import MODELS
from strijdtaal.errors import BundleError
from strijdtaal.labels import KEYS
from strijdtaal.safety import check_session, inspect

TOKENS_PER_BATCH = 1024


def available_cores() -> int:
    """Cores that this process may use, by affinity and by the control group's quota (containers)."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        return max(1, min(count, -(-int(quota) // int(period))))
    except (OSError, ValueError):  # no such group, or "max"
        return count


def batches_of(rows: Sequence[Sequence[int]], threads: int) -> list[list[int]]:
    """Row numbers in batches of like length, long ones first, enough of them for all threads."""
    tokens = sum(len(row) for row in rows)
    budget = max(TOKENS_PER_BATCH // 8, min(TOKENS_PER_BATCH, tokens // threads + 1))
    order = sorted(range(len(rows)), key=lambda number: -len(rows[number]))
    batches: list[list[int]] = []
    for number in order:
        if batches and (len(batches[-1]) + 1) * len(rows[batches[-1][0]]) <= budget:
            batches[-1].append(number)
        else:
            batches.append([number])
    return batches


class Opened(NamedTuple):
    """A tokenizer, the ONNX Runtime session that goes with it, and the highest token id that it takes."""

    tokenizer: Any
    session: Any
    highest_id: int


def has_exact_int8() -> bool:
    """Whether ONNX Runtime's fast int8 products are exact here; on x64 without VNNI instructions they overflow."""
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return True
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False  # not known: the golden sentences would find it out too


def make_session(path: Path) -> Any:
    """An ONNX Runtime session that computes one batch at a time on one thread; share it between threads.

    Raises:
        BundleError: ONNX Runtime refuses the file.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # batches run side by side instead: fewer barriers, smaller caches
    options.log_severity_level = 3
    if not has_exact_int8():
        options.add_session_config_entry("session.x64quantprecision", "1")  # exact, and a third slower
    try:
        return onnxruntime.InferenceSession(
            str(path),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["SkipLayerNormFusion"],  # a sum and a norm apart are several times faster
        )
    except Exception as error:  # onnxruntime raises bare Exception subclasses
        raise BundleError(f"{path} cannot be loaded: {error}. Package the run again.") from error


def open_session(folder: Path, max_length: int, model: str) -> Opened:
    """The tokenizer and the session of a verified bundle, after a look at every file that a library parses.

    Raises:
        BundleError: a file is damaged or unsafe, or the files do not fit together.
    """
    tokenizer, highest_id = inspect(folder, KEYS, [name for name in MODELS.values() if (folder / name).exists()])
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    session = make_session(folder / model)
    check_session(folder / model, session, len(KEYS), highest_id, max_length)
    return Opened(tokenizer, session, highest_id)
