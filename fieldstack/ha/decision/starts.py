"""Starts: who asks for one, what resumes by itself, and what RT is told. Pure.

RT holds the axes until it takes an order (native/start.c); here is decided whether one is given.
"""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision.decision_context import DecisionContext
from fieldstack.ha.decision.decision_state import RestartInterlock, StartOrder
from fieldstack.ha.decision.restart_interlock import core_at_work, may_resume_after_rt_stop, resumes, why
from fieldstack.ha.model.actions import Action, ActionKind
from fieldstack.ha.model.facts import AxisWait, Request, RequestKind
from fieldstack.ha.model.states import MOVING, HaState

PATIENCE_NS = 500_000_000
"""An order that RT has not taken within this time is forgotten, and given anew if it still may be."""
BY_INPUT = "start-input"
BY_ITSELF = "resume"
NOTHING_WAITS = "no axis waits for a start"


def confirm_start(draft: DecisionContext) -> None:
    """Before anything else is noted: what RT has taken of the last order is done."""
    axes, order = draft.facts.axes, draft.state.start_order
    if order is not None and _is_over(draft, order):
        draft.state = replace(draft.state, start_order=None)
        if order.go and axes.epoch == order.epoch and not order.axes & axes.waiting:
            draft.state = replace(draft.state, standing=draft.state.standing.still(axes.waiting))


def _is_over(draft: DecisionContext, order: StartOrder) -> bool:
    axes = draft.facts.axes
    taken = axes.epoch == order.epoch and axes.taken >= order.sequence
    other = axes.epoch not in (0, order.epoch)
    return taken or other or draft.now_ns - order.ordered_ns > PATIENCE_NS


def answer_start(draft: DecisionContext, request: Request) -> None:
    """A person asks for it. It is answered when RT was seen to take it; a refusal at once."""
    if refusal := refused(draft):
        again = draft.state.ha in MOVING | {HaState.RECOVERY, HaState.NEVER}
        _answer(draft, request, refusal, ok=refusal == NOTHING_WAITS, again=again)
        return
    axes = draft.facts.axes.free
    _order(draft, axes, RequestKind.START, f"start by {request.who}")
    _answer(draft, request, f"start by {request.who}", axes=axes)


def _answer(
    draft: DecisionContext,
    request: Request,
    text: str,
    *,
    ok: bool = True,
    axes: int = 0,
    again: bool = False,
) -> None:
    draft.actions.append(
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


def refused(draft: DecisionContext) -> str:
    """Why nothing can be started now, and what to do; empty: something can."""
    state, axes, core = draft.state, draft.facts.axes, draft.facts.core
    told = state.reason.removeprefix("checking before the cell goes on: ")
    again = "look at fieldstack status and ask again"
    checks = (
        (state.ha in MOVING, f"the cell is in {state.ha.name} ({told}); {_NEXT.get(state.ha, again)}"),
        (axes.epoch, f"RT does not show its state now; {again}"),
        (not axes.waiting or axes.free, f"something else still holds the axes; {again}"),
        (core_at_work(draft), f"the Main Core is {core.condition if core else 'gone'}; {again}"),
        (state.start_order is None, "the last order to RT is not answered yet; ask again"),
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


def order_starts(draft: DecisionContext) -> None:
    """At the end of a decision, when its state is known."""
    _press(draft)
    axes, state = draft.facts.axes, draft.state
    if state.ha not in MOVING or not axes.epoch or state.start_order is not None:
        return
    if not core_at_work(draft):
        _await(draft)
        return
    if not axes.waiting and state.standing.causes:
        draft.state = replace(state, standing=RestartInterlock())
        return
    if free := _resuming(draft):
        _order(draft, free, BY_ITSELF, _resumption(draft))


def _resuming(draft: DecisionContext) -> int:
    axes = draft.facts.axes
    free = (one for one in axes.waits if axes.free >> one.number & 1)
    return sum(1 << one.number for one in free if _may_resume(draft, one))


def _may_resume(draft: DecisionContext, wait: AxisWait) -> bool:
    rule = resumes if draft.state.standing.of(wait.number) else may_resume_after_rt_stop
    return rule(draft, wait)


def _resumption(draft: DecisionContext) -> str:
    cause = why(draft.state.standing)
    stopped_ms = (draft.now_ns - draft.state.standing.since_ns) // 1_000_000
    if draft.state.standing.causes and not cause:
        return draft.state.standing.causes[0].text
    after = f" after {stopped_ms} ms: {cause}" if cause else ": a stop of RT alone has ended"
    return f"motion resumes by itself{after}"


def _await(draft: DecisionContext) -> None:
    """The Main Core has gone, and the axes have come to the end of its setpoints: so they stay."""
    axes = draft.facts.axes
    rest = axes.all & ~axes.waiting
    if draft.state.standing.of_all and rest and not axes.playing:
        _order(draft, rest, BY_ITSELF, f"axes wait for a start: {why(draft.state.standing)}", go=False)


def _press(draft: DecisionContext) -> None:
    """A rising edge of the start input is dealt with once."""
    axes = draft.facts.axes
    press = (axes.epoch, axes.pressed)
    if not axes.epoch or not axes.pressed or press == draft.state.pressed:
        return
    draft.state = replace(draft.state, pressed=press)
    if refusal := refused(draft):
        draft.actions.append(
            Action(ActionKind.ANSWER, RequestKind.START, f"{BY_INPUT}: {refusal}", confirmed=False)
        )
    else:
        _order(draft, axes.free, BY_INPUT, "start by the start input", seen_cycle=axes.pressed)


def _order(
    draft: DecisionContext, mask: int, rule: str, cause: str, *, go: bool = True, seen_cycle: int = 0
) -> None:
    axes = draft.facts.axes
    kind = ActionKind.START if go else ActionKind.AWAIT_START
    draft.actions.append(Action(kind, rule, cause, axes=mask, seen_cycle=seen_cycle or axes.cycle))
    order = StartOrder(axes.epoch, axes.taken + 1, mask, draft.now_ns, go)
    draft.state = replace(draft.state, start_order=order)
