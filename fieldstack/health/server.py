"""HealthCheckServer: uvicorn on a socket of the runtime folder and, if it is free, on a TCP port.

`fieldstack.cli.health` runs it as a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator

import uvicorn

from fieldstack.health.http.app import SELF_PATH, HealthApp, Parts
from fieldstack.health.http.connection import Connection
from fieldstack.health.metrics import Metrics
from fieldstack.health.model.settings import HealthSettings
from fieldstack.health.model.token import ensure_token, token_file
from fieldstack.health.self_probe import SelfProbe
from fieldstack.health.sources.observer import Observer
from fieldstack.status.beat import BeatWriter, beat_file
from fieldstack.status.endpoint import (
    Endpoint,
    PortTakenError,
    endpoint_file,
    listen_tcp,
    listen_unix,
    socket_file,
    url_of,
)
from fieldstack.status.status import SHARED_MEMORY
from fieldstack_base.instance import Instance

FIRST_LOOK_S = 2.0
PORT_RETRY_S = 5.0
GONE_S = 5.0
"""The server ends when the cell's shared memory has been away for so long: the cell was taken down."""
MAX_CONNECTIONS = 128
GRACE_S = 2

_log = logging.getLogger("fieldstack.health")


class _Server(uvicorn.Server):
    """Signals end it in order, and the process then ends with 0: it was asked to."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        yield

    def _end(self) -> None:
        self.should_exit = True


class HealthCheckServer:
    """One server's life: `run` returns after SIGTERM or SIGINT, or when the cell is gone."""

    def __init__(self, settings: HealthSettings) -> None:
        self._settings = settings
        self._instance = Instance(settings.instance)
        self._instance.prepare()
        self._observer = Observer(self._instance)
        token = ensure_token(token_file(self._instance))
        metrics = Metrics(settings, self._observer)
        app = HealthApp(Parts(settings, self._observer, token, metrics.render))
        metrics.verdict = app.verdict
        self._config = uvicorn.Config(
            app.starlette,
            http=Connection,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = _Server(self._config)
        self._problem = ""

    def run(self) -> None:
        """Raises OSError: the runtime folder does not take the socket."""
        self._observer.start(FIRST_LOOK_S)
        endpoint_file(self._instance).unlink(missing_ok=True)  # a killed predecessor's
        local = listen_unix(socket_file(self._instance))
        beat = BeatWriter(beat_file(self._instance))
        probe = SelfProbe(socket_file(self._instance), SELF_PATH, beat)
        probe.start()
        try:
            asyncio.run(self._serve(local))
        finally:
            probe.stop()
            self._observer.stop()
            beat.close()
            for file in (socket_file(self._instance), endpoint_file(self._instance)):
                with contextlib.suppress(OSError):
                    file.unlink(missing_ok=True)

    async def _serve(self, local: socket.socket) -> None:
        helpers = [asyncio.create_task(self._listen()), asyncio.create_task(self._end_with_cell())]
        try:
            await self._server.serve(sockets=[local])
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _listen(self) -> None:
        """Have the TCP port, now or as soon as it is free."""
        while not self._server.started:
            await asyncio.sleep(0.01)
        loop = asyncio.get_running_loop()
        while True:
            try:
                listener = listen_tcp(self._settings.host, self._settings.port)
            except PortTakenError as error:
                self._publish_problem(error.strerror or str(error))
                await asyncio.sleep(PORT_RETRY_S)
                continue
            self._server.servers.append(await loop.create_server(self._protocol, sock=listener, backlog=64))
            self._publish(Endpoint(os.getpid(), str(socket_file(self._instance)), url_of(listener)))
            _log.info("serving on %s", url_of(listener))
            return

    def _protocol(self) -> asyncio.Protocol:
        kind = self._config.http_protocol_class
        protocol: asyncio.Protocol = kind(  # type: ignore[call-arg]
            config=self._config,
            server_state=self._server.server_state,
            app_state={},
            _loop=asyncio.get_running_loop(),
        )
        return protocol

    def _publish_problem(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            _log.error("%s", problem)
            self._publish(Endpoint(os.getpid(), str(socket_file(self._instance)), "", problem))

    def _publish(self, endpoint: Endpoint) -> None:
        try:
            endpoint.write(endpoint_file(self._instance))
        except OSError as error:
            _log.error("%s cannot be written: %s", endpoint_file(self._instance), error)

    async def _end_with_cell(self) -> None:
        """A cell that was taken down needs nobody to tell of its health."""
        memory = SHARED_MEMORY / self._instance.shm_name.lstrip("/")
        seen = time.monotonic()
        while time.monotonic() - seen < GONE_S:
            if memory.exists():
                seen = time.monotonic()
            await asyncio.sleep(0.5)
        _log.info("the cell is gone: %s does not exist any more", memory)
        self._server.should_exit = True
