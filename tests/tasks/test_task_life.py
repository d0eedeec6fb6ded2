"""What people do with tasks, and what triggers, periods, inputs and calls do to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from fieldstack.tasks.program.demo import demo_tasks
from fieldstack.tasks.state.table import MAX_FAILURES, TaskError
from tests.tasks.bench_cell import MACHINE, MS, BenchCell, declare, module_of

FAR = "[{move: {to: {x: 400}}}, {set_output: {out-1: true}}]"
ALL = {"group": "all"}
Make = Callable[..., BenchCell]


def smooth(cell: BenchCell, axis: int = 0, share: float = 1.0) -> None:
    """No step faster than the axis, no change of it harder than its acceleration."""
    plan = cell.machine.axes[axis]
    steps = [b - a for a, b in pairwise(cell.positions(axis))]
    assert max(map(abs, steps)) <= plan.velocity_max_counts_s * share / 1000 + 1
    hardest = max(abs(b - a) for a, b in pairwise(steps))
    assert hardest <= plan.acceleration_max_counts_s2 * 1e-6 + 2  # rounding to counts


def test_a_pause_comes_to_rest_and_resume_goes_on_to_the_same_target(cell: BenchCell) -> None:
    cell.submit(declare(FAR, needs=ALL))
    cell.until(lambda: cell.at(0) > 50)
    cell.commands.pause("t")
    cell.until(lambda: cell.task().phase == "paused")
    rest = cell.at(0)
    assert 50 < rest < 400
    cell.run(20)
    assert cell.at(0) == rest
    assert cell.commands.resume("t", by="Ann")
    cell.until(cell.ended)
    assert (cell.at(0), cell.outputs()) == (400, [0, 1])
    smooth(cell, share=0.6)


def test_a_cancelled_task_comes_to_rest_and_does_nothing_more(cell: BenchCell) -> None:
    cell.submit(declare(FAR, needs=ALL))
    cell.until(lambda: cell.at(0) > 50)
    cell.commands.cancel("t")
    cell.until(cell.ended)
    cell.run(30)
    assert cell.task().phase == "cancelled"
    assert cell.at(0) < 400
    assert cell.outputs() == [0]
    smooth(cell)
    with pytest.raises(TaskError, match="has ended: cancelled"):
        cell.commands.pause("t")


def test_a_more_urgent_task_goes_first_at_a_step_and_the_other_goes_on(cell: BenchCell) -> None:
    cell.boot(demo_tasks(MACHINE, dwell_ms=10))
    cell.run(30)
    cell.submit(declare("[{move: {to: {x: 7, y: 7}}}, {wait: {ms: 100}}]", needs=ALL))
    cell.until(cell.ended)
    assert cell.task().phase == "done"
    assert any(position[:2] == (70_000, 70_000) for _, position, *_ in cell.played)
    before = cell.executor.table.steps
    cell.until(lambda: cell.executor.table.steps > before + 4)
    smooth(cell, share=0.6)


def test_an_emergency_task_interrupts_a_step(cell: BenchCell) -> None:
    cell.submit(declare(FAR, needs=ALL, on_crash="go_on"))
    cell.until(lambda: cell.at(0) > 50)
    cell.submit(declare("[{move: {to: {z: 0}}}]", id="retract", priority="EMERGENCY_STOP", needs=ALL))
    cell.until(lambda: cell.ended("retract"))
    assert cell.at(2) == 0
    assert cell.at(0) < 400
    cell.until(cell.ended)
    assert cell.at(0) == 400
    smooth(cell)


def test_equals_take_turns_run_by_run(cell: BenchCell) -> None:
    for name, bit in (("one", "out-1"), ("two", "out-2")):
        steps = f"[{{set_output: {{{bit}: true}}}}, {{wait: {{ms: 30}}}}, {{set_output: {{{bit}: false}}}}]"
        cell.submit(declare(steps, id=name, mode="PERIODIC", period_ms=0, needs=ALL))
    cell.until(lambda: cell.task("one").run >= 2 and cell.task("two").run >= 2)


def test_a_periodic_task_keeps_its_period_and_ends_after_its_runs(cell: BenchCell) -> None:
    cell.submit(declare("[{set_output: {out-1: true}}]", mode="PERIODIC", period_ms=600, runs=3))
    begins = []
    while not cell.ended():
        before = cell.task().begun
        cell.run()
        if cell.task().begun and not before:
            begins.append(cell.now_ns)
        assert len(begins) <= 3
    assert [round((b - a) / MS / 600) for a, b in pairwise(begins)] == [1, 1]
    assert (cell.task().phase, cell.task().run) == ("done", 3)


def test_a_run_that_takes_longer_than_its_period_misses_some(cell: BenchCell) -> None:
    cell.submit(declare("[{wait: {ms: 500}}]", mode="PERIODIC", period_ms=100, runs=2))
    cell.until(cell.ended)
    assert cell.task().missed >= 4


def test_triggers_by_input_by_another_task_and_by_a_person(cell: BenchCell) -> None:
    edge = {"input": "in-3", "edge": "rising"}
    cell.submit(declare("[{wait: {ms: 20}}]", id="by-input", mode="TRIGGERED", trigger=edge))
    after = {"after": "by-input"}
    cell.submit(declare("[{set_output: {out-2: true}}]", id="after", mode="TRIGGERED", trigger=after))
    person = {"operator": True}
    cell.submit(
        declare("[{set_output: {out-1: true}}]", id="by-hand", mode="TRIGGERED", trigger=person, runs=1)
    )
    cell.run(20)
    assert cell.outputs() == []
    cell.input(2, True)
    cell.until(lambda: cell.task("after").run == 1)
    assert cell.outputs()[-1] == 0b10
    cell.run(20)
    assert cell.task("by-input").run == 1  # the level alone is no trigger
    assert "triggered" in cell.commands.trigger("by-hand")
    cell.until(lambda: cell.ended("by-hand"))
    with pytest.raises(TaskError, match="no operator trigger"):
        cell.commands.trigger("by-input")


@pytest.mark.parametrize("crash", [False, True])
def test_a_run_that_was_triggered_and_waits_for_its_group_outlives_a_pause(
    cell: BenchCell, crash: bool
) -> None:
    cell.submit(declare("[{move: {to: {x: 400}}}, {move: {to: {x: 0}}}]", id="first", needs=ALL))
    cell.submit(
        declare(
            "[{set_output: {out-1: true}}]",
            mode="TRIGGERED",
            trigger={"operator": True},
            on_crash="restart",
            needs=ALL,
        )
    )
    cell.run(10)
    cell.commands.trigger("t")
    cell.run()
    assert cell.task().phase == "ready"
    cell.commands.pause("t")
    cell.run()
    assert cell.task().phase == "paused"
    if crash:
        cell.crash()
        cell.commands.cancel("first")
    cell.commands.resume("t", by="Ann")
    cell.until(lambda: cell.task().run == 1)
    cell.commands.pause("t")
    cell.run()
    cell.commands.resume("t", by="Ann")
    cell.run(20)
    assert (cell.task().phase, cell.task().run) == ("waiting", 1), "that was no trigger"


def test_a_run_that_is_to_start_again_outlives_a_pause(cell: BenchCell) -> None:
    steps = "[{wait: {ms: 100}}, {wait_input: {input: in-1}}]"
    cell.submit(declare(steps, mode="TRIGGERED", trigger={"operator": True}, on_crash="restart"))
    cell.commands.trigger("t")
    cell.until(lambda: cell.task().step == 1)
    cell.crash()
    assert (cell.task().phase, cell.task().step) == ("ready", 0)
    cell.commands.pause("t")
    cell.run()
    cell.commands.resume("t", by="Ann")
    cell.input(0, True)
    cell.until(lambda: cell.task().run == 1)


def test_a_cancellation_is_not_taken_back_by_what_comes_after_it(cell: BenchCell) -> None:
    cell.submit(declare(FAR, needs=ALL))
    cell.until(lambda: cell.at(0) > 50)
    commands = cell.commands
    commands.pause("t")
    commands.cancel("t")
    for again in (commands.pause, lambda name: commands.resume(name, by="Ann")):
        with pytest.raises(TaskError, match="cannot be taken back"):
            again("t")
    cell.until(cell.ended)
    assert cell.task().phase == "cancelled"


def test_an_input_is_waited_for_or_missed_in_time(cell: BenchCell) -> None:
    cell.submit(declare("[{wait_input: {input: in-1}}, {set_output: {out-1: true}}]"))
    late = "[{wait_input: {input: dio.in-2, timeout_ms: 300}}]"
    cell.submit(declare(late, id="late"))
    cell.until(lambda: cell.ended("late"))
    assert cell.task("late").phase == "failed"
    assert "dio.in-2 was not on within 300 ms" in cell.task("late").why
    assert not cell.ended()
    cell.input(0, True)
    cell.until(cell.ended)
    assert cell.outputs()[-1] == 1


@pytest.mark.parametrize("how", ["pause", "stop"])
def test_time_in_which_a_task_did_not_run_is_no_waiting_for_an_input(cell: BenchCell, how: str) -> None:
    cell.submit(declare("[{wait_input: {input: in-1, timeout_ms: 400}}]"))
    cell.until(lambda: cell.task().input_since_ns)
    cell.run(5)
    if how == "pause":
        cell.commands.pause("t")
        cell.until(lambda: cell.task().phase == "paused")
        cell.run(50)
        cell.commands.resume("t", by="Ann")
    else:
        cell.break_stream()
        cell.facts = replace(cell.facts, permit=False)
        cell.run(50)
        cell.facts = replace(cell.facts, permit=True)
    cell.until(lambda: cell.task().runner)
    cell.run(10)
    assert not cell.task().why
    cell.until(cell.ended)
    assert "within 400 ms" in cell.task().why


def test_a_call_runs_beside_the_feeding_once_all_before_it_is_played(make_cell: Make) -> None:
    seen: list[float] = []
    go = threading.Event()

    def measure(scale: int) -> None:
        assert threading.current_thread() is not threading.main_thread()
        go.wait(5)
        seen.append(cell.at(0) * scale)

    cell = make_cell(entries=module_of(measure=measure))
    steps = "[{move: {to: {x: 20}}}, {call: {name: measure, arguments: {scale: 2}}}, {move: {to: {x: 0}}}]"
    cell.submit(declare(steps, needs=ALL))
    cell.until(lambda: cell.calls.busy == 1)
    head = int(cell.ring.head)
    cell.run(5)
    assert int(cell.ring.head) == head + 100  # fed on while the call runs
    go.set()
    cell.until(lambda: cell.calls.busy == 0)
    cell.until(cell.ended)
    assert seen == [40]
    assert cell.at(0) == 0


def test_a_call_that_raises_or_does_not_end_fails_its_task(make_cell: Make) -> None:
    release = threading.Event()

    def bad() -> None:
        raise ValueError("no scale connected")

    def slow() -> None:
        release.wait(10)

    cell = make_cell(entries=module_of(bad=bad, slow=slow))
    cell.submit(declare("[{call: {name: bad}}]", id="bad"))
    cell.submit(declare("[{call: {name: slow, timeout_ms: 200}}]", id="slow"))

    def both_ended() -> bool:
        time.sleep(0.001)
        return cell.ended("bad") and cell.ended("slow")

    cell.until(both_ended)
    release.set()
    assert "ValueError: no scale connected" in cell.task("bad").why
    assert "no end within 0.2 s" in cell.task("slow").why


def test_a_call_that_can_not_be_written_down_is_not_begun(make_cell: Make) -> None:
    seen: list[int] = []
    cell = make_cell(entries=module_of(weigh=lambda: seen.append(1)))
    cell.submit(declare("[{call: {name: weigh}}]"))
    cell.files.kill()
    cell.until(lambda: cell.task().phase == "asking")
    assert "was not begun" in cell.task().why
    assert seen == []
    cell.files.dead = False
    cell.until(lambda: cell.task().runner is None)
    cell.commands.resume("t", by="Ann")
    cell.until(cell.ended)
    assert seen == [1]


def test_the_speed_override_slows_a_move_without_a_jolt(cell: BenchCell) -> None:
    cell.submit(declare(FAR, needs=ALL))
    cell.until(lambda: cell.at(0) > 100)
    fast = cell.positions(0)[-1] - cell.positions(0)[-2]
    cell.facts = replace(cell.facts, speed_override=300)
    cell.until(lambda: cell.executor.speed_override == 300)
    slow = cell.positions(0)[-1] - cell.positions(0)[-2]
    assert slow == pytest.approx(fast * 0.3, rel=0.05)
    cell.facts = replace(cell.facts, speed_override=0)
    cell.until(lambda: cell.executor.speed_override == 0)
    cell.run(20)
    assert cell.positions(0)[-1] == cell.positions(0)[-2]
    cell.facts = replace(cell.facts, speed_override=1000)
    cell.until(cell.ended)
    assert cell.at(0) == 400
    smooth(cell)


def test_an_id_that_lives_is_refused_and_one_that_ended_may_come_again(cell: BenchCell) -> None:
    task = declare("[{wait: {ms: 20}}]")
    cell.submit(task)
    with pytest.raises(TaskError, match="is there already"):
        cell.submit(task)
    cell.until(cell.ended)
    cell.submit(task)
    cell.until(cell.ended)


def test_no_more_tasks_than_the_checkpoint_holds(cell: BenchCell) -> None:
    refusals = []
    for number in range(50):
        try:
            cell.submit(declare("[{wait_input: {input: in-1}}]", id=f"task-{number}"))
        except TaskError as error:
            refusals.append(str(error))
    assert "no room" in refusals[0]
    cell.run(3)
    assert len(cell.executor.table.tasks) + len(refusals) == 50
    assert len(cell.executor.table.tasks) > 30


def test_a_failure_is_told_until_somebody_has_seen_to_it(cell: BenchCell) -> None:
    """Also after the record of its end is on the disk, and by the next process."""
    late = declare("[{wait_input: {input: in-2, timeout_ms: 100}}]", id="late")
    cell.submit(late)
    cell.submit(declare("[{wait: {ms: 20}}]", id="well"))
    cell.until(lambda: cell.ended("late") and cell.ended("well"))
    cell.record_ends()
    assert all(task.recorded for task in cell.executor.table.tasks.values())
    cell.checkpoint()
    assert (list(cell.saved.tasks), list(cell.saved.failed)) == ([], ["late"])
    assert "in-2 was not on" in cell.saved.failed["late"]
    cell.crash()
    assert list(cell.executor.table.failures) == ["late"]
    assert "noted" in cell.commands.cancel("late")
    assert cell.executor.table.failures == {}
    with pytest.raises(TaskError, match="has ended: failed"):
        cell.commands.cancel("late")


def test_a_failure_is_over_with_the_next_submission_and_only_the_last_are_told(cell: BenchCell) -> None:
    late = "[{wait_input: {input: in-2, timeout_ms: 20}}]"
    for number in range(MAX_FAILURES + 2):
        cell.submit(declare(late, id=f"task-{number}"))
    cell.until(lambda: all(cell.ended(name) for name in cell.executor.table.tasks))
    cell.record_ends()
    failures = cell.executor.table.failures
    assert list(failures) == [f"task-{number}" for number in range(2, MAX_FAILURES + 2)]
    cell.submit(declare(late, id="task-5"))
    assert "task-5" not in failures
