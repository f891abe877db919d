"""Export of a fine-tuned classifier to one ONNX file, with transformers' own exporter."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def _quiet_export(model: Any, sample: dict[str, Any], longest: int, folder: str) -> None:
    """Run the exporter without its progress lines; its warnings concern operators that BERTs do not use."""
    import torch
    from torch.export import Dim
    from transformers.exporters.exporter_onnx import OnnxConfig, OnnxExporter

    batch, sequence = Dim("batch", min=1), Dim("sequence", min=2, max=longest)
    shapes = {name: {0: batch, 1: sequence} for name in sample}
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            exported = OnnxExporter().export(model, sample, config=OnnxConfig(dynamic=True, dynamic_shapes=shapes))
            exported.save_pretrained(folder)
    finally:
        logging.disable(level)


def export_onnx(model: Any, tokenizer: Any, target: Path, metadata: dict[str, str]) -> None:
    """Write ``model`` (a sequence classifier, eval mode, fp32) to ``target``, batch and length dynamic.

    Lengths go up to the tokenizer's ``model_max_length``.

    The exporter keeps weights in a side file of a name that some readers do not look for; here they
    are put into the one file. ``metadata`` goes into the graph's ``metadata_props``.
    """
    import onnx

    sample = dict(tokenizer(["Een zin.", "Nog een zin, iets langer.", "Drie."], padding=True, return_tensors="pt"))
    sample = {name: sample[name] for name in INPUTS if name in sample}
    with tempfile.TemporaryDirectory() as folder:
        _quiet_export(model, sample, tokenizer.model_max_length, folder)
        graph = onnx.load(str(Path(folder) / "model.onnx"), load_external_data=True)
    for key, value in metadata.items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, value
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save_model(graph, str(target), save_as_external_data=False)
    onnx.checker.check_model(str(target))
