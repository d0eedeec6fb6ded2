"""Task files: what is wrong is told with file, line, key and value; what fits runs."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldstack.tasks.program import task_files
from fieldstack.tasks.program.actions import WaitAction
from fieldstack.tasks.program.compilation import compile_task
from fieldstack.tasks.program.program import Block
from fieldstack_base.configuration_error import ConfigurationError
from tests.tasks.bench_cell import MACHINE, declare, two_groups

CONFIG = Path(__file__).resolve().parents[2] / "config"
MOVE = "[{move: {to: {x: 10}}}]"


def refused(steps: str, **keys: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        compile_task(declare(steps, **keys), MACHINE, {"measure": 1000}, "t.yaml")
    return str(caught.value)


def test_the_published_schema_is_up_to_date() -> None:
    published = (CONFIG / "task.schema.json").read_text(encoding="utf-8")
    assert published == task_files.schema_text(), "publish it again: make generate"


@pytest.mark.parametrize("file", sorted((CONFIG / "tasks").glob("*.yaml")), ids=lambda file: str(file.name))
def test_the_examples_can_be_used(file: Path) -> None:
    compile_task(task_files.parse(task_files.read(file), str(file)), MACHINE, {"measure": 1000}, str(file))


@pytest.mark.parametrize(
    ("steps", "keys", "told"),
    [
        ("[{wait: {ms: 0}}]", {}, ("t.yaml:4", "steps[0].wait.ms = 0", "greater than or equal to 1")),
        ("[{mve: {to: {x: 1}}}]", {}, ("steps[0].mve", "unknown key", "Did you mean 'move'")),
        ("[{}]", {}, ("steps[0]", "exactly one action, this one has none")),
        ("[{wait: {ms: 1}, call: {name: measure}}]", {}, ("this one has wait, call",)),
        ("[]", {}, ("steps", "at least 1")),
        (MOVE, {"id": "Not Good"}, ("id = 'Not Good'",)),
        (MOVE, {"mode": "PERIODIC"}, ("mode = 'PERIODIC'", "needs the key period_ms")),
        (MOVE, {"period_ms": 5}, ("period_ms", "belongs to mode PERIODIC")),
        (MOVE, {"mode": "TRIGGERED", "trigger": {}}, ("trigger", "exactly one of input, after, operator")),
        (MOVE, {"needs": {}}, ("needs", "exactly one of group, capability")),
        (MOVE, {"priority": "HIGH"}, ("priority = 'HIGH'", "EMERGENCY_STOP")),
        (
            "[{repeat: {times: 2, steps: [{call: {name: measure}}]}}]",
            {"on_crash": "restart"},
            ("steps[0].repeat.steps[0].call = 'measure'", "would run twice", "repeatable: true"),
        ),
        (MOVE, {}, ("steps[0].move", "needs no axis group")),
        (MOVE, {"needs": {"group": "lft"}}, ("needs.group = 'lft'", "no such axis group", "all")),
        (
            MOVE,
            {"needs": {"capability": "gripper"}},
            ("needs.capability = 'gripper'", "no axis group has it"),
        ),
        (
            "[{move: {to: {x: 501}}}]",
            {"needs": {"group": "all"}},
            ("steps[0].move.to.x = 501", "-500 to 500 mm"),
        ),
        ("[{move: {to: {x: .nan}}}]", {"needs": {"group": "all"}}, ("steps[0].move.to.x = nan",)),
        ("[{move: {to: {q: 1}}}]", {"needs": {"group": "all"}}, ("no axis 'q'", "x, y, z")),
        ("[{move: {to: [1, 2]}}]", {"needs": {"group": "all"}}, ("2 positions for the 4 axes",)),
        ("[{set_output: {out-9: true}}]", {}, ("steps[0].set_output.out-9", "no such output", "dio.out-1")),
        ("[{set_output: {out-1: 2}}]", {}, ("out-1 = 2", "does not fit into 1 bit")),
        ("[{wait_input: {input: in-77}}]", {}, ("steps[0].wait_input.input = 'in-77'", "no such input")),
        ("[{call: {name: weigh}}]", {}, ("steps[0].call.name = 'weigh'", "is not configured", "measure")),
    ],
)
def test_what_is_wrong_is_told(steps: str, keys: dict[str, Any], told: tuple[str, ...]) -> None:
    text = refused(steps, **keys)
    assert text.startswith("t.yaml")
    for part in told:
        assert part in text


def test_a_capability_means_any_group_in_whose_limits_the_positions_are() -> None:
    task = declare("[{move: {to: {u: 10, v: -5}}}]", needs={"capability": "gripper"})
    assert compile_task(task, two_groups(), {}, "t.yaml").groups == ("left", "right")


def test_a_named_group_has_its_own_axes_and_its_stand_ins() -> None:
    named = declare("[{move: {to: {u: 10}}}]", needs={"group": "right"})
    assert compile_task(named, two_groups(), {}, "t.yaml").groups == ("right", "left")
    with pytest.raises(ConfigurationError, match="has no axis 'x'"):
        compile_task(declare("[{move: {to: {x: 1}}}]", needs={"group": "right"}), two_groups(), {}, "t.yaml")


def unrolled(block: Block) -> list[object]:
    once: list[object] = []
    for item in block.items:
        once += unrolled(item) if isinstance(item, Block) else [item]
    return once * block.times


LEAVES = st.integers(1, 99).map(WaitAction)
BLOCKS = st.recursive(
    st.builds(Block, st.lists(LEAVES, min_size=1, max_size=3).map(tuple), st.integers(1, 3)),
    lambda inner: st.builds(
        Block, st.lists(LEAVES | inner, min_size=1, max_size=3).map(tuple), st.integers(1, 3)
    ),
    max_leaves=6,
)


@given(BLOCKS)
def test_the_number_of_a_step_says_what_it_does(block: Block) -> None:
    flat = unrolled(block)
    assert block.size == len(flat)
    assert [block.at(number) for number in range(block.size)] == flat


@given(st.text(max_size=200))
def test_any_text_is_a_task_or_a_clear_error(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        task_files.parse(text, "t.yaml")
