"""The control socket with real clients: whatever they send, it answers, goes on, and stays bounded."""

from __future__ import annotations

import json
import os
import resource
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fieldstack_base.control.server import MAX_LINE, Command, ControlServer

ROOM = 1 << 20


class Talk:
    """One client beside the server's loop, all in one thread."""

    def __init__(self, server: ControlServer, path: Path) -> None:
        self.server = server
        self.client = socket.socket(socket.AF_UNIX)
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
        self.client.settimeout(10)
        self.client.connect(str(path))
        descriptor = server.accept()
        assert descriptor is not None
        self.descriptor = descriptor
        self._answers = self.client.makefile("rb")

    def send(self, content: bytes) -> list[Command]:
        """The commands that the server makes of it."""
        found = list[Command]()
        for at in range(0, len(content), 65536):
            self.client.sendall(content[at : at + 65536])
            while self.server.owns(self.descriptor) and _readable(self.descriptor):
                found += self.server.receive(self.descriptor)
        return found

    def answer(self) -> dict[str, Any]:
        return dict(json.loads(self._answers.readline()))

    def close(self) -> None:
        self._answers.close()
        self.client.close()


def _readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ControlServer]:
    made = ControlServer(tmp_path / "control.sock")
    yield made
    made.close()


@pytest.fixture
def talk(server: ControlServer, tmp_path: Path) -> Iterator[Talk]:
    made = Talk(server, tmp_path / "control.sock")
    yield made
    made.close()


def works(talk: Talk) -> bool:
    (command,) = talk.send(b'{"command": "status", "by": "Ann"}\n')
    return (command.name, command.text("by")) == ("status", "Ann")


@pytest.mark.parametrize(
    "line",
    [b"[" * 60_000, b'{"command": ' + b"[" * 60_000, b"", b"\xff\xfe" * 30_000, b"[]", b"{}", b"3", b'"x"'],
    ids=["deep", "deep command", "empty", "no text", "list", "no command", "number", "text"],
)
def test_what_is_no_request_is_refused_and_the_next_one_is_taken(talk: Talk, line: bytes) -> None:
    assert talk.send(line + b"\n") == []
    answer = talk.answer()
    assert not answer["ok"]
    assert "not a request" in answer["message"]
    assert works(talk)


def test_a_request_that_is_too_long_is_refused_and_the_next_one_is_taken(talk: Talk) -> None:
    longest = b'{"command": "x", "note": "' + b"n" * (MAX_LINE - 28) + b'"}'
    assert len(talk.send(longest + b"\n")) == 1
    for line in (longest + b" ", b"x" * 10 * MAX_LINE):
        assert talk.send(line + b"\n") == []
        assert f"more than {MAX_LINE} bytes" in talk.answer()["message"]
    assert works(talk)


def test_a_line_without_end_is_not_kept(talk: Talk, server: ControlServer) -> None:
    for _ in range(20):
        talk.send(b"x" * MAX_LINE)
    assert len(server._clients[talk.descriptor].received) <= MAX_LINE


def test_who_reads_no_answers_is_dropped(talk: Talk, server: ControlServer) -> None:
    for _ in range(20):
        if server.owns(talk.descriptor):
            talk.send(b"\n" * 1000)
    assert not server.owns(talk.descriptor)


@pytest.mark.parametrize("given_as", [b"\\ud83d", "\udcfc".encode(errors="surrogatepass")])
def test_text_of_a_request_is_text_that_can_be_written(talk: Talk, given_as: bytes) -> None:
    (command,) = talk.send(b'{"command": "reset", "by": "M' + given_as + b'ller"}\n')
    assert command.text("by").encode() == b"M?ller"


def test_an_answer_is_for_who_asked_alone(talk: Talk, server: ControlServer, tmp_path: Path) -> None:
    (asked,) = talk.send(b'{"command": "reset"}\n')
    talk.close()
    assert server.receive(talk.descriptor) == []
    other = Talk(server, tmp_path / "control.sock")
    assert other.descriptor == talk.descriptor, "the descriptor is the next client's"
    server.answer(asked.client, ok=True, message="reset done")
    (asked,) = other.send(b'{"command": "ack"}\n')
    server.answer(asked.client, ok=False, message="refused")
    assert other.answer()["message"] == "refused"
    other.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.binary(max_size=300) | st.text('{}[]",:command\\ud8', max_size=80).map(str.encode), max_size=6
    )
)
def test_no_bytes_end_it(talk: Talk, parts: list[bytes]) -> None:
    lines = (b"".join(parts) + b"\n").count(b"\n")
    commands = talk.send(b"".join(parts) + b"\n")
    for _ in range(lines - len(commands)):
        assert not talk.answer()["ok"]
    assert works(talk)


def test_without_a_free_descriptor_clients_are_turned_away_and_later_taken(
    server: ControlServer, tmp_path: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket(socket.AF_UNIX) as early, socket.socket(socket.AF_UNIX) as late:
        early.connect(str(tmp_path / "control.sock"))
        early.settimeout(10)
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")), before[1]))
        held = list[int]()
        try:
            while True:
                held.append(os.dup(0))
        except OSError:
            assert server.accept() is None
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
            for one in held:
                os.close(one)
        assert early.recv(1) == b"", "it is told at once"
        assert not _readable(server.listener), "nothing is left that would wake the loop again and again"
        late.connect(str(tmp_path / "control.sock"))
        assert server.accept() is not None
