"""Licences: nothing that binds by copyleft, nothing unknown, and what a bundle says of it."""

import json
import re
from importlib import metadata
from pathlib import Path

import pytest

from eval import licences
from eval.licences import BASE, EXCEPTIONS, LicenceError, Package, check, closure, is_copyleft, licence_of, requirements
from eval.notices import bundle_licences
from strijdtaal.errors import UsageError
from training.run import open_run

ROOT = Path(__file__).resolve().parent.parent

# Packages of the lock of eval/javascript that are not only under permissive licences. They are pictures' libraries
# that transformers.js asks for; the comparison of loaders runs without a picture, and nothing of it is shipped.
JAVASCRIPT_EXCEPTIONS = re.compile(r"node_modules/@img/sharp-(libvips-\w+-\w+|wasm32|win32-\w+)")


def locked():
    names = {}
    for path in sorted(ROOT.glob("requirements*.txt")):
        for line in path.read_text("utf-8").splitlines():
            names.setdefault(line.split("==")[0], path.name)
    return names


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", False),
        ("BSD License", False),
        ("Apache License, Version 2.0", False),
        ("MIT OR GPL-2.0-only", False),
        ("MIT AND GPL-2.0-only", True),
        ("GPL-3.0-or-later", True),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", False),
        ("AGPL-3.0-only", True),
        ("LGPL-2.1-or-later", True),
        ("(MIT OR LGPL-3.0-only) AND AGPL-3.0-only", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("GNU Lesser General Public License v2 or later (LGPLv2+)", True),
        ("MPL-2.0", False),
    ],
)
def test_copyleft_is_recognised(licence, expected):
    assert is_copyleft(licence) is expected


def test_no_locked_package_is_copyleft_or_of_unknown_licence():
    for name, where in locked().items():
        licence, expression = licence_of(name)
        assert licence, f"{where}: {name} has no known licence"
        assert not is_copyleft(expression or licence), f"{where}: {name} is under {licence}"


def test_no_locked_javascript_package_is_copyleft_but_those_explained():
    for path in ROOT.glob("eval/**/package-lock.json"):
        if "node_modules" in path.relative_to(ROOT).parts:
            continue
        for name, entry in json.loads(path.read_text("utf-8"))["packages"].items():
            licence = entry.get("license", "")
            assert licence, f"{name} has no known licence"
            assert not re.search(r"(^|[^L])A?GPL", licence), f"{name} is under {licence}"
            assert not is_copyleft(licence) or (entry.get("optional") and JAVASCRIPT_EXCEPTIONS.fullmatch(name)), name


def test_exceptions_are_needed_and_explained():
    for name, (licence, reason) in EXCEPTIONS.items():
        assert name in locked()
        assert len(reason) > 20
        about = metadata.metadata(name)
        assert about.get("License-Expression") != licence, f"{name} says it by itself now"


def test_closure_is_what_the_lock_of_the_runtime_holds():
    lock = {line.split("==")[0] for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()}
    packages = closure(requirements()[BASE])
    assert set(packages) <= lock
    assert {"numpy", "onnxruntime", "tokenizers", "syntok", "protobuf", "huggingface-hub"} <= set(packages)
    assert set(packages["tokenizers"].requires) == {"huggingface-hub"}
    assert not set(packages) & {"torch", "transformers"}


def test_extras_of_a_requirement_are_followed():
    assert "pandas" not in closure(["ray>=2"])
    assert "pandas" in closure(["ray[data]>=2"])


def test_missing_package_is_named():
    with pytest.raises(UsageError, match="no-such-package is not installed"):
        closure(["no-such-package>=1"])


def test_faults_come_all_at_once_with_exit_code_1():
    bad = [Package("one", "1", "GPL-3.0-only", "GPL-3.0-only", ""), Package("two", "2", "", "", "")]
    with pytest.raises(
        LicenceError, match=r"(?s)2 dependencies.*one 1: GPL-3.0-only would bind.*two 2: no licence"
    ) as error:
        check([*bad, Package("three", "3", "MIT", "MIT", "")])
    assert error.value.exit_code == 1


def test_command_prints_tables(capsys, tmp_path):
    import argparse

    parser = argparse.ArgumentParser()
    licences.add_parser(parser.add_subparsers())
    licences.run(parser.parse_args(["licences", "--extra", "score"]))
    output = capsys.readouterr().out
    assert output.startswith("## score (besides the runtime)\n\n| package | version | licence |\n")
    assert "| pyarrow |" in output
    assert "| numpy |" not in output
    with pytest.raises(UsageError, match="No extra is called 'scoer'"):
        licences.run(parser.parse_args(["licences", "--extra", "scoer"]))


def test_notice_of_a_bundle(run_folder):
    text = bundle_licences(open_run(run_folder))
    assert "licence of the encoder is not known" in text  # the encoder of the tests has no card
    assert "CC-BY-4.0" in text
    assert "Apache License\n                           Version 2.0" in text
    for name, item in closure(requirements()[BASE]).items():
        assert f"| {name} | {item.version} | {item.licence} |" in text
