"""Cut off at any point and restored: every step is done, in order, and no call runs twice."""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fieldstack.tasks.keep.checkpoint import Saved, decode
from fieldstack.tasks.program.settings import EntryPoint
from fieldstack.tasks.run.calls import MAX_RUNNING
from fieldstack.tasks.run.reallocation import give_back, reallocate
from fieldstack.tasks.state.table import TaskError
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import Stop
from tests.tasks.bench_cell import BenchCell, declare, module_of, two_groups

ALL = {"group": "all"}
Make = Callable[..., BenchCell]
SEQUENCE = (
    "[{move: {to: {x: 100}}}, {set_output: {out-1: true}}, {move: {to: {x: 0, y: 40}}}, {wait: {ms: 50}},"
    " {set_output: {out-2: true}}]"
)


def test_a_task_goes_on_with_the_step_that_was_interrupted(cell: BenchCell) -> None:
    cell.submit(declare(SEQUENCE, needs=ALL, on_crash="go_on"))
    cell.until(lambda: cell.task().step == 2 and cell.at(1) > 10)
    assert any("goes on with step 3 of 5" in remark for remark in cell.crash())
    played = len(cell.played)
    cell.until(cell.ended)
    assert (cell.at(0), cell.at(1)) == (0, 40)
    assert cell.outputs() == [0, 1, 3]
    assert max(position[0] for _, position, *_ in cell.played[played:]) < 1_000_000  # not back to x: 100


def test_what_the_cycle_played_after_the_crash_is_not_done_again(cell: BenchCell) -> None:
    steps = "[{wait: {ms: 40}}, {set_output: {out-1: true}}, {wait: {ms: 60}}, {set_output: {out-1: false}}]"
    cell.submit(declare(steps, on_crash="go_on"))
    cell.pass_()  # all of it is in the ring, nothing is played
    assert cell.task().step == 0
    cell.crash()
    cell.until(cell.ended)
    assert cell.outputs() == [0, 1, 0]


@pytest.mark.parametrize("known_by", ["ring", "call", "record"])
def test_an_end_that_a_restart_finds_out_triggers_what_runs_after_it(make_cell: Make, known_by: str) -> None:
    """From the setpoints that were played, the record of its last call, or that of its end."""
    seen: list[int] = []
    cell = make_cell(entries=module_of(note=lambda: seen.append(1)))
    first = "[{call: {name: note}}]" if known_by == "call" else "[{wait: {ms: 40}}]"
    cell.submit(declare(first, id="first", on_crash="go_on"))
    after = {"mode": "TRIGGERED", "trigger": {"after": "first"}, "runs": 1}
    cell.submit(declare("[{set_output: {out-1: true}}]", id="second", **after))
    cell.pass_()
    before = cell.saved
    if known_by == "call":
        cell.until(lambda: seen and cell.calls.busy == 0)
    if known_by == "record":
        cell.until(lambda: cell.ended("first"))
        cell.record_ends()
    cell.saved = before
    cell.crash()
    cell.until(lambda: cell.ended("second"), passes=100)
    assert (cell.task("first").phase, cell.outputs()[-1]) == ("done", 1)


def test_a_run_whose_call_was_begun_answers_its_trigger_once(make_cell: Make) -> None:
    """Although the checkpoint that is left knows neither of the trigger nor of the run."""
    seen: list[int] = []
    cell = make_cell(entries=module_of(note=lambda: seen.append(1)))
    by_hand = {"mode": "TRIGGERED", "trigger": {"operator": True}, "on_crash": "go_on"}
    cell.submit(declare("[{call: {name: note}}, {set_output: {out-1: true}}]", **by_hand))
    cell.run()
    before = cell.saved
    cell.commands.trigger("t")
    cell.until(lambda: seen and cell.calls.busy == 0)
    cell.saved = before
    cell.reboot()
    cell.until(lambda: cell.task().run == 1, passes=100)
    cell.run(50)
    assert (seen, cell.outputs()[-1], cell.task().phase) == ([1], 1, "waiting")


def test_a_call_whose_module_can_not_be_imported_makes_its_step_ask(make_cell: Make) -> None:
    """The task goes on up to it, and beyond it once the module is there again."""
    seen: list[int] = []
    entries = module_of(weigh=lambda: seen.append(1))
    cell = make_cell(entries=entries)
    cell.submit(
        declare(
            "[{move: {to: {x: 100}}}, {call: {name: weigh}}, {wait: {ms: 20}}]", needs=ALL, on_crash="go_on"
        )
    )
    cell.until(lambda: cell.at(0) > 10)
    cell.entries = {"weigh": EntryPoint("a_module_that_is_away:weigh", 5000)}
    cell.crash()
    cell.until(lambda: cell.task().phase == "asking")
    assert cell.at(0) == 100
    assert "call 'weigh' cannot be used: a_module_that_is_away:weigh: ModuleNotFound" in cell.task().why
    cell.entries = entries
    cell.crash()
    cell.commands.resume("t", by="Ann")
    cell.until(cell.ended)
    assert (cell.task().phase, seen) == ("done", [1])


def test_a_task_that_the_machine_can_not_run_any_more_asks_and_keeps_its_place(make_cell: Make) -> None:
    """Also when the checkpoint was written meanwhile: mended, it goes on with the step that it stood at."""
    cell = make_cell()
    repeat = "{repeat: {times: 2, steps: [{sequence: [{wait: {ms: 20}}, {set_output: {out-1: true}}]}]}}"
    cell.submit(declare(f"[{repeat}, {{move: {{to: {{x: 100}}}}}}]", needs=ALL, on_crash="restart"))
    cell.until(lambda: cell.task().step == 4 and cell.at(0) > 10)
    whole, cell.machine = cell.machine, two_groups()
    (remark,) = cell.crash()
    assert "asking: the machine could not run it after a restart" in remark
    assert "no such axis group" in cell.task().why
    cell.run(5)
    told = cell.task().describe()
    assert (told["state"], told["step"], told["steps"]) == ("asking", 4, 5)
    with pytest.raises(TaskError, match="Correct that and restart"):
        cell.commands.resume("t", by="Ann")
    cell.machine = whole
    cell.crash()
    assert (cell.task().phase, cell.task().step) == ("asking", 4)
    cell.commands.resume("t", by="Ann")
    cell.until(cell.ended)
    assert (cell.task().phase, cell.at(0)) == ("done", 100)


def test_restart_begins_with_the_first_step(cell: BenchCell) -> None:
    cell.submit(declare(SEQUENCE, needs=ALL, on_crash="restart"))
    cell.until(lambda: cell.task().step == 2 and cell.at(1) > 10)
    cell.crash()
    assert (cell.task().step, cell.task().attempt) == (0, 1)
    cell.until(cell.ended)
    assert cell.outputs() == [0, 1, 3]


def test_ask_waits_for_a_person(cell: BenchCell) -> None:
    cell.submit(declare(SEQUENCE, needs=ALL, on_crash="ask"))
    cell.until(lambda: cell.task().step == 2)
    cell.crash()
    cell.run(50)
    assert cell.task().phase == "asking"
    cell.crash()  # still so after the next one
    assert cell.task().phase == "asking"
    cell.commands.resume("t", by="Ann")
    cell.until(cell.ended)
    assert cell.task().phase == "done"


@pytest.mark.parametrize("declared", ["go_on", "restart", "ask"])
def test_after_a_safe_initial_state_every_task_asks(cell: BenchCell, declared: str) -> None:
    cell.submit(declare(SEQUENCE, needs=ALL, on_crash=declared))
    cell.until(lambda: cell.task().step == 2)
    cell.held = "the checkpoint is of another bus"
    cell.reboot()
    cell.run(50)
    assert (cell.task().phase, cell.task().why) == (
        "asking",
        "safe initial state: the checkpoint is of another bus",
    )
    assert cell.task().step == 2
    cell.commands.resume("t", by="Ann")
    cell.until(cell.ended)
    assert cell.task().phase == "done"


def test_a_task_of_which_no_checkpoint_knows_asks_after_a_safe_initial_state(cell: BenchCell) -> None:
    cell.submit(declare(SEQUENCE, needs=ALL, on_crash="go_on"))
    cell.until(lambda: cell.task().step == 2)
    cell.saved, cell.held = Saved(), "there is no usable checkpoint"
    played = len(cell.played)
    cell.crash()
    stood = len(cell.played)
    cell.run(50)
    assert (cell.task().phase, cell.task().step, len(cell.played)) == ("asking", 0, stood)
    assert stood > played, "what was planned was played"
    assert "begins with step 1" in cell.task().why
    cell.commands.resume("t", by="Ann")
    cell.until(cell.ended)
    assert cell.task().phase == "done"


def test_an_orderly_end_asks_nobody(cell: BenchCell) -> None:
    cell.submit(declare(SEQUENCE, needs=ALL, on_crash="ask"))
    cell.until(lambda: cell.task().step == 2 and cell.at(1) > 10)
    cell.executor.stop()
    cell.until(lambda: cell.executor.stopped)
    cell.checkpoint(orderly=True)
    cell.crash()
    cell.until(cell.ended)
    assert (cell.at(0), cell.at(1)) == (0, 40)


def test_a_task_that_had_not_begun_begins(cell: BenchCell) -> None:
    cell.submit(declare(SEQUENCE, needs=ALL, on_crash="ask"))
    cell.saved = Saved()  # no checkpoint was written after the submission
    cell.crash()
    cell.until(cell.ended)
    assert cell.task().phase == "done"


def test_outputs_that_were_set_are_set_again(cell: BenchCell) -> None:
    cell.submit(declare(SEQUENCE, needs=ALL, on_crash="go_on"))
    cell.until(lambda: cell.task().step == 2 and cell.at(1) > 10)
    cell.crash()
    cell.facts = cell.facts.__class__(
        **{name: getattr(cell.facts, name) for name in cell.facts.__slots__ if name != "outputs"},
        outputs=b"\0",  # as after a safe state
    )
    cell.until(cell.ended)
    assert cell.outputs()[-3:] == [0, 1, 3]


def test_a_call_that_was_interrupted_asks_and_takes_an_answer(make_cell: Make) -> None:
    begun, seen = threading.Event(), []

    def weigh() -> None:
        seen.append("weigh")
        begun.set()
        threading.Event().wait(0.3)

    cell = make_cell(entries=module_of(weigh=weigh))
    cell.submit(declare("[{call: {name: weigh}}, {set_output: {out-1: true}}]", on_crash="go_on"))
    cell.until(begun.is_set)
    cell.crash()
    cell.run(20)
    assert cell.task().phase == "asking"
    assert "call 'weigh' was begun" in cell.task().why
    with pytest.raises(Exception, match="--call done"):
        cell.commands.resume("t", by="Ann")
    cell.commands.resume("t", by="Ann", answer="done")
    cell.until(cell.ended)
    assert (seen, cell.outputs()[-1]) == (["weigh"], 1)


@pytest.mark.parametrize("calls", [True, False])
def test_a_run_whose_group_is_gone_begins_anew_and_asks_before_it_calls_again(
    make_cell: Make, calls: bool
) -> None:
    seen: list[int] = []
    cell = make_cell(machine=two_groups(), entries=module_of(weigh=lambda: seen.append(1)))
    call = "{call: {name: weigh}}" if calls else "{wait: {ms: 20}}"
    steps = f"[{{move: {{to: [30, 0]}}}}, {call}, {{move: {{to: [90, 0]}}}}]"
    cell.submit(declare(steps, needs={"capability": "gripper"}, on_crash="go_on"))
    cell.until(lambda: cell.task().step == 2 and cell.at(0) > 40)
    groups = {name: group for name, group in cell.machine.groups.items() if name == "right"}
    cell.machine = replace(cell.machine, groups=groups)
    cell.crash()
    assert (cell.task().step, cell.task().phase) == (0, "asking" if calls else "ready")
    if calls:
        cell.crash()  # what the call record says of the attempt before counts no more
        cell.commands.resume("t", by="Ann")
    cell.until(cell.ended)
    assert (cell.at(2), len(seen)) == (90, 2 if calls else 0)
    assert 30 in [position / cell.machine.axes[2].counts_per_unit for position in cell.positions(2)]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(text: bytes) -> None:
    decode(text)


@pytest.mark.parametrize("mode", [{}, {"mode": "PERIODIC", "period_ms": 0, "runs": 2}])
def test_a_call_that_ended_does_not_run_again_when_rt_breaks_the_stream(
    make_cell: Make, mode: dict[str, object]
) -> None:
    seen: list[int] = []
    cell = make_cell(entries=module_of(weigh=lambda: seen.append(1)))
    cell.submit(declare("[{wait: {ms: 50}}, {call: {name: weigh}}, {wait_input: {input: in-1}}]", **mode))
    cell.until(lambda: len(seen) == 1 and cell.calls.busy == 0)
    for _ in range(5):
        cell.run(14)
        cell.break_stream()
    assert (len(seen), cell.task().step) == (1, 2)
    cell.input(0, True)
    cell.until(lambda: cell.task().run == 1)
    cell.break_stream()
    cell.input(0, False)
    cell.until(lambda: cell.ended() or len(seen) == 2)
    assert len(seen) == (2 if mode else 1)


BAD, LATE = "{call: {name: bad}}", "{call: {name: late, timeout_ms: 60}}"
IN_TIME = "{wait_input: {input: in-1, timeout_ms: 60}}"


def break_group(cell: BenchCell) -> None:
    """A drive of the task's group fails for a moment."""
    well = cell.facts
    cell.facts = replace(well, stops=(Stop.AXIS_FAULT, *(Stop.NONE,) * 3))
    cell.run()
    cell.facts = replace(cell.facts, stops=())


@pytest.mark.parametrize("step", [BAD, LATE, IN_TIME])
@pytest.mark.parametrize("how", [BenchCell.break_stream, break_group, BenchCell.crash])
def test_what_failed_has_failed_although_it_does_not_come_to_rest(
    make_cell: Make, step: str, how: Callable[[BenchCell], object]
) -> None:
    """What made it fail does not come twice, and is not made undone by what comes after it."""
    seen, entered, release = [], threading.Event(), threading.Event()

    def bad() -> None:
        seen.append("bad")
        raise ValueError("no scale connected")

    def late() -> None:
        seen.append("late")
        entered.set()
        release.wait(10)

    cell = make_cell(machine=two_groups(), entries=module_of(bad=bad, late=late))
    cell.submit(declare(f"[{step}, {{wait: {{ms: 20}}}}]", needs={"group": "left"}, on_crash="go_on"))
    cell.until(lambda: cell.task().why)
    why = cell.task().why
    assert cell.task().runner, "it comes to rest"
    assert entered.wait(5 if step == LATE else 0) is (step == LATE)
    how(cell)
    cell.input(0, True)
    release.set()
    cell.until(cell.ended)
    assert (cell.task().phase, cell.task().why) == ("failed", why)
    assert len(seen) == (step != IN_TIME)


def test_a_function_that_does_not_return_counts_until_it_does(make_cell: Make) -> None:
    """Also when its call has failed: the limit of threads holds, and no restart calls the moment safe."""
    release = threading.Event()
    threads: list[threading.Thread] = []

    def late() -> None:
        threads.append(threading.current_thread())
        release.wait(10)

    cell = make_cell(entries=module_of(late=late))
    for number in range(MAX_RUNNING):
        cell.submit(declare("[{call: {name: late, timeout_ms: 20}}]", id=f"task-{number}"))
    cell.until(lambda: all(cell.ended(f"task-{number}") for number in range(MAX_RUNNING)))
    assert (cell.calls.busy, cell.calls.awaited, cell.executor.safe_moment) == (MAX_RUNNING, 0, False)
    cell.submit(declare("[{call: {name: late, timeout_ms: 20}}]", id="more"))
    cell.until(lambda: cell.task("more").phase == "asking")
    assert "16 calls are under way already" in cell.task("more").why
    release.set()
    for running in cell.calls._threads:
        assert running.thread is not None
        running.thread.join(5)
    assert len(threads) == MAX_RUNNING
    assert cell.calls.busy == 0


# ---- the property ----

ACTIONS = st.sampled_from(
    [
        "{call: {name: once, arguments: {at: %d}}}",
        "{call: {name: again, arguments: {at: %d}, repeatable: true}}",
        "{call: {name: bad, arguments: {at: %d}}}",
        "{call: {name: late, arguments: {at: %d}, timeout_ms: 60}}",
        "{wait: {ms: 30}}",
        "{set_output: {out-1: true}}",
        "{move: {to: [%d, 0]}}",
    ]
)
CUTS = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["pass", "planned", "call", "power", "break", "lose"])),
    max_size=4,
)
_numbers = itertools.count()


@given(actions=st.lists(ACTIONS, min_size=1, max_size=5), times=st.integers(1, 2), cuts=CUTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_runs_twice_and_nothing_is_left_out(
    actions: list[str], times: int, cuts: list[tuple[int, str]]
) -> None:
    store = DataStore.create(Instance(f"cut-test-{os.getpid()}-{next(_numbers)}"))
    try:
        with tempfile.TemporaryDirectory() as folder:
            _cut_and_restore(BenchCellOf(store, Path(folder)), actions, times, cuts)
    finally:
        store.unlink()


class BenchCellOf(BenchCell):
    """With calls that write down that they ran, in which attempt; `hang`: they do not come back."""

    def __init__(self, store: DataStore, folder: Path) -> None:
        self.log: list[tuple[int, str, int]] = []
        self.hang = False
        self.never = threading.Event()
        self._entered = threading.Condition()
        self._inside: set[threading.Thread] = set()
        self.place = ""
        """The group that the task ran on last."""
        calls = {"once": self.once, "again": self.again, "bad": self.bad, "late": self.late}
        super().__init__(store, folder, machine=two_groups(), entries=module_of(**calls))

    def once(self, at: int) -> None:
        self._ran("once", at)

    def again(self, at: int) -> None:
        self._ran("again", at)

    def bad(self, at: int) -> None:
        self._ran("bad", at)
        raise ValueError(at)

    def late(self, at: int) -> None:
        self._ran("late", at)
        self.never.wait(10)

    def _ran(self, name: str, at: int) -> None:
        if self.files.dead:
            return  # a thread of a process that is dead runs nothing
        with self._entered:
            self.log.append((self.task().attempt, name, at))
            self._inside.add(threading.current_thread())
            self._entered.notify()
        if self.hang:
            self.never.wait(10)

    def kill(self) -> None:
        """The process dies; its threads end without a trace."""
        self.files.kill()
        self._let_go()

    def _let_go(self) -> None:
        self.never.set()
        for running in self.calls._threads:
            if running.thread is not None:
                running.thread.join(5)
        self.never.clear()

    def _threads(self) -> list[threading.Thread]:
        return [running.thread for running in self.calls._running.values() if running.thread is not None]

    def settle(self) -> None:
        """Until every call has come to its end, or hangs, or is late."""
        runner = self.task().runner
        if runner is not None and runner.job.group is not None:
            self.place = runner.job.group.name
        for thread in self._threads():
            if not self.hang and thread.name != "call-late":
                thread.join(5)
            else:
                with self._entered:
                    self._entered.wait_for(lambda thread=thread: thread in self._inside, 5)  # type: ignore[misc]

    def lose(self) -> None:
        """The task's group is lost, and is there again once the task has left it."""
        if lost := self.task().group:
            reallocate(self.executor, lost)
            give_back(self.executor, lost)
            self._let_go()


def _cut_and_restore(cell: BenchCellOf, actions: list[str], times: int, cuts: list[tuple[int, str]]) -> None:
    numbered = [action % at if "%d" in action else action for at, action in enumerate(actions, 1)]
    steps = f"[{{repeat: {{times: {times}, steps: [{', '.join(numbered)}]}}}}]"
    single = any(name in action for action in actions for name in ("once", "bad", "late"))
    moves = "move_resume" if single else "move_restart"
    needs = {"capability": "gripper"}
    cell.submit(declare(steps, needs=needs, on_crash="go_on", on_resource_lost=moves))
    cell.checkpoint()
    for passes, where in cuts:
        cell.hang = where == "call" or (where == "lose" and moves == "move_restart")
        for _ in range(passes):
            cell.run()
            cell.settle()
        if where == "planned":  # between planning and the checkpoint
            cell.now_ns += 20_000_000
            cell.executor.step(cell.now_ns, cell.facts)
        if where in ("break", "lose"):  # RT breaks the stream, or a group fails, and Core lives
            cell.lose() if where == "lose" else cell.break_stream()
            continue
        cell.kill()
        cell.reboot() if where == "power" else cell.crash()
        cell.hang = False
        _answer(cell)
    cell.hang = False
    for _ in range(3000):
        if cell.ended():
            break
        cell.run()
        cell.settle()
        _answer(cell)
    cell.kill()
    _judge(cell, actions, times, begins_anew=moves == "move_restart")


def _answer(cell: BenchCellOf) -> None:
    """The person looks: the call had done its work."""
    if cell.task().phase == "asking":
        cell.commands.resume("t", by="Ann", answer="done")


def _judge(cell: BenchCellOf, actions: list[str], times: int, *, begins_anew: bool) -> None:
    """The last attempt is complete, or came to the call that failed the task; those before to some step."""
    called = [(a.split("name: ")[1].split(",")[0], at) for at, a in enumerate(actions, 1) if "call" in a]
    expected, done, last = called * times, cell.task().phase == "done", cell.task().attempt
    assert begins_anew or last == 0
    for attempt in range(last + 1):
        log = [(name, at) for of, name, at in cell.log if of == attempt]
        single = [entry for entry in log if entry[0] != "again"]
        wanted = [entry for entry in expected if entry[0] != "again"]
        assert begins_anew or single == wanted[: len(wanted) if done else len(single)]
        folded, wanted = _folded(log), _folded(expected)
        assert folded == wanted[: len(wanted) if done and attempt == last else len(folded)]
    if not done:
        assert (cell.task().phase, cell.log[-1][1] in ("bad", "late")) == ("failed", True)
        return
    moves = [at for at, action in enumerate(actions, 1) if "move" in action]
    if moves:
        axes = [{"left": 0, "right": 2}[cell.place]] if begins_anew else [0, 2]
        assert moves[-1] in [cell.at(axis) for axis in axes]


def _folded(log: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Without what follows itself."""
    return [entry for entry, before in zip(log, [None, *log], strict=False) if entry != before]
