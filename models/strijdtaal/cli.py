"""The command ``strijdtaal``: predict an article, score files, verify a bundle, serve over HTTP."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from strijdtaal import __version__
from strijdtaal.batch import command as score
from strijdtaal.errors import DataError, StrijdtaalError, UsageError
from strijdtaal.service import command as serve


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="strijdtaal", description="Label the sentences of Dutch conflict news.")
    parser.add_argument("--version", action="version", version=f"strijdtaal {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    predict = commands.add_parser("predict", help="label every sentence of an article (plain text file)")
    predict.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of a packaged model")
    predict.add_argument("article", metavar="ARTICLE", help="UTF-8 text file, or - for standard input")
    form = predict.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, one object a sentence")
    form.add_argument("--html", action="store_true", help="print one HTML page")
    predict.add_argument("--out", type=Path, metavar="FILE", help="write there instead of printing")
    verify = commands.add_parser("verify", help="check a bundle: files, labels, golden sentences")
    verify.add_argument("bundle", type=Path, metavar="BUNDLE")
    verify.add_argument("--key", type=Path, metavar="PUBLIC.pem", help="check the signature as well (extra 'sign')")
    score.add_parser(commands)
    serve.add_parser(commands)
    return parser


def _article(name: str) -> str:
    from strijdtaal.text import clean, read_text

    if name != "-":
        return read_text(Path(name))
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"Standard input is not UTF-8 (byte {error.start}).") from error
    if not clean(text):
        raise DataError("Standard input is empty. Pipe an article into it.")
    return text


def _predict(arguments: argparse.Namespace) -> None:
    from strijdtaal import render
    from strijdtaal.classifier import Classifier
    from strijdtaal.folder import write_file

    text = _article(arguments.article)
    predictions = Classifier.load(arguments.bundle).predict_article(text)
    if arguments.json:
        output = render.as_json(predictions)
    elif arguments.html:
        title = "strijdtaal" if arguments.article == "-" else Path(arguments.article).name
        output = render.as_html(text, predictions, title)
    else:
        output = render.as_text(predictions)
    if arguments.out is None:
        sys.stdout.write(output + "\n")
        return
    if arguments.out.exists() and arguments.article != "-" and arguments.out.samefile(arguments.article):
        raise UsageError(f"--out {arguments.out} is the article itself. Choose another name.")
    write_file(arguments.out, output + "\n")


def _verify(arguments: argparse.Namespace) -> None:
    from strijdtaal.bundle import INT8
    from strijdtaal.classifier import Classifier

    if arguments.key is not None:
        from strijdtaal.signature import verify_signature

        files = verify_signature(arguments.bundle, arguments.key)
        sys.stdout.write(f"{arguments.bundle}: {files} files signed by the holder of {arguments.key}.\n")
    classifier = Classifier.load(arguments.bundle)
    contract = classifier.contract
    found = f"{classifier.verify_golden():.1e}"
    if contract.quantized is not None:
        found += f" (int8: {Classifier.load(arguments.bundle, precision=INT8).verify_golden():.1e})"
    sys.stdout.write(
        f"{arguments.bundle}: whole. Codebook {contract.codebook_version}, labels {', '.join(contract.keys)}, "
        f"{len(contract.golden)} golden sentences, largest difference {found}.\n"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code (0, or the one of the error)."""
    arguments = _parser().parse_args(argv)
    try:
        {"predict": _predict, "verify": _verify, "score": score.run, "serve": serve.run}[arguments.command](arguments)
    except StrijdtaalError as error:
        sys.stderr.write(f"strijdtaal: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
