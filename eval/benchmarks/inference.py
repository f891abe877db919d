"""``python -m eval.benchmarks.inference BUNDLE``: strijdtaal against transformers.pipeline, side by side.

Same weights, same sentences, same machine, in turn. For the bundle, and with ``--base N`` for a BERT-base of
random weights (12 layers of 768) on N sentences. The pipeline runs in fp32 at the best of several batch
sizes. Reported is the ratio of sentences per second, round by round; the seconds themselves are those of one
machine on one day.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.benchmarks.machine import gemm_gflops, sentence_flops
from strijdtaal.bundle import FP32, INT8, Contract
from strijdtaal.classifier import Classifier
from strijdtaal.folder import write_file
from strijdtaal.labels import KEYS
from strijdtaal.session import Opened, available_cores, make_session
from strijdtaal.text import clean

System = Callable[[Sequence[str]], NDArray[np.float64]]
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
START = "from strijdtaal import Classifier; Classifier.load({0!r}).predict(['De rebellen trokken zich terug.'])"
START_PIPELINE = (
    "from transformers import pipeline; "
    "pipeline('text-classification', {0!r}, top_k=None, device=-1)('De rebellen trokken zich terug.')"
)


def sentences(count: int) -> list[str]:
    """Sentences of the project's annotations, drawn evenly and shuffled, the same for the same count."""
    from training.records import read_records

    texts = [clean(record.text) for record in read_records(sorted(Path("seeds/annotations").glob("*.jsonl")))]
    return [texts[place] for place in np.random.default_rng(1).choice(len(texts), count, replace=count > len(texts))]


def pipeline_system(folder: Path, batch_size: int) -> System:
    """``transformers.pipeline`` on the folder's torch weights."""
    from transformers import pipeline

    classify = pipeline("text-classification", model=str(folder), top_k=None, device=-1)

    def run(texts: Sequence[str]) -> NDArray[np.float64]:
        rows = classify(list(texts), batch_size=batch_size, truncation=True)
        return np.array([[{entry["label"]: entry["score"] for entry in row}[key] for key in KEYS] for row in rows])

    return run


def random_base(bundle: Path, contract: Contract, folder: Path, texts: Sequence[str]) -> dict[str, System]:
    """A BERT-base with random weights and the bundle's tokenizer, in every form: torch folder, fp32, int8."""
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    from eval.export import export_onnx
    from eval.lean import LeanClassifier
    from eval.quantize import CALIBRATION, quantize

    tokenizer = AutoTokenizer.from_pretrained(bundle)
    torch.manual_seed(1)
    names = dict(enumerate(KEYS))
    config = BertConfig(
        vocab_size=len(tokenizer),
        id2label=names,
        label2id={name: number for number, name in names.items()},
        problem_type="multi_label_classification",
    )
    model = BertForSequenceClassification(config).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    export_onnx(LeanClassifier(model).eval(), tokenizer, folder / "fp32.onnx", {})
    rows = [tokenizer(text, truncation=True)["input_ids"] for text in texts[:CALIBRATION]]
    quantize(model, tokenizer, rows, folder / "int8.onnx", {})
    own = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    own.no_padding()
    own.enable_truncation(contract.max_length)
    found: dict[str, System] = {}
    for precision in (FP32, INT8):
        opened = Opened(own, make_session(folder / f"{precision}.onnx"), config.vocab_size - 1)
        plain = replace(contract, thresholds=(0.5,) * len(KEYS))
        found[precision] = Classifier(plain, opened, available_cores(), precision).probabilities
    return found


def best_pipeline(folder: Path, texts: Sequence[str]) -> tuple[int, System]:
    """The batch size with the most sentences a second on a part of the texts."""
    part = texts[: max(64, len(texts) // 8)]
    rates = {}
    for size in BATCH_SIZES:
        system = pipeline_system(folder, size)
        system(part[:16])
        start = time.perf_counter()
        system(part)
        rates[size] = len(part) / (time.perf_counter() - start)
    best = max(rates, key=lambda size: rates[size])
    return best, pipeline_system(folder, best)


def throughput(systems: dict[str, System], texts: Sequence[str], rounds: int) -> dict[str, dict[str, Any]]:
    """Sentences a second of each system, in turn; answers against those of the first system."""
    rates: dict[str, list[float]] = {name: [] for name in systems}
    answers: dict[str, NDArray[np.float64]] = {}
    for number in range(rounds):
        for name, system in systems.items():
            start = time.perf_counter()
            answers[name] = system(texts)
            rates[name].append(len(texts) / (time.perf_counter() - start))
            logging.info("round %d of %d, %s: %.0f sentences/s", number + 1, rounds, name, rates[name][-1])
    first = next(iter(systems))
    found = {}
    for name in systems:
        ratios = np.array(rates[name]) / np.array(rates[first])
        found[name] = {
            "sentences_per_second": float(np.median(rates[name])),
            "ratio": float(np.median(ratios)),
            "ratio_range": [float(ratios.min()), float(ratios.max())],
            "largest_difference": float(np.abs(answers[name] - answers[first]).max()),
        }
    return found


def latency(systems: dict[str, System], texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """Milliseconds for one sentence alone, the systems in turn: median and 95th percentile."""
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for text in texts:
        for name, system in systems.items():
            start = time.perf_counter()
            system([text])
            seconds[name].append(time.perf_counter() - start)
    return {
        name: {"median_ms": 1e3 * float(np.median(values)), "p95_ms": 1e3 * float(np.percentile(values, 95))}
        for name, values in seconds.items()
    }


def start_up(bundle: Path, times: int = 5) -> dict[str, float]:
    """Seconds of a fresh process from its start to the first answer, median; the pipeline's beside it."""
    found: dict[str, list[float]] = {"strijdtaal": [], "transformers.pipeline": []}
    for _ in range(times):
        for name, code in zip(found, (START, START_PIPELINE), strict=True):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code.format(str(bundle))], check=True, capture_output=True)
            found[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in found.items()}


def memory(classifier: Classifier, texts: Sequence[str], count: int) -> dict[str, float]:
    """Resident MiB while ``count`` sentences go through, in calls of 10,000 of ever other texts and lengths."""
    draw, found, done = np.random.default_rng(3), {}, 0
    marks = [int(count * share) for share in (0.1, 0.25, 0.5, 0.75, 1.0)]
    while done < count:
        pairs = draw.integers(0, len(texts), (min(10_000, count - done), 2))
        classifier.predict([f"{texts[a]} {texts[b][: draw.integers(0, 80)]}" for a, b in pairs])
        done += len(pairs)
        while marks and done >= marks[0]:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            found[f"{marks.pop(0):,} sentences"] = pages * 4096 / 2**20
            logging.info("%s", list(found.items())[-1])
    return found


def _about(config: Any, tokens: float, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """How far each precision is from what the machine's products reach."""
    cores, hidden, inner = available_cores(), config.hidden_size, config.intermediate_size
    shapes = [(hidden, 3 * hidden), (hidden, hidden), (hidden, inner), (inner, hidden)]
    flops = sentence_flops(config, tokens)
    result: dict[str, Any] = {"cores": cores, "tokens_per_sentence": tokens, "gflop_per_sentence": flops / 1e9}
    for precision in (FP32, INT8):
        if precision in found:
            reached = flops * found[precision]["sentences_per_second"] / 1e9
            machine = gemm_gflops(shapes, cores, precision == INT8)
            result[precision] = {"gflops": reached, "gemm_gflops": machine, "share": reached / machine}
    return result


def _table(title: str, part: dict[str, Any]) -> str:
    lines = [f"{title} ({part['sentences']:,} sentences, pipeline at batch size {part['pipeline_batch_size']})"]
    lines.append(
        f"{'':24s}{'sentences/s':>12s}{'ratio':>8s}{'range':>14s}{'median ms':>11s}{'p95 ms':>9s}{'largest diff':>14s}"
    )
    for name, row in part["throughput"].items():
        one = part["latency"][name]
        low, high = row["ratio_range"]
        lines.append(
            f"{name:24s}{row['sentences_per_second']:12.0f}{row['ratio']:8.1f}{f'{low:.1f}-{high:.1f}':>14s}"
            f"{one['median_ms']:11.2f}{one['p95_ms']:9.2f}{row['largest_difference']:14.1e}"
        )
    for precision in (FP32, INT8):
        if isinstance(row := part["limit"].get(precision), dict):
            lines.append(
                f"  {precision}: {row['gflops']:.0f} GFLOP/s of the {row['gemm_gflops']:.0f} that ONNX Runtime's "
                f"matrix products alone reach here ({row['share']:.0%})"
            )
    return "\n".join(lines)


def _measure(
    systems: dict[str, System], config: Any, size: int, texts: Sequence[str], tokens: float, rounds: int
) -> dict[str, Any]:
    for system in systems.values():
        system(texts[:32])  # warm
    found = throughput(systems, texts, rounds)
    return {
        "sentences": len(texts),
        "pipeline_batch_size": size,
        "throughput": found,
        "latency": latency(systems, texts[:100]),
        "limit": _about(config, tokens, found),
    }


def main() -> None:
    """Measure and print; with ``--json`` also write the figures."""
    parser = argparse.ArgumentParser(prog="python -m eval.benchmarks.inference", description=__doc__)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--base", type=int, default=0, metavar="N", help="also a BERT-base on N sentences")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, default=0, metavar="N", help="also memory over N sentences")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name in ("httpx", "transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)
    result = run(arguments)
    if arguments.json:
        write_file(arguments.json, json.dumps(result, indent=1) + "\n")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All parts that were asked for; prints each as it is done."""
    from transformers import AutoConfig, BertConfig

    texts = sentences(arguments.sentences)
    exact = Classifier.load(arguments.bundle)
    tokens = float(np.mean([len(row) for row in exact.encode(texts)]))
    size, classify = best_pipeline(arguments.bundle, texts)
    systems: dict[str, System] = {"transformers.pipeline": classify, FP32: exact.probabilities}
    if exact.contract.quantized is not None:
        systems[INT8] = Classifier.load(arguments.bundle, precision=INT8).probabilities
    config = AutoConfig.from_pretrained(arguments.bundle)
    result = {"bundle": _measure(systems, config, size, texts, tokens, arguments.rounds)}
    sys.stdout.write(_table("The bundle", result["bundle"]) + "\n")
    if arguments.base:
        few = texts[: arguments.base]
        with TemporaryDirectory() as folder:
            own = random_base(arguments.bundle, exact.contract, Path(folder), texts)
            size, classify = best_pipeline(Path(folder), few)
            few_tokens = float(np.mean([len(row) for row in exact.encode(few)]))
            part = _measure(
                {"transformers.pipeline": classify, **own}, BertConfig(), size, few, few_tokens, arguments.rounds
            )
        result["base"] = part
        sys.stdout.write(_table("BERT-base, random weights", part) + "\n")
    result["start_up_seconds"] = start_up(arguments.bundle)
    sys.stdout.write(f"Seconds from process start to first answer: {result['start_up_seconds']}\n")
    if arguments.memory:
        result["resident_mib"] = memory(exact, texts, arguments.memory)
        sys.stdout.write(f"Resident MiB: {result['resident_mib']}\n")
    return result


if __name__ == "__main__":
    main()
