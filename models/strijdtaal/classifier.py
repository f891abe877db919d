"""The classifier: tokenizers and ONNX Runtime, no torch.

Sentences -> token ids (batches of like length) -> logits -> sigmoid -> decisions by threshold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strijdtaal.bundle import ONNX, Contract, read_contract
from strijdtaal.errors import BundleError, DataError
from strijdtaal.labels import DUTCH, NONE_DUTCH
from strijdtaal.text import clean, sentence_spans

TOKENS_PER_BATCH = 4096
GOLDEN_TOLERANCE = 1e-4  # in probability; another processor may round differently


@dataclass(frozen=True)
class Prediction:
    """What the model says of one sentence.

    ``labels`` holds the keys whose probability reaches the threshold (``[]`` for none);
    ``probabilities`` every key. ``start`` and ``end`` are offsets into the article (code points),
    None when the sentence was given on its own.
    """

    text: str
    labels: list[str]
    probabilities: dict[str, float]
    start: int | None = None
    end: int | None = None

    @property
    def dutch(self) -> str:
        """The labels in Dutch, 'geen' for none."""
        return ", ".join(DUTCH[key] for key in self.labels) or NONE_DUTCH

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; offsets only where the sentence has them."""
        result: dict[str, Any] = {"text": self.text, "labels": self.labels, "probabilities": self.probabilities}
        if self.start is not None:
            result |= {"start": self.start, "end": self.end}
        return result


def sigmoid(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Logistic function, without overflow for large negative logits."""
    values = np.asarray(logits, dtype=np.float64)
    return np.asarray(np.exp(-np.logaddexp(0.0, -values)), dtype=np.float64)


class Classifier:
    """A loaded bundle. Safe to share between threads; make one with ``Classifier.load``."""

    def __init__(self, contract: Contract, tokenizer: Any, session: Any) -> None:
        self.contract = contract
        self._tokenizer = tokenizer
        self._session = session
        self._inputs = {item.name for item in session.get_inputs()}

    @classmethod
    def load(cls, bundle: str | Path, threads: int = 0) -> Classifier:
        """Verify a bundle (manifest, labels, golden sentences) and load it.

        Args:
            bundle: the folder.
            threads: threads for one call inside ONNX Runtime; 0 lets it choose.

        Raises:
            BundleError: the bundle is damaged, unsafe, or does not reproduce its golden sentences.
        """
        import onnxruntime
        from tokenizers import Tokenizer

        folder = Path(bundle)
        contract = read_contract(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            session = onnxruntime.InferenceSession(str(folder / ONNX), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # both libraries raise bare Exception subclasses
            raise BundleError(f"{folder} cannot be loaded: {error}. Package the run again.") from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(contract.max_length)
        classifier = cls(contract, tokenizer, session)
        classifier.verify_golden()
        return classifier

    def verify_golden(self) -> float:
        """Check token ids and probabilities of the golden sentences; return the largest difference.

        Raises:
            BundleError: an id differs, or a probability by more than ``GOLDEN_TOLERANCE``.
        """
        golden = self.contract.golden
        texts = [entry["text"] for entry in golden]
        for entry, ids in zip(golden, self.encode(texts), strict=True):
            if ids != entry["input_ids"]:
                raise BundleError(
                    f"Golden sentence {entry['text'][:40]!r}: other token ids. Check tokenizers' version."
                )
        expected = np.array([[entry["probabilities"][key] for key in self.contract.keys] for entry in golden])
        difference = float(np.max(np.abs(self.probabilities(texts) - expected)))
        if not difference <= GOLDEN_TOLERANCE:
            raise BundleError(
                f"Golden sentences differ by {difference:.2g} in probability (allowed {GOLDEN_TOLERANCE:g}). "
                "The model does not compute here what it computed when it was packaged."
            )
        return difference

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, special tokens included, cut to ``contract.max_length``; no padding."""
        return [item.ids for item in self._tokenizer.encode_batch([clean(text) for text in texts])]

    def _run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        width = max(len(row) for row in rows)
        input_ids = np.zeros((len(rows), width), dtype=np.int64)
        attention_mask = np.zeros_like(input_ids)
        for number, row in enumerate(rows):
            input_ids[number, : len(row)] = row
            attention_mask[number, : len(row)] = 1
        feed = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": np.zeros_like(input_ids)}
        (logits,) = self._session.run(["logits"], {k: v for k, v in feed.items() if k in self._inputs})
        return np.asarray(logits, dtype=np.float64)

    def logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Logits, shape (len(texts), labels), in the order of ``KEYS``."""
        return self.logits_of(self.encode(texts))

    def logits_of(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Logits of rows of token ids (as ``encode`` gives them), shape (len(rows), labels), in their order.

        Rows of like length are run together, at most ``TOKENS_PER_BATCH`` tokens at once.
        """
        result = np.empty((len(rows), len(self.contract.keys)))
        order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
        start = 0
        while start < len(order):
            stop = start + 1
            while stop < len(order) and (stop + 1 - start) * len(rows[order[stop]]) <= TOKENS_PER_BATCH:
                stop += 1
            chunk = order[start:stop]
            result[chunk] = self._run([rows[number] for number in chunk])
            start = stop
        return result

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Probabilities (sigmoid of the logits), shape (len(texts), labels)."""
        values = sigmoid(self.logits(texts))
        if not np.isfinite(values).all():
            raise BundleError("The model gave a value that is not finite. Restore the bundle from its source.")
        return values

    def predict(self, texts: Iterable[str]) -> list[Prediction]:
        """Label each sentence; one ``Prediction`` a sentence, in order.

        Raises:
            DataError: ``texts`` is one string, or an item is not text.
        """
        if isinstance(texts, str | bytes):
            raise DataError("predict takes a list of sentences. For one sentence: predict([sentence]).")
        sentences = list(texts)
        for number, text in enumerate(sentences):
            if not isinstance(text, str):
                raise DataError(f"Sentence {number} is {type(text).__name__}, not text.")
        if not sentences:
            return []
        rows = self.probabilities(sentences)
        return [self.decide(text, row) for text, row in zip(sentences, rows, strict=True)]

    def predict_article(self, text: str) -> list[Prediction]:
        """Split an article into sentences and label each, with its offsets in ``text``."""
        spans = sentence_spans(text)
        if not spans:
            return []
        rows = self.probabilities([text[start:end] for start, end in spans])
        return [self.decide(text[start:end], row, start, end) for (start, end), row in zip(spans, rows, strict=True)]

    def decide(
        self, text: str, row: NDArray[np.float64], start: int | None = None, end: int | None = None
    ) -> Prediction:
        """The prediction for one row of probabilities, shape (labels,)."""
        probabilities = {key: float(value) for key, value in zip(self.contract.keys, row, strict=True)}
        thresholds = self.contract.thresholds_by_key
        labels = [key for key, value in probabilities.items() if value >= thresholds[key]]
        return Prediction(text, labels, probabilities, start, end)
