"""What keeps axes from moving while a decision is made: restart interlock, starts on their way, limits.

The steps of `decide` reach them as `context.interlock`, `context.starts` and `context.limits`.
"""

from __future__ import annotations

from fieldstack.ha.decision.context.decision_state import InterlockCause, Limits, RestartInterlock, StartOrder


class InterlockRecord:
    """Why the axes wait for a start. Causes are only added, until a start lifts them."""

    __slots__ = ("_now",)

    def __init__(self, interlock: RestartInterlock) -> None:
        self._now = interlock

    @property
    def now(self) -> RestartInterlock:
        return self._now

    def add(self, cause: InterlockCause, since_ns: int) -> None:
        """One more cause, since then. Of two with the same key, the stricter one (`within_ns`) counts."""
        old = self._now
        same = next((one for one in old.causes if one.key == cause.key), None)
        if same is not None and same.within_ns <= cause.within_ns:
            return
        others = tuple(one for one in old.causes if one.key != cause.key)
        self._now = RestartInterlock(min(old.since_ns or since_ns, since_ns), (*others, cause))

    def add_axes(self, cause: InterlockCause) -> None:
        """The same for single axes, besides those that the cause concerns already."""
        others = tuple(one for one in self._now.causes if one.key != cause.key)
        before = sum(one.axes for one in self._now.causes if one.key == cause.key)
        wider = InterlockCause(cause.key, cause.text, cause.within_ns, before | cause.axes)
        self._now = RestartInterlock(self._now.since_ns, (*others, wider))

    def lift(self) -> None:
        """Forget all causes: the axes move."""
        self._now = RestartInterlock()

    def lift_but(self, waiting: int) -> None:
        """Axes have started: keep only what concerns single ones of these, which still wait."""
        self._now = self._now.still(waiting)


class StartRecord:
    """The start that RT has not been seen to take, and the last press of the start input that was used."""

    __slots__ = ("_order", "_pressed")

    def __init__(self, order: StartOrder | None, pressed: tuple[int, int]) -> None:
        self._order, self._pressed = order, pressed

    @property
    def order(self) -> StartOrder | None:
        return self._order

    @property
    def pressed(self) -> tuple[int, int]:
        return self._pressed

    def give(self, order: StartOrder) -> None:
        self._order = order

    def end(self) -> None:
        """Forget the start: RT has taken it, or cannot take it any more."""
        self._order = None

    def note_press(self, press: tuple[int, int]) -> None:
        self._pressed = press


class LimitsRecord:
    """What DEGRADE rules leave of the motion."""

    __slots__ = ("_now",)

    def __init__(self, limits: Limits) -> None:
        self._now = limits

    @property
    def now(self) -> Limits:
        return self._now

    def set(self, limits: Limits) -> None:
        self._now = limits
