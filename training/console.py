"""The door of both commands: logging and library noise are set once, errors end with their exit code."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable

from strijdtaal.errors import StrijdtaalError

QUIET = {
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",  # its report of a fresh classification head is no news
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",  # bars for loading and saving weights, a second each
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
}


def run_command(program: str, command: Callable[[], None]) -> int:
    """Run ``command`` and return the exit code: 0, that of a foreseen error, or 130 when interrupted."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for name in ("httpx", "datasets", "evaluate"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that half-written folders are removed
    try:
        command()
        sys.stdout.flush()
    except StrijdtaalError as error:
        sys.stderr.write(f"{program}: {error}\n")
        return error.exit_code
    except BrokenPipeError:  # whoever read our output has gone, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        sys.stderr.write(f"{program}: interrupted; no folder was left half-written.\n")
        return 130
    return 0
