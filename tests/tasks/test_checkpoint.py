"""The checkpoint's text fits its place: what is planned ahead gives way, where a task stands never does."""

from __future__ import annotations

import pytest

from fieldstack.tasks.keep.checkpoint import CheckpointTooLargeError, Saved, decode, encode, encode_to_fit
from tests.tasks.bench_cell import BenchCell, declare

STATE = Saved(revision=3, memory=1, steps=7)


def test_what_is_planned_ahead_is_left_out_where_it_does_not_fit(cell: BenchCell) -> None:
    task = cell.submit(declare("[{wait: {ms: 5}}, {wait: {ms: 5}}, {wait: {ms: 5}}, {wait: {ms: 9000}}]"))
    cell.pass_()
    assert task.runner is not None
    whole, short = encode([task], STATE), encode([task], STATE, ahead=False)
    assert encode_to_fit([task], STATE, len(whole)) == whole
    kept = decode(encode_to_fit([task], STATE, len(whole) - 1))
    assert kept is not None
    assert (kept.tasks["t"].ahead, kept.tasks["t"].step, kept.steps) == ((), task.step, 7)
    with pytest.raises(CheckpointTooLargeError, match="does not fit"):
        encode_to_fit([task], STATE, len(short) - 1)
