"""A bundle as an MLflow model: the same answers, no pickle, no traces of the machine, nothing left beside it."""

import os
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from strijdtaal import Classifier
from strijdtaal.errors import BundleError, DataError, StrijdtaalError, UsageError
from strijdtaal.folder import verify_folder
from strijdtaal.labels import KEYS
from strijdtaal.mlflow_model import KIND, quiet_pyfunc, save_mlflow

ROOT = Path(__file__).resolve().parent.parent
TEXTS = ["Washington levert raketten aan Kiev en dreigt met nieuwe sancties.", "", "Het\u00a0regende. " * 60]


@pytest.fixture(scope="module")
def model(bundle, tmp_path_factory):
    return save_mlflow(bundle, tmp_path_factory.mktemp("mlflow") / "model")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_it_answers_what_the_classifier_says(bundle, model, elsewhere):
    shutil.copytree(model, elsewhere / "moved")
    loaded = quiet_pyfunc().load_model("moved")
    expected = Classifier.load(bundle).predict(TEXTS)
    answer = loaded.predict(pd.DataFrame({"text": TEXTS}))
    assert list(answer.columns) == [*KEYS, "labels", "decision"]
    assert [list(row) for row in answer["labels"]] == [item.labels for item in expected]
    assert list(answer["decision"]) == [", ".join(item.labels) or "none" for item in expected]
    assert answer[list(KEYS)].to_numpy().tolist() == [list(item.probabilities.values()) for item in expected]
    assert loaded.predict([{"text": text} for text in TEXTS]).equals(answer)
    assert len(loaded.predict(pd.DataFrame({"text": pd.Series([], dtype=object)}))) == 0
    assert [path.name for path in elsewhere.iterdir()] == ["moved"]  # no mlflow.db, no mlruns


@pytest.mark.slow
def test_the_signature_is_enforced(model):
    from mlflow.exceptions import MlflowException

    loaded = quiet_pyfunc().load_model(str(model))
    for wrong in (pd.DataFrame({"tekst": ["a"]}), pd.DataFrame({"text": [3]}), ["a"]):
        with pytest.raises(MlflowException, match="Failed to enforce schema"):
            loaded.predict(wrong)
    with pytest.raises(DataError, match=r"Sentence 1 is (NoneType|float), not text"):
        loaded.predict(pd.DataFrame({"text": ["a", None]}))


@pytest.mark.slow
def test_the_folder_holds_no_pickle_and_no_path_of_this_machine(bundle, model):
    verify_folder(model, KIND)
    names = [path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()]
    assert not [name for name in names if Path(name).suffix in {".pkl", ".pickle", ".bin", ".joblib", ".pyc"}]
    for name in names:
        raw = (model / name).read_bytes()
        assert not raw.startswith((b"\x80\x03", b"\x80\x04", b"\x80\x05")), name
        if not name.startswith("artifacts/"):
            for place in (str(ROOT), str(bundle), str(model.parent), os.path.expanduser("~") + "/"):
                assert place.encode() not in raw, (name, place)
    requirements = (model / "requirements.txt").read_text("utf-8").split()
    assert [line.split("==")[0] for line in requirements] == ["mlflow", "strijdtaal"]


@pytest.mark.slow
def test_a_changed_bundle_in_the_model_is_refused(model, tmp_path):
    shutil.copytree(model, tmp_path / "model")
    path = tmp_path / "model" / "artifacts" / "bundle" / "labels.json"
    path.write_text(path.read_text("utf-8").replace("0.", "0.0", 1), "utf-8")
    with pytest.raises(BundleError, match=r"labels\.json was changed"):
        quiet_pyfunc().load_model(str(tmp_path / "model"))


@pytest.mark.slow
def test_what_stands_there_stays(bundle, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "letter.txt").write_text("keep me")
    with pytest.raises(StrijdtaalError, match="exists already"):
        save_mlflow(bundle, tmp_path / "model")
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "letter.txt"]


@pytest.mark.slow
def test_command_with_warnings_as_errors(bundle, tmp_path, run_module):
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = run_module("eval", "mlflow", bundle, "--out", tmp_path / "model", env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"MLflow model: {tmp_path / 'model'}\n"
    assert (tmp_path / "model" / "MLmodel").exists()


def test_a_missing_extra_is_named(bundle, tmp_path, monkeypatch):
    for name in ("mlflow", "mlflow.pyfunc"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match=r"needs mlflow.*strijdtaal\[mlflow\]"):
        save_mlflow(bundle, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(BundleError, match="is not a folder"):
        save_mlflow(tmp_path / "bundle", tmp_path / "model")
