"""Export of a fine-tuned classifier to one ONNX file, by the exporters of torch and transformers."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OPSET = 20


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' progress lines; their warnings concern operators that BERTs do not use."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _export(model: Any, sample: dict[str, Any], longest: int, folder: Path) -> None:
    """Write ``model.onnx`` into ``folder``; lean where the model has BERT's layers, else as transformers does."""
    import torch
    from torch.export import Dim

    batch, sequence = Dim("batch", min=1), Dim("sequence", min=2, max=longest)
    shapes = {name: {0: batch, 1: sequence} for name in sample}
    with torch.no_grad(), _quiet():
        if isinstance(model, torch.nn.Module) and hasattr(model, "is_lean"):
            program = torch.onnx.export(
                model,
                (),
                kwargs=sample,
                dynamo=True,
                dynamic_shapes=shapes,
                input_names=list(sample),
                output_names=["logits"],
                opset_version=OPSET,
                verbose=False,
            )
            assert program is not None  # noqa: S101 - it is None only without dynamo
            program.save(str(folder / "model.onnx"))
            return
        from transformers.exporters.exporter_onnx import OnnxConfig, OnnxExporter

        exported = OnnxExporter().export(model, sample, config=OnnxConfig(dynamic=True, dynamic_shapes=shapes))
        exported.save_pretrained(folder)


def export_onnx(model: Any, tokenizer: Any, target: Path, metadata: dict[str, str]) -> None:
    """Write ``model`` (a sequence classifier, eval mode, fp32) to ``target``, batch and length dynamic.

    Lengths go up to the tokenizer's ``model_max_length``.

    The exporters may keep weights in a side file of a name that some readers do not look for; here they
    are put into the one file. ``metadata`` goes into the graph's ``metadata_props``.
    """
    import onnx

    sample = dict(tokenizer(["Een zin.", "Nog een zin, iets langer.", "Drie."], padding=True, return_tensors="pt"))
    wanted = INPUTS[:2] if hasattr(model, "is_lean") else INPUTS
    sample = {name: sample[name] for name in wanted if name in sample}
    with tempfile.TemporaryDirectory() as folder:
        _export(model, sample, tokenizer.model_max_length, Path(folder))
        graph = onnx.load(str(Path(folder) / "model.onnx"), load_external_data=True)
    save_graph(graph, target, metadata)


def save_graph(graph: Any, target: Path, metadata: dict[str, str]) -> None:
    """Write an ONNX graph as one file, with ``metadata`` in its ``metadata_props``, and check it."""
    import onnx

    del graph.metadata_props[:]
    for key, value in metadata.items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, value
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save_model(graph, str(target), save_as_external_data=False)
    onnx.checker.check_model(str(target))
