"""Structured initialisation: a standard BERT that starts behind the plateau.

A small BERT with the usual random start needs thousands of steps before attention has found the
neighbouring words. Three parts, all inside the ordinary parameters, spare it that search:

1. *Static embeddings*: positive pointwise mutual information of co-occurring tokens, context
   distribution smoothed by 0.75, factorised by truncated SVD, columns scaled by the root of the
   singular values (Levy, Goldberg and Dagan 2015, "Improving Distributional Similarity with Lessons
   Learned from Word Embeddings").
2. *Position subspace*: the last dimensions belong to positions alone, as cosine/sine pairs.
3. *Neighbour heads*: in the first two layers each head's query is the key rotated by an offset in
   that subspace, so that the head attends to that neighbour from the first step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NORM = 0.32  # of the word part and of the position part, before the layer norm
OFFSETS = ((-1, 1, -2, 2), (-3, 3, -1, 1))  # per layer, cycled over the heads
SHARPNESS = 0.9
SHORTEST, LONGEST = 4.0, 256.0  # wavelengths of the position pairs, in tokens

Array = NDArray[np.float32]


def static_embeddings(
    ids: NDArray[np.uint16], vocab_size: int, dims: int, window: int, ignore: list[int], seed: int
) -> Array:
    """Word vectors of shape (vocab_size, dims), centred, rows of norm ``NORM`` (zero if never seen)."""
    from scipy import sparse
    from sklearn.utils.extmath import randomized_svd
    from threadpoolctl import threadpool_limits

    counts = sparse.csr_matrix((vocab_size, vocab_size), dtype=np.float32)
    block = 4_000_000
    for start in range(0, len(ids), block):
        part = ids[start : start + block].astype(np.int64)
        for distance in range(1, min(window, len(part) - 1) + 1):
            weight = np.full(len(part) - distance, 1.0 / distance, dtype=np.float32)
            pair = (weight, (part[:-distance], part[distance:]))
            counts = counts + sparse.coo_matrix(pair, shape=counts.shape).tocsr()
    counts = counts + counts.T
    keep = np.ones(vocab_size, dtype=np.float32)
    keep[ignore] = 0
    counts = (sparse.diags(keep) @ counts @ sparse.diags(keep)).tocoo()
    rows = np.asarray(counts.sum(axis=1)).ravel()
    smoothed = rows**0.75
    smoothed /= max(smoothed.sum(), 1e-9)
    with np.errstate(divide="ignore"):
        value = np.log(counts.data / (rows[counts.row] * smoothed[counts.col]))
    ppmi = sparse.csr_matrix((np.maximum(value, 0), (counts.row, counts.col)), shape=counts.shape)
    with threadpool_limits(1):  # several threads round differently from run to run
        left, singular, _ = randomized_svd(ppmi, n_components=min(dims, vocab_size), n_iter=3, random_state=seed)
    vectors = np.zeros((vocab_size, dims))  # a vocabulary smaller than dims leaves columns empty
    vectors[:, : len(singular)] = left * np.sqrt(singular)
    seen = rows > 0
    vectors[seen] -= vectors[seen].mean(axis=0)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.where(seen[:, None], NORM * vectors / np.maximum(norms, 1e-9), 0)
    return vectors.astype(np.float32)


def position_pairs(positions: int, dims: int) -> tuple[Array, Array]:
    """Cosine/sine pairs of shape (positions, dims) with rows of norm ``NORM``, and their frequencies."""
    wavelengths = np.geomspace(SHORTEST, LONGEST, dims // 2)
    frequency = 2 * np.pi / wavelengths
    angle = np.arange(positions)[:, None] * frequency
    table = np.empty((positions, dims))
    table[:, 0::2], table[:, 1::2] = np.cos(angle), np.sin(angle)
    return (table * NORM / np.sqrt(dims / 2)).astype(np.float32), frequency.astype(np.float32)


def rotation(frequency: Array, offset: int) -> Array:
    """The matrix that turns the position vector of p into that of p + offset."""
    dims = 2 * len(frequency)
    matrix = np.zeros((dims, dims), dtype=np.float32)
    for index, angle in enumerate(frequency * offset):
        cosine, sine = np.cos(angle), np.sin(angle)
        row = 2 * index
        matrix[row : row + 2, row : row + 2] = [[cosine, -sine], [sine, cosine]]
    return matrix


def initialise(
    model: Any, ids: NDArray[np.uint16], position_dims: int, window: int, ignore: list[int], seed: int
) -> None:
    """Write the structured start into a fresh ``BertForMaskedLM``, in place."""
    import torch

    config = model.config
    width, head_dim = config.hidden_size, config.hidden_size // config.num_attention_heads
    word_dims = width - position_dims
    shared = min(position_dims, head_dim)
    table, frequency = position_pairs(config.max_position_embeddings, position_dims)
    embeddings = model.bert.embeddings
    with torch.no_grad():
        words = embeddings.word_embeddings.weight
        vectors = torch.from_numpy(static_embeddings(ids, len(words), word_dims, window, ignore, seed))
        unseen = vectors.norm(dim=1) == 0
        noise = torch.randn(len(words), word_dims) * NORM / word_dims**0.5
        words.zero_()
        words[:, :word_dims] = torch.where(unseen[:, None], noise, vectors)
        embeddings.position_embeddings.weight.zero_()
        embeddings.position_embeddings.weight[:, word_dims:] = torch.from_numpy(table)
        embeddings.token_type_embeddings.weight.zero_()
        for number, layer in enumerate(model.bert.encoder.layer):
            _hidden_matrices(layer, width)
            if number < len(OFFSETS):
                _neighbour_heads(layer, OFFSETS[number], frequency, word_dims, head_dim, shared)


def _hidden_matrices(layer: Any, width: int) -> None:
    for name, parameter in layer.named_parameters():
        if name.endswith("weight") and parameter.dim() == 2:
            parameter.normal_(std=0.8 / width**0.5)


def _neighbour_heads(
    layer: Any, offsets: tuple[int, ...], frequency: Array, word_dims: int, head_dim: int, shared: int
) -> None:
    import torch

    query, key = layer.attention.self.query.weight, layer.attention.self.key.weight
    query.mul_(0.3)
    key.mul_(0.3)
    for head in range(query.shape[0] // head_dim):
        turn = torch.from_numpy(rotation(frequency, offsets[head % len(offsets)]))
        rows = slice(head * head_dim, head * head_dim + shared)
        for weight, matrix in ((key, torch.eye(len(turn))), (query, turn)):
            weight[rows] = 0
            weight[rows, word_dims:] = SHARPNESS * matrix[:shared]
