"""The shipped encoder: a plain BERT folder, its tokenizer pinned, its quality as its card says.

``python tests/test_encoder.py`` writes the golden ids anew; do that only with a new encoder.
"""

import json
import random
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ENCODER = ROOT / "models" / "bert-mini-nl"
GOLDEN = Path(__file__).parent / "data" / "golden_ids.jsonl"

# Written for this test: what the news and the web do to a tokenizer.
ODD = """
«Wij gaan door», zei hij — en zweeg…|‘Nooit’, riep zij; “altijd” zei hij.|,,Dat is oud'', aldus de krant van 1971.
Curaçao, Saint-Étienne, Łódź, Đà Nẵng, Kyïv, Zürich, São Tomé, Reykjavík
coördinatie, geïnd, beëindigd, reünie, café, hè, één, vóór
cafe\u0301 en café zijn hetzelfde woord|zero\u200bwidth en zacht\u00adafbreekstreepje|\u202eomgekeerd\u202c
🕊️ vrede 💣 oorlog 🇳🇱🇧🇪 👩‍🚒|😀😃😄|→ ← ↑ ↓ • · § † ‡|½ ¼ 10³ m² CO₂ 25 °C
€ 1.250.000,- en $3,5 mld.|18.00 uur, 06-12345678, 12/05/1940|http://example.org/a?b=c#d en info@example.nl
wapenstilstandsonderhandelingen|luchtafweergeschutsopstellingen|vredesmachtsoldatenvakbondsvoorzitter|oud-minister-president
NAVO, VN-Veiligheidsraad, AK-47's, T-72's, MiG-29, F-16's, Su-35S|IS(IS), al-Qaida, al-Shabaab, Boko Haram, PKK/YPG
Москва заявила|القدس|北京|서울|Αθήνα|ירושלים|กรุงเทพ
A|a|.|!?!?|...|''|""|()|[MASK] en [CLS] in de tekst|<b>vet</b>
's Gravenhage, 't Gooi, z'n, m'n, auto's, foto's, Jans' boek|IJsland, ijs, Ĳsselmeer, ĳzer
een\ttab en een\nregel|veel     spaties|HOOFDLETTERS IN DE KOP|mIxEd CaSe
"""


def strings() -> list[str]:
    """1,000 strings: the odd ones above, long words and sentences of our own texts."""
    odd = [text for line in ODD.strip().split("\n") for text in line.split("|")]
    texts = [
        json.loads(line)["text"]
        for path in [*sorted((ROOT / "seeds" / "annotations").glob("*.jsonl")), ROOT / "seeds" / "behaviour.jsonl"]
        for line in path.read_text("utf-8").splitlines()
    ]
    words = sorted({word for text in texts for word in re.findall(r"[\w-]{18,}", text)})
    chosen = random.Random(0).sample(words, 200) + random.Random(0).sample(sorted(set(texts)), 800 - len(odd))
    return odd + chosen


def test_tokenizer_gives_the_golden_ids_for_a_thousand_strings():
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(ENCODER)
    rows = [json.loads(line) for line in GOLDEN.read_text("utf-8").splitlines()]
    assert len(rows) == 1000
    wrong = [row["text"] for row in rows if tokenizer(row["text"])["input_ids"] != row["ids"]]
    assert not wrong
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    assert all(row["ids"][0] == cls and row["ids"][-1] == sep for row in rows)


def test_folder_is_a_plain_small_bert():
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForMaskedLM

    names = {path.name for path in ENCODER.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= names
    assert sum(path.stat().st_size for path in ENCODER.iterdir()) < 40_000_000
    config = json.loads((ENCODER / "config.json").read_text())
    assert config["model_type"] == "bert"
    assert not {"auto_map", "custom_pipelines"} & set(config)
    weights = load_file(ENCODER / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    assert all(tensor.isfinite().all() for tensor in weights.values())
    model, report = AutoModelForMaskedLM.from_pretrained(ENCODER, output_loading_info=True)
    assert type(model).__name__ == "BertForMaskedLM"
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]


@pytest.mark.slow
def test_masked_token_accuracy_is_what_the_card_says():
    from training.pretrain.probe import masked_accuracy, own_sentences

    card = (ENCODER / "README.md").read_text("utf-8")
    (stated,) = re.findall(r"masked-token accuracy ([\d.]+)%", card)
    accuracy, total = masked_accuracy(ENCODER, own_sentences())
    assert total > 500
    assert 100 * accuracy >= float(stated) - 2


def test_probe_on_a_folder_without_a_model_is_refused(tmp_path):
    from strijdtaal.errors import UsageError
    from training.pretrain.probe import masked_accuracy

    with pytest.raises(UsageError, match=r"has no config\.json"):
        masked_accuracy(tmp_path, ["Een zin."])


if __name__ == "__main__":
    from transformers import AutoTokenizer

    pinned = AutoTokenizer.from_pretrained(ENCODER)
    with GOLDEN.open("w", encoding="utf-8") as handle:
        for text in strings():
            handle.write(json.dumps({"text": text, "ids": pinned(text)["input_ids"]}, ensure_ascii=False) + "\n")
