"""Says in words what the slaves' states mean: where the line is broken, who left OP and why.

RT's housekeeping publishes the text for people; the recovery decision looks for the break with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fieldstack_ethercat.bus.slave.states import SlaveState, hint
from fieldstack_ethercat.wire.al import AlState

NOTHING: Mapping[int, str] = {}


@dataclass(frozen=True, slots=True)
class LineBreak:
    """Where the line ends: the first position that no longer answers, and how many do not.

    `whole_rest` is True if nobody behind it answers either: a cut cable or a slave without power.
    Otherwise it alone does not answer to its address: it has restarted.
    """

    first_lost: int
    count: int
    whole_rest: bool
    text: str


def find_break(states: Sequence[SlaveState]) -> LineBreak | None:
    """The first break in a line of slaves; None if all answer."""
    lost = [state for state in states if not state.answers]
    if not lost:
        return None
    first = lost[0]
    whole_rest = len(lost) == len(states) - first.position
    return LineBreak(first.position, len(lost), whole_rest, _break_text(states, first, whole_rest))


def _break_text(states: Sequence[SlaveState], first: SlaveState, whole_rest: bool) -> str:
    if not whole_rest:
        return (
            f"position {first.position} ({first.name}) does not answer to its address though slaves "
            "behind it do: it has restarted, or was replaced"
        )
    place = f"position {first.position} ({first.name})"
    if first.position == 0:
        return f"no slave answers: cable cut between the master and {place}, or {first.name} has no power"
    before = states[first.position - 1]
    behind = len(states) - first.position
    return (
        f"{behind} slave(s) from {place} on do not answer: cable cut between position {before.position} "
        f"({before.name}) and {place}, or {first.name} has no power"
    )


def explain(
    states: Sequence[SlaveState],
    faulty: Mapping[int, str] = NOTHING,
    failures: Mapping[int, str] = NOTHING,
) -> tuple[str, ...]:
    """A sentence for the line break, if there is one, and one for each slave that answers and is not well.

    `faulty`: why slaves in OP take no part; `failures`: what the last attempt to bring a slave back failed
    with: that says more than its state. Both by position.
    """
    sentences = []
    line_break = find_break(states)
    if line_break:
        sentences.append(line_break.text)
    for state in states:
        well = state.answers and state.state is AlState.OP and not state.error
        if why := failures.get(state.position):
            sentences.append(why)
        elif state.answers and not well:
            advice = f". {hint(state.al_status_code)}" if state.error else ""
            sentences.append(state.text() + advice)
        elif well and (why := faulty.get(state.position)):
            sentences.append(f"{state.text()}, but {why}")
    return tuple(sentences)
