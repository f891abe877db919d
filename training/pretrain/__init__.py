"""Pretraining of a small Dutch BERT on plain text (masked language modelling)."""
