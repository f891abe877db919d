"""``sbom.cdx.json``: a software bill of materials in CycloneDX 1.6, of a bundle or of the project's environment.

For a bundle: the model with its files and their sha256, its encoder, its annotated data by fingerprint, a model card
in the standard's own fields, and the packages that the runtime needs as they are installed here. The same run in the
same environment gives the same bytes: no time, and a serial number made from the content. Wheels leave no hash of
themselves in an installation, so packages have none; pin those with a lock.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.licences import BASE, Package, closure, requirements
from eval.notices import ANNOTATIONS, CODE, data_names, encoder_licence, encoder_name, spdx_of
from eval.predictions import Predictions
from strijdtaal import __version__
from strijdtaal.folder import sha256_of
from strijdtaal.labels import CODEBOOK_VERSION, KEYS
from training.config import ROOT
from training.run import Run

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component

NAME = "sbom.cdx.json"
FILES = ("model.safetensors", "onnx/model.onnx", "onnx/model_quantized.onnx", "tokenizer.json")
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "strijdtaal")


def _licences(text: str) -> list[Any]:
    from cyclonedx.contrib.license.factories import LicenseFactory

    return [LicenseFactory().make_from_string(text)] if text else []


def _library(item: Package) -> Component:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    return Component(
        type=ComponentType.LIBRARY,
        name=item.name,
        version=item.version,
        bom_ref=f"{item.name}@{item.version}",
        description=item.summary or None,
        licenses=_licences(item.spdx or item.licence),
        purl=PackageURL("pypi", None, item.name, item.version),
    )


def _add_packages(bom: Bom, root: Component, packages: Mapping[str, Package], direct: Iterable[str]) -> None:
    """Components of the packages, and who needs whom; ``root`` needs those in ``direct``."""
    built = {name: _library(item) for name, item in packages.items()}
    for name, item in packages.items():
        bom.components.add(built[name])
        bom.register_dependency(built[name], [built[need] for need in item.requires if need in built])
    bom.register_dependency(root, [built[name] for name in direct])


def _direct(texts: Iterable[str]) -> list[str]:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    return sorted({canonicalize_name(Requirement(text).name) for text in texts})


def _runtime() -> Component:
    from cyclonedx.model.component import Component, ComponentType

    return Component(
        type=ComponentType.LIBRARY,
        name="strijdtaal",
        version=__version__,
        bom_ref=f"strijdtaal@{__version__}",
        description="Labels sentences of Dutch news that threaten, support, retreat or call for a ceasefire",
        licenses=_licences(CODE),
    )


def _sha256(value: str) -> Any:
    from cyclonedx.model import HashAlgorithm, HashType

    return HashType(alg=HashAlgorithm.SHA_256, content=value)


def _encoder(run: Run) -> Component:
    from cyclonedx.model.component import Component, ComponentType

    network = run.config.network
    weights = ROOT / network.encoder / "model.safetensors"
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=encoder_name(run),
        version=network.revision or None,
        bom_ref="encoder",
        description="The pretrained encoder that was fine-tuned",
        hashes=[_sha256(sha256_of(weights))] if weights.is_file() else [],
        licenses=_licences(spdx_of(encoder_licence(run))),
    )


def _data(run: Run) -> Component:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType

    stated = {name: run.data[name] for name in ("data_fingerprint", "split_fingerprint")}
    stated |= {f"{split}.sentences": counts["sentences"] for split, counts in run.data["counts"].items()}
    return Component(
        type=ComponentType.DATA,
        name="annotated sentences",
        version=run.data["data_fingerprint"][:16],
        bom_ref="annotations",
        description=f"Dutch news sentences annotated by codebook {CODEBOOK_VERSION}: {', '.join(data_names(run))}",
        licenses=_licences(ANNOTATIONS),
        properties=[Property(name=f"strijdtaal:{name}", value=str(value)) for name, value in stated.items()],
    )


def _model(run: Run, folder: Path, encoder: Component) -> Component:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType, Pedigree

    digests = {name: sha256_of(folder / name) for name in FILES if (folder / name).is_file()}
    weights = digests["model.safetensors"]
    files = [
        Component(type=ComponentType.FILE, name=name, bom_ref=f"file:{name}", hashes=[_sha256(digest)])
        for name, digest in digests.items()
    ]
    stated = {"run": run.name, "commit": run.environment.get("commit") or "unknown", "labels": ",".join(KEYS)}
    stated |= {f"threshold:{key}": value for key, value in zip(KEYS, run.thresholds, strict=True)}
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=f"strijdtaal-{run.name}",
        version=weights[:16],
        bom_ref="model",
        description="Labels sentences of Dutch conflict news, several labels at once or none",
        hashes=[_sha256(weights)],
        licenses=_licences(spdx_of(encoder_licence(run))),
        components=files,
        pedigree=Pedigree(ancestors=[encoder]),
        properties=[Property(name=f"strijdtaal:{name}", value=str(value)) for name, value in stated.items()],
    )


def _bounds(low: float, high: float) -> dict[str, Any]:
    return {"confidenceInterval": {"lowerBound": f"{low:.4f}", "upperBound": f"{high:.4f}"}}


def _metrics(test: Predictions) -> list[dict[str, Any]]:
    from eval.card import figures

    found = figures(test)
    rows = [("macro F1", "test", found["macro_f1"], found["macro_f1_interval"])]
    rows += [("F1", f"test, {key}", entry["f1"], entry["f1_interval"]) for key, entry in found["labels"].items()]
    return [
        {
            "type": name,
            "value": f"{value:.4f}",
            "slice": part,
            **(_bounds(low, high) if math.isfinite(low) else {}),
        }
        for name, part, value, (low, high) in rows
        if math.isfinite(value)
    ]


def _model_card(run: Run, folder: Path, test: Predictions | None) -> dict[str, Any]:
    """The standard's ``modelCard``, which the library's model of a component does not have."""
    from eval.card import LIMITS, USES

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    card: dict[str, Any] = {
        "bom-ref": "model-card",
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": "multi-label text classification",
            "architectureFamily": "transformer encoder",
            "modelArchitecture": config["architectures"][0],
            "datasets": [{"ref": "annotations"}],
            "inputs": [{"format": "one Dutch sentence"}],
            "outputs": [{"format": f"probability of each of {', '.join(KEYS)}"}],
        },
        "considerations": {"useCases": list(USES), "technicalLimitations": list(LIMITS)},
    }
    if test is not None:
        card["quantitativeAnalysis"] = {"performanceMetrics": _metrics(test)}
    return card


def _document(bom: Bom) -> dict[str, Any]:
    """The BOM as the library writes it, without time and serial number."""
    from cyclonedx.output.json import JsonV1Dot6

    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    document["metadata"].pop("timestamp", None)
    document.pop("serialNumber")
    return document


def _text(document: dict[str, Any]) -> str:
    content = json.dumps(document, sort_keys=True, ensure_ascii=False)
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(NAMESPACE, content)}"
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def bundle_sbom(run: Run, bundle_folder: Path, test: Predictions | None = None) -> str:
    """The CycloneDX document of a bundle whose files lie in ``bundle_folder``.

    Args:
        run: the run that it was packaged from.
        bundle_folder: weights, graphs, tokenizer and config.json are read from it.
        test: predictions of the test split; with them the model card states the scores.
    """
    from cyclonedx.model.bom import Bom

    bom = Bom()
    encoder, data, runtime = _encoder(run), _data(run), _runtime()
    model = _model(run, bundle_folder, encoder)
    bom.metadata.component = model
    for component in (data, runtime):
        bom.components.add(component)
    bom.register_dependency(model, [data, runtime])
    asked = requirements()[BASE]
    _add_packages(bom, runtime, closure(asked), _direct(asked))
    document = _document(bom)
    document["metadata"]["component"]["modelCard"] = _model_card(run, bundle_folder, test)
    return _text(document)


def environment_sbom() -> str:
    """The CycloneDX document of the project with all its extras, as installed here."""
    from cyclonedx.model.bom import Bom

    bom = Bom()
    asked = sorted({text for texts in requirements().values() for text in texts})
    runtime = _runtime()
    bom.metadata.component = runtime
    _add_packages(bom, runtime, closure(asked), _direct(asked))
    return _text(_document(bom))
