"""TaskExecutor: runs the tasks by keeping RT's setpoint ring filled a little ahead.

Two times matter: what is *planned* (the ring's head) and what is *played* (its tail). Axis groups change
hands as planned; what a task has completed counts as played. Time is an argument; the ring, the call runner
and the table are all that it touches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fieldstack.tasks.motion.position_limits import (
    AXES_WAIT,
    GroupBeyondLimit,
    groups_beyond_limits,
    moves_inside_limits,
    standstill_reason,
)
from fieldstack.tasks.motion.rt_facts import RtFacts
from fieldstack.tasks.motion.runner import Job, Runner, RunnerEnd, StreamContext
from fieldstack.tasks.motion.setpoint_stream import SetpointStream
from fieldstack.tasks.motion.speed_override import FULL, SpeedOverride, override_rate_limit
from fieldstack.tasks.motion.stream_control import OwnStream, StreamAction, decide_stream
from fieldstack.tasks.motion.trajectory import Limits
from fieldstack.tasks.program.declaration import OnCrash
from fieldstack.tasks.program.machine import Group, Machine
from fieldstack.tasks.program.program import CallAction, InputAction
from fieldstack.tasks.run.calls import CallRunner, key_of
from fieldstack.tasks.run.jog_feed import JogFeed
from fieldstack.tasks.run.jogging import Jogging
from fieldstack.tasks.run.refused_motion import RefusedMotion, group_of
from fieldstack.tasks.run.scheduler import schedule
from fieldstack.tasks.state.phase import FINAL, Phase
from fieldstack.tasks.state.table import Barred, TaskTable
from fieldstack.tasks.state.task import Task
from fieldstack_base.units import NS_PER_MS
from fieldstack_rt.datastore import SetpointRing
from fieldstack_rt.datastore.layout import CoreState

CHUNK = 20
"""Setpoints between two looks at who has which group, when many are made at once."""


@dataclass(slots=True)
class _Feed:
    own: OwnStream
    stream: SetpointStream
    first: int
    """Ring position of the stream's first setpoint."""
    by_hand: bool = False
    """Axes wait for a start: it is for a jog alone."""


class TaskExecutor:
    """Feeds one stream after the other with the motion of all tasks that run.

    `lead` is the number of setpoints kept ahead of the one that is played; `speed_share` of the axes' limits
    is the cell's speed.
    """

    def __init__(
        self,
        machine: Machine,
        ring: SetpointRing,
        table: TaskTable,
        calls: CallRunner,
        *,
        lead: int,
        speed_share: float,
        hold: Callable[[int], None] = lambda _until_ns: None,
    ) -> None:
        """`hold` writes down until when axes that a person has to hold may follow."""
        self.table = table
        self.machine = machine
        self.lost: dict[str, bool] = {}
        """Groups that tasks were moved away from; True: it has been seen out of order since."""
        self.available: frozenset[str] = frozenset()
        self._ring = ring
        self._call_runner = calls
        self._lead = lead
        self._limits = tuple(Limits.of_axis(axis, speed_share) for axis in machine.axes)
        self._override = SpeedOverride(override_rate_limit(machine.axes, self._limits), machine.cycle_s)
        self._feed: _Feed | None = None
        self._given_up_ns: int | None = None
        self._last_stream = 0
        self._stopping = False
        self._calls: list[Task] = []
        self._effective = FULL
        self._standing = True
        self.facts: RtFacts | None = None
        """As of the last pass."""
        self.jogging = Jogging(machine, self._limits, hold)
        self._jog_feed = JogFeed(self.jogging)
        self._refused = RefusedMotion(machine, table)
        self.refusals = self._refused.refusals
        self._beyond: dict[str, GroupBeyondLimit] = {}
        self.waits_for_start = False
        """RT holds the axes until somebody starts them; what is submitted meanwhile waits."""

    # ---- what others ask ----

    @property
    def state(self) -> CoreState:
        if self._feed is not None:
            return CoreState.MOVING
        return CoreState.STOPPED if self._stopping else CoreState.WAITING

    @property
    def stopped(self) -> bool:
        """A stop was asked for and no stream is open any more."""
        return self._stopping and self._feed is None

    @property
    def speed_override(self) -> int:
        """In effect, per mille."""
        return self._effective

    @property
    def running(self) -> int:
        """Tasks under way at this moment."""
        return sum(task.runner is not None for task in self.table.live())

    @property
    def safe_moment(self) -> bool:
        """A restart of this process now would cost nothing but time: no axis moves, no call is under way, and
        every task that is under way goes on by itself."""
        begun = (task for task in self.table.live() if task.begun)
        return (
            self._standing
            and self._call_runner.busy == 0
            and all(task.declaration.on_crash is OnCrash.GO_ON for task in begun)
        )

    def stop(self) -> None:
        """Bring all motion to rest and begin no other."""
        self._stopping = True
        self.jogging.end("the Main Core process ends")
        if self._feed is not None:
            self._end_stream(self._feed)

    # ---- one pass ----

    def step(self, now_ns: int, facts: RtFacts) -> StreamAction:
        """One pass: decide by what RT says, and act on it. Returns the action that was acted on.

        Raises:
            MotionError: an axis group in motion can not be brought to rest by any plan.
        """
        feed = self._feed
        jogs = self.jogging.active is not None
        action = decide_stream(now_ns, facts, feed.own if feed else None, self._given_up_ns, by_hand=jogs)
        self._standing = facts.standing
        self.facts, self._beyond = facts, groups_beyond_limits(self.machine, facts.targets)
        self.jogging.end_if_released(now_ns)
        self.waits_for_start = facts.waits_for_start
        self._look_at_groups(now_ns, facts)
        if feed is not None:
            self._note_played(now_ns, feed, facts, action)
        if action in (StreamAction.ENDED, StreamAction.GIVE_UP):
            given_up = feed is not None and action is StreamAction.GIVE_UP
            self._drop_all(
                self._refused.note(now_ns, feed.own, facts) if feed is not None and given_up else ""
            )
            self._feed = feed = None
            self._given_up_ns = now_ns if action is StreamAction.GIVE_UP else None
        self.refusals.forget(now_ns, {task.group for task in self.table.live()})
        for task in self.table.tick(now_ns, self.machine.inputs, facts.inputs):
            self._call_runner.forget(task.uid)
        self._poll_external(now_ns, facts)
        self._update_speed_override(facts)
        wanted = self._feed is None and self._wanted(now_ns)
        if action is StreamAction.BEGIN and not self._stopping and wanted:
            self._begin(now_ns, facts)
        elif action is StreamAction.FEED and feed is not None:
            self._fill(now_ns, feed)
        return action

    def begin_calls(self, now_ns: int) -> None:
        """Begin the calls that this pass came to; to be called once its checkpoint is written."""
        for task in self._calls:
            action = task.action
            if isinstance(action, CallAction):
                self._call_runner.start(task.id, key_of(task), action, now_ns)
        self._calls.clear()

    # ---- groups ----

    def _look_at_groups(self, now_ns: int, facts: RtFacts) -> None:
        well = {name for name, group in self.machine.groups.items() if _well(group, facts)}
        well -= self._jog_feed.update(facts, self._feed.stream if self._feed else None)
        for name, seen_bad in tuple(self.lost.items()):
            if name not in well:
                self.lost[name] = True
            elif seen_bad:
                del self.lost[name]  # it is in order again
        self.available = frozenset(well - self.lost.keys())
        feed = self._feed
        if feed is not None and facts.stream == feed.own.number:
            self._drop_broken(now_ns, feed, facts, well)

    def _drop_broken(self, now_ns: int, feed: _Feed, facts: RtFacts, well: set[str]) -> None:
        """A group that stopped by itself: its task goes back to what was played."""
        for task in self.table.live():
            runner = task.runner
            if runner is not None and runner.job.group is not None and runner.job.group.name not in well:
                self._refused.note_out(now_ns, runner.job.group, facts)
                feed.stream.drop(runner)
                task.runner = None
        self._jog_feed.stopped(facts)
        for name, group in self.machine.groups.items():
            if name not in well and group is not self._jog_feed.group:
                feed.stream.hold_at(group, facts.targets)

    # ---- what was played ----

    def _note_played(self, now_ns: int, feed: _Feed, facts: RtFacts, action: StreamAction) -> None:
        """Not when RT broke the stream: the last setpoints may have been cut off by the stop."""
        if facts.stream != feed.own.number or action is StreamAction.GIVE_UP:
            return
        self._effective = feed.stream.speed_override_at(facts.tail)
        for task in list(self.table.live()):
            runner = task.runner
            if runner is None:
                continue
            cursor = runner.committed(facts.tail)
            if cursor is not None:
                self.table.advance(task, cursor)
                self.refusals.worked(group_of(task))
            if runner.end is not None and runner.ended_at <= facts.tail:
                self._finish(now_ns, task, runner)
        self._jog_feed.played(facts)

    def _finish(self, now_ns: int, task: Task, runner: Runner) -> None:
        task.runner = None
        if runner.failure:
            task.end(Phase.FAILED, runner.failure)
        elif runner.end is RunnerEnd.RUN_ENDED:
            task.run_ended(now_ns)
        self._settle(task)

    def _settle(self, task: Task) -> None:
        """After a run, the others of its priority come first; of a task that ended no call is waited for."""
        if not task.begun:
            self.table.requeue(task)
        if task.phase in FINAL:
            self._call_runner.forget(task.uid)

    def _drop_all(self, why: str) -> None:
        for task in self.table.live():
            task.runner = None
        self._jog_feed.dropped(why)

    # ---- steps that wait for the world ----

    def _poll_external(self, now_ns: int, facts: RtFacts) -> None:
        for task in self.table.live():
            runner = task.runner
            if runner is None:
                continue
            if task.pending_changes:
                runner.halt()
            waiting = runner.waiting
            if isinstance(waiting, InputAction):
                self._await_input(now_ns, task, runner, waiting, facts)
            elif isinstance(waiting, CallAction):
                self._await_call(now_ns, task, runner)
            else:
                task.input_since_ns = 0

    def _await_input(
        self, now_ns: int, task: Task, runner: Runner, action: InputAction, facts: RtFacts
    ) -> None:
        task.input_since_ns = task.input_since_ns or now_ns
        if bool(self.machine.inputs[action.signal].value(facts.inputs)) is action.value:
            self._complete_external(now_ns, task, runner)
        elif action.timeout_ms and now_ns - task.input_since_ns > action.timeout_ms * NS_PER_MS:
            wanted = "on" if action.value else "off"
            task.fail(f"input {action.signal} was not {wanted} within {action.timeout_ms} ms")
            runner.halt()

    def _await_call(self, now_ns: int, task: Task, runner: Runner) -> None:
        key = key_of(task)
        result = self._call_runner.poll(key, now_ns)
        if result is None:
            if not self._call_runner.knows(key) and not self._stopping:
                self._calls.append(task)
        elif result.ok:
            self._complete_external(now_ns, task, runner)
        elif result.begun:
            task.fail(result.text)
            runner.halt()
        else:
            task.ask(result.text)
            runner.halt()

    def _complete_external(self, now_ns: int, task: Task, runner: Runner) -> None:
        """What the world did is done, whatever becomes of the setpoints: counted at once."""
        if self.table.complete_step(task, now_ns) and self._feed is not None:
            self._feed.stream.drop(runner)  # its run has ended, at rest
            task.runner = None
            self._settle(task)
        else:
            runner.resolve()

    # ---- planning ahead ----

    def _update_speed_override(self, facts: RtFacts) -> None:
        self._override.ask(facts.speed_override)
        if self._feed is None:
            self._override.value = self._override.wanted
            self._effective = round(self._override.value * FULL)

    def _blocked_groups(self, now_ns: int) -> Barred:
        """Groups on which tasks wait at present, with why."""
        shut = {name: self._block_reason(now_ns, name) for name in ("", *self.machine.groups)}

        def why(task: Task, group: str) -> str:
            beyond = self._beyond.get(group)
            if beyond is not None and not moves_inside_limits(task.action, beyond):
                return beyond.text
            return shut[group] or shut[""]

        return why

    def _block_reason(self, now_ns: int, name: str) -> str:
        why = self.jogging.waiting_reason_of(name) or self.refusals.waits(now_ns, name)
        group = self.machine.groups.get(name)
        if why or group is None or self.facts is None or name in self.available:
            return why
        return "its axis group is out of use" if name in self.lost else standstill_reason(group, self.facts)

    def waiting_reason(self, now_ns: int, task: Task) -> str:
        """Why a task does not begin now, though nothing of its own keeps it; empty: nothing does."""
        self.table.claims(frozenset(self.lost), self._blocked_groups(now_ns))
        moves = bool(task.compiled.groups)
        return task.waits or (AXES_WAIT if moves and self.waits_for_start else "")

    def _wanted(self, now_ns: int) -> bool:
        claims = self.table.claims(frozenset(self.lost), self._blocked_groups(now_ns))
        return bool(schedule(claims, self.available).starts) or self.jogging.active is not None

    def _begin(self, now_ns: int, facts: RtFacts) -> None:
        number = max(facts.stream, self._last_stream) + 1
        self._last_stream = number
        head = self._ring.head
        context = StreamContext(
            head=head,
            cycle_s=self.machine.cycle_s,
            speed_override=self._override,
            image=int.from_bytes(facts.outputs[: self.machine.output_bytes], "little"),
            outputs=self.machine.outputs,
        )
        jog = self.jogging.active
        by_hand = jog.job.hold_to_run if jog is not None and not facts.ready else 0
        able = sum(1 << axis for axis in range(len(facts.axes)) if facts.holds(axis) and not by_hand)
        stream = SetpointStream(self.machine, context, facts.targets, able, by_hand=by_hand)
        self._feed = _Feed(OwnStream(number, facts.epoch, now_ns), stream, head, bool(by_hand))
        self._fill(now_ns, self._feed)

    def _fill(self, now_ns: int, feed: _Feed) -> None:
        ring = self._ring
        wanted = min(self._lead - (ring.head - max(ring.tail, feed.first)), ring.free())
        while True:
            self._assign(now_ns, feed)
            self._push(feed, min(CHUNK, wanted))
            wanted -= CHUNK
            if wanted <= 0 or feed.stream.finished:
                return

    def _assign(self, now_ns: int, feed: _Feed) -> None:
        """Who has which group from the next setpoint on; the stream ends when nobody has anything to do."""
        if feed.own.ending:
            return
        self._jog_feed.begin(feed.stream)
        if not feed.by_hand:
            self._assign_tasks(now_ns, feed)
        if self.running == 0 and self.jogging.active is None:
            self._end_stream(feed)

    def _assign_tasks(self, now_ns: int, feed: _Feed) -> None:
        tasks = self.table.tasks
        claims = self.table.claims(frozenset(self.lost), self._blocked_groups(now_ns))
        decisions = schedule(claims, self.available)
        for name in decisions.give_way:
            self._runner_of(tasks[name]).give_way()
        for name in decisions.halt:
            self._runner_of(tasks[name]).halt()
        for name in decisions.last_run:
            self._runner_of(tasks[name]).end_with_run()
        for name, group in decisions.starts:
            self._start(now_ns, feed, tasks[name], group)

    @staticmethod
    def _runner_of(task: Task) -> Runner:
        assert task.runner is not None, "only tasks that run hold groups"  # noqa: S101
        return task.runner

    def _start(self, now_ns: int, feed: _Feed, task: Task, name: str) -> None:
        declared = task.declaration
        group = self.machine.groups[name] if name else None
        job = Job(
            task=task.id,
            program=task.compiled.program,
            group=group,
            limits=tuple(self._limits[number] for number in group.numbers) if group else (),
            cursor=task.cursor,
            loops=declared.period_ms == 0,
            runs=declared.runs,
        )
        task.group = name
        task.input_since_ns = 0  # what passed while it did not run is no time that it has waited
        task.run_begins(now_ns)
        task.runner = feed.stream.begin(job, task.kept_outputs)

    def _end_stream(self, feed: _Feed) -> None:
        feed.stream.stop()
        own = feed.own
        feed.own = OwnStream(own.number, own.epoch, own.begun_ns, ending=True)

    def _push(self, feed: _Feed, count: int) -> None:
        for setpoint in feed.stream.take(max(0, count)):
            self._ring.push(
                feed.own.number,
                setpoint.positions,
                setpoint.velocities,
                setpoint.io,
                last=setpoint.last,
                axes=setpoint.axes,
                hold_to_run=setpoint.hold_to_run,
            )


def _well(group: Group, facts: RtFacts) -> bool:
    return all(number < len(facts.axes) and facts.can_follow(number) for number in group.numbers)
