"""Writes the sample exports of spans and tables beside ``sentences.json``: python tests/data/intake/make_samples.py

All of them say the same of the same sentences. Needs the extra ``intake`` (dkpro-cassis) and pyarrow.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cassis
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
ROWS = json.loads((HERE / "sentences.json").read_text("utf-8"))
ANNOTATORS = ("anna", "bram")
KEYS = ("threat", "support", "retreat", "ceasefire_call")
PLACE = ("id", "article", "index", "date", "region", "style")
DKPRO = "de.tudarmstadt.ukp.dkpro.core.api"


def articles():
    """Article -> its rows; the text of an article is its sentences, one blank between them."""
    result = {}
    for row in ROWS:
        result.setdefault(row["article"], []).append(row)
    return result


def spans(rows, annotator):
    """Start, end and label of each span in the article; the final stop is left out, as people do."""
    start = 0
    for row in rows:
        for label in row["annotations"][annotator]:
            yield start, start + len(row["text"].rstrip(".")), label
        start += len(row["text"]) + 1


def answers():
    """One row an answer: the sentence's row, who answered, and the labels."""
    return [(row, name, row["annotations"][name]) for row in ROWS for name in ANNOTATORS]


def write_brat(folder):
    """Types are the labels; in article i3 they are the value of an attribute, as some projects set it up."""
    for annotator in ANNOTATORS:
        (folder / annotator).mkdir(parents=True, exist_ok=True)
        for article, rows in articles().items():
            text = " ".join(row["text"] for row in rows)
            lines = []
            for number, (start, end, label) in enumerate(spans(rows, annotator), 1):
                kind = "Zin" if article == "i3" else label
                lines.append(f"T{number}\t{kind} {start} {end}\t{text[start:end]}\n")
                if kind == "Zin":
                    lines.append(f"A{number}\tLabel T{number} {label}\n")
            if annotator == "anna" and article == "i1":
                lines.append("#1\tAnnotatorNotes T1\tdreigement zonder twijfel\n")
                lines.append("R1\tVervolg Arg1:T1 Arg2:T2\n")
            (folder / annotator / f"{article}.ann").write_text("".join(lines), "utf-8")
            (folder / annotator / f"{article}.txt").write_text(text, "utf-8")


def type_system():
    """INCEpTION's, as far as the samples need it: a custom layer, sentences, the document's title."""
    types = cassis.TypeSystem()
    layer = types.create_type("webanno.custom.Conflict", "uima.tcas.Annotation")
    types.create_feature(layer, "label", "uima.cas.String")
    types.create_type(f"{DKPRO}.segmentation.type.Sentence", "uima.tcas.Annotation")
    metadata = types.create_type(f"{DKPRO}.metadata.type.DocumentMetaData", "uima.tcas.DocumentAnnotation")
    types.create_feature(metadata, "documentTitle", "uima.cas.String")
    return types


def cas_of(types, article, rows, annotator):
    """One document of one annotator."""
    cas = cassis.Cas(types, sofa_string=" ".join(row["text"] for row in rows), sofa_mime="text/plain")
    metadata = types.get_type(f"{DKPRO}.metadata.type.DocumentMetaData")
    cas.add(metadata(begin=0, end=len(cas.sofa_string), documentTitle=f"{article}.txt"))
    sentence = types.get_type(f"{DKPRO}.segmentation.type.Sentence")
    start = 0
    for row in rows:
        cas.add(sentence(begin=start, end=start + len(row["text"])))
        start += len(row["text"]) + 1
    layer = types.get_type("webanno.custom.Conflict")
    for start, end, label in spans(rows, annotator):
        cas.add(layer(begin=start, end=end, label=label))
    return cas


def write_cas(folder, json_folder):
    """The layout of INCEpTION's project export, as XMI and as JSON."""
    types = type_system()
    for article, rows in articles().items():
        for root in (folder, json_folder):
            (root / "annotation" / f"{article}.txt").mkdir(parents=True, exist_ok=True)
        for annotator in ANNOTATORS:
            cas = cas_of(types, article, rows, annotator)
            cas.to_xmi(folder / "annotation" / f"{article}.txt" / f"{annotator}.xmi", pretty_print=True)
            cas.to_json(json_folder / "annotation" / f"{article}.txt" / f"{annotator}.json", pretty_print=True)
    types.to_xml(folder / "TypeSystem.xml")


def write_tables(folder):
    """As Excel saves it in the Netherlands; a TSV with a column a label; Parquet with lists."""
    with (folder / "table.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow([*PLACE, "tekst", "labels", "annotator"])
        for row, annotator, labels in answers():
            writer.writerow([*(row[name] for name in PLACE), row["text"], ", ".join(labels), annotator])
    with (folder / "table.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow([*PLACE, "zin", "annotator", *KEYS])
        for row, annotator, labels in answers():
            flags = (int(key in labels) for key in KEYS)
            writer.writerow([*(row[name] for name in PLACE), row["text"], annotator, *flags])
    columns = {name: [row[name] for row, _, _ in answers()] for name in (*PLACE, "text")}
    columns["annotator"] = [annotator for _, annotator, _ in answers()]
    columns["labels"] = pa.array([labels for _, _, labels in answers()], pa.list_(pa.string()))
    pq.write_table(pa.table(columns), folder / "table.parquet")


if __name__ == "__main__":
    write_brat(HERE / "brat")
    write_cas(HERE / "cas", HERE / "cas_json")
    write_tables(HERE)
