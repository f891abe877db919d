"""The wheel on its own: built, installed with its base dependencies only, predicting on a bundle."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow


def test_wheel_alone_predicts(bundle, tmp_path):
    environment = {
        **os.environ,
        "UV_FIND_LINKS": os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS", ""),
    }
    environment = {name: value for name, value in environment.items() if value and not name.startswith("PYTHON")}

    def run(*command, **options):
        return subprocess.run(
            [str(part) for part in command], check=True, capture_output=True, text=True, env=environment, **options
        ).stdout

    uv = Path(sys.executable).parent / "uv"
    run(
        uv,
        "build",
        "--wheel",
        "--out-dir",
        tmp_path / "dist",
        "--no-build-isolation",
        "--python",
        sys.executable,
        cwd=ROOT,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert {name.split("/")[0].split("-")[0] for name in names} == {"strijdtaal"}
        assert "strijdtaal/py.typed" in names
        assert {"strijdtaal/abbreviations.txt", "strijdtaal/page/index.html", "strijdtaal/page/worker.js"} <= set(names)
    run(uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(uv, "pip", "install", "--quiet", "--python", python, "-c", ROOT / "requirements.txt", wheel)
    installed = run(uv, "pip", "list", "--python", python, "--format", "json")
    assert not {"torch", "transformers", "datasets", "pydantic"} & {item["name"] for item in json.loads(installed)}
    article = ROOT / "seeds" / "articles" / "turkije-libie.txt"
    output = run(tmp_path / "venv" / "bin" / "strijdtaal", "predict", "--json", bundle, article, cwd=tmp_path)
    assert len(json.loads(output)) == 18
