"""Whether bf16 is worth using here: measured, because a processor may run it fast, slowly or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable

GAIN = 1.2  # bf16 must be faster by this factor


def _seconds(run: Callable[[], object], repeats: int) -> float:
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def bf16_is_faster(size: int = 512, repeats: int = 7) -> bool:
    """Time a matrix product of ``size`` in fp32 and in bf16 on the CPU; on a GPU ask whether it has bf16 units."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    full = torch.randn(size, size)
    half = full.to(torch.bfloat16)
    with torch.no_grad():
        for matrix in (full, half):
            matrix @ matrix  # warm up
        return _seconds(lambda: half @ half, repeats) * GAIN < _seconds(lambda: full @ full, repeats)
