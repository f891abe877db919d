"""A quick look at an encoder: how many masked pieces of given sentences it guesses right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from strijdtaal.errors import UsageError
from strijdtaal.text import clean
from training.config import ROOT

EVERY = 7  # one piece in seven is masked, one at a time, so that each has all the others to go by
SENTENCES = 200
LAST_ARTICLE = "a1036"  # articles written later do not move the figure


def own_sentences(count: int = SENTENCES) -> list[str]:
    """Every n-th sentence of 8 to 30 words of the project's first annotations, which no pretraining has seen."""
    from training.records import find_files, read_records

    records = read_records(find_files([ROOT / "seeds" / "annotations"]))
    first = [record for record in records if record.article <= LAST_ARTICLE]
    texts = [clean(record.text) for record in first if 8 <= len(record.text.split()) <= 30]
    step = len(texts) // count
    return texts[::step][:count]


def masked_accuracy(model_folder: Path | str, texts: Sequence[str]) -> tuple[float, int]:
    """Share of masked pieces whose first guess is right, and how many were masked.

    Raises:
        UsageError: the folder is not a masked language model.
    """
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    folder = Path(model_folder)
    if not (folder / "config.json").is_file():
        raise UsageError(f"{folder} has no config.json; it is not a model folder.")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()
    right = total = 0
    with torch.inference_mode():
        for number, text in enumerate(texts):
            ids = tokenizer(text, truncation=True, max_length=128)["input_ids"]
            places = torch.arange(1 + number % EVERY, len(ids) - 1, EVERY)
            if len(places) == 0:
                continue
            rows = torch.tensor(ids).repeat(len(places), 1)
            gold = rows[0, places]
            rows[torch.arange(len(places)), places] = tokenizer.mask_token_id
            logits = model(input_ids=rows).logits[torch.arange(len(places)), places]
            right += int((logits.argmax(-1) == gold).sum())
            total += len(places)
    return right / max(1, total), total
