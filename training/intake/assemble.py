"""Sentences of one or several exports -> one entry a sentence, with id, article and everybody's answers.

The answers of several files meet where the rows say that they speak of one sentence (``training.intake.meeting``).
Nothing is guessed: contradictions are faults, and rows that name no article need ``--article``, because sentences
of one article must never be divided over splits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count

from strijdtaal.errors import DataError
from strijdtaal.text import clean
from training.intake.characters import check_text
from training.intake.meeting import check_places, meet_by_text, merge
from training.intake.sentence import Intake, Sentence

EACH = "each"  # --article each: a sentence that names no article is one of its own
KEPT = ("date", "region", "style", "reason")
SHOWN_FIELDS = 12
MAX_DIGITS = 9  # of a number that counts sentences or characters

Answers = dict[str, tuple[str, ...]]


@dataclass
class Entry:
    """One sentence of the import: all that the files say of it.

    Attributes:
        anonymous: nothing but its text tells the row from others.
        files: the files that speak of it.

    The rest is as in ``Sentence``.
    """

    where: str
    text: str
    article: str
    id: str | None = None
    index: int | None = None
    span: tuple[int, int] | None = None
    gold: tuple[str, ...] | None = None
    soft: Mapping[str, float] | None = None
    annotations: Answers = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    anonymous: bool = False
    files: set[str] = field(default_factory=set)


def _article(sentence: Sentence, name: str | None) -> str | None:
    """The article's name, in a form in which equal names are equal (NFC, single spaces).

    One of its own is named after the text, so that it has the same name in every import.
    """
    given = clean(sentence.meta.get("article" if name is None or name == EACH else name, ""))
    if given or name != EACH:
        return given or None
    return f"s{blake2b(clean(sentence.text).encode(), digest_size=6).hexdigest()}"


def _no_article(first: Sentence, missing: int, fields: Counter[str], name: str | None) -> DataError:
    wanted = f"the field '{name}' of --article" if name else "a field 'article'"
    seen = ", ".join(key for key, _ in fields.most_common(SHOWN_FIELDS)) or "none"
    return DataError(
        f"{first.where}: no article ({missing:,} sentences lack {wanted}). Sentences of one article must stay in one "
        f"split, so say which field names the article: --article FIELD (fields found: {seen}). If no two "
        f"sentences come from one article, say --article {EACH}."
    )


def _whole(given: str) -> int | None:
    given = given.strip()
    return int(given) if given.isascii() and given.isdigit() and len(given) <= MAX_DIGITS else None


def _index(sentence: Sentence, intake: Intake) -> int | None:
    given = sentence.meta.get("index", "").strip()
    found = _whole(given)
    if given and found is None:
        intake.fault(sentence.where, f"index {given[:30]!r} is no whole number of at most {MAX_DIGITS} digits")
    return found


def _span(sentence: Sentence) -> tuple[int, int] | None:
    """Its place in the article, also where a tool carried ``start`` and ``end`` along, if the text is as long."""
    if sentence.span is not None:
        return sentence.span
    start, end = (_whole(sentence.meta.get(name, "")) for name in ("start", "end"))
    return None if start is None or end is None or end - start != len(sentence.text) else (start, end)


def _annotations(sentence: Sentence, intake: Intake) -> Answers:
    """Answers by annotator; two answers of one person must be the same."""
    answers: Answers = {}
    for annotator, labels in sentence.annotations.items():
        name = intake.annotator(annotator)
        if not name:
            intake.fault(sentence.where, f"an annotator without a name, found {annotator!r}")
        elif answers.setdefault(name, labels) != labels:
            intake.fault(sentence.where, f"annotator {name!r} answers {list(answers[name])} and {list(labels)}")
    return answers


def _entry(sentence: Sentence, article: str, intake: Intake) -> Entry:
    entry = Entry(
        where=sentence.where,
        text=sentence.text,
        article=article,
        id=clean(sentence.meta.get("id", "")) or None,
        index=_index(sentence, intake),
        span=_span(sentence),
        gold=sentence.gold,
        soft=sentence.soft,
        annotations=_annotations(sentence, intake),
        meta={name: sentence.meta[name] for name in KEPT if sentence.meta.get(name)},
        files={sentence.file},
    )
    entry.anonymous = sentence.key is None and entry.id is None and entry.span is None and entry.index is None
    return entry


def _identities(entry: Entry, sentence: Sentence, field: str | None) -> Iterator[tuple[str, ...]]:
    """What makes two rows speak of one sentence; nothing where nothing does."""
    home = sentence.meta.get("article", "") if field == EACH else entry.article
    if entry.id:
        yield ("id", entry.id)
    if entry.span:
        yield ("span", home, *map(str, entry.span))
    elif sentence.key and not entry.id:
        yield ("key", home, sentence.key)


def _fill_indices(article: str, members: list[Entry], taken: Collection[str | None], intake: Intake) -> None:
    """Indices for the sentences that have none: the free numbers, in order; all anew where two have the same."""
    used = {entry.index for entry in members} - {None}
    if len(used) < sum(entry.index is not None for entry in members):
        intake.count("articles whose indices were double, and are numbered anew")
        used.clear()
        for entry in members:
            entry.index = None
    if all(entry.span for entry in members):
        members = sorted(members, key=lambda entry: entry.span or (0, 0))
    free = count()
    for entry in members:
        if entry.index is None:
            entry.index = next(
                one for one in free if one not in used and (entry.id or _made_id(article, one) not in taken)
            )


def _made_id(article: str, index: int | None) -> str:
    return f"{article}-{index:02d}"


def _number(entries: Iterable[Entry], intake: Intake) -> None:
    """Give each entry its index in the article and its id; two entries with one id are a fault."""
    articles: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        articles[entry.article].append(entry)
    taken = {entry.id for members in articles.values() for entry in members}
    used: dict[str, str] = {}
    for article, members in articles.items():
        _fill_indices(article, members, taken, intake)
        for entry in members:
            entry.id = entry.id or _made_id(article, entry.index)
            if entry.id in used:
                intake.fault(entry.where, f"id {entry.id!r} is also that of {used[entry.id]}; give each its own")
            used[entry.id] = entry.where
        check_places(article, members, intake)


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
    for sentence in sentences:
        try:
            check_text(sentence.text, intake)
        except ValueError as error:
            intake.fault(sentence.where, error)
            continue
        article = _article(sentence, article_field)
        if article is None:
            lacking.append(sentence)
            fields.update(sentence.meta.keys())
            continue
        entry = _entry(sentence, article, intake)
        identities = list(_identities(entry, sentence, article_field))
        met = [known[one] for one in identities if one in known]
        if met and (entry.id is None or met[0].id in (None, entry.id)):
            merge(met[0], entry, intake)
            entry = met[0]
        else:
            entries.append(entry)
        for one in identities:
            known.setdefault(one, entry)
    if lacking:
        intake.check()  # other faults first: an unreadable row may be the one with the article
        raise _no_article(lacking[0], len(lacking), fields, article_field)
    entries = meet_by_text(entries, intake)
    _number(entries, intake)
    return entries


def annotators(entries: Iterable[Entry]) -> Mapping[str, int]:
    """How many sentences each annotator answered, most first."""
    counts = Counter(name for entry in entries for name in entry.annotations)
    return dict(counts.most_common())
