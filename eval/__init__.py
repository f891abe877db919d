"""Evaluation: predictions, metrics, report, packaging."""
