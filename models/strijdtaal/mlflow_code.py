"""The code of the MLflow model: MLflow copies this file into the model's folder and runs it there on load.

Nothing is pickled; the classes it needs come from the installed package. Write such a folder with
``strijdtaal.mlflow_model.save_mlflow``.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from strijdtaal import Classifier
from strijdtaal.labels import NONE_ENGLISH


class BundleModel(PythonModel):
    """A bundle as an MLflow model."""

    def load_context(self, context: Any) -> None:
        """Verify and load the bundle that lies in the model's folder."""
        self._classifier = Classifier.load(context.artifacts["bundle"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Label the sentences of the column ``text``; one row each, in order.

        Returns:
            The probability of each label in a column of its name, ``labels`` (the list of those given) and
            ``decision`` (the same as one text, "none" when there is none).
        """
        found = self._classifier.predict(model_input["text"].tolist())
        rows = [
            item.probabilities | {"labels": item.labels, "decision": ", ".join(item.labels) or NONE_ENGLISH}
            for item in found
        ]
        return pd.DataFrame(rows, columns=[*self._classifier.contract.keys, "labels", "decision"])


set_model(BundleModel())
