"""Task states survive a round trip; anything else begins the program anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldstack.core.task_state import MAX_BYTES, TaskState


@given(step=st.integers(0, 2**63))
def test_round_trip(step: int) -> None:
    text = TaskState("demo", step).to_json()
    assert len(text) <= MAX_BYTES
    assert TaskState.from_json(text) == TaskState("demo", step)


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"[]", b"null", b'{"program":"demo","step":-1}', b'{"program":1,"step":1}', b"\xff\x00"],
)
def test_what_is_no_task_state_is_none(text: bytes) -> None:
    assert TaskState.from_json(text) is None


@given(st.binary(max_size=64))
def test_any_bytes_are_read_without_an_error(text: bytes) -> None:
    TaskState.from_json(text)
