"""The same BERT with less work: what the exported graph computes.

A sequence classifier reads the first token alone, so in the last layer only that token needs a query, an
attention output and a feed-forward step: a fifth of the work of four layers. Queries, keys and values come
from one matrix product, and the attention mask is added once. The logits are those of the model, up to
rounding (``eval.package`` proves it on the golden sentences).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# Classifiers of these types have BERT's layers and read the first token; others are exported as they are.
TYPES = ("bert", "roberta", "xlm-roberta", "camembert")
MASKED = -30000.0  # added to the scores of padding: exp() of it is 0


def has_layers(model: Any) -> bool:
    """Whether ``model`` has the layers that ``LeanClassifier`` computes."""
    config = model.config
    return (
        config.model_type in TYPES
        and getattr(config, "position_embedding_type", "absolute") in (None, "absolute")
        and config.hidden_act in ("gelu", "relu")
        and not getattr(config, "is_decoder", False)
    )


def _packed(layers: list[nn.Linear], scales: list[float]) -> nn.Linear:
    """One linear layer for several on the same input, each with its outputs scaled."""
    joined = nn.Linear(layers[0].in_features, sum(layer.out_features for layer in layers))
    pairs = list(zip(layers, scales, strict=True))
    joined.weight = nn.Parameter(torch.cat([layer.weight * scale for layer, scale in pairs]))
    joined.bias = nn.Parameter(torch.cat([layer.bias * scale for layer, scale in pairs]))
    return joined


class _Layer(nn.Module):
    """One encoder layer, post-norm as in BERT; ``first_only`` gives the first token alone."""

    def __init__(self, layer: Any, heads: int, first_only: bool) -> None:
        super().__init__()
        own, out = layer.attention.self, layer.attention.output
        scale = (own.query.out_features // heads) ** -0.5
        self.heads, self.first_only = heads, first_only
        if first_only:
            self.query = _packed([own.query], [scale])
            self.key_value = _packed([own.key, own.value], [1.0, 1.0])
        else:
            self.query_key_value = _packed([own.query, own.key, own.value], [scale, 1.0, 1.0])
        self.output, self.output_norm = out.dense, out.LayerNorm
        self.up, self.act = layer.intermediate.dense, layer.intermediate.intermediate_act_fn
        self.down, self.down_norm = layer.output.dense, layer.output.LayerNorm

    def _split(self, states: Tensor) -> Tensor:
        """(batch, tokens, hidden) -> (batch, heads, tokens, hidden / heads)."""
        batch, tokens, hidden = states.shape
        return states.view(batch, tokens, self.heads, hidden // self.heads).transpose(1, 2)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        if self.first_only:
            key, value = self.key_value(states).chunk(2, dim=-1)
            states = states[:, :1]
            query = self.query(states)
        else:
            query, key, value = self.query_key_value(states).chunk(3, dim=-1)
        scores = self._split(query) @ self._split(key).transpose(-1, -2) + mask
        context = (scores.softmax(-1) @ self._split(value)).transpose(1, 2)
        context = context.reshape(*states.shape)
        states = self.output_norm(self.output(context) + states)
        return self.down_norm(self.down(self.act(self.up(states))) + states)  # type: ignore[no-any-return]


class Int8Words(nn.Module):
    """A table of word embeddings in 8 bits, with one scale a word: a quarter of the size, and of a download."""

    table: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        scale = weight.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
        self.register_buffer("table", (weight / scale).round().to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self, input_ids: Tensor) -> Tensor:
        return self.table[input_ids].float() * self.scale[input_ids]


class LeanClassifier(nn.Module):
    """``input_ids`` and ``attention_mask``, both (batch, tokens), right-padded -> ``logits`` (batch, labels).

    With ``int8_words`` the word embeddings are rounded to 8 bits.
    """

    is_lean = True

    def __init__(self, model: Any, int8_words: bool = False) -> None:
        super().__init__()
        if not has_layers(model):
            raise ValueError(f"{model.config.model_type} does not have BERT's layers.")
        self.config = model.config
        self.bert = model.config.model_type == "bert"
        base = model.base_model
        tables = base.embeddings
        first = 0 if self.bert else model.config.pad_token_id + 1  # RoBERTa counts positions from there
        self.words: nn.Module = tables.word_embeddings
        if int8_words:
            self.words = Int8Words(tables.word_embeddings.weight.detach())
        self.norm = tables.LayerNorm
        places = tables.position_embeddings.weight[first:] + tables.token_type_embeddings.weight[0]
        self.places = nn.Parameter(places.detach())
        last = len(base.encoder.layer) - 1
        heads = model.config.num_attention_heads
        self.layers = nn.ModuleList(_Layer(x, heads, number == last) for number, x in enumerate(base.encoder.layer))
        if self.bert:
            self.dense, self.out = base.pooler.dense, model.classifier
        else:
            self.dense, self.out = model.classifier.dense, model.classifier.out_proj

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        states = self.norm(self.words(input_ids) + self.places[: input_ids.shape[1]])
        mask = ((1.0 - attention_mask.float()) * MASKED)[:, None, None, :]
        for layer in self.layers:
            states = layer(states, mask)
        return {"logits": self.out(torch.tanh(self.dense(states[:, 0])))}
