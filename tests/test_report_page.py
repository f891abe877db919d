"""Report and leaderboard of a run in a real browser: languages, filters, shading, narrow screens, no network."""

import numpy as np
import pytest

from eval.gather import predictions_of
from eval.leaderboard import leaderboard, write_leaderboard
from strijdtaal.labels import KEYS
from tests.browser import in_two_languages, needs_browser, outside, probe, quiet
from training.run import open_run

pytestmark = needs_browser


@pytest.mark.parametrize("width", [1200, 360])
def test_report_of_a_run_works_in_a_browser(run_folder, width):
    page = run_folder / "report" / "report.html"
    assert outside(page) == []
    seen = probe(page, width=width)
    assert not seen["errors"] + seen["alerts"] + seen["requests"] + seen["result"]["strangers"]
    assert seen["result"]["scroll"] <= seen["result"]["inner"] + 1
    assert all(control["reached"] and control["name"] for control in seen["result"]["controls"])


@pytest.mark.parametrize("width", [1200, 360])
def test_the_report_switches_to_dutch_and_back(run_folder, width):
    english, dutch = in_two_languages(run_folder / "report" / "report.html", width)
    assert english["title"] == dutch["title"] == "strijdtaal: tiny"
    assert {"Training, epoch by epoch", "outcome"} <= {*english["heads"]}
    assert {"Training, epoch voor epoch", "uitkomst", "Van kansen naar labels", "Deelgroepen, test"} <= {
        *dutch["heads"]
    }
    same = {head for head in english["heads"] if head in dutch["heads"]}
    words = {word for head in same for word in head.split()}
    assert not words & {"sentences", "threshold", "rule", "share", "annotated", "interval", "case", "system", "by"}
    assert (english["options"], dutch["options"]) == ("wrong only", "alleen fout")


def test_the_leaderboard_switches_to_dutch_and_back(run_folder, tmp_path):
    write_leaderboard(leaderboard(run_folder.parent), tmp_path / "page.html")
    assert outside(tmp_path / "page.html") == []
    english, dutch = in_two_languages(tmp_path / "page.html", 360)
    assert {"Runs on test", "seconds"} <= {*english["heads"]}
    assert {"Runs op test", "seconden"} <= {*dutch["heads"]}
    assert any(head.split() == ["dreiging", "threat"] for head in english["heads"])


def test_sentences_of_a_report_are_filtered_and_sorted(run_folder):
    script = """
      const browser = $$(".browser")[0];
      const label = $$(".label", browser).find((one) => one.tagName === "SELECT");
      const rows = () => shown("tbody tr", browser).map((row) => row.cells[row.cells.length - 1].textContent);
      const every = $$("tbody tr", browser).length;
      const states = {wrong: rows()};
      put(browser.querySelector(".kind"), "");
      states.all = rows();
      for (const option of label.options) { put(label, option.value); states[option.value] = rows(); }
      put(label, "");
      const heads = $$("thead button", browser);
      heads[2].click();
      const threat = shown("tbody tr", browser).map((row) => parseFloat(row.cells[2].textContent));
      return {every, states, threat, plots: $$("figure svg").length, marks: $$("td.text mark", browser).length};
    """
    found = quiet(probe(run_folder / "report" / "report.html", script))
    item = predictions_of(open_run(run_folder))["test"]["encoder"]
    gold, said = item.gold >= 0.5, item.decided >= 1
    ids = np.array(item.ids)
    expected = {"wrong": ids[(gold != said).any(axis=1)], "all": ids, "": ids, "none": ids[~gold.any(axis=1)]}
    for column, key in enumerate(KEYS):
        yes, given = gold[:, column], said[:, column]
        expected |= {key: ids[yes | given], f"missed:{key}": ids[yes & ~given], f"extra:{key}": ids[~yes & given]}
    assert found["states"] == {name: rows.tolist() for name, rows in expected.items()}
    assert found["every"] == len(ids)
    assert found["threat"] == sorted(found["threat"], reverse=True)
    assert found["plots"] >= 7  # one of them the training
    assert found["marks"] > 0


def test_the_report_says_how_many_sentences_are_shaded(run_folder):
    script = """
      const browser = $$(".browser")[0];
      const words = shown(".soft", browser).map((one) => one.innerText).find((text) => text.startsWith("Shaded"));
      const wrong = $$("tbody tr[data-kind=wrong]", browser);
      const named = (rows) => rows.filter((row) => row.querySelector(".outcome small")).length;
      return {words, wrong: wrong.length, shaded: named(wrong), right: named($$("tr[data-kind=right]", browser))};
    """
    found = quiet(probe(run_folder / "report" / "report.html", script))
    assert found["shaded"] == found["wrong"]  # a small model explains every error
    assert (
        f"{found['shaded']} of the {found['wrong']} wrong sentences here, and {found['right']} right ones"
        in (found["words"])
    )
