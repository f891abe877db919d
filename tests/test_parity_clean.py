"""Clean-up in JavaScript is the clean-up in Python, and the npm lock file names exact versions and no addresses."""

import json
import random
import re
import subprocess
import sys
import unicodedata

import pytest

from eval.parity.javascript import FOLDER, PACKAGE
from eval.parity.sentences import HARD
from strijdtaal.text import clean
from tests.javascript import need

CLEAN = """
import { text } from "node:stream/consumers";
import { clean } from "./strijdtaal.mjs";
process.stdout.write(JSON.stringify(JSON.parse(await text(process.stdin)).map(clean)));
"""


def in_javascript(texts):
    need("node")
    command = ["node", "--input-type=module", "-e", CLEAN]
    done = subprocess.run(
        command, input=json.dumps(texts), cwd=FOLDER, capture_output=True, encoding="utf-8", timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def known(character):
    """Assigned in Python's version of Unicode; Node may know later characters, and their compositions."""
    return unicodedata.category(character) != "Cn"


def test_every_character_is_cleaned_up_alike():
    texts = [f" a{character}b {character}" for character in map(chr, range(sys.maxunicode + 1)) if known(character)]
    assert in_javascript(texts) == [clean(text) for text in texts]


def test_mixtures_are_cleaned_up_alike():
    odd = "aZ é\u0308\u0301\u0327o\u200b\u200d\ufeff\u00ad\u202e\t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u2028\u3000\x00각ᄀ🕊"
    odd += "\ud83d"  # half of a pair
    draw = random.Random(7)
    texts = [*HARD, *("".join(draw.choices(odd, k=draw.randrange(40))) for _ in range(5000))]
    cleaned = in_javascript(texts)
    assert cleaned == [clean(text) for text in texts]
    assert in_javascript(cleaned) == cleaned


def test_lock_file_holds_exact_versions_and_no_addresses():
    text = (FOLDER / "package-lock.json").read_text("utf-8")
    assert "resolved" not in text
    assert "://" not in text
    packages = json.loads(text)["packages"]
    wanted = json.loads((FOLDER / "package.json").read_text("utf-8"))["dependencies"]
    assert packages[""]["dependencies"] == wanted
    assert packages[f"node_modules/{PACKAGE}"]["version"] == wanted[PACKAGE]
    for name, entry in packages.items():
        if name:
            assert re.fullmatch(r"\d+\.\d+\.\d+(-[\w.-]+)?", entry["version"]), name
            assert entry["integrity"].startswith("sha512-"), name


@pytest.mark.parametrize("name", ["strijdtaal.mjs", "node.mjs", "page.mjs", "page.html"])
def test_scripts_name_no_address(name):
    assert "://" not in (FOLDER / name).read_text("utf-8")
