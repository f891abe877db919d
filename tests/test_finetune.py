"""Fine-tuning: the run folder, determinism, and runs that go wrong."""

import json
import math

import numpy as np
import pytest
import torch

from strijdtaal.errors import DataError, TrainingError, UsageError
from training.dataset import load_corpus, to_dataset_dict
from training.finetune import finetune
from training.loop import WeightedLoss
from training.network import load_network, load_tokenizer
from training.run import open_run
from training.settings import DEFAULT, load_run_config
from training.thresholds import best_shared_threshold


def config_with(overrides, tmp_path, *more):
    return load_run_config(DEFAULT, [*overrides, f"output={tmp_path / 'runs'}", *more])


def test_run_folder_says_what_made_it(run_folder):
    run = open_run(run_folder)
    environment = json.loads((run_folder / "environment.json").read_text())
    assert run.config.train.epochs == 40
    assert set(run.data["counts"]) == {"train", "validation", "test", "held_out"}
    assert len(run.data["data_fingerprint"]) == 64
    assert environment["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert all(0 < threshold < 1 for threshold in run.thresholds)


def test_run_learns_what_it_was_shown(run_folder):
    metrics = open_run(run_folder).metrics
    assert metrics["validation_macro_f1"] > 0.5
    first, best = metrics["epochs"][0], max(entry["macro_f1"] for entry in metrics["epochs"])
    assert best > first["macro_f1"]


def test_run_holds_no_pickle_and_no_checkpoint(run_folder):
    names = [path.name for path in run_folder.rglob("*") if path.is_file()]
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl", ".joblib"))]
    assert not (run_folder / "checkpoints").exists()


def test_same_seed_gives_the_same_weights(overrides, tmp_path):
    weights = []
    for name in ("one", "two"):
        folder = finetune(config_with(overrides, tmp_path, f"name={name}", "train.epochs=1", "train.threads=1"))
        weights.append((folder / "model" / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_changed_run_is_not_opened(run_folder, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run_folder, copy)
    (copy / "metrics.json").write_text("{}")
    with pytest.raises(UsageError, match=r"metrics\.json was changed"):
        open_run(copy)


def test_run_that_is_not_finite_fails_and_leaves_nothing(overrides, tmp_path):
    arguments = [*overrides, f"output={tmp_path / 'runs'}", "train.lr=0.99", "train.epochs=4"]
    config = load_run_config(DEFAULT, arguments)
    blown = config.model_copy(update={"train": config.train.model_copy(update={"lr": math.inf})})
    with pytest.raises(TrainingError, match=r"Step \d+: (loss|grad_norm|eval_loss) is (nan|inf)"):
        finetune(blown)
    assert not list((tmp_path / "runs").iterdir())


def test_command_prints_all_faults_and_exits_2(run_module):
    result = run_module("training", "finetune", "configs/default.yaml", "train.epoch=3", "train.lr=fast", "nam=x")
    assert result.returncode == 2
    assert "train.epoch: unknown key. Did you mean 'epochs'?" in result.stderr
    assert "train.lr" in result.stderr
    assert "Did you mean 'name'?" in result.stderr
    assert "Traceback" not in result.stderr


def test_command_refuses_an_existing_run(run_module, run_folder, overrides):
    result = run_module(
        "training", "finetune", "configs/default.yaml", *overrides, f"output={run_folder.parent}", "name=tiny"
    )
    assert result.returncode == 2
    assert "exists already" in result.stderr


def test_command_names_file_and_line_of_bad_annotations(run_module, corpus_file, tmp_path):
    bad = tmp_path / "bad.jsonl"
    lines = corpus_file.read_text("utf-8").splitlines()
    lines[4] = lines[4].replace('"labels": [', '"labels": ["thread"').replace('"thread""', '"thread", "')
    bad.write_text("\n".join(lines), "utf-8")
    result = run_module("training", "finetune", "configs/default.yaml", f"data.files=[{bad}]", f"output={tmp_path}/r")
    assert result.returncode == 3
    assert f"{bad}, line 5" in result.stderr
    assert "Did you mean 'threat'?" in result.stderr
    assert not (tmp_path / "r").exists()


def test_held_out_sentence_in_training_data_is_refused(overrides, corpus_file, tmp_path):
    held_out = tmp_path / "held.jsonl"
    row = json.loads(corpus_file.read_text("utf-8").splitlines()[0])
    held_out.write_text(json.dumps({**row, "id": "h-0", "article": "h"}) + "\n", "utf-8")
    with pytest.raises(DataError, match=r"held-out sentences are also in data\.files: h-0 ~ t00-0"):
        load_corpus(config_with(overrides, tmp_path, f"data.held_out=[{held_out}]").data)


def test_dataset_dict_has_explicit_features_and_label_order(overrides, tmp_path):
    corpus = load_corpus(config_with(overrides, tmp_path).data)
    data = to_dataset_dict(corpus)
    assert set(data) == {"train", "validation", "test", "held_out"}
    assert data["train"].features["labels"].length == 4
    assert data["train"].features["labels"].feature.dtype == "float32"
    record = corpus.splits["train"][0]
    assert data["train"][0]["id"] == record.id
    assert [bool(x) for x in data["train"][0]["labels"]] == [
        key in record.labels for key in ("threat", "support", "retreat", "ceasefire_call")
    ]


def test_network_carries_label_names_and_sigmoid(overrides, tmp_path):
    network = load_network(config_with(overrides, tmp_path).network)
    assert network.config.problem_type == "multi_label_classification"
    assert network.config.id2label[3] == "ceasefire_call"


def test_pooler_that_the_encoder_lacks_starts_as_the_identity(overrides, tmp_path):
    network = load_network(config_with(overrides, tmp_path).network)
    assert torch.equal(network.bert.pooler.dense.weight, torch.eye(32))
    with torch.no_grad():
        network.bert.pooler.dense.weight.fill_(0.5)
    network.save_pretrained(tmp_path / "with-pooler")
    load_tokenizer(config_with(overrides, tmp_path).network).save_pretrained(tmp_path / "with-pooler")
    again = load_network(config_with(overrides, tmp_path, f"network.encoder={tmp_path / 'with-pooler'}").network)
    assert torch.equal(again.bert.pooler.dense.weight, torch.full((32, 32), 0.5))


def test_head_learns_at_its_own_rate_and_biases_do_not_decay(overrides, tmp_path):
    from training.loop import make_optimiser

    config = config_with(overrides, tmp_path, "train.lr=0.001", "train.head_lr_factor=7")
    model = load_network(config.network)
    rates = {}
    for group in make_optimiser(model, config.train).param_groups:
        for parameter in group["params"]:
            rates[id(parameter)] = (group["lr"], group["weight_decay"])
    assert len(rates) == len(list(model.parameters()))
    assert rates[id(model.classifier.weight)] == (0.007, 0.01)
    assert rates[id(model.bert.pooler.dense.bias)] == (0.007, 0.0)
    assert rates[id(model.bert.embeddings.word_embeddings.weight)] == (0.001, 0.01)


def test_hub_id_needs_a_pinned_revision(overrides, tmp_path):
    section = config_with(overrides, tmp_path, "network.encoder=GroNLP/bert-base-dutch-cased").network
    with pytest.raises(UsageError, match=r"network\.revision"):
        load_tokenizer(section)


def test_tokenizer_without_classification_token_is_refused(overrides, encoder, tmp_path):
    import shutil

    from tokenizers import Tokenizer, processors

    broken = tmp_path / "broken"
    shutil.copytree(encoder, broken)
    tokenizer = Tokenizer.from_file(str(broken / "tokenizer.json"))
    tokenizer.post_processor = processors.Sequence([])
    tokenizer.save(str(broken / "tokenizer.json"))
    with pytest.raises(UsageError, match="adds no classification token"):
        load_tokenizer(config_with(overrides, tmp_path, f"network.encoder={broken}").network)


def test_max_length_beyond_the_positions_is_refused(overrides, tmp_path):
    with pytest.raises(UsageError, match="has 64 positions"):
        load_network(config_with(overrides, tmp_path, "network.max_length=65").network)


def test_weighted_loss_equals_torch_and_ignores_how_batches_are_cut():
    logits, labels = torch.randn(6, 4), (torch.rand(6, 4) > 0.6).float()
    whole = WeightedLoss(2.0)({"logits": logits}, labels)
    parts = [WeightedLoss(2.0)({"logits": logits[i : i + 2]}, labels[i : i + 2], labels.numel()) for i in (0, 2, 4)]
    expected = torch.nn.BCEWithLogitsLoss(pos_weight=torch.full((4,), 2.0))(logits, labels)
    torch.testing.assert_close(whole, expected)
    torch.testing.assert_close(sum(parts), expected)


def test_hidden_tokens_are_a_share_of_the_inner_ones():
    from training.loop import hide_tokens

    torch.manual_seed(0)
    ids = torch.randint(5, 90, (200, 30))
    ids[:, 0], ids[:, -1] = 2, 0
    hidden = hide_tokens(ids, 0.2, 4, torch.tensor([0, 1, 2, 3, 4]))
    changed = hidden != ids
    assert not changed[:, [0, -1]].any()
    assert (hidden[changed] == 4).all()
    assert 0.18 < changed[:, 1:-1].float().mean() < 0.22
    assert torch.equal(hide_tokens(ids, 0.0, 4, torch.tensor([0])), ids)


def test_token_mask_needs_a_mask_token(overrides, encoder, tmp_path):
    import shutil

    bare = tmp_path / "bare"
    shutil.copytree(encoder, bare)
    config = json.loads((bare / "tokenizer_config.json").read_text("utf-8"))
    config.pop("mask_token")
    (bare / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(UsageError, match=r"train\.token_mask needs a tokenizer with a mask token"):
        finetune(config_with(overrides, tmp_path, f"network.encoder={bare}", "train.token_mask=0.1"))


def test_shared_threshold_is_the_best_on_a_grid():
    generator = np.random.default_rng(3)
    gold = generator.random((300, 4)) > 0.7
    logits = np.where(gold, 1.0, -1.0) + generator.normal(size=(300, 4)) - 1.0
    threshold, score = best_shared_threshold(1 / (1 + np.exp(-logits)), gold)
    from sklearn.metrics import f1_score

    at_half = f1_score(gold, logits >= 0, average="macro")
    assert score >= at_half
    assert 0.1 <= threshold < 0.5  # logits lie too low by one, so the best threshold lies below one half


def test_calibration_goes_into_the_weights_of_the_last_layer(overrides):
    from training.network import fold_calibration, load_network

    model = load_network(load_run_config(DEFAULT, overrides).network).eval()
    ids = torch.tensor([[2, 7, 8, 9, 3], [2, 11, 12, 13, 3]])
    with torch.inference_mode():
        before = model(input_ids=ids).logits
    slopes, biases = (0.5, 2.0, 1.0, 3.0), (0.1, -1.0, 0.0, 2.0)
    fold_calibration(model, slopes, biases)
    with torch.inference_mode():
        after = model(input_ids=ids).logits
    torch.testing.assert_close(after, before * torch.tensor(slopes) + torch.tensor(biases))


def test_calibrated_run_keeps_the_probabilities_of_its_decision(overrides, tmp_path, monkeypatch):
    """Whatever the rule is, the saved model's own sigmoid gives its probabilities."""
    from dataclasses import replace

    from strijdtaal.text import clean
    from training import finetune as module
    from training.dataset import load_corpus
    from training.decision import fixed_decision
    from training.network import classify

    seen = {}

    def choose(logits, gold, articles, **options):
        seen["logits"] = logits
        rule = replace(fixed_decision(0.3), slopes=(0.5, 1.5, 1.0, 2.0), biases=(0.0, -0.5, 0.5, 0.1), calibrated=True)
        return seen.setdefault("rule", rule)

    monkeypatch.setattr(module, "choose_decision", choose)
    config = config_with(overrides, tmp_path, "name=calibrated", "train.epochs=1")
    run = open_run(finetune(config))
    texts = [clean(record.text) for record in load_corpus(config.data).splits["validation"]]
    logits = classify(run.folder / "model", texts, config.network.max_length)
    probabilities = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(probabilities, seen["rule"].probabilities(seen["logits"]), atol=1e-6)
    assert run.decision.calibrated
    assert run.thresholds == (0.3,) * 4


def test_a_threshold_of_the_config_is_taken_as_it_is(overrides, tmp_path):
    run = open_run(finetune(config_with(overrides, tmp_path, "name=f", "train.epochs=1", "decision.threshold=0.4")))
    assert run.thresholds == (0.4,) * 4
    assert not run.decision.calibrated
