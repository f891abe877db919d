"""What the tests of batch scoring share: sentences written for them, files of every form, the command as a process."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from strijdtaal.batch.forms import unescaped
from strijdtaal.labels import KEYS

ROOT = Path(__file__).resolve().parent.parent
SENTENCES = [
    "Ankara stuurt pantserwagens naar het regeringsleger in de kuststad.",
    'De rebellen gaven de luchtbasis over; "wij vechten niet meer", zei hun commandant.',
    "=SOM(A1) stond er op het bord, en niemand lachte.",
    "- Nee, riep de generaal, wij vallen morgen aan.",
    "NA",
    "null",
    "De paus riep op\nhet vuren te staken, ook in Ál-Jufra 🕊️.",
    "'s Avonds trok de colonne zich terug naar het noorden.",
    "@leger: de brug, de markt; de haven\tzijn weer open.",
    "Het regende.",
]


def records(number: int, start: int = 0) -> list[dict[str, Any]]:
    """Rows with id, text and two more columns; no two texts alike."""
    return [
        {"id": f"r{place:05}", "text": f"{SENTENCES[place % len(SENTENCES)]} ({place})", "bron": "NA", "jaar": "2020"}
        for place in range(start, start + number)
    ]


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write rows in the form that the file's name says."""
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=7)
        return path
    with (
        gzip.open(path, "wt", encoding="utf-8", newline="")
        if path.name != name
        else path.open("w", encoding="utf-8", newline="") as file
    ):
        if name.endswith(".txt"):
            file.writelines(row["text"].replace("\n", " ") + "\n" for row in rows)
        elif name.endswith(".jsonl"):
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        else:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if name.endswith(".tsv") else ";")
            writer.writeheader()
            writer.writerows(rows)
    return path


def read_parts(parts: Iterable[Path]) -> list[dict[str, Any]]:
    """The rows of a finished job, whatever its form, as JSONL has them."""
    rows: list[dict[str, Any]] = []
    for path in parts:
        if path.suffix == ".jsonl":
            rows += [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        elif path.suffix == ".parquet":
            import pyarrow.parquet as pq

            rows += [_nested(row) for row in pq.read_table(path).to_pylist()]
        else:
            with path.open(encoding="utf-8", newline="") as file:
                rows += [_nested(_typed(row)) for row in csv.DictReader(file, strict=True)]
    return rows


def _typed(row: dict[str, str]) -> dict[str, Any]:
    typed: dict[str, Any] = {name: unescaped(value) for name, value in row.items()}
    typed |= {key: float(row[key]) for key in KEYS}
    typed["labels"] = row["labels"].split(";") if row["labels"] else []
    return typed | {name: int(row[name]) for name in ("index", "start", "end") if name in row}


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in KEYS} | {
        "probabilities": {key: row[key] for key in KEYS}
    }


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of everything that a job wrote, but for the manifest, which holds times."""
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != "manifest.json"
    }


def start_command(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """``strijdtaal score ...`` as a process."""
    command = [sys.executable, "-m", "strijdtaal", "score", *map(str, arguments)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen(command, cwd=ROOT, **options)


def run_command(*arguments: object, **options: Any) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of ``strijdtaal score ...``."""
    with start_command(*arguments, **options) as process:
        out, errors = process.communicate(timeout=120)
    return process.returncode, out, errors
