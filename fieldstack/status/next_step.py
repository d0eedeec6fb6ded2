"""Says what a person has to do next in a cell that waits: a command, with what comes before it. Pure.

The dashboard, `fieldstack up` and `fieldstack-rt status` show it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fieldstack_rt.datastore.layout import HaState

if TYPE_CHECKING:
    from fieldstack.status.snapshot import Snapshot

DEFAULT_INSTANCE = "cell"


def next_step(snapshot: Snapshot) -> str:
    """The step of the first row that applies; empty: nothing waits for a person."""
    return next((text(snapshot) for holds, text in _ROWS if holds(snapshot)), "")


def may_start(snapshot: Snapshot) -> bool:
    """Whether a start is the next step: before a reset, or without RT, it would be refused."""
    return next_step(snapshot) == _start(snapshot)


def command(instance: str, words: str) -> str:
    """The command as a person has to type it for this cell."""
    return f"fieldstack {words}" + ("" if instance == DEFAULT_INSTANCE else f" --instance {instance}")


def _of_person(snapshot: Snapshot) -> bool:
    return snapshot.estop.latched and any(one.clear == "on_reset" for one in snapshot.estop.sources)


def _then_reset(before: str) -> Callable[[Snapshot], str]:
    def text(snapshot: Snapshot) -> str:
        reset, start = (command(snapshot.instance, word) for word in ("reset", "start"))
        return f"{before}, then `{reset}`, then `{start}`"

    return text


def _beyond(snapshot: Snapshot) -> str:
    return next((axis.way_back for axis in snapshot.axes if axis.beyond_limit), "")


def _check(snapshot: Snapshot) -> str:
    start = command(snapshot.instance, "start")
    return f"remove the cause; then the cell checks itself, and motion waits for `{start}`"


def _start(snapshot: Snapshot) -> str:
    return f"look whether anybody is in the way, then `{command(snapshot.instance, 'start')}`"


def _in(state: HaState) -> Callable[[Snapshot], bool]:
    return lambda snapshot: snapshot.ha.state == state.name


_ROWS: tuple[tuple[Callable[[Snapshot], bool], Callable[[Snapshot], str]], ...] = (
    (lambda snapshot: snapshot.cell == "down", lambda one: f"start it with `{command(one.instance, 'up')}`"),
    (_in(HaState.SHUTDOWN), lambda _: ""),
    (_in(HaState.MANUAL_INTERVENTION), _then_reset("look at the machine and remove the cause")),
    (_of_person, _then_reset("see that its cause has gone")),
    (
        _in(HaState.SAFE_MODE),
        _check,
    ),
    (lambda snapshot: bool(snapshot.motion.waits_for_start) and snapshot.live, _start),
    (lambda snapshot: bool(_beyond(snapshot)), _beyond),
)
