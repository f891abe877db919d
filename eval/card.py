"""The model card of a bundle, generated from the run and its test predictions."""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval.bootstrap import f1_intervals
from eval.calibration import calibration_summary
from eval.gather import NAMES
from eval.intervals import with_intervals
from eval.metrics import score
from eval.notices import ANNOTATIONS, CODE, data_names, encoder_licence, encoder_name, spdx_of
from eval.predictions import Predictions
from strijdtaal import __version__
from strijdtaal.labels import CODEBOOK_VERSION, KEYS, LABELS
from training.config import ROOT
from training.run import Run

USES = (
    "finding and counting sentences of Dutch news and reports that threaten, report support for a party, report a "
    "retreat, or call for a ceasefire, for a person who reads what is found",
    "a first pass that orders sentences for annotators, and a baseline for other models on these four labels",
    "measuring shares of such sentences in a collection, with a correction for the model's errors "
    "(`python -m eval count`)",
)
NOT_USES = (
    "judging persons or groups, predicting attacks, or any decision about people without a person who reads the text",
    "other languages, social media, transcripts of speech, and topics without violent conflict",
    "other label sets: the labels are not those of PLOVER or CAMEO",
    "saying what is true: the model reads what a sentence says, not whether it is so",
)
LIMITS = (
    "The annotated sentences were written for the project about invented events at real places. They are not a "
    "sample of the news: expect clearly lower scores on real articles, and measure them on your own.",
    "It reads one sentence at a time; who 'he' or 'the country' is, it does not know.",
    "Annotators disagree on borderline cases (see the codebook); so will the model and you.",
    "Names of states and groups may move a probability, since some occur more with some labels than others. This "
    "was not measured for fairness.",
    "Thresholds and calibration hold for texts with about as many labelled sentences as the validation split; where "
    "a label is much rarer or commoner, choose them anew.",
)
DATASET = "strijdtaal-annotations"


def figures(item: Predictions) -> dict[str, Any]:
    """Scores with 95% intervals, as in the report: ``macro_f1``, ``macro_f1_interval``, ``labels`` by key, ..."""
    return with_intervals(score(item.gold, item.decided, item.probabilities), item)


def _figure(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.3f}"


def _interval(low_high: tuple[float, float]) -> str:
    return f"{_figure(low_high[0])} - {_figure(low_high[1])}"


def _both(row: Mapping[str, Any], name: str) -> str:
    """A value, with its interval in brackets."""
    return f"{_figure(row[name])} ({_interval(row[f'{name}_interval'])})"


def _rows(values: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Names and values for a table; what is nested is told by both names."""
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{before}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            rows += _rows(value, f"{name}, ")
        else:
            rows.append((name, f"{value:.4g}" if isinstance(value, float) else str(value)))
    return rows


def definitions() -> dict[str, str]:
    """What each label means in one line, out of the table at the head of the codebook."""
    text = (ROOT / "seeds" / "CODEBOOK.md").read_text(encoding="utf-8")
    found = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE))
    return {key: found[key] for key in KEYS}


def made(run: Run) -> dict[str, str]:
    """Commit that the run was trained at, and its date (``YYYY-MM-DD``) where the repository here knows it."""
    commit = str(run.environment.get("commit") or "")
    try:
        date = subprocess.run(
            ["git", "show", "--no-patch", "--format=%cs", commit.split("+")[0] or "-"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        date = ""
    return {"commit": commit, "date": date}


def _is_hub_id(run: Run) -> bool:
    return bool(run.config.network.revision) and not (ROOT / run.config.network.encoder).exists()


def _metadata(run: Run, result: Mapping[str, Any]) -> str:
    """The YAML at the head: what a hub reads, results included."""
    from huggingface_hub import EvalResult, ModelCardData

    def entry(kind: str, name: str, value: float, **arguments: Any) -> EvalResult:
        return EvalResult(
            task_type="text-classification",
            task_name="multi-label classification of sentences",
            dataset_type=DATASET,
            dataset_name=f"strijdtaal annotations {run.data['data_fingerprint'][:16]}",
            dataset_split="test",
            metric_type=kind,
            metric_name=name,
            metric_value=round(value, 4),
            metric_args=arguments or None,
        )

    results = [entry("f1", "macro F1", result["macro_f1"], average="macro")]
    results.append(entry("average_precision", "macro average precision", result["macro_average_precision"]))
    results += [entry("f1", f"F1 of {key}", result["labels"][key]["f1"]) for key in KEYS]
    licence = encoder_licence(run)
    data = ModelCardData(
        language="nl",
        license=licence or "other",
        license_name=None if licence else "terms-of-the-encoder",
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["dutch", "conflict", "news", "multi-label", "onnx"],
        base_model=run.config.network.encoder if _is_hub_id(run) else None,
        datasets=[DATASET],
        metrics=["f1", "average_precision"],
        model_name=f"strijdtaal-{run.name}",
        eval_results=[item for item in results if not math.isnan(item.metric_value)],
    )
    return str(data.to_yaml(original_order=["language", "license", "license_name", "library_name"]))


def _licence(run: Run) -> str:
    licence, encoder = encoder_licence(run), encoder_name(run)
    weights = (
        f"Weights: {spdx_of(licence)}, as the encoder `{encoder}` that they come from."
        if licence
        else f"Weights: under the terms of the encoder `{encoder}`, which the packager does not know."
    )
    return f"{weights} Code: {CODE}. Annotated sentences, those in `golden.json` included: {ANNOTATIONS}."


def _surroundings(run: Run) -> dict[str, str]:
    about = run.environment
    seconds = run.metrics.get("training_seconds")
    known = [
        f"{about.get('system', '')} {about.get('machine', '')}".strip(),
        f"device {about.get('device', 'unknown')}",
    ]
    known += [f"threads: {about['threads']}"] if "threads" in about else []
    known += ["bfloat16"] if about.get("bf16") else []
    versions = [
        f"{name} {about['versions'][name]}" for name in ("torch", "transformers") if about["versions"].get(name)
    ]
    return {
        "hardware": ", ".join(known),
        "effort": f"Fine-tuning took {seconds / 60:.1f} minutes." if seconds else "How long it took was not kept.",
        "versions": ", ".join([f"Python {about['python']}", *versions]),
    }


def model_card(
    run: Run,
    test: Predictions,
    quantized: Mapping[str, Any] | None = None,
    others: Mapping[str, Predictions] | None = None,
) -> str:
    """Markdown with metadata; every figure is computed from the test predictions given.

    Args:
        run: the run that is packaged.
        test: predictions of its model on the test split.
        quantized: what to say of ``onnx/model_quantized.onnx``, by name (``{"macro-F1 on test": "0.853"}``); None
            where the bundle holds none. Numbers are rounded to four digits, nested tables flattened.
        others: predictions of other systems on the same sentences, by system, for a table of macro-F1.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    result = figures(test)
    compared = {name: item for name, item in (others or {}).items() if name != test.system}
    rows = [
        (NAMES.get(name, name), score(item.gold, item.decided, item.probabilities)["macro_f1"], f1_intervals(
            item.articles, item.gold, item.decided
        )[0])
        for name, item in compared.items()
    ]  # fmt: skip
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=False,  # noqa: S701 - Markdown; what goes in comes from the project's own typed files
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"figure": _figure, "interval": _interval, "both": _both, "keys": KEYS, "labels": LABELS}
    return environment.get_template("card.md.j2").render(
        metadata=_metadata(run, result),
        run=run,
        encoder=encoder_name(run),
        data=data_names(run),
        definitions=definitions(),
        thresholds=dict(zip(KEYS, run.thresholds, strict=True)),
        codebook=CODEBOOK_VERSION,
        uses=USES,
        not_uses=NOT_USES,
        limits=LIMITS,
        max_length=run.config.network.max_length,
        quantized=None if quantized is None else _rows(quantized),
        sentences=len(test.ids),
        articles=len(set(test.articles)),
        result=result,
        others=rows,
        calibration=calibration_summary(test.probabilities, test.gold, test.articles),
        calibration_method="Platt scaling, in the last layer's weights" if run.decision.calibrated else "none applied",
        counts=run.data["counts"],
        made=made(run),
        licence=_licence(run),
        version=__version__,
        weights=run.model_sha256,
        **_surroundings(run),
    )
