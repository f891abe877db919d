"""Decision rules fitted on training data too: out-of-fold logits by models that did not see the sentences."""

import numpy as np
import pytest

from strijdtaal.errors import DataError, UsageError
from strijdtaal.labels import to_vector
from training.cross_fit import out_of_fold
from training.dataset import load_corpus
from training.finetune import finetune
from training.run import open_run
from training.settings import DEFAULT, load_run_config


def config_with(overrides, tmp_path, *more):
    return load_run_config(DEFAULT, [*overrides, f"output={tmp_path / 'runs'}", *more])


@pytest.mark.slow
def test_every_training_sentence_gets_its_logits_once_and_nothing_remains(overrides, tmp_path, monkeypatch):
    config = config_with(overrides, tmp_path, "train.epochs=1")
    corpus = load_corpus(config.data)
    seen = []
    import training.cross_fit as module

    real = module.fit
    monkeypatch.setattr(module, "fit", lambda *a: (seen.append({r.article for r in a[1].splits["train"]}), real(*a)))
    left_out = out_of_fold(config, corpus, 2, tmp_path)
    train = corpus.splits["train"]
    assert left_out.logits.shape == (len(train), 4)
    assert np.isfinite(left_out.logits).all()
    assert sorted(left_out.articles) == sorted(record.article for record in train)
    assert left_out.gold.sum() == np.array([to_vector(record.labels) for record in train]).sum()
    assert len(seen) == 2
    assert not seen[0] & seen[1]  # with two folds each model sees what the other does not
    assert seen[0] | seen[1] == {record.article for record in train}
    assert not (tmp_path / "left-out").exists()


@pytest.mark.slow
def test_a_run_can_let_its_training_data_have_a_say(overrides, tmp_path):
    alone = finetune(config_with(overrides, tmp_path, "name=alone", "train.epochs=12"))
    crossed = finetune(config_with(overrides, tmp_path, "name=crossed", "train.epochs=12", "decision.cross_fit=2"))
    one, two = open_run(alone), open_run(crossed)
    losses = [[epoch["loss"] for epoch in run.metrics["epochs"]] for run in (one, two)]
    assert losses[0] == losses[1]  # the model itself is the same
    assert one.decision != two.decision
    assert sorted(path.name for path in crossed.iterdir()) == sorted(path.name for path in alone.iterdir())


def test_too_many_folds_for_the_articles_are_refused(overrides, tmp_path):
    config = config_with(overrides, tmp_path, "train.epochs=1")
    with pytest.raises(DataError, match="too few"):
        out_of_fold(config, load_corpus(config.data), 20, tmp_path)


def test_one_fold_is_refused(overrides, tmp_path):
    with pytest.raises(UsageError, match=r"decision\.cross_fit: must be 0 .* or at least 2"):
        config_with(overrides, tmp_path, "decision.cross_fit=1")
