"""Operators' requests: each is answered in the decision that sees it, carried out or refused with why."""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.actions import Action, ActionKind
from fieldstack.ha.draft import Draft
from fieldstack.ha.facts import ProcessCondition, ProcessFacts, Request, RequestKind, unhealthy
from fieldstack.ha.states import MOVING, HaState
from fieldstack.ha.supervise import restart_now
from fieldstack.ha.vocabulary import ClearWhen, Condition, ProcessName

_DOWN = frozenset({ProcessCondition.DEAD, ProcessCondition.SILENT, ProcessCondition.STOPPED})
_ALIVE = frozenset({ProcessCondition.STARTING, ProcessCondition.RUNNING})


def answer_requests(draft: Draft) -> None:
    """A shutdown comes first: nothing is started on the way down."""
    for request in sorted(draft.facts.requests, key=lambda one: one.kind is not RequestKind.SHUTDOWN):
        if draft.state.ha is HaState.SHUTDOWN:
            _answer(draft, request, False, "the cell goes down: nothing can be asked of it any more")
        elif request.kind is RequestKind.RESET:
            _reset(draft, request)
        elif request.kind is RequestKind.RESTART:
            _restart(draft, request)
        elif request.kind is RequestKind.SHUTDOWN:
            _shutdown(draft, request)
        else:
            _answer(draft, request, False, f"no rule answers to {request.kind}")


def _answer(draft: Draft, request: Request, accepted: bool, text: str) -> None:
    draft.actions.append(
        Action(
            ActionKind.ANSWER,
            request.kind,
            text,
            request.subject or "cell",
            confirmed=accepted,
            request=request.id,
        )
    )


def _shutdown(draft: Draft, request: Request) -> None:
    reason = f"asked to go down by {request.who}"
    draft.state = replace(draft.state, ha=HaState.SHUTDOWN, since_ns=draft.now_ns, reason=reason)
    _answer(draft, request, True, "the cell goes down: Core, then RT, then the Non-RT process")


def _reset(draft: Draft, request: Request) -> None:
    restart = _needs_start(draft)
    if not restart and (why := unhealthy(draft.facts)):
        _answer(
            draft, request, False, f"reset refused: {why}; the cause must be gone first, then reset again"
        )
        return
    latched = [one.condition for one in draft.state.conditions if _by_reset(draft, one.condition)]
    _clear_latch(draft, request)
    draft.drop(latched)
    draft.state = replace(draft.state, accepted_start=draft.facts.rt.start_id)
    _forget_budget(draft, latched)
    for name in restart:
        restart_now(draft, name, f"reset by {request.who}")
    cleared = ", ".join(latched) or "nothing was latched"
    started = f"; starting {', '.join(restart)}" if restart else ""
    _answer(draft, request, True, f"reset by {request.who}: {cleared}{started}; axis faults reset")


def _by_reset(draft: Draft, condition: Condition) -> bool:
    return draft.policy.rule(condition).clear is ClearWhen.ON_RESET


def _clear_latch(draft: Draft, request: Request) -> None:
    cause = f"reset by {request.who}"
    if sources := draft.facts.estop.on_reset:
        draft.actions.append(
            Action(ActionKind.CLEAR_LATCH, "reset", cause, until=ClearWhen.ON_RESET, sources=sources)
        )
        draft.facts = replace(draft.facts, estop=replace(draft.facts.estop, on_reset=0))
    draft.order(ActionKind.RESET_FAULTS, "reset", cause)


def _forget_budget(draft: Draft, latched: list[Condition]) -> None:
    if Condition.RESTART_BUDGET_SPENT in latched:
        for track in (draft.state.rt, draft.state.core):
            draft.set_track(replace(track, restarts=()))


def _needs_start(draft: Draft) -> list[ProcessName]:
    """Processes that are down for good (no restart of theirs is under way): a reset starts them."""
    names = (ProcessName.RT, ProcessName.CORE)
    return [name for name in names if _waits_for_person(draft, name, draft.process(name))]


def _waits_for_person(draft: Draft, name: ProcessName, process: ProcessFacts | None) -> bool:
    if process is None or draft.state.track(name).pending or draft.handled(name):
        return False
    if process.condition is ProcessCondition.NEVER_SEEN:
        return draft.state.ha is HaState.MANUAL_INTERVENTION
    return process.condition in _DOWN and not process.asked


def _restart(draft: Draft, request: Request) -> None:
    if request.subject and request.subject not in set(ProcessName):
        _answer(draft, request, False, f"{request.subject} can not be restarted yet")
        return
    name = ProcessName(request.subject or ProcessName.RT)
    process = draft.process(name)
    if process is None:
        _answer(draft, request, False, f"{name} is not part of this cell")
    elif (
        process.condition not in _ALIVE
        or draft.handled(name)
        or draft.state.ha not in MOVING | {HaState.SAFE_MODE}
    ):
        _answer(
            draft,
            request,
            False,
            f"restart refused: {name} is {process.condition} and the cell in {draft.state.ha.name}; "
            "wait until it runs, or reset a cell that waits for a person",
        )
    else:
        cause = f"restart asked for by {request.who}"
        draft.order(ActionKind.STOP_PROCESS, "restart", cause, name)
        draft.set_track(replace(draft.state.track(name), proven=False, started_ns=draft.now_ns))
        _answer(draft, request, True, f"{name} is stopped and started again")
