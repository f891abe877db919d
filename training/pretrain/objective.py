"""The two losses of pretraining: masked tokens, and the words of the row from [CLS]."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def mask_rows(
    rows: NDArray[np.int64], fraction: float, mask_id: int, vocab_size: int, first_word: int, seed: list[int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Mask the same number of inner positions in every row (shapes stay static for the compiler).

    Returns input ids (rows, length), flat positions of the chosen tokens (rows * k,), their targets.
    Of the chosen tokens 80% become [MASK], 10% a random piece, 10% stay (Devlin et al. 2019).
    """
    generator = np.random.default_rng(seed)
    count, length = rows.shape
    k = max(1, round(fraction * (length - 2)))
    chosen = np.argsort(generator.random((count, length - 2)), axis=1)[:, :k] + 1
    flat = (chosen + np.arange(count)[:, None] * length).ravel()
    inputs = rows.ravel().copy()
    targets = inputs[flat]
    draw = generator.random(len(flat))
    random_ids = generator.integers(first_word, vocab_size, len(flat))
    inputs[flat] = np.where(draw < 0.8, mask_id, np.where(draw < 0.9, random_ids, targets))
    return (
        torch.from_numpy(inputs.reshape(count, length)),
        torch.from_numpy(flat),
        torch.from_numpy(targets),
    )


def word_bags(rows: NDArray[np.int64], vocab_size: int, counted: NDArray[np.bool_]) -> Tensor:
    """The distribution over the counted pieces that occur in each row, shape (rows, vocab_size).

    Every different piece counts once; pieces that ``counted`` leaves out (special, very frequent) do not.
    """
    bags = np.zeros((len(rows), vocab_size), dtype=np.float32)
    bags[np.arange(len(rows))[:, None], rows] = 1
    bags *= counted
    bags /= np.maximum(bags.sum(axis=1, keepdims=True), 1)
    return torch.from_numpy(bags)


class Objective(nn.Module):
    """A masked language model with a throw-away head that predicts a row's words from [CLS].

    The head (a linear map before the tied output embeddings) is dropped after pretraining, so that a
    plain ``BertForMaskedLM`` remains. It makes [CLS] hold the content of its sentence, which masked
    words alone never do.
    """

    def __init__(self, model: Any, sentence_weight: float) -> None:
        super().__init__()
        self.model = model
        width = model.config.hidden_size
        self.sentence = nn.Linear(width, width)
        self.sentence_bias = nn.Parameter(torch.zeros(model.config.vocab_size))
        self.sentence_weight = sentence_weight

    def forward(self, inputs: Tensor, flat: Tensor, targets: Tensor, bags: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss in nats of the masked tokens, and of the word bags."""
        hidden = self.model.bert(input_ids=inputs).last_hidden_state
        chosen = hidden.reshape(-1, hidden.shape[-1])[flat]
        masked = nn.functional.cross_entropy(self.model.cls(chosen).float(), targets)
        if self.sentence_weight == 0:
            return masked, torch.zeros_like(masked)
        words = self.model.bert.embeddings.word_embeddings.weight
        scores = nn.functional.linear(self.sentence(hidden[:, 0]), words) + self.sentence_bias
        return masked, nn.functional.cross_entropy(scores.float(), bags)
