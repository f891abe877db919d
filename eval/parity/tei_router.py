"""What text-embeddings-inference does with a bundle on a CPU, written after its source (version 1.9).

Not TEI itself: it says what its source says. Read there: ``router/src/lib.rs`` (what is loaded, longest input),
``router/src/http/types.rs`` (shapes of ``inputs``), ``router/src/http/server.rs`` (limits, order of the answer),
``core/src/tokenization.rs`` (truncation, empty input), ``core/src/infer.rs`` (softmax), ``backends/ort/src/lib.rs``
(which file, which inputs, batches of at most 8).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BACKEND_BATCH = 8
CLIENT_BATCH = 32
SENTENCE_CONFIG = "sentence_bert_config.json"


class RefusedError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


class Router:
    """A bundle as TEI loads it: config.json, sentence_bert_config.json, tokenizer.json, onnx/model.onnx."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        config = _read(folder / "config.json")
        if not any(name.endswith("Classification") for name in config["architectures"]):
            raise RefusedError(424, "Model is not a classifier model")
        self.id2label: dict[str, str] = config["id2label"]
        self._pad = config.get("pad_token_id") or 0
        offset = self._pad + 1 if config["model_type"] in {"xlm-roberta", "camembert", "roberta"} else 0
        length = folder / SENTENCE_CONFIG  # without it the model's positions are the limit
        longest = _read(length).get("max_seq_length") if length.exists() else None
        self.max_input_length: int = longest or config["max_position_embeddings"] - offset
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        path = folder / "model.onnx"
        path = path if path.exists() else folder / "onnx" / "model.onnx"
        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self._inputs = {item.name for item in self._session.get_inputs()}

    def predict(self, body: dict[str, Any]) -> Any:
        """The JSON value that ``POST /predict`` answers.

        Raises:
            RefusedError: the request would be refused.
        """
        inputs = body["inputs"]
        single = isinstance(inputs, str) or isinstance(inputs[0], str)
        sequences = [self._sequence(item) for item in ([inputs] if single else inputs)]
        if len(sequences) > CLIENT_BATCH:
            raise RefusedError(422, f"batch size {len(sequences)} > maximum allowed batch size {CLIENT_BATCH}")
        rows = [self._encode(item, body.get("truncate", True)) for item in sequences]
        answers = []
        for start in range(0, len(rows), BACKEND_BATCH):
            for scores in self._run(rows[start : start + BACKEND_BATCH]):
                answers.append(self._answer(scores if body.get("raw_scores", False) else _softmax(scores)))
        return answers[0] if single else answers

    @staticmethod
    def _sequence(value: Any) -> tuple[str, ...]:
        """One sentence, or a pair of sentences read together."""
        parts = (value,) if isinstance(value, str) else tuple(value)
        if len(parts) not in (1, 2) or not all(isinstance(part, str) for part in parts):
            raise RefusedError(422, "inputs must be a string, a pair of strings, or a batch of [string] and pairs")
        return parts

    def _encode(self, parts: tuple[str, ...], truncate: bool) -> Any:
        if not any(parts):
            raise RefusedError(400, "`inputs` cannot be empty")
        self._tokenizer.no_truncation()
        if truncate:
            self._tokenizer.enable_truncation(self.max_input_length)
        encoded = self._tokenizer.encode(parts[0], parts[1] if len(parts) == 2 else None)
        if len(encoded.ids) > self.max_input_length:
            raise RefusedError(422, f"`inputs` must have less than {self.max_input_length} tokens")
        return encoded

    def _run(self, rows: list[Any]) -> NDArray[np.float32]:
        width = max(len(row.ids) for row in rows)
        feed = {
            "input_ids": [row.ids + [self._pad] * (width - len(row.ids)) for row in rows],
            "attention_mask": [[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in rows],
            "token_type_ids": [row.type_ids + [0] * (width - len(row.ids)) for row in rows],
        }
        arrays = {name: np.array(value, dtype=np.int64) for name, value in feed.items() if name in self._inputs}
        return np.asarray(self._session.run(["logits"], arrays)[0], dtype=np.float32)

    def _answer(self, scores: NDArray[np.float32]) -> list[dict[str, Any]]:
        found = [{"score": float(str(value)), "label": self.id2label[str(n)]} for n, value in enumerate(scores)]
        return sorted(found, key=lambda entry: entry["score"], reverse=True)


def _softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = np.exp(scores - scores[np.argmax(np.abs(scores))])
    return np.asarray(shifted / shifted.sum(), dtype=np.float32)
