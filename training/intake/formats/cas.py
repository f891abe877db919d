"""UIMA CAS, as XMI (with its TypeSystem.xml) or JSON 0.4: how INCEpTION and its kin export annotations.

Labels are the values of a text feature of any layer (``webanno.custom.Conflict``, feature ``label``), or the name of
the layer itself. A layer is read as soon as one of its values is a label; in a file that has annotated spans but no
label at all, the layers are named as a fault, since ``--map`` is probably missing (``--map "Actor="`` passes over
the layer Actor). Offsets of UIMA count UTF-16 units; dkpro-cassis turns them into code points. The sentence
boundaries of the tool are ignored: ours are those of the runtime. Whose file it is: ``training.intake.inception``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from training.intake.inception import INITIAL, user_of, whose
from training.intake.sentence import NO_LABEL, Intake, Sentence
from training.intake.source import Source
from training.intake.spans import sentences_of
from training.intake.uima import load_view

NAME = "cas"
TITLE = "UIMA CAS (XMI or JSON, as of INCEpTION)"

_DKPRO = "de.tudarmstadt.ukp."
_NAMED_ENTITY = f"{_DKPRO}dkpro.core.api.ner.type.NamedEntity"  # the one built-in layer that people label with
_SENTENCE = f"{_DKPRO}dkpro.core.api.segmentation.type.Sentence"
_METADATA = f"{_DKPRO}dkpro.core.api.metadata.type.DocumentMetaData"
_MARK = b"\xef\xbb\xbf"
_TSV = b"#FORMAT=WebAnno TSV"
_JSON = re.compile(rb'\s*\{\s*"(_context|%(TYPES|FEATURE_STRUCTURES|VIEWS|FLAGS))"')
_HEAD = 4000  # bytes that a file is recognised by


def recognises(source: Source) -> bool:
    """XMI and CAS JSON; WebAnno TSV and the older JSON of UIMA too, to say what to do instead."""
    head = source.data[:_HEAD]
    if source.suffix == ".xmi" or b"http://www.omg.org/XMI" in head or head.removeprefix(_MARK).startswith(_TSV):
        return True
    return _JSON.match(head.removeprefix(_MARK)) is not None


def _values(annotation: Any, feature: str) -> list[str]:
    value = getattr(annotation, feature)
    if value is None:
        return []
    return [str(one) for one in (value.elements or [] if hasattr(value, "elements") else [value]) if one]


def _text_features(view: Any, layer: Any) -> list[str]:
    kinds = ("uima.cas.String", "uima.cas.StringArray")
    return [
        one.name for one in layer.all_features if any(view.typesystem.is_instance_of(one.rangeType, k) for k in kinds)
    ]


def _layers(source: Source, view: Any, intake: Intake) -> dict[str, list[Any]]:
    """Annotations of the layers that may hold labels, by type; what can not is counted."""
    layers: dict[str, list[Any]] = defaultdict(list)
    for one in view.select_all_annotations():
        if not (isinstance(one.begin, int) and isinstance(one.end, int)):
            raise DataError(
                f"{source.name}: an annotation of {one.type.name} has no place in the text. Export it again."
            )
        layers[one.type.name].append(one)
    result = {}
    for name, members in layers.items():
        if name == _SENTENCE:
            intake.count("sentence boundaries of the tool", len(members))
        elif {"Governor", "Dependent"} <= {feature.name for feature in members[0].type.all_features}:
            intake.count("relations", len(members))
        elif name == _NAMED_ENTITY or not name.startswith(("uima.", _DKPRO)):
            result[name] = members
    return result


def _is_label(name: str, intake: Intake) -> bool:
    """True for labels, names that --map knows, and other spellings of labels, which become faults."""
    return name in intake.label_map or name.strip().lower().replace(" ", "_").replace("-", "_") in KEYS


def _spans(source: Source, view: Any, intake: Intake) -> list[tuple[int, int, str]]:
    """Spans with the names of their labels; a span or layer without any is a fault."""
    spans: list[tuple[int, int, str]] = []
    others: dict[str, list[str]] = {}
    passed, labelled = 0, False
    for layer, members in _layers(source, view, intake).items():
        name = layer.rpartition(".")[2]
        texts = _text_features(view, members[0].type)
        used = [one for one in texts if any(_is_label(value, intake) for a in members for value in _values(a, one))]
        if intake.label_map.get(name) == NO_LABEL or not (_is_label(name, intake) or used):
            passed += len(members)
            if name not in intake.label_map:
                others[name] = [value for a in members for one in texts for value in _values(a, one)]
            continue
        labelled = True
        if _is_label(name, intake):
            spans += [(a.begin, a.end, name) for a in members]
        else:
            spans += _values_of_spans(source, members, used, intake)
    if labelled or not others:
        if passed:
            intake.count("spans of other layers", passed)
        return spans
    for name, values in others.items():
        try:
            intake.labels(values[:1] or [name])  # raises: says what it might mean, and how to rename it
        except ValueError as error:
            intake.fault(source.name, f'layer {name!r}: {error} To pass over the layer: --map "{name}=".')
    return spans


def _values_of_spans(
    source: Source, members: list[Any], features: list[str], intake: Intake
) -> list[tuple[int, int, str]]:
    spans = []
    for one in members:
        values = [value for feature in features for value in _values(one, feature)]
        if not values:
            where = f"{source.name}, characters {one.begin}-{one.end}"
            intake.fault(where, f"a span without a label ({features[0]!r} is empty); label or delete it in the tool")
        spans += [(one.begin, one.end, value) for value in values]
    return spans


def read(source: Source, intake: Intake) -> Iterator[Sentence]:
    """All sentences of one document, as answered by one annotator or as curated.

    In a document that INCEpTION's project description calls unfinished, a sentence without a span has no answer.

    Raises:
        DataError: not readable, unsafe, without type system or without text; a format that is not read.
        UsageError: dkpro-cassis is not installed.
    """
    if user_of(source) == INITIAL:
        intake.count("documents before annotation (INITIAL_CAS)")
        return
    if source.data.removeprefix(_MARK).startswith(_TSV):
        raise DataError(
            f"{source.name} is WebAnno TSV, which is not read: it cuts labels into tokens. Export the project again as "
            "'UIMA CAS XMI' or 'UIMA CAS JSON'."
        )
    view = load_view(source)
    metadata = view.select(_METADATA) if view.typesystem.contains_type(_METADATA) else []
    title = next((one.documentTitle for one in metadata if isinstance(one.documentTitle, str)), "")
    document = whose(source, title, NAME)
    spans = _spans(source, view, intake)
    if not document.finished:
        intake.count("documents that are not finished in INCEpTION")
    for one in sentences_of(view.sofa_string, spans, document.annotator, source.name, document.article, intake):
        answered = document.finished or one.gold or any(one.annotations.values())
        yield one if answered else replace(one, annotations={}, gold=None)
