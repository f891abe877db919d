"""The bundle contract: what lies in the folder that applications load, and its verification.

A bundle is a plain Hugging Face folder (config.json, model.safetensors, tokenizer.json) that also
holds ``onnx/model.onnx``, ``labels.json`` (order, thresholds, rule for none), ``golden.json`` (texts
with token ids and probabilities), a model card and ``manifest.json`` (sha256 of every file).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strijdtaal.errors import BundleError
from strijdtaal.folder import MANIFEST, FolderError, sha256_of, verify_folder
from strijdtaal.labels import CODEBOOK_VERSION, KEYS, LABELS
from strijdtaal.safe_json import read_json
from strijdtaal.safety import check_files

KIND = "strijdtaal bundle"
SCHEMA = 1
ONNX = "onnx/model.onnx"
QUANTIZED = "onnx/model_quantized.onnx"  # the name that transformers.js looks for
FP32, INT8 = "fp32", "int8"
MODELS = {FP32: ONNX, INT8: QUANTIZED}
SIGNATURE = "signature"  # a folder that may stand beside what the manifest lists, see strijdtaal.signature
REQUIRED = ("config.json", "model.safetensors", "tokenizer.json", ONNX, "labels.json", "golden.json", "README.md")
ALLOWED_SUFFIXES = {".json", ".safetensors", ".onnx", ".md", ".txt", ".yaml", ".html", ".jinja"}


@dataclass(frozen=True)
class Contract:
    """What a bundle says of itself: label order, decision rule, input length, golden vectors.

    ``sha256`` is that of the manifest, which holds those of all files: two bundles with the same one are the same.
    ``quantized`` says how the int8 model differs from the fp32 one, measured when it was packaged; None without one.
    """

    keys: tuple[str, ...]
    thresholds: tuple[float, ...]
    max_length: int
    codebook_version: str
    golden: tuple[dict[str, Any], ...]
    sha256: str
    quantized: dict[str, Any] | None = None

    @property
    def thresholds_by_key(self) -> dict[str, float]:
        """Threshold of each label: a label is given when its probability reaches it."""
        return dict(zip(self.keys, self.thresholds, strict=True))


def labels_document(
    thresholds: list[float], max_length: int, calibration: str = "none", quantized: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The content of ``labels.json`` for the current label set."""
    return {
        "schema": SCHEMA,
        "codebook_version": CODEBOOK_VERSION,
        "problem_type": "multi_label_classification",
        "activation": "sigmoid",
        "max_length": max_length,
        "labels": [
            {"key": label.key, "dutch": label.dutch, "english": label.english, "threshold": threshold}
            for label, threshold in zip(LABELS, thresholds, strict=True)
        ],
        "calibration": {"method": calibration},
        "quantized": quantized,
        "none": "A sentence has no label (Dutch: geen) when no probability reaches its threshold.",
    }


def _check_files(folder: Path, names: set[str]) -> None:
    for name in REQUIRED:
        if name not in names:
            raise BundleError(f"{folder / name} is missing; a bundle needs it. Package the run again.")
    for name in sorted(names):
        if Path(name).suffix not in ALLOWED_SUFFIXES:
            raise BundleError(
                f"{folder / name} does not belong in a bundle: {Path(name).suffix or 'no'} files are "
                "refused (pickles and code can run on load). Package the run again."
            )


def _check_config(path: Path) -> None:
    config = read_json(path)
    if config.get("problem_type") != "multi_label_classification":
        raise BundleError(f"{path}: problem_type is {config.get('problem_type')!r}, not multi_label_classification.")


def _thresholds(path: Path, entries: list[dict[str, Any]]) -> tuple[float, ...]:
    values = []
    for entry in entries:
        value = entry.get("threshold")
        if not isinstance(value, int | float) or not math.isfinite(value) or not 0 < value < 1:
            raise BundleError(f"{path}: threshold of '{entry.get('key')}' is {value!r}, not between 0 and 1.")
        values.append(float(value))
    return tuple(values)


def _quantized(folder: Path, path: Path, document: dict[str, Any]) -> dict[str, Any] | None:
    """What labels.json says of the int8 model; the file must be there exactly when it says something."""
    quantized: dict[str, Any] | None = document.get("quantized")
    if (quantized is not None) != (folder / QUANTIZED).exists():
        raise BundleError(f"{path} and {QUANTIZED} do not fit: only one of them is there. Package the run again.")
    return quantized


def read_contract(folder: Path | str) -> Contract:
    """Verify a bundle's files, label order and configuration, and return its contract.

    Raises:
        BundleError: a file is missing, changed, added or unsafe, or the label set is another one;
            the message names the file and what to do.
    """
    folder = Path(folder)
    check_files(folder)
    try:
        manifest = verify_folder(folder, KIND, added=(SIGNATURE,))
    except FolderError as error:
        raise BundleError(str(error)) from error
    _check_files(folder, set(manifest["files"]))
    path = folder / "labels.json"
    try:
        return _contract(folder, path, read_json(path), sha256_of(folder / MANIFEST))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BundleError(f"{path} is not as this version writes it ({error!r}). Package the run again.") from error
    except OSError as error:
        raise BundleError(f"Cannot read {error.filename}: {error.strerror}.") from error


def _contract(folder: Path, path: Path, document: dict[str, Any], sha256: str) -> Contract:
    expected = {"schema": SCHEMA, "codebook_version": CODEBOOK_VERSION, "activation": "sigmoid"}
    for name, value in expected.items():
        if document.get(name) != value:
            raise BundleError(f"{path}: {name} is {document.get(name)!r}; this version reads {value!r}.")
    keys = tuple(entry["key"] for entry in document["labels"])
    if keys != KEYS:
        raise BundleError(f"{path}: labels are {keys}, this version knows {KEYS}. Install the version that made it.")
    max_length = document["max_length"]
    if not isinstance(max_length, int) or not 8 <= max_length <= 8192:
        raise BundleError(f"{path}: max_length is {max_length!r}, not a number from 8 to 8192.")
    _check_config(folder / "config.json")
    golden = read_json(folder / "golden.json")
    if not isinstance(golden, list) or not golden:
        raise BundleError(f"{folder / 'golden.json'} holds no sentences. Package the run again.")
    return Contract(
        keys=keys,
        thresholds=_thresholds(path, document["labels"]),
        max_length=max_length,
        codebook_version=document["codebook_version"],
        golden=tuple(golden),
        sha256=sha256,
        quantized=_quantized(folder, path, document),
    )
