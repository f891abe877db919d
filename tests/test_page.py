"""The page of the service in a real browser: what it shows, decides, takes along and says when something goes wrong."""

import csv
import io
import json
import re
import time

import pytest

from strijdtaal.labels import DUTCH, KEYS, LABELS
from strijdtaal.page import CONTENT_SECURITY_POLICY, assets
from strijdtaal.text import clean
from tests.browser import needs_browser
from tests.devtools import CTRL, SHIFT
from tests.page_probes import (
    CONTRAST,
    DONE,
    FOCUSED,
    REACHABLE,
    ROOT,
    SENTENCES,
    TEXTS,
    fill,
    label,
    shown,
    slide,
    text_of,
)

pytest_plugins = ("tests.page_fixtures",)

SHORT = {**DUTCH, "ceasefire_call": "oproep"}
ARTICLE = """Teheran dreigt de zeestraat te sluiten. Ankara stuurt pantserwagens naar het regeringsleger.

De colonne vertrok uit de stad terwijl de bisschop om een gevechtspauze smeekte. De regen hield drie dagen aan.
=Kop met een formule
Hulporganisaties 🕊️ eisen, "meteen", een einde aan de gevechten, zei dr. De Wit."""
CELLS = """[...document.querySelectorAll('tbody tr')].map((row) =>
  [...row.cells].map((cell) => cell.lastChild?.textContent ?? ''))"""


# ---- files ----


def test_assets_are_served_as_they_are_and_hold_nothing_inline(classifier):
    found = assets(classifier.contract)
    page = found["/"].content.decode()
    assert {"/page.js", "/page.css", "/worker.js", "/example.txt", "/abbreviations.txt", "/icon.svg"} <= set(found)
    assert f'content="{classifier.contract.sha256}"' in page
    assert "{sha256}" not in page
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=)|https?://", page)
    for path in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert path in found
    for path, asset in found.items():
        assert not re.search(rb"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", asset.content), path
        assert re.findall(rb"https?://(?!www\.w3\.org/2000/svg)", asset.content) == [], path
    assert "'unsafe-inline'" not in CONTENT_SECURITY_POLICY
    assert found["/page.js"].media_type == "text/javascript; charset=utf-8"


def test_the_example_is_the_seed_article(classifier):
    seed = (ROOT / "seeds" / "articles" / "turkije-libie.txt").read_bytes()
    assert assets(classifier.contract)["/example.txt"].content == seed


# ---- labelling ----


@needs_browser
def test_the_example_is_labelled_as_the_classifier_does(open_page, classifier):
    page = open_page()
    page.click("#example")
    page.wait("document.querySelector('#article').value")
    page.click("#run")
    page.wait(DONE)
    text = assets(classifier.contract)["/example.txt"].content.decode()
    expected = classifier.predict_article(text)
    found = page.run(SENTENCES)
    assert [item["text"] for item in found] == [clean(item.text) for item in expected]
    assert [item["tags"] for item in found] == [[SHORT[key] for key in item.labels] for item in expected]
    paragraphs = page.run(
        "[...document.querySelectorAll('#flow p')].map((p) => p.querySelectorAll('.sentence').length)"
    )
    assert paragraphs == [1, 1, 5, 2, 2, 3, 4]
    labelled = sum(bool(item.labels) for item in expected)
    assert text_of(page, "#status") == f"18 zinnen, waarvan {labelled} met een label."


@pytest.mark.slow
@needs_browser
def test_probabilities_stand_beside_the_sentence_that_is_pointed_at_and_in_the_table(open_page, classifier):
    page = open_page("#en")
    label(page, ARTICLE)
    expected = classifier.predict_article(ARTICLE)
    page.hover(".sentence[data-number='1'] .words")
    page.wait("document.querySelector('#details-title').textContent === 'Sentence 2 of 6'")
    values = page.run("[...document.querySelectorAll('#bars .row .value')].map((one) => one.textContent)")
    assert values == [f"{100 * expected[1].probabilities[key]:.1f}%" for key in KEYS]
    widths = page.run("[...document.querySelectorAll('#bars .fill')].map((one) => parseFloat(one.style.width))")
    assert widths == pytest.approx([100 * expected[1].probabilities[key] for key in KEYS], abs=0.01)
    page.click("[data-view=table]")
    rows = page.run(CELLS)
    assert [row[1] for row in rows] == [clean(item.text) for item in expected]
    assert [row[3:] for row in rows] == [[f"{100 * item.probabilities[key]:.1f}%" for key in KEYS] for item in expected]


@needs_browser
def test_a_threshold_decides_at_once_and_reset_takes_the_bundles_own(open_page, service, classifier):
    own = {key: round(0.2 + 0.1234 * number, 4) for number, key in enumerate(KEYS)}  # no slider stands on these
    labels = [
        {"key": item.key, "dutch": item.dutch, "english": item.english, "threshold": own[item.key]} for item in LABELS
    ]
    service.change = {"labels": labels}
    page = open_page()
    label(page, ARTICLE)
    expected = classifier.predict_article(ARTICLE)

    def tags(thresholds):
        return [[SHORT[key] for key in KEYS if item.probabilities[key] >= thresholds[key]] for item in expected]

    def counts():
        chips = page.run(
            "[...document.querySelectorAll('.chip')].map((one) => one.querySelector('.count').textContent)"
        )
        return [int(count) for count in chips]

    assert [item["tags"] for item in page.run(SENTENCES)] == tags(own)
    assert page.run("document.querySelector('#reset').disabled")
    for value in (0.01, 0.99, 0.5):
        slide(page, "threat", value)
        now = tags(own | {"threat": value})
        assert [item["tags"] for item in page.run(SENTENCES)] == now
        by_label = [sum(SHORT[key] in one for one in now) for key in KEYS]
        assert counts() == [len(expected), *by_label, sum(not one for one in now)]
    page.click("#reset")
    assert [item["tags"] for item in page.run(SENTENCES)] == tags(own)
    page.run("document.querySelector('#copy').click()")
    assert page.run("import('/state.js').then(({state}) => state.thresholds)") == own


@pytest.mark.slow
@needs_browser
def test_the_filter_dims_in_the_text_and_leaves_out_in_the_table(open_page, classifier):
    page = open_page()
    label(page, ARTICLE)
    expected = classifier.predict_article(ARTICLE)
    page.click(".chip[data-key=threat]")
    assert [item["dim"] for item in page.run(SENTENCES)] == ["threat" not in item.labels for item in expected]
    page.click(".chip[data-key='']")
    wanted = [not item.labels or "threat" in item.labels for item in expected]
    assert [not item["dim"] for item in page.run(SENTENCES)] == wanted
    assert text_of(page, "#status") == f"{sum(wanted)} van 6 zinnen getoond."
    page.click("[data-view=table]")
    numbers = page.run("[...document.querySelectorAll('tbody td.number')].map((one) => Number(one.textContent))")
    assert numbers == [number for number, keep in enumerate(wanted, 1) if keep]
    page.click(".chip:not([data-key])")
    assert page.run("document.querySelectorAll('tbody tr').length") == 6


@pytest.mark.slow
@needs_browser
def test_what_is_taken_along(open_page, chromium, service, classifier, tmp_path):
    page = open_page()
    label(page, ARTICLE)
    slide(page, "support", 0.99)
    permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    chromium.call("Browser.grantPermissions", permissions=permissions, browserContextId=page.context)
    page.click("#copy")
    page.wait("document.querySelector('#export-note').textContent.startsWith('Gekopieerd: 6 zinnen')")
    copied = json.loads(page.run("navigator.clipboard.readText()"))
    thresholds = classifier.contract.thresholds_by_key | {"support": 0.99}
    expected = [item.as_dict() for item in classifier.predict_article(ARTICLE)]
    for item in expected:
        item["labels"] = [key for key in KEYS if item["probabilities"][key] >= thresholds[key]]
    assert copied["predictions"] == expected
    assert list(copied["predictions"][0]) == list(expected[0])
    assert copied["thresholds"] == thresholds
    assert copied["sha256"] == classifier.contract.sha256

    place = {"behavior": "allow", "downloadPath": str(tmp_path), "browserContextId": page.context}
    chromium.call("Browser.setDownloadBehavior", **place)
    for button in ("#save-json", "#save-csv"):
        page.click(button)
        name = f"strijdtaal.{button.removeprefix('#save-')}"
        deadline = time.monotonic() + 20
        while not (tmp_path / name).exists() and time.monotonic() < deadline:
            chromium.read(0.02)
    assert json.loads((tmp_path / "strijdtaal.json").read_text("utf-8")) == copied
    raw = (tmp_path / "strijdtaal.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfnumber,start,end,labels,threat,")
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    assert [row["labels"].split() for row in rows] == [item["labels"] for item in expected]
    assert [float(row["threat"]) for row in rows] == [item["probabilities"]["threat"] for item in expected]
    assert [row["text"] for row in rows] == [
        ("'" if item["text"][0] == "=" else "") + item["text"] for item in expected
    ]


@pytest.mark.slow
@needs_browser
def test_decisions_at_the_threshold_and_cells_that_a_spreadsheet_would_run(open_page):
    page = open_page()
    script = "labelsOf({a: 0.5, b: 0.4999999, c: 1}, ['c', 'b', 'a'], {a: 0.5, b: 0.5, c: 0.99})"
    assert page.run(f"import('/decide.js').then(({{labelsOf}}) => {script})") == ["c", "a"]
    cells = ["=1+1", "+31", "-x", "@sum", "\tx", "\r=1", " =1", "\u00a0=1", "＝1", "|calc", 'a"b,c', "gewoon", 0.5]
    found = page.run(f"import('/decide.js').then(({{cell}}) => {json.dumps(cells)}.map(cell))")
    guarded = [f"'{value}" for value in cells[:10]]
    guarded[5] = '"\'\r=1"'
    assert found == [*guarded, '"a""b,c"', "gewoon", "0.5"]


# ---- languages ----


@needs_browser
def test_both_languages_say_everything(open_page, service):
    page = open_page()
    words = page.run("import('/words.js').then(({WORDS}) => WORDS)")
    assert list(words["nl"]) == list(words["en"])
    places = {name: {key: set(re.findall(r"{\w+}", text)) for key, text in words[name].items()} for name in words}
    assert places["nl"] == places["en"]
    same = {words["nl"][key] for key in words["nl"] if words["nl"][key] == words["en"][key]}
    assert same == {"Model", "labels", "{value}, {count}"}

    service.change = {"in_browser": True, "quantized": True}
    page = open_page()
    label(page, ARTICLE)
    page.click(".sentence[data-number='0']")
    for view in ("article", "table"):
        page.click(f"[data-view={view}]")
        texts = {}
        for language in ("nl", "en"):
            page.click(f"[data-language={language}]")
            assert page.run("[document.documentElement.lang, location.hash]") == [language, f"#{language}"]
            texts[language] = set(page.run(TEXTS))
        assert texts["nl"] & texts["en"] - same == {"strijdtaal", "Nederlands", "English"}
        assert len(texts["nl"]) > 40
    assert page.run("document.querySelector('#flow').lang") == "nl"  # the article stays Dutch
    assert page.run("document.cookie") == ""
    assert page.run("localStorage.length") == 0
    page.go(service.address + "#en")
    page.wait("document.querySelector('#model').textContent.includes('codebook')")


# ---- hostile text ----


@pytest.mark.slow
@needs_browser
def test_hostile_text_stays_text(open_page, classifier, service):
    page = open_page()
    text = (
        "<script>alert(1)</script> <img src=x onerror=alert(1)> zei hij. \"'`${1}\\u003cb> & &lt;b&gt;.\n"
        "\u202eOmgekeerd Ankara stuurt wapens.\u202c Het \ud83d half paar. 😀 Regen\u0000 en wind.\n\n"
        "<!-- </p></span></textarea> --> {n} {sentences}.\n"
    )
    fill(page, text)
    text = page.run("document.querySelector('#article').value").replace("\ud83d ", "\ufffd ")
    label(page, text)
    expected = classifier.predict_article(text)
    assert [item["text"] for item in page.run(SENTENCES)] == [clean(item.text) for item in expected]
    assert page.run("document.querySelectorAll('#flow :is(script, img, b), #table :is(script, img, b)').length") == 0
    assert page.run("import('/state.js').then(({state}) => state.result.sentences.map((one) => one.text))") == [
        item.text for item in expected
    ]
    page.click("[data-view=table]")
    assert page.run("getComputedStyle(document.querySelector('td.words')).unicodeBidi") == "isolate"
    label(page, "\u200b \u00ad \u2060")
    assert shown(page, "#none")
    assert text_of(page, "#status") == "0 zinnen, waarvan 0 met een label."
    label(page, " \n\t ")
    assert text_of(page, "#error-text").startswith("Er staat nog geen tekst.")
    assert len([path for method, path, _ in service.log if method == "POST"]) == 2


@needs_browser
@pytest.mark.slow
def test_a_hundred_kilobytes_stay_usable(open_page, classifier):
    page = open_page()
    text = "\n\n".join(f"Teheran dreigt op dag {number}. Het regende in Goma." for number in range(2200))
    assert len(text) > 100_000
    label(page, text)
    assert page.run("document.querySelectorAll('.sentence').length") == 4400
    start = time.monotonic()
    slide(page, "threat", 0.01)
    assert page.run("document.querySelectorAll('.sentence.labelled').length") >= 4000
    assert time.monotonic() - start < 5
    page.run("document.querySelector('#article').value = 'a'.repeat(200001)")
    page.run("document.querySelector('#article').dispatchEvent(new Event('input'))")
    assert page.run("document.querySelector('#counter').className") == "soft over"
    page.run("document.querySelector('#run').click()")
    page.wait("!document.querySelector('#error').hidden")
    assert text_of(page, "#error-text").startswith(
        "De tekst heeft 200.001 tekens; de dienst neemt er hoogstens 200.000."
    )


# ---- what goes wrong ----

BAD = json.dumps(
    {"predictions": [{"text": "x", "labels": [], "probabilities": dict.fromkeys(KEYS, 0.1), "start": 0, "end": 1}]}
)
REFUSALS = [
    ((429, {"Retry-After": "7"}, b"{}"), "De dienst is bezig met ander werk. Probeer het over 7 s opnieuw.", True),
    (
        (503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"{}"),
        "De dienst is bezig met ander werk. Probeer het over 1 s",
        True,
    ),
    ((413, {}, b'{"error": "Too large."}'), "De tekst is te lang voor de dienst.", False),
    ((422, {}, b'{"error": "Text holds <b>half</b> a pair."}'), "De dienst kan deze tekst niet verwerken.", False),
    ((504, {}, b""), "De dienst had te veel tijd nodig", True),
    ((500, {}, b"oops"), "Er ging iets mis bij de dienst (HTTP 500).", True),
    (
        (200, {"Content-Type": "application/json"}, b'{"predictions": [{"te'),
        "Het antwoord van de dienst is niet te begrijpen",
        True,
    ),
    (
        (200, {"Content-Type": "application/json"}, BAD.encode()),
        "Het antwoord van de dienst is niet te begrijpen",
        True,
    ),
    ("break", "De dienst is niet te bereiken.", True),
]


@pytest.mark.slow
@needs_browser
def test_refusals_are_said_in_words_and_can_be_tried_again(open_page, service):
    page = open_page()
    for answer, message, again in REFUSALS:
        service.refuse["/predict_article"] = answer
        label(page, "Ankara stuurt wapens.")
        assert text_of(page, "#error-text").startswith(message)
        assert shown(page, "#again") is again, message
        assert page.run("document.querySelector('#results').hidden")
        assert page.run("document.querySelector('#error').getAttribute('role')") == "alert"
        if answer[0] == 422:
            assert text_of(page, "#error-detail") == "Text holds <b>half</b> a pair."
    service.refuse.clear()
    page.click("#again")
    page.wait("!document.querySelector('#results').hidden")
    assert not shown(page, "#error")
    assert all("Failed to load resource" in error for error in page.errors)
    page.errors.clear()


@pytest.mark.slow
@needs_browser
def test_a_key_is_asked_for_and_kept_in_memory_only(open_page, service):
    service.key = "geheim"
    page = open_page()
    assert shown(page, "#key-field")
    assert page.run(FOCUSED)["name"] == "key"
    assert text_of(page, "#error-text") == "De dienst vraagt om een sleutel. Vul die hierboven in."
    for key, message in (("fout", "De dienst aanvaardt deze sleutel niet."), ("geheim", "")):
        page.run(f"document.querySelector('#key').value = {key!r}")
        page.press("Enter")
        page.wait(f"document.querySelector('#error-text').textContent.startsWith({message!r})")
    page.wait("document.querySelector('#model').textContent && document.querySelector('#error').hidden")
    label(page, "Ankara stuurt wapens.")
    assert page.run("document.querySelectorAll('.sentence').length") == 1
    kept = page.run("document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + location.href")
    assert "geheim" not in kept
    assert page.run("document.querySelector('#key').type") == "password"
    page.errors.clear()  # the two answers with 401


@pytest.mark.slow
@needs_browser
def test_without_settings_or_network_the_page_says_so_and_recovers(open_page, service):
    service.refuse["/settings"] = "break"
    page = open_page()
    assert text_of(page, "#error-text").startswith("De dienst is niet te bereiken.")
    service.refuse.clear()
    page.click("#again")
    page.wait("document.querySelector('#model').textContent")
    assert not shown(page, "#error")
    page.errors.clear()


@pytest.mark.slow
@needs_browser
def test_a_service_with_another_bundle_by_now_is_noticed(open_page, service):
    page = open_page()
    label(page, ARTICLE)
    labels = [{**label_, "threshold": 0.0001} for label_ in service.settings()["labels"]]
    service.change = {"labels": labels, "sha256": "f" * 64}
    page.run("document.querySelector('#run').click()")
    page.wait("document.querySelector('#model').textContent.includes('ffffffffffff')")
    page.wait("document.querySelectorAll('.sentence.labelled').length === 6")
    wrong = service.answer("/predict_article", json.dumps({"text": ARTICLE}).encode()).content.replace(
        b'["threat", ', b"["
    )
    service.refuse["/predict_article"] = (200, {"Content-Type": "application/json"}, wrong)
    page.run("document.querySelector('#run').click()")
    page.wait("!document.querySelector('#error').hidden")
    assert text_of(page, "#error-text").startswith("Het antwoord van de dienst is niet te begrijpen")


@pytest.mark.slow
@needs_browser
def test_work_can_be_stopped(open_page, service):
    page = open_page()
    service.gate.clear()
    page.run(
        "(document.querySelector('#article').value = 'Ankara stuurt wapens.', document.querySelector('#run').click())"
    )
    page.wait("document.querySelector('#cancel').checkVisibility()")
    assert text_of(page, "#status") == "De zinnen worden gelabeld …"
    assert page.run("document.querySelector('#run').disabled")
    page.click("#cancel")
    page.wait("!document.querySelector('#run').disabled")
    assert text_of(page, "#status") == "Gestopt."
    assert not shown(page, "#cancel")


# ---- for everybody ----


@pytest.mark.slow
@needs_browser
def test_everything_works_from_the_keyboard(open_page):
    page = open_page()
    page.run("document.querySelector('#article').focus()")
    fill(page, ARTICLE)
    page.press("Enter", CTRL)
    page.wait(DONE)
    slide(page, "threat", 0.5)  # so that Reset can be pressed
    page.run("document.activeElement.blur()")
    count, reached = page.run(f"{REACHABLE}.length"), {}
    for _ in range(count + 2):  # the browser's own bar, and the start of the page
        page.press("Tab")
        focused = page.run(FOCUSED)
        if focused["place"] >= 0:
            assert focused["outline"] >= 2, focused
            assert focused["inside"], focused
            reached[focused["place"]] = focused["name"]
    assert sorted(reached) == list(range(count)), reached
    page.run("document.querySelector('.sentence').focus()")
    for key, number in (("ArrowRight", 2), ("End", 6), ("ArrowUp", 5), ("Home", 1), ("ArrowLeft", 1)):
        page.press(key)
        assert text_of(page, "#details-title") == f"Zin {number} van 6"
    for key, pressed in (("Enter", "true"), (" ", "false"), (" ", "true"), ("Escape", "false")):
        page.press(key)
        assert page.run("document.activeElement.getAttribute('aria-pressed')") == pressed
    page.press("Tab", SHIFT)
    assert page.run("document.activeElement.dataset.key") == ""
    page.press(" ")
    assert page.run("document.activeElement.getAttribute('aria-pressed')") == "true"
    page.run("document.querySelector('#threshold-threat').focus()")
    page.press("ArrowRight")
    assert page.run("import('/state.js').then(({state}) => state.thresholds.threat)") == pytest.approx(0.51)
    assert page.run("document.activeElement.getAttribute('aria-valuetext')").startswith("51%, ")


@pytest.mark.slow
@needs_browser
def test_every_control_has_a_name_and_results_are_announced(open_page, service):
    service.change = {"in_browser": True, "quantized": True}
    page = open_page()
    label(page, ARTICLE)
    page.run("document.querySelector('#key-field').hidden = false")
    page.click(".sentence[data-number='0']")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    controls = {"button", "textbox", "slider", "switch", "combobox", "checkbox", "image", "group", "region", "table"}
    named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    found = [(role, name) for role, name in named if role in controls]
    assert {"button", "textbox", "slider", "switch", "combobox", "image", "group", "region"} <= {
        role for role, _ in found
    }
    assert [role for role, name in found if not name.strip()] == []
    assert page.run("document.querySelector('#status').getAttribute('role')") == "status"
    described = page.run("document.querySelector('.sentence').getAttribute('aria-describedby')")
    assert page.run(f"document.getElementById('{described}').textContent.includes('%')")


@pytest.mark.slow
@needs_browser
def test_contrast_is_enough_by_day_and_by_night(open_page, service):
    service.change = {"in_browser": True, "quantized": True}
    page = open_page()
    label(page, ARTICLE)
    for key in KEYS:
        slide(page, key, 0.01)
    page.click(".sentence[data-number='0']")

    def check():
        for scheme in ("light", "dark"):
            page.colours(scheme)
            found = page.run(CONTRAST)
            assert found["faults"] == [], scheme
            assert found["seen"] > 50
            background = page.run("getComputedStyle(document.body).backgroundColor")
            assert (sum(map(int, re.findall(r"\d+", background))) < 150) is (scheme == "dark")

    check()
    page.click(".chip[data-key='']")  # everything is dimmed
    assert {item["dim"] for item in page.run(SENTENCES)} == {True}
    check()
    page.click("[data-view=table]")
    page.click(".chip:not([data-key])")
    page.run("document.querySelector('#key-field').hidden = false")
    service.refuse["/predict_article"] = (422, {}, b'{"error": "No."}')
    label(page, "Ankara stuurt wapens.")
    page.wait("!document.querySelector('#error').hidden")
    check()
    page.errors.clear()


@pytest.mark.slow
@needs_browser
def test_no_width_makes_the_page_scroll_sideways(open_page, service):
    service.change = {"in_browser": True, "quantized": True}
    page = open_page()
    label(page, ARTICLE + f"\n\nOorlogs{'a' * 400} is een lang woord.")
    for width in (320, 360, 768, 1900):
        page.resize(width, 740)
        for view in ("article", "table"):
            page.run(f"document.querySelector('[data-view={view}]').click()")
            for language in ("en", "nl"):
                page.run(f"document.querySelector('[data-language={language}]').click()")
                widths = page.run("[innerWidth, document.documentElement.scrollWidth, document.body.scrollWidth]")
                assert max(widths) == width, (view, language)
        page.run("document.querySelector('[data-view=article]').click()")
        page.click(".sentence[data-number='1']")
        assert shown(page, "#bars")
        assert page.run("document.querySelector('#bars').getBoundingClientRect().bottom <= innerHeight")
        page.click("#unpin")
        assert shown(page, "#bars") is (width > 992)
