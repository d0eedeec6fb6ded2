"""What a reset does about axes that did not stop, and about the latch. Pure. Used by `decide`."""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.model.actions import Action, ActionKind
from fieldstack.ha.model.measures import STANDS_NOW, FactKind, Measure
from fieldstack.ha.model.vocabulary import ClearWhen
from fieldstack_rt.datastore.layout import EstopSource

_GONE = ClearWhen.GONE
RELEASE_NS = 200_000_000
"""When RT has taken a reset, it has released an axis that stands long before this time is over."""


def ignore_stopped_axes(context: DecisionContext) -> None:
    """RT releases axes that stand when a person resets. Until it has done so, they are no new failure."""
    reset_ns = context.cell.reset_ns
    if reset_ns and context.now_ns - reset_ns <= RELEASE_NS:
        context.take_measures(tuple(_ignored(one) for one in context.facts.measures))


def _ignored(one: Measure) -> Measure:
    stands = one.fact is FactKind.AXIS_RUNS_ON and one.value <= STANDS_NOW
    return replace(one, value=0.0) if stands else one


def keep_new_latch(context: DecisionContext) -> None:
    """A latch that a rule sets in the same decision as a reset is not cleared: the person has not seen it."""
    new = {one.until is _GONE for one in context.actions if one.kind is ActionKind.EMERGENCY_STOP}
    if new:
        context.actions.revise(lambda one: _spare_policy(one, new))


def _spare_policy(one: Action, new: set[bool]) -> Action:
    if one.kind is not ActionKind.CLEAR_LATCH or (one.until is _GONE) not in new:
        return one
    return replace(one, sources=one.sources & ~(1 << EstopSource.POLICY))
