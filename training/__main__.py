"""``python -m training``: import and check annotations, fine-tune, pretrain. Run it from the project's root."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from training.audit import add_arguments, run_audit
from training.console import run_command
from training.intake import door
from training.suggest.door import add_suggest, run_suggest


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("finetune", "train a classifier on annotated sentences -> runs/<name>/"),
        ("pretrain", "train an encoder on plain text -> <output>/<name>/model/"),
        ("splits", "print the table of splits that a config gives, without training"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, see configs/")
        command.add_argument("override", nargs="*", metavar="key=value", help="for example train.seed=2")
    audit = "check annotations, or any data set: leaks, duplicates, shortcuts, agreement"
    add_arguments(commands.add_parser("audit", help=audit, description=audit))
    for add in (door.add_import, door.add_agree, door.add_export, add_suggest):
        add(commands)
    probe = commands.add_parser("probe", help="how many masked pieces of our sentences an encoder guesses right")
    probe.add_argument("model", type=Path, metavar="MODEL", help="folder of a masked language model")
    return parser


def _probe(model: Path) -> None:
    from training.pretrain.probe import masked_accuracy, own_sentences

    accuracy, total = masked_accuracy(model, own_sentences())
    sys.stdout.write(f"masked-token accuracy {100 * accuracy:.1f}% of {total} masked pieces\n")


def _finetune(config_path: Path, overrides: list[str]) -> None:
    from strijdtaal.errors import UsageError
    from training.settings import load_run_config

    config = load_run_config(config_path, overrides)
    if config.folder.exists():
        raise UsageError(f"{config.folder} exists already. Choose another name=..., or remove it.")
    from training.dataset import load_corpus

    corpus = load_corpus(config.data)  # its faults are told before torch is loaded
    from training.finetune import finetune

    folder = finetune(config, corpus)
    sys.stdout.write(f"Run finished: {folder}\nNext: python -m eval score {folder}\n")


def _pretrain(config_path: Path, overrides: list[str]) -> None:
    from training.pretrain.config import load_pretrain_config

    config = load_pretrain_config(config_path, overrides)
    from training.pretrain.run import pretrain

    sys.stdout.write(f"Encoder: {pretrain(config)}\n")


def _splits(config_path: Path, overrides: list[str]) -> None:
    from training.settings import load_run_config

    config = load_run_config(config_path, overrides)
    from training.dataset import load_corpus
    from training.splits import counts_table

    corpus = load_corpus(config.data)
    sys.stdout.write(
        f"{counts_table(corpus.splits)}\ndata {corpus.data_fingerprint}\nsplit {corpus.split_fingerprint}\n"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code (0, or the one of the error)."""
    arguments = _parser().parse_args(argv)
    if arguments.command == "audit":
        return run_command("training", lambda: run_audit(arguments))
    if arguments.command == "probe":
        return run_command("training", lambda: _probe(arguments.model))
    intake = {"import": door.run_import, "agree": door.run_agree, "export": door.run_export, "suggest": run_suggest}
    if arguments.command in intake:
        return run_command("training", lambda: intake[arguments.command](arguments))
    command = {"finetune": _finetune, "pretrain": _pretrain, "splits": _splits}[arguments.command]
    return run_command("training", lambda: command(arguments.config, arguments.override))


if __name__ == "__main__":
    raise SystemExit(main())
