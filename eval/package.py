"""Packaging: a run -> a bundle that proves itself, or a refusal."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from eval.card import model_card
from eval.export import export_onnx
from eval.gather import predictions_of
from eval.parity import TOLERANCE
from eval.predictions import Predictions
from strijdtaal.bundle import KIND, ONNX, labels_document
from strijdtaal.classifier import Classifier
from strijdtaal.errors import BundleError
from strijdtaal.folder import sha256_of, write_folder
from strijdtaal.labels import CODEBOOK_VERSION, KEYS
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


def _prove(work: Path, about: dict[str, Any]) -> float:
    """Load a sealed copy as an application does; torch and ONNX Runtime must agree."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        with write_folder(bundle, KIND, **about) as copy:
            shutil.copytree(work, copy, dirs_exist_ok=True)
        difference = Classifier.load(bundle).verify_golden()
    if difference > TOLERANCE:
        raise BundleError(
            f"torch and ONNX Runtime differ by {difference:.2g} in probability on the golden sentences "
            f"(allowed {TOLERANCE:g}). No bundle was made."
        )
    return difference


def _write(work: Path, run: Run, validation: Predictions, test: Predictions) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    source, length = run.folder / "model", run.config.network.max_length
    model = AutoModelForSequenceClassification.from_pretrained(source, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokenizer.model_max_length = length
    model.save_pretrained(work)
    save_tokenizer(tokenizer, work)
    log.info("Exporting to ONNX")
    metadata = {
        "labels": ",".join(KEYS),
        "codebook_version": CODEBOOK_VERSION,
        "thresholds": json.dumps(run.thresholds),
    }
    metadata["tokenizer_sha256"] = sha256_of(work / "tokenizer.json")
    calibration = "platt, in the weights of the last layer" if run.decision.calibrated else "none"
    export_onnx(model, tokenizer, work / ONNX, metadata)
    write_json(work / "labels.json", labels_document(list(run.thresholds), length, calibration))
    write_json(work / "golden.json", _golden(run, model, tokenizer, golden_texts(validation)))
    (work / "README.md").write_text(model_card(run, test), encoding="utf-8")
    (work / "run.yaml").write_text((run.folder / "config.yaml").read_text("utf-8"), encoding="utf-8")


def package(folder: Path | str, out: Path | None = None) -> Path:
    """Make a bundle from a scored run, at ``<run>/bundle`` unless ``out`` is given; an older one is replaced.

    Raises:
        UsageError: the run is not whole. DataError: it was not scored.
        BundleError: torch and ONNX Runtime differ by more than ``TOLERANCE``; nothing is left behind.
        FolderError: ``out`` exists and is no bundle.
    """
    run = open_run(folder)
    found = predictions_of(run)
    validation, test = found["validation"]["encoder"], found["test"]["encoder"]
    target = out or run.folder / "bundle"
    about: dict[str, Any] = {"codebook_version": CODEBOOK_VERSION, "run": run.name, "commit": commit()}
    with write_folder(target, KIND, replace=True, **about) as work:
        _write(work, run, validation, test)
        difference = _prove(work, about)
    log.info("torch and ONNX Runtime differ by at most %.1e in probability", difference)
    return target
