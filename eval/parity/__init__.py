"""One bundle through every way of loading it, on the same sentences: the largest difference in probability.

The reference is torch in fp32, sentence by sentence. ``python -m eval parity BUNDLE`` prints the table.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from eval.parity.result import TOLERANCE, Outcome, Parity

if TYPE_CHECKING:
    from eval.parity.judge import Judge
    from eval.parity.loaders import Loader

__all__ = ["TOLERANCE", "Outcome", "Parity", "loaders_of", "parity"]

log = logging.getLogger(__name__)


def loaders_of(bundle: Path) -> list[Loader]:
    """The loaders for what a bundle holds: the fp32 model, and the int8 model if there is one."""
    from functools import partial

    from eval.parity import loaders as python
    from eval.parity.javascript import javascript_loaders
    from strijdtaal.bundle import ONNX, QUANTIZED

    def runtime(precision: str, model: str) -> list[Loader]:
        ours = partial(python.classifier_scores, precision=precision)
        alone = partial(python.session_scores, model=model)
        return [
            python.Loader("strijdtaal.Classifier", precision, ours),
            python.Loader("ONNX Runtime alone", precision, alone),
            *javascript_loaders(precision),
        ]

    return [
        python.Loader("golden.json, as packaged", "fp32", python.golden_scores),
        python.Loader("transformers.pipeline", "fp32", python.pipeline_scores),
        python.Loader("AutoModelForSequenceClassification", "fp32", python.auto_model_scores),
        *runtime("fp32", ONNX),
        python.Loader("MLflow pyfunc", "fp32", python.mlflow_scores, python.mlflow_missing),
        python.Loader("TEI raw scores, emulated", "fp32", python.tei_scores),
        *(runtime("int8", QUANTIZED) if (bundle / QUANTIZED).exists() else []),
    ]


def _run(loader: Loader, bundle: Path, judge: Judge) -> Outcome:
    start = Outcome(loader.name, loader.precision)
    missing = loader.missing()
    if missing:
        return replace(start, skipped=missing)
    log.info("%s, %s", loader.name, loader.precision)
    try:
        scores = loader.score(bundle, judge.texts)
    except Exception as error:  # libraries raise anything, and one that fails must not hide the others
        return replace(start, error=" ".join(f"{type(error).__name__}: {error}".split())[:300])
    return judge.outcome(start, scores)


def parity(bundle: Path | str, sentences: Path | None = None) -> Parity:
    """Score the golden sentences, hard ones and those of a file through every loader.

    Args:
        bundle: the folder.
        sentences: a JSONL file with the field ``text``, or a predictions file; if all its sentences have labels, the
            change in macro-F1 on them is given as well.

    Returns:
        An ``Outcome`` for each loader, within tolerance or not; one that cannot run here is marked as skipped.

    Raises:
        BundleError: the bundle is damaged. DataError: the file is.
    """
    import numpy as np

    from eval.parity.judge import Judge
    from eval.parity.loaders import reference
    from eval.parity.sentences import gather
    from strijdtaal.classifier import Classifier

    folder = Path(bundle)
    classifier = Classifier.load(folder)
    contract = classifier.contract
    given = gather(contract.golden, sentences)
    log.info("The reference, torch, fp32: %d sentences", len(given.texts))
    ids, thresholds = classifier.encode(given.texts), np.array(contract.thresholds)
    judge = Judge(given.texts, ids, reference(folder, given.texts), thresholds, given.gold)
    outcomes = tuple(_run(loader, folder, judge) for loader in loaders_of(folder))
    return Parity(str(bundle), contract.sha256, len(given.texts), outcomes)
