"""The queue by tokens: never over its bound, nothing given out twice or lost, long requests do not block short ones."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strijdtaal.service.refusal import Refusal
from strijdtaal.service.tokens import TokenQueue, Waiting


def rows(*lengths):
    return Waiting([[1] * length for length in lengths])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=8), max_size=25),
    st.integers(1, 80),
    st.randoms(use_true_random=False),
)
def test_every_row_is_given_out_once_within_the_bounds(lengths, budget, choose):
    queue, waiting, given_out = TokenQueue(300), [], {}
    todo = [rows(*item) for item in lengths]
    while todo or queue.tokens:
        if todo and choose.random() < 0.6:
            item = todo.pop()
            room = queue.tokens + item.tokens <= 300
            assert queue.put(item) == room
            waiting += [item] * room
        elif queue.tokens:
            oldest = next(item for item in waiting if item.left)
            before = oldest.given
            batch = queue.take(budget)
            assert batch.tokens == sum(len(item.rows[number]) for item, part in batch.parts.items() for number in part)
            assert batch.tokens <= budget or [len(part) for part in batch.parts.values()] == [1]
            assert oldest.given > before or len(oldest.rows[oldest.order[before]]) > budget // 2
            for item, part in batch.parts.items():
                given_out.setdefault(item, []).extend(part)
        assert 0 <= queue.tokens == sum(item.tokens for item in waiting) <= 300
    assert all(sorted(given_out[item]) == list(range(len(item.rows))) for item in waiting)


def test_a_long_request_does_not_block_short_ones_and_keeps_half():
    queue = TokenQueue(1000)
    long, short, other = rows(*[20] * 40), rows(10), rows(10, 10)
    for item in (long, short, other):
        assert queue.put(item)
    batch = queue.take(100)
    assert {item: len(part) for item, part in batch.parts.items()} == {long: 3, short: 1, other: 2}
    assert queue.take(100).parts == {long: long.order[3:8]}  # alone, it gets all


def test_rows_of_a_long_request_go_out_with_their_like():
    queue = TokenQueue(1000)
    mixed = rows(*[5, 50] * 8)
    queue.put(mixed)
    assert {len(mixed.rows[number]) for number in queue.take(40).parts[mixed]} == {5}


def test_nothing_waits_for_company():
    queue = TokenQueue(100)
    queue.put(rows(3))
    start = time.perf_counter()
    assert queue.take(1000).tokens == 3
    assert time.perf_counter() - start < 0.05


def test_what_finds_no_room_is_refused_and_closes_the_queue_until_a_batch_is_taken():
    queue = TokenQueue(100)
    assert queue.put(rows(90))
    assert not queue.put(rows(50))
    assert not queue.full  # an unusually large one says nothing about the others
    assert not queue.put(rows(11))
    assert queue.full
    queue.take(1000)
    assert not queue.full
    with pytest.raises(Refusal, match="one request may have 100") as caught:
        queue.put(rows(101))
    assert caught.value.status == 413


def test_cancelled_rows_make_room_and_are_never_given_out():
    queue = TokenQueue(100)
    first, second = rows(60), rows(40)
    assert queue.put(first)
    assert queue.put(second)
    queue.cancel(first)
    queue.cancel(first)
    assert queue.tokens == 40
    assert list(queue.take(1000).parts) == [second]


def test_closing_wakes_and_ends_the_threads():
    queue = TokenQueue(100)
    found = []
    thread = threading.Thread(target=lambda: found.append(queue.take(10)))
    thread.start()
    queue.close()
    thread.join(5)
    assert found == [None]
    with pytest.raises(Refusal, match="stopping"):
        queue.put(rows(1))
