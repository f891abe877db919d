"""``python -m training suggest``: unlabelled sentences -> the most useful ones, as tasks of an annotation tool.

A run is asked, not a bundle: it knows its annotations, so that nothing annotated is suggested again and the rare
labels are known. Sentences that a model chose are no fair sample: train on them, but measure on sentences
drawn with ``--by random``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from strijdtaal.classifier import sigmoid
from strijdtaal.errors import DataError, UsageError
from strijdtaal.labels import KEYS
from strijdtaal.text import clean
from training.dataset import TRAIN, resolve
from training.intake.assemble import Entry
from training.intake.entries import read_entries
from training.intake.export import Suggestion, Task, advice, check_target, task_of, write_tasks
from training.records import find_files, read_records
from training.run import Run, open_run
from training.suggest.sentences import fresh, sentence_vectors
from training.suggest.strategies import BY_VECTORS, DEFAULT, Array, Candidates, Choice, check_strategy, choose

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """What the command line says.

    ``blind`` leaves out of the tasks what the model thinks: people who see a suggestion tend to follow it, and
    agreement between such people says little.
    """

    number: int = 200
    by: str = DEFAULT
    to: str = "labelstudio"
    seed: int = 1
    article: str | None = None
    blind: bool = False

    def __post_init__(self) -> None:
        check_strategy(self.by)
        if self.number < 1:
            raise UsageError(f"--n {self.number}: at least one sentence must be asked for.")
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed}: must be 0 or more.")


def _annotated(run: Run) -> list[str]:
    """All sentences that the run's annotations hold now, whatever their split: none of them is news."""
    section = run.config.data
    paths = find_files([resolve(path) for path in [*section.files, *section.held_out]])
    return [record.text for record in read_records(paths)]


def _unlabelled(entries: Sequence[Entry], known: Sequence[str]) -> list[Entry]:
    """The entries that nobody has answered and that say something new.

    Raises:
        DataError: there is none.
    """
    open_ones = [entry for entry in entries if not entry.annotations and entry.gold is None]
    kept = [open_ones[place] for place in fresh([entry.text for entry in open_ones], known)]
    log.info(
        "%s sentences: %s are labelled, %s nearly the same as annotated ones or as one another, %s are left",
        *(f"{number:,}" for number in (len(entries), len(entries) - len(open_ones), len(open_ones) - len(kept))),
        f"{len(kept):,}",
    )
    if not kept:
        raise DataError("No sentence is left to suggest. Give sentences that are not annotated yet.")
    return kept


def _task(entry: Entry, logits: Array, run: Run, options: Options, rank: int, choice: Choice) -> Task:
    about = {"rank": str(rank + 1), "chosen_by": options.by}
    if options.blind:
        return task_of(entry, also=about)
    probabilities = dict(zip(KEYS, sigmoid(logits).tolist(), strict=True))
    about |= {
        "chosen_because": choice.reasons[rank],  # not ``reason``: that is why annotators' answers were settled so
        "score": f"{choice.scores[rank]:.4f}",
        "probabilities": ", ".join(f"{key} {value:.3f}" for key, value in probabilities.items()),
    }
    thresholds = dict(zip(KEYS, run.thresholds, strict=True))
    model = f"{run.name}-{run.model_sha256[:8]}"
    return task_of(entry, Suggestion(probabilities, thresholds, model), about)


def suggest(run: Run, entries: Sequence[Entry], options: Options) -> list[Task]:
    """The most useful of the entries, best first, with what the run says of them.

    Raises:
        DataError: no entry is left after those labelled and near-duplicates, or the annotations cannot be read.
    """
    from training.network import classify

    known = [*_annotated(run), *(entry.text for entry in entries if entry.annotations or entry.gold is not None)]
    kept = _unlabelled(entries, known)
    texts = [clean(entry.text) for entry in kept]
    log.info("Scoring %s sentences with %s", f"{len(texts):,}", run.name)
    logits = classify(run.folder / "model", texts, run.config.network.max_length)
    log.info("Choosing by %s", options.by)
    empty = np.empty((len(texts) + len(known), 0), dtype=np.float32)
    vectors = sentence_vectors([*texts, *known]) if options.by in BY_VECTORS else empty
    positives = [int(run.data["counts"][TRAIN][key]) for key in KEYS]
    candidates = Candidates(logits, run.thresholds, vectors[: len(texts)], vectors[len(texts) :], positives)
    choice = choose(candidates, options.number, options.by, options.seed)
    return [_task(kept[place], logits[place], run, options, rank, choice) for rank, place in enumerate(choice.order)]


def run_suggest(run: Path, files: Sequence[Path], out: Path, options: Options) -> None:
    """The command: rank, choose, write, and say what to do next.

    Raises:
        UsageError: the run is not whole, or a wrong option.
        DataError: any fault in the files, or nothing left to suggest.
        FolderError: ``out`` exists already, or the disk refuses.
    """
    check_target(out, options.to)
    tasks = suggest(open_run(run), read_entries(files, options.article), options)
    written = write_tasks(tasks, out, options.to)
    sys.stdout.write(f"{written:,} sentences, chosen by {options.by} -> {out}\n{advice(options.to)}\n")
