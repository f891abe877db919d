"""Guards of the layout: what imports what, what is written down, what is committed."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(
        str(path.relative_to(ROOT)) for folder in ("eval", "models", "seeds") for path in (ROOT / folder).glob("*.md")
    ),
]
RUNTIME = ROOT / "models" / "strijdtaal"
EXTRAS = {"service": {"pydantic"}, "batch": {"pyarrow"}}  # what a folder of the runtime may import, of its extra
HEAVY = ("torch", "transformers", "datasets", "sklearn", "pyarrow", "pydantic")


def imported_names(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def loaded_after(statement):
    code = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in result.stdout.split()}


def test_runtime_imports_nothing_of_training_or_eval():
    for path in RUNTIME.rglob("*.py"):
        roots = {name.split(".")[0] for name in imported_names(path)}
        heavy = set(HEAVY) - EXTRAS.get(path.parent.name, set())
        assert not roots & {"training", "eval", *heavy}, path


def test_training_does_not_import_eval():
    for path in (ROOT / "training").rglob("*.py"):
        assert "eval" not in {name.split(".")[0] for name in imported_names(path)}, path


def test_importing_strijdtaal_and_its_classifier_loads_no_torch():
    assert not loaded_after("import strijdtaal, strijdtaal.cli") & {*HEAVY, "numpy", "onnxruntime"}
    assert not loaded_after("from strijdtaal import Classifier") & set(HEAVY)


@pytest.mark.parametrize("module", ["training.__main__", "eval.__main__", "training.settings"])
def test_doors_open_without_heavy_imports(module):
    assert not loaded_after(f"import {module}") & {"torch", "transformers", "datasets", "sklearn"}


def test_public_names_exist():
    import strijdtaal

    assert all(hasattr(strijdtaal, name) for name in strijdtaal.__all__)


def test_files_stay_small():
    for folder in ("training", "eval", "models/strijdtaal"):
        for path in (ROOT / folder).rglob("*.py"):
            assert len(path.read_text("utf-8").splitlines()) <= 300, path


def tracked_files():
    result = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return result.stdout.split("\n")


def test_no_pickle_is_committed():
    assert not [name for name in tracked_files() if re.search(r"\.(bin|pt|pth|pkl|pickle|joblib|npy|ckpt)$", name)]


def test_lock_files_hold_exact_versions_and_no_addresses():
    for path in ROOT.glob("requirements*.txt"):
        for line in path.read_text("utf-8").splitlines():
            assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line), f"{path.name}: {line}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_paths_and_commands_in_the_documents_exist(name):
    text = (ROOT / name).read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert target in targets, target
    from eval.__main__ import _parser as eval_parser
    from strijdtaal.cli import _parser as runtime_parser
    from training.__main__ import _parser as training_parser

    doors = {"python -m training": training_parser, "python -m eval": eval_parser, "strijdtaal": runtime_parser}
    for door, parser in doors.items():
        commands = set(next(action for action in parser()._actions if action.dest == "command").choices)
        for command in re.findall(rf"(?:^|`|\n|bin/){door} ([a-z]+)", text):
            assert command in commands, f"{door} {command}"
    for path in re.findall(r"`((?:seeds|configs|models|training|eval|tests|\.ci)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path
