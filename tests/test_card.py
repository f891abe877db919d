"""The model card: every figure is that of the predictions, the metadata parse, and the code in it runs."""

import ast
import json
import re
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from eval.calibration import calibration_summary
from eval.card import LIMITS, NOT_USES, USES, definitions, figures, model_card
from eval.gather import predictions_of
from strijdtaal.labels import KEYS, LABELS
from training.run import open_run


@pytest.fixture(scope="module")
def run(run_folder):
    return open_run(run_folder)


@pytest.fixture(scope="module")
def systems(run):
    """The run's predictions, as if of 18 articles: intervals need ten, and the small corpus has fewer."""
    found = predictions_of(run)["test"]
    return {
        name: replace(item, articles=[f"article {number % 18}" for number in range(len(item.ids))])
        for name, item in found.items()
    }


@pytest.fixture(scope="module")
def card(run, systems):
    return model_card(run, systems["encoder"], others=systems)


def cells(card, head):
    """The cells of the first table row that begins with ``head``."""
    (row, *_) = [line for line in card.splitlines() if line.startswith(f"| {head} |")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def shown(value):
    return f"{value:.3f}"


def interval(low, high):
    return f"{low:.3f} - {high:.3f}"


def test_scores_are_those_of_the_predictions(card, systems):
    test = systems["encoder"]
    gold, said = test.gold.astype(int), test.probabilities
    decided = (said >= np.asarray(test.threshold)).astype(int)
    rows = [("**macro**", "macro", slice(None)), *[(key, None, column) for column, key in enumerate(KEYS)]]
    found = figures(test)
    section = card[card.index("## Results") :]
    for head, average, column in rows:
        options = {"average": average, "zero_division": 0} if average else {"zero_division": 0}
        true, given, probability = gold[:, column], decided[:, column], said[:, column]
        entry = found if average else found["labels"][head]
        prefix = "macro_" if average else ""
        f1, bounds, precision, recall, area, roc, positives = cells(section, head)[1:]
        assert f1 == shown(f1_score(true, given, **options))
        assert bounds == interval(*entry[f"{prefix}f1_interval"])
        assert precision.split(" (")[0] == shown(precision_score(true, given, **options))
        assert recall.split(" (")[0] == shown(recall_score(true, given, **options))
        ranked = {"average": average} if average else {}
        assert area.split(" (")[0] == shown(average_precision_score(true, probability, **ranked))
        assert roc.split(" (")[0] == shown(roc_auc_score(true, probability, **ranked))
        for name, cell in (("precision", precision), ("recall", recall), ("average_precision", area), ("roc_auc", roc)):
            assert f"({interval(*entry[f'{prefix}{name}_interval'])})" in cell
        assert positives == ("" if average else str(true.sum()))
    assert f"All labels of a sentence right: {shown((gold == decided).all(axis=1).mean())} (" in card


def test_calibration_and_other_systems_are_those_of_the_predictions(card, systems):
    test = systems["encoder"]
    section = card[card.index("Calibration (") :]
    for key, entry in calibration_summary(test.probabilities, test.gold, test.articles).items():
        assert cells(section, key)[1:] == [
            f"{shown(entry['brier'])} ({interval(*entry['brier_interval'])})",
            f"{shown(entry['ece'])} ({interval(*entry['ece_interval'])})",
            shown(entry["mean_probability"]),
            shown(entry["observed"]),
        ]
    for name, item in (("keyword rule", systems["keywords"]), ("TF-IDF + logistic regression", systems["tfidf"])):
        decided = (item.probabilities >= np.asarray(item.threshold)).astype(int)
        value = f1_score(item.gold.astype(int), decided, average="macro", zero_division=0)
        assert cells(card, name)[1] == shown(value)


def test_what_is_undefined_is_not_a_number_in_the_card(run):
    """Too few articles for an interval: n/a, and no such result in the metadata."""
    text = model_card(run, predictions_of(run)["test"]["encoder"])
    assert "n/a - n/a" in text
    assert not re.search(r"\bnan\b", text)


def test_labels_thresholds_and_origin_are_stated(card, run):
    for label, threshold in zip(LABELS, run.thresholds, strict=True):
        expected = [f"`{label.key}`", label.dutch, label.english, definitions()[label.key], f"{threshold:.4g}"]
        assert cells(card, f"`{label.key}`") == expected
    assert run.data["data_fingerprint"] in card
    assert run.data["split_fingerprint"] in card
    assert run.model_sha256 in card
    assert f"{run.data['counts']['train']['sentences']} sentences of" in card
    assert run.environment["commit"] in card
    assert f"took {run.metrics['training_seconds'] / 60:.1f} minutes" in card
    for text in (*USES, *NOT_USES, *LIMITS):
        assert f"- {text}\n" in card


def test_no_path_of_this_machine_is_stated(card, run):
    assert "/tmp" not in card
    assert f"`{run.config.network.encoder.rsplit('/', 1)[-1]}`" in card


def test_metadata_parse_and_hold_the_results(card, systems):
    from huggingface_hub import ModelCard

    data = ModelCard(card).data
    assert (data.language, data.library_name, data.pipeline_tag) == ("nl", "transformers", "text-classification")
    assert data.license == "other"  # the encoder of the tests has no card of its own
    results = {item.metric_name: item for item in data.eval_results}
    found = figures(systems["encoder"])
    assert results["macro F1"].metric_value == pytest.approx(found["macro_f1"], abs=1e-4)
    assert results["macro F1"].dataset_split == "test"
    for key in KEYS:
        assert results[f"F1 of {key}"].metric_value == pytest.approx(found["labels"][key]["f1"], abs=1e-4)
    assert data.base_model is None  # a folder, not a hub id


def test_hub_encoder_becomes_the_base_model(run, systems):
    from huggingface_hub import ModelCard

    network = run.config.network.model_copy(update={"encoder": "GroNLP/bert-base-dutch-cased", "revision": "a" * 40})
    hub = replace(run, config=run.config.model_copy(update={"network": network}))
    text = model_card(hub, systems["encoder"])
    assert ModelCard(text).data.base_model == "GroNLP/bert-base-dutch-cased"
    assert f"`GroNLP/bert-base-dutch-cased` at `{'a' * 40}`" in text


def test_quantized_graph_is_mentioned_only_where_there_is_one(card, run, systems):
    assert "int8" not in card
    text = model_card(run, systems["encoder"], quantized={"macro_f1": 0.81234, "decisions": {"changed": 3}})
    section = text[text.index("(int8), beside the fp32 figures") :]
    assert cells(section, "macro f1") == ["macro f1", "0.8123"]
    assert cells(section, "decisions, changed") == ["decisions, changed", "3"]
    assert '// or "q8": int8' in text


def python_blocks(card, bundle):
    return [
        block.replace("path/to/bundle", str(bundle)) for block in re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    ]


def test_code_in_the_card_runs(card, bundle):
    first, _, server = python_blocks(card, bundle)
    result = subprocess.run([sys.executable, "-W", "error", "-c", first], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 2
    scope = {}
    exec(server, scope)
    seen = []

    class Raw(BaseHTTPRequestHandler):
        """Answers as text-embeddings-inference does when asked for raw scores."""

        def do_POST(self):
            seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            scores = [{"label": key, "score": float(number)} for number, key in enumerate(KEYS)]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps([scores]).encode())

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Raw) as answering:
        threading.Thread(target=answering.handle_request, daemon=True).start()
        found = scope["probabilities"]("Een zin.", f"http://127.0.0.1:{answering.server_port}/predict")
    assert seen == [{"inputs": [["Een zin."]], "raw_scores": True, "truncate": True}]
    assert found == pytest.approx({key: 1 / (1 + np.exp(-number)) for number, key in enumerate(KEYS)})


@pytest.mark.slow
def test_code_for_transformers_in_the_card_runs(card, bundle):
    _, pipeline, _ = python_blocks(card, bundle)
    result = subprocess.run([sys.executable, "-c", pipeline], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    (line,) = result.stdout.splitlines()
    assert set(ast.literal_eval(line)) <= set(KEYS)


def test_shell_commands_in_the_card_exist(card):
    from eval.__main__ import _parser

    commands = next(action for action in _parser()._actions if action.dest == "command").choices
    for command in re.findall(r"python -m eval ([a-z]+)", card):
        assert command in commands
