"""The command line of ``python -m training suggest``; heavy modules load only when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

STRATEGIES = "uncertainty (default), mixed, rare, diversity or random"


def add_suggest(commands: Any) -> None:
    """The parser of ``suggest``."""
    text = "unlabelled sentences -> those most worth annotating, as tasks with the run's own labels"
    parser = commands.add_parser("suggest", help=text, description=text)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a fine-tuning run")
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="articles (.txt), JSONL, CSV, exports; or folders of them"
    )
    parser.add_argument("--n", dest="number", type=int, default=200, help="how many sentences (default: 200)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="must not exist yet")
    parser.add_argument("--to", choices=("labelstudio", "doccano"), default="labelstudio")
    parser.add_argument("--by", default="uncertainty", metavar="STRATEGY", help=STRATEGIES)
    parser.add_argument("--seed", type=int, default=1, help="of --by random (default: 1)")
    parser.add_argument(
        "--article", metavar="FIELD", help="the field that names the article (default: article); 'each' for none"
    )
    parser.add_argument("--blind", action="store_true", help="leave out what the run thinks of the sentences")


def run_suggest(arguments: argparse.Namespace) -> None:
    """Run ``suggest``."""
    from training.suggest.command import Options, run_suggest

    names = ("number", "by", "to", "seed", "article", "blind")
    options = Options(**{name: getattr(arguments, name) for name in names})
    run_suggest(arguments.run, arguments.files, arguments.out, options)
