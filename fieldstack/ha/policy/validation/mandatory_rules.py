"""Rules that every cell has, even if its policy has none: without readings of them, axes must not move.

Used by `schema` and `checks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fieldstack.ha.model.measures import FACTS, FactKind
from fieldstack.ha.model.vocabulary import STOPPING_ACTIONS, ClearWhen, PolicyAction
from fieldstack.ha.policy.in_force.table import RuleRow, default_order, matches
from fieldstack_base.units import NS_PER_MS

NEEDED = ("probe:slaves", "probe:axes", "probe:shared-memory")
"""The probes that must work before anybody knows whether axes may move."""
BLIND_MS, WELL_MS = 100, 2000


def mandatory_rules(rows: Iterable[RuleRow]) -> Iterator[RuleRow]:
    """The rules that are added to these."""
    given = list(rows)
    names = {row.name for row in given}
    for subject in NEEDED:
        if not any(_stops_for(row, subject) for row in given):
            name = f"{subject.partition(':')[2]}-unseen"
            yield _row(name if name not in names else f"{name}-built-in", subject)


def _stops_for(row: RuleRow, subject: str) -> bool:
    words = {order.action for order in row.orders}
    return (
        row.fact is FactKind.PROBE_BLIND and matches(row.subject, subject) and bool(STOPPING_ACTIONS & words)
    )


def _row(name: str, subject: str) -> RuleRow:
    orders = (default_order(PolicyAction.SAFE_MODE_ENTER), default_order(PolicyAction.SEND_ALERT))
    return RuleRow(
        name=name,
        fact=FactKind.PROBE_BLIND,
        over=FACTS[FactKind.PROBE_BLIND].over,
        subject=subject,
        threshold=float(BLIND_MS),
        gone_at=float(BLIND_MS),
        window_ns=0,
        debounce_ns=0,
        orders=orders,
        clear=ClearWhen.GONE,
        clear_ns=WELL_MS * NS_PER_MS,
        momentary=False,
    )
