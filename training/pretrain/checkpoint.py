"""Checkpoints of a pretraining run: whole folders, the newest whole one is taken up again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from strijdtaal.errors import UsageError
from strijdtaal.folder import FolderError, verify_folder, write_folder

KIND = "pretraining checkpoint"
KEEP = 2


def _flat_state(optimisers: list[Any]) -> dict[str, Any]:
    tensors = {}
    for number, optimiser in enumerate(optimisers):
        for index, state in optimiser.state_dict()["state"].items():
            for name, value in state.items():
                tensors[f"{number}.{index}.{name}"] = value
    return tensors


def save(folder: Path, objective: Any, optimisers: list[Any], state: dict[str, Any]) -> Path:
    """Write ``step-N`` below ``folder`` and drop all but the newest ``KEEP`` checkpoints."""
    target = folder / f"step-{state['step']:08d}"
    with write_folder(target, KIND, replace=True) as work:
        weights = dict(objective.state_dict())
        weights.pop("model.cls.predictions.decoder.weight", None)  # tied to the word embeddings
        weights.pop("model.cls.predictions.decoder.bias", None)  # tied to cls.predictions.bias
        save_file({k: v.contiguous().clone() for k, v in weights.items()}, work / "objective.safetensors")
        save_file(
            {k: v.contiguous().clone() for k, v in _flat_state(optimisers).items()}, work / "optimiser.safetensors"
        )
        (work / "state.json").write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
    others = sorted(path for path in folder.glob("step-*") if path != target)
    for old in others[: len(others) - KEEP + 1]:
        shutil.rmtree(old)
    for part in folder.glob(".step-*"):  # left by a killed process
        shutil.rmtree(part, ignore_errors=True)
    return target


def newest(folder: Path, warn: Any) -> Path | None:
    """The newest checkpoint that is whole; damaged ones are named through ``warn`` and removed."""
    for path in sorted(folder.glob("step-*"), reverse=True):
        try:
            verify_folder(path, KIND)
            return path
        except FolderError as error:
            warn(f"Checkpoint passed over and removed: {error}")
            shutil.rmtree(path)
    return None


def restore(path: Path, objective: Any, optimisers: list[Any], fingerprint: str) -> dict[str, Any]:
    """Load a checkpoint into ``objective`` and ``optimisers`` and return its state.

    Raises:
        UsageError: the checkpoint belongs to another configuration or corpus.
    """
    state: dict[str, Any] = json.loads((path / "state.json").read_text(encoding="utf-8"))
    if state["fingerprint"] != fingerprint:
        raise UsageError(
            f"{path} was made by another configuration or corpus. Give the new run another name, "
            "or remove the folder to start again."
        )
    objective.load_state_dict(load_file(path / "objective.safetensors"), strict=False)
    tensors = load_file(path / "optimiser.safetensors")
    for number, optimiser in enumerate(optimisers):
        snapshot = optimiser.state_dict()
        entries: dict[int, dict[str, Any]] = {}
        for key, value in tensors.items():
            owner, index, name = key.split(".", 2)
            if int(owner) == number:
                entries.setdefault(int(index), {})[name] = value
        snapshot["state"] = entries
        optimiser.load_state_dict(snapshot)
    return state
