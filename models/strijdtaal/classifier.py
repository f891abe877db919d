"""The classifier: tokenizers and ONNX Runtime, no torch.

Sentences -> token ids (batches of like length) -> logits -> sigmoid -> decisions by threshold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strijdtaal.bundle import FP32, INT8, MODELS, Contract, read_contract
from strijdtaal.errors import BundleError, DataError, UsageError
from strijdtaal.labels import DUTCH, NONE_DUTCH
from strijdtaal.safe_tokenizer import encode
from strijdtaal.safety import check_ids
from strijdtaal.session import Opened, available_cores, batches_of, open_session
from strijdtaal.text import clean, sentence_spans

# In probability. Another processor may round differently; in int8 a rounding moves a whole step.
GOLDEN_TOLERANCE = {FP32: 1e-4, INT8: 2e-2}


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

    def __init__(self, contract: Contract, opened: Opened, threads: int = 1, precision: str = FP32) -> None:
        self.contract = contract
        self.threads = threads
        self.precision = precision
        self._tokenizer, self._session, self._highest_id = opened
        self._inputs = {item.name for item in self._session.get_inputs()}
        self._pool = ThreadPoolExecutor(threads, "strijdtaal") if threads > 1 else None

    @classmethod
    def load(cls, bundle: str | Path, threads: int = 0, precision: str = FP32) -> Classifier:
        """Verify a bundle (manifest, labels, golden sentences) and load it.

        Args:
            bundle: the folder.
            threads: how many batches are computed at once; 0 is one for each core that this process may use.
            precision: "fp32", or "int8" for the faster model where the bundle holds one. Its answers differ a
                little from those of fp32 (how much stands in ``labels.json``).

        Raises:
            BundleError: the bundle is damaged, unsafe, or does not reproduce its golden sentences.
            UsageError: an unknown precision, or the bundle holds no int8 model.
        """
        folder = Path(bundle)
        if precision not in MODELS:
            raise UsageError(f"precision is {precision!r}; it can be {' or '.join(MODELS)}.")
        contract = read_contract(folder)
        if precision == INT8 and contract.quantized is None:
            raise UsageError(f"{folder} holds no int8 model ({MODELS[INT8]}). Use precision fp32.")
        opened = open_session(folder, contract.max_length, MODELS[precision])
        classifier = cls(contract, opened, threads or available_cores(), precision)
        classifier.verify_golden()
        return classifier

    def verify_golden(self) -> float:
        """Check token ids and probabilities of the golden sentences; return the largest difference.

        Raises:
            BundleError: an id differs, or a probability by more than the tolerance of the precision.
        """
        golden = self.contract.golden
        texts = [entry["text"] for entry in golden]
        for entry, ids in zip(golden, self.encode(texts), strict=True):
            if ids != entry["input_ids"]:
                raise BundleError(
                    f"Golden sentence {entry['text'][:40]!r}: other token ids. Check tokenizers' version."
                )
        field = "probabilities" if self.precision == FP32 else "probabilities_int8"
        expected = np.array([[entry[field][key] for key in self.contract.keys] for entry in golden])
        difference = float(np.max(np.abs(self.probabilities(texts) - expected)))
        tolerance = GOLDEN_TOLERANCE[self.precision]
        if not difference <= tolerance:
            raise BundleError(
                f"Golden sentences differ by {difference:.2g} in probability ({self.precision}, "
                f"allowed {tolerance:g}). The model does not compute here what it computed when it was packaged."
            )
        return difference

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, special tokens included, cut to ``contract.max_length``; no padding."""
        return encode(self._tokenizer, [clean(text) for text in texts])

    def _run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        width = max(len(row) for row in rows)
        input_ids = np.zeros((len(rows), width), dtype=np.int64)
        attention_mask = np.zeros_like(input_ids)
        for number, row in enumerate(rows):
            input_ids[number, : len(row)] = row
            attention_mask[number, : len(row)] = 1
        check_ids(input_ids, self._highest_id, self.contract.max_length)
        feed = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": np.zeros_like(input_ids)}
        (logits,) = self._session.run(["logits"], {k: v for k, v in feed.items() if k in self._inputs})
        return np.asarray(logits, dtype=np.float64)

    def logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Logits, shape (len(texts), labels), in the order of ``KEYS``."""
        return self.logits_of(self.encode(texts))

    def logits_of(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Logits of rows of token ids (as ``encode`` gives them), shape (len(rows), labels), in their order.

        Rows of like length are computed together, at most ``TOKENS_PER_BATCH`` tokens in a batch, a batch on
        each thread.
        """
        result = np.empty((len(rows), len(self.contract.keys)))
        batches = batches_of(rows, self.threads)

        def compute(batch: list[int]) -> None:
            result[batch] = self._run([rows[number] for number in batch])

        if self._pool is None or len(batches) < 2:
            for batch in batches:
                compute(batch)
        else:
            list(self._pool.map(compute, batches))
        return result

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Probabilities (sigmoid of the logits), shape (len(texts), labels)."""
        values = sigmoid(self.logits(texts))
        if not np.isfinite(values).all():
            raise BundleError("The model gave a value that is not finite. Restore the bundle from its source.")
        return values

    async def predict_async(self, texts: Iterable[str]) -> list[Prediction]:
        """``predict`` on a thread, for asyncio: other coroutines go on meanwhile."""
        return await asyncio.to_thread(self.predict, texts)

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
