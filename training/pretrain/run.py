"""The pretraining run: corpus -> tokenizer -> packed rows -> training loop -> model folder."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from strijdtaal.errors import TrainingError, UsageError
from strijdtaal.folder import write_folder
from training.config import dump_config
from training.precision import bf16_is_faster
from training.pretrain import checkpoint
from training.pretrain.config import PretrainConfig
from training.pretrain.corpus import PackedFile, RowStream
from training.pretrain.objective import Objective, mask_rows, word_bags
from training.pretrain.prepare import make_model, make_optimisers, make_tokenizer, pack_corpus
from training.pretrain.tokenizer import SPECIAL, save_tokenizer
from training.run import alone_in

log = logging.getLogger(__name__)


@dataclass
class Progress:
    """Where a run stands; all of it goes into a checkpoint."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: float = math.nan  # running mean of the masked-token loss, nats
    sentence_loss: float = math.nan


def rate(done: float, warmup: float, constant_until: float) -> float:
    """Learning-rate factor at ``done`` (share of the budget): warm-up, constant, linear to 0."""
    if done < warmup:
        return max(done / warmup, 1e-3)
    if done <= constant_until:
        return 1.0
    return max(0.0, (1 - done) / (1 - constant_until))


class Pretraining:
    """One run: holds model, optimisers, streams and progress; ``train`` runs it to the budget's end."""

    def __init__(self, config: PretrainConfig) -> None:
        self.config = config
        self.folder = config.output / config.name
        for part in self.folder.glob(".*.part"):  # left by a killed process
            shutil.rmtree(part, ignore_errors=True)
        if config.train.threads:
            torch.set_num_threads(config.train.threads)
        precision = config.train.precision
        self.bf16 = precision == "bf16" or (precision == "auto" and bf16_is_faster())
        log.info("Precision: %s", "bf16" if self.bf16 else "fp32")
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.tokenizer = make_tokenizer(config, self.folder)
        files = pack_corpus(config, self.folder, self.tokenizer)
        weights = config.corpus.weights or [1.0] * len(files)
        self.streams = {
            n: RowStream(files, weights, n, config.corpus.held_out, config.train.seed) for n in config.train.lengths
        }
        self.counted = self._counted_words(files)
        model = make_model(config, self.tokenizer, files)
        if self.device.type == "cpu":  # plain attention, compiled: the fused CPU kernel's backward pass is slow
            model.set_attn_implementation("eager")
        self.objective = Objective(model, config.objective.sentence_weight).to(self.device)
        self.optimisers = make_optimisers(self.objective, config)
        self.progress = Progress()
        size = sum(len(file.ids) for file in files)
        aside: Any = {  # what may change between a start and its resumption
            "output": True,
            "corpus": {"files"},
            "train": {"threads", "minutes", "tokens", "precision", "compile", "checkpoint_minutes"},
        }
        keyed = config.model_dump(mode="json", exclude=aside)
        text = json.dumps([keyed, size], sort_keys=True)
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()

    def _counted_words(self, files: list[PackedFile]) -> Any:
        counts = np.zeros(len(self.tokenizer), dtype=np.int64)
        for file in files:
            counts += np.bincount(file.ids[:5_000_000], minlength=len(counts))
        counted = np.ones(len(counts), dtype=bool)
        counted[np.argsort(-counts)[: self.config.objective.sentence_skip_frequent]] = False
        counted[self.tokenizer.all_special_ids] = False
        return counted

    def done(self) -> float:
        """Share of the budget that is spent, 0 to 1."""
        section = self.config.train
        if section.tokens:
            return min(1.0, self.progress.tokens / section.tokens)
        return min(1.0, self.progress.seconds / 60 / section.minutes)

    def resume(self) -> None:
        """Take up the newest whole checkpoint, if there is one."""
        path = checkpoint.newest(self.folder / "checkpoints", log.warning)
        if path is None:
            return
        state = checkpoint.restore(path, self.objective, self.optimisers, self.fingerprint)
        self.progress = Progress(**{name: state[name] for name in Progress.__dataclass_fields__})
        log.info("Taken up from %s after %s tokens", path.name, f"{self.progress.tokens:,}")

    def _length_at(self, step: int) -> int:
        shares = np.array(self.config.train.length_shares)
        generator = np.random.default_rng([self.config.train.seed, 7, step])
        return int(generator.choice(self.config.train.lengths, p=shares / shares.sum()))

    def _drawn(self, length: int, step: int) -> int:
        """Rows of ``length`` used before ``step``; kept by counting, recounted after a resume."""
        if not hasattr(self, "_counts"):
            self._counts = dict.fromkeys(self.config.train.lengths, 0)
            for earlier in range(step):
                self._counts[self._length_at(earlier)] += 1
        return self._counts[length] * (self.config.train.tokens_per_batch // length)

    def _losses(self, rows: Any, seed: list[int], forward: Any) -> tuple[Any, Any]:
        objective, size = self.config.objective, len(self.tokenizer)
        inputs = mask_rows(rows, objective.mask_fraction, self.tokenizer.mask_token_id, size, len(SPECIAL), seed)
        bags = word_bags(rows, size, self.counted)
        tensors = [tensor.to(self.device) for tensor in (*inputs, bags)]
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            return forward(*tensors)  # type: ignore[no-any-return]

    def _step(self, forward: Any, length: int) -> int:
        step, section = self.progress.step, self.config.train
        torch.manual_seed(section.seed * 1_000_003 + step)  # dropout of a continued model repeats after a resume
        drawn = self._drawn(length, step)
        rows = self.streams[length].batch(drawn, section.tokens_per_batch // length)
        self._counts[length] += 1
        masked, sentence = self._losses(rows, [section.seed, step], forward)
        total = masked + self.config.objective.sentence_weight * sentence
        if not torch.isfinite(total):
            raise TrainingError(
                f"Step {step}: the loss is not finite. The last checkpoint is whole; "
                "lower train.muon_lr or train.adam_lr and start again under another name."
            )
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.objective.parameters(), section.clip)
        if not torch.isfinite(norm):
            raise TrainingError(f"Step {step}: the gradient is not finite. The last checkpoint is whole.")
        factor = rate(self.done(), section.warmup, section.constant_until)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self._note(float(masked.detach()), float(sentence.detach()), rows.size)
        return int(rows.size)

    def _note(self, masked: float, sentence: float, tokens: int) -> None:
        progress = self.progress
        keep = 0.98 if progress.step > 50 else 0.9
        first = math.isnan(progress.loss)
        progress.loss = masked if first else keep * progress.loss + (1 - keep) * masked
        progress.sentence_loss = sentence if first else keep * progress.sentence_loss + (1 - keep) * sentence
        progress.step += 1
        progress.tokens += tokens

    def save(self) -> Path:
        """Write a checkpoint and return its folder."""
        state = {**vars(self.progress), "fingerprint": self.fingerprint}
        return checkpoint.save(self.folder / "checkpoints", self.objective, self.optimisers, state)

    @torch.no_grad()
    def held_out_loss(self, rows: int = 512) -> float:
        """Mean masked-token loss in nats on rows never trained on (weighted by tokens)."""
        self.objective.eval()
        losses, sizes = [], []
        for length, stream in self.streams.items():
            kept = stream.held_out_rows(rows)
            for start in range(0, len(kept), 32):
                part = kept[start : start + 32]
                losses.append(float(self._losses(part, [11, length, start], self.objective)[0]))
                sizes.append(part.size)
        self.objective.train()
        return float(np.average(losses, weights=sizes))

    def train(self) -> None:
        """Train until the budget is spent, with checkpoints on the way."""
        self.objective.train()
        forward: Any = torch.compile(self.objective, dynamic=False) if self.config.train.compile else self.objective
        last_save = before = time.monotonic()
        with tqdm(total=100, unit="%", bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}") as bar:
            compiled: set[int] = set()
            while self.done() < 1:
                length = self._length_at(self.progress.step)
                tokens = self._step(forward, length)
                now = time.monotonic()
                if length in compiled or not self.config.train.compile:
                    self.progress.seconds += now - before
                compiled.add(length)
                self._show(bar, tokens / (now - before))
                before = now
                if now - last_save > 60 * self.config.train.checkpoint_minutes:
                    self.save()
                    last_save = before = time.monotonic()
        self.save()

    def _show(self, bar: Any, speed: float) -> None:
        progress, done = self.progress, self.done()
        left = progress.seconds / max(done, 1e-6) * (1 - done) / 60
        bar.n = 100 * done
        bar.set_description_str(
            f"step {progress.step} loss {progress.loss:.3f} [CLS] {progress.sentence_loss:.3f} "
            f"{progress.tokens / 1e6:.1f} M tokens {speed:,.0f}/s {left:.0f} min left",
            refresh=progress.step % 10 == 0,
        )

    def finish(self) -> Path:
        """Write the plain model folder (16-bit weights, tokenizer, figures) and return its path."""
        target = self.folder / "model"
        model = self.objective.model
        model.to(torch.bfloat16).to(torch.float32)  # the loss is that of the weights as they are shipped
        loss = self.held_out_loss()
        if not math.isfinite(loss):
            raise TrainingError("The held-out loss is not finite. No model was written; see the checkpoints.")
        with write_folder(target, "pretrained encoder") as work:
            model.to(torch.bfloat16).save_pretrained(work)
            save_tokenizer(self.tokenizer, work)
            figures = {
                "held_out_loss_nats": round(loss, 4),
                "tokens_seen": self.progress.tokens,
                "minutes": round(self.progress.seconds / 60, 1),
                "steps": self.progress.step,
                "torch": torch.__version__,
                "device": str(self.device),
            }
            (work / "pretraining.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
            (work / "pretraining.yaml").write_text(dump_config(self.config), encoding="utf-8")
        log.info("Held-out loss %.3f nats; model in %s", loss, target)
        return target


def pretrain(config: PretrainConfig) -> Path:
    """Run (or take up) a pretraining and return the finished model folder."""
    missing = [str(path) for path in config.corpus.files if not path.is_file()]
    if missing:
        raise UsageError(f"corpus.files: not found: {', '.join(missing)}.")
    target = config.output / config.name / "model"
    if target.exists():
        raise UsageError(f"{target} exists already. Choose another name, or remove it.")
    folder = config.output / config.name
    with alone_in(folder):
        run = Pretraining(config)
        run.resume()
        run.train()
        return run.finish()
