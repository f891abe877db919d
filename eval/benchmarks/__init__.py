"""Measurements that take minutes: each a script that prints its table, run from the project's root."""
