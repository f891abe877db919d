"""The ways of loading a bundle in Python, each written as an application writes it.

A loader takes the bundle's folder and sentences as they come; it cleans them up itself (``strijdtaal.text.clean``)
where its library does not.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strijdtaal.classifier import Classifier, sigmoid
from strijdtaal.labels import KEYS
from strijdtaal.text import clean

BATCH = 16


@dataclass(frozen=True)
class Scores:
    """What a loader said of some sentences.

    ``probabilities`` has shape (sentences taken, labels) in the order of ``KEYS``; ``taken`` names those sentences
    where the loader takes not all. ``ids`` are token ids, ``labels`` the labels it gave, where it shows them;
    ``note`` explains a difference that is to be expected.
    """

    probabilities: NDArray[np.float64]
    version: str
    taken: list[int] | None = None
    ids: list[list[int]] | None = None
    labels: list[list[str]] | None = None
    note: str = ""


@dataclass(frozen=True)
class Loader:
    """A way of loading; ``missing`` gives the reason why it cannot run here, or an empty string."""

    name: str
    precision: str
    score: Callable[[Path, Sequence[str]], Scores]
    missing: Callable[[], str] = lambda: ""


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch on one thread: for a sentence at a time, threads cost more than they give."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@_one_thread()
def reference(bundle: Path, texts: Sequence[str]) -> NDArray[np.float64]:
    """torch, fp32, one sentence at a time, shape (len(texts), labels): what all loaders are held against."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(bundle, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(bundle)
    rows = []
    for text in texts:
        inputs = tokenizer(clean(text), truncation=True, return_tensors="pt")
        with torch.inference_mode():
            rows.append(torch.sigmoid(model(**inputs).logits[0].double()).numpy())
    return np.array(rows)


def golden_scores(bundle: Path, texts: Sequence[str]) -> Scores:
    """What the bundle says of its golden sentences, which come first in ``texts``."""
    golden = json.loads((bundle / "golden.json").read_text(encoding="utf-8"))
    values = np.array([[entry["probabilities"][key] for key in KEYS] for entry in golden])
    ids = [entry["input_ids"] for entry in golden]
    return Scores(values, "", taken=list(range(len(golden))), ids=ids)


@_one_thread()
def pipeline_scores(bundle: Path, texts: Sequence[str]) -> Scores:
    """``transformers.pipeline``, in batches."""
    from transformers import pipeline

    classify = pipeline("text-classification", model=str(bundle), top_k=None, device=-1)
    rows = classify([clean(text) for text in texts], truncation=True, batch_size=BATCH)
    values = [[{entry["label"]: entry["score"] for entry in row}[key] for key in KEYS] for row in rows]
    return Scores(np.array(values), f"transformers {version('transformers')}")


@_one_thread()
def auto_model_scores(bundle: Path, texts: Sequence[str]) -> Scores:
    """``AutoModelForSequenceClassification`` and a sigmoid, in padded batches."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(bundle).eval()
    tokenizer = AutoTokenizer.from_pretrained(bundle)
    rows, ids = [], []
    for start in range(0, len(texts), BATCH):
        batch = [clean(text) for text in texts[start : start + BATCH]]
        inputs = tokenizer(batch, truncation=True, padding=True, return_tensors="pt")
        with torch.inference_mode():
            rows.append(torch.sigmoid(model(**inputs).logits.double()).numpy())
        ids += [row[mask == 1].tolist() for row, mask in zip(inputs.input_ids, inputs.attention_mask, strict=True)]
    return Scores(np.concatenate(rows), f"torch {torch.__version__}", ids=ids)


def _of_predictions(predictions: Sequence[Any], made_by: str, ids: list[list[int]] | None = None) -> Scores:
    values = np.array([[item.probabilities[key] for key in KEYS] for item in predictions])
    return Scores(values, made_by, ids=ids, labels=[item.labels for item in predictions])


def classifier_scores(bundle: Path, texts: Sequence[str], precision: str) -> Scores:
    """``strijdtaal.Classifier``."""
    classifier = Classifier.load(bundle, precision=precision) if precision != "fp32" else Classifier.load(bundle)
    found = classifier.predict(texts)
    values = np.array([[item.probabilities[key] for key in KEYS] for item in found])
    labels = [item.labels for item in found]
    return Scores(values, f"onnxruntime {version('onnxruntime')}", ids=classifier.encode(texts), labels=labels)


def session_scores(bundle: Path, texts: Sequence[str], model: str) -> Scores:
    """ONNX Runtime and tokenizers alone, in padded batches; ``model`` is the file's name in the bundle."""
    import onnxruntime
    from tokenizers import Tokenizer

    contract = json.loads((bundle / "labels.json").read_text(encoding="utf-8"))
    config = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    tokenizer.enable_truncation(contract["max_length"])
    tokenizer.enable_padding(pad_id=config["pad_token_id"])
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")  # int8 on processors without VNNI
    session = onnxruntime.InferenceSession(str(bundle / model), options, providers=["CPUExecutionProvider"])
    wanted = {item.name for item in session.get_inputs()}
    rows: list[NDArray[np.float64]] = []
    ids: list[list[int]] = []
    for start in range(0, len(texts), BATCH):
        encoded = tokenizer.encode_batch([clean(text) for text in texts[start : start + BATCH]])
        feed = {
            "input_ids": np.array([item.ids for item in encoded], dtype=np.int64),
            "attention_mask": np.array([item.attention_mask for item in encoded], dtype=np.int64),
            "token_type_ids": np.array([item.type_ids for item in encoded], dtype=np.int64),
        }
        (logits,) = session.run(["logits"], {name: value for name, value in feed.items() if name in wanted})
        rows.append(sigmoid(logits))
        ids += [item.ids[: sum(item.attention_mask)] for item in encoded]
    return Scores(np.concatenate(rows), f"onnxruntime {version('onnxruntime')}", ids=ids)


def mlflow_missing() -> str:
    """Why MLflow cannot run here."""
    absent = [name for name in ("mlflow", "pandas") if importlib.util.find_spec(name) is None]
    return f"{absent[0]} is not installed: pip install 'strijdtaal[mlflow]'" if absent else ""


def mlflow_scores(bundle: Path, texts: Sequence[str]) -> Scores:
    """The bundle written as an MLflow model, and loaded with ``mlflow.pyfunc``."""
    from strijdtaal.mlflow_model import quiet_pyfunc, save_mlflow

    pyfunc = quiet_pyfunc()
    import pandas as pd

    with tempfile.TemporaryDirectory() as folder:
        model = pyfunc.load_model(str(save_mlflow(bundle, Path(folder) / "model")))
        answer = model.predict(pd.DataFrame({"text": list(texts)}))
    labels = [list(row) for row in answer["labels"]]
    values = answer[list(KEYS)].to_numpy(dtype=np.float64)
    return Scores(values, f"mlflow {version('mlflow-skinny')}", labels=labels)


def tei_scores(bundle: Path, texts: Sequence[str]) -> Scores:
    """Raw scores of text-embeddings-inference, as its source computes them, over JSON; empty sentences it refuses."""
    from eval.parity.tei_router import SENTENCE_CONFIG, Router
    from eval.tei import probabilities_from_raw_scores, request_bodies

    taken = [number for number, text in enumerate(texts) if clean(text)]
    router = Router(bundle)
    rows = []
    for body in request_bodies([texts[number] for number in taken]):
        answer = json.loads(json.dumps(router.predict(json.loads(json.dumps(body)))))
        rows += [list(probabilities_from_raw_scores(entry).values()) for entry in answer]
    longest = json.loads((bundle / "labels.json").read_text(encoding="utf-8"))["max_length"]
    note = ""
    if router.max_input_length != longest:
        note = f"TEI reads {router.max_input_length} tokens, not {longest}: no max_seq_length in {SENTENCE_CONFIG}"
    return Scores(np.array(rows), "its source, 1.9", taken=taken, note=note)
