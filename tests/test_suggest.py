"""What to annotate next: the strategies on planted cases, and the whole command on the tiny run."""

import argparse
import json

import numpy as np
import pytest

from strijdtaal.errors import DataError, UsageError
from strijdtaal.folder import FolderError
from strijdtaal.labels import KEYS
from training.intake.formats import doccano, label_studio
from training.intake.sentence import Intake
from training.intake.source import Source
from training.suggest.command import Options, run_suggest
from training.suggest.door import STRATEGIES as STRATEGY_HELP
from training.suggest.door import add_suggest
from training.suggest.door import run_suggest as from_shell
from training.suggest.sentences import fresh, sentence_vectors
from training.suggest.strategies import STRATEGIES, Candidates, choose

ARTICLE = (
    "De vloot van het buurland dreigt de haven te beschieten. Na zonsondergang werd het stil op de kade. "
    "Vrijwilligers brachten soep naar de tenten. De minister wil dat alle partijen de wapens neerleggen. "
    "Twee brigades trokken zich terug naar de overkant van de rivier. Op de veiling bracht de tulp een record op."
)
FAR = [-9.0, -9.0, -9.0, -9.0]


def candidates(logits, thresholds=(0.5,) * 4, vectors=None, known=None, positives=(10, 10, 10, 10)):
    logits = np.array(logits, dtype=float)
    vectors = np.eye(len(logits), 8, dtype=np.float32) if vectors is None else np.array(vectors, dtype=np.float32)
    known = np.empty((0, vectors.shape[1]), dtype=np.float32) if known is None else np.array(known, dtype=np.float32)
    return Candidates(logits, thresholds, vectors, known, positives)


def ask(run, tmp_path, *texts, name="tasks.json", **options):
    """Run the command on plain articles; the tasks."""
    files = []
    for number, text in enumerate(texts):
        files.append(tmp_path / f"artikel{number}.txt")
        files[-1].write_text(text, "utf-8")
    out = tmp_path / name
    run_suggest(run, files, out, Options(**{"number": 3, **options}))
    return json.loads(out.read_text("utf-8")) if name.endswith(".json") else out.read_text("utf-8").splitlines()


def test_uncertainty_counts_from_each_labels_own_threshold():
    logits = [[0.0, -9, -9, -9], [-9, -9, 2.1, -9], [9.0, 9, 9, 9], [-9, 1.0, -9, -9]]
    choice = choose(candidates(logits, thresholds=(0.1, 0.5, 0.9, 0.5)), 3, "uncertainty")
    assert choice.order == [1, 3, 0]  # margins: 2.2 to 0.1, 0.1 to 0.9, 6.8, 1.0 to 0.5
    assert choice.reasons[0] == "near the threshold of retreat: 0.89 against 0.90"


def test_rare_prefers_a_likely_positive_of_the_rarest_label():
    logits = [[2.0, -9, -9, -9], [-9, -9, -9, 1.0], FAR]
    assert choose(candidates(logits), 3, "rare").order == [0, 1, 2]
    choice = choose(candidates(logits, positives=(100, 100, 100, 3)), 3, "rare")
    assert choice.order == [1, 0, 2]
    assert choice.reasons[0] == "may be ceasefire_call: 0.73"


def test_diversity_goes_to_what_is_unlike_annotated_and_chosen_sentences():
    near, far, farther = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.6, 0.8]
    known = [[1.0, 0.0, 0.0]]
    choice = choose(candidates([FAR] * 4, vectors=[near, far, far, farther], known=known), 4, "diversity")
    assert choice.order[0] == 1
    assert choice.order[1] == 3  # the second copy of ``far`` has become worthless
    assert choice.scores[0] == pytest.approx(1.0)
    wordless = candidates([FAR] * 3, vectors=[[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    assert choose(wordless, 3, "diversity").order == [0, 1, 2]  # like nothing, not even itself, but chosen once


def test_mixed_passes_over_a_copy_of_what_it_chose_before():
    logits = [[0.0, -9, -9, -9], [0.1, -9, -9, -9], [-0.5, -9, -9, -9], FAR]
    same, other = [1.0, 0.0], [0.0, 1.0]
    pool = candidates(logits, vectors=[same, same, other, other])
    assert choose(pool, 3, "mixed").order == [0, 2, 1]
    assert choose(pool, 3, "uncertainty").order == [0, 1, 2]


def test_random_follows_its_seed_and_all_strategies_repeat_themselves():
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(50, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pool = candidates(draw.normal(size=(50, 4)), vectors=vectors)
    for by in STRATEGIES:
        choice = choose(pool, 20, by)
        assert choose(pool, 20, by) == choice
        assert len(set(choice.order)) == len(choice.scores) == len(choice.reasons) == 20
        assert sorted(choose(pool, 500, by).order) == list(range(50))
    assert choose(pool, 20, "random", seed=1).order != choose(pool, 20, "random", seed=2).order
    with pytest.raises(UsageError, match="Did you mean 'uncertainty'"):
        choose(pool, 1, "uncertain")


def test_only_fresh_sentences_are_left():
    known = ["De generaal zwoer wraak op de rebellen in het verre noorden van het land."]
    texts = [
        "De generaal zwoer wraak op de rebellen in het verre noorden van het gebied.",
        "De oogst van de citroenen viel dit jaar tegen door de late vorst.",
        "De oogst van de citroenen viel dit jaar tegen door de late vorst in mei.",
        "De  oogst van de citroenen viel dit jaar tegen door de late vorst.",
        "De oogst viel tegen.",
    ]
    assert fresh(texts, known) == [1, 4]
    assert fresh([], known) == []
    words = [f"woord{number}" for number in range(26)]
    chain = [" ".join(words[start : start + 20]) for start in (0, 3, 6)]
    assert fresh(chain, []) == [0, 2]  # the last is like the second only, which is not there any more


def test_vectors_of_like_sentences_are_alike():
    rows = sentence_vectors(["De haven ligt stil.", "De haven lag stil.", "Tulpen zijn duur!", "..."])
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0)
    assert rows[0] @ rows[1] > rows[0] @ rows[2]
    many = [f"woord{number} en woord{number * 7 % 90} bij woord{number * 11 % 80}" for number in range(150)]
    assert sentence_vectors(many).shape == (150, 100)


def test_suggested_tasks_load_in_the_reader_and_say_why(run_folder, tmp_path, capsys):
    tasks = ask(run_folder, tmp_path, ARTICLE)
    assert "3 sentences, chosen by" in capsys.readouterr().out
    intake = Intake()
    sentences = list(label_studio.read(Source("tasks.json", json.dumps(tasks).encode()), intake))
    assert not intake.faults
    for rank, (task, sentence) in enumerate(zip(tasks, sentences, strict=True), 1):
        assert sentence.text in ARTICLE
        assert sentence.annotations == {}
        assert sentence.gold is None
        meta = sentence.meta
        assert (meta["article"], meta["rank"]) == ("artikel0", str(rank))
        assert meta["id"] == f"artikel0-{int(meta['index']):02d}"
        assert ARTICLE[int(meta["start"]) : int(meta["end"])] == sentence.text
        assert "threshold" in meta["chosen_because"]
        assert "reason" not in meta  # it would become the reason of a record
        assert [name for name in KEYS if f"{name} 0." in meta["probabilities"]] == list(KEYS)
        (prediction,) = task["predictions"]
        assert prediction["model_version"].startswith("tiny-")
        assert 0 <= prediction["score"] <= 1


def test_predictions_are_what_the_run_says_of_the_sentence(run_folder, tmp_path):
    from strijdtaal import Classifier

    tasks = ask(run_folder, tmp_path, ARTICLE, number=10)
    said = Classifier.load(run_folder / "bundle").predict([task["data"]["text"] for task in tasks])
    for task, prediction in zip(tasks, said, strict=True):
        result = task["predictions"][0]["result"]
        assert (result[0]["value"]["choices"] if result else []) == prediction.labels


@pytest.mark.parametrize("by", STRATEGIES)
def test_the_same_question_gives_the_same_file(run_folder, tmp_path, by):
    first = ask(run_folder, tmp_path, ARTICLE, by=by)
    assert ask(run_folder, tmp_path, ARTICLE, by=by, name="again.json") == first
    assert all(task["data"]["chosen_by"] == by for task in first)


def test_what_is_annotated_or_nearly_so_is_not_suggested(run_folder, corpus_file, tmp_path):
    known = json.loads(corpus_file.read_text("utf-8").splitlines()[0])["text"]
    texts = [
        {"id": "n1", "article": "n", "text": known},
        {"id": "n2", "article": "n", "text": "Het peloton legde vannacht een mijnenveld aan langs de spoorlijn."},
        {"id": "n3", "article": "n", "text": "In de fabriek staakt al een week de avondploeg.", "labels": []},
    ]
    pool = tmp_path / "pool.jsonl"
    pool.write_text("".join(json.dumps(row) + "\n" for row in texts), "utf-8")
    run_suggest(run_folder, [pool], tmp_path / "out.json", Options())
    assert [task["data"]["id"] for task in json.loads((tmp_path / "out.json").read_text("utf-8"))] == ["n2"]
    pool.write_text(json.dumps(texts[0]) + "\n" + json.dumps(texts[2]) + "\n", "utf-8")
    with pytest.raises(DataError, match="No sentence is left"):
        run_suggest(run_folder, [pool], tmp_path / "none.json", Options())
    assert not (tmp_path / "none.json").exists()


def test_what_is_labelled_in_the_files_themselves_is_known_too(run_folder, tmp_path):
    text = "Het peloton legde vannacht een mijnenveld aan langs de spoorlijn."
    rows = [
        {"id": "n1", "article": "n", "text": text},
        {"id": "n2", "article": "m", "text": text.upper(), "labels": []},
        {"id": "n3", "article": "n", "text": "In de fabriek staakt al een week de avondploeg."},
    ]
    pool = tmp_path / "pool.jsonl"
    pool.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    run_suggest(run_folder, [pool], tmp_path / "out.json", Options())
    assert [task["data"]["id"] for task in json.loads((tmp_path / "out.json").read_text("utf-8"))] == ["n3"]


def test_blind_tasks_hold_nothing_of_the_model(run_folder, tmp_path):
    (task, *_) = ask(run_folder, tmp_path, ARTICLE, blind=True)
    assert task["predictions"] == []
    assert not {"probabilities", "chosen_because", "score"} & set(task["data"])


def test_doccano_gets_suggestions_as_metadata(run_folder, tmp_path):
    lines = ask(run_folder, tmp_path, ARTICLE, to="doccano", name="tasks.jsonl")
    source = Source("anna.jsonl", "".join(f"{line}\n" for line in lines).encode())
    assert doccano.recognises(source)
    sentences = list(doccano.read(source, Intake()))
    assert all(not sentence.annotations and sentence.meta["suggested"] for sentence in sentences)


def test_tables_and_folders_are_read_and_faults_named(run_folder, tmp_path):
    folder = tmp_path / "invoer"
    folder.mkdir()
    (folder / "tabel.csv").write_text("text;article\nDe kade is leeg.;k\nDe kraan draait weer.;k\n", "utf-8")
    (folder / "artikel.txt").write_text(ARTICLE, "utf-8")
    run_suggest(run_folder, [folder], tmp_path / "out.json", Options(number=100))
    found = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert {task["data"]["article"] for task in found} == {"k", "artikel"}
    (folder / "tabel.csv").write_text("text;bron\nDe kade is leeg.;k\n", "utf-8")
    with pytest.raises(DataError, match=r"tabel.csv.*no article"):
        run_suggest(run_folder, [folder], tmp_path / "new.json", Options())
    run_suggest(run_folder, [folder / "tabel.csv"], tmp_path / "new.json", Options(article="bron"))


def test_wrong_questions_are_refused(run_folder, tmp_path, bundle):
    with pytest.raises(UsageError, match="Did you mean 'diversity'"):
        Options(by="diversiti")
    with pytest.raises(UsageError, match="at least one"):
        Options(number=0)
    (tmp_path / "artikel.txt").write_text(ARTICLE, "utf-8")
    out = tmp_path / "out.json"
    with pytest.raises(UsageError, match="not a strijdtaal run"):
        run_suggest(bundle, [tmp_path / "artikel.txt"], out, Options())
    with pytest.raises(DataError, match=r"niets\.txt"):
        run_suggest(run_folder, [tmp_path / "niets.txt"], out, Options())
    out.write_text("van een ander", "utf-8")
    with pytest.raises(FolderError, match="exists already"):
        run_suggest(run_folder, [tmp_path / "artikel.txt"], out, Options())
    assert out.read_text("utf-8") == "van een ander"


def test_the_command_line_says_what_the_options_say(run_folder, tmp_path):
    parser = argparse.ArgumentParser()
    add_suggest(parser.add_subparsers())
    article, out = tmp_path / "artikel0.txt", tmp_path / "shell.json"
    article.write_text(ARTICLE, "utf-8")
    command = ["suggest", str(run_folder), str(article), "--out", str(out)]
    defaults = vars(parser.parse_args(command))
    assert {name: defaults[name] for name in vars(Options())} == vars(Options())
    assert all(by in STRATEGY_HELP for by in STRATEGIES)
    from_shell(parser.parse_args([*command, "--n", "3", "--by", "rare"]))
    assert json.loads(out.read_text("utf-8")) == ask(run_folder, tmp_path, ARTICLE, by="rare")
