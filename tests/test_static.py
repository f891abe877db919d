"""Static embeddings: the pooling worked by hand, what is learnt, and what is refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from eval.baselines import SMOOTHING, StaticEmbeddings, read_embeddings
from strijdtaal.errors import UsageError
from strijdtaal.labels import KEYS, to_vector

VECTORS = [[0.0, 0.0], [1.0, -2.0], [3.0, 4.0], [-8.0, 8.0]]
NAME = "model.embed_tokens.weight"


@pytest.fixture
def corpus(corpus_file):
    rows = [json.loads(line) for line in corpus_file.read_text("utf-8").splitlines()]
    return [row["text"] for row in rows], np.array([to_vector(row["labels"]) for row in rows])


@pytest.fixture
def small(tmp_path):
    """Three words with embeddings of two dimensions; row 0 is for anything else."""
    words = {"[UNK]": 0, "een": 1, "twee": 2, "drie": 3}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=6)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    save_file({NAME: torch.tensor(VECTORS)}, tmp_path / "model.safetensors")
    return tmp_path


def test_features_are_the_mean_and_the_maximum_over_all_pieces(small):
    found = StaticEmbeddings(small).features(["een twee drie", "", "drie"])  # not fitted: all weights 1
    np.testing.assert_allclose(found, [[-4 / 3, 10 / 3, 3, 8], [0, 0, 0, 0], [-8, 8, -8, 8]], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Label not:UserWarning")
def test_frequent_pieces_weigh_less_and_unseen_ones_fully(small):
    model = StaticEmbeddings(small)
    model.fit(["een een een twee", "een"], np.array([to_vector(["threat"]), to_vector([])]))
    often, once = (SMOOTHING / (SMOOTHING + share) for share in (4 / 5, 1 / 5))
    found = model.features(["een", "twee", "drie"])[:, :2]
    expected = np.array(VECTORS[1:]) * np.array([[often], [once], [1.0]])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_many_texts_are_pooled_like_single_ones(encoder, corpus):
    texts = [*corpus[0], ""] * 16  # more than one chunk
    model = StaticEmbeddings(encoder)
    together = model.features(texts)
    assert together.shape == (len(texts), 64)
    for number in (0, 2001, len(texts) - 1):
        np.testing.assert_allclose(together[number], model.features([texts[number]])[0], rtol=1e-5)
    assert model.features([]).shape == (0, 64)


def test_labels_of_the_small_corpus_are_learnt(encoder, corpus):
    texts, gold = corpus
    found = StaticEmbeddings(encoder).fit(texts, gold).probabilities(texts)
    assert found.shape == (len(texts), len(KEYS))
    for column in range(len(KEYS)):
        yes = gold[:, column] == 1
        assert found[yes, column].mean() > found[~yes, column].mean() + 0.3
    other = StaticEmbeddings(encoder).fit(texts, np.roll(gold, 1, axis=1)).probabilities(texts)
    np.testing.assert_allclose(other, np.roll(found, 1, axis=1), atol=1e-6)


def test_probabilities_exist_for_any_text(encoder, corpus):
    texts, gold = corpus
    found = StaticEmbeddings(encoder).fit(texts, gold).probabilities(["", "日本語", "dreigt " * 2000])
    assert found.shape == (3, len(KEYS))
    assert ((found >= 0) & (found <= 1)).all()


def test_the_matrix_is_that_of_the_model_and_nothing_else_is_taken(encoder):
    from transformers import AutoModelForMaskedLM

    wanted = AutoModelForMaskedLM.from_pretrained(encoder).get_input_embeddings().weight.detach().numpy()
    np.testing.assert_array_equal(read_embeddings(encoder), wanted)


@pytest.mark.parametrize("name", ["embeddings.tok_embeddings.weight", "bert.embeddings.word_embeddings.weight", NAME])
def test_bf16_matrices_of_every_known_name_are_read_as_floats(tmp_path, name):
    tensors = {name: torch.tensor(VECTORS, dtype=torch.bfloat16), "a.position_embeddings.weight": torch.zeros(9, 9)}
    save_file(tensors, tmp_path / "model.safetensors")
    found = read_embeddings(tmp_path)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array(VECTORS, dtype=np.float32))


def test_a_file_without_embeddings_is_named(small):
    save_file({"other_embed_tokens.weights": torch.zeros(2, 2)}, small / "model.safetensors")
    with pytest.raises(UsageError, match=r"model\.safetensors: no tensor whose name ends in word_embeddings\.weight"):
        StaticEmbeddings(small)


def test_missing_and_damaged_files_are_refused_by_name(small, encoder):
    shutil.copy(encoder / "tokenizer.json", small / "tokenizer.json")
    with pytest.raises(UsageError, match="the tokenizer knows 4"):  # some hundred pieces, four rows
        StaticEmbeddings(small)
    (small / "model.safetensors").write_bytes(b"\0" * 40)
    with pytest.raises(UsageError, match=r"Cannot read .*model\.safetensors"):
        StaticEmbeddings(small)
    (small / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"holds no \.safetensors file"):
        StaticEmbeddings(small)
    (small / "tokenizer.json").write_text(json.dumps({"model": 1}))
    with pytest.raises(UsageError, match=r"Cannot read .*tokenizer\.json"):
        StaticEmbeddings(small)
