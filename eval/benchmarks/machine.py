"""What the machine can do: matrix products of a model's shapes, in fp32 and int8, on all cores at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from strijdtaal.session import make_session

ROWS = 512  # tokens in one product, about what a batch holds
REPEATS = 40


def layer_macs(hidden: int, inner: int) -> int:
    """Multiply-accumulates with weights of one token in one layer: q, k, v, output, up, down."""
    return 4 * hidden * hidden + 2 * hidden * inner


def sentence_flops(config: Any, tokens: float) -> float:
    """Floating-point operations (2 a multiply-accumulate) of the lean graph with weights, for one sentence.

    All layers but the last for every token; of the last, keys and values for every token and the rest for the
    first. Attention between tokens is left out (two in a hundred at 30 tokens).
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    whole = layer_macs(hidden, inner)
    last = 2 * hidden * hidden * tokens + (whole - 2 * hidden * hidden)
    return float(2 * ((config.num_hidden_layers - 1) * whole * tokens + last))


def _product(inputs: int, outputs: int, int8: bool) -> Any:
    """An ONNX graph of one product with weights; in int8 as ``eval.quantize`` writes it."""
    from onnx import TensorProto, helper, numpy_helper

    draw = np.random.default_rng(1)
    weights: list[Any] = []

    def constant(name: str, value: Any) -> str:
        weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    if not int8:
        constant("w", draw.standard_normal((inputs, outputs)).astype(np.float32))
        nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    else:
        constant("w", draw.integers(-127, 128, (inputs, outputs), dtype=np.int8))
        step, zero = constant("s", np.float32(0.03)), constant("z", np.uint8(128))
        scale = constant("ws", np.full(outputs, 0.01, np.float32))
        none = constant("wz", np.zeros(outputs, np.int8))
        nodes = [
            helper.make_node("QuantizeLinear", ["x", step, zero], ["q"]),
            helper.make_node("DequantizeLinear", ["q", step, zero], ["d"]),
            helper.make_node("DequantizeLinear", ["w", scale, none], ["e"], axis=1),
            helper.make_node("MatMul", ["d", "e"], ["y"]),
        ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", inputs])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", outputs])
    graph = helper.make_graph(nodes, "product", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def gemm_gflops(shapes: list[tuple[int, int]], cores: int, int8: bool) -> float:
    """GFLOP/s of all cores together over products (inputs, outputs) of ``ROWS`` rows, each core its own."""
    import onnx

    done, seconds = 0.0, 0.0
    with TemporaryDirectory() as folder, ThreadPoolExecutor(cores) as pool:
        for inputs, outputs in shapes:
            path = Path(folder) / f"{inputs}-{outputs}.onnx"
            onnx.save(_product(inputs, outputs, int8), str(path))
            session = make_session(path)
            x = np.random.default_rng(2).standard_normal((ROWS, inputs)).astype(np.float32)

            def work(_: int, session: Any = session, x: Any = x) -> None:
                for _ in range(REPEATS):
                    session.run(None, {"x": x})

            list(pool.map(work, range(cores)))  # warm
            start = time.perf_counter()
            list(pool.map(work, range(cores)))
            seconds += time.perf_counter() - start
            done += 2.0 * ROWS * inputs * outputs * REPEATS * cores
    return done / seconds / 1e9
