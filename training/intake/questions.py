"""Tools may ask several questions about a sentence; which of them are about labels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from training.intake.sentence import Intake

CLOSE = 0.8  # "suport" is a slip for "support" (0.92), "report" is another word (0.77)
SHORTEST = 5  # letters of the beginning of a label: "ceasefire"
MAX_SHOWN = 8


def is_label(name: object, intake: Intake) -> bool:
    """Whether the name is a label, after renaming by --map (which may make it "none of the labels")."""
    return isinstance(name, str) and (name in intake.label_map or name in KEYS)


def resembles_label(name: object, intake: Intake) -> bool:
    """Whether the name is a label or a slip for one: other case, spaces, a letter too few."""
    if not isinstance(name, str) or is_label(name, intake):
        return isinstance(name, str)
    plain = name.strip().lower().replace(" ", "_").replace("-", "_")
    beginning = len(plain) >= SHORTEST and any(key.startswith(plain) for key in KEYS)
    return beginning or bool(get_close_matches(plain, KEYS, n=1, cutoff=CLOSE))


def label_questions(choices: Mapping[str, Collection[object]], name: str, intake: Intake) -> frozenset[str]:
    """The questions whose answers are labels.

    A question is one of ours if any answer to it anywhere in the file is a label or a slip for one (the
    slips then become faults), or if there is no other question. So an answer with a wrong name is
    never passed over as if it were an answer to something else.

    Args:
        choices: question -> everything that was answered to it.
        name: the file, for messages.
        intake: the renaming of labels.

    Raises:
        DataError: several questions, and no answer to any of them is a label.
    """
    ours = {question for question, names in choices.items() if any(resembles_label(one, intake) for one in names)}
    if ours or len(choices) < 2:
        return frozenset(ours or choices)
    shown = "; ".join(f"{question!r}: {_listed(names)}" for question, names in list(choices.items())[:MAX_SHOWN])
    raise DataError(
        f"{name}: of {len(choices)} questions none has labels for answers ({shown}). Known labels: {', '.join(KEYS)}. "
        'Rename with --map "name in the export=label".'
    )


def _listed(names: Iterable[object]) -> str:
    return ", ".join(f"{name!r:.40}" for name in sorted(set(map(str, names)))[:MAX_SHOWN])
