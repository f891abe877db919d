"""The command ``agree``: records and the queue of an import -> table and JSON."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from strijdtaal.errors import DataError, UsageError
from strijdtaal.folder import FolderError
from training.intake.agree import run_agree

ROOT = Path(__file__).resolve().parent.parent


def row(number, annotations):
    return {
        "id": f"z{number}",
        "article": f"a{number // 2}",
        "index": number % 2,
        "text": f"Konvooi {number} keerde om bij de brug over de Tigris.",
        "labels": [],
        "annotations": annotations,
    }


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in rows) + "\n", encoding="utf-8")
    return path


def alike(number):
    labels = ["retreat"] if number % 4 == 0 else []
    return row(number, {"anna": labels, "bram": labels})


def task(number, annotations):
    """A task of the queue, as Label Studio writes it."""
    given = [
        {
            "completed_by": {"email": name},
            "was_cancelled": False,
            "ground_truth": False,
            "result": [
                {"from_name": "labels", "to_name": "text", "type": "choices", "value": {"choices": labels}}
            ] if labels else [],
        }
        for name, labels in annotations.items()
    ]  # fmt: skip
    data = {key: str(value) for key, value in row(number, {}).items() if key in ("id", "article", "index", "text")}
    return {"data": data, "annotations": given, "predictions": []}


def write_queue(folder, tasks):
    path = folder / "open" / "queue.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tasks, ensure_ascii=False), encoding="utf-8")


def test_table_and_json_hold_the_same_figures(tmp_path, capsys):
    file = write(tmp_path / "zinnen.jsonl", [alike(number) for number in range(40)])
    run_agree([file], 100, tmp_path / "uit.json")
    text = capsys.readouterr().out
    assert text.startswith("40 sentences of 20 articles, 40 of them with two answers or more; of these 0 (0.0%)")
    assert "anna and bram: 40 common sentences of 20 articles, 40 (100.0%) with the same labels" in text
    assert re.search(r"\nthreat +n/a +n/a  never given where two answered\n", text)
    assert re.search(r"\nretreat +1\.000  1\.000 - 1\.000\n", text)
    figures = json.loads((tmp_path / "uit.json").read_text("utf-8"))
    assert figures["alpha"]["retreat"] == {"value": 1.0, "interval": [1.0, 1.0], "note": ""}
    assert figures["alpha"]["threat"]["value"] is None
    assert figures["pairs"][0]["labels"]["retreat"]["both"] == 10
    assert figures["draws"] == 100


def test_unsettled_sentences_of_an_import_count_as_well(tmp_path, capsys):
    write(tmp_path / "annotations.jsonl", [alike(number) for number in range(30)])
    write_queue(tmp_path, [task(number, {"anna": ["retreat"], "bram": []}) for number in range(30, 40)])
    run_agree([tmp_path], 100, tmp_path / "uit.json")
    assert capsys.readouterr().out.startswith(f"With 10 unsettled sentences of {tmp_path / 'open' / 'queue.json'}.\n")
    figures = json.loads((tmp_path / "uit.json").read_text("utf-8"))
    assert (figures["sentences"], figures["differing"]) == (40, 10)
    assert figures["pairs"][0]["labels"]["retreat"]["f1"]["value"] == pytest.approx(2 * 8 / (18 + 8))


def test_an_adjudicator_may_be_left_out(tmp_path, capsys):
    file = write(
        tmp_path / "x.jsonl", [row(n, {"anna": [], "bram": ["threat"], "chris": ["threat"]}) for n in range(4)]
    )
    run_agree([file], 0, tmp_path / "with.json")
    run_agree([file], 0, tmp_path / "without.json", ["chris"])
    one, two = (json.loads((tmp_path / name).read_text("utf-8")) for name in ("with.json", "without.json"))
    assert [[who["name"] for who in found["annotators"]] for found in (one, two)] == [
        ["anna", "bram", "chris"],
        ["anna", "bram"],
    ]
    assert (len(one["pairs"]), len(two["pairs"])) == (3, 1)
    with pytest.raises(UsageError, match=r"no answer is by 'chriss'\. Did you mean 'chris'"):
        run_agree([file], 0, None, ["chriss"])


def test_an_import_of_which_nothing_is_settled(tmp_path, capsys):
    write_queue(tmp_path, [task(number, {"anna": ["threat"], "bram": []}) for number in range(6)])
    run_agree([tmp_path], 0, None)
    assert "\n6 sentences of 3 articles, 6 of them" in capsys.readouterr().out


def test_a_queue_that_is_not_ours_is_refused(tmp_path):
    write(tmp_path / "annotations.jsonl", [alike(1)])
    broken = task(2, {"anna": ["threat"], "bram": []})
    del broken["data"]["article"]
    write_queue(tmp_path, [broken])
    with pytest.raises(DataError, match=r"queue\.json.*no id or no article"):
        run_agree([tmp_path], 0, None)


def test_wrong_options_are_refused_before_anything_is_read(tmp_path):
    with pytest.raises(UsageError, match="--draws must be 0 or more, found -1"):
        run_agree([tmp_path / "bestaat-niet"], -1, None)
    out = write(tmp_path / "uit.json", [])
    with pytest.raises(FolderError, match=r"uit\.json exists already"):
        run_agree([tmp_path / "bestaat-niet"], 10, out)
    with pytest.raises(DataError, match="does not exist"):
        run_agree([tmp_path / "bestaat-niet"], 10, None)


def test_agree_loads_none_of_the_slow_libraries(tmp_path):
    file = write(tmp_path / "zinnen.jsonl", [alike(number) for number in range(40)])
    code = (
        "import sys; from pathlib import Path; from training.intake.agree import run_agree; "
        f"run_agree([Path({str(file)!r})], 10, None); "
        "print(sorted({'nltk', 'sklearn', 'scipy', 'pandas', 'torch', 'cassis', 'crowdkit'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("\n[]\n")
