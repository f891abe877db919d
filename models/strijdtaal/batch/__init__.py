"""Batch scoring: files of any size into a folder of scores, shard by shard, resumable.

>>> from strijdtaal.batch import score_files                                        # doctest: +SKIP
>>> score_files("runs/default/bundle", ["news.parquet"], "scores").rows             # doctest: +SKIP
100000
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strijdtaal.batch.options import StoppedError
    from strijdtaal.batch.progress import Progress
    from strijdtaal.batch.score import Summary, score_files

__all__ = ["Progress", "StoppedError", "Summary", "score_files"]
_MODULES = {"Progress": "progress", "StoppedError": "options", "Summary": "score", "score_files": "score"}


def __getattr__(name: str) -> Any:
    """Load the modules only when they are asked for: the command line imports this package to show its help."""
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"strijdtaal.batch.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'strijdtaal.batch' has no attribute {name!r}")
