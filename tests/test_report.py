"""The report: predictions files of all systems -> one table, one JSON file, one page that is safe to open."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from eval.__main__ import _parser, _report
from eval.gather import SYSTEMS, predictions_of, read_all
from eval.intervals import EACH, WHOLE
from eval.metrics import score
from eval.pages import plain
from eval.predictions import KIND as PREDICTIONS
from eval.predictions import Predictions, write_predictions
from eval.report import (
    _html,
    _sentences,
    build,
    draw,
    evaluate_predictions,
    table,
    write_report,
)
from eval.sections import slices
from strijdtaal.errors import DataError, StrijdtaalError, UsageError
from strijdtaal.folder import FolderError, write_folder
from strijdtaal.labels import KEYS
from training.decision import fixed_decision
from training.records import Record
from training.run import KIND, open_run, write_json
from training.settings import DEFAULT

SPLITS = ("validation", "test", "held_out")
METRICS = {
    "thresholds": dict.fromkeys(KEYS, 0.5),
    "decision": fixed_decision(0.5).as_dict(),
    "best_epoch": 2,
    "epochs": [{"epoch": 1, "loss": 0.5, "macro_f1": 0.4, "train_loss": 0.6}],
}
DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def system_says(system, split, articles=12, texts=None):
    """Invented sentences; every system has the same ones, and its own probabilities."""
    articles = 1 if split == "held_out" else articles
    generator = np.random.default_rng(SPLITS.index(split))
    count = articles * 4
    gold = (generator.random((count, len(KEYS))) < 0.4).astype(float)
    noise = np.random.default_rng([SYSTEMS.index(system), SPLITS.index(split)]).random(gold.shape)
    return Predictions(
        system=system,
        split=split,
        threshold=0.5,
        ids=[f"{split}-{number:03d}" for number in range(count)],
        articles=[f"{split}-{number // 4}" for number in range(count)],
        texts=list(texts or []) + [f"Zin {number} over het front." for number in range(len(texts or []), count)],
        gold=gold,
        probabilities=np.clip(0.4 * gold + 0.6 * noise, 0, 1),
    )


def write_all(folder, systems=SYSTEMS, splits=SPLITS, **options):
    folder.mkdir(parents=True, exist_ok=True)
    for split in splits:
        for system in systems:
            write_predictions(folder / f"{system}-{split}.parquet", system_says(system, split, **options))
    return folder


def rewrite(folder, system, split, **changes):
    write_predictions(folder / f"{system}-{split}.parquet", replace(system_says(system, split), **changes))


def make_run(tmp_path, name="proef", **options):
    """A finished and scored run, with a stand-in for the model file that no test here loads."""
    folder = tmp_path / name
    with write_folder(folder, KIND) as work:
        # annotations that are gone: the report does without what only they could tell
        config = DEFAULT.read_text("utf-8").replace("[seeds/annotations]", "[weg.jsonl]")
        (work / "config.yaml").write_text(config, "utf-8")
        (work / "model").mkdir()
        (work / "model" / "model.safetensors").write_bytes(b"weights")
        counts = {split: {"sentences": 48, "articles": 12} for split in SPLITS}
        sizes = {key: value for key, value in options.items() if key == "articles"}
        ids = {split: system_says("encoder", split, **sizes).ids for split in SPLITS}
        fingerprints = {"data_fingerprint": "d" * 64, "split_fingerprint": "5" * 64}
        write_json(work / "data.json", {**fingerprints, "counts": counts, "ids": ids})
        write_json(work / "metrics.json", METRICS)
        write_json(work / "environment.json", {"commit": "c" * 40})
    score_again(folder, **options)
    return folder


def score_again(folder, then=lambda predictions: None, **options):
    """Write and seal the predictions of a run; ``then`` may change them before."""
    sha256 = open_run(folder).model_sha256
    with write_folder(folder / "predictions", PREDICTIONS, replace=True, model_sha256=sha256) as work:
        write_all(work, **options)
        then(work)


class Page(HTMLParser):
    """Tags, attributes, cells and the title of a page, as a browser would read them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.cells, self.words = [], [], [], {"title": "", "h1": ""}
        self.inside = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag in {"td", "title", "h1"}:
            self.inside = tag
            if tag == "td":
                self.cells.append("")

    def handle_endtag(self, tag):
        if tag == self.inside:
            self.inside = None

    def handle_data(self, data):
        if self.inside == "td":
            self.cells[-1] += data
        elif self.inside:
            self.words[self.inside] += data


def english(text):
    """A page in its one language, for reading cells: the page itself holds both and shows one."""
    return re.sub(r'<(span|p)\b[^>]*class="[^"]*\bnl\b[^"]*"[^>]*>.*?</\1>', "", text, flags=re.DOTALL)


def cells_of(text):
    """The cells of a page's tables in English, without the white space of the source."""
    return [" ".join(cell.split()) for cell in Page(english(text)).cells]


def page_of(folder):
    run = open_run(folder)
    return html_of(build(run), run)


def html_of(report, run):
    return _html(report, draw(report, predictions_of(run)["test"]["encoder"]))


def test_predictions_are_read_in_the_order_of_the_report(tmp_path):
    found = read_all(write_all(tmp_path / "predictions"))
    assert tuple(found) == SPLITS
    for systems in found.values():
        assert tuple(systems) == SYSTEMS
    assert found["test"]["tfidf"].system == "tfidf"


def test_a_run_with_only_the_encoder_on_test_can_be_read(tmp_path):
    found = read_all(write_all(tmp_path, systems=["encoder"], splits=["test"]))
    assert {split: list(systems) for split, systems in found.items()} == {"test": ["encoder"]}


@pytest.mark.parametrize("missing", ["all", "encoder"])
def test_a_run_that_was_not_scored_is_refused_with_the_command_to_score_it(tmp_path, missing):
    if missing == "encoder":
        write_all(tmp_path)
        (tmp_path / "encoder-test.parquet").unlink()
    with pytest.raises(DataError, match="python -m eval score RUN") as caught:
        read_all(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("split", ["validation", "held_out"])
def test_a_split_that_only_the_baselines_scored_is_refused(tmp_path, split):
    run = make_run(tmp_path)
    score_again(run, lambda work: (work / f"encoder-{split}.parquet").unlink())
    with pytest.raises(DataError, match=split):
        write_report(run)
    assert not (run / "report").exists()


def other_ids(item):
    return {"ids": ["vreemd", *item.ids[1:]]}


def other_gold(item):
    gold = item.gold.copy()
    gold[0, 0] = 1 - gold[0, 0]
    return {"gold": gold}


def other_articles(item):
    return {"articles": item.ids}


def test_rows_in_another_order_are_put_in_order(tmp_path):
    folder = write_all(tmp_path / "predictions")
    item = system_says("tfidf", "test")
    names = ("ids", "articles", "texts")
    turned = {name: getattr(item, name)[::-1] for name in names}
    rewrite(folder, "tfidf", "test", **turned, gold=item.gold[::-1], probabilities=item.probabilities[::-1])
    read = read_all(folder)["test"]["tfidf"]
    assert all(getattr(read, name) == getattr(item, name) for name in names)
    np.testing.assert_array_equal(read.probabilities, item.probabilities)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_ids, r"tfidf speaks of other sentences than encoder: 1 are missing \(first: test-000\)"),
        (other_gold, "tfidf: the annotation of sentence test-000 differs from that of encoder"),
        (other_articles, "tfidf: the article of sentence test-000 differs from that of encoder"),
    ],
)
def test_systems_that_speak_of_different_sentences_are_refused_by_name(tmp_path, change, message):
    folder = write_all(tmp_path / "predictions")
    rewrite(folder, "tfidf", "test", **change(system_says("tfidf", "test")))
    with pytest.raises(DataError, match=message):
        read_all(folder)


def test_a_system_with_fewer_sentences_is_refused(tmp_path):
    folder = write_all(tmp_path / "predictions")
    write_predictions(folder / "keywords-test.parquet", system_says("keywords", "test", articles=11))
    with pytest.raises(DataError, match=r"keywords speaks of other sentences than encoder: 4 are missing"):
        read_all(folder)


def test_a_damaged_file_is_refused_by_name(tmp_path):
    folder = write_all(tmp_path / "predictions")
    (folder / "majority-validation.parquet").write_bytes(b"kapot")
    with pytest.raises(DataError, match=re.escape("majority-validation.parquet")):
        read_all(folder)


def test_the_values_are_those_of_the_metrics_with_intervals_around_them():
    item = system_says("encoder", "test")
    result = evaluate_predictions(item)
    expected = score(item.gold, item.probabilities >= 0.5, item.probabilities)
    for name in ("macro_f1", "micro_f1", "exact_match", "macro_average_precision"):
        assert result[name] == pytest.approx(expected[name], abs=1e-6)
    assert (result["sentences"], result["articles"], result["thresholds"]) == (48, 12, [0.5] * 4)
    found = [(result, name) for name in WHOLE]
    found += [(result["labels"][key], name) for key in KEYS for name in EACH]
    for entry, name in found:
        low, high = entry[f"{name}_interval"]
        assert low <= entry[name] <= high, name
        assert low < high, name


def test_the_threshold_of_the_file_decides():
    item = system_says("encoder", "test")
    result = evaluate_predictions(replace(item, threshold=0.2))
    assert sum(result["labels"][key]["predicted"] for key in KEYS) == (item.probabilities >= 0.2).sum()


def test_what_is_undefined_is_null_in_valid_json():
    item = system_says("encoder", "test")
    gold, probabilities = item.gold.copy(), item.probabilities.copy()
    gold[:, 2] = probabilities[:, 2] = 0
    result = evaluate_predictions(replace(item, gold=gold, probabilities=probabilities))
    entry = json.loads(json.dumps(result, allow_nan=False))["labels"]["retreat"]
    assert [entry[name] for name in ("precision", "recall", "f1", "average_precision")] == [None] * 4
    assert all(entry[f"{name}_interval"] == [None, None] for name in EACH)
    assert entry["undefined_draws"] == {}
    assert (entry["gold"], entry["predicted"]) == (0, 0)


def test_the_terminal_table_has_a_row_a_system_in_aligned_columns(tmp_path):
    report = build(open_run(make_run(tmp_path)))
    *lines, last = table(report, "test").splitlines()
    assert last.startswith("seed ensemble: n/a, this is one seed; python -m eval ladder")
    assert [line.split("  ")[0] for line in lines] == [
        "system",
        "majority (no label)",
        "keyword rule",
        "static embeddings + logistic regression",
        "TF-IDF + logistic regression",
        "fine-tuned encoder",
    ]
    start = lines[0].index("macro-F1")
    for line, system in zip(lines[1:], SYSTEMS, strict=True):
        result = report["results"]["test"][system]
        assert line[start : start + 5] == f"{result['macro_f1']:.3f}"
        assert line.split()[-4:] == [f"{result['labels'][key]['f1']:.3f}" for key in KEYS]


def test_the_terminal_table_shows_n_a_for_what_is_undefined(tmp_path):
    run = make_run(tmp_path)
    nothing = np.zeros_like(system_says("encoder", "held_out").gold)

    def without_labels(work):
        for system in SYSTEMS:
            rewrite(work, system, "held_out", gold=nothing, probabilities=nothing)

    score_again(run, without_labels)
    rows = table(build(open_run(run)), "held_out").splitlines()[1:]
    for row in rows:
        # macro-F1, its interval, micro-F1, and the four labels; the empty sets are all right.
        assert row.split()[-8:] == ["n/a", "n/a", "n/a", "1.000", *["n/a"] * 4]
    assert "nan" not in "".join(rows)


@pytest.mark.slow
def test_the_page_shows_n_a_for_what_is_undefined(tmp_path):
    run = make_run(tmp_path)

    def without_retreats(work):
        for system in SYSTEMS:
            item = system_says(system, "test")
            gold, probabilities = item.gold.copy(), item.probabilities.copy()
            gold[:, 2] = probabilities[:, 2] = 0
            rewrite(work, system, "test", gold=gold, probabilities=probabilities)

    score_again(run, without_retreats)
    cells = cells_of(page_of(run))
    by_label = cells[cells.index("terugtrekking · retreat") :]
    assert by_label[2:10] == ["n/a"] * 6 + ["0", "0"]
    assert not {"nan", "None", "null"} & {cell.strip() for cell in cells}


def test_one_article_has_values_but_no_interval_on_the_page(tmp_path):
    run = open_run(make_run(tmp_path))
    report = build(run)
    result = report["results"]["held_out"]["encoder"]
    assert result["articles"] == 1
    assert result["macro_f1"] is not None
    assert result["macro_f1_interval"] == [None, None]
    text = html_of(report, run)
    assert text.count("Fewer than 10 articles: no intervals") == 1
    cells = cells_of(text)
    macro, micro = [number for number, cell in enumerate(cells) if cell == "fine-tuned encoder"][-2:]
    assert cells[macro + 2] == "n/a"
    assert cells[micro + 1] == f"{result['micro_f1']:.3f}"


def test_the_page_shows_the_interval_of_every_figure(tmp_path):
    run = open_run(make_run(tmp_path))
    report = build(run)
    cells = cells_of(html_of(report, run))

    def shown(entry, name):
        low, high = entry[f"{name}_interval"]
        mark = " *" if name in entry.get("undefined_draws", {}) else ""
        return f"{entry[name]:.3f} {low:.3f}–{high:.3f}{mark}"

    for split in ("validation", "test"):
        for result in report["results"][split].values():
            for name in set(WHOLE) - {"macro_f1"}:
                assert shown(result, name) in cells
            low, high = result["macro_f1_interval"]
            place = cells.index(f"{low:.3f}–{high:.3f}")  # in a column of its own
            assert cells[place - 1] == f"{result['macro_f1']:.3f}"
    for entry in report["results"]["test"]["encoder"]["labels"].values():
        for name in EACH:
            assert shown(entry, name) in cells
    for entry in report["parts"]["calibration"]["after"]["labels"].values():
        assert shown(entry, "brier") in cells
        assert shown(entry, "ece") in cells


@pytest.mark.slow
def test_an_interval_that_does_without_some_draws_says_so(tmp_path):
    run = make_run(tmp_path)
    item = system_says("encoder", "test")
    gold = item.gold.copy()
    gold[1:, 2], gold[0, 2] = 0, 1  # one retreat in one article of twelve: missing from a third of the draws

    def one_retreat(work):
        for system in SYSTEMS:
            rewrite(work, system, "test", gold=gold)

    score_again(run, one_retreat)
    run = open_run(run)
    report = build(run)
    entry = report["results"]["test"]["encoder"]["labels"]["retreat"]
    assert entry["undefined_draws"]["average_precision"] == pytest.approx((11 / 12) ** 12, abs=0.05)
    assert None not in entry["average_precision_interval"]
    share = f"undefined in {100 * entry['undefined_draws']['average_precision']:.1f}% of the draws"
    text = html_of(report, run)
    assert any(name == "title" and share in value for name, value in Page(text).attributes)
    low, high = entry["average_precision_interval"]
    marked = f"{entry['average_precision']:.3f} {low:.3f}–{high:.3f} *"
    assert marked in cells_of(text)


@pytest.mark.slow
def test_years_have_a_table_of_their_own_and_no_place_in_the_plot(tmp_path):
    run = open_run(make_run(tmp_path))
    report, item = build(run), system_says("encoder", "test")
    assert "By year" not in html_of(report, run)  # the annotations are gone, and their dates with them
    fields = [{"article": item.articles[n], "date": f"{1970 + n // 40}-05-22"} for n in range(len(item.ids))]
    records = [Record(id=key, index=n, text=item.texts[n], labels=(), **fields[n]) for n, key in enumerate(item.ids)]
    report["parts"]["slices"] = plain(slices(item, records))
    text = english(html_of(report, run))
    details = [part.split("</details>")[0] for part in text.split("<details>")]
    years = next(part for part in details if "By year" in part)
    assert "(2)</summary>" in years
    cells = cells_of(years)
    start = cells.index("1970")
    assert cells[start + 1 : start + 3] == ["40", "10"]
    assert cells[cells.index("1971") + 1 : cells.index("1971") + 3] == ["8", "2"]
    assert "n/a" in cells[cells.index("1971") + 3]
    assert "fewer than 10 articles: no interval" in cells[-1]
    others = next(part for part in details if "As a table" in part)
    assert "decade: 1970s" in cells_of(others)
    assert "year" not in " ".join(cells_of(others))
    plot = next(part for part in text.split("<figure>") if "macro-F1 with 95% interval" in part)
    assert "1970s" in plot
    assert not re.search(r"year|1971", plot.split("</figure>")[0])


HOSTILE = [
    "<script>alert(1)</script>",
    '"onmouseover="alert(1)',
    "' onmouseover='alert(1)",
    "<img src=x onerror=alert(1)>",
    "</td></table><h1>vals</h1>",
    "</script><script>alert(1)</script>",
    "&lt;b&gt; {{ 7*7 }} {% raw %}",
    "<!-- ]]> -->",
]


@pytest.mark.slow
def test_hostile_sentences_stay_text(tmp_path):
    harmless = Page(page_of(make_run(tmp_path / "a")))
    page = Page(page_of(make_run(tmp_path / "b", texts=[*HOSTILE[:4]])))
    assert page.tags == harmless.tags
    assert {name for name, _ in page.attributes} == {name for name, _ in harmless.attributes}
    page = Page(page_of(make_run(tmp_path / "c", splits=["validation", "test"], texts=HOSTILE)))
    for text in HOSTILE:
        assert text in page.cells
    assert page.tags.count("script") == 1


@pytest.mark.slow
def test_a_hostile_run_name_stays_text(tmp_path):
    run = open_run(make_run(tmp_path))
    report = build(run)
    plots = draw(report, predictions_of(run)["test"]["encoder"])
    harmless = Page(_html(report, plots))
    for name in HOSTILE:
        page = Page(_html({**report, "run": name}, plots))
        assert page.tags == harmless.tags
        assert page.attributes == harmless.attributes
        assert page.words["h1"] == name
        assert "<script>alert" not in _html({**report, "run": name}, plots)


@pytest.mark.slow
def test_marks_that_turn_the_writing_direction_do_not_reach_the_page(tmp_path):
    turned = "De troepen \u202etkkurt\u202c zich \u2067niet\u2069 terug.\u200f"
    run = open_run(make_run(tmp_path, splits=["validation", "test"], texts=[turned, "الهدنة تبدأ غدا"]))
    text = html_of({**build(run), "run": "proef\u202efdp"}, run)
    page = Page(text)
    assert not DIRECTION.search(text)
    assert not [cell for cell in page.cells if DIRECTION.search(cell)]
    assert not DIRECTION.search(page.words["h1"] + page.words["title"])
    assert "الهدنة تبدأ غدا" in page.cells  # letters that run from right to left stay


def test_the_page_asks_for_nothing_from_elsewhere(tmp_path):
    text = re.sub(r' xmlns(:\w+)?="[^"]+"', "", page_of(make_run(tmp_path)))  # a name, not an address
    assert not re.search(r"https?:|//\w|@import|url\((?!#)|srcset", text)
    page = Page(text)
    assert not {"link", "img", "iframe", "a", "base", "form", "object"} & set(page.tags)
    loaded = [value for name, value in page.attributes if name in {"src", "href", "xlink:href", "action"}]
    assert all(value.startswith("#") for value in loaded)


def test_an_address_in_a_sentence_does_not_become_a_link(tmp_path):
    text = "Lees https://voorbeeld.nl/oorlog voor het hele verhaal."
    page = Page(page_of(make_run(tmp_path, splits=["validation", "test"], texts=[text])))
    assert text in page.cells
    assert not {"a", "img"} & set(page.tags)


@pytest.mark.slow
def test_each_test_sentence_says_whether_the_encoder_was_right(tmp_path):
    run = make_run(tmp_path)
    found = read_all(run / "predictions")["test"]
    rows = _sentences(found, 1000)
    item = found["encoder"]
    assert [row["right"] for row in rows] == [
        bool((said == gold).all()) for said, gold in zip(item.decided, item.gold, strict=True)
    ]
    assert {row["right"] for row in rows} == {True, False}
    page = Page(page_of(run))
    marks = [value for name, value in page.attributes if name == "data-kind"]
    assert marks.count("wrong") == sum(
        not row["right"]
        for split in ("test", "held_out")
        for row in _sentences(read_all(run / "predictions")[split], 1000)
    )


def test_no_more_sentences_than_the_limit_are_shown_and_wrong_ones_go_before_right_ones(tmp_path):
    found = read_all(write_all(tmp_path))["test"]
    rows = _sentences(found, 1000)
    assert [row["id"] for row in rows] == found["encoder"].ids
    wrong = [row["id"] for row in rows if not row["right"]]
    assert [row["id"] for row in _sentences(found, 5)] == wrong[:5] != found["encoder"].ids[:5]


def test_the_report_is_written_as_one_sealed_folder(tmp_path):
    run = make_run(tmp_path, name='<b>proef & "zo"')
    target, report = write_report(run)
    assert target == run / "report"
    assert {path.name for path in target.iterdir()} == {"report.json", "report.html", "manifest.json"}
    stored = json.loads((target / "report.json").read_text("utf-8"), parse_constant=lambda value: pytest.fail(value))
    assert stored == {key: value for key, value in report.items() if key != "sentences"}
    assert stored["run"] == run.name
    page = Page((target / "report.html").read_text("utf-8"))
    assert page.words["h1"] == run.name
    assert "b" not in page.tags[: page.tags.index("table")]


@pytest.mark.slow
def test_a_second_report_replaces_the_first(tmp_path):
    run = make_run(tmp_path)
    write_report(run)
    score_again(run, lambda work: rewrite(work, "encoder", "test", threshold=0.31))
    target, _ = write_report(run)
    result = json.loads((target / "report.json").read_text("utf-8"))["results"]["test"]["encoder"]
    assert result["thresholds"] == [0.31] * 4


def test_predictions_of_another_model_are_refused(tmp_path):
    run, other = make_run(tmp_path, "een"), make_run(tmp_path, "twee")
    manifest = other / "predictions" / "manifest.json"
    value = json.loads(manifest.read_text("utf-8"))
    manifest.write_text(json.dumps({**value, "model_sha256": "0" * 64}), "utf-8")
    shutil.rmtree(run / "predictions")
    shutil.copytree(other / "predictions", run / "predictions")
    with pytest.raises(DataError, match="made by another model"):
        write_report(run)


def test_changed_predictions_are_refused(tmp_path):
    run = make_run(tmp_path)
    rewrite(run / "predictions", "encoder", "test", threshold=0.9)
    with pytest.raises(FolderError, match=r"encoder-test\.parquet was changed"):
        write_report(run)


def test_predictions_on_other_sentences_than_the_runs_are_refused(tmp_path):
    run = make_run(tmp_path)
    score_again(run, articles=11)
    with pytest.raises(DataError, match="other sentences than the run's"):
        write_report(run)


def test_an_outside_system_joins_by_its_parquet_file(tmp_path):
    run = make_run(tmp_path)
    theirs = tmp_path / "theirs.parquet"
    write_predictions(theirs, replace(system_says("tfidf", "test"), system="buitenstaander"))
    target, report = write_report(run, [theirs])
    assert "buitenstaander" in table(report, "test")
    assert "buitenstaander" in (target / "report.html").read_text("utf-8")
    with pytest.raises(DataError, match="is there already"):
        write_report(run, [theirs, theirs])


def ladder_of(run, changes):
    """A ladder beside ``run`` that holds it; ``changes`` of its ensemble by split."""
    with write_folder(run.parent / "trap", "ladder", replace=True) as work:
        write_json(work / "ladder.json", {"runs": [{"model_sha256": open_run(run).model_sha256}]})
        for split, changed in changes.items():
            item = replace(system_says("encoder", split), system="ensemble", **changed)
            write_predictions(work / f"ensemble-{split}.parquet", item)
    return run.parent / "trap"


@pytest.mark.slow
def test_an_ensemble_of_a_ladder_joins_unless_it_speaks_of_other_sentences(tmp_path):
    run = make_run(tmp_path)
    other = {"texts": [f"Andere zin {number}." for number in range(48)]}
    ladder = ladder_of(run, {"validation": other, "test": {"threshold": 0.25}})
    theirs = outside(tmp_path, "buitenstaander")
    report = build(open_run(run), [theirs])
    assert list(report["results"]["test"]) == [*SYSTEMS, "ensemble", "buitenstaander"]
    assert list(report["results"]["validation"]) == list(SYSTEMS)
    assert report["no_ensemble"] == ""
    given = outside(tmp_path, "ensemble", threshold=0.75)  # given by hand: it is the one that counts
    assert build(open_run(run), [given])["results"]["test"]["ensemble"]["thresholds"] == [0.75] * 4

    ladder_of(run, {"test": other})
    report = build(open_run(run))
    assert list(report["results"]["test"]) == list(SYSTEMS)
    assert report["no_ensemble"].startswith("this is one seed")
    (ladder / "ladder.json").write_text("{", "utf-8")
    assert list(build(open_run(run))["results"]["test"]) == list(SYSTEMS)


@pytest.mark.slow
def test_the_head_of_the_page_says_what_was_chosen_on_which_data(tmp_path):
    run = open_run(make_run(tmp_path))
    report = build(run)
    plots = draw(report, predictions_of(run)["test"]["encoder"])

    def page(**decision):
        config = {**report["config"], "decision": {**report["config"]["decision"], **decision}}
        return _html({**report, "config": config}, plots)

    alone = page(threshold="validation", cross_fit=0)
    assert "epoch and thresholds chosen on validation ·" in alone
    assert "epoch en drempels gekozen op validatie ·" in alone
    crossed = page(threshold="validation", cross_fit=3)
    assert "epoch chosen on validation, thresholds on validation and training data ·" in crossed
    assert "epoch gekozen op validatie, drempels op validatie- en trainingsdata ·" in crossed
    fixed = page(threshold=0.5)
    assert "epoch chosen on validation ·" in fixed
    assert "epoch gekozen op validatie ·" in fixed
    assert ["thresholds were chosen on" in each for each in (alone, crossed, fixed)] == [True, True, False]


def test_files_of_two_splits_make_no_report(tmp_path):
    first, second = outside(tmp_path, "een"), outside(tmp_path, "twee", split="validation")
    with pytest.raises(DataError, match="twee holds the split 'validation', een 'test'"):
        command(first, "--with", second, "--out", tmp_path / "samen")


@pytest.mark.slow
def test_the_same_predictions_give_the_same_bytes(tmp_path):
    first, _ = write_report(make_run(tmp_path / "a"))
    second, _ = write_report(make_run(tmp_path / "b"))
    for name in ("report.json", "report.html"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.slow
def test_a_sentence_of_a_megabyte_stays_short_on_the_page(tmp_path):
    page = page_of(make_run(tmp_path, splits=["validation", "test"], texts=["woord " * 170_000]))
    assert len(page) < 500_000
    assert "(1,020,000 characters)" in page


def command(*arguments):
    """What ``python -m eval report`` does with these arguments."""
    _report(_parser().parse_args(["report", *map(str, arguments)]))


def outside(tmp_path, name, split="test", **changes):
    path = tmp_path / f"{name}.parquet"
    write_predictions(path, replace(system_says("tfidf", split), system=name, **changes))
    return path


@pytest.mark.slow
def test_runs_and_files_together_get_the_reports_that_they_get_alone(tmp_path, capsys):
    run, theirs = make_run(tmp_path), outside(tmp_path, "buitenstaander")
    command(run, theirs)
    shown = capsys.readouterr().out
    targets = [run / "report", tmp_path / "buitenstaander-report"]
    places = [shown.index(f"Report: {target / 'report.html'}") for target in targets]
    assert places == sorted(places)
    together = [(target / "report.json").read_bytes() for target in targets]
    assert list(json.loads(together[1])["results"]["test"]) == ["buitenstaander"]
    assert list(json.loads(together[0])["results"]["test"]) == list(SYSTEMS)
    write_report(run)
    command(theirs)
    assert [(target / "report.json").read_bytes() for target in targets] == together


@pytest.mark.slow
def test_a_report_that_fails_does_not_stop_the_others_and_is_told_at_the_end(tmp_path, capsys):
    good, missing = make_run(tmp_path, "goed"), tmp_path / "weg.parquet"
    with pytest.raises(StrijdtaalError) as caught:
        command(missing, tmp_path / "geen-run", good)
    assert caught.value.exit_code == DataError.exit_code  # that of the first
    message = str(caught.value)
    assert message.startswith("2 of 3 reports failed:")
    assert f"{missing}: Cannot read predictions" in message
    assert f"{tmp_path / 'geen-run'}: " in message
    assert (good / "report" / "report.json").is_file()
    assert str(good / "report" / "report.html") in capsys.readouterr().out
    with pytest.raises(DataError, match="Cannot read predictions"):
        command(missing)


def test_out_is_for_one_predictions_file(tmp_path):
    run, theirs = make_run(tmp_path), outside(tmp_path, "buitenstaander")
    with pytest.raises(UsageError, match="--out is for one report, and there are 2"):
        command(run, theirs, "--out", tmp_path / "uit")
    with pytest.raises(UsageError, match="--out goes with a predictions file, not with a run"):
        command(run, "--out", tmp_path / "uit")
    sealed = run / "predictions" / "tfidf-test.parquet"
    with pytest.raises(UsageError, match="is sealed by its manifest"):
        command(sealed)
    assert not (run / "report").exists()
    command(sealed, "--out", tmp_path / "uit")
    assert (tmp_path / "uit" / "report.html").is_file()


@pytest.mark.slow
def test_other_systems_join_with_an_option(tmp_path):
    run, first, second = make_run(tmp_path), outside(tmp_path, "een"), outside(tmp_path, "twee")
    command(run, "--with", first, "--with", second)
    results = json.loads((run / "report" / "report.json").read_text("utf-8"))["results"]
    assert list(results["test"]) == [*SYSTEMS, "een", "twee"]
    command(first, "--with", second, "--out", tmp_path / "samen")
    results = json.loads((tmp_path / "samen" / "report.json").read_text("utf-8"))["results"]
    assert list(results["test"]) == ["een", "twee"]


@pytest.mark.slow
def test_the_process_ends_with_the_code_of_the_first_failure(tmp_path, run_module):
    done = run_module("eval", "report", tmp_path / "weg.parquet", tmp_path, outside(tmp_path, "buitenstaander"))
    assert done.returncode == DataError.exit_code
    assert "eval: 2 of 3 reports failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "buitenstaander-report" / "report.html").is_file()
