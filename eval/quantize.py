"""The int8 model of a bundle: ONNX Runtime's static quantisation, with ranges measured on sentences.

Ranges are fixed when the model is made, so that a sentence gets the same answer alone and in any batch;
quantising at run time (dynamic) takes one range from the whole batch. Only the products of weights are in
int8; attention scores, norms, sums and what only the first token needs stay fp32.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eval.export import export_onnx, save_graph
from eval.lean import LeanClassifier

CALIBRATION = 300  # sentences from which the ranges of activations are taken


class _Sentences:
    """What ``quantize_static`` reads: one sentence at a time, as token ids."""

    def __init__(self, rows: Sequence[Sequence[int]]) -> None:
        self.rows: Iterator[Sequence[int]] = iter(rows)

    def get_next(self) -> dict[str, Any] | None:
        row = next(self.rows, None)
        if row is None:
            return None
        ids = np.array([row], dtype=np.int64)
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def _products(graph: Any) -> list[str]:
    """Names of the matrix products to compute in int8; each layer of ``eval.lean`` has four with weights.

    Left in fp32 are the queries, keys and values of the first two layers, where rounding costs most (they alone
    make a third of the error on validation sentences), and the last four products, which ``eval.lean`` computes
    for the first token alone, so that they take next to no time. (Attention multiplies activations with each
    other; it has no weights.)
    """
    weights = {item.name for item in graph.graph.initializer}
    names = [node.name for node in graph.graph.node if node.op_type == "MatMul" and node.input[1] in weights]
    chosen = [name for place, name in enumerate(names[:-4]) if place not in (0, 4)]
    return chosen or names[:1]  # one layer: its keys and values


def _restore_sums(graph: Any) -> None:
    """Let only the products read rounded values; the quantiser gives them to the residual sums as well."""
    rounded = {}  # output of a rounding pair -> the exact value before it
    before = {node.output[0]: node.input[0] for node in graph.graph.node if node.op_type == "QuantizeLinear"}
    for node in graph.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in before:
            rounded[node.output[0]] = before[node.input[0]]
    for node in graph.graph.node:
        if node.op_type != "MatMul":
            for place, name in enumerate(node.input):
                node.input[place] = rounded.get(name, name)


def quantize(model: Any, tokenizer: Any, rows: Sequence[Sequence[int]], target: Path, metadata: dict[str, str]) -> None:
    """Write the int8 version of ``model`` (of a type that ``eval.lean`` knows) to ``target``.

    Args:
        model: a sequence classifier, fp32, in eval mode.
        tokenizer: the tokenizer of ``model``.
        rows: token ids of sentences to measure the ranges on, at least one.
        target: the file to write.
        metadata: goes into the graph's ``metadata_props``.
    """
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # "consider to run pre-processing": shapes are dynamic on purpose
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, result = Path(folder) / "model.onnx", Path(folder) / "quantized.onnx"
            export_onnx(LeanClassifier(model, int8_words=True).eval(), tokenizer, source, {})
            quantize_static(
                str(source),
                str(result),
                _Sentences(rows[:CALIBRATION]),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["MatMul"],
                nodes_to_quantize=_products(onnx.load(str(source))),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={
                    "ActivationSymmetric": False,
                    "OpTypesToExcludeOutputQuantization": ["MatMul"],
                    "WeightSymmetric": True,
                },
            )
            graph = onnx.load(str(result))
            _restore_sums(graph)
    finally:
        logging.disable(level)
    save_graph(graph, target, metadata)
