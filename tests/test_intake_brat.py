"""brat standoff: annotators are folders, offsets are checked against the stored text, nothing is lost silently."""

import json
import random
from contextlib import suppress
from pathlib import Path

import pytest

from strijdtaal.errors import DataError
from training.intake.formats import brat
from training.intake.sentence import Intake
from training.intake.source import Source, open_sources

DATA = Path(__file__).parent / "data" / "intake"
TEXT = "Ankara dreigt Goma 🚀 te bestormen. De regen hield aan.\nHet leger vertrok uit de vallei."


def span(part, name="threat", number=1, text=TEXT):
    start = text.index(part)
    return f"T{number}\t{name} {start} {start + len(part)}\t{part}\n"


@pytest.fixture
def folder(tmp_path):
    def write(**files):
        """``anna__doc1_ann`` is anna/doc1.ann."""
        for name, content in files.items():
            path = tmp_path.joinpath(*name.replace("_ann", ".ann").replace("_txt", ".txt").split("__"))
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return write


def read(path, **options):
    intake = Intake(**options)
    found = [one for source in open_sources([path]) if brat.recognises(source) for one in brat.read(source, intake)]
    return found, intake


def one_document(folder, lines, text=TEXT, **options):
    return read(folder(doc1_ann=lines, doc1_txt=text), **options)


def labels(found):
    return [labels for one in found for labels in one.annotations.values()]


def fault(folder, lines, text=TEXT, **options):
    _, intake = one_document(folder, lines, text, **options)
    assert len(intake.faults) == 1
    return intake.faults[0]


def test_the_sample_says_what_the_sentences_say():
    found, intake = read(DATA / "brat")
    assert not intake.faults
    assert intake.counts == {"notes": 1, "relations": 1}
    said = {}
    for one in found:
        said.setdefault((one.meta["article"], int(one.meta["index"]), one.text), {}).update(one.annotations)
    rows = json.loads((DATA / "sentences.json").read_text("utf-8"))
    wanted = {(row["article"], row["index"], row["text"]): row["annotations"] for row in rows}
    assert said == {key: {name: tuple(answer) for name, answer in value.items()} for key, value in wanted.items()}


def test_types_are_labels(folder):
    found, intake = one_document(folder, span("dreigt") + span("leger vertrok", "retreat", 2))
    assert labels(found) == [("threat",), (), ("retreat",)]
    assert {name for one in found for name in one.annotations} == {"brat"}
    assert found[0].meta["article"] == "doc1"
    assert not intake.faults


def test_an_empty_file_is_an_answer_of_no_labels(folder):
    found, intake = one_document(folder, "")
    assert labels(found) == [(), (), ()]
    assert not intake.faults


def test_attributes_name_the_label_where_the_type_does_not(folder):
    lines = (
        span("dreigt", "Zin") + "A1\tLabel T1 threat\nA2\tZeker T1 ja\n" + span("regen", "Zin", 2) + "A3\tsupport T2\n"
    )
    found, intake = one_document(folder, lines)
    assert labels(found) == [("threat",), ("support",), ()]
    assert intake.counts == {"attributes that are no label": 1}


def test_label_map_reaches_types_and_attributes(folder):
    lines = span("dreigt", "Dreiging") + span("regen", "Actor", 2) + span("leger", "Zin", 3) + "A1\tLabel T3 Aftocht\n"
    found, intake = one_document(folder, lines, label_map={"Dreiging": "threat", "Actor": "", "Aftocht": "retreat"})
    assert labels(found) == [("threat",), (), ("retreat",)]
    assert not intake.faults


def test_other_annotations_are_counted(folder):
    lines = span("dreigt") + "R1\tVan Arg1:T1 Arg2:T1\nE1\tDreiging:T1\nN1\tReference T1 W:1\tx\n#1\tNote T1\tx\n"
    _, intake = one_document(folder, lines + "*\tEquiv T1 T1\n")
    assert intake.counts == {"relations": 2, "events": 1, "normalisations": 1, "notes": 1}
    assert not intake.faults


def test_discontinuous_spans_label_each_sentence_they_touch(folder):
    start = TEXT.index("regen")
    places = f"7 13;{start} {start + 5}"
    found, intake = one_document(folder, f"T1\tthreat {places}\tdreigt regen\n")
    assert labels(found) == [("threat",), ("threat",), ()]
    assert intake.counts == {"discontinuous spans": 1}


def test_a_line_end_inside_a_span_is_stored_as_a_blank(folder):
    part = "hield aan.\nHet leger"
    found, intake = one_document(folder, span(part).replace("\nHet", " Het"))
    assert labels(found) == [(), ("threat",), ("threat",)]
    assert intake.counts == {"spans over several sentences": 1}


def test_windows_line_ends_and_a_byte_order_mark_in_the_annotations(folder):
    found, intake = one_document(folder, ("\ufeff" + span("dreigt")).replace("\n", "\r\n").encode())
    assert labels(found)[0] == ("threat",)
    assert not intake.faults


def test_an_unknown_type_is_a_fault_with_its_line_and_remedy(folder):
    message = fault(folder, span("regen") + span("dreigt", "Threat", 2))
    assert "doc1.ann, line 2: unknown label 'Threat'. Did you mean 'threat'?" in message
    assert '--map "Threat=threat"' in message


def test_an_unknown_type_with_attributes_names_both(folder):
    message = fault(folder, span("dreigt", "Zin") + "A1\tLabel T1 dreiging\n")
    assert "unknown label 'Zin'" in message
    assert "Its attributes are no labels either: dreiging" in message


def test_offsets_in_utf16_units_are_found_out(folder):
    start = TEXT.index("bestormen")
    message = fault(folder, f"T1\tthreat {start + 1} {start + 10}\tbestormen\n")
    assert "are 'estormen.', but the file says 'bestormen'" in message
    assert "it would fit if offsets counted UTF-16 units" in message


@pytest.mark.parametrize(
    ("text", "shift", "words"),
    [
        ("Müller dreigt ons.", 1, "counted bytes"),
        ("Kop\r\nHij dreigt ons.", -1, "Unix line ends"),
        ("\ufeffHij dreigt ons.", 1, "a byte-order mark"),
    ],
)
def test_other_ways_of_counting_are_found_out(folder, text, shift, words):
    start = text.removeprefix("\ufeff").index("dreigt") + shift
    assert words in fault(folder, f"T1\tthreat {start} {start + 6}\tdreigt\n", text)


def test_offsets_that_fit_no_way_of_counting(folder):
    message = fault(folder, "T1\tthreat 0 6\tMoskou\n")
    assert "characters 0-6 of the text are 'Ankara', but the file says 'Moskou'; is this the text" in message


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("T1\tthreat 0\tAnkara", "must read: T1, tab, type, start, end, tab, text"),
        ("T1\tthreat 0 6", "must read: T1"),
        ("T1\tthreat 0 6;x 9\tAnkara", "must read: T1"),
        ("T1\tthreat 900 905\tAnkara", "is this the text that was annotated?"),
        ("A1\tLabel", "an attribute must read"),
        ("Turkije dreigt", "is no line of brat's"),
        (f"T1\tthreat {'9' * 5000} {'9' * 5001}\tx", "doc1.ann, line 2"),
    ],
)
def test_broken_lines_are_named(folder, line, words):
    message = fault(folder, span("regen", number=2) + line + "\n")
    assert "doc1.ann, line 2: " in message
    assert words in message


def test_an_id_twice_is_a_fault(folder):
    assert "T1 stands twice, first at" in fault(folder, span("dreigt") + span("regen"))


def test_the_text_must_stand_beside(folder):
    with pytest.raises(DataError, match=r"doc1\.ann: doc1\.txt is missing"):
        read(folder(doc1_ann=span("dreigt")))


def test_text_that_is_not_utf8_is_named_by_its_byte(folder):
    with pytest.raises(DataError, match=r"doc1\.txt, line 1: not utf-8 \(byte 0xeb at position 4\)"):
        read(folder(doc1_ann="", doc1_txt="Libië".encode("cp1252")))


def test_folders_are_annotators_once_they_share_a_document(folder):
    files = dict.fromkeys(("anna__doc1_ann", "bram__doc1_ann", "anna__doc2_ann"), "")
    found, _ = read(folder(**files, anna__doc1_txt=TEXT, bram__doc1_txt=TEXT, anna__doc2_txt="Nee."))
    assert {(one.meta["article"], *one.annotations) for one in found} == {
        ("doc1", "anna"),
        ("doc1", "bram"),
        ("doc2", "anna"),
    }


def test_folders_with_different_documents_of_one_name_are_no_annotators(folder):
    found, _ = read(folder(d2023__d01_ann="", d2023__d01_txt="Nee.", d2024__d01_ann="", d2024__d01_txt="Ja."))
    assert {(one.meta["article"], *one.annotations) for one in found} == {("d2023/d01", "brat"), ("d2024/d01", "brat")}


def test_documents_of_one_name_in_two_archives_are_two_articles(tmp_path):
    import zipfile

    for name in ("p", "q"):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr("d.ann", "")
            archive.writestr("d.txt", f"Hier spreekt {name}.")
    found, _ = read(tmp_path)
    assert [(one.meta["article"], *one.annotations) for one in found] == [("p/d", "brat"), ("q/d", "brat")]


def test_copies_that_differ_in_line_ends_are_refused(folder):
    path = folder(anna__d_ann="", anna__d_txt="Ja.\nNee.", bram__d_ann="", bram__d_txt="Ja.\r\nNee.")
    with pytest.raises(DataError, match="differ in white space or line ends alone"):
        read(path)


def test_one_annotator_with_another_text_is_refused(folder):
    files = {f"{name}__d_ann": "" for name in ("anna", "bram", "carl")}
    with pytest.raises(DataError, match="other annotators have a document 'd' with another text"):
        read(folder(**files, anna__d_txt="Ja.", bram__d_txt="Ja.", carl__d_txt="Ja, nee."))


def test_annotators_that_nothing_tells_apart_are_refused(tmp_path):
    for person in ("anna", "bram"):
        path = tmp_path / person / "2023"
        path.mkdir(parents=True)
        (path / "d.ann").write_text("")
        (path / "d.txt").write_text("Ja.")
    with pytest.raises(DataError, match="nothing tells their annotators apart"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "known"),
    [
        ("x.ann", b"", True),
        ("x.ann", b"T1\tthreat 0 1\tA", True),
        ("x.ann", b"\xff\xfe\x00", False),
        ("x.ann", b"<xml/>", False),
        ("x.txt", b"T1\tthreat 0 1\tA", False),
    ],
)
def test_recognises_its_own_files_only(name, data, known):
    assert brat.recognises(Source(name, data)) is known


def test_damaged_files_give_faults_and_never_a_traceback():
    draw = random.Random(1)
    whole = (span("dreigt") + "A1\tLabel T1 threat\n" + span("regen", "Zin", 2) + "#1\tNote T2\tx\n").encode()
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        beside = {"d.txt": Source("d.txt", TEXT.encode())}
        intake = Intake()
        with suppress(DataError):
            list(brat.read(Source("d.ann", bytes(data), beside=beside), intake))
