"""Matches operators' requests (`fieldstack request WORD`) with the policy's rules of `operator_request`.

Used by `requests`; `nonrt.status_report` lists the words that are known.
"""

from __future__ import annotations

import difflib

from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import ActiveRule
from fieldstack.ha.model.facts import Request
from fieldstack.ha.model.measures import FactKind, Measure
from fieldstack.ha.model.vocabulary import ClearWhen
from fieldstack.ha.policy.in_force.view import Policy

PREFIX = "operator:"
Answer = tuple[bool, str]


def known_requests(policy: Policy) -> tuple[str, ...]:
    """The words that operators can use under this policy; `*` and `?` match."""
    rows = (row for row in policy.table.rows.values() if row.fact is FactKind.OPERATOR_REQUEST)
    return tuple(dict.fromkeys(row.subject.removeprefix(PREFIX) for row in rows))


def request_rule(context: DecisionContext, request: Request) -> Answer:
    """A measure for this decision only; the rules say what follows from it."""
    rows = context.policy.table.rules_for(FactKind.OPERATOR_REQUEST, request.subject)
    if not rows:
        return False, _unknown(context, request)
    text = f"{request.subject} asked for by {request.who}"
    context.findings.note_request(Measure(FactKind.OPERATOR_REQUEST, request.subject, 1.0, text))
    return True, f"{_who(request)}: rule {', '.join(row.name for row in rows)} takes effect"


def withdraw_request(context: DecisionContext, request: Request) -> Answer:
    """End a request. If it stops the axes or waits for a person, only a reset ends it."""
    rows = context.policy.table.rules_for(FactKind.OPERATOR_REQUEST, request.subject)
    if not rows:
        return False, _unknown(context, request)
    names = {row.name for row in rows}
    counting = [one for one in context.rules if one.key.rule in names and one.key.subject == request.subject]
    if not counting:
        return True, f"{_who(request)}: it was not in force"
    if kept := [one for one in counting if not _may_end(one)]:
        rules = ", ".join(one.key.rule for one in kept)
        return False, f"{request.subject} is not taken back: {rules} counts until a reset (fieldstack reset)"
    for one in counting:
        context.drop_rule(one.key)
    return True, f"{_who(request)}: {', '.join(one.key.rule for one in counting)} is taken back"


def _may_end(one: ActiveRule) -> bool:
    return not one.stops and one.hold is None and one.clear is not ClearWhen.NEVER


def _who(request: Request) -> str:
    return f"{request.subject} by {request.who}"


def _unknown(context: DecisionContext, request: Request) -> str:
    word, known = request.subject.removeprefix(PREFIX), known_requests(context.policy)
    near = difflib.get_close_matches(word, known, 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    return f"no rule answers to {word!r}; the policy in force knows: {', '.join(known) or 'no word'}{meant}"
