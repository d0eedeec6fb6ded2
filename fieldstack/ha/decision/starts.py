"""Decides about starts of axes: who asks for one, what resumes by itself, and which order RT gets. Pure.

RT holds the axes until it takes an order (native/start.c). This module decides whether an order is given.
Steps of `decide` use it.
"""

from __future__ import annotations

from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import StartOrder
from fieldstack.ha.decision.restart_interlock import (
    cause_text,
    core_at_work,
    may_resume,
    may_resume_after_rt_stop,
)
from fieldstack.ha.model.actions import Action, ActionKind
from fieldstack.ha.model.facts import AxisWait, Request, RequestKind
from fieldstack.ha.model.states import MOVING, HaState

TAKE_TIMEOUT_NS = 500_000_000
"""If RT has not taken an order within this time, it is forgotten, and given again if it is still allowed."""
BY_INPUT = "start-input"
BY_ITSELF = "resume"
NOTHING_WAITS = "no axis waits for a start"


def confirm_start(context: DecisionContext) -> None:
    """First records that what RT has taken of the last order is done."""
    axes, order = context.facts.axes, context.starts.order
    if order is not None and _is_over(context, order):
        context.starts.end()
        if order.go and axes.epoch == order.epoch and not order.axes & axes.waiting:
            context.interlock.lift_but(axes.waiting)


def _is_over(context: DecisionContext, order: StartOrder) -> bool:
    axes = context.facts.axes
    taken = axes.epoch == order.epoch and axes.taken >= order.sequence
    other = axes.epoch not in (0, order.epoch)
    return taken or other or context.now_ns - order.ordered_ns > TAKE_TIMEOUT_NS


def answer_start(context: DecisionContext, request: Request) -> None:
    """A person asks for a start. The answer comes when RT has taken it; a refusal comes at once."""
    if refusal := refused(context):
        again = context.cell.ha in MOVING | {HaState.RECOVERY, HaState.NEVER}
        _answer(context, request, refusal, ok=refusal == NOTHING_WAITS, again=again)
        return
    axes = context.facts.axes.free
    _order(context, axes, RequestKind.START, f"start by {request.who}")
    _answer(context, request, f"start by {request.who}", axes=axes)


def _answer(
    context: DecisionContext,
    request: Request,
    text: str,
    *,
    ok: bool = True,
    axes: int = 0,
    again: bool = False,
) -> None:
    context.actions.emit(
        Action(
            ActionKind.ANSWER,
            request.kind,
            text,
            "cell",
            confirmed=ok,
            request=request.id,
            axes=axes,
            remark="again" if again else "",
        )
    )


def refused(context: DecisionContext) -> str:
    """Why nothing can be started now, and what to do; empty: something can be started."""
    cell, axes, core = context.cell, context.facts.axes, context.facts.core
    state_reason = cell.reason.removeprefix("checking before the cell goes on: ")
    again = "look at fieldstack status and ask again"
    checks = (
        (
            cell.ha in MOVING,
            f"the cell is in {cell.ha.name} ({state_reason}); {_NEXT.get(cell.ha, again)}",
        ),
        (axes.epoch, f"RT does not show its state now; {again}"),
        (not axes.waiting or axes.free, f"something else still holds the axes; {again}"),
        (core_at_work(context), f"the Main Core is {core.condition if core else 'gone'}; {again}"),
        (context.starts.order is None, "the last order to RT is not answered yet; ask again"),
    )
    why_not = next((text for good, text in checks if not good), "")
    if why_not:
        return f"not started: {why_not}"
    return "" if axes.waiting else NOTHING_WAITS


_NEXT = {
    HaState.NEVER: "ask again when it is up",
    HaState.MANUAL_INTERVENTION: "a person has to look, then fieldstack reset, then fieldstack start",
    HaState.SAFE_MODE: "its cause must be gone first; then fieldstack reset where it is latched, and "
    "fieldstack start",
    HaState.RECOVERY: "ask again when it is ready",
    HaState.SHUTDOWN: "it goes down",
}


def order_starts(context: DecisionContext) -> None:
    """At the end of a decision, when its state is known."""
    _take_start_input(context)
    axes = context.facts.axes
    if context.cell.ha not in MOVING or not axes.epoch or context.starts.order is not None:
        return
    if not core_at_work(context):
        _order_wait(context)
        return
    if not axes.waiting and context.interlock.now.causes:
        context.interlock.lift()
        return
    if free := _resuming(context):
        _order(context, free, BY_ITSELF, _resumption(context))


def _resuming(context: DecisionContext) -> int:
    axes = context.facts.axes
    free = (one for one in axes.waits if axes.free >> one.number & 1)
    return sum(1 << one.number for one in free if _axis_may_resume(context, one))


def _axis_may_resume(context: DecisionContext, wait: AxisWait) -> bool:
    rule = may_resume if context.interlock.now.of(wait.number) else may_resume_after_rt_stop
    return rule(context, wait)


def _resumption(context: DecisionContext) -> str:
    cause = cause_text(context.interlock.now)
    stopped_ms = (context.now_ns - context.interlock.now.since_ns) // 1_000_000
    if context.interlock.now.causes and not cause:
        return context.interlock.now.causes[0].text
    after = f" after {stopped_ms} ms: {cause}" if cause else ": a stop of RT alone has ended"
    return f"motion resumes by itself{after}"


def _order_wait(context: DecisionContext) -> None:
    """The Main Core is gone, and the axes have reached the end of its setpoints: they wait for a start."""
    axes = context.facts.axes
    rest = axes.all & ~axes.waiting
    if context.interlock.now.of_all and rest and not axes.playing:
        _order(
            context,
            rest,
            BY_ITSELF,
            f"axes wait for a start: {cause_text(context.interlock.now)}",
            go=False,
        )


def _take_start_input(context: DecisionContext) -> None:
    """Each rising edge of the start input is handled once."""
    axes = context.facts.axes
    press = (axes.epoch, axes.pressed)
    if not axes.epoch or not axes.pressed or press == context.starts.pressed:
        return
    context.starts.note_press(press)
    if refusal := refused(context):
        context.actions.emit(
            Action(ActionKind.ANSWER, RequestKind.START, f"{BY_INPUT}: {refusal}", confirmed=False)
        )
    else:
        _order(context, axes.free, BY_INPUT, "start by the start input", seen_cycle=axes.pressed)


def _order(
    context: DecisionContext, mask: int, rule: str, cause: str, *, go: bool = True, seen_cycle: int = 0
) -> None:
    axes = context.facts.axes
    kind = ActionKind.START if go else ActionKind.AWAIT_START
    context.actions.emit(Action(kind, rule, cause, axes=mask, seen_cycle=seen_cycle or axes.cycle))
    context.starts.give(StartOrder(axes.epoch, axes.taken + 1, mask, context.now_ns, go))
