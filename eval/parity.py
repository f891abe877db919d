"""The same sentences through every way of loading a bundle; the largest difference in probability."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from strijdtaal.classifier import Classifier
from strijdtaal.labels import KEYS
from strijdtaal.text import clean

TOLERANCE = 1e-5  # in probability


def pipeline_probabilities(bundle: Path, texts: Sequence[str]) -> NDArray[np.float64]:
    """Through ``transformers.pipeline("text-classification", top_k=None)``."""
    from transformers import pipeline

    classify = pipeline("text-classification", model=str(bundle), top_k=None, device=-1)
    rows = classify([clean(text) for text in texts], truncation=True)
    return np.array([[{entry["label"]: entry["score"] for entry in row}[key] for key in KEYS] for row in rows])


def auto_model_probabilities(bundle: Path, texts: Sequence[str]) -> NDArray[np.float64]:
    """Through ``AutoModelForSequenceClassification`` and a sigmoid."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(bundle).eval()
    tokenizer = AutoTokenizer.from_pretrained(bundle)
    inputs = tokenizer([clean(text) for text in texts], truncation=True, padding=True, return_tensors="pt")
    with torch.inference_mode():
        return np.asarray(torch.sigmoid(model(**inputs).logits.double()))


def parity(bundle: Path) -> dict[str, float]:
    """Largest difference from the golden probabilities, for each way of loading."""
    classifier = Classifier.load(bundle)
    golden = classifier.contract.golden
    texts = [entry["text"] for entry in golden]
    expected = np.array([[entry["probabilities"][key] for key in KEYS] for entry in golden])
    found = {
        "strijdtaal.Classifier (ONNX Runtime, fp32)": classifier.probabilities(texts),
        "transformers.pipeline": pipeline_probabilities(bundle, texts),
        "AutoModelForSequenceClassification": auto_model_probabilities(bundle, texts),
    }
    return {name: float(np.abs(values - expected).max()) for name, values in found.items()}
