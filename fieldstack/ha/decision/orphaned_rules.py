"""Finds orphaned rules: they are active, but their policy or their subject is gone.

So nothing but a reset can clear them. Used by `requests` and `apply_policy`.
"""

from __future__ import annotations

from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import RECORD_UNREADABLE, ActiveRule
from fieldstack.ha.decision.in_flight_actions import UNCONFIRMED
from fieldstack.ha.model.measures import BUILT_IN
from fieldstack.ha.model.vocabulary import ClearWhen
from fieldstack.ha.policy.in_force.table import matches
from fieldstack.ha.policy.in_force.view import Policy


def is_orphaned(one: ActiveRule, policy: Policy) -> bool:
    """Whether no rule of the policy judges it: none has that name, or it has another fact or subject."""
    if one.key.rule in (UNCONFIRMED, RECORD_UNREADABLE):
        return False
    row = policy.table.get(one.key.rule)
    if row is None or not matches(row.subject, one.key.subject):
        return True
    return one.evidence is not None and one.evidence.fact is not row.fact


def only_reset_clears(context: DecisionContext, one: ActiveRule) -> bool:
    """Whether nobody can see its cause go: it is orphaned, or no probe reports its subject (a slave that was
    taken out of the cell). Then only a reset ends it."""
    if one.clear is not ClearWhen.GONE:
        return False
    return is_orphaned(one, context.policy) or _unreported(context, one)


def _unreported(context: DecisionContext, one: ActiveRule) -> bool:
    row = context.row(one.key)
    if row is None or row.momentary or row.fact in BUILT_IN or row.fact in context.unknown:
        return False
    wanted = (row.fact, one.key.subject)
    return all((measure.fact, measure.subject) != wanted for measure in context.facts.measures)
