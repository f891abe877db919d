"""Training: annotations, splits, fine-tuning, pretraining. Run from a clone: ``python -m training``."""
