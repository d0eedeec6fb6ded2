"""A real health server in a process of its own, and what a client gets from it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fieldstack.health.model.settings import HealthSettings, settings_file
from fieldstack.health.model.token import token_file
from fieldstack.status.endpoint import Endpoint, read_endpoint
from fieldstack_base.instance import Instance
from fieldstack_rt._native import lib
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import HaState, RtPhase, WkcVerdict

PATIENCE_S = 20.0


def wait_for(what: Callable[[], Any], why: str, timeout_s: float = PATIENCE_S) -> Any:
    until = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < until, f"not within {timeout_s:g} s: {why}"
        time.sleep(0.01)
    return found


@dataclass(frozen=True)
class Got:
    code: int
    text: str
    took_s: float

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Served:
    instance: Instance
    process: subprocess.Popen[str]

    @property
    def endpoint(self) -> Endpoint:
        found: Endpoint = wait_for(self._mine, "the endpoint file")
        return found

    def _mine(self) -> Endpoint | None:
        assert self.process.poll() is None, "the server ended"
        found = read_endpoint(self.instance)
        return found if found and found.pid == self.process.pid else None

    def get(self, path: str, **options: Any) -> Got:
        return request(self.endpoint.url + path, **options)

    def post(self, path: str, body: Any, token: str | None = None) -> Got:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {token}"} if token is not None else {}
        return request(self.endpoint.url + path, content, headers)

    @property
    def token(self) -> str:
        return token_file(self.instance).read_text().strip()

    def end(self) -> tuple[int, str]:
        """Asks it to end; its exit status and what it said."""
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, output


def request(url: str, content: bytes | None = None, headers: dict[str, str] | None = None) -> Got:
    begin = time.monotonic()
    asked = urllib.request.Request(url, content, headers or {})
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:
            return Got(answer.status, answer.read().decode(), time.monotonic() - begin)
    except urllib.error.HTTPError as error:
        with error:
            return Got(error.code, error.read().decode(), time.monotonic() - begin)


@contextlib.contextmanager
def serving(instance: Instance, **changes: Any) -> Iterator[Served]:
    file = settings_file(instance)
    HealthSettings(instance.name, **({"port": 0} | changes)).write(file)
    process = subprocess.Popen(
        [sys.executable, "-m", "fieldstack.cli.health", "--settings", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Served(instance, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.communicate()


class Pulse:
    """Fills a store as a healthy cell does, again and again, with the pid of the test for all processes."""

    def __init__(self, store: DataStore) -> None:
        self._store = store
        self.ha = HaState.OPERATIONAL
        self.rt_beats = True
        self._ending = threading.Event()
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Pulse:
        self._thread.start()
        self._first.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(0.01):
            self._beat(time.monotonic_ns())
            self._first.set()

    def _beat(self, now_ns: int) -> None:
        store, pid = self._store, os.getpid()
        nonrt = store.new("fs_nonrt_status")
        nonrt.pid, nonrt.ha_state, nonrt.ha_reason = pid, self.ha, b"as the test says"
        nonrt.started_ns = nonrt.pass_ns = nonrt.ha_since_ns = now_ns
        store.write_nonrt_status(nonrt)
        bus = store.new("fs_rt_bus")
        bus.slave_count = 2
        for at in range(2):
            bus.slaves[at].al_state = 8
        store.write_rt_bus(bus)
        if not self.rt_beats:
            return
        status = store.new("fs_rt_status")
        status.epoch, status.cycle, status.started_ns, status.cycle_ns = 1, 100, now_ns, now_ns
        status.wkc = status.expected_wkc = 6
        status.wkc_verdict = WkcVerdict.WHOLE
        status.axis_count = 1
        lib.fs_block_write(store.raw, lib.FS_BLOCK_RT_STATUS, status)
        store.raw.header.rt_pid, store.raw.rt_phase = pid, RtPhase.CYCLING
        store.raw.rt_beat_ns, store.raw.rt_beat = now_ns, store.raw.rt_beat + 1
