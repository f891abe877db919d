"""The pages in a real browser: filters, sorting, keyboard, narrow screens, hostile text, no network."""

import json
from dataclasses import replace

import numpy as np
import pytest

from eval.compare import compare, write_comparison
from eval.pages import shortened
from eval.predictions import Predictions, write_predictions
from strijdtaal.labels import KEYS
from strijdtaal.text import clean
from tests.browser import in_two_languages, needs_browser, outside, probe, quiet

pytestmark = needs_browser

SENTENCES = 120
HOSTILE = [
    "</title><script>alert(1)</script><img src=x onerror=alert(2)>",
    '=HYPERLINK("http://example.org","klik")',
    "w" * 20_000,
    "\u202eomgekeerd\u202c en \u2066terug\u2069",
    "\"' onfocus=alert(3) autofocus x='\" {{ 7 * 7 }} &lt;b&gt; </td></table></textarea>",
    "</script></style><svg onload=alert(4)>",
]


def predictions(system, seed, texts, split="test"):
    """Twelve articles of ten sentences; the annotations are always the same, the errors drawn by ``seed``."""
    gold = (np.random.default_rng(0).random((SENTENCES, len(KEYS))) < 0.3).astype(float)
    wrong = np.random.default_rng(seed).random(gold.shape) < 0.2
    return Predictions(
        system=system,
        split=split,
        threshold=0.5,
        ids=[f"s{number}" for number in range(SENTENCES)],
        articles=[f"a{number // 10}" for number in range(SENTENCES)],
        texts=texts,
        gold=gold,
        probabilities=np.where(wrong, 1 - gold, gold) * 0.8 + 0.1,
    )


def comparison(folder, *items):
    """Path of the compare page of ``items``, and the values that it shows."""
    paths = []
    for number, item in enumerate(items):
        paths.append(str(folder / f"{number}.parquet"))
        write_predictions(folder / f"{number}.parquet", item)
    write_comparison(compare(paths, split=items[0].split), folder / "out")
    values = json.loads((folder / "out" / "comparison.json").read_text("utf-8"))
    return folder / "out" / "compare.html", values


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory):
    """Three systems: two pairs, so two tables of sentences on one page."""
    texts = [f"Zin {number:03d} over {'Één vallei' if number % 4 == 0 else 'de kust'}." for number in range(SENTENCES)]
    items = [predictions(name, seed, texts) for seed, name in enumerate(("first", "second", "third"), start=1)]
    return comparison(tmp_path_factory.mktemp("ordinary"), *items)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    texts = [HOSTILE[number % len(HOSTILE)] for number in range(SENTENCES)]
    items = [predictions(f"{seed} {HOSTILE[seed]}", seed, texts, split=HOSTILE[0]) for seed in (0, 2)]
    return comparison(tmp_path_factory.mktemp("hostile"), *items)


def labels(row):
    """What the label filter may be set to for a row to stay: its labels, those decided differently, none annotated."""
    differs = {f"differs:{key}" for key in {*row["first"]} ^ {*row["second"]}}
    return {*row["gold"], *row["first"], *row["second"], *differs, *(() if row["gold"] else ("none",))}


FILTERS = """
const [browser, other] = $$(".browser");
const [kind, label, search] = $$(".kind, .label, .search", browser);
const texts = () => shown("tbody tr", browser).map((row) => row.cells[0].textContent);
const state = () => [texts(), $$(".count", browser)[0].textContent];
const states = {start: state()};
for (const value of ["gained", "lost"]) { put(kind, value); states[value] = state(); }
put(kind, "");
for (const option of label.options) { put(label, option.value); states["label " + option.value] = state(); }
put(label, "threat"); put(kind, "gained"); put(search, "  ÉÉN vallei ");
states.all = state();
put(search, "geen zin heeft dit");
states.nothing = state();
put(kind, ""); put(label, ""); put(search, "");
states.end = state();
return {states, other: shown("tbody tr", other).length};
"""


def test_filters_show_exactly_the_rows_they_name(ordinary):
    page, values = ordinary
    flips = values["pairs"][0]["flips"]
    result = quiet(probe(page, FILTERS))
    expected = {
        "start": flips,
        "gained": [row for row in flips if row["gained"]],
        "lost": [row for row in flips if not row["gained"]],
        "label ": flips,
        **{
            f"label {key}": [row for row in flips if key in labels(row)]
            for key in (*KEYS, *(f"differs:{key}" for key in KEYS), "none")
        },
        "all": [row for row in flips if row["gained"] and KEYS[0] in labels(row) and "Één vallei" in row["text"]],
        "nothing": [],
        "end": flips,
    }
    assert {name: len(rows) for name, rows in expected.items() if not rows} == {"nothing": 0}  # every filter is tried
    assert result["states"] == {
        name: [[row["text"] for row in rows], f"{len(rows)} of {len(flips)} sentences"]
        for name, rows in expected.items()
    }
    assert result["other"] == len(values["pairs"][1]["flips"])  # the second table keeps its own filters


SORTING = """
const browser = $$(".browser")[0];
const heads = $$("thead th", browser);
const state = () => ({
  order: shown("tbody tr", browser).map((row) => row.cells[0].textContent),
  column: (number) => shown("tbody tr", browser).map((row) => row.cells[number].textContent.trim()),
  sort: heads.map((head) => head.getAttribute("aria-sort")),
});
const states = [state()];
put($$(".kind", browser)[0], "gained");
for (const column of [0, 0, 1, 1]) {
  $$("button", heads[column])[0].click();
  states.push({...state(), cells: state().column(column)});
}
put($$(".kind", browser)[0], "");
states.push(state());
return states;
"""


def test_a_click_on_a_head_sorts_by_it_and_a_second_turns_it_round(ordinary):
    page, values = ordinary
    flips = values["pairs"][0]["flips"]
    gained = sorted(row["text"] for row in flips if row["gained"])
    start, down, up, column_down, column_up, end = quiet(probe(page, SORTING))
    assert start["sort"] == [None] * 5
    assert start["order"] == [row["text"] for row in flips]
    assert (down["order"], down["sort"]) == (gained[::-1], ["descending", *[None] * 4])
    assert (up["order"], up["sort"]) == (gained, ["ascending", *[None] * 4])
    for state, name in ((column_down, "descending"), (column_up, "ascending")):
        assert state["sort"] == [None, name, None, None, None]
        assert sorted(state["order"]) == gained
        runs = [cell for place, cell in enumerate(state["cells"]) if state["cells"][place - 1] != cell or not place]
        assert len(runs) == len(set(runs)) > 3  # equal cells stand together
    assert column_down["cells"] == column_up["cells"][::-1] != column_up["cells"]
    assert len(end["order"]) == len(flips)  # sorting loses no row that a filter hides


def test_controls_are_native_named_and_reached_by_keyboard(ordinary):
    result = quiet(probe(ordinary[0]))
    assert result["strangers"] == []
    assert all(control["reached"] and control["name"] for control in result["controls"]), result["controls"]
    assert sorted(control["tag"] for control in result["controls"]) == ["BUTTON"] * 11 + ["INPUT"] * 2 + ["SELECT"] * 4
    assert result["heads"] == result["headButtons"] == 10
    assert ".controls, .language" in result["hiddenInPrint"]


def test_typing_keys_does_not_break_the_page(ordinary):
    script = """
    for (const key of ["Tab", "Enter", " ", "Escape"]) $$("button, select, input").forEach((one) => press(one, key));
    return shown(".browser tbody tr").length;
    """
    page, values = ordinary
    assert quiet(probe(page, script)) == sum(len(pair["flips"]) for pair in values["pairs"])


def test_scores_and_verdicts_are_on_the_page(ordinary):
    script = 'return [$$(".verdict").map((one) => one.innerText), $$("table")[0].innerText, document.title];'
    page, values = ordinary
    verdicts, scores, title = quiet(probe(page, script))
    assert verdicts == [clean(pair["verdict"]) for pair in values["pairs"]]
    for system in values["systems"]:
        assert f"{system['name']}\t{system['macro_f1']:.3f}\t{system['micro_f1']:.3f}" in scores
    assert title == "strijdtaal: comparison on test"


def test_hostile_text_is_shown_as_text_and_runs_nothing(hostile):
    script = """
    const search = $$(".search")[0];
    const all = shown("td.text").map((cell) => cell.textContent);
    put(search, "<SCRIPT>alert(1)");
    const found = shown("td.text").length;
    const widths = $$("td.text").map((cell) => cell.getBoundingClientRect().width);
    put(search, "");
    for (const button of $$("th button")) button.click();
    return {
      all, found, children: $$("td.text *").length, drawn: $$("svg").length,
      foreign: $$("img, textarea, b b, :not(figure) > svg, svg script, svg image, foreignObject").length,
      scripts: $$("script").length, handlers: $$("[onerror], [onload], [onfocus], [autofocus]").length,
      title: document.title, names: $$("table")[0].innerText, widest: Math.max(...widths),
      dutch: ($$(".language")[0].click(), document.title), legend: $$("svg text").map((one) => one.textContent),
    };
    """
    page, values = hostile
    result = quiet(probe(page, script))
    flips = [row["text"] for row in values["pairs"][0]["flips"]]
    assert set(flips) == {shortened(text) for text in HOSTILE}
    assert result["all"] == [clean(text) for text in flips]
    assert result["found"] == flips.count(HOSTILE[0]) > 0
    assert (result["children"], result["foreign"], result["handlers"]) == (0, 0, 0)
    assert result["scripts"] == 3  # the page's own, and the two of the probe
    assert result["title"] == f"strijdtaal: comparison on {HOSTILE[0]}"
    assert result["dutch"] == f"strijdtaal: vergelijking op {HOSTILE[0]}"
    assert result["drawn"] == 4
    assert any("</title><script>" in text for text in result["legend"])
    assert HOSTILE[0] in result["names"]
    assert result["widest"] <= 1200  # the long word is broken


@pytest.mark.parametrize("width", [360, 768])
@pytest.mark.parametrize("kind", ["ordinary", "hostile"])
@pytest.mark.slow
def test_no_width_makes_the_page_scroll_sideways(request, kind, width):
    page, _ = request.getfixturevalue(kind)
    result = quiet(probe(page, width=width))
    assert result["inner"] == width
    assert result["scroll"] <= width + 1


@pytest.mark.slow
def test_two_systems_that_agree_leave_an_empty_table_that_works(tmp_path):
    item = predictions("first", 1, [f"Zin {number}." for number in range(SENTENCES)])
    page, _ = comparison(tmp_path, item, replace(item, system="second"))
    script = 'for (const button of $$("button")) button.click(); return $$(".count")[0].textContent;'
    assert quiet(probe(page, script)) == "0 van 0 zinnen"  # the button of the language is one of them


@pytest.mark.parametrize("width", [1200, 360])
def test_the_comparison_switches_to_dutch_and_back(ordinary, width):
    english, dutch = in_two_languages(ordinary[0], width)
    assert english["title"] == "strijdtaal: comparison on test"
    assert dutch["title"] == "strijdtaal: vergelijking op test"
    heads = {"Comparison on test": "Vergelijking op test", "difference": "verschil", "exact match": "precies goed"}
    heads |= {"second minus first": "second min first", "shift": "verschuiving", "sentence": "zin"}
    assert set(heads) <= set(english["heads"])
    assert set(heads.values()) <= set(dutch["heads"])
    assert len(english["heads"]) == len(dutch["heads"])
    assert any(head.split() == ["dreiging", "threat"] for head in english["heads"])  # labels in both, in both
    assert any(head.split() == ["dreiging", "threat"] for head in dutch["heads"])
    assert (english["options"], dutch["options"]) == ("all", "alle")
    assert english["groups"][:2] == ["annotated or said", "decided differently"]
    assert dutch["groups"][:2] == ["geannoteerd of gezegd", "verschillend beslist"]
    assert english["counts"][0].replace(" of ", " van ").replace("sentences", "zinnen") == dutch["counts"][0]
    for one, other in zip(english["drawings"], dutch["drawings"], strict=True):
        assert one != other
        assert " of each label" not in other


@pytest.mark.slow
def test_an_address_opens_the_page_in_dutch(ordinary):
    script = 'return [document.documentElement.lang, $$("h1")[0].innerText, $$(".verdict")[0].innerText];'
    language, title, verdict = quiet(probe(ordinary[0], script, fragment="#nl"))
    assert (language, title) == ("nl", "Vergelijking op test")
    assert verdict == clean(ordinary[1]["pairs"][0]["verdict_nl"])
    assert quiet(probe(ordinary[0], script, fragment="#elsewhere"))[0] == "en"


def test_flips_are_sorted_by_the_shift_of_probability(ordinary):
    script = """
    const head = $$(".browser thead th")[3];
    $$("button", head)[0].click();
    const browser = head.closest(".browser");
    return shown("tbody tr", browser).map((row) => [row.cells[3].textContent, row.cells[4].textContent]);
    """
    page, values = ordinary
    rows = quiet(probe(page, script))
    shifts = {row["id"]: f"{100 * row['shift']:.0f}%" for row in values["pairs"][0]["flips"]}
    assert {name: shift for shift, name in rows} == shifts
    numbers = [int(shift.rstrip("%")) for shift, _ in rows]
    assert numbers == sorted(numbers, reverse=True)


@pytest.mark.parametrize("kind", ["ordinary", "hostile"])
def test_nothing_in_the_source_loads_anything(request, kind):
    assert outside(request.getfixturevalue(kind)[0]) == []


def test_the_probe_itself_sees_errors_dialogs_requests_and_strangers(tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        """<!doctype html><html><head><style>
        @import "a.css"; p{background:url(http://127.0.0.1:9/b)} b{background:url("data:,")}</style></head>
        <body><p style="width:3000px">tekst</p><img src="http://127.0.0.1:9/x.png"><a href="http://127.0.0.1:9/">x</a>
        <div id="d" tabindex="-1">knop</div><button></button>
        <script>document.querySelector("#d").addEventListener("click", () => {}); console.error("one"); alert("two");
        Promise.reject(new Error("three")); fetch("http://127.0.0.1:9/y").catch(() => {}); missing();</script>
        </body></html>""",
        "utf-8",
    )
    found = probe(page, width=360)
    for what in ("one", "three", "missing is not defined", "x.png"):
        assert any(what in error for error in found["errors"]), (what, found["errors"])
    assert found["alerts"] == ["two"]
    assert {"http://127.0.0.1:9/x.png", "http://127.0.0.1:9/y"} <= set(found["requests"])
    assert "knop" in found["result"]["strangers"][0]
    assert found["result"]["scroll"] >= 3000
    assert found["result"]["hiddenInPrint"] == []
    assert [control["name"] for control in found["result"]["controls"]] == ["x", ""]
    assert sorted(outside(page)) == [
        "<a href=http://127.0.0.1:9/>",
        "<img src=http://127.0.0.1:9/x.png>",
        "@import",
        "fetch(",
        "url(http://127.0.0.1:9/b",
    ]
    with pytest.raises(AssertionError, match="nowhere is not defined"):
        probe(page, "return nowhere;")
