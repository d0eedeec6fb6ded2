"""Records the seven steps of a recovery, which are reached one after the other, and how long each took.

Used by `supervise` and `pending_restarts`.
"""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.model.actions import Action, ActionKind, Step
from fieldstack.ha.model.vocabulary import ProcessName


def step_of(context: DecisionContext, name: ProcessName) -> Step | None:
    """The last step that the process's recovery has reached; None: no recovery is under way."""
    recovery = context.tracks.of(name).recovery
    return recovery.step if recovery else None


def reach_step(context: DecisionContext, name: ProcessName, step: Step, at_ns: int, remark: str = "") -> None:
    track = context.tracks.of(name)
    recovery = track.recovery
    if recovery is None:
        return
    at_ns = max(at_ns, recovery.at_ns)
    context.tracks.put(replace(track, recovery=replace(recovery, step=step, at_ns=at_ns)))
    record(context, name, step, at_ns, at_ns - recovery.at_ns, remark=remark)


def record(
    context: DecisionContext, name: ProcessName, step: Step, at_ns: int, took_ns: int, *, remark: str = ""
) -> None:
    """`remark`: what is wrong with the step; then it counts as not confirmed."""
    recovery = context.tracks.of(name).recovery
    if recovery is None:
        return
    context.actions.emit(
        Action(
            ActionKind.RECORD_STEP,
            recovery.rule,
            recovery.cause,
            name,
            step=step,
            at_ns=at_ns,
            took_ns=took_ns,
            attempt=recovery.attempt,
            confirmed=not remark,
            remark=remark,
        )
    )
