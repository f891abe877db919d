"""Answers of annotators for tests, and nltk's alpha of them."""

from dataclasses import dataclass

import numpy as np

from strijdtaal.labels import KEYS

NAMES = ("anna", "bram", "cees", "dora", "emma")


@dataclass(frozen=True)
class Answer:
    id: str
    article: str
    annotations: dict


def labels_of(bits):
    return tuple(key for number, key in enumerate(KEYS) if bits >> number & 1)


def answers(matrix, per_article=1):
    """A matrix of sentences by annotators -> answers; -1 is no answer, other numbers are label sets as bits."""
    return [
        Answer(
            f"s{number}",
            f"a{number // per_article}",
            {name: labels_of(bits) for name, bits in zip(NAMES, row, strict=False) if bits >= 0},
        )
        for number, row in enumerate(matrix)
    ]


def random_matrix(seed, sentences=80, annotators=3, missing=0.25, noise=0.15):
    generator = np.random.default_rng(seed)
    truth = generator.random((sentences, 1, len(KEYS))) < 0.25
    wrong = generator.random((sentences, annotators, len(KEYS))) < noise
    bits = ((truth ^ wrong) << np.arange(len(KEYS))).sum(axis=2)
    return np.where(generator.random(bits.shape) < missing, -1, bits).tolist()


def by_nltk(matrix, value, **distance):
    from nltk.metrics.agreement import AnnotationTask

    data = [
        (name, number, value(bits))
        for number, row in enumerate(matrix)
        for name, bits in enumerate(row)
        if bits >= 0 and sum(one >= 0 for one in row) > 1
    ]
    return AnnotationTask(data=data, **distance).alpha()
