"""What a module of the Non-RT process is: the protocol that each kind of module fulfils. For `modules`."""

from __future__ import annotations

from typing import Protocol

from fieldstack_base.units import NS_PER_MS

GRACE_NS = 15_000 * NS_PER_MS
"""The first start of a module may take so long before it counts as dead: a busy machine loads it slowly, and
it is at work only after its first round."""
STARTING = "it is being started"


class Module(Protocol):
    """Nothing here blocks, but `close`. `starts` counts its starts."""

    name: str
    starts: int

    def start(self) -> None:
        """Begin, or begin again; what is left of the last start ends."""

    def trouble(self) -> str:
        """Why it is not at work; empty: it is."""

    def tick(self) -> None:
        """Called in each pass."""

    def close(self) -> None: ...
