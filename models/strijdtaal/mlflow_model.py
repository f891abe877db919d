"""A bundle as an MLflow model (extra ``mlflow``): models from code, no pickle.

The folder holds the bundle, the file ``mlflow_code.py`` that MLflow runs on load, the signature, an example and the
requirements: MLflow and the base install of this package.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from strijdtaal import __version__
from strijdtaal.bundle import Contract, read_contract
from strijdtaal.errors import UsageError
from strijdtaal.folder import write_folder

KIND = "strijdtaal MLflow model"
CODE = Path(__file__).with_name("mlflow_code.py")
EXAMPLE = ("De generaal dreigde de havenstad te bombarderen.", "Het regende.")  # written for the project
# Set before MLflow is first imported, unless the environment says otherwise.
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


def quiet_pyfunc() -> Any:
    """The module ``mlflow.pyfunc``, imported without its reports to its makers and its warnings about itself.

    Raises:
        UsageError: MLflow or pandas is not installed.
    """
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    try:
        import pandas  # noqa: F401

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import mlflow.pyfunc
    except ImportError as error:
        raise UsageError(f"mlflow needs {error.name}. Install the extra: pip install 'strijdtaal[mlflow]'.") from error
    return mlflow.pyfunc


def _signature(contract: Contract) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array

    probabilities = [ColSpec(DataType.double, key) for key in contract.keys]
    decided = [ColSpec(Array(DataType.string), "labels"), ColSpec(DataType.string, "decision")]
    return ModelSignature(Schema([ColSpec(DataType.string, "text")]), Schema([*probabilities, *decided]))


def _forget_paths(folder: Path) -> None:
    """MLflow writes where code and bundle were found; only their places inside the folder are needed."""
    from mlflow.models import Model

    model = Model.load(str(folder))
    flavor = model.flavors["python_function"]
    flavor["model_code_path"] = CODE.name
    flavor["artifacts"]["bundle"]["uri"] = flavor["artifacts"]["bundle"]["path"]
    model.save(str(folder / "MLmodel"))


def save_mlflow(bundle: Path | str, path: Path | str) -> Path:
    """Write a bundle as an MLflow model folder, which ``mlflow.pyfunc.load_model`` loads; returns its path.

    Input: a column ``text``. Output: a column for the probability of each label, ``labels`` (the list of those
    given) and ``decision`` (the same as one text, or "none"). The example is run once, through the written folder.

    Raises:
        UsageError: the extra is not installed. BundleError: the bundle is damaged.
        FolderError: ``path`` exists already, or cannot be written; nothing is left behind.
    """
    contract = read_contract(bundle)
    pyfunc = quiet_pyfunc()
    import pandas as pd

    target, example = Path(path), pd.DataFrame({"text": list(EXAMPLE)})
    with write_folder(target, KIND, bundle_sha256=contract.sha256) as work, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's, about its own use of pandas
        pyfunc.save_model(
            str(work),
            python_model=str(CODE),
            artifacts={"bundle": str(Path(bundle).resolve())},
            signature=_signature(contract),
            input_example=example,
            pip_requirements=[f"strijdtaal=={__version__}"],
        )
        _forget_paths(work)
        pyfunc.load_model(str(work)).predict(example)
    return target
