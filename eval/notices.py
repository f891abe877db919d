"""``LICENSES.md`` of a bundle: what it holds and under which terms, and what the runtime stands on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.licences import BASE, check, closure, requirements, table
from training.config import ROOT
from training.run import Run

CODE = "Apache-2.0"
ANNOTATIONS = "CC-BY-4.0"

_TEXT = """# Licences

| part | files | licence |
|---|---|---|
| weights of the fine-tuned model | `model.safetensors`, `onnx/` | {weights} |
| tokenizer and configuration of the encoder `{encoder}` | `tokenizer.json`, `config.json` | {weights} |
| sentences of the annotated corpus, by the strijdtaal project | `golden.json` | {annotations} |
| everything else | `labels.json`, `README.md`, `run.yaml`, ... | {code} |

`{annotations}` is the Creative Commons Attribution 4.0 International licence (creativecommons.org/licenses/by/4.0);
the annotations are those of the strijdtaal project, unless `run.yaml` names other files under `data`.
{note}
## What the runtime needs

A bundle holds none of these packages. They are what `pip install strijdtaal` brought to the machine that made this
bundle, with the licence that each states in its metadata; `sbom.cdx.json` lists them as well.

{packages}

## Apache License, version 2.0

```
{text}
```
"""
_UNKNOWN = """
The licence of the encoder is not known to the packager: its folder has no model card that names one. Weights that
were fine-tuned from it stand under its terms too. Find them before you give this bundle away.
"""


def encoder_licence(run: Run) -> str:
    """The licence that the encoder's model card names (as the hub writes it, such as ``apache-2.0``); '' if none."""
    from huggingface_hub import ModelCard

    for folder in (ROOT / run.config.network.encoder, Path(run.config.network.encoder)):
        card = folder / "README.md"
        if card.is_file():
            about: Any = ModelCard(card.read_text(encoding="utf-8"), ignore_metadata_errors=True).data
            return str(about.to_dict().get("license") or "")
    return ""


def _name(path: Path | str) -> str:
    """A path inside the project as it is; of others only the last part, which says nothing of the machine."""
    path = Path(path)
    if path.is_absolute() and path.is_relative_to(ROOT):
        return path.relative_to(ROOT).as_posix()
    return path.name if path.is_absolute() else path.as_posix()


def data_names(run: Run) -> list[str]:
    """The annotated files or folders that a run was trained on, as a card may name them."""
    return [_name(path) for path in run.config.data.files]


def encoder_name(run: Run) -> str:
    """The encoder as a card may name it: its hub id, or its folder."""
    return _name(run.config.network.encoder)


def spdx_of(licence: str) -> str:
    """The SPDX name of a licence as the hub writes it; unchanged if it has none.

    >>> spdx_of("apache-2.0")
    'Apache-2.0'
    """
    from cyclonedx.spdx import fixup_id

    return fixup_id(licence) or licence


def bundle_licences(run: Run) -> str:
    """``LICENSES.md`` for a bundle of this run.

    Raises:
        LicenceError: a package of the runtime is copyleft, or its licence is unknown.
    """
    packages = closure(requirements()[BASE]).values()
    check(packages)
    licence = encoder_licence(run)
    return _TEXT.format(
        weights=spdx_of(licence) if licence else "not known, see below",
        note="" if licence else _UNKNOWN,
        encoder=encoder_name(run),
        annotations=ANNOTATIONS,
        code=CODE,
        packages=table(packages),
        text=(ROOT / "LICENSE").read_text(encoding="utf-8").strip("\n"),
    )
