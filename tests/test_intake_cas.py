"""UIMA CAS: XMI and JSON as INCEpTION exports them, and files made to harm."""

import json
import random
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

import training.intake.uima as uima
from strijdtaal.errors import DataError, UsageError
from training.intake.formats import cas
from training.intake.inception import is_project
from training.intake.sentence import Intake
from training.intake.source import Source, open_sources

cassis = pytest.importorskip("cassis")

DATA = Path(__file__).parent / "data" / "intake"
TEXT = "Ankara 🚀 dreigt met 🇳🇱 vergelding. De regen hield aan."
DKPRO = "de.tudarmstadt.ukp.dkpro.core.api"


def type_system(*layers):
    """The custom layers of the tests, and what INCEpTION adds."""
    types = cassis.TypeSystem()
    for name in ("Conflict", "Actor", *layers):
        layer = types.create_type(f"webanno.custom.{name}", "uima.tcas.Annotation")
        types.create_feature(layer, "label", "uima.cas.String")
        types.create_feature(layer, "many", "uima.cas.StringArray")
    types.create_type(f"{DKPRO}.segmentation.type.Sentence", "uima.tcas.Annotation")
    lemma = types.create_type(f"{DKPRO}.segmentation.type.Lemma", "uima.tcas.Annotation")
    types.create_feature(lemma, "value", "uima.cas.String")
    entity = types.create_type(f"{DKPRO}.ner.type.NamedEntity", "uima.tcas.Annotation")
    types.create_feature(entity, "value", "uima.cas.String")
    relation = types.create_type("webanno.custom.Van", "uima.tcas.Annotation")
    for end in ("Governor", "Dependent"):
        types.create_feature(relation, end, "uima.tcas.Annotation")
    metadata = types.create_type(f"{DKPRO}.metadata.type.DocumentMetaData", "uima.tcas.DocumentAnnotation")
    types.create_feature(metadata, "documentTitle", "uima.cas.String")
    return types


def document(*spans, text=TEXT, title=None, layers=()):
    """A CAS with (part of the text, type, features) as spans."""
    types = type_system(*layers)
    made = cassis.Cas(types, sofa_string=text, sofa_mime="text/plain")
    if title is not None:
        made.add(types.get_type(f"{DKPRO}.metadata.type.DocumentMetaData")(begin=0, end=1, documentTitle=title))
    for part, kind, features in spans:
        start = text.index(part)
        if "many" in features:
            features = {"many": types.get_type("uima.cas.StringArray")(elements=features["many"])}
        kind = types.get_type(kind if "." in kind else f"webanno.custom.{kind}")
        made.add(kind(begin=start, end=start + len(part), **features))
    return made


def sources(files):
    beside = {}
    for name, data in files.items():
        beside[name] = Source(name, data if isinstance(data, bytes) else data.encode(), beside=beside)
    return list(beside.values())


def read_all(files, **options):
    intake = Intake(**options)
    found = [
        one for source in sources(files) if cas.recognises(source) and not is_project(source)
        for one in cas.read(source, intake)
    ]  # fmt: skip
    return found, intake


def read(made, form="xmi", name="doc", **options):
    """Through the bytes of an export."""
    data = made.to_xmi() if form == "xmi" else made.to_json()
    return read_all({f"{name}.{form}": data, "TypeSystem.xml": made.typesystem.to_xml()}, **options)


def labels(found):
    return [labels for one in found for labels in one.annotations.values()]


def fault(made, **options):
    _, intake = read(made, **options)
    assert len(intake.faults) == 1
    return intake.faults[0]


@pytest.mark.parametrize("folder", ["cas", "cas_json"])
def test_the_sample_says_what_the_sentences_say(folder):
    intake = Intake()
    said = {}
    for source in open_sources([DATA / folder]):
        for one in cas.read(source, intake) if cas.recognises(source) else ():
            said.setdefault((one.meta["article"], int(one.meta["index"]), one.text), {}).update(one.annotations)
    rows = json.loads((DATA / "sentences.json").read_text("utf-8"))
    wanted = {(row["article"], row["index"], row["text"]): row["annotations"] for row in rows}
    assert said == {key: {name: tuple(answer) for name, answer in value.items()} for key, value in wanted.items()}
    assert intake.counts == {"sentence boundaries of the tool": 24}
    assert not intake.faults


@pytest.mark.parametrize("form", ["xmi", "json"])
def test_offsets_become_code_points(form):
    made = document(("vergelding", "Conflict", {"label": "threat"}), ("regen", "Conflict", {"label": "support"}))
    data = made.to_xmi() if form == "xmi" else made.to_json()
    units = TEXT[: TEXT.index("vergelding")].encode("utf-16-le")
    assert f"begin{'=' if form == 'xmi' else chr(34) + ': '}" in data
    assert str(len(units) // 2) in data  # the file counts UTF-16 units, three more than code points here
    assert len(units) // 2 == TEXT.index("vergelding") + 3
    found, intake = read(made, form)
    assert labels(found) == [("threat",), ("support",)]
    assert [TEXT[slice(*one.span)] for one in found] == [one.text for one in found]
    assert not intake.faults


@pytest.mark.parametrize("form", ["xmi", "json"])
def test_values_of_lists_and_names_of_layers_are_labels(form):
    spans = [("Ankara", "Conflict", {"many": ["threat", "support"]}), ("regen", "retreat", {"label": "zeker"})]
    found, intake = read(document(*spans, layers=["retreat"]), form)
    assert labels(found) == [("threat", "support"), ("retreat",)]
    assert not intake.faults


def test_the_built_in_layer_of_named_entities_counts_but_lemmas_do_not():
    made = document(
        ("regen", f"{DKPRO}.ner.type.NamedEntity", {"value": "support"}),
        ("Ankara", f"{DKPRO}.segmentation.type.Lemma", {"value": "threat"}),
    )
    assert labels(read(made)[0]) == [(), ("support",)]


def test_label_map_reaches_values_and_layers():
    spans = [("Ankara", "Conflict", {"label": "Dreiging"}), ("regen", "Actor", {"label": "weer"})]
    found, intake = read(document(*spans), label_map={"Dreiging": "threat", "Actor": ""})
    assert labels(found) == [("threat",), ()]
    assert intake.counts == {"spans of other layers": 1}
    assert not intake.faults


def test_other_layers_and_relations_are_counted():
    made = document(
        ("dreigt", "Conflict", {"label": "threat"}), ("Ankara", "Actor", {"label": "staat"}), ("met", "Van", {})
    )
    found, intake = read(made)
    assert labels(found) == [("threat",), ()]
    assert intake.counts == {"relations": 1, "spans of other layers": 1}


def test_a_file_whose_values_are_no_labels_is_a_fault_with_a_remedy():
    message = fault(document(("dreigt", "Conflict", {"label": "Dreiging"})))
    assert "layer 'Conflict': unknown label 'Dreiging'" in message
    assert '--map "Dreiging=threat"' in message
    assert 'To pass over the layer: --map "Conflict="' in message


def test_other_spellings_are_faults_even_beside_labels():
    spans = [("dreigt", "Conflict", {"label": "threat"}), ("regen", "Conflict", {"label": "Support"})]
    assert "unknown label 'Support'. Did you mean 'support'?" in fault(document(*spans))
    spans[1] = ("regen", "Support", {})
    assert "unknown label 'Support'. Did you mean 'support'?" in fault(document(*spans, layers=["Support"]))


def test_a_span_without_a_label_is_a_fault():
    spans = [("dreigt", "Conflict", {"label": "threat"}), ("regen", "Conflict", {})]
    assert "characters 38-43: a span without a label ('label' is empty)" in fault(document(*spans))


def test_no_spans_at_all_is_an_answer():
    found, intake = read(document())
    assert labels(found) == [(), ()]
    assert not intake.faults


ANNA = document(("dreigt", "Conflict", {"label": "threat"}), title="d.txt")
TYPES = ANNA.typesystem.to_xml()


def whose(*names, title="d.txt", **more):
    made = document(("dreigt", "Conflict", {"label": "threat"}), title=title).to_xmi()
    found, intake = read_all({**dict.fromkeys(names, made), "TypeSystem.xml": TYPES, **more})
    assert not intake.faults
    return [(one.meta["article"], *one.annotations, one.gold) for one in found if one.meta["index"] == "0"]


def test_annotators_and_curation_of_inception():
    names = ("x/annotation/d.txt/anna.xmi", "x/annotation/d.txt/bram.xmi", "x/curation/d.txt/CURATION_USER.xmi")
    assert whose(*names) == [("d", "anna", None), ("d", "bram", None), ("d", ("threat",))]


def test_members_of_archives_and_names_of_older_versions():
    names = ("x/annotation/d.txt/anna.zip!anna.xmi", "x/annotation/d.txt/bram16724183253005124917.xmi")
    assert whose(*names) == [("d", "anna", None), ("d", "bram", None)]


def test_a_document_exported_alone_is_known_by_its_title():
    assert whose("d.zip!anna.xmi") == [("d", "anna", None)]
    assert whose("CURATION_USER.xmi") == [("d", ("threat",))]


def test_files_named_after_their_document():
    assert whose("d.xmi") == [("d", "cas", None)]
    assert whose("anna/d.xmi", "bram/d.xmi", title="") == [("d", "anna", None), ("d", "bram", None)]


def test_the_document_before_annotation_is_nobodys_answer():
    found, intake = read_all({"annotation/d.txt/INITIAL_CAS.xmi": document().to_xmi(), "TypeSystem.xml": TYPES})
    assert not found
    assert intake.counts == {"documents before annotation (INITIAL_CAS)": 1}


def test_unfinished_documents_have_answers_only_where_a_span_is():
    project = {
        "annotation_documents": [
            {"name": "d.txt", "user": "anna", "state": "IN_PROGRESS"},
            {"name": "d.txt", "user": "bram", "state": "FINISHED"},
        ],
        "source_documents": [{"name": "d.txt", "state": "CURATION_IN_PROGRESS"}],
    }
    names = ("annotation/d.txt/anna.xmi", "annotation/d.txt/bram.xmi", "curation/d.txt/CURATION_USER.xmi")
    files = {**dict.fromkeys(names, ANNA.to_xmi()), "TypeSystem.xml": TYPES}
    found, intake = read_all({**files, "exportedproject123.json": json.dumps(project)})
    assert [(dict(one.annotations), one.gold) for one in found] == [
        ({"anna": ("threat",)}, None),
        ({}, None),
        ({"bram": ("threat",)}, None),
        ({"bram": ()}, None),
        ({}, ("threat",)),
        ({}, None),
    ]
    assert intake.counts == {"documents that are not finished in INCEpTION": 2}
    with pytest.raises(DataError, match=r"exportedproject\.json is no description of a project"):
        read_all({**files, "exportedproject.json": '{"annotation_documents": [{"state": "NEW"}]}'})


def test_an_unpacked_export_with_archives_of_annotators(tmp_path):
    folder = tmp_path / "export" / "annotation" / "i1.txt"
    folder.mkdir(parents=True)
    (tmp_path / "anna").mkdir()
    shutil.copy(DATA / "cas" / "TypeSystem.xml", tmp_path / "anna")
    shutil.copy(DATA / "cas" / "annotation" / "i1.txt" / "anna.xmi", tmp_path / "anna")
    shutil.make_archive(str(folder / "anna"), "zip", tmp_path / "anna")
    intake = Intake()
    found = [
        one for s in open_sources([tmp_path / "export"]) if cas.recognises(s) for one in cas.read(s, intake)
    ]  # fmt: skip
    assert [(one.meta["article"], dict(one.annotations)) for one in found] == [
        ("i1", {"anna": ("threat",)}),
        ("i1", {"anna": ("support",)}),
        ("i1", {"anna": ()}),
        ("i1", {"anna": ("ceasefire_call",)}),
    ]


def test_the_type_system_is_looked_for_in_the_folders_around():
    data = ANNA.to_xmi()
    for place in ("x/annotation/d.txt/TypeSystem.xml", "x/annotation/TypeSystem.xml", "x/TypeSystem.xml"):
        found, _ = read_all({"x/annotation/d.txt/anna.xmi": data, place: TYPES})
        assert labels(found) == [("threat",), ()]
    with pytest.raises(DataError, match=r"x/d\.xmi: TypeSystem\.xml is missing.*put it beside them"):
        read_all({"x/d.xmi": data, "y/TypeSystem.xml": TYPES})


def test_a_type_system_of_another_project_is_named():
    made = document(("dreigt", "Geheim", {"label": "threat"}), layers=["Geheim"])
    with pytest.raises(DataError, match=r"d\.xmi does not fit its type system.*webanno\.custom\.Geheim"):
        read_all({"d.xmi": made.to_xmi(), "TypeSystem.xml": TYPES})


def test_json_without_types_needs_the_type_system():
    value = json.loads(ANNA.to_json())
    del value["%TYPES"]
    with pytest.raises(DataError, match=r"TypeSystem\.xml is missing"):
        read_all({"d.json": json.dumps(value, indent=1)})
    found, _ = read_all({"d.json": json.dumps(value, indent=1), "TypeSystem.xml": TYPES})
    assert labels(found) == [("threat",), ()]


EXTERNAL = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
LAUGHS = "<!DOCTYPE x [<!ENTITY a0 'ha'>" + "".join(
    f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 30)
) + "]>"  # fmt: skip


@pytest.mark.parametrize("attack", [EXTERNAL, LAUGHS])
@pytest.mark.parametrize("victim", ["d.xmi", "TypeSystem.xml"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_at_once(attack, victim, encoding):
    files = {"d.xmi": ANNA.to_xmi(), "TypeSystem.xml": TYPES}
    declaration, _, rest = files[victim].partition("?>")
    harmful = f"{declaration}?>{attack}{rest}".replace("Ankara", "&e;" if attack is EXTERNAL else "&a29;")
    files[victim] = harmful.replace("UTF-8", encoding).encode(encoding)
    began = time.perf_counter()
    with pytest.raises(DataError, match=rf"{victim} holds a document type or entity declaration"):
        read_all(files)
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("attack", [EXTERNAL, LAUGHS])
def test_the_parser_would_refuse_entities_too(attack):
    """The second line of defence: without our check, lxml neither reads the file nor grows."""
    harmful = f"<?xml version='1.0'?>{attack}<x a='&{'e' if attack is EXTERNAL else 'a29'};'/>".encode()
    with pytest.raises(DataError, match="cannot be read as UIMA CAS"):
        uima._guarded(Source("d.xmi", harmful), lambda: uima._parsed_types(harmful))


def test_files_cut_off_anywhere_are_refused():
    for name, data in (("d.xmi", ANNA.to_xmi()), ("d.json", ANNA.to_json()), ("TypeSystem.xml", TYPES)):
        files = {"d.xmi": ANNA.to_xmi(), "TypeSystem.xml": TYPES} if name != "d.json" else {}
        raw = data.encode().rstrip()
        for end in [*range(300, len(raw) - 1, 97), len(raw) - 1]:
            with pytest.raises(DataError, match=name.replace(".", r"\.")):
                list(cas.read(next(s for s in sources({**files, name: raw[:end]}) if s.stem == "d"), Intake()))


def test_damaged_files_give_faults_and_never_a_traceback():
    draw = random.Random(7)
    value = json.loads(ANNA.to_json())

    def places(node, found):
        for key, inside in node.items() if isinstance(node, dict) else enumerate(node):
            found.append((node, key))
            if isinstance(inside, dict | list):
                places(inside, found)
        return found

    for _ in range(150):
        damaged = json.loads(json.dumps(value))
        node, key = draw.choice(places(damaged, []))
        node[key] = draw.choice([None, 5, -1, "x", [], {}, [1], True, 1e9])
        with suppress(DataError):
            read_all({"d.json": json.dumps(damaged)})
    raw = ANNA.to_xmi().encode()
    for _ in range(150):
        damaged = bytearray(raw)
        damaged[draw.randrange(len(damaged))] = draw.randrange(32, 127)
        with suppress(DataError):
            read_all({"d.xmi": bytes(damaged), "TypeSystem.xml": TYPES})


def test_offsets_inside_a_character_are_refused():
    rocket = TEXT.index("🚀")
    data = ANNA.to_xmi().replace('begin="10" end="16"', f'begin="{rocket + 1}" end="16"')
    assert data != ANNA.to_xmi()
    with pytest.raises(DataError, match=rf"d\.xmi: Not mapping external offset \[{rocket + 1}\].*Export it again"):
        read_all({"d.xmi": data, "TypeSystem.xml": TYPES})


def test_a_file_without_text_is_named():
    with pytest.raises(DataError, match=r"d\.xmi holds no text"):
        read_all({"d.xmi": cassis.Cas(type_system()).to_xmi(), "TypeSystem.xml": TYPES})


def test_deep_nesting_is_refused():
    data = '{"%FEATURE_STRUCTURES": ' + "[" * 100_000 + "]" * 100_000 + "}"
    with pytest.raises(DataError, match=r"d\.json: brackets nested deeper"):
        read_all({"d.json": data})


def test_formats_that_are_not_read_say_what_to_do():
    tsv = "#FORMAT=WebAnno TSV 3.3\n#T_SP=webanno.custom.Conflict|label\n\n\n#Text=Ja.\n1-1\t0-2\tJa\tthreat\t\n"
    with pytest.raises(DataError, match=r"d\.tsv is WebAnno TSV.*Export the project again as 'UIMA CAS XMI'"):
        read_all({"d.tsv": tsv})
    with pytest.raises(DataError, match=r"no CAS JSON of version 0\.4.*Export it as 'UIMA CAS JSON 0\.4\.0'"):
        read_all({"d.json": '{"_context": {"_types": {}}, "_views": {}}'})


def test_without_the_extra_the_command_to_install_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cassis", None)
    with pytest.raises(UsageError, match=r'pip install -e "\.\[intake\]"'):
        read_all({"d.json": ANNA.to_json()})


@pytest.mark.parametrize(
    ("name", "data", "known"),
    [
        ("d.xmi", b"", True),
        ("d.xml", ANNA.to_xmi().encode(), True),
        ("d.json", ANNA.to_json().encode(), True),
        ("TypeSystem.xml", TYPES.encode(), False),
        ("d.json", b'[{"id": 1, "data": {"text": "%TYPES"}}]', False),
        ("d.json", b'{"text": "over \\"%TYPES\\""}', False),
        ("d.csv", b"text;labels\n", False),
        ("d.json", b"\xff\xfe{", False),
    ],
)
def test_recognises_its_own_files_only(name, data, known):
    assert cas.recognises(Source(name, data)) is known
