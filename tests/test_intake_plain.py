"""Whole articles as plain text, and which format a file is recognised as."""

import json
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strijdtaal.errors import DataError, UsageError
from strijdtaal.text import MAX_ARTICLE, clean, sentence_spans
from training.intake.formats import plain
from training.intake.recognise import Format, formats, recognise
from training.intake.sentence import Intake
from training.intake.source import Source, open_sources

ARTICLE = """Rebellen geven Goma op

De colonne vertrok woensdag, zei dr. De Vries.
Het leger wacht af.

Wie volgt? 🙂 Niemand.
"""
SENTENCES = [
    *["Rebellen geven Goma op", "De colonne vertrok woensdag, zei dr. De Vries.", "Het leger wacht af."],
    *["Wie volgt?", "🙂 Niemand."],
]
TEXT = "De rebellen geven de brug over."
LINE = {"text": TEXT, "labels": ["retreat"]}


def read(content, name="map/artikel-1.txt", encoding="utf-8"):
    data = content if isinstance(content, bytes) else content.encode(encoding)
    return list(plain.read(Source(name, data, encoding), Intake()))


def together(**files):
    """Sources that lie in one folder, by name; ``__`` stands for the dot."""
    beside = {}
    for name, content in files.items():
        path = f"map/{name.replace('__', '.')}"
        beside[path] = Source(path, content if isinstance(content, bytes) else content.encode(), "utf-8", beside)
    return {Path(path).name: source for path, source in beside.items()}


def name_of(content, name="x.jsonl", wanted=None):
    module = recognise(Source(name, content if isinstance(content, bytes) else content.encode()), wanted)
    return module and module.NAME


class TestArticles:
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    def test_sentences_with_their_places(self, end, mark):
        text = ARTICLE.replace("\n", end)
        found = read(mark + text)
        assert [one.text for one in found] == SENTENCES
        assert [text[slice(*one.span)] for one in found] == SENTENCES
        assert found[1].meta == {"article": "artikel-1", "index": "1"}
        assert found[1].where == "map/artikel-1.txt, sentence 2"
        assert all(one.gold is None and not one.annotations for one in found)

    def test_another_encoding(self):
        assert [one.text for one in read("Oekraïne wacht. Kiev ook.", encoding="cp1252")] == [
            *("Oekraïne wacht.", "Kiev ook.")
        ]

    @pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b" \r\n\t", "\u200b\n".encode()])
    def test_an_empty_article_is_refused_by_name(self, content):
        with pytest.raises(DataError, match=r"artikel-1\.txt is empty: no usable rows"):
            read(content)

    def test_an_article_that_is_too_long_is_refused_by_name(self):
        with pytest.raises(DataError, match=r"artikel-1\.txt: The text has 1,000,001 characters; at most 1,000,000"):
            read("a" * (MAX_ARTICLE + 1))

    def test_files_of_one_name_in_two_folders_are_two_articles(self, tmp_path):
        for name in ("2024/01.txt", "2025/01.txt", "2025/02.txt"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("Het leger wacht.", "utf-8")
        articles = [one.meta["article"] for file in open_sources([tmp_path]) for one in plain.read(file, Intake())]
        assert articles == ["2024/01", "2025/01", "02"]

    def test_as_many_folders_and_archives_as_it_takes_are_named(self, tmp_path):
        import zipfile

        for name in ("x/a/01.txt", "y/a/01.txt"):
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).write_text("Het leger wacht.", "utf-8")
        for name in ("p.zip", "q.zip"):
            with zipfile.ZipFile(tmp_path / name, "w") as archive:
                archive.writestr("02.txt", "Het leger wacht.")
        articles = [one.meta["article"] for file in open_sources([tmp_path]) for one in plain.read(file, Intake())]
        assert articles == ["p/02", "q/02", "x/a/01", "y/a/01"]

    @pytest.mark.parametrize("pattern", ["(", " (", "[", '"', ". ", "a.", ", ( ", "\n(", "a\r"])
    def test_patterns_that_are_hard_to_split_take_bounded_time(self, pattern):
        read("Woord. ")  # loads the splitter
        start = time.process_time()
        read(f"Woord {pattern * 20_000}"[:20_000])
        assert time.process_time() - start < 5  # measured: below 1 second

    @pytest.mark.slow
    def test_an_article_of_a_million_characters(self):
        text = ("Het leger trok zich woensdag terug uit de stad, zei dr. De Vries.\n" * 16_000)[:MAX_ARTICLE]
        found = read(text)
        assert len(found) == 15_152
        assert all(text[slice(*one.span)] == one.text for one in found)

    @settings(max_examples=300, deadline=None, derandomize=True)
    @given(
        st.text(max_size=60)
        | st.lists(
            st.sampled_from(["Het leger wacht", "dr.", ".", "! ", '"', "\r\n", "\r", "\n\n", "\u200b", "🙂"])
        ).map("".join)
    )
    def test_any_text_gives_ordered_spans_that_are_the_sentences(self, text):
        text = text.encode("utf-8", "ignore").decode().removeprefix("\ufeff")
        if not clean(text):
            return
        found = read(text)
        last = 0
        for number, one in enumerate(found):
            start, end = one.span
            assert last <= start < end <= len(text)
            assert clean(one.text)
            assert text[start:end] == one.text
            assert one.meta["index"] == str(number)
            last = end
        if "\r" not in text:
            assert [one.text for one in found] == [text[slice(*span)].rstrip() for span in sentence_spans(text)]


SAMPLES = {
    "jsonl": [("x.jsonl", json.dumps(LINE)), ("x.json", json.dumps({"text": TEXT}))],
    "labelstudio": [("x.json", json.dumps([{"id": 1, "data": {"text": TEXT}, "annotations": [], "predictions": []}]))],
    "doccano": [("anna.jsonl", json.dumps({"id": 1, "text": TEXT, "label": ["retreat"], "Comments": []}))],
    "prodigy": [("x.jsonl", json.dumps({"text": TEXT, "accept": [], "answer": "accept", "_input_hash": 3}))],
    "argilla": [("x.json", json.dumps([{"id": "1", "status": "completed", "text": TEXT, "labels.responses": None}]))],
    "brat": [("x.ann", f"T1\tRetreat 0 {len(TEXT)}\t{TEXT}\n"), ("leeg.ann", "")],
    "cas": [
        ("x.xmi", '<?xml version="1.0"?><xmi:XMI xmlns:xmi="http://www.omg.org/XMI"/>'),
        ("x.json", '{"%TYPES": {}}'),
    ],
    "csv": [
        ("x.csv", f"text;labels\n{TEXT};retreat\n"),
        ("x.tsv", "text\tlabels\n"),
        ("x.txt", "text\tlabels\na\tb\n"),
    ],
    "text": [("x.txt", ARTICLE), ("x.txt", "[Van onze correspondent] Het leger wacht."), ("X.TXT", "{Kort}")],
}


class TestRecognise:
    def test_every_module_keeps_the_contract(self):
        names = [module.NAME for module in formats()]
        assert len(names) == len(set(names)) == 9
        assert all(isinstance(module, Format) and module.TITLE for module in formats())
        assert set(names) == set(SAMPLES)

    @pytest.mark.parametrize(("name", "sample"), [(name, one) for name, samples in SAMPLES.items() for one in samples])
    def test_an_export_of_each_tool_is_recognised_and_by_one_format_only(self, name, sample):
        assert name_of(sample[1], sample[0]) == name

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig"])
    def test_a_file_in_the_encoding_that_was_named_is_recognised(self, encoding):
        source = Source("x.jsonl", json.dumps(LINE).encode(encoding), "utf-8" if encoding == "utf-8-sig" else encoding)
        assert recognise(source, None).NAME == "jsonl"

    @pytest.mark.parametrize("name", sorted(SAMPLES))
    def test_a_format_that_is_named_is_taken(self, name):
        assert name_of("wat dan ook", "x.dat", name) == name

    @pytest.mark.parametrize(
        ("wanted", "hint"), [("label-studio", "labelstudio"), ("JSONL", "jsonl"), ("braat", "brat")]
    )
    def test_an_unknown_format_is_a_wrong_option_with_the_nearest_name(self, wanted, hint):
        with pytest.raises(UsageError, match=rf"Unknown --format '{wanted}'\. Did you mean '{hint}'\? Known: jsonl, "):
            name_of("", "README.md", wanted)

    def test_files_that_go_with_others_are_passed_over(self):
        files = together(a__txt=ARTICLE, a__ann="", annotation__conf="[entities]", visual__conf="[labels]")
        files |= together(b__xmi="<x/>", TypeSystem__xml="<typeSystemDescription/>")
        files |= together(annotations__jsonl=json.dumps(LINE), import__json='{"files": []}', manifest__json="{}")
        expected = {
            "annotations.jsonl": "jsonl",
            "import.json": None,
            "manifest.json": None,
            "a.txt": None,
            "a.ann": "brat",
            "annotation.conf": None,
            "visual.conf": None,
        }
        expected |= {"b.xmi": "cas", "TypeSystem.xml": None}
        for name, format_name in expected.items():
            assert getattr(recognise(files[name], None), "NAME", None) == format_name

    @pytest.mark.parametrize(
        "name", ["README.md", "map/readme.txt", "README", "LICENSE", ".DS_Store", "._x.jsonl", "~$x.xlsx"]
    )
    @pytest.mark.parametrize("wanted", [None, "text"])
    def test_what_is_for_people_and_systems_is_passed_over(self, name, wanted):
        assert name_of("Lees dit.", name, wanted) is None

    def test_an_export_may_be_called_readme(self):
        assert name_of(json.dumps(LINE), "readme.jsonl") == "jsonl"

    def test_of_an_inception_project_only_the_annotations_are_read(self, tmp_path):
        path = tmp_path / "project.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("annotation/d.txt/anna.xmi", "curation/d.txt/CURATION_USER.xmi", "source/d.txt", "log/e.log"):
                archive.writestr(name, "<xmi/>")
            archive.writestr("exportedproject123.json", "{}")
        other = tmp_path / "los.txt"
        other.write_text(ARTICLE, "utf-8")
        modules = [recognise(source, None) for source in open_sources([path, other])]
        assert [module and module.NAME for module in modules] == ["cas", "cas", None, None, None, "text"]

    @pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b" \r\n", b"\0\0\0", b"\xff\xfe", b"[]", b" [\n]\n"])
    @pytest.mark.parametrize("name", ["x.jsonl", "x.txt", "x.csv", "x.xmi", "x.dat"])
    @pytest.mark.parametrize("wanted", [None, "jsonl", "doccano"])
    def test_an_empty_file_is_refused_by_name(self, content, name, wanted):
        with pytest.raises(DataError, match=rf"{name} is empty: no usable rows"):
            name_of(content, name, wanted)

    @pytest.mark.parametrize("content", ["%PDF-1.4", "\x89PNG", '{"a": 1}', "<html></html>"])
    def test_an_unknown_format_is_told_with_all_known_ones(self, content):
        with pytest.raises(
            DataError, match=r"x\.dat is in no format that is known here\. Known: jsonl .*--format"
        ) as caught:
            name_of(content, "x.dat")
        assert all(f"{module.NAME} ({module.TITLE})" in str(caught.value) for module in formats())

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (json.dumps(LINE)[:-3], "Its first line is not valid JSON"),
            ("[" * 100_000, "Its first line: brackets nested deeper"),
            ("{'text': 'a'}\n", "Its first line is not valid JSON"),
        ],
    )
    def test_a_first_line_that_is_no_json_is_said_to_be_the_cause(self, content, why):
        with pytest.raises(DataError, match=f"known here. {why}"):
            name_of(content)

    def test_utf16_is_named_although_no_format_can_look_into_it(self):
        with pytest.raises(DataError, match=r"is UTF-16.*--encoding utf-16-le"):
            name_of(json.dumps(LINE).encode("utf-16-le"))

    def test_two_formats_are_both_named(self):
        row = {"data": {"text": TEXT}, "annotations": [], "answer": "accept", "_input_hash": 1}
        told = r"could be Label Studio JSON and Prodigy JSONL\. .*: --format labelstudio or --format prodigy"
        with pytest.raises(DataError, match=told):
            name_of(json.dumps(row))
        assert name_of(json.dumps(row), wanted="prodigy") == "prodigy"

    @settings(max_examples=200, deadline=None, derandomize=True)
    @given(
        st.sampled_from(["x.json", "x.jsonl", "x.txt", "x.csv", "x.ann", "x.xmi", "x.parquet", "x.xlsx", "x"]),
        st.binary(max_size=40)
        | st.sampled_from([b"{", b"[{", b"\xff\xfe{\0", b"PAR1", b"T1\t", b'{"a":' * 9_000, b"#FORMAT=WebAnno"]),
    )
    def test_no_format_raises_at_any_bytes(self, name, data):
        source = Source(name, data)
        for module in formats():
            assert module.recognises(source) in (True, False)
