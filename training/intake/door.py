"""The command lines of ``python -m training import | agree | export``; heavy modules load only when one runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

FORMATS = "jsonl, labelstudio, doccano, prodigy, argilla, brat, cas, csv or text"
METHODS = "unanimous (default), majority, dawid-skene, mace, soft, or adjudicator:NAME"


def add_import(commands: Any) -> None:
    """The parser of ``import``."""
    text = "exports of annotation tools -> a folder of checked records, or all faults and nothing"
    parser = commands.add_parser("import", help=text, description=text)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="files, folders or zip archives")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="must not exist yet")
    parser.add_argument("--format", metavar="FORMAT", help=f"recognised by itself; or say {FORMATS}")
    parser.add_argument("--encoding", default="utf-8", help="of text files (default: utf-8); for example cp1252")
    parser.add_argument(
        "--article",
        metavar="FIELD",
        help="the field that names the article (default: article); 'each' where every sentence is one of its own",
    )
    parser.add_argument(
        "--map",
        dest="label_map",
        action="append",
        default=[],
        metavar="NAME=LABEL",
        help='a label of the export in ours, such as "Steun=support"; "geen=" is no label; may be repeated',
    )
    parser.add_argument(
        "--annotator",
        dest="rename",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="another name for an annotator, such as ann@example.org=anna; may be repeated",
    )
    parser.add_argument(
        "--adjudicate", default="unanimous", metavar="METHOD", help=f"how answers are settled: {METHODS}"
    )


def run_import(arguments: argparse.Namespace) -> None:
    """Run ``import``."""
    from training.intake.command import run_import
    from training.intake.options import Options

    names = ("out", "format", "encoding", "article", "adjudicate")
    chosen = {name: getattr(arguments, name) for name in names}
    run_import(
        Options(
            files=tuple(arguments.files), label_map=tuple(arguments.label_map), rename=tuple(arguments.rename), **chosen
        )
    )


def add_agree(commands: Any) -> None:
    """The parser of ``agree``."""
    text = "agreement between annotators: Krippendorff's alpha, pairwise F1, with intervals"
    parser = commands.add_parser("agree", help=text, description=text)
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="JSONL files of records, or folders of them"
    )
    parser.add_argument("--draws", type=int, default=1000, help="of articles, for the intervals (default: 1000)")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="NAME",
        help="leave this annotator out, such as the adjudicator; may be repeated",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")


def run_agree(arguments: argparse.Namespace) -> None:
    """Run ``agree``."""
    from training.intake.agree import run_agree

    run_agree(arguments.files, arguments.draws, arguments.json, arguments.without)


def add_export(commands: Any) -> None:
    """The parser of ``export``."""
    text = "records, or unlabelled sentences -> tasks of an annotation tool"
    parser = commands.add_parser("export", help=text, description=text)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="JSONL files, or folders of them")
    parser.add_argument("--to", choices=("labelstudio", "doccano"), default="labelstudio")
    parser.add_argument(
        "--annotator", metavar="NAME", help="doccano: this person's answers instead of the decided labels"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="must not exist yet")


def run_export(arguments: argparse.Namespace) -> None:
    """Run ``export``."""
    from training.intake.export import run_export

    run_export(arguments.files, arguments.out, arguments.to, arguments.annotator)
