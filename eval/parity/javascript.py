"""A bundle in transformers.js: in Node, and in a page of a headless Chromium."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from eval.parity.browser import BROWSERS, browser, in_browser
from eval.parity.loaders import Loader, Scores
from strijdtaal.errors import StrijdtaalError
from strijdtaal.labels import KEYS

FOLDER = Path(__file__).resolve().parent.parent / "javascript"
PACKAGE = "@huggingface/transformers"
TIMEOUT = 240  # seconds for start, loading and the sentences, and a second more for each
OLDEST_NODE = 20
DTYPES = {"fp32": "fp32", "int8": "q8"}  # transformers.js takes onnx/model_quantized.onnx for q8


def _packages_missing() -> str:
    wanted = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"][PACKAGE]
    path = FOLDER / "node_modules" / PACKAGE / "package.json"
    found = json.loads(path.read_text(encoding="utf-8"))["version"] if path.exists() else None
    if found == wanted:
        return ""
    what = "npm packages are missing" if found is None else f"{PACKAGE} is {found}, not {wanted}"
    return f"{what}: run npm ci --ignore-scripts in eval/javascript"


def node_missing() -> str:
    """Why Node cannot run the bundle here."""
    node = shutil.which("node")
    if node is None:
        return "node is not installed"
    found = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30).stdout
    major = re.match(r"v(\d+)\.", found)
    if major is None or int(major[1]) < OLDEST_NODE:
        return f"node is {found.strip() or 'broken'}; at least {OLDEST_NODE} is needed"
    return _packages_missing()


def browser_missing() -> str:
    """Why no browser can run the bundle here."""
    if browser() is None:
        return f"no browser is installed ({', '.join(BROWSERS)})"
    return _packages_missing()


def _job(bundle: Path, texts: Sequence[str], precision: str) -> dict[str, Any]:
    contract = json.loads((bundle / "labels.json").read_text(encoding="utf-8"))
    return {"model": str(bundle.resolve()), "contract": contract, "dtype": DTYPES[precision], "texts": list(texts)}


def _scores(answer: dict[str, Any]) -> Scores:
    found = answer["predictions"]
    values = np.array([[item["probabilities"][key] for key in KEYS] for item in found], dtype=np.float64)
    labels = [item["labels"] for item in found]
    return Scores(values, f"transformers.js {answer['version']}", ids=answer["encoded"], labels=labels)


def node_scores(bundle: Path, texts: Sequence[str], precision: str) -> Scores:
    """transformers.js in Node.

    Raises:
        StrijdtaalError: Node failed or took too long.
    """
    job = json.dumps(_job(bundle, texts, precision))
    command = ["node", "node.mjs"]
    try:
        done = subprocess.run(
            command, input=job, cwd=FOLDER, capture_output=True, encoding="utf-8", timeout=TIMEOUT + len(texts)
        )
    except subprocess.TimeoutExpired as error:
        raise StrijdtaalError(f"Node gave no answer within {error.timeout:.0f} s.") from error
    if done.returncode:
        reason = re.search(r"\w*Error: .*", done.stderr)
        raise StrijdtaalError(f"Node ended with {done.returncode}: {reason[0] if reason else done.stderr[-300:]}")
    return _scores(json.loads(done.stdout))


def browser_scores(bundle: Path, texts: Sequence[str], precision: str) -> Scores:
    """transformers.js in a page, WebAssembly on one thread.

    Raises:
        StrijdtaalError: the browser failed or took too long, or the page asked for something outside.
    """
    return _scores(in_browser(FOLDER, bundle.resolve(), _job(bundle, texts, precision), TIMEOUT + len(texts)))


def javascript_loaders(precision: str) -> list[Loader]:
    """Node and Chromium for one precision, ``fp32`` or ``int8``."""
    return [
        Loader("transformers.js, Node", precision, partial(node_scores, precision=precision), node_missing),
        Loader("transformers.js, Chromium", precision, partial(browser_scores, precision=precision), browser_missing),
    ]
