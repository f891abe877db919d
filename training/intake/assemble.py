"""Sentences of one or several exports -> one entry a sentence, with id, article and everybody's answers.

The answers of several files meet where the rows say that they speak of one sentence: by ``id``, else by
place in the article, else by the tool's own key. Nothing is guessed: contradictions are faults, and rows
that name no article need ``--article``, because sentences of one article must never be divided over splits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from strijdtaal.errors import DataError
from strijdtaal.text import clean
from training.intake.characters import check_text
from training.intake.sentence import Intake, Sentence

EACH = "each"  # --article each: every sentence is an article of its own
KEPT = ("date", "region", "style", "reason")
SHOWN_FIELDS = 12

Answers = dict[str, tuple[str, ...]]


@dataclass
class Entry:
    """One sentence of the import: all that the files say of it."""

    where: str
    text: str
    article: str
    id: str | None = None
    index: int | None = None
    span: tuple[int, int] | None = None
    gold: tuple[str, ...] | None = None
    annotations: Answers = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)


def _article(sentence: Sentence, name: str | None, number: int) -> str | None:
    if name == EACH:
        return f"s{number:07d}"
    return sentence.meta.get(name or "article", "").strip() or None


def _no_article(first: Sentence, missing: int, fields: Counter[str], name: str | None) -> DataError:
    wanted = f"the field '{name}' of --article" if name else "a field 'article'"
    seen = ", ".join(key for key, _ in fields.most_common(SHOWN_FIELDS)) or "none"
    return DataError(
        f"{first.where}: no article ({missing:,} sentences lack {wanted}). Sentences of one article must stay in one "
        f"split, so say which field names the article: --article FIELD (fields found: {seen}). If no two "
        f"sentences come from one article, say --article {EACH}."
    )


def _index(sentence: Sentence, intake: Intake) -> int | None:
    given = sentence.meta.get("index", "").strip()
    if not given:
        return None
    if not given.isascii() or not given.isdigit():
        intake.fault(sentence.where, f"index {given[:30]!r} is no whole number")
        return None
    return int(given)


def _entry(sentence: Sentence, article: str, intake: Intake) -> Entry:
    return Entry(
        where=sentence.where,
        text=sentence.text,
        article=article,
        id=sentence.meta.get("id", "").strip() or None,
        index=_index(sentence, intake),
        span=sentence.span,
        gold=sentence.gold,
        annotations=dict(sentence.annotations),
        meta={name: sentence.meta[name] for name in KEPT if sentence.meta.get(name)},
    )


def _identity(entry: Entry, sentence: Sentence, article: str | None) -> tuple[str, ...] | None:
    """What makes two rows speak of one sentence; None where nothing does."""
    if entry.id:
        return ("id", entry.id)
    home = sentence.meta.get("article", "") if article == EACH else entry.article
    if entry.span:
        return ("span", home, *map(str, entry.span))
    return ("key", home, sentence.key) if sentence.key else None


def _merge(old: Entry, new: Entry, intake: Intake) -> None:
    """Add what another row says of the same sentence; contradictions are faults that name both rows."""
    if clean(old.text) != clean(new.text):
        intake.fault(new.where, f"has another text than {old.where}, under one id ({old.id or 'key of the tool'})")
        return
    for name in ("article", "index", "gold", "span"):
        before, now = getattr(old, name), getattr(new, name)
        if before is not None and now is not None and before != now:
            intake.fault(new.where, f"{name} {now!r} contradicts {before!r} at {old.where}")
        elif before is None:
            setattr(old, name, now)
    for annotator, labels in new.annotations.items():
        if old.annotations.setdefault(annotator, labels) != labels:
            intake.fault(
                new.where,
                f"annotator {annotator!r} answers {list(labels)} here and {list(old.annotations[annotator])} at "
                f"{old.where}; remove the answer that does not count",
            )
    if not new.annotations:
        intake.count("repeated rows")
    old.meta = {**new.meta, **old.meta}


def _join_copies(entries: list[Entry], intake: Intake) -> list[Entry]:
    """Let an annotated sentence and the same one cut out of its article's plain text meet.

    Only where the text stands once on each side: then the annotated one learns its place in the article.
    """
    bare, placed = defaultdict(list), defaultdict(list)
    for entry in entries:
        answered = bool(entry.annotations) or entry.gold is not None
        if answered and entry.span is None:
            bare[entry.article, clean(entry.text)].append(entry)
        elif not answered and entry.span is not None:
            placed[entry.article, clean(entry.text)].append(entry)
    gone = set()
    for key in bare.keys() & placed.keys():
        if len(bare[key]) == len(placed[key]) == 1:
            bare[key][0].span = placed[key][0].span
            gone.add(id(placed[key][0]))
            intake.count("annotated sentences found in the plain text of their article")
    return [entry for entry in entries if id(entry) not in gone] if gone else entries


def _number(entries: Iterable[Entry], intake: Intake) -> None:
    """Give each entry its index in the article and its id; two entries with one id are a fault."""
    articles: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        articles[entry.article].append(entry)
    used: dict[str, str] = {}
    for article, members in articles.items():
        given = [entry.index for entry in members]
        if None in given or len(set(given)) < len(given):
            if any(index is not None for index in given):
                intake.count("articles whose indices were missing or double, and are numbered anew")
            if all(entry.span for entry in members):
                members.sort(key=lambda entry: entry.span or (0, 0))
            for index, entry in enumerate(members):
                entry.index = index
        for entry in members:
            entry.id = entry.id or f"{article}-{entry.index:02d}"
            if entry.id in used:
                intake.fault(entry.where, f"id {entry.id!r} is also that of {used[entry.id]}; give each its own")
            used[entry.id] = entry.where


def assemble(sentences: Iterable[Sentence], intake: Intake, article_field: str | None = None) -> list[Entry]:
    """One entry a sentence, in the order of the files.

    Args:
        sentences: what the readers yield.
        intake: takes faults (unusable text, contradictions, double ids) and counts.
        article_field: the field that names the article (default ``article``), or ``each``.

    Raises:
        DataError: sentences without an article.
    """
    entries: list[Entry] = []
    known: dict[tuple[str, ...], Entry] = {}
    lacking: list[Sentence] = []
    fields: Counter[str] = Counter()
    for number, sentence in enumerate(sentences):
        try:
            check_text(sentence.text, intake)
        except ValueError as error:
            intake.fault(sentence.where, error)
            continue
        article = _article(sentence, article_field, number)
        if article is None:
            lacking.append(sentence)
            fields.update(sentence.meta.keys())
            continue
        entry = _entry(sentence, article, intake)
        identity = _identity(entry, sentence, article_field)
        if identity is not None and identity in known:
            if article_field == EACH:
                entry.article = known[identity].article
            _merge(known[identity], entry, intake)
            continue
        if identity is not None:
            known[identity] = entry
        entries.append(entry)
    if lacking:
        intake.check()  # other faults first: an unreadable row may be the one with the article
        raise _no_article(lacking[0], len(lacking), fields, article_field)
    entries = _join_copies(entries, intake)
    _number(entries, intake)
    return entries


def annotators(entries: Iterable[Entry]) -> Mapping[str, int]:
    """How many sentences each annotator answered, most first."""
    counts = Counter(name for entry in entries for name in entry.annotations)
    return dict(counts.most_common())
