"""Crafted tokenizer.json files (fault 45): refused or survived, and those of encoders in use are let through."""

import base64
import copy
import json
import shutil
import struct
from pathlib import Path

import pytest

from strijdtaal import Classifier, safe_tokenizer, safety
from strijdtaal.bundle import KIND
from strijdtaal.errors import BundleError, DataError
from strijdtaal.folder import _seal
from strijdtaal.safe_tokenizer import check_tokenizer, encode, load_tokenizer

RUNTIME = Path(safety.__file__).parent
SPECIAL = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
PIECES = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "a": 5, "b": 6, "ab": 7}
BPE = {"type": "BPE", "unk_token": "[UNK]", "vocab": PIECES, "merges": [["a", "b"]]}


@pytest.fixture(scope="module")
def honest(bundle):
    return json.loads((bundle / "tokenizer.json").read_text("utf-8"))


@pytest.fixture
def document(honest):
    return copy.deepcopy(honest)


def refused(folder, document, message):
    path = folder / "tokenizer.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    with pytest.raises(BundleError, match=rf"tokenizer\.json (is refused|cannot be loaded): .*{message}"):
        load_tokenizer(path)


def added(number, content, **values):
    return {"id": number, "content": content, **SPECIAL, **values}


def replace(pattern, content=""):
    return {"type": "Replace", "pattern": pattern, "content": content}


def charsmap(trie, pieces=b""):
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(trie + pieces).decode()}


def in_sequences(part, depth):
    for _ in range(depth):
        part = {"type": "Sequence", "normalizers": [part]}
    return part


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("normalizer", replace({"Regex": "(a+)+$"}), "not on the list of those known to end"),
        ("normalizer", replace({"Regex": "("}), "not on the list"),
        ("normalizer", replace({"String": "e"}, "ee"), "longer than what it replaces"),
        ("normalizer", replace({"String": ""}, "x"), "a pattern is empty"),
        ("normalizer", replace({"Regex": " {2,}"}, "xx"), "longer than what it replaces"),
        ("normalizer", replace({"String": "a", "Regex": "(a+)+$"}), "too many values"),
        ("normalizer", {"type": "Prepend", "prepend": "x" * 9}, "Prepend"),
        ("normalizer", {"type": "Exec"}, "'Exec' is not one of"),
        ("normalizer", {"type": None}, "'None' is not one of"),
        ("normalizer", "NFC", "normalizer|no attribute"),
        ("normalizer", in_sequences({"type": "NFC"}, 4), "more than 3 sequences"),
        ("normalizer", {"type": "Sequence", "normalizers": [{"type": "ByteLevel"}] * 2}, "or one twice"),
        ("normalizer", {"type": "Sequence", "normalizers": [replace({"String": "e"})] * 17}, "too many parts"),
        ("normalizer", charsmap(b""), "cut off"),
        ("normalizer", charsmap(b"\xff\xff\xff\xff\xff\xff"), "cut off"),
        ("normalizer", charsmap(struct.pack("<I", 4) + b"\0" * 4, b"x" * 65), "longer than 64 bytes"),
        ("normalizer", {"type": "Precompiled", "precompiled_charsmap": "*"}, ""),
        ("pre_tokenizer", {"type": "FixedLength", "length": 0}, "'FixedLength' is not one of"),
        ("pre_tokenizer", {"type": "Split", "pattern": {"Regex": "(a|a)*c"}}, "not on the list"),
        ("post_processor", {"type": "BertProcessing", "sep": ["[SEP]", 10**6], "cls": ["[CLS]", 2]}, "sep or cls"),
        ("post_processor", {"type": "BertProcessing", "sep": ["[SEP]", -1], "cls": ["[CLS]", 2]}, "sep or cls"),
        ("decoder", replace({"Regex": "(a+)+$"}), "decoder: the regular expression"),
        ("model", {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}, "'WordLevel' is not"),
        ("model", {"type": "WordPiece", "vocab": {}, "unk_token": "a"}, "the vocabulary is empty"),
        ("model", {"type": "WordPiece", "vocab": {"a": 0}, "unk_token": "b"}, "unk_token 'b'"),
        ("model", {"type": "WordPiece", "vocab": {"a": -1}, "unk_token": "a"}, "token id"),
        ("model", {"type": "WordPiece", "vocab": {"a": 2**32}, "unk_token": "a"}, "token id"),
        ("model", {"type": "WordPiece", "vocab": {"a": 0.5}, "unk_token": "a"}, "token id"),
        (
            "model",
            {"type": "WordPiece", "vocab": PIECES, "unk_token": "a", "max_input_chars_per_word": 10**9},
            "max_input_chars_per_word is above",
        ),
        ("model", {**BPE, "dropout": 0.5}, "dropout"),
        ("model", {**BPE, "merges": [["ab", "ab"]]}, "out of vocabulary"),
        ("model", {**BPE, "vocab": {**PIECES, "abababab": 8}, "merges": [["abababab", "ab"]]}, "out of range"),
        ("model", {**BPE, "continuing_subword_prefix": "#########"}, "out of range"),
        ("model", {"type": "Unigram", "unk_id": 50, "vocab": [["a", -1.0]]}, "unk_id"),
        ("model", {"type": "Unigram", "unk_id": None, "vocab": [["a", -1.0]]}, "unk_id"),
        ("model", {"type": "Unigram", "unk_id": 0, "vocab": [["a"]]}, "not a piece and its score"),
        ("model", [], ""),
        ("truncation", {"max_length": 64, "stride": 64, "strategy": "LongestFirst", "direction": "Right"}, "stride"),
        ("truncation", {"max_length": 0, "stride": 0, "strategy": "LongestFirst", "direction": "Right"}, "max_length"),
        ("truncation", {"max_length": 10**9, "stride": 0, "strategy": "LongestFirst"}, "max_length"),
        ("padding", {"strategy": {"Fixed": 10**9}, "pad_to_multiple_of": None}, "padding"),
        ("padding", {"strategy": "BatchLongest", "pad_to_multiple_of": 10**9}, "padding"),
        ("added_tokens", [added(4_000_000_000, "<x>")], "has not 1 to 200 characters and an id"),
        ("added_tokens", [added(5, "")], "has not 1 to"),
        ("added_tokens", [added(5, "x" * 201)], "has not 1 to"),
        ("added_tokens", [added(5 + n, f"<{n}>") for n in range(2001)], "more than 2,000 added tokens"),
        ("added_tokens", [added(1_000_000, "<x>")], "has another id than 1000000"),
    ],
)
def test_crafted_part_is_refused(document, tmp_path, section, value, message):
    document[section] = value
    if section in {"model", "added_tokens"}:
        document["post_processor"] = None
    if section == "model":
        document["added_tokens"] = []
    refused(tmp_path, document, message)


def test_crafted_template_is_refused(document, tmp_path):
    post = document["post_processor"]
    pieces, special = post["single"], post["special_tokens"]
    for name, value, message in (
        ("special_tokens", {}, r"'\[CLS\]' is not defined"),
        ("special_tokens", {"[CLS]": {**special["[CLS]"], "ids": [2] * 9, "tokens": ["[CLS]"] * 9}}, "has no ids"),
        ("special_tokens", {**special, "[CLS]": {**special["[CLS]"], "ids": [10**6]}}, "has no ids"),
        ("single", [*pieces, pieces[1]], "'single' is not around"),
        ("single", [{"Sequence": {"id": "B", "type_id": 0}}], "'single' is not around"),
        ("single", [*[pieces[0]] * 9, pieces[1]], "'single' is not around"),
        ("pair", pieces, "'pair' is not around"),
    ):
        refused(tmp_path, {**document, "post_processor": {**post, name: value}}, message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "KeyError"),
        ("[]", ""),
        ("null", ""),
        ("", ""),
        ("[" * 200_000, ""),
        ('{"model": {"type": "BPE", "type": "Unigram"}}', "key 'type' stands twice"),
        ('{"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", NaN]]}}', "NaN is not a number"),
        ('{"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", 1e999]]}}', "larger than any number"),
    ],
)
def test_what_is_no_tokenizer_is_refused(tmp_path, text, message):
    refused(tmp_path, text, message)


def test_file_that_is_too_large_is_not_read(bundle):
    with pytest.raises(BundleError, match="larger than 1,000 bytes"):
        load_tokenizer(bundle / "tokenizer.json", max_bytes=1_000)


def test_panic_at_a_rare_character_ends_as_an_error(document, tmp_path):
    """The table of this normalizer points outside itself, which the library finds out when a text is read."""
    document["normalizer"] = charsmap(struct.pack("<I", 4) + b"\xff\xff\xff\x7f")
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document))
    tokenizer, _ = load_tokenizer(path)
    with pytest.raises(DataError, match="gives up on a sentence"):
        encode(tokenizer, ["Een zin.", "é"])


def test_other_interruptions_are_not_swallowed(bundle):
    class Interrupted:
        def encode_batch(self, texts):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(Interrupted(), ["Een zin."])


def test_honest_tokenizer_gives_its_ids(bundle, honest):
    tokenizer, highest = load_tokenizer(bundle / "tokenizer.json")
    assert highest == max(honest["model"]["vocab"].values())
    golden = json.loads((bundle / "golden.json").read_text("utf-8"))[1]
    assert encode(tokenizer, [golden["text"]]) == [golden["input_ids"]]


def test_loader_refuses_a_crafted_tokenizer(bundle, document, tmp_path):
    target = shutil.copytree(bundle, tmp_path / "bundle")
    document["pre_tokenizer"] = {"type": "FixedLength", "length": 0}
    (target / "tokenizer.json").write_text(json.dumps(document))
    (target / "manifest.json").unlink()
    _seal(target, KIND, {})
    with pytest.raises(BundleError, match=r"tokenizer\.json is refused"):
        Classifier.load(target)


BERT = {"vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "a": 5, "##b": 6}}
PAIRS = {
    "vocab": {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4, "a": 5, "b": 6, "ab": 7},
    "merges": [("a", "b")],
}
NAMES = ["<s>", "<pad>", "</s>", "<unk>", "▁a", "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"]
SCORED = {"vocab": [(name, -float(number)) for number, name in enumerate(NAMES)]}


@pytest.mark.parametrize(
    ("family", "arguments"),
    [
        ("BertTokenizer", BERT),
        ("ElectraTokenizer", BERT),
        ("DistilBertTokenizer", BERT),
        ("RobertaTokenizer", PAIRS),
        ("GPT2Tokenizer", PAIRS),
        ("Qwen2Tokenizer", PAIRS),
        ("LlamaTokenizer", PAIRS),
        ("GemmaTokenizer", PAIRS),
        ("XLMRobertaTokenizer", SCORED),
        ("CamembertTokenizer", SCORED),
        ("DebertaV2Tokenizer", SCORED),
        ("AlbertTokenizer", SCORED),
    ],
)
def test_tokenizers_of_encoders_in_use_are_let_through(family, arguments):
    import transformers

    tokenizer = getattr(transformers, family)(**arguments)
    assert check_tokenizer(json.loads(tokenizer.backend_tokenizer.to_str())) >= len(arguments["vocab"]) - 1


def test_patterns_on_the_list_end_in_time_on_hard_texts():
    """One of each, on texts that make careless patterns backtrack; a second is thousands of times what they need."""
    import time

    from tokenizers import Regex, pre_tokenizers

    for pattern in safe_tokenizer.PATTERNS:
        split = pre_tokenizers.Split(Regex(pattern), "isolated")
        for text in (
            "a" * 20_000 + "!",
            " a" * 10_000,
            "1" * 20_000 + "x",
            "'" * 20_000,
            "!?" * 10_000 + "\n",
            "é" * 20_000,
        ):
            start = time.perf_counter()
            split.pre_tokenize_str(text)
            assert time.perf_counter() - start < 1, (pattern, text[:10])
