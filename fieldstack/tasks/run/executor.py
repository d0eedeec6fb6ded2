"""TaskExecutor: runs the tasks by keeping RT's setpoint ring filled a little ahead.

Two times matter: what is *planned* (the ring's head) and what is *played* (its tail). Axis groups change
hands as planned; what a task has completed counts as played. Time is an argument; the ring, the call runner
and the table are all that it touches.

A pass is in `step`: decide what to do with the stream, see which groups are in order, count what was played,
let time and the world move the tasks on, open a stream or fill the one that is open. Each part is a class of
its own: StreamFeed, GroupAvailability, Progress, ExternalSteps, WaitingReasons, Assignment, JogFeed,
RefusedMotion. The process calls `step`, then writes the checkpoint, then calls `begin_calls`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set

from fieldstack.tasks.motion.position_limits import AXES_WAIT
from fieldstack.tasks.motion.rt_facts import RtFacts
from fieldstack.tasks.motion.runner import Runner
from fieldstack.tasks.motion.speed_override import SpeedOverride, override_rate_limit
from fieldstack.tasks.motion.stream_control import StreamAction, decide_stream
from fieldstack.tasks.motion.trajectory import Limits
from fieldstack.tasks.program.declaration import OnCrash
from fieldstack.tasks.program.machine import Group, Machine
from fieldstack.tasks.run.assignment import Assignment
from fieldstack.tasks.run.calls import CallRunner
from fieldstack.tasks.run.external_steps import ExternalSteps
from fieldstack.tasks.run.group_availability import GroupAvailability
from fieldstack.tasks.run.jog_feed import JogFeed
from fieldstack.tasks.run.jogging import Jogging
from fieldstack.tasks.run.progress import Progress
from fieldstack.tasks.run.refused_motion import RefusedMotion
from fieldstack.tasks.run.stream_feed import OpenStream, StreamFeed
from fieldstack.tasks.run.waiting_reasons import WaitingReasons
from fieldstack.tasks.state.table import TaskTable
from fieldstack.tasks.state.task import Task
from fieldstack.tasks.state.triggers import tick
from fieldstack_rt.datastore import SetpointRing
from fieldstack_rt.datastore.layout import CoreState


class TaskExecutor:
    """Feeds one stream after the other with the motion of all tasks that run."""

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
        out_of_use: Iterable[str] = (),
    ) -> None:
        """`lead`: setpoints kept ahead of the one that is played; `speed_share` of the axes' limits is the
        cell's speed; `hold` writes down until when axes that a person has to hold may follow; `out_of_use`:
        axis groups that an earlier process had taken out of use.
        """
        limits = tuple(Limits.of_axis(axis, speed_share) for axis in machine.axes)
        override = SpeedOverride(override_rate_limit(machine.axes, limits), machine.cycle_s)
        self.table = table
        self.machine = machine
        self.groups = GroupAvailability(out_of_use)
        self.jogging = Jogging(machine, limits, hold)
        self._calls = calls
        self._refused = RefusedMotion(machine, table)
        self.refusals = self._refused.refusals
        self._feed = StreamFeed(machine, ring, override, lead)
        self._jog_feed = JogFeed(self.jogging)
        self._reasons = WaitingReasons(machine, self.jogging, self.refusals, self.groups)
        self._assignment = Assignment(machine, table, self.groups, self._reasons, limits)
        self._progress = Progress(table, calls, self.refusals)
        self._external = ExternalSteps(machine, table, calls, self._run_ended_standing)
        self._given_up_ns: int | None = None
        self._stopping = False
        self._facts: RtFacts | None = None

    # ---- what others ask ----

    @property
    def state(self) -> CoreState:
        if self._feed.current is not None:
            return CoreState.MOVING
        return CoreState.STOPPED if self._stopping else CoreState.WAITING

    @property
    def stopped(self) -> bool:
        """A stop was asked for and no stream is open any more."""
        return self._stopping and self._feed.current is None

    @property
    def facts(self) -> RtFacts | None:
        """What RT said in the last pass; None before the first."""
        return self._facts

    @property
    def speed_override(self) -> int:
        """In effect, per mille."""
        return self._feed.speed_override

    @property
    def running(self) -> int:
        """Tasks under way at this moment."""
        return sum(task.runner is not None for task in self.table.live())

    @property
    def waits_for_start(self) -> bool:
        """RT holds the axes until somebody starts them; what is submitted meanwhile waits."""
        return self._facts is not None and self._facts.waits_for_start

    @property
    def safe_moment(self) -> bool:
        """A restart of this process now would cost nothing but time: no axis moves, no call is under way, and
        every task that is under way goes on by itself."""
        begun = (task for task in self.table.live() if task.begun)
        return (
            (self._facts is None or self._facts.standing)
            and self._calls.busy == 0
            and all(task.declaration.on_crash is OnCrash.GO_ON for task in begun)
        )

    def waiting_reason(self, now_ns: int, task: Task) -> str:
        """Why a task does not begin now, though nothing of its own keeps it; empty: nothing does."""
        moves = bool(task.compiled.groups)
        waits = AXES_WAIT if moves and self.waits_for_start else ""
        return self._assignment.waiting_reason(now_ns, task) or waits

    def stop(self) -> None:
        """Bring all motion to rest and begin no other."""
        self._stopping = True
        self._external.close()
        self.jogging.end("the Main Core process ends")
        if self._feed.current is not None:
            self._feed.current.end()

    # ---- one pass ----

    def step(self, now_ns: int, facts: RtFacts) -> StreamAction:
        """One pass: decide by what RT says, and act on it. Returns the action that was taken.

        Raises:
            MotionError: an axis group in motion cannot be brought to rest by any plan.
        """
        stream = self._feed.current
        own = stream.own if stream is not None else None
        jogs = self.jogging.active is not None
        action = decide_stream(now_ns, facts, own, self._given_up_ns, by_hand=jogs)
        self._facts = facts
        self._reasons.update(facts)
        self.jogging.end_if_released(now_ns)
        self._update_groups(now_ns, facts, stream)
        if stream is not None and stream.is_played(facts) and action is not StreamAction.GIVE_UP:
            self._note_played(now_ns, facts)
        if action in (StreamAction.ENDED, StreamAction.GIVE_UP):
            self._close_stream(now_ns, facts, action)
        self._move_on(now_ns, facts)
        wanted = self._feed.current is None and self._wanted(now_ns)
        if action is StreamAction.BEGIN and not self._stopping and wanted:
            self._open_stream(now_ns, facts)
        elif action is StreamAction.FEED and stream is not None:
            self._feed.fill(stream, lambda: self._assign(now_ns, stream))
        return action

    def begin_calls(self, now_ns: int) -> None:
        """Begin the calls that this pass came to; to be called once its checkpoint is written."""
        self._external.begin_calls(now_ns)

    def _update_groups(self, now_ns: int, facts: RtFacts, stream: OpenStream | None) -> None:
        in_order = {name for name, group in self.machine.groups.items() if _can_follow(group, facts)}
        in_order -= self._jog_feed.update(facts, stream.setpoints if stream else None)
        self.groups.update(in_order)
        if stream is not None and stream.is_played(facts):
            self._drop_broken(now_ns, facts, stream, in_order)

    def _drop_broken(self, now_ns: int, facts: RtFacts, stream: OpenStream, in_order: Set[str]) -> None:
        """A group that stopped by itself: its task goes back to what was played."""
        for task in self.table.live():
            runner = task.runner
            if runner is not None and runner.job.group is not None and runner.group_name not in in_order:
                self._refused.note_out(now_ns, runner.job.group, facts)
                stream.setpoints.drop(runner)
                task.runner = None
        self._jog_feed.stopped(facts)
        for name, group in self.machine.groups.items():
            if name not in in_order and group is not self._jog_feed.group:
                stream.setpoints.hold_at(group, facts.targets)

    def _note_played(self, now_ns: int, facts: RtFacts) -> None:
        """Not when RT broke the stream: the last setpoints may have been cut off by the stop."""
        self._feed.note_played(facts.tail)
        self._progress.note_played(now_ns, facts.tail)
        self._jog_feed.played(facts)

    def _close_stream(self, now_ns: int, facts: RtFacts, action: StreamAction) -> None:
        stream, given_up = self._feed.current, action is StreamAction.GIVE_UP
        why = self._refused.note(now_ns, stream.own, facts) if stream is not None and given_up else ""
        for task in self.table.live():
            task.runner = None
        self._jog_feed.dropped(why)
        self._feed.close()
        self._given_up_ns = now_ns if given_up else None

    def _move_on(self, now_ns: int, facts: RtFacts) -> None:
        """Time, triggers and the world move the tasks on."""
        self.refusals.forget(now_ns, {task.group for task in self.table.live()})
        for task in tick(self.table, now_ns, self.machine.inputs, facts.inputs):
            self._calls.forget(task.uid)
        self._external.poll(now_ns, facts)
        self._feed.ask_speed_override(facts.speed_override)

    def _run_ended_standing(self, task: Task, runner: Runner) -> None:
        """Its last step waited for the world: nothing is left to play."""
        if self._feed.current is not None:
            self._feed.current.setpoints.drop(runner)
        self._progress.settle(task)

    # ---- planning ahead ----

    def _wanted(self, now_ns: int) -> bool:
        return self._assignment.wanted(now_ns) or self.jogging.active is not None

    def _open_stream(self, now_ns: int, facts: RtFacts) -> None:
        jog = self.jogging.active
        by_hand = jog.job.hold_to_run if jog is not None and not facts.ready else 0
        stream = self._feed.open(now_ns, facts, by_hand)
        self._feed.fill(stream, lambda: self._assign(now_ns, stream))

    def _assign(self, now_ns: int, stream: OpenStream) -> None:
        """Who has which group from the next setpoint on; the stream ends when nobody has anything to do."""
        if stream.own.ending:
            return
        self._jog_feed.begin(stream.setpoints)
        if not stream.by_hand:
            self._assignment.assign(now_ns, stream.setpoints)
        if self.running == 0 and self.jogging.active is None:
            stream.end()


def _can_follow(group: Group, facts: RtFacts) -> bool:
    return all(number < len(facts.axes) and facts.can_follow(number) for number in group.numbers)
