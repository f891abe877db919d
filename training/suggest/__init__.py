"""What to annotate next: a run ranks unlabelled sentences, and the best go to an annotation tool as tasks.

The data goes one way: ``sentences`` (texts that are neither annotated nor said twice) -> ``strategies`` (which of
them, and why) -> ``command`` (the file of tasks).
"""
