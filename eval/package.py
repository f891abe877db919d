"""Packaging: a run -> a bundle that proves itself, or a refusal."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from eval.card import model_card
from eval.export import export_onnx
from eval.gather import predictions_of
from eval.int8 import as_document, measure, refusal
from eval.lean import LeanClassifier, has_layers
from eval.notices import bundle_licences
from eval.parity import TOLERANCE
from eval.predictions import Predictions
from eval.quantize import CALIBRATION, quantize
from eval.sbom import bundle_sbom
from strijdtaal.bundle import FP32, INT8, KIND, ONNX, QUANTIZED, labels_document
from strijdtaal.classifier import Classifier
from strijdtaal.errors import BundleError
from strijdtaal.folder import sha256_of, write_folder
from strijdtaal.labels import CODEBOOK_VERSION, KEYS
from strijdtaal.session import open_session
from strijdtaal.signature import check_private_key, sign_bundle
from strijdtaal.text import clean
from training.pretrain.tokenizer import save_tokenizer
from training.run import Run, commit, open_run, write_json

log = logging.getLogger(__name__)

GOLDEN = 24  # sentences from the validation split, besides the edge cases

# Written for the project: what texts from the wild do to tokenizers.
EDGE_CASES = (
    "",
    "Ja.",
    "Terugtrekking",
    "«Wij zullen dit niet onbeantwoord laten», zei de generaal — en hij zweeg.",
    "De regering in Kyïv, gesteund door de EU, eist om 18.00 uur een staakt-het-vuren 🕊️!",
    "Curaçao, Córdoba, Đà Nẵng en Łódź: ‘coördinatie’ van ‘geïmproviseerde’ hulp à € 1.250.000,-",
    "wapenstilstandsonderhandelingenwerkgroepvoorzitter " * 3,
    "De colonne trok verder, " * 60,
    "Het bericht brak af bij <pad> en [PAD], <s> en [SEP].",
)


def golden_texts(validation: Predictions) -> list[str]:
    """Edge cases and an even choice from the validation split, the same for the same run."""
    places = np.linspace(0, len(validation.texts) - 1, min(GOLDEN, len(validation.texts))).astype(int)
    return [*EDGE_CASES, *(validation.texts[place] for place in places)]


def _golden(run: Run, model: Any, tokenizer: Any, texts: list[str]) -> list[dict[str, Any]]:
    """Token ids and torch's probabilities, each sentence alone."""
    import torch

    entries = []
    for text in texts:
        ids = tokenizer(clean(text), truncation=True, max_length=run.config.network.max_length)["input_ids"]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids])).logits[0].double()
        values = torch.sigmoid(logits).tolist()
        if not all(np.isfinite(values)):
            raise BundleError(f"{run.folder}: the model gives values that are not finite. Train again.")
        entries.append({"text": text, "input_ids": ids, "probabilities": dict(zip(KEYS, values, strict=True))})
    return entries


@contextlib.contextmanager
def _sealed(work: Path, about: dict[str, Any]) -> Iterator[Path]:
    """A sealed copy, to be loaded as an application does."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        with write_folder(bundle, KIND, **about) as copy:
            shutil.copytree(work, copy, dirs_exist_ok=True)
        yield bundle


def _prove(classifier: Classifier) -> float:
    """PyTorch (in the golden sentences) and ONNX Runtime must agree; the largest difference."""
    difference = classifier.verify_golden()
    if difference > TOLERANCE:
        raise BundleError(
            f"torch and ONNX Runtime differ by {difference:.2g} in probability on the golden sentences "
            f"(allowed {TOLERANCE:g}). No bundle was made."
        )
    return difference


def _write(work: Path, run: Run, validation: Predictions) -> tuple[Any, Any, dict[str, str]]:
    """The fp32 model in both forms, labels and golden sentences. Returns model, tokenizer and ONNX metadata."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    source, length = run.folder / "model", run.config.network.max_length
    model = AutoModelForSequenceClassification.from_pretrained(source, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokenizer.model_max_length = length
    model.save_pretrained(work)
    save_tokenizer(tokenizer, work)
    # text-embeddings-inference cuts sentences where this says, else only where the positions end
    write_json(work / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": False})
    metadata = {
        "labels": ",".join(KEYS),
        "codebook_version": CODEBOOK_VERSION,
        "thresholds": json.dumps(run.thresholds),
        "tokenizer_sha256": sha256_of(work / "tokenizer.json"),
    }
    log.info("Exporting to ONNX")
    export_onnx(LeanClassifier(model).eval() if has_layers(model) else model, tokenizer, work / ONNX, metadata)
    write_json(work / "labels.json", _labels(run))
    write_json(work / "golden.json", _golden(run, model, tokenizer, golden_texts(validation)))
    (work / "run.yaml").write_text((run.folder / "config.yaml").read_text("utf-8"), encoding="utf-8")
    return model, tokenizer, metadata


def _labels(run: Run, quantized: dict[str, Any] | None = None) -> dict[str, Any]:
    calibration = "platt, in the weights of the last layer" if run.decision.calibrated else "none"
    return labels_document(list(run.thresholds), run.config.network.max_length, calibration, quantized)


def _write_int8(
    work: Path, model: Any, tokenizer: Any, metadata: dict[str, str], exact: Classifier, splits: list[Predictions]
) -> dict[str, Any] | None:
    """Add the int8 model and its golden probabilities if it decides as ``exact`` does; else say why not."""
    if not has_layers(model):
        log.warning("No int8 model: it is made for BERT's layers, not for %s.", model.config.model_type)
        return None
    log.info("Making the int8 model")
    rows = exact.encode(splits[0].texts[:: max(1, len(splits[0].texts) // CALIBRATION)])
    quantize(model, tokenizer, rows, work / QUANTIZED, metadata | {"precision": INT8})
    fast = Classifier(exact.contract, open_session(work, exact.contract.max_length, QUANTIZED), precision=INT8)
    found = {split.split: measure(exact, fast, split) for split in splits}
    if reason := refusal(found):
        log.warning("The int8 model is left out, the bundle keeps fp32 alone. %s.", reason)
        (work / QUANTIZED).unlink()
        return None
    golden = json.loads((work / "golden.json").read_text("utf-8"))
    for entry, row in zip(golden, fast.probabilities([entry["text"] for entry in golden]), strict=True):
        entry["probabilities_int8"] = dict(zip(KEYS, map(float, row), strict=True))
    write_json(work / "golden.json", golden)
    return as_document(found)


def package(folder: Path | str, out: Path | None = None, key: Path | None = None, int8: bool = True) -> Path:
    """Make a bundle from a scored run, at ``<run>/bundle`` unless ``out`` is given; an older one is replaced.

    With ``key``, a private key in PEM, it is signed as well. Without ``int8`` it holds the fp32 model alone.

    Raises:
        UsageError: the run is not whole. DataError: it was not scored.
        BundleError: torch and ONNX Runtime differ by more than ``TOLERANCE``; nothing is left behind.
        FolderError: ``out`` exists and is no bundle.
    """
    if key is not None:
        check_private_key(key)  # first what takes no time
    run = open_run(folder)
    found = predictions_of(run)
    validation, test = found["validation"]["encoder"], found["test"]["encoder"]
    target = out or run.folder / "bundle"
    about: dict[str, Any] = {"codebook_version": CODEBOOK_VERSION, "run": run.name, "commit": commit()}
    with write_folder(target, KIND, replace=True, **about) as work:
        model, tokenizer, metadata = _write(work, run, validation)
        (work / "README.md").write_text("", encoding="utf-8")  # the card tells of int8, which is not known yet
        with _sealed(work, about) as copy:
            exact = Classifier.load(copy)
            difference = _prove(exact)
            splits = [validation, test]
            quantized = _write_int8(work, model, tokenizer, metadata, exact, splits) if int8 else None
        write_json(work / "labels.json", _labels(run, quantized))
        (work / "LICENSES.md").write_text(bundle_licences(run), encoding="utf-8")
        (work / "README.md").write_text(model_card(run, test, quantized, found["test"]), encoding="utf-8")
        (work / "sbom.cdx.json").write_text(bundle_sbom(run, work, test), encoding="utf-8")
        with _sealed(work, about) as copy:
            for precision in (FP32, INT8) if quantized else (FP32,):
                Classifier.load(copy, precision=precision)
    log.info("torch and ONNX Runtime differ by at most %.1e in probability", difference)
    if key is not None:
        log.info("Signed: %s", sign_bundle(target, key))
    return target
