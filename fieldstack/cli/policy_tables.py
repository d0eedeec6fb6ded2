"""Tables that `fieldstack policy` prints: worst cases of the rules, and the facts that rules can use."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from fieldstack.ha.model.measures import BUILT_IN, FACTS, Comparison
from fieldstack.ha.policy import FailoverPolicy
from fieldstack.ha.policy.display.budget_rows import budget_rows
from fieldstack.ha.policy.validation.agent_checks import agent_times
from fieldstack.ha.policy.validation.rules import Rule
from fieldstack.ha.policy.validation.timing import WorstCase

_OVER = {
    Comparison.TRUE: "is there",
    Comparison.AT_LEAST: "at least",
    Comparison.AT_MOST: "at most",
    Comparison.GROWN: "grown by, within the window",
}


def worst_case_table(policy: FailoverPolicy, cases: list[WorstCase]) -> Table:
    table = Table(
        title="Worst cases, from the cause to ...",
        caption="stop: stopping actions are confirmed; done: all are, or escalate; end: escalations, too; "
        "rt_agent: RT by itself, its stop begins when ordered; motion that stops waits for a start, but "
        "where it resumes",
        box=None,
        header_style="bold",
        padding=(0, 1, 0, 0),
    )
    table.add_column("rule", overflow="fold")
    for name in ("seen", "stop", "ordered", "done", "end", "target"):
        table.add_column(name, justify="right", no_wrap=True)
    for case in cases:
        rule = policy.rule(case.rule)
        numbers = (case.detection, case.stopped, case.ordered, case.confirmed, case.escalated, case.target)
        actions = ", ".join(order.action for order in rule.actions) or "-"
        what = Text(f"\n{rule.fact} of {rule.subject}: {actions}{_resumption(rule)}", "dim")
        table.add_row(Text(case.rule) + what, *(duration(number) for number in numbers))
    for times in agent_times(policy):
        cells = (duration(times.seen), "-", duration(times.begins), "-", "-", "-")
        table.add_row(Text("rt_agent") + Text(f"\n{times.what}", "dim"), *cells)
    return table


def budget_table(policy: FailoverPolicy) -> Table:
    table = Table(
        title="Restart budgets",
        caption="caught: what fails so long after each restart, or sooner, spends one; nothing rarer does",
        box=None,
        header_style="bold",
        padding=(0, 1, 0, 0),
    )
    table.add_column("subject", overflow="fold")
    for name in ("quick", "long", "caught"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in budget_rows(policy):
        quick = f"{row['max_restart_count']} in {duration(row['restart_window_sec'] * 1000)}"
        slow = f"{row['long_max_restart_count']} in {duration(row['long_restart_window_sec'] * 1000)}"
        table.add_row(Text(row["subject"]), quick, slow, duration(row["caught_within_s"] * 1000))
    return table


def _resumption(rule: Rule) -> str:
    within = rule.resume_within_ms
    return f"; motion resumes within {duration(within)}" if within else ""


def duration(ms: float | None) -> str:
    """`25 ms`, `1.24 s`, `20.1 min`."""
    if ms is None:
        return "-"
    if ms < 1000:
        return f"{ms:g} ms"
    return f"{ms / 1000:.4g} s" if ms < 600_000 else f"{ms / 60_000:.4g} min"


def fact_table() -> Table:
    table = Table(box=None, header_style="bold")
    table.add_column("fact", no_wrap=True)  # the word to write into a policy
    for name in ("threshold", "unit", "subjects", "age", "meaning"):
        table.add_column(name)
    for kind, meaning in FACTS.items():
        age = "" if kind in BUILT_IN else duration(meaning.age_ms)
        table.add_row(kind, _OVER[meaning.over], meaning.unit, meaning.subjects, age, meaning.text)
    return table
