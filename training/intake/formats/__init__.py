"""One module a format: ``NAME``, ``TITLE``, ``recognises(source)`` and ``read(source, intake)``.

``recognises`` looks at the name and the first bytes or rows only and never raises. ``read`` yields a
``Sentence`` for each sentence that the file holds, labelled or not; a row that cannot be used is told to
``intake.fault`` and passed over, so that one run names all faults; a file that cannot be used at all
raises ``DataError``.
"""
