"""The predictions file: what is written is read again, and a file that cannot be trusted is refused."""

import json
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eval.predictions import COLUMNS, METADATA, Predictions, read_predictions, write_predictions
from strijdtaal.errors import DataError
from strijdtaal.labels import CODEBOOK_VERSION, KEYS

TEXTS = ["Ankara dreigt met een aanval.", "„Wij helpen hen”, zei de generaal.", "Het regende in Parijs."]
STRINGS, NUMBERS = pa.list_(pa.string()), pa.list_(pa.float64())
ROW = [0.1, 0.2, 0.3, 0.4]


def example():
    return Predictions(
        system="encoder",
        split="test",
        threshold=0.35,
        ids=["a-0", "a-1", "b-0"],
        articles=["a", "a", "b"],
        texts=TEXTS,
        gold=np.array([[1.0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]]),
        probabilities=np.array([[0.9, 0.1, 1 / 3, 0.0], [0.2, 0.35, 0.1, 1.0], [0.01, 0.02, 0.03, 0.04]]),
        logits=np.array([[2.2, -2.2, -0.7, -40.0], [-1.4, -0.6, -2.2, 40.0], [-4.6, -3.9, -3.5, -3.2]]),
    )


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "encoder-test.parquet"
    write_predictions(path, example())
    return path


def with_column(path, name, values, kind):
    table = pq.read_table(path)
    place = table.column_names.index(name)
    changed = table.set_column(place, name, pa.array(values, kind))
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)


def with_metadata(path, metadata):
    pq.write_table(pq.read_table(path).replace_schema_metadata(metadata), path)


def about(path):
    return json.loads(pq.read_schema(path).metadata[METADATA])


def refusal(path):
    """The message of the refusal without the name of the file, which it always holds."""
    with pytest.raises(DataError) as caught:
        read_predictions(path)
    assert str(path) in str(caught.value)
    return str(caught.value).replace(str(path), "")


def test_what_is_written_is_read_again(path):
    read, written = read_predictions(path), example()
    for name in ("system", "split", "threshold", "ids", "articles", "texts"):
        assert getattr(read, name) == getattr(written, name)
    for name in ("gold", "probabilities", "logits"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))


def test_a_system_without_logits_reads_as_without_logits(path):
    write_predictions(path, replace(example(), logits=None))
    assert read_predictions(path).logits is None


def test_text_is_kept_to_the_letter(path):
    texts = ["", "zin\nmet\tregels en \u202eomkering", "👩‍👩‍👧 «Staakt het vuren!» e\u0301"]
    write_predictions(path, replace(example(), texts=texts))
    assert read_predictions(path).texts == texts


def test_the_file_says_what_it_holds_without_our_reader(path):
    table = pq.read_table(path)
    assert tuple(table.column_names) == COLUMNS
    assert about(path) == {
        "schema": 1,
        "system": "encoder",
        "split": "test",
        "labels": list(KEYS),
        "codebook_version": CODEBOOK_VERSION,
        "threshold": 0.35,
        "model_sha256": "",
    }
    assert table.column("gold").to_pylist() == [["threat"], ["support", "ceasefire_call"], []]


def test_a_file_of_another_writer_with_single_precision_is_read(path):
    rows = example().probabilities.tolist()
    with_column(path, "probabilities", rows, pa.list_(pa.float32()))
    np.testing.assert_allclose(read_predictions(path).probabilities, rows, atol=1e-7)


def test_decisions_are_taken_at_the_threshold_itself_and_above():
    np.testing.assert_array_equal(example().decided, [[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]])


def test_a_missing_file_is_refused(tmp_path):
    assert "Score the system again" in refusal(tmp_path / "encoder-test.parquet")


def test_a_folder_in_the_place_of_a_file_is_refused(path, tmp_path):
    # The folder holds a good file; it must not be read as if it were that file.
    refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"id,article,text\n1,2,3\n" * 50], ids=["empty", "magic", "csv"])
def test_a_file_that_is_no_parquet_is_refused(path, content):
    path.write_bytes(content)
    assert "Score the system again" in refusal(path)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "Score the system again" in refusal(path)


def test_a_damaged_byte_is_refused_or_harmless_but_never_another_error(path):
    content = path.read_bytes()
    generator = np.random.default_rng(1)
    messages = []
    for _ in range(400):
        damaged = bytearray(content)
        damaged[generator.integers(len(damaged))] = generator.integers(256)
        path.write_bytes(damaged)
        try:
            read_predictions(path)
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert [message for message in messages if str(path) not in message] == []


@pytest.mark.parametrize("name", COLUMNS)
def test_a_missing_column_is_refused_by_name(path, name):
    pq.write_table(pq.read_table(path).drop_columns([name]), path)
    assert f"lacks columns: {name}" in refusal(path)


def test_a_file_without_sentences_is_refused(path):
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    assert "no sentences" in refusal(path)


def test_an_id_that_stands_twice_is_refused(path):
    with_column(path, "id", ["a-0", "b-0", "a-0"], pa.string())
    assert "id twice" in refusal(path)


@pytest.mark.parametrize("name", ["id", "article", "text"])
def test_an_empty_cell_is_refused(path, name):
    with_column(path, name, ["x", None, "y"], pa.string())
    assert re.search(rf"\b{name}\b", refusal(path))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
@pytest.mark.parametrize("name", ["probabilities", "logits"])
def test_a_value_that_is_not_finite_is_refused_with_its_row(path, name, value):
    with_column(path, name, [ROW, [0.1, value, 0.1, 0.1], ROW], NUMBERS)
    message = refusal(path)
    assert f"row 1: {name}" in message
    assert "not finite" in message


@pytest.mark.parametrize("row", [None, [], ROW[:3], [*ROW, 0.5]])
@pytest.mark.parametrize("name", ["probabilities", "logits"])
def test_a_row_without_one_number_a_label_is_refused(path, name, row):
    with_column(path, name, [ROW, ROW, row], NUMBERS)
    assert f"row 2: {name} must hold {len(KEYS)} numbers" in refusal(path)


def test_logits_that_lack_only_in_the_first_row_are_refused(path):
    with_column(path, "logits", [None, ROW, ROW], NUMBERS)
    assert "logits" in refusal(path)


@pytest.mark.parametrize("value", [1.2, -0.1, 1.0000001])
def test_a_probability_outside_zero_to_one_is_refused(path, value):
    with_column(path, "probabilities", [ROW, ROW, [0.1, 0.1, 0.1, value]], NUMBERS)
    assert "between 0 and 1" in refusal(path)


@pytest.mark.parametrize(
    ("values", "kind"), [([0.1, 0.2, 0.3], pa.float64()), ([["hoog"] * 4] * 3, STRINGS)], ids=["one number", "words"]
)
def test_probabilities_that_are_no_lists_of_numbers_are_refused(path, values, kind):
    with_column(path, "probabilities", values, kind)
    assert "probabilities" in refusal(path)


@pytest.mark.parametrize("labels", [["dreiging"], ["threat", "neutral"], [None], None])
def test_gold_with_an_unknown_or_missing_label_is_refused(path, labels):
    with_column(path, "gold", [[], labels, []], STRINGS)
    assert "gold" in refusal(path)


@pytest.mark.parametrize("metadata", [None, {b"pandas": b"{}"}])
def test_a_file_without_our_metadata_is_refused(path, metadata):
    with_metadata(path, metadata)
    assert "no 'strijdtaal' metadata" in refusal(path)


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff\xfe", b"null"])
def test_metadata_that_is_no_json_object_is_refused(path, raw):
    with_metadata(path, {METADATA: raw})
    assert "metadata" in refusal(path)


@pytest.mark.parametrize("key", ["system", "split", "threshold"])
def test_metadata_that_lacks_a_key_is_refused_by_name(path, key):
    with_metadata(path, {METADATA: json.dumps({name: value for name, value in about(path).items() if name != key})})
    assert key in refusal(path)


@pytest.mark.parametrize("threshold", ["hoog", None, float("nan"), 7.0, -0.5])
def test_a_threshold_that_is_no_probability_is_refused(path, threshold):
    with_metadata(path, {METADATA: json.dumps({**about(path), "threshold": threshold})})
    assert "threshold" in refusal(path)


@pytest.mark.parametrize("labels", [list(reversed(KEYS)), list(KEYS[:3]), None])
def test_another_label_order_is_refused_and_both_orders_are_named(path, labels):
    with_metadata(path, {METADATA: json.dumps({**about(path), "labels": labels})})
    message = refusal(path)
    assert str(labels) in message
    assert str(list(KEYS)) in message


def test_another_codebook_is_refused_and_both_versions_are_named(path):
    with_metadata(path, {METADATA: json.dumps({**about(path), "codebook_version": "0.9"})})
    message = refusal(path)
    assert "0.9" in message
    assert CODEBOOK_VERSION in message
