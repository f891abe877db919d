"""Annotation intake: exports of annotation tools -> records, with every fault named before anything is written.

The data goes one way: ``source`` (bytes, checked) -> ``formats`` (what each tool means) -> ``sentence``
(what was said of a sentence, by whom) -> ``assemble`` (ids, articles, one row a sentence) ->
``adjudicate`` (labels, or the queue) -> ``command`` (the folder).
"""
