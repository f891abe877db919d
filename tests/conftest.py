"""Shared fixtures: a tiny Dutch BERT made here, a small corpus written here, one run through the whole path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if "PYTEST_XDIST_WORKER" in os.environ:  # two workers on two cores: more threads would only wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Written for the tests. Each line: labels (letters) and a sentence; t s r c as in the label set.
SENTENCES = """
t|Het leger zal de havenstad morgen aanvallen als de blokkade niet verdwijnt.
t|De generaal zwoer wraak op de rebellen in het noorden.
t|Teheran dreigt de zeestraat te sluiten.
t|Wie de grens oversteekt, zal met vuur worden ontvangen, zei de minister.
s|Ankara stuurt pantserwagens naar het regeringsleger.
s|Frankrijk traint sinds maart de troepen van de president.
s|De rebellen krijgen geld en wapens van het buurland.
s|Moskou schaart zich achter de regering in de hoofdstad.
r|De opstandelingen trokken zich terug uit de vallei.
r|De laatste eenheden gaven de luchtbasis over.
r|Strijders werden uit het dorp verdreven.
r|Het garnizoen legde de wapens neer en gaf zich over.
c|De paus riep beide partijen op het vuren te staken.
c|De Afrikaanse Unie stelt een bestand van tien dagen voor.
c|Hulporganisaties eisen een onmiddellijk einde aan de gevechten.
c|De gezant drong aan op een wapenstilstand.
ts|Washington levert raketten aan Kiev en dreigt met nieuwe sancties.
rc|De colonne vertrok uit de stad terwijl de bisschop om een gevechtspauze smeekte.
-|De regen hield drie dagen aan.
-|In de hoofdstad bleven de scholen dicht.
-|De minister sprak met zijn ambtgenoot over de graanoogst.
-|Op de markt kost een brood nu het dubbele.
-|De ploeg verloor in de laatste minuut van de koploper.
-|Het parlement stemde over de begroting van volgend jaar.
-|Er dreigt een tekort aan schoon water.
-|Burgers verlieten hun huizen met een koffer in de hand.
"""
LETTERS = {"t": "threat", "s": "support", "r": "retreat", "c": "ceasefire_call"}


def small_corpus() -> list[dict]:
    """30 articles; each sentence gets a place name of its own article, so that no two are alike."""
    pairs = [line.split("|") for line in SENTENCES.strip().splitlines()]
    places = ["Aleppo", "Bamako", "Cabinda", "Dili", "Enugu", "Fallujah", "Goma", "Hodeida", "Idlib", "Jenin"]
    rows = []
    for number in range(30):
        chosen = [pairs[(number * 5 + step * 3) % len(pairs)] for step in range(9)]
        for index, (letters, text) in enumerate(chosen):
            tail = f"Dat gebeurde in {places[(number + index) % 10]}, op kilometer {number * 9 + index} van de weg"
            rows.append(
                {
                    "id": f"t{number:02d}-{index}",
                    "article": f"t{number:02d}",
                    "index": index,
                    "text": f"{tail} naar {places[(number * 3 + index) % 10]}: {text}",
                    "labels": [LETTERS[letter] for letter in letters if letter != "-"],
                }
            )
    return rows


@pytest.fixture(scope="session")
def run_module():
    """A function that runs ``python -m ...`` from the project's root, as a user does."""

    def run(*arguments: str, **options) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", *(str(argument) for argument in arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, **options)

    return run


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory) -> Path:
    """The small corpus as JSONL."""
    path = tmp_path_factory.mktemp("corpus") / "small.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in small_corpus()), "utf-8")
    return path


@pytest.fixture(scope="session")
def encoder(tmp_path_factory) -> Path:
    """A one-layer BERT with random weights and a WordPiece tokenizer of the project's kind."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    from training.pretrain.tokenizer import train_tokenizer

    folder = tmp_path_factory.mktemp("encoder") / "tiny-bert"
    texts = [row["text"] for row in small_corpus()]
    tokenizer = train_tokenizer(iter(texts), 400, 100, 1, 64)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def overrides(corpus_file, encoder) -> list[str]:
    """The default config, shrunk to seconds."""
    return [
        f"data.files=[{corpus_file}]",
        f"network.encoder={encoder}",
        "network.max_length=64",
        "train.epochs=40",
        "train.batch_size=16",
        "train.micro_batch_size=16",
        "train.lr=0.002",
        "train.threads=1",
        "train.precision=fp32",
    ]


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory, overrides) -> Path:
    """One run through the true path: fine-tuned, scored, reported, packaged."""
    from eval.package import package
    from eval.report import write_report
    from eval.score import score_run
    from training.finetune import finetune
    from training.settings import DEFAULT, load_run_config

    output = tmp_path_factory.mktemp("runs")
    folder = finetune(load_run_config(DEFAULT, [*overrides, f"output={output}", "name=tiny"]))
    score_run(folder)
    write_report(folder)
    package(folder, int8=False)  # tests/test_lean.py packages with int8
    return folder


@pytest.fixture(scope="session")
def bundle(run_folder) -> Path:
    """The bundle of the tiny run. Tests that change it copy it first."""
    return run_folder / "bundle"
