"""Real receivers: a webhook that can fail and hang, a mail server, and alerts to send."""

from __future__ import annotations

import contextlib
import datetime
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from fieldstack.alerts.model.alert import Alert, AlertState, Report, make
from fieldstack.alerts.model.settings import AlertsSection, ChannelSection
from fieldstack.events.kinds import Severity

PATIENCE_S = 20.0


def wait_for(what: Callable[[], Any], why: str, timeout_s: float = PATIENCE_S) -> Any:
    until = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < until, f"not within {timeout_s:g} s: {why}"
        time.sleep(0.01)
    return found


def report(rule: str = "rt-dead", subject: str = "fieldstack-rt", **changes: Any) -> Report:
    return Report(rule, subject, **({"text": "it has died"} | changes))


def alert(**changes: Any) -> Alert:
    return make(report(**changes), AlertState.FIRING, "cell", time.time_ns())


def section(window_s: float = 300, **channels: dict[str, Any]) -> AlertsSection:
    made = {name: ChannelSection.model_validate(one) for name, one in channels.items()}
    return AlertsSection(window_s=window_s, channels=made)


class Webhook:
    """Counts what it took. `behave`: an HTTP status to answer with; `hang`: seconds before it answers."""

    def __init__(self, port: int = 0) -> None:
        self.behave = 200
        self.headers: dict[str, str] = {}
        self.hang = threading.Event()
        self.drip = False
        self.attempts = 0
        self.taken: list[dict[str, Any]] = []
        self.got: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self._ending = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def ids(self) -> list[str]:
        return [one["id"] for one in self.taken]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                webhook.attempts += 1
                with contextlib.suppress(OSError):
                    if webhook.drip:
                        self._drip()
                        return
                    while webhook.hang.is_set() and not webhook._ending.is_set():
                        time.sleep(0.01)
                    self._answer(body)

            def _answer(self, body: bytes) -> None:
                self.send_response(webhook.behave)
                for name, value in webhook.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if webhook.behave == 200:
                    webhook.bodies.append(body)
                    webhook.got.append({key.lower(): value for key, value in self.headers.items()})
                    webhook.taken.append(json.loads(body))

            def _drip(self) -> None:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while webhook.drip and not webhook._ending.is_set():
                    self.wfile.write(b"x")
                    time.sleep(0.05)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        return Handler

    def close(self) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def webhook(port: int = 0) -> Iterator[Webhook]:
    made = Webhook(port)
    try:
        yield made
    finally:
        made.close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key, made by openssl."""
    import subprocess

    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    assert datetime.datetime.now(datetime.UTC).year > 2020
    return cert, key


__all__ = [
    "PATIENCE_S",
    "Severity",
    "Webhook",
    "alert",
    "certificate",
    "report",
    "section",
    "wait_for",
    "webhook",
]
