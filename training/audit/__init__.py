"""The audit of a data set, the project's own or any other.

``own`` holds the checks of the project's records; ``tables``, ``columns``, ``label_values`` and ``load`` read any
table into ``rows``, and ``leaks``, ``labels``, ``shortcuts``, ``characters`` and ``errors`` look at these.
"""

from training.audit.command import add_arguments, run_audit

__all__ = ["add_arguments", "run_audit"]
