"""The seqlock of native/store.c, tried in every order that the hardware may give its loads and stores.

A writer writes a record of two words twice, or dies inside the first write and is followed by another
writer or by one that mends the record; a reader reads once. Each side is a set of operations, and what must
come before what: by a fence, by release or acquire, or because they are at the same place. All orders that
respect this are tried, interleaved in all ways. The barriers of store.c leave no order in which a reader
takes parts of two records; without any one of them there is one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import pytest

SEQ, LOW, HIGH = "seq", "low", "high"
Pair = tuple[int, int]


@dataclass(frozen=True)
class Op:
    """A store of `value` at `place`, or a load (`value` None)."""

    name: str
    place: str
    value: int | None = None


@dataclass(frozen=True)
class Side:
    """Operations of one thread, and pairs of their numbers: the first comes before the second."""

    ops: tuple[Op, ...]
    order: frozenset[Pair]


class Thread:
    """Collects operations; `after` are names that must come before."""

    def __init__(self) -> None:
        self._ops: list[Op] = []
        self._order: set[Pair] = set()

    def add(self, op: Op, after: Iterable[str] = ()) -> None:
        number, names = len(self._ops), set(after)
        for earlier, other in enumerate(self._ops):
            same_place = other.place == op.place  # coherence
            if other.name in names or same_place:
                self._order.add((earlier, number))
        self._ops.append(op)

    def side(self) -> Side:
        return Side(tuple(self._ops), frozenset(self._order))


def write(thread: Thread, number: int, barriers: frozenset[str], stages: Sequence[str]) -> None:
    """As fs_record_write: odd, both words, even. `stages`: how far it comes."""
    fence = [f"odd{number}"] if "release fence" in barriers else []
    release = [f"low{number}", f"high{number}"] if "release store" in barriers else []
    ops = {
        "odd": (Op(f"odd{number}", SEQ, 2 * number - 1), []),
        "low": (Op(f"low{number}", LOW, number), fence),
        "high": (Op(f"high{number}", HIGH, number), fence),
        "even": (Op(f"even{number}", SEQ, 2 * number), release),
    }
    for stage in stages:
        thread.add(*ops[stage])


def mend(thread: Thread) -> None:
    """As fs_block_mend after a death in the first write: both words empty, then even."""
    thread.add(Op("low0", LOW, 0), ["odd1"])
    thread.add(Op("high0", HIGH, 0), ["odd1"])
    thread.add(Op("even0", SEQ, 2), ["low0", "high0"])


def reader(barriers: frozenset[str]) -> Side:
    """As fs_record_read, one attempt."""
    thread = Thread()
    thread.add(Op("before", SEQ))
    acquire = ["before"] if "acquire load" in barriers else []
    thread.add(Op("take low", LOW), acquire)
    thread.add(Op("take high", HIGH), acquire)
    fence = ["take low", "take high"] if "acquire fence" in barriers else []
    thread.add(Op("after", SEQ), fence)
    return thread.side()


@cache
def orders(side: Side) -> tuple[tuple[Op, ...], ...]:
    """All orders of its operations that respect `order`."""
    found = []
    for places in itertools.permutations(range(len(side.ops))):
        at = {number: place for place, number in enumerate(places)}
        if all(at[first] < at[second] for first, second in side.order):
            found.append(tuple(side.ops[number] for number in places))
    return tuple(found)


def runs(writer: Side, reading: Side) -> Iterator[tuple[Op, ...]]:
    for stores, loads in itertools.product(orders(writer), orders(reading)):
        size = len(stores) + len(loads)
        for places in itertools.combinations(range(size), len(loads)):
            taken = set(places)
            from_loads, from_stores = iter(loads), iter(stores)
            yield tuple(next(from_loads if place in taken else from_stores) for place in range(size))


def torn(run: Iterable[Op]) -> bool:
    """Whether the reader takes a record as whole that is not."""
    memory = {SEQ: 0, LOW: 0, HIGH: 0}
    seen = {}
    for op in run:
        if op.value is None:
            seen[op.name] = memory[op.place]
        else:
            memory[op.place] = op.value
    accepted = seen["before"] % 2 == 0 and seen["before"] == seen["after"]
    return accepted and seen["take low"] != seen["take high"]


WHOLE = ("odd", "low", "high", "even")
ALL = frozenset({"release fence", "release store", "acquire load", "acquire fence"})


def two_writes(barriers: frozenset[str]) -> Side:
    thread = Thread()
    write(thread, 1, barriers, WHOLE)
    write(thread, 2, barriers, WHOLE)
    return thread.side()


def a_death(barriers: frozenset[str], stages: Sequence[str], *, mended: bool) -> Side:
    """The death of a process comes before all that its successor does; the sequence is odd already."""
    thread = Thread()
    write(thread, 1, barriers, stages)
    if mended:
        mend(thread)
    else:
        thread.add(Op("low2", LOW, 2), ["odd1"])
        thread.add(Op("high2", HIGH, 2), ["odd1"])
        thread.add(Op("even2", SEQ, 2), ["low2", "high2"])
    return thread.side()


def test_no_reader_takes_parts_of_two_records() -> None:
    assert not any(torn(run) for run in runs(two_writes(ALL), reader(ALL)))


@pytest.mark.parametrize("mended", [True, False])
@pytest.mark.parametrize("stages", [("odd",), ("odd", "low"), ("odd", "high"), ("odd", "low", "high")])
def test_nor_where_a_writer_dies(stages: tuple[str, ...], mended: bool) -> None:
    assert not any(torn(run) for run in runs(a_death(ALL, stages, mended=mended), reader(ALL)))


@pytest.mark.parametrize("missing", sorted(ALL))
def test_each_barrier_is_needed(missing: str) -> None:
    left = ALL - {missing}
    assert any(torn(run) for run in runs(two_writes(left), reader(left)))
