"""The page computing by itself: its text functions against Python's, transformers.js, the real service."""

import json
import os
import re
import subprocess
import sys
import time
import unicodedata
import urllib.request
from collections import defaultdict

import pytest

from strijdtaal import Classifier
from strijdtaal import text as python_text
from strijdtaal.labels import KEYS
from strijdtaal.text import clean, sentence_spans
from tests.browser import needs_browser
from tests.page_probes import DONE, ROOT, fill, label, shown, text_of

pytest_plugins = ("tests.page_fixtures",)
pytestmark = needs_browser

HARD = [
    "",
    " \t\n ",
    "  Dat\u00a0zei   hij\u200b.\r\n",
    "cafe\u0301 e\u0301e\u0301n \u1e9b\u0323 \u212b \ufb01",  # NFC, not NFKC
    "\ufeffkop\u2028regel\u2029alinea\u3000\u205f\u202f\u1680",
    "\u0000\u0007\u000b\u000c\u001c\u001d\u001e\u001f\u0085\u0080 x",
    "a\u00adf\u200cb\u200dr\u200e\u200fe\u202ak\u202ee\u2060n\u2066!\u2069\u061c",
    "\ud800half \udc00paar\udfff 😀\U0001d11e",
    "👩\u200d👩\u200d👧 zwaaien",
    "\u1100\u1161\u11a8 \u09c7\u09be \u0f71\u0f72",
    "İstanbul ıı ß ﬀ Ǆ",
]
LAYOUTS = [
    "Kop\nEerste zin van het stuk.\nTweede.\n\n\nSlot",
    "Deze regel is afgebroken door een programma dat regels breekt op een vaste\nbreedte en gaat hier verder.",
    "Deze regel is lang genoeg om afgebroken te zijn, zonder dat er een punt op\nRusland volgde.",
    "Kort\nmaar loopt door. \r\n \t \u00a0 \nEen nieuwe.",
    "“Kom”, zei\n\u1d43 \n\n \x1c\n😀 Klaar zonder punt, in veertig tekens 😀😀😀😀😀😀\nDat was het.",
]


def module(page, name, script):
    """The value of ``script`` (an expression over ``m``) with the page's module ``name``."""
    return page.run(f"import('/{name}.js').then((m) => {script})")


def spans_of(page, texts):
    """Sentences of the browser, as code point offsets."""
    script = f"""{json.dumps(texts)}.map((text) => {{
      const points = t.toPoints(text);
      return m.sentenceSpans(text, m.titlesOf(a)).map(([start, end]) => [points(start), points(end)]);
    }})"""
    parts = "[import('/split.js'), import('/text.js'), fetch('/abbreviations.txt').then((answer) => answer.text())]"
    return [
        [tuple(span) for span in spans] for spans in page.run(f"Promise.all({parts}).then(([m, t, a]) => {script})")
    ]


# ---- the same text functions ----


def test_clean_and_offsets_are_those_of_python(open_page):
    page = open_page()
    known = [chr(code) for code in range(0x30000) if unicodedata.category(chr(code)) != "Cn"]  # of Python's Unicode
    every = ["|".join(known[start : start + 200]) for start in range(0, len(known), 200)]
    found = module(page, "text", f"{json.dumps(HARD + every)}.map(m.clean)")
    assert found == [clean(text) for text in HARD + every]

    text = "a😀b\U0001d11ec é😀"
    units = [len(text[:point].encode("utf-16-le")) // 2 for point in range(len(text) + 1)]
    both = f"((text) => [{units}.map(m.toPoints(text)), {list(range(len(text) + 1))}.map(m.toUnits(text))])"
    assert module(page, "text", f"{both}({json.dumps(text)})") == [list(range(len(text) + 1)), units]
    assert module(page, "text", f"{json.dumps([*HARD, text])}.map(m.codePoints)") == [
        len(item.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")) for item in [*HARD, text]
    ]
    wellformed = module(page, "text", f"{json.dumps(HARD)}.map(m.wellFormed)")
    assert wellformed == [re.sub("[\ud800-\udfff]", "\ufffd", item) for item in HARD]


def test_paragraphs_are_those_of_python_and_titles_end_no_sentence(open_page):
    page = open_page()
    script = (
        f"""{json.dumps(LAYOUTS)}.map((text) => m.paragraphs(text).map(([start, end]) => text.slice(start, end)))"""
    )
    expected = [[text[start:end] for start, end in python_text._paragraphs(text)] for text in LAYOUTS]
    assert module(page, "split", script) == expected
    seed = (ROOT / "seeds" / "articles" / "turkije-libie.txt").read_text("utf-8")
    texts = [*LAYOUTS[:4], "Volgens dr. De Wit is, o.a. Goma gevallen. Hij bleef. 😀 En nu?", " \u200b\n", seed]
    assert spans_of(page, texts) == [sentence_spans(text) for text in texts]


@pytest.mark.slow
def test_sentences_end_where_the_service_ends_them_nearly_always(open_page):
    articles = defaultdict(list)
    for path in sorted((ROOT / "seeds" / "annotations").glob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            articles[row["article"]].append(row["text"])
    texts = [" ".join(sentences) for sentences in articles.values()]
    expected = [set(sentence_spans(text)) for text in texts]
    found = [set(spans) for spans in spans_of(open_page(), texts)]
    same = sum(len(one & other) for one, other in zip(found, expected, strict=True))
    assert same / sum(map(len, expected)) >= 0.97


# ---- transformers.js ----


def local(page, text):
    page.run("document.querySelector('#in-browser').checked = true")
    label(page, text)


@pytest.mark.slow
def test_computed_in_the_browser_the_probabilities_are_the_classifiers(open_page, service, libraries, classifier):
    page = open_page()
    assert shown(page, "#local")
    long = "De colonne trok " + "verder en verder " * 80 + "weg."
    text = (ROOT / "seeds" / "articles" / "turkije-libie.txt").read_text(
        "utf-8"
    ) + f"\n\n{long} Cafe\u0301 😀\u00ad dicht."
    assert max(map(len, classifier.encode([long]))) == classifier.contract.max_length
    local(page, text)
    assert not shown(page, "#error"), page.run("document.querySelector('#error').innerText")
    assert shown(page, "#local-note")
    result = json.loads(
        page.run(
            "Promise.all([import('/state.js'), import('/decide.js')]).then(([s, d]) =>"
            " d.asJson(s.state.result, s.decisions(), s.state.settings, s.state.thresholds))"
        )
    )
    assert result["computed"] == "browser"
    found = result["predictions"]
    assert [item["text"] for item in found] == [text[item["start"] : item["end"]] for item in found]
    assert len(found) == 20
    for item, said in zip(found, classifier.predict([item["text"] for item in found]), strict=True):
        assert item["labels"] == said.labels
        assert item["probabilities"] == pytest.approx(said.probabilities, abs=1e-4)
    paths = [path for _, path, _ in service.log]
    assert [method for method, _, _ in service.log if method != "GET"] == []
    assert all(body == b"" for _, _, body in service.log)
    assert paths.count("/bundle/onnx/model.onnx") == 1
    before = len(paths)
    label(page, "Ankara stuurt wapens.")  # the model is there already
    page.wait("document.querySelectorAll('.sentence').length === 1")
    assert [path for _, path, _ in service.log[before:]] == []


@pytest.mark.slow
def test_the_smaller_model_gives_what_it_gives_in_python(open_page, service, libraries, bundle):
    if not service.settings()["quantized"]:
        pytest.skip("this bundle holds no 8-bit model")
    page = open_page()
    assert shown(page, "#precision")
    page.run("document.querySelector('#precision').value = 'q8'")
    local(page, "Teheran dreigt de zeestraat te sluiten. Ankara stuurt pantserwagens naar het regeringsleger.")
    assert not shown(page, "#error"), page.run("document.querySelector('#error').innerText")
    found = page.run("import('/state.js').then((m) => m.state.result.sentences.map((one) => one.said))")
    small = Classifier.load(bundle, precision="int8")
    for item, said in zip(found, small.predict([item["text"] for item in found]), strict=True):
        assert item["probabilities"] == pytest.approx(said.probabilities, abs=2e-2)
    paths = [path for _, path, _ in service.log]
    assert "/bundle/onnx/model_quantized.onnx" in paths
    assert "/bundle/onnx/model.onnx" not in paths


@pytest.mark.slow
def test_a_model_that_cannot_be_trusted_computes_nothing(open_page, service, libraries, bundle):
    golden = json.loads((bundle / "golden.json").read_text("utf-8"))
    golden[0]["probabilities"][KEYS[0]] += 0.001
    ids = json.loads((bundle / "golden.json").read_text("utf-8"))
    ids[0]["input_ids"][1] += 1
    json_type = {"Content-Type": "application/json"}
    cases = [
        (
            {"/bundle/golden.json": (200, json_type, json.dumps(golden).encode())},
            "Dit model geeft in deze browser andere",
        ),
        ({"/bundle/golden.json": (200, json_type, json.dumps(ids).encode())}, "Deze browser leest de proefzinnen"),
        ({"/bundle/onnx/model.onnx": (200, {}, b"garbage")}, "Het model is in deze browser niet te laden."),
        ({"/transformers/transformers.min.js": (404, {}, b"")}, "transformers.js is niet te laden."),
        ({}, "De dienst heeft intussen een ander model."),
    ]
    page = open_page()
    for refuse, message in cases:
        service.refuse = refuse
        service.change = {} if refuse else {"sha256": "f" * 64}
        local(page, "Ankara stuurt wapens.")
        assert text_of(page, "#error-text").startswith(message)
        assert page.run("document.querySelector('#results').hidden")
    assert [method for method, _, _ in service.log if method == "POST"] == []
    service.reset()
    page.click("#again")
    page.wait("!document.querySelector('#results').hidden")
    page.errors.clear()


@pytest.mark.slow
def test_a_key_opens_the_bundle_and_work_in_the_browser_can_be_stopped(open_page, service, libraries):
    page = open_page()
    service.key = "geheim"
    page.run("document.querySelector('#key').value = 'geheim'")
    fill(page, "Ankara stuurt wapens. " * 3000)
    page.run("document.querySelector('#in-browser').checked = true")
    page.run("document.querySelector('#run').click()")
    page.wait("document.querySelector('#status').textContent.includes('van 3.000 zinnen berekend')")
    assert shown(page, "#progress")
    page.click("#cancel")
    page.wait("!document.querySelector('#run').disabled")
    assert text_of(page, "#status") == "Gestopt."
    local(page, "Ankara stuurt wapens.")
    page.wait("document.querySelectorAll('.sentence').length === 1")


# ---- the real service ----

SERVE = """
import argparse, sys
from strijdtaal.service import command
parser = argparse.ArgumentParser()
command.add_parser(parser.add_subparsers())
command.run(parser.parse_args(sys.argv[1:]))
"""


@pytest.fixture
def address(bundle, libraries):
    """The address of the real service."""
    command = [sys.executable, "-c", SERVE, "serve", str(bundle), "--port", "0", "--transformers-js", str(libraries)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "models"), "STRIJDTAAL_API_KEY": "geheim"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    found = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())[0] + "/"
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{found}ready", timeout=5).close()
            break
        except OSError:  # it loads the model first
            assert time.monotonic() < deadline, f"{found} is not ready"
            time.sleep(0.05)
    yield found
    process.terminate()
    assert "Traceback" not in process.communicate(timeout=30)[1]


@pytest.mark.slow
def test_the_real_service_serves_the_page_both_ways(address, chromium, classifier):
    expected = classifier.predict_article((ROOT / "seeds" / "articles" / "turkije-libie.txt").read_text("utf-8"))
    labels = [[key for key in KEYS if key in item.labels] for item in expected]
    given = "import('/state.js').then((m) => m.decisions())"
    page = chromium.page(address)
    page.wait("document.querySelector('#error-text').textContent.startsWith('De dienst vraagt om een sleutel')")
    page.errors.clear()  # the 401
    page.run("document.querySelector('#key').value = 'geheim'")
    page.press("Enter")
    page.wait("document.querySelector('#model').textContent")
    page.click("#example")
    page.wait("document.querySelector('#article').value")
    for switched in (False, True):
        page.run(f"document.querySelector('#in-browser').checked = {str(switched).lower()}")
        page.run("document.querySelector('#run').click()")
        page.wait(DONE)
        assert not shown(page, "#error"), page.run("document.querySelector('#error').innerText")
        assert page.run(given) == labels
        assert shown(page, "#local-note") is switched
    assert page.errors == []
    assert [one for one in page.requests if not one[1].startswith(address)] == []
    assert [method for method, _ in page.requests if method == "POST"] == ["POST"]
    page.close()
