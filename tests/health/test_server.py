"""The server as a process: answers, port, token, beat, end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
from collections.abc import Iterator

import pytest

from fieldstack.health.model.token import Access, check, ensure_token
from fieldstack.health.self_probe import answers
from fieldstack.health.server import MAX_CONNECTIONS
from fieldstack.status.beat import beat_file, read_beat
from fieldstack.status.endpoint import socket_file
from fieldstack.status.status import StatusSource
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import HaState
from tests.health.serving import PATIENCE_S, Pulse, Served, serving, wait_for


@pytest.fixture
def pulse(store: DataStore) -> Iterator[Pulse]:
    with Pulse(store) as pulse:
        yield pulse


@pytest.fixture
def served(instance: Instance, pulse: Pulse) -> Iterator[Served]:
    assert pulse
    with serving(instance) as served:
        yield served


def test_endpoints_follow_the_cell(served: Served, pulse: Pulse) -> None:
    wait_for(lambda: served.get("/readyz").code == 200, "ready")
    assert served.get("/livez").text == "ok\n"
    assert served.get("/startupz").code == 200
    pulse.ha = HaState.SAFE_MODE
    wait_for(lambda: served.get("/readyz").code == 503, "not ready in SAFE_MODE")
    assert served.get("/livez").code == 200
    assert "[-]ha-state failed: SAFE_MODE: as the test says" in served.get("/readyz?verbose").text
    assert served.get("/readyz?verbose&exclude=ha-state").code == 200
    pulse.ha = HaState.DEGRADED
    wait_for(lambda: served.get("/readyz").code == 200, "ready when DEGRADED")
    document = served.get("/healthz").json
    assert (document["livez"], document["readyz"], document["startupz"]) == (True, True, True)
    assert document["checks"]["ha-state"]["status"] == "warn"
    assert document["checks"]["ethercat"]["data"]["wkc"] == 6
    pulse.rt_beats = False
    wait_for(lambda: served.get("/readyz/process-rt").code == 503, "RT is silent")
    assert served.get("/readyz/process-rt").json["data"]["state"] == "silent"


def test_a_page_that_is_not_there(served: Served) -> None:
    missing = served.get("/nothing")
    assert (missing.code, "GET /" in missing.json["message"]) == (404, True)
    assert served.get("/readyz/nothing").code == 404
    assert "it has observer" in served.get("/readyz/nothing").json["message"]
    assert served.get("/estop").code == 405
    assert "/readyz" in served.get("/").json["read"]


def test_the_shared_memory_is_mapped_read_only(served: Served, store: DataStore) -> None:
    assert served.get("/livez").code == 200
    name = store.instance.shm_name
    with open(f"/proc/{served.process.pid}/maps") as maps:
        rights = {line.split()[1] for line in maps if name in line}
    assert rights == {"r--s"}


def test_it_beats_while_it_answers_and_not_while_it_hangs(served: Served, instance: Instance) -> None:
    path = beat_file(instance)
    first = wait_for(lambda: (beat := read_beat(path)) and beat.count and beat, "the first beat")
    assert first.pid == served.process.pid
    served.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: not answers(socket_file(instance), "/selfz", 0.2), "it hangs")
    count = read_beat(path)
    assert not answers(socket_file(instance), "/selfz", 0.6)
    assert read_beat(path) == count
    served.process.send_signal(signal.SIGCONT)
    wait_for(lambda: read_beat(path) != count, "it beats again")


def test_idle_connections_keep_nobody_from_an_answer(served: Served, instance: Instance) -> None:
    port = int(served.endpoint.url.rpartition(":")[2])
    with contextlib.ExitStack() as idle:
        for _ in range(2 * MAX_CONNECTIONS):
            idle.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert served.get("/livez").code == 200
        assert answers(socket_file(instance), "/selfz")


def test_a_runtime_folder_that_does_not_take_the_token_is_told(instance: Instance) -> None:
    (instance.runtime_dir / "health.token.tmp").mkdir()
    with serving(instance) as served:
        output, _ = served.process.communicate(timeout=PATIENCE_S)
    assert served.process.returncode == 1
    assert "health.token.tmp" in output
    assert f"write its token and its socket to {instance.runtime_dir}: make room" in output
    assert "Traceback" not in output


def test_it_ends_in_order(served: Served, instance: Instance) -> None:
    assert served.get("/livez").code == 200
    status, output = served.end()
    assert status == 0, output
    assert "Traceback" not in output
    assert not socket_file(instance).exists()


def test_it_ends_when_the_cell_is_gone(instance: Instance, store: DataStore) -> None:
    with Pulse(store), serving(instance) as served:
        assert served.get("/livez").code == 200
        store.unlink()
        assert served.process.wait(30) == 0


def test_a_taken_port_is_told_and_had_when_it_is_free(instance: Instance, pulse: Pulse) -> None:
    assert pulse
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with serving(instance, port=port) as served:
            assert f"127.0.0.1 port {port} cannot be had" in served.endpoint.problem
            assert "health.port in cell.yaml" in served.endpoint.problem
            assert str(port) in StatusSource(instance).take().health.problem
            wait_for(lambda: answers(socket_file(instance), "/livez"), "it serves on its own socket")
            wait_for(lambda: (beat := read_beat(beat_file(instance))) and beat.count, "it beats")
            other.close()
            wait_for(lambda: served.endpoint.url, "it has the port")
            assert served.endpoint.url == f"http://127.0.0.1:{port}"
            assert served.get("/livez").code == 200
            assert served.end()[0] == 0


def test_an_address_of_another_machine_is_told(instance: Instance) -> None:
    with serving(instance, host="192.0.2.1", port=9) as served:
        assert "cannot be had" in served.endpoint.problem


# ---- token ----


def test_the_token_is_private_kept_and_made_anew_when_others_could_read_it(instance: Instance) -> None:
    path = instance.runtime_dir / "health.token"
    token = ensure_token(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert ensure_token(path) == token
    path.chmod(0o640)
    renewed = ensure_token(path)
    assert renewed != token
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    path.unlink()
    path.symlink_to("/etc/hostname")
    assert len(ensure_token(path)) >= 32
    assert not path.is_symlink()


def test_what_an_authorization_header_is_worth() -> None:
    assert check(None, "t" * 32) is Access.MISSING
    assert check("Bearer " + "t" * 32, "t" * 32) is Access.GRANTED
    assert check("bearer " + "t" * 32, "t" * 32) is Access.GRANTED
    assert check("Bearer " + "t" * 31, "t" * 32) is Access.WRONG
    assert check("Basic " + "t" * 32, "t" * 32) is Access.WRONG
    assert check("Bearer \N{SNOWMAN}", "t" * 32) is Access.WRONG
