"""A tokenizer.json from elsewhere: looked at part by part before the tokenizers library builds it.

The library trusts this file: a crafted one makes it panic at load or at a rare word (tokenizers#2094, #2151), grow
a sentence without bounds, or run a regular expression into its retry limit and panic there (tokenizers#2060). So
parts and patterns stand on lists, sizes have bounds, and what still panics ends as an error.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from strijdtaal.errors import BundleError, DataError
from strijdtaal.safe_json import parse_json, read_text

MAX_BYTES = 64_000_000
MAX_ADDED = 2_000  # tokens
MAX_ADDED_LENGTH = 200  # characters
MAX_PARTS = 16  # of a normalizer, pre-tokenizer, post-processor or decoder
MAX_DEPTH = 3  # of sequences in sequences
MAX_LENGTH = 100_000  # tokens, of truncation and padding
MAX_SPECIAL = 8  # tokens that a post-processor puts around a sentence
MAX_WORD = 1_000  # characters of a word that WordPiece looks at; its time grows with more than the square
MAX_REPLACEMENT = 64  # bytes that one piece of a Precompiled normalizer may become

# section: (field that holds the parts of a sequence, parts allowed)
PARTS = {
    "normalizer": (
        "normalizers",
        "NFC NFD NFKC NFKD Lowercase Strip StripAccents BertNormalizer Nmt Precompiled Prepend Replace ByteLevel",
    ),
    "pre_tokenizer": (
        "pretokenizers",
        "BertPreTokenizer ByteLevel Metaspace Whitespace WhitespaceSplit Punctuation Digits UnicodeScripts Split",
    ),
    "post_processor": ("processors", "TemplateProcessing BertProcessing RobertaProcessing ByteLevel"),
    "decoder": ("decoders", "WordPiece ByteLevel Metaspace BPEDecoder ByteFallback Fuse Replace Strip"),
}
REPEATABLE = {"Replace", "Split", "Strip", "Punctuation", "Digits"}  # twice of another can only grow the text

# Regular expressions of encoders in use (XLM-R and DeBERTa, GPT-2, Qwen, Llama 3 and EuroBERT), none of which can
# backtrack without end. Another one belongs here after somebody has looked at it.
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_ENDING = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PATTERNS = frozenset(
    {
        " {2,}",
        r"\n",
        r"[\n\r\t]",
        r"\s+",
        r"\s{2,}|[\n\r\t]",
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        _CONTRACTIONS + r"\p{N}" + _ENDING,
        _CONTRACTIONS + r"\p{N}{1,3}" + _ENDING,
    }
)


def _check(condition: object, reason: str) -> None:
    if not condition:
        raise ValueError(reason)


def _is_id(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**31


def _vocabulary(model: dict[str, Any]) -> int:
    """Check the model's own fields; return the highest id of its vocabulary."""
    kind, vocab = model.get("type"), model["vocab"]
    _check(kind in {"WordPiece", "BPE", "Unigram"}, f"model {str(kind)[:40]!r} is not WordPiece, BPE or Unigram")
    _check(vocab, "the vocabulary is empty")
    if kind == "Unigram":
        pairs = all(
            isinstance(entry, list)
            and len(entry) == 2
            and isinstance(entry[0], str)
            and isinstance(entry[1], float | int)
            for entry in vocab
        )
        _check(isinstance(vocab, list) and pairs, "a vocabulary entry is not a piece and its score")
        _check(_is_id(model.get("unk_id")) and model["unk_id"] < len(vocab), "unk_id is not in the vocabulary")
        return len(vocab) - 1
    _check(isinstance(vocab, dict) and all(map(_is_id, vocab.values())), "a token id is no number from 0 to 2^31")
    if kind == "WordPiece":
        _check(
            model.get("unk_token") in vocab, f"unk_token {str(model.get('unk_token'))[:40]!r} is not in the vocabulary"
        )
        longest = model.get("max_input_chars_per_word", 100)
        _check(_is_id(longest) and longest <= MAX_WORD, f"max_input_chars_per_word is above {MAX_WORD:,}")
    _check(model.get("dropout") is None, "dropout gives a sentence other tokens each time")
    return int(max(vocab.values()))


def _added(entries: list[dict[str, Any]]) -> int:
    """Check added tokens; return the highest id, -1 without any."""
    _check(len(entries) <= MAX_ADDED, f"more than {MAX_ADDED:,} added tokens")
    for entry in entries:
        content = entry["content"]
        _check(
            isinstance(content, str) and 0 < len(content) <= MAX_ADDED_LENGTH and _is_id(entry["id"]),
            f"added token {str(content)[:40]!r} has not 1 to {MAX_ADDED_LENGTH} characters and an id",
        )
    return max((entry["id"] for entry in entries), default=-1)


def _parts(component: Any, section: str, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The parts of a section, sequences unfolded."""
    name, allowed = PARTS[section]
    if component is None:
        return
    kind = component.get("type")
    if kind == "Sequence":
        _check(depth < MAX_DEPTH, f"{section}: more than {MAX_DEPTH} sequences in each other")
        for part in component[name]:
            yield from _parts(part, section, depth + 1)
        return
    _check(kind in allowed.split(), f"{section}: {str(kind)[:40]!r} is not one of {allowed}")
    yield component


def _pattern(part: dict[str, Any], section: str) -> None:
    """A literal, or a known regular expression; and what replaces it is not longer."""
    ((form, text),) = part["pattern"].items()
    _check(isinstance(text, str) and text, f"{section}: a pattern is empty")
    _check(
        form == "String" or text in PATTERNS,
        f"{section}: the regular expression {text[:80]!r} is not on the list of those known to end "
        "(strijdtaal.safe_tokenizer.PATTERNS)",
    )
    longest = len(text) if form == "String" else 1
    _check(len(part.get("content", "")) <= max(longest, 1), f"{section}: a replacement is longer than what it replaces")


def _precompiled(part: dict[str, Any]) -> None:
    raw = base64.b64decode(part["precompiled_charsmap"], validate=True)
    after = 4 + int.from_bytes(raw[:4], "little")
    _check(8 <= after <= len(raw), "normalizer: precompiled_charsmap is cut off")
    _check(
        max(map(len, raw[after:].split(b"\0"))) <= MAX_REPLACEMENT,
        f"normalizer: a piece of precompiled_charsmap is longer than {MAX_REPLACEMENT} bytes",
    )


def _template(part: dict[str, Any], highest: int) -> None:
    """One sentence in ``single``, two in ``pair``, few special tokens around them, all of them known."""
    special = part["special_tokens"]
    for entry in special.values():
        ids = entry["ids"]
        _check(
            isinstance(ids, list) and len(ids) == len(entry["tokens"]) <= MAX_SPECIAL
            and all(_is_id(value) and value <= highest for value in ids),
            "post_processor: a special token has no ids of the vocabulary",
        )  # fmt: skip
    for name, expected in (("single", ["A"]), ("pair", ["A", "B"])):
        pieces = [next(iter(piece.items())) for piece in part[name]]
        sentences = [value["id"] for kind, value in pieces if kind == "Sequence"]
        _check(
            sentences == expected and len(pieces) <= MAX_SPECIAL, f"post_processor: '{name}' is not around {expected}"
        )
        for kind, value in pieces:
            _check(kind == "Sequence" or value["id"] in special, f"post_processor: {value['id']!r} is not defined")


def _check_part(part: dict[str, Any], section: str, highest: int) -> None:
    kind = part["type"]
    if kind in {"Replace", "Split"}:
        _pattern(part, section)
    elif kind == "Precompiled":
        _precompiled(part)
    elif kind == "Prepend":
        _check(len(part["prepend"]) <= 8, "normalizer: Prepend puts more than 8 characters before each sentence")
    elif kind == "TemplateProcessing":
        _template(part, highest)
    elif kind in {"BertProcessing", "RobertaProcessing"}:
        inside = all(_is_id(part[name][1]) and part[name][1] <= highest for name in ("sep", "cls"))
        _check(inside, "post_processor: sep or cls is not in the vocabulary")


def _lengths(document: dict[str, Any]) -> None:
    """Truncation and padding; the runtime sets its own, other loaders take these."""
    cut, pad = document.get("truncation"), document.get("padding")
    if cut is not None:
        length, stride = cut["max_length"], cut["stride"]
        _check(_is_id(length) and MAX_SPECIAL <= length <= MAX_LENGTH, f"truncation: max_length is {str(length)[:40]}")
        _check(stride == 0 and type(stride) is int, "truncation: stride is not 0")
    if pad is not None:
        fixed = pad["strategy"]["Fixed"] if isinstance(pad["strategy"], dict) else 0
        multiple = pad.get("pad_to_multiple_of") or 0
        _check(
            _is_id(fixed) and fixed <= MAX_LENGTH and _is_id(multiple) and multiple <= MAX_LENGTH,
            f"padding: to {str(fixed)[:40]} tokens or a multiple of {str(multiple)[:40]}",
        )


def check_tokenizer(document: Any) -> int:
    """Check a parsed tokenizer.json; return the highest id that it can give.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: a part that is unknown, out of bounds or of another shape.
    """
    highest = max(_vocabulary(document["model"]), _added(document.get("added_tokens") or []))
    for section in PARTS:
        parts = list(_parts(document.get(section), section))
        once = [part["type"] for part in parts if part["type"] not in REPEATABLE]
        _check(len(parts) <= MAX_PARTS and len(set(once)) == len(once), f"{section}: too many parts, or one twice")
        for part in parts:
            _check_part(part, section, highest)
    _lengths(document)
    return highest


def _is_panic(error: BaseException) -> bool:
    """Whether the library's Rust code gave up; such an error is no ``Exception``."""
    return type(error).__name__ == "PanicException"


def load_tokenizer(path: Path, max_bytes: int = MAX_BYTES) -> tuple[Any, int]:
    """A ``tokenizers.Tokenizer`` out of a checked tokenizer.json, and the highest id that it can give.

    Raises:
        BundleError: the file is too large, not JSON, holds a part that is not on the lists, or the library
            refuses it or panics.
    """
    from tokenizers import Tokenizer

    text = read_text(path, max_bytes)
    try:
        document = parse_json(text)
        highest = check_tokenizer(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        reason = f"{type(error).__name__} {error}" if isinstance(error, KeyError | TypeError) else str(error)
        raise BundleError(f"{path} is refused: {reason}. Restore the bundle from its source.") from error
    try:
        tokenizer = Tokenizer.from_str(text)
        for entry in document.get("added_tokens") or []:
            if tokenizer.token_to_id(entry["content"]) != entry["id"]:
                raise ValueError(f"added token {entry['content']!r} has another id than {entry['id']}")
    except BaseException as error:
        if not isinstance(error, Exception) and not _is_panic(error):
            raise
        raise BundleError(f"{path} cannot be loaded: {str(error)[:300]}. Restore it from its source.") from error
    return tokenizer, highest


def encode(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text; a panic of the library ends as an error that a service survives.

    Raises:
        DataError: the tokenizer gives up on one of the texts.
    """
    try:
        return [item.ids for item in tokenizer.encode_batch(list(texts))]
    except BaseException as error:
        if not isinstance(error, Exception) and not _is_panic(error):
            raise
        raise DataError(f"The bundle's tokenizer gives up on a sentence: {str(error)[:300]}.") from error
