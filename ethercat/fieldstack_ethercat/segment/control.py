"""Serves the segment's control socket: each line of JSON is answered at once. `SegmentClient` asks it."""

from __future__ import annotations

import selectors
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fieldstack_base import bounded_json
from fieldstack_base.control.line_server import MAX_LINE, LineServer

_SEND_TIMEOUT_S = 1.0
"""The truth of a long chain is more than a socket's buffer holds."""
_TOO_LONG = {"ok": False, "error": f"a request is at most {MAX_LINE} bytes long"}

Handler = Callable[[Any], dict[str, Any]]


class SegmentControl:
    """Answers each line on the socket at `path` with `handler`'s answer, in the loop of `selector`."""

    def __init__(self, path: Path, selector: selectors.BaseSelector, handler: Handler) -> None:
        self._server = LineServer(path, send_timeout_s=_SEND_TIMEOUT_S)
        self._selector, self._handler = selector, handler
        selector.register(self._server.listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Ends all connections and removes the socket."""
        self._selector.unregister(self._server.listener)
        self._server.close()

    def _accept(self) -> None:
        if (client := self._server.accept()) is not None:
            self._selector.register(client, selectors.EVENT_READ, lambda: self._read(client))

    def _read(self, descriptor: int) -> None:
        for line in self._server.receive_lines(descriptor):
            if self._server.owns(descriptor):
                self._server.send(line.client, self._answer(line.content))
        if not self._server.owns(descriptor):
            self._selector.unregister(descriptor)

    def _answer(self, content: bytes | None) -> dict[str, Any]:
        if content is None:
            return _TOO_LONG
        try:
            request = bounded_json.loads(content)
        except ValueError as error:
            return {"ok": False, "error": f"not a line of JSON: {error}"}
        return self._handler(request)
