"""A safetensors file read for what it is: header, offsets, and whether every number is finite.

Applications compute with the ONNX graph and need no safetensors library; other loaders read this file, so a bundle
vouches for it. Format: huggingface/safetensors, README, section "Format"; its reader refuses the same faults, apart
from values that are not finite.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

from strijdtaal.errors import BundleError
from strijdtaal.safe_json import parse_json

Shapes = dict[str, tuple[int, ...]]
MAX_HEADER = 10_000_000  # bytes; a large encoder needs 60,000
MAX_NAME = 500  # characters
MAX_DIMENSIONS = 8
CHUNK = 4_000_000  # bytes looked at at once; a multiple of every item's size
BYTES = {"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "F16": 2, "BF16": 2, "I32": 4, "F32": 4, "I64": 8, "F64": 8}


class Tensor(NamedTuple):
    """One entry of the header: bytes ``start`` to ``end`` of the data."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def _header(path: Path) -> tuple[dict[str, Any], int, int]:
    """The header, the place where the data begins, and the bytes of data."""
    size = path.stat().st_size
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        if size < 8 or length > min(MAX_HEADER, size - 8):
            raise BundleError(
                f"{path} is cut off or no safetensors file: a header of {length:,} bytes in a file of {size:,} "
                f"(at most {MAX_HEADER:,} are read). Restore it from its source."
            )
        raw = handle.read(length)
    try:
        header = parse_json(raw.decode("utf-8"))
        if not raw.startswith(b"{") or not isinstance(header, dict):
            raise ValueError("not a JSON object")
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: the header is not valid JSON ({error}). Restore it from its source.") from error
    return header, 8 + length, size - 8 - length


def _tensor(path: Path, name: str, entry: Any) -> Tensor:
    try:
        dtype, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        if set(entry) != {"dtype", "shape", "data_offsets"} or dtype not in BYTES or len(name) > MAX_NAME:
            raise ValueError(f"dtype {str(dtype)[:50]!r}")
        if len(shape) > MAX_DIMENSIONS or not all(type(value) is int and value >= 0 for value in (*shape, start, end)):
            raise ValueError("a shape or offset is no whole number, or has too many")
        if math.prod(shape) * BYTES[dtype] != end - start:
            raise ValueError(f"shape {shape[:8]} of {dtype} does not fill bytes {start} to {end}")
    except (TypeError, KeyError, ValueError) as error:
        raise BundleError(f"{path}: tensor {name[:80]!r} is described wrongly ({error}). Restore the file.") from error
    return Tensor(name, dtype, tuple(shape), start, end)


def _finite(path: Path, begin: int, tensor: Tensor) -> bool:
    import numpy as np

    if tensor.dtype not in {"F16", "BF16", "F32", "F64"}:
        return True
    kind = {"F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8"}[tensor.dtype]
    for place in range(tensor.start, tensor.end, CHUNK):
        count = (min(place + CHUNK, tensor.end) - place) // BYTES[tensor.dtype]
        values = np.fromfile(path, dtype=kind, count=count, offset=begin + place)
        # bfloat16 is the upper half of a float32: all eight bits of the exponent set means infinite or not a number
        whole = (values & 0x7F80) != 0x7F80 if tensor.dtype == "BF16" else np.isfinite(values)
        if not whole.all():
            return False
    return True


def check_weights(path: Path) -> Shapes:
    """Check a safetensors file and return the shape of each tensor, by name.

    Raises:
        BundleError: cut off, bytes too many, a header too large or not valid, tensors that overlap or leave
            holes, a type that weights do not have, or a value that is not finite; the tensor is named.
    """
    header, begin, size = _header(path)
    about = header.pop("__metadata__", {})
    if not isinstance(about, dict) or not all(isinstance(value, str) for value in about.values()):
        raise BundleError(f"{path}: __metadata__ is not text by name. Restore the file from its source.")
    tensors = sorted((_tensor(path, name, entry) for name, entry in header.items()), key=lambda item: item[3:])
    place = 0
    for tensor in tensors:
        if tensor.start != place:
            raise BundleError(
                f"{path}: tensor {tensor.name[:80]!r} begins at byte {tensor.start} of the data, not at {place} "
                "where the one before it ends. Restore the file from its source."
            )
        place = tensor.end
    if place != size or not tensors:
        raise BundleError(f"{path} holds {size:,} bytes of data, its tensors {place:,}. Restore it from its source.")
    for tensor in tensors:
        if not _finite(path, begin, tensor):
            raise BundleError(f"{path}: tensor {tensor.name[:80]!r} holds values that are not finite. Train again.")
    return {tensor.name: tensor.shape for tensor in tensors}
