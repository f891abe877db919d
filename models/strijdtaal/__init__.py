"""strijdtaal: which sentences of Dutch news threaten, support, retreat or call for a ceasefire.

>>> from strijdtaal import Classifier                                   # doctest: +SKIP
>>> classifier = Classifier.load("runs/default/bundle")                 # doctest: +SKIP
>>> classifier.predict(["Turkije zal hard terugslaan."])[0].labels      # doctest: +SKIP
['threat']
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strijdtaal.errors import BundleError, DataError, StrijdtaalError, TrainingError, UsageError
from strijdtaal.labels import CODEBOOK_VERSION, KEYS, LABELS, Label

if TYPE_CHECKING:
    from strijdtaal.classifier import Classifier, Prediction

__version__ = "0.1.0"

__all__ = [
    "CODEBOOK_VERSION",
    "KEYS",
    "LABELS",
    "BundleError",
    "Classifier",
    "DataError",
    "Label",
    "Prediction",
    "StrijdtaalError",
    "TrainingError",
    "UsageError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Load the classifier (numpy, onnxruntime) only when it is asked for."""
    if name in {"Classifier", "Prediction"}:
        from strijdtaal import classifier

        return getattr(classifier, name)
    raise AttributeError(f"module 'strijdtaal' has no attribute {name!r}")
