"""What a bundle from elsewhere may not hold, checked before anything in it is loaded.

The manifest proves that files are those that were sealed, not that whoever sealed them meant well: anybody can
seal. So every file that a library will parse is looked at first, within limits, by code that only reads.

    check_files      only plain files, of names that no loader takes for more than it is
    inspect          weights, configuration, golden sentences, graph files; returns the tokenizer
    check_session    the graph has the inputs, outputs and vocabulary that the rest of the bundle promises

What this does not stop: a graph that computes something useless, or for very long; see models/TRUST.md.
"""

from __future__ import annotations

import re
import stat
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from strijdtaal.errors import BundleError, DataError
from strijdtaal.folder import MANIFEST
from strijdtaal.safe_json import MAX_BYTES, read_json
from strijdtaal.safe_tensors import Shapes, check_weights
from strijdtaal.safe_tokenizer import load_tokenizer

MAX_FILES = 1_000
MAX_GOLDEN = 1_000  # sentences
MAX_GOLDEN_TEXT = 100_000  # characters
SESSION_SECONDS = 60.0
_GOLDEN = {"text", "input_ids", "probabilities"}
INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
EMBEDDINGS = ("word_embeddings.weight", "tok_embeddings.weight", "embed_tokens.weight")

# Keys that make some version of transformers load code, kernels or weights from elsewhere (CVE-2026-4372 and its
# public spellings), at any depth.
_REFUSED_KEY = re.compile(
    r"auto_map|custom_pipelines|custom_generate|trust_remote_code|quantization_config|.*_implementation.*"
    r"|(use_)?kernels?(_config|_mapping)?|.*_file|_(?!name_or_path$|num_labels$).*"
)
# Files that transformers or peft read without being asked, and that point to weights or code elsewhere.
_REFUSED_FILE = re.compile(r"adapter_(config|model).*|.*\.index\.json|.*\.py|custom_generate.*")
_LOCATION = b"location"  # the key of onnx.TensorProto.external_data that names a file
_LOCATION_FIELD = re.compile(rb"(?:\x0a|\x8a\x80*\x00)(?:\x08|\x88\x80*\x00)\Z")  # its tag and length, also overlong


class Inspected(NamedTuple):
    """A tokenizer that was looked at, and the highest token id that it can give."""

    tokenizer: Any
    highest_id: int


def check_files(folder: Path) -> None:
    """Refuse what is not a plain file or a folder (a pipe would be waited for), and names that reach further.

    Raises:
        BundleError: such a file, more than ``MAX_FILES``, or a manifest too large to be one.
    """
    manifest = folder / MANIFEST
    if manifest.is_file() and manifest.stat().st_size > MAX_BYTES:
        raise BundleError(f"{manifest} is larger than {MAX_BYTES:,} bytes. This is not a strijdtaal bundle.")
    for number, path in enumerate(folder.rglob("*")):
        if number >= MAX_FILES:
            raise BundleError(f"{folder} holds more than {MAX_FILES:,} files. This is not a strijdtaal bundle.")
        mode = path.lstat().st_mode
        if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
            raise BundleError(f"{path} is no plain file (a link, pipe, socket or device). Remove the bundle.")
        if _REFUSED_FILE.fullmatch(path.name):
            raise BundleError(f"{path} can make a loader fetch weights or code from elsewhere and is refused.")


def check_keys(path: Path, values: Any) -> None:
    """Refuse keys, at any depth of a configuration, that can load foreign code, kernels, weights or files.

    Numbers say nothing, nor do private flags (older configurations hold ``_attn_implementation_autoset``).

    Raises:
        BundleError: the first such key that says something.
    """
    if isinstance(values, dict):
        for key, value in values.items():
            says = isinstance(value, str | dict | list) or (value is True and not key.startswith("_"))
            if says and _REFUSED_KEY.fullmatch(key):
                raise BundleError(f"{path}: key '{key}' can load foreign code or files and is refused.")
            check_keys(path, value)
    elif isinstance(values, list):
        for value in values:
            check_keys(path, value)


def check_config(path: Path, config: Any, keys: Sequence[str]) -> None:
    """Labels of a configuration: exactly ``keys``, in order, each once, in both directions.

    Raises:
        BundleError: another number of labels, other names or a name twice.
    """
    if not isinstance(config, dict):
        raise BundleError(f"{path} is not a JSON object. Package the run again.")
    check_keys(path, config)
    expected = {
        "id2label": {str(number): key for number, key in enumerate(keys)},
        "label2id": {key: number for number, key in enumerate(keys)},
        "num_labels": len(keys),
    }
    for name, value in expected.items():
        if (config.get(name) is not None or name == "id2label") and config.get(name) != value:
            raise BundleError(f"{path}: {name} is {str(config.get(name))[:200]}, not {value}. Package the run again.")


def check_golden(path: Path, golden: Any, keys: Sequence[str]) -> None:
    """Golden sentences: a list of text, token ids and one probability a label (a second set for int8 may follow).

    Raises:
        BundleError: the first entry that is not so, by its place.
    """
    if not isinstance(golden, list) or not 0 < len(golden) <= MAX_GOLDEN:
        raise BundleError(f"{path} is not a list of 1 to {MAX_GOLDEN:,} sentences. Package the run again.")
    for number, entry in enumerate(golden):
        where = f"{path}, entry {number}"
        if not isinstance(entry, dict) or not _GOLDEN <= set(entry) <= _GOLDEN | {"probabilities_int8"}:
            raise BundleError(f"{where} has not the keys {', '.join(sorted(_GOLDEN))}. Package the run again.")
        text, ids = entry["text"], entry["input_ids"]
        if not isinstance(text, str) or len(text) > MAX_GOLDEN_TEXT:
            raise BundleError(f"{where}: text is no string of at most {MAX_GOLDEN_TEXT:,} characters.")
        if not isinstance(ids, list) or not all(type(value) is int and 0 <= value < 2**31 for value in ids):
            raise BundleError(f"{where}: input_ids is no list of token ids.")
        for name in set(entry) - {"text", "input_ids"}:
            values = entry[name]
            if not isinstance(values, dict) or list(values) != list(keys):
                raise BundleError(f"{where}: {name} are not those of {', '.join(keys)}.")
            if not all(type(value) in {float, int} and 0 <= value <= 1 for value in values.values()):
                raise BundleError(f"{where}: one of {name} is not a number from 0 to 1.")


def check_embedding(path: Path, config: dict[str, Any], highest_id: int, shapes: Shapes, labels: int) -> None:
    """The tokenizer's ids lie inside the embedding, and the last layer has one row a label.

    Raises:
        BundleError: an id without a row (it would fail at the first rare word), a ``vocab_size`` that is not the
            embedding's, or no layer with ``labels`` rows.
    """
    size = config.get("vocab_size")
    if type(size) is not int or size <= highest_id:
        raise BundleError(f"{path}: vocab_size is {size!r}, but the tokenizer gives ids up to {highest_id}.")
    rows = [shape[0] for name, shape in shapes.items() if len(shape) == 2 and name.endswith(EMBEDDINGS)]
    rows = rows or [shape[0] for shape in shapes.values() if len(shape) == 2 and shape[0] == size]
    if not rows or any(count != size for count in rows):
        raise BundleError(f"{path}: vocab_size is {size}, but the word embedding has {rows or 'no'} rows.")
    if not any(len(shape) == 2 and shape[0] == labels for shape in shapes.values()):
        raise BundleError(f"{path.with_name('model.safetensors')} has no last layer of {labels} labels.")


def check_onnx(path: Path) -> None:
    """Refuse a graph whose weights lie in another file, whatever the version of ONNX Runtime would do with it.

    What else can be wrong with a graph file ONNX Runtime refuses itself (not protobuf, cut off, unknown operators);
    the loader turns its exceptions into ``BundleError``. Source of the format: onnx.proto, StringStringEntryProto.

    Raises:
        BundleError: the file is empty, or names an external file.
    """
    import mmap

    if path.stat().st_size == 0:
        raise BundleError(f"{path} is empty. Restore the bundle from its source.")
    with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = data.find(_LOCATION)
        while place >= 0:
            if _LOCATION_FIELD.search(data[max(place - 24, 0) : place]):
                raise BundleError(f"{path} keeps weights in another file (external data), which is refused.")
            place = data.find(_LOCATION, place + 1)


def inspect(folder: Path, keys: Sequence[str], graphs: Iterable[str]) -> Inspected:
    """Look at everything in a bundle (its manifest verified) that a library will parse; load its tokenizer.

    Args:
        folder: the bundle.
        keys: label keys in order.
        graphs: names of the ONNX files, relative to ``folder``.

    Raises:
        BundleError: something is damaged, does not fit together, or is unsafe; the message names the file.
    """
    path = folder / "config.json"
    config = read_json(path)
    check_config(path, config, keys)
    beside = folder / "tokenizer_config.json"
    if beside.exists():
        check_keys(beside, read_json(beside))
    check_golden(folder / "golden.json", read_json(folder / "golden.json"), keys)
    tokenizer, highest_id = load_tokenizer(folder / "tokenizer.json")
    shapes = check_weights(folder / "model.safetensors")
    check_embedding(path, config, highest_id, shapes, len(keys))
    for name in graphs:
        check_onnx(folder / name)
    return Inspected(tokenizer, highest_id)


def check_session(path: Path, session: Any, labels: int, highest_id: int, max_length: int) -> None:
    """Inputs and outputs of a loaded graph, and one row of ``max_length`` times the highest id through it.

    So a vocabulary or a length that the graph cannot take is found here and not at the first rare word. The run
    ends after ``SESSION_SECONDS`` between two operators; one operator cannot be interrupted.

    Raises:
        BundleError: other inputs or outputs, a failure, or logits of another shape or not finite.
    """
    import numpy as np
    from onnxruntime import RunOptions

    inputs = {item.name: item.type for item in session.get_inputs()}
    outputs = {item.name: item.type for item in session.get_outputs()}
    if not {"input_ids"} <= set(inputs) <= INPUTS or set(inputs.values()) != {"tensor(int64)"}:
        raise BundleError(f"{path}: the graph's inputs are {inputs}, not int64 {sorted(INPUTS)}.")
    if outputs.get("logits") != "tensor(float)":
        raise BundleError(f"{path}: the graph's outputs are {outputs}, without float 'logits'.")
    ids = np.full((1, max_length), highest_id, dtype=np.int64)
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    options = RunOptions()
    timer = threading.Timer(SESSION_SECONDS, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        (logits,) = session.run(["logits"], {name: feed[name] for name in inputs}, options)
    except Exception as error:  # ONNX Runtime raises bare Exception subclasses
        raise BundleError(
            f"{path} cannot take token id {highest_id} or {max_length} tokens at once, both of which the tokenizer "
            f"gives: {str(error)[:300]}. Package the run again."
        ) from error
    finally:
        timer.cancel()
    if logits.shape != (1, labels) or not np.isfinite(logits).all():
        raise BundleError(f"{path}: logits of shape {logits.shape} for one sentence, not finite (1, {labels}).")


def check_ids(rows: Any, highest_id: int, max_length: int) -> None:
    """Token ids of a padded batch, shape (rows, tokens): ONNX Runtime reads a negative id from the end.

    Raises:
        DataError: an id below 0 or above ``highest_id``, or more than ``max_length`` tokens.
    """
    if rows.size and not 0 <= (low := int(rows.min())) <= (high := int(rows.max())) <= highest_id:
        raise DataError(f"Token id {low if low < 0 else high}: ids run from 0 to {highest_id}.")
    if rows.shape[-1] > max_length:
        raise DataError(f"A row of {rows.shape[-1]} tokens: at most {max_length} go in. Cut it first.")
