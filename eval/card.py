"""The model card of a bundle, generated from the run and its test predictions."""

from __future__ import annotations

import math

from eval.bootstrap import f1_intervals
from eval.metrics import score
from eval.predictions import Predictions
from strijdtaal.labels import CODEBOOK_VERSION, KEYS, LABELS
from training.run import Run

_HEAD = """---
language: nl
license: apache-2.0
library_name: transformers
pipeline_tag: text-classification
tags: [dutch, conflict, news, multi-label, onnx]
metrics: [f1]
---

# strijdtaal: {name}

Labels single sentences of Dutch conflict news. A sentence gets every label that it earns, or none.

| key | Dutch | English | threshold |
|---|---|---|---|
{labels}

Codebook {codebook}. A label is given when its probability (sigmoid of its logit) reaches the threshold;
when none does, the sentence has no label ("geen").

## Use

```python
from strijdtaal import Classifier
for item in Classifier.load("path/to/bundle").predict_article(text):
    print(item.start, item.end, item.labels, item.probabilities)
```

`transformers.pipeline("text-classification", model=..., top_k=None)` gives the same probabilities; it
knows no thresholds. Ask for raw scores and apply the sigmoid where a server would apply softmax.
`strijdtaal verify BUNDLE` checks every file and the golden sentences.
"""

_RESULTS = """
## Results

Test split of the project's own annotations: {sentences} sentences of {articles} articles that were not
trained on. 95% intervals by bootstrap over articles.

| | F1 | 95% interval | precision | recall | average precision | positives |
|---|---|---|---|---|---|---|
{rows}

## Training

- encoder: `{encoder}`{revision}
- {train} sentences for training, {validation} for validation (threshold and best epoch were chosen there)
- data fingerprint `{data}`, split fingerprint `{split}`
- the whole configuration is in `run.yaml`; `manifest.json` holds the sha256 of every file

## Limits

The annotated sentences were written for the project about invented events at real places; they are
not a sample of the news. Expect lower scores on real articles. One label set, one codebook: the labels
are not those of PLOVER or CAMEO. The model reads one sentence at a time and does not know who is
right. Do not use it to judge persons, and have a person read what a decision would rest on.
"""


def _number(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.3f}"


def model_card(run: Run, test: Predictions) -> str:
    """Markdown with metadata; the figures are computed from the test predictions given."""
    result = score(test.gold, test.decided, test.probabilities)
    macro, each = f1_intervals(test.articles, test.gold, test.decided)
    rows = [
        f"| **macro** | {_number(result['macro_f1'])} | {_number(macro[0])} - {_number(macro[1])} | | | "
        f"{_number(result['macro_average_precision'])} | |"
    ]
    for key, (low, high) in zip(KEYS, each, strict=True):
        entry = result["labels"][key]
        cells = [_number(entry[name]) for name in ("precision", "recall", "average_precision")]
        rows.append(
            f"| {key} | {_number(entry['f1'])} | {_number(low)} - {_number(high)} | "
            f"{' | '.join(cells)} | {entry['gold']} |"
        )
    labels = "\n".join(
        f"| `{x.key}` | {x.dutch} | {x.english} | {value:.2f} |"
        for x, value in zip(LABELS, run.thresholds, strict=True)
    )
    counts = run.data["counts"]
    revision = f" at `{run.config.network.revision}`" if run.config.network.revision else ""
    return _HEAD.format(name=run.name, labels=labels, codebook=CODEBOOK_VERSION) + _RESULTS.format(
        sentences=len(test.ids),
        articles=len(set(test.articles)),
        rows="\n".join(rows),
        encoder=run.config.network.encoder,
        revision=revision,
        train=counts["train"]["sentences"],
        validation=counts["validation"]["sentences"],
        data=run.data["data_fingerprint"],
        split=run.data["split_fingerprint"],
    )
