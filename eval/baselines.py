"""Baselines that every run is measured against, besides the keyword rule of ``training.keywords``."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strijdtaal.errors import UsageError
from training.dataset import resolve

log = logging.getLogger(__name__)

EMBEDDINGS = ("word_embeddings.weight", "embed_tokens.weight", "tok_embeddings.weight")
SMOOTHING = 1e-3  # a of a / (a + p); Arora et al. find 1e-4 to 1e-3 alike
CHUNK = 2000  # sentences whose pieces are looked up at once


def majority_probabilities(gold: NDArray[np.floating], count: int) -> NDArray[np.float64]:
    """The share of each label in the training data, for every sentence alike: shape (count, labels)."""
    return np.tile(gold.mean(axis=0), (count, 1)).astype(np.float64)


class Tfidf:
    """TF-IDF (word 1-2, character 2-5 within words) and one logistic regression a label."""

    def __init__(self) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier
        from sklearn.pipeline import make_pipeline, make_union

        features = make_union(
            TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True),
        )
        regression = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000, solver="liblinear")
        self._pipeline: Any = make_pipeline(features, OneVsRestClassifier(regression))

    def fit(self, texts: Sequence[str], gold: NDArray[np.floating]) -> Tfidf:
        """Fit on training sentences and their 0/1 rows."""
        self._pipeline.fit(texts, np.asarray(gold, dtype=int))
        return self

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Probabilities of shape (texts, labels)."""
        return np.asarray(self._pipeline.predict_proba(texts), dtype=np.float64)


def read_embeddings(folder: Path) -> NDArray[np.float32]:
    """The input embedding matrix of an encoder folder, shape (pieces, dimensions); nothing else is loaded.

    Raises:
        UsageError: no safetensors file there, one that cannot be read, or none with such a matrix.
    """
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UsageError(f"{folder} holds no .safetensors file. Give the folder of an encoder.")
    for path in files:
        try:
            with safe_open(path, framework="pt") as tensors:
                for ending in EMBEDDINGS:
                    for name in sorted(tensors.keys()):
                        if f".{name}".endswith(f".{ending}"):
                            return np.asarray(tensors.get_tensor(name).float().numpy())
        except (SafetensorError, OSError) as error:
            raise UsageError(f"Cannot read {path}: {error}. Restore the encoder.") from error
    raise UsageError(
        f"{', '.join(map(str, files))}: no tensor whose name ends in {', '.join(EMBEDDINGS)}. "
        "Static embeddings need an encoder with a matrix of word pieces."
    )


def _read_tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers has no class of its own for a file that it cannot read
        raise UsageError(f"Cannot read {path}: {error}. Give an encoder with a fast tokenizer.") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


class StaticEmbeddings:
    """Word pieces without their context: an encoder's pooled input embeddings, one logistic regression a label.

    A sentence is the mean of its pieces' embeddings, each weighted by a / (a + p), p its share of the training
    pieces (SIF: Arora, Liang and Ma 2017, "A simple but tough-to-beat baseline for sentence embeddings"; their
    removal of the first component is left out, a regression on standardised features does without), beside
    the maximum over the pieces in each dimension. What the encoder adds to this it owes to reading in context.

    Raises:
        UsageError: ``folder`` lacks a readable embedding matrix or ``tokenizer.json``, or one does not fit the other.
    """

    def __init__(self, folder: Path | str) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        folder = Path(folder)
        self._tokenizer = _read_tokenizer(folder / "tokenizer.json")
        self._matrix = read_embeddings(folder)
        known = max(self._tokenizer.get_vocab().values(), default=-1) + 1
        if known > len(self._matrix):
            raise UsageError(
                f"{folder}: the tokenizer knows {known} pieces, the embedding matrix {len(self._matrix)}. "
                "Restore the tokenizer that belongs to the encoder."
            )
        self._weights = np.ones(len(self._matrix), dtype=np.float32)
        regression = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000, solver="lbfgs")
        self._pipeline: Any = make_pipeline(StandardScaler(), OneVsRestClassifier(regression))

    def fit(self, texts: Sequence[str], gold: NDArray[np.floating]) -> StaticEmbeddings:
        """Fit on training sentences and their 0/1 rows."""
        counts = np.zeros(len(self._matrix))
        for ids, _ in self._pieces(texts):
            counts += np.bincount(ids, minlength=len(counts))
        self._weights = (SMOOTHING / (SMOOTHING + counts / max(1.0, counts.sum()))).astype(np.float32)
        self._pipeline.fit(self.features(texts), np.asarray(gold, dtype=int))
        return self

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Probabilities of shape (texts, labels)."""
        return np.asarray(self._pipeline.predict_proba(self.features(texts)), dtype=np.float64)

    def features(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Weighted mean, then maximum: shape (texts, 2 * dimensions); zeros for a text without pieces."""
        size = self._matrix.shape[1]
        result = np.zeros((len(texts), 2 * size), dtype=np.float32)
        start = 0
        for ids, lengths in self._pieces(texts):
            rows = start + np.flatnonzero(lengths)
            begins = (np.cumsum(lengths) - lengths)[lengths > 0]
            if len(rows):
                vectors = self._matrix[ids]
                result[rows, size:] = np.maximum.reduceat(vectors, begins, axis=0)
                sums = np.add.reduceat(vectors * self._weights[ids, None], begins, axis=0)
                result[rows, :size] = sums / lengths[lengths > 0, None]
            start += len(lengths)
        return result

    def _pieces(self, texts: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Ids of the pieces of a chunk of texts, joined, and how many each text has; no special pieces."""
        for start in range(0, len(texts), CHUNK):
            encoded = self._tokenizer.encode_batch(list(texts[start : start + CHUNK]), add_special_tokens=False)
            ids = [np.array(item.ids, dtype=np.int64) for item in encoded]
            yield np.concatenate(ids), np.array([len(item) for item in ids])


def static_embeddings(encoder: str) -> StaticEmbeddings | None:
    """The baseline from an encoder's own embeddings; None, with a warning, where the encoder has none to read here."""
    try:
        return StaticEmbeddings(resolve(Path(encoder)))
    except UsageError as error:
        log.warning("No baseline of static embeddings: %s", error)
        return None
