"""``python -m eval sign``: put a signature on a bundle, after proving that it loads (extra ``sign``)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add ``sign`` to the commands of ``python -m eval``."""
    parser = commands.add_parser("sign", help="sign a bundle with a private key (needs the extra 'sign')")
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    add_key(parser)


def add_key(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """The option ``--key``, the same for ``sign`` and ``package``."""
    explanation = (
        "private elliptic-curve key, PEM; the password of an encrypted one comes from the environment variable "
        "STRIJDTAAL_KEY_PASSWORD or is asked for"
    )
    name = "--key" if required else "--sign"
    parser.add_argument(name, type=Path, metavar="PRIVATE.pem", required=required, dest="key", help=explanation)


def run(arguments: argparse.Namespace) -> None:
    """Sign and say so.

    Raises:
        UsageError: the key cannot sign. BundleError: the bundle does not load. FolderError: it cannot be written.
    """
    from strijdtaal.classifier import Classifier
    from strijdtaal.signature import check_private_key, sign_bundle

    check_private_key(arguments.key)  # first what takes no time
    contract = Classifier.load(arguments.bundle).contract
    target = sign_bundle(arguments.bundle, arguments.key)
    sys.stdout.write(
        f"Signed: {target}, for the bundle with manifest {contract.sha256[:16]}. Whoever verifies needs the public "
        f"key: openssl ec -in {arguments.key} -pubout -out public.pem\n"
    )
