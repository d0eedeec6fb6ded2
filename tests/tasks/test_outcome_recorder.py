"""How tasks ended is written down in the end; a disk that refuses it is asked less often, and told."""

from __future__ import annotations

import time

import pytest

from fieldstack.tasks.keep import outcome_recorder
from fieldstack.tasks.keep.outcome_recorder import OutcomeRecorder
from tests.tasks.bench_cell import BenchCell, declare


def test_a_disk_that_refuses_is_told_until_it_works(cell: BenchCell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome_recorder, "RETRY_S", 0.01)
    cell.submit(declare("[{wait: {ms: 20}}]"))
    cell.until(cell.ended)
    cell.files.kill()
    made = OutcomeRecorder(cell.executor.table, cell.files)
    made.enqueue_ended()
    until = time.monotonic() + 10
    while made.refused.get("task:t", (0, ""))[0] < 3:
        assert time.monotonic() < until
        time.sleep(0.005)
    assert "cannot be written down: this process is dead" in made.refused["task:t"][1]
    assert not cell.task().recorded
    cell.files.dead = False
    while made.refused or not cell.task().recorded:
        assert time.monotonic() < until
        time.sleep(0.005)
    made.close()
