"""One shard: read its rows, score them, write its file. The same code under every engine.

Sentences are scored in blocks that depend on the shard alone, on one thread, so that a shard's bytes do not depend on
who scores it, when, or beside what.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from strijdtaal.batch.forms import open_form
from strijdtaal.batch.inputs import Input
from strijdtaal.batch.job_folder import TEMPORARY, JobFolder, fsync_folder, read_json, write_json
from strijdtaal.batch.options import Options
from strijdtaal.batch.plan import Segment
from strijdtaal.batch.rows import Fault, Mark, Reader, Row, locate
from strijdtaal.batch.survey import open_reader
from strijdtaal.classifier import Classifier, Prediction, sigmoid
from strijdtaal.errors import BundleError, DataError
from strijdtaal.folder import FolderError, write_file
from strijdtaal.text import sentence_spans

SCORED = 1_024  # sentences scored at once; sorted by length among themselves
WRITTEN = 8_192  # sentences written at once: a row group of Parquet; bounds the memory

Tell = Callable[[int, int], None]  # rows and sentences since the last call


@dataclass(frozen=True, slots=True)
class Item:
    """One sentence to score, and what stands beside it in the output."""

    id: str
    text: str
    kept: tuple[Any, ...]
    article: str = ""
    index: int = 0
    start: int | None = None
    end: int | None = None


class _Hashed:
    """A file that takes the sha256 of what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.sha256, self.bytes = file, hashlib.sha256(), 0
        self.closed = False

    def write(self, data: bytes) -> int:
        data = bytes(data)
        self.file.write(data)
        self.sha256.update(data)
        self.bytes += len(data)
        return len(data)

    def flush(self) -> None:
        self.file.flush()

    def tell(self) -> int:
        return self.bytes

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


def load_classifier(bundle: str, sha256: str, precision: str) -> Classifier:
    """The bundle, on one thread.

    Raises:
        BundleError: damaged, or not the one that the job began with.
    """
    classifier = Classifier.load(bundle, threads=1, precision=precision)
    if classifier.contract.sha256 != sha256:
        raise BundleError(f"{bundle} is not the bundle that this job began with. Restore it, or start another job.")
    return classifier


class Scorer:
    """Scores shards of one job; holds the classifier and the input file that it read last."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self.folder = JobFolder(Path(setup["out"]))
        self.options = Options.from_dict(setup["options"])
        self.inputs = [Input(**item) for item in setup["inputs"]]
        plan = read_json(self.folder.plan)
        self.shards: list[list[Segment]] = [[tuple(one) for one in shard] for shard in plan["shards"]]
        self.duplicates: dict[str, dict[str, str]] = plan["duplicates"]
        self.stat: list[list[int]] = read_json(self.folder.stat)
        self.classifier = load_classifier(setup["bundle"], setup["sha256"], self.options.precision)
        self._open: tuple[int, Reader] | None = None

    def score(self, shard: int, tell: Tell = lambda rows, sentences: None) -> dict[str, Any]:
        """Score a shard and put its file in place; returns its figures.

        Raises:
            DataError: the input changed since the job began, or has a fault that is not to be skipped.
            BundleError: the model gave a value that is not finite.
            FolderError: the disk refuses.
        """
        start = time.process_time()
        target = self.folder.part(shard, self.options.form)
        work = self.folder.work / f"{shard:05d}-{uuid.uuid4().hex}{TEMPORARY}"
        try:
            with work.open("wb") as file:
                figures, rejects = self._write(_Hashed(file), shard, tell)
                file.flush()
                os.fsync(file.fileno())
            if rejects:
                write_file(self.folder.rejects(shard), "".join(rejects))
            figures["core_seconds"] = round(time.process_time() - start, 3)
            write_json(self.folder.figures(shard), figures)
            os.replace(work, target)
            fsync_folder(self.folder.out)
        except OSError as error:
            raise FolderError(f"Cannot write {target}: {error.strerror or error}. Check the space left.") from error
        finally:
            work.unlink(missing_ok=True)
        return figures

    def _write(self, file: _Hashed, shard: int, tell: Tell) -> tuple[dict[str, Any], list[str]]:
        labels = dict.fromkeys(self.classifier.contract.keys, 0)
        figures: dict[str, Any] = {"read": 0, "rows": 0, "none": 0, "labels": labels}
        rejects: list[str] = []
        options = self.options
        leading = ["id"] + ["article", "index", "start", "end"] * options.articles + ["text"] * options.with_text
        form = open_form(options.form, file, leading, options.keep)
        items = self._items(shard, figures, rejects)
        waiting: list[tuple[Item, Prediction]] = []
        told = 0
        while block := list(itertools.islice(items, SCORED)):
            predictions = self._predict([item.text for item in block])
            waiting += zip(block, predictions, strict=True)
            if len(waiting) >= WRITTEN:
                form.write(self._columns(waiting))
                waiting.clear()
            figures["rows"] += len(block)
            for prediction in predictions:
                figures["none"] += not prediction.labels
                for key in prediction.labels:
                    labels[key] += 1
            tell(figures["read"] - told, len(block))
            told = figures["read"]
        if waiting:
            form.write(self._columns(waiting))
        form.close()
        return figures | {"rejected": len(rejects), "bytes": file.bytes, "sha256": file.sha256.hexdigest()}, rejects

    def _items(self, shard: int, figures: dict[str, Any], rejects: list[str]) -> Iterator[Item]:
        """The sentences of a shard; rows that cannot be scored go to ``rejects`` as JSON lines."""
        for number, *mark, records in self.shards[shard]:
            source = self.inputs[number]
            duplicates = self.duplicates.get(str(number), {})
            count = 0
            for record in itertools.islice(self._reader(number, Mark(*mark)).records(), records):
                count += 1
                figures["read"] += 1
                if isinstance(record, Row):
                    first = duplicates.get(str(record.row))
                    if first is None:
                        yield from self._sentences(source, record)
                        continue
                    record = Fault(record.row, record.line, f"id {record.id!r} stands already at {first}")
                rejects.append(self._reject(source, record))
            if count != records:
                raise DataError(f"{source.path} ends before row {mark[1] + records}: it changed. Restore it.")

    def _reject(self, source: Input, fault: Fault) -> str:
        if self.options.on_error == "stop":
            where = locate(source.name, source.form, fault.row, fault.line)
            raise DataError(f"{where}: {fault.reason}. Repair it, or go on with --on-error skip.")
        values = {"file": source.name, "row": fault.row, "line": fault.line, "reason": fault.reason}
        return json.dumps(values, ensure_ascii=False) + "\n"

    def _sentences(self, source: Input, record: Row) -> Iterator[Item]:
        identity = record.id
        if identity is None:
            identity = str(record.row) if len(self.inputs) == 1 else f"{source.name}:{record.row}"
        if not self.options.articles:
            yield Item(identity, record.text, record.kept)
            return
        for index, (start, end) in enumerate(sentence_spans(record.text)):
            sentence = record.text[start:end]
            yield Item(f"{identity}-{index}", sentence, record.kept, identity, index, start, end)

    def _reader(self, number: int, mark: Mark) -> Reader:
        """The reader of a file at a mark; the file must be as it was when the job began."""
        path = self.inputs[number].path
        try:
            found = os.stat(path)
        except OSError as error:
            raise DataError(f"Cannot read {path}: {error.strerror}. Restore it; finished shards stay.") from error
        if [found.st_size, found.st_mtime_ns] != self.stat[number]:
            raise DataError(f"{path} changed while the job ran. Restore it, or score the new one to another folder.")
        if self._open is None or self._open[0] != number:
            if self._open:
                self._open[1].close()
            self._open = number, open_reader(self.inputs[number], self.options)
        self._open[1].go(mark)
        return self._open[1]

    def _predict(self, texts: list[str]) -> list[Prediction]:
        probabilities = sigmoid(self.classifier.logits_of(self.classifier.encode(texts)))
        if not np.isfinite(probabilities).all():
            raise BundleError("The model gave a value that is not finite. Restore the bundle from its source.")
        return [self.classifier.decide(text, row) for text, row in zip(texts, probabilities, strict=True)]

    def _columns(self, rows: list[tuple[Item, Prediction]]) -> dict[str, list[Any]]:
        names = [name for name in Item.__slots__ if name != "kept"]
        columns: dict[str, list[Any]] = {name: [getattr(item, name) for item, _ in rows] for name in names}
        columns["labels"] = [prediction.labels for _, prediction in rows]
        for key in self.classifier.contract.keys:
            columns[key] = [prediction.probabilities[key] for _, prediction in rows]
        for number, name in enumerate(self.options.keep):
            columns[name] = [item.kept[number] for item, _ in rows]
        return columns
