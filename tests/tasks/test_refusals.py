"""What RT refuses again and again is tried less and less often, told, and asks a person in the end."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

from fieldstack.tasks.run.refusals import ASK_AT
from fieldstack_rt.datastore.layout import AxisMode, Refusal, Stop, StreamState
from tests.tasks.bench_cell import BenchCell, declare

Y = 1


def refuse(cell: BenchCell, why: Refusal = Refusal.LIMIT) -> None:
    """As RT refuses each stream that is begun."""
    stream = cell.last_stream
    cell._finished = stream
    cell.facts = replace(
        cell.facts,
        stream=stream,
        stream_state=StreamState.REFUSED,
        stop=Stop.NONE,
        axes=(AxisMode.HOLDING,) * 4,
        refused_axis=Y,
        refusal=why,
    )


def test_what_is_refused_again_and_again_is_tried_less_often_and_asks_in_the_end(cell: BenchCell) -> None:
    task = cell.submit(declare("[{move: {to: {y: 20}}}]", needs={"group": "all"}))
    begun = list[int]()
    told: Any = {}
    for _ in range(1500):  # 30 s
        before = cell.last_stream
        cell.pass_()
        if cell.last_stream != before:
            begun.append(cell.now_ns)
            refuse(cell)
        told = cell.executor.refusals.summary() or told
    gaps = [(b - a) / 1e9 for a, b in pairwise(begun)]
    assert len(begun) == ASK_AT
    assert all(after > 1.7 * before for before, after in pairwise(gaps))
    assert told["axis:y"][0] == ASK_AT
    assert task.phase == "asking"
    assert f"refused {ASK_AT} times: axis:y would leave its position limits" in task.why
    cell.commands.resume(task.id, "Ann")
    cell.facts = replace(cell.facts, stream_state=StreamState.ENDED)
    cell.until(cell.ended)
    cell.run(10)
    assert cell.executor.refusals.summary() == {}


def test_another_reason_or_something_that_worked_counts_anew(cell: BenchCell) -> None:
    refusals = cell.executor.refusals
    assert [refusals.note(0, "axis:y", "would jump", "g") for _ in range(3)] == [1, 2, 3]
    assert refusals.note(0, "axis:y", "would leave", "g") == 1
    refusals.worked("other")
    assert refusals.note(0, "axis:y", "would leave", "g") == 2
    refusals.worked("g")
    assert refusals.summary() == {}


def test_the_wait_grows_to_a_bound_and_is_the_groups_own(cell: BenchCell) -> None:
    refusals = cell.executor.refusals
    for _ in range(40):
        refusals.note(0, "axis:y", "would jump", "g")
    assert "refused 40 times: axis:y would jump" in refusals.waits(29_999_999_999, "g")
    assert not refusals.waits(30_000_000_000, "g")
    assert not refusals.waits(0, "h")
    refusals.forget(0, {"g"})
    assert refusals.summary()
    refusals.forget(0, {"h"})
    assert not refusals.summary()
