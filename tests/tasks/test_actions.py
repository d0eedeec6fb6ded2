"""What an action says of itself is all that status, checkpoint and restart need to know of it."""

from __future__ import annotations

import pytest

from fieldstack.tasks.program.actions import (
    Action,
    CallAction,
    InputAction,
    MoveAction,
    OutputAction,
    WaitAction,
)

MOVE = MoveAction((1.0, None), 0.5, ((0.0, (("lamp", 1),)), (0.5, (("lamp", 0), ("horn", 1)))))


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (MOVE, "move"),
        (WaitAction(5), "wait"),
        (OutputAction((("lamp", 1),)), "set output"),
        (InputAction("door", value=True, timeout_ms=None), "wait input door"),
        (CallAction("measure", {}, 100, repeatable=False), "call measure"),
    ],
)
def test_each_says_in_words_what_it_does(action: Action, text: str) -> None:
    assert action.describe() == text


def test_outputs_are_those_of_all_switches_and_phases_in_order() -> None:
    assert MOVE.outputs == (("lamp", 1), ("lamp", 0), ("horn", 1))
    assert OutputAction((("lamp", 1), ("horn", 0))).outputs == (("lamp", 1), ("horn", 0))
    assert WaitAction(5).outputs == ()
