"""The bundle: every loader gives the same, and nothing that was changed or is unsafe is loaded."""

import json
import shutil

import numpy as np
import pytest

from eval.package import EDGE_CASES, package
from strijdtaal import Classifier
from strijdtaal.bundle import KIND, read_contract
from strijdtaal.errors import BundleError, DataError
from strijdtaal.folder import _seal
from strijdtaal.labels import KEYS

ARTICLE = "Ankara stuurt wapens naar Tripoli.\n\nHet regende. Ál-Jufra viel 🕊️ stil; de rebellen gaven zich over!"


@pytest.fixture
def copy(bundle, tmp_path):
    target = tmp_path / "bundle"
    shutil.copytree(bundle, target)
    return target


def reseal(folder, **changes):
    """Change a JSON file of a bundle and give it a manifest that fits, as an attacker would."""
    for name, change in changes.items():
        path = folder / f"{name}.json"
        value = json.loads(path.read_text("utf-8"))
        value.update(change)
        path.write_text(json.dumps(value), "utf-8")
    (folder / "manifest.json").unlink()
    _seal(folder, KIND, {})


def test_bundle_holds_what_the_contract_says(bundle):
    names = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "onnx/model.onnx", "labels.json"} <= names
    assert {"golden.json", "README.md", "manifest.json"} <= names
    contract = read_contract(bundle)
    assert contract.keys == KEYS
    assert [entry["text"] for entry in contract.golden][: len(EDGE_CASES)] == list(EDGE_CASES)


def test_pipeline_gives_sigmoid_scores_that_do_not_sum_to_one(bundle):
    from transformers import pipeline

    text = "Washington levert raketten aan Kiev en dreigt met nieuwe sancties."
    classify = pipeline("text-classification", model=str(bundle), top_k=None)
    scores = {entry["label"]: entry["score"] for entry in classify([text])[0]}
    ours = Classifier.load(bundle).predict([text])[0].probabilities
    assert set(scores) == set(KEYS)
    assert max(abs(scores[key] - ours[key]) for key in KEYS) < 1e-5
    assert abs(sum(scores.values()) - 1) > 1e-3


def test_prediction_has_labels_and_probabilities(bundle):
    classifier = Classifier.load(bundle)
    results = classifier.predict(["De generaal zwoer wraak.", "", "Het regende."])
    assert [item.text for item in results] == ["De generaal zwoer wraak.", "", "Het regende."]
    for item in results:
        assert list(item.probabilities) == list(KEYS)
        expected = [key for key in KEYS if item.probabilities[key] >= classifier.contract.thresholds_by_key[key]]
        assert item.labels == expected
        assert item.start is None
        assert item.dutch == "geen" or item.labels


def test_article_offsets_point_at_the_sentences(bundle):
    results = Classifier.load(bundle).predict_article(ARTICLE)
    assert [ARTICLE[item.start : item.end] for item in results] == [item.text for item in results]
    assert len(results) == 3


def test_alone_or_in_a_batch_is_the_same(bundle):
    classifier = Classifier.load(bundle)
    texts = [f"Zin {'lang ' * (number % 40)}nummer {number} over Goma." for number in range(150)]
    together = classifier.probabilities(texts)
    alone = np.concatenate([classifier.probabilities([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-5


def test_any_iterable_of_sentences_is_taken(bundle):
    classifier = Classifier.load(bundle)
    texts = ["De generaal zwoer wraak.", "Het regende."]
    assert classifier.predict(text for text in texts) == classifier.predict(texts)
    assert [item.text for item in classifier.predict(np.array(texts))] == texts


@pytest.mark.parametrize(
    "change",
    [
        {"max_length": -3},
        {"max_length": "128"},
        {"activation": "softmax"},
        {"codebook_version": "7.3"},
        {"labels": None},
    ],
)
def test_labels_file_that_means_something_else_is_refused(copy, change):
    reseal(copy, labels=change)
    with pytest.raises(BundleError, match=r"labels\.json"):
        Classifier.load(copy)


def test_foreign_code_in_the_tokenizer_is_refused(copy):
    reseal(copy, tokenizer_config={"auto_map": {"AutoTokenizer": "evil.Tokenizer"}})
    with pytest.raises(BundleError, match="key 'auto_map'"):
        Classifier.load(copy)


def test_empty_input_and_wrong_types(bundle):
    classifier = Classifier.load(bundle)
    assert classifier.predict([]) == []
    assert classifier.predict_article(" \n ") == []
    with pytest.raises(DataError, match="list of sentences"):
        classifier.predict("een zin")
    with pytest.raises(DataError, match="Sentence 1 is NoneType"):
        classifier.predict(["een zin", None])


@pytest.mark.parametrize("name", ["model.safetensors", "onnx/model.onnx", "tokenizer.json", "labels.json", "README.md"])
def test_one_changed_byte_is_found(copy, name):
    path = copy / name
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(BundleError, match=f"{name} was changed"):
        Classifier.load(copy)


def test_missing_and_added_files_are_found(copy):
    (copy / "extra.json").write_text("{}")
    with pytest.raises(BundleError, match=r"extra\.json is not in the manifest"):
        Classifier.load(copy)
    (copy / "extra.json").unlink()
    (copy / "golden.json").unlink()
    with pytest.raises(BundleError, match=r"golden\.json is missing"):
        Classifier.load(copy)


def test_pickles_are_refused_even_with_a_fitting_manifest(copy):
    (copy / "training_args.bin").write_bytes(b"\x80\x04.")
    reseal(copy)
    with pytest.raises(BundleError, match=r"training_args\.bin does not belong in a bundle"):
        Classifier.load(copy)


@pytest.mark.parametrize("key", ["auto_map", "_attn_implementation_internal"])
def test_config_that_loads_foreign_code_is_refused(copy, key):
    reseal(copy, config={key: {"AutoModel": "evil.Model"}})
    with pytest.raises(BundleError, match=f"key '{key}'"):
        Classifier.load(copy)


def test_other_label_order_and_bad_threshold_are_refused(copy):
    labels = json.loads((copy / "labels.json").read_text("utf-8"))["labels"]
    reseal(copy, labels={"labels": labels[::-1]})
    with pytest.raises(BundleError, match="this version knows"):
        Classifier.load(copy)
    labels[0]["threshold"] = 1.5
    reseal(copy, labels={"labels": labels})
    with pytest.raises(BundleError, match=r"threshold of 'threat' is 1\.5"):
        Classifier.load(copy)


def test_model_that_computes_something_else_is_refused(copy):
    import onnx
    from onnx import numpy_helper

    path = copy / "onnx" / "model.onnx"
    graph = onnx.load(str(path))
    bias = next(item for item in graph.graph.initializer if item.dims == [len(KEYS)])
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 0.5, bias.name))
    onnx.save(graph, str(path))
    reseal(copy)
    with pytest.raises(BundleError, match="Golden sentences differ"):
        Classifier.load(copy)


@pytest.mark.slow
def test_packager_refuses_when_torch_and_onnx_differ(run_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("eval.package.TOLERANCE", 1e-12)
    with pytest.raises(BundleError, match="torch and ONNX Runtime differ"):
        package(run_folder, tmp_path / "out" / "bundle", int8=False)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.slow
def test_packager_replaces_a_bundle_but_no_other_folder(run_folder, tmp_path):
    from strijdtaal.folder import FolderError

    before = (run_folder / "bundle" / "golden.json").read_bytes()
    package(run_folder, int8=False)
    assert (run_folder / "bundle" / "golden.json").read_bytes() == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep me")
    with pytest.raises(FolderError, match="exists already"):
        package(run_folder, tmp_path / "mine", int8=False)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "keep me"


def test_model_card_states_the_test_scores(bundle, run_folder):
    card = (bundle / "README.md").read_text("utf-8")
    report = json.loads((run_folder / "report" / "report.json").read_text("utf-8"))
    assert card.startswith("---\nlanguage: nl\n")
    assert f"| **macro** | {report['results']['test']['encoder']['macro_f1']:.3f} |" in card
