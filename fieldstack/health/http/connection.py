"""One connection of the health server: it makes room for itself, so idle ones keep nobody from an answer.

The server has uvicorn make one for each client.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


class Connection(H11Protocol):
    """Makes room for itself where the next one would be answered 503 (`limit_concurrency`): closes the oldest
    of those that have asked nothing, or have their answer; if there is none, the oldest of all."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._began_s = self.loop.time()
        there = [
            one
            for one in self.connections
            if isinstance(one, Connection) and one is not self and not one.transport.is_closing()
        ]
        if self.limit_concurrency is not None and len(there) + 2 > self.limit_concurrency:
            min(there, key=Connection._worth).transport.abort()

    def _worth(self) -> tuple[bool, float]:
        answering = self.cycle is not None and not self.cycle.response_complete
        return answering, self._began_s
