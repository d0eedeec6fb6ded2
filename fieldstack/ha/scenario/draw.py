"""Draws a played scenario for people: bands of states, what happened, what was ordered and why.

Used by `fieldstack policy simulate`.
"""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fieldstack.ha.model.actions import Action, ActionKind
from fieldstack.ha.model.states import HaState
from fieldstack.ha.scenario.play import Entry, Played

COLOURS = {
    HaState.NEVER: "white",
    HaState.OPERATIONAL: "green",
    HaState.DEGRADED: "yellow",
    HaState.SAFE_MODE: "dark_orange",
    HaState.RECOVERY: "cyan",
    HaState.MANUAL_INTERVENTION: "red",
    HaState.SHUTDOWN: "magenta",
}


def draw(played: Played) -> RenderableType:
    """For rich's Console."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, justify in (("time", "right"), ("state", "left"), ("what", "left"), ("rule, cause", "left")):
        table.add_column(name, justify="right" if justify == "right" else "left")
    before: HaState | None = None
    for entry in played.entries:
        band = Text(f"▌{entry.state.name if entry.state is not before else ''}", style=COLOURS[entry.state])
        table.add_row(f"{entry.at_ns / 1e9:.3f} s", band, *_what(entry))
        before = entry.state
    scenario = played.scenario
    head = Text.assemble((scenario.title, "bold"), "\n", scenario.about.strip(), "\n")
    return Group(head, table, _result(played))


def _what(entry: Entry) -> tuple[Text, Text]:
    if entry.happened:
        return Text(f"● {entry.happened}", style="bold"), Text("")
    if entry.changed:
        return Text(f"= {entry.changed}", style=COLOURS[entry.state]), Text("")
    action = entry.action
    if action is None:
        return Text(""), Text("")
    return Text(f"  → {_words(action)}"), Text(f"[{action.rule}] {_cause(action)}", style="dim")


def _words(action: Action) -> str:
    words = f"{action.kind.name} {action.subject}"
    if action.kind is ActionKind.DEGRADE:
        groups = f", standing: {', '.join(action.groups)}" if action.groups else ""
        words += f" ({action.override_percent} %{groups})"
    if action.kind is ActionKind.ANSWER:
        words += " (accepted)" if action.confirmed else " (refused)"
    return words


def _cause(action: Action) -> str:
    return action.cause


def _result(played: Played) -> Text:
    count = len(played.scenario.expect)
    if not played.unmet:
        return Text(f"\n✓ all {count} expectations met in {played.decisions} decisions", style="green")
    return Text("\n" + "\n".join(f"✗ {text}" for text in played.unmet), style="red")


def to_dict(played: Played) -> dict[str, Any]:
    """For machines: `entries` in order, each with `happened`, `changed` or an action and its evidence."""
    return {
        "title": played.scenario.title,
        "decisions": played.decisions,
        "unmet": played.unmet,
        "entries": [_entry(entry) for entry in played.entries],
    }


def _entry(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {"at_ms": entry.at_ns / 1e6, "state": entry.state.name}
    if entry.happened:
        return found | {"happened": entry.happened}
    if entry.changed:
        return found | {"changed": entry.changed}
    return found | (entry.action.event_fields() if entry.action else {})
