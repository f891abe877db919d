"""Pretraining on a small corpus written here: it learns, resumes after kill -9, and refuses bad input."""

import gzip
import json
import lzma
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from strijdtaal.errors import DataError, UsageError
from training.pretrain.config import MINI, load_pretrain_config
from training.pretrain.corpus import PackedFile, RowStream, read_lines, row_starts
from training.pretrain.initialise import position_pairs, rotation, static_embeddings
from training.pretrain.objective import mask_rows, word_bags
from training.pretrain.run import pretrain, rate

ROOT = Path(__file__).resolve().parent.parent

WHO = ["De soldaten", "De rebellen", "De burgers", "De ministers", "De gezanten", "De boeren"]
DO = ["verlieten", "bereikten", "verdedigden", "bekeken", "herbouwden", "vergaten"]
WHAT = ["de oude brug", "het kleine dorp", "de lange weg", "de haven in het noorden", "het plein", "de grens"]


def lines(count=3000):
    generator = np.random.default_rng(5)
    for number in range(count):
        who, do, what = (generator.choice(part) for part in (WHO, DO, WHAT))
        yield f"{who} {do} {what} en niemand sprak er nog over."
        if number % 8 == 7:
            yield ""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt.xz"
    with lzma.open(path, "wt", encoding="utf-8") as handle:
        handle.write("\n".join(lines()))
    return path


def settings(corpus, output, *more):
    return [
        f"corpus.files=[{corpus}]",
        "corpus.held_out=0.05",
        f"output={output}",
        "tokenizer.vocab_size=300",
        "tokenizer.min_frequency=1",
        "network.num_hidden_layers=2",
        "network.hidden_size=32",
        "network.num_attention_heads=2",
        "network.intermediate_size=64",
        "network.max_position_embeddings=32",
        "init.position_dims=8",
        "objective.sentence_skip_frequent=5",
        "train.minutes=0",
        "train.tokens=40000",
        "train.lengths=[16, 32]",
        "train.length_shares=[0.5, 0.5]",
        "train.tokens_per_batch=512",
        "train.compile=false",
        "train.threads=1",
        *more,
    ]


@pytest.fixture(scope="module")
def model(corpus, tmp_path_factory):
    arguments = settings(corpus, tmp_path_factory.mktemp("pretrained"), "name=whole")
    return pretrain(load_pretrain_config(MINI, [*arguments, "train.tokens=120000"]))


def test_held_out_loss_falls_below_word_frequencies(model, corpus):
    figures = json.loads((model / "pretraining.json").read_text())
    assert figures["tokens_seen"] >= 120_000
    assert figures["held_out_loss_nats"] < 3.0  # log(300) is 5.7


def test_model_is_a_plain_bert_in_16_bits(model):
    from transformers import AutoModel, AutoTokenizer

    config = json.loads((model / "config.json").read_text())
    assert config["architectures"] == ["BertForMaskedLM"]
    assert "auto_map" not in config
    assert {tensor.dtype for tensor in load_file(model / "model.safetensors").values()} == {torch.bfloat16}
    assert AutoModel.from_pretrained(model).config.hidden_size == 32
    tokenizer = AutoTokenizer.from_pretrained(model)
    ids = tokenizer("De soldaten bereikten het plein.")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids)[0] == "[CLS]"
    assert tokenizer.convert_ids_to_tokens(ids)[-1] == "[SEP]"


@pytest.mark.slow
def test_killed_run_resumes_to_the_same_weights(corpus, model, tmp_path):
    arguments = [*settings(corpus, tmp_path, "name=whole"), "train.tokens=120000", "train.checkpoint_minutes=0.002"]
    command = [sys.executable, "-m", "training", "pretrain", str(MINI), *arguments]
    # Training a tokenizer twice may settle ties differently; both runs get the same one.
    shutil.copytree(model.parent / "tokenizer", tmp_path / "whole" / "tokenizer")
    checkpoints = tmp_path / "whole" / "checkpoints"
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(checkpoints.glob("step-*/manifest.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    steps = sorted(checkpoints.glob("step-*"))
    assert steps, "the run ended before it could be killed"
    assert not (tmp_path / "whole" / "model").exists()
    newest = steps[-1] / "objective.safetensors"  # damage it: the one before must be taken up
    newest.write_bytes(newest.read_bytes()[:-10])
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "Checkpoint passed over and removed" in result.stderr
    assert len(steps) == 1 or "Taken up from" in result.stderr
    ours = load_file(tmp_path / "whole" / "model" / "model.safetensors")
    theirs = load_file(model / "model.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.slow
def test_disk_that_fills_up_leaves_the_last_checkpoint_usable(corpus, tmp_path):
    arguments = [*settings(corpus, tmp_path, "name=full"), "train.tokens=8000"]
    pretrain(load_pretrain_config(MINI, arguments))
    (tmp_path / "full" / "model").rename(tmp_path / "moved")
    before = sorted(path.name for path in (tmp_path / "full" / "checkpoints").iterdir())
    longer = [*arguments[:-1], "train.tokens=9000"]
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000));"
        "from training.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", limited, "pretrain", str(MINI), *longer]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    assert "Writing " in result.stderr
    assert "File too large" in result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(path.name for path in (tmp_path / "full" / "checkpoints").iterdir()) == before
    assert pretrain(load_pretrain_config(MINI, longer)).is_dir()


def test_second_run_in_the_same_folder_is_refused_while_the_first_lives(corpus, tmp_path):
    holder = (
        "import sys, time; from pathlib import Path; from training.run import alone_in\n"
        "with alone_in(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", holder, str(tmp_path / "x")]
    arguments = [*settings(corpus, tmp_path, "name=x"), "train.tokens=1000"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="in use by another process"):
            pretrain(load_pretrain_config(MINI, arguments))
        process.kill()
    (tmp_path / "x" / ".packed-abc.part").mkdir()  # as a killed process leaves it
    assert pretrain(load_pretrain_config(MINI, arguments)).is_dir()
    assert not list((tmp_path / "x").glob(".*.part"))


def test_resume_repeats_the_dropout_of_a_continued_model(corpus, model, tmp_path):
    shutil.copytree(model, tmp_path / "start")
    config = json.loads((model / "config.json").read_text())
    (tmp_path / "start" / "config.json").write_text(json.dumps({**config, "hidden_dropout_prob": 0.3}))
    start = [f"network.init_from={tmp_path / 'start'}", "train.constant_until=1", "train.warmup=0"]
    common = [*settings(corpus, tmp_path, *start), "train.precision=fp32"]
    whole = pretrain(load_pretrain_config(MINI, [*common, "name=whole", "train.tokens=6000"]))
    first = pretrain(load_pretrain_config(MINI, [*common, "name=parts", "train.tokens=3000"]))
    shutil.rmtree(first)
    second = pretrain(load_pretrain_config(MINI, [*common, "name=parts", "train.tokens=6000"]))
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (second, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.slow
def test_time_to_compile_is_not_taken_from_a_budget_in_minutes(corpus, tmp_path):
    arguments = settings(corpus, tmp_path, "name=m", "train.tokens=0", "train.minutes=0.02", "train.compile=true")
    figures = json.loads((pretrain(load_pretrain_config(MINI, arguments)) / "pretraining.json").read_text())
    assert figures["steps"] > 5  # compiling alone takes longer than the budget


def test_checkpoint_of_another_configuration_is_refused(corpus, tmp_path):
    pretrain(load_pretrain_config(MINI, [*settings(corpus, tmp_path, "name=a"), "train.tokens=2000"]))
    (tmp_path / "a" / "model").rename(tmp_path / "moved")
    with pytest.raises(UsageError, match="another configuration or corpus"):
        pretrain(load_pretrain_config(MINI, [*settings(corpus, tmp_path, "name=a", "objective.mask_fraction=0.3")]))


def test_continued_pretraining_keeps_the_tokenizer(corpus, model, tmp_path):
    arguments = settings(corpus, tmp_path, "name=more", f"network.init_from={model}", "train.tokens=4000")
    continued = pretrain(load_pretrain_config(MINI, arguments))
    assert (continued / "tokenizer.json").read_text() == (model / "tokenizer.json").read_text()
    assert json.loads((continued / "pretraining.json").read_text())["held_out_loss_nats"] < 3.0


def test_continuing_starts_in_fp32_and_moves_the_weights(corpus, model, tmp_path):
    before = load_file(model / "model.safetensors")["bert.encoder.layer.0.output.dense.weight"].float()
    arguments = [*settings(corpus, tmp_path, "name=m", f"network.init_from={model}"), "train.tokens=6000"]
    after = load_file(pretrain(load_pretrain_config(MINI, arguments)) / "model.safetensors")
    moved = (after["bert.encoder.layer.0.output.dense.weight"].float() - before).abs() > 0
    assert moved.float().mean() > 0.5


def test_other_architectures_are_refused_before_work(corpus, tmp_path):
    from transformers import RobertaConfig, RobertaForMaskedLM

    from training.pretrain.tokenizer import train_tokenizer

    tokenizer = train_tokenizer(iter(lines(50)), 300, 100, 1, 32)
    small = RobertaConfig(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    RobertaForMaskedLM(small).save_pretrained(tmp_path / "roberta")
    tokenizer.save_pretrained(tmp_path / "roberta")
    with pytest.raises(UsageError, match="continued pretraining takes BERT models"):
        pretrain(
            load_pretrain_config(
                MINI, settings(corpus, tmp_path, f"network.init_from={tmp_path / 'roberta'}", "name=r")
            )
        )


def test_reuse_of_a_name_with_another_corpus_is_refused(corpus, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("\n".join(lines(1500)), "utf-8")
    pretrain(load_pretrain_config(MINI, [*settings(corpus, tmp_path, "name=n"), "train.tokens=1000"]))
    (tmp_path / "n" / "model").rename(tmp_path / "moved")
    with pytest.raises(UsageError, match="made from other files or settings"):
        pretrain(load_pretrain_config(MINI, [*settings(other, tmp_path, "name=n"), "train.tokens=1000"]))


def test_damaged_newest_checkpoints_do_not_push_out_whole_ones(tmp_path):
    from training.pretrain import checkpoint

    def save(step):
        return checkpoint.save(tmp_path, Objective(), [], {"step": step})

    class Objective:
        def state_dict(self):
            return {"w": torch.zeros(2)}

    save(90), save(100)
    for path in tmp_path.iterdir():
        (path / "objective.safetensors").write_bytes(b"x")
    assert checkpoint.newest(tmp_path, lambda text: None) is None
    kept = save(10)
    assert checkpoint.newest(tmp_path, lambda text: None) == kept


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "holds no text"), (b"\n\n \n", "holds no text"), ("Libië\n".encode("cp1252") * 50, "line 1: not UTF-8")],
)
def test_unusable_corpus_is_named(tmp_path, content, message):
    path = tmp_path / "slecht.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        pretrain(load_pretrain_config(MINI, settings(path, tmp_path / "out", "name=x")))


def _compressed(kind, text):
    if kind == "zst":
        import zstandard

        half = len(text) // 2  # two frames, as `cat a.zst b.zst` gives them
        return b"".join(zstandard.ZstdCompressor().compress(part) for part in (text[:half], text[half:]))
    return {"xz": lzma, "gz": gzip}[kind].compress(text)


@pytest.mark.parametrize("kind", ["xz", "gz", "zst"])
def test_archives_are_read_whole_or_named_as_cut(tmp_path, kind):
    text = "\n".join(lines(20_000))
    path = tmp_path / f"tekst.txt.{kind}"
    path.write_bytes(_compressed(kind, text.encode()))
    assert "\n".join(read_lines(path)).strip() == text.strip()
    for size in (2, 200, path.stat().st_size - 5):
        path.write_bytes(_compressed(kind, text.encode())[:size])
        with pytest.raises(DataError, match=rf"Cannot read corpus file .*tekst\.txt\.{kind}"):
            list(read_lines(path))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.tokens=0", "exactly one budget"),
        ("train.minutes=5", "exactly one budget"),
        ("corpus.files=[]", "corpus.files is empty"),
        ("corpus.weights=[1, 2]", "2 weights for 1 files"),
        ("network.num_attention_heads=5", "multiple of num_attention_heads"),
    ],
)
def test_settings_that_cannot_work_are_refused(corpus, tmp_path, override, message):
    with pytest.raises(UsageError, match=message):
        load_pretrain_config(MINI, [*settings(corpus, tmp_path), override])


def test_missing_corpus_file_is_refused_before_any_work(tmp_path):
    with pytest.raises(UsageError, match="not found: "):
        pretrain(load_pretrain_config(MINI, settings(tmp_path / "none.txt", tmp_path / "out", "name=x")))
    assert not (tmp_path / "out").exists()


def test_rows_begin_at_line_starts_where_one_is_near():
    starts = np.array([0, 8, 10, 21, 28, 60])
    places = row_starts(starts, 70, 10)
    assert places.tolist() == [0, 10, 21, 31, 41, 51, 60]


def test_streams_never_show_held_out_rows_and_restart_exactly(tmp_path):
    np.arange(4000, dtype="<u2").tofile(tmp_path / "x.ids")
    np.arange(0, 4000, 7, dtype="<i8").tofile(tmp_path / "x.starts")
    file = PackedFile(tmp_path / "x", [16], 1, 2)
    stream = RowStream([file], [1.0], 16, 0.1, seed=3)
    seen = stream.batch(0, stream.rows_per_epoch())
    assert seen[:, 1:-1].max() < 3600 <= stream.held_out_rows(10)[:, 1:-1].min()
    again = RowStream([file], [1.0], 16, 0.1, seed=3)
    assert np.array_equal(again.batch(5, 3), seen[5:8])


def test_masking_touches_only_inner_tokens_and_keeps_the_targets():
    rows = np.arange(200).reshape(10, 20) + 10
    inputs, flat, targets = mask_rows(rows, 0.25, 4, 300, 5, [1, 2])
    assert len(flat) == 10 * round(0.25 * 18)
    assert np.array_equal(targets.numpy(), rows.ravel()[flat.numpy()])
    assert not set((flat % 20).tolist()) & {0, 19}
    changed = inputs.numpy().ravel() != rows.ravel()
    assert set(np.flatnonzero(changed)) <= set(flat.tolist())


def test_word_bags_are_distributions_over_counted_pieces():
    counted = np.ones(10, dtype=bool)
    counted[[0, 1]] = False
    bags = word_bags(np.array([[0, 5, 5, 7, 1], [0, 1, 1, 0, 1]]), 10, counted)
    assert bags[0].tolist() == [0, 0, 0, 0, 0, 0.5, 0, 0.5, 0, 0]
    assert bags[1].sum() == 0


def test_rotation_moves_a_position_to_its_neighbour():
    table, frequency = position_pairs(40, 16)
    for offset in (-2, 1, 3):
        moved = table[10:30] @ rotation(frequency, offset).T
        np.testing.assert_allclose(moved, table[10 + offset : 30 + offset], atol=1e-5)


def test_words_in_the_same_company_get_like_vectors():
    generator = np.random.default_rng(0)
    ids = []
    for _ in range(4000):
        topic = generator.integers(2)
        ids += [10 + topic, int(generator.choice([20, 21, 22]) + 3 * topic), 5]
    vectors = static_embeddings(np.array(ids, dtype=np.uint16), 30, 8, 2, [5], seed=0)
    assert vectors[20] @ vectors[21] > vectors[20] @ vectors[23]
    assert np.linalg.norm(vectors[3]) == 0


def test_learning_rate_rises_holds_and_falls():
    assert rate(0.015, 0.03, 0.3) == pytest.approx(0.5)
    assert rate(0.2, 0.03, 0.3) == 1.0
    assert rate(0.65, 0.03, 0.3) == pytest.approx(0.5)
    assert rate(1.0, 0.03, 0.3) == 0.0
