"""The control socket of the Main Core: what it refuses, and that it answers whatever it is asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fieldstack.tasks.control.command_handler import TaskCommandHandler
from fieldstack.tasks.control.command_server import TaskCommandServer
from fieldstack.tasks.control.loop_queue import LoopQueue
from fieldstack.tasks.state.stored_task import StoredTask
from fieldstack_base.control.client import Answer, request
from fieldstack_rt.datastore.layout import Stop
from tests.tasks.bench_cell import BenchCell, module_of

CALL = "id: t\nsteps: [{call: {name: weigh, arguments: %s}}]\n"


class Loop:
    """The feeding loop of a process: makes passes until it is stopped."""

    def __init__(self, cell: BenchCell, path: Path) -> None:
        self._wake, self._end = threading.Event(), False
        self.loop_queue = LoopQueue(self._wake, timeout_s=0.3)
        self.handler = TaskCommandHandler(
            cell.executor, cell.calls, cell.files, self.loop_queue, room=8192, injector=None
        )
        self._path = path
        self._server = TaskCommandServer(path, self.handler)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._end:
            self._wake.wait(5)
            self._wake.clear()
            self.loop_queue.work()

    def ask(self, command: str, **fields: Any) -> Answer:
        return request(self._path, command, 10.0, **fields)

    def stop(self) -> None:
        """No pass is made any more."""
        self._end = True
        self._wake.set()
        self._thread.join(5)

    def close(self) -> None:
        self.stop()
        self._server.close()


@pytest.fixture
def cell(make_cell: Callable[..., BenchCell]) -> BenchCell:
    return make_cell(entries=module_of(weigh=lambda **_: None))


@pytest.fixture
def loop(cell: BenchCell, tmp_path: Path) -> Iterator[Loop]:
    made = Loop(cell, tmp_path / "core.sock")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("arguments", "key", "says"),
    [
        ("{due: {2026-01-01: x}}", "arguments.due.2026-01-01", "a key of type date"),
        ("{due: 2026-01-01}", "arguments.due", "a value of type date"),
        ("{a: [1, {b: !!binary aGk=}]}", "arguments.a[1].b", "a value of type bytes"),
        ("{a: .nan}", "arguments.a", "no such number"),
        (f"{{a: {'[' * 20 + ']' * 20}}}", "arguments.a", "nested more than"),
    ],
)
def test_arguments_that_are_no_json_are_refused_with_their_key(
    loop: Loop, arguments: str, key: str, says: str
) -> None:
    answer = loop.ask("submit", text=CALL % arguments, file="t.yaml")
    assert not answer.accepted
    (issue,) = answer.data["issues"]
    assert key in issue
    assert says in issue
    assert loop.ask("submit", text=CALL % "{a: [1, 2.5, null, {b: x}]}", file="t.yaml").accepted


def test_a_task_whose_call_can_not_be_used_is_refused_with_why(loop: Loop, cell: BenchCell) -> None:
    cell.calls.broken["weigh"] = "scales:weigh: ModuleNotFoundError: No module named 'scales'"
    answer = loop.ask("submit", text=CALL % "{}", file="t.yaml")
    assert not answer.accepted
    assert "cannot be used: scales:weigh: ModuleNotFoundError" in answer.data["issues"][0]


def test_a_fault_in_a_command_is_a_refusal_and_the_next_one_is_answered(
    loop: Loop, cell: BenchCell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cell.executor.table, "check_new", lambda *_: dict[str, int]()["nothing"])
    refused = loop.ask("submit", text=CALL % "{}")
    assert not refused.accepted
    assert "KeyError" in refused.message
    assert "Traceback" in capsys.readouterr().err
    assert loop.ask("list").accepted


def test_what_is_nested_without_end_is_no_request(loop: Loop, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect(str(tmp_path / "core.sock"))
        client.sendall(b'{"command": ' + b"[" * 50_000 + b"\n")
        assert b"not a request" in client.recv(4096)
    assert loop.ask("list").accepted


def test_a_submission_that_the_loop_does_not_take_is_accepted_or_leaves_nothing(
    loop: Loop, cell: BenchCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never refused and yet begun: once its file is there, it begins when Core is at work again."""
    save = cell.files.save

    def save_and_stop(task: StoredTask) -> None:
        save(task)
        loop.stop()

    monkeypatch.setattr(cell.files, "save", save_and_stop)
    answer = loop.ask("submit", text="id: t\nsteps: [{wait: {ms: 20}}]\n")
    assert answer.accepted
    assert "begins when the Main Core is at work again" in answer.message
    assert list(cell.files.load()) == ["t"]
    assert not loop.ask("submit", text="id: u\nsteps: [{wait: {ms: 20}}]\n").accepted
    assert list(cell.files.load()) == ["t"]
    loop.loop_queue.work()
    assert list(cell.executor.table.tasks) == ["t"]
    cell.crash()
    cell.until(cell.ended)
    assert cell.task().phase == "done"


def test_what_came_too_late_is_not_done(loop: Loop, cell: BenchCell) -> None:
    loop.stop()
    assert "made no pass within" in loop.ask("reallocate", group="all").message
    loop.loop_queue.work()
    assert cell.executor.groups.out_of_use == ()


def test_a_submission_says_what_it_waits_for(loop: Loop, cell: BenchCell) -> None:
    cell.facts = replace(cell.facts, stop=Stop.START, stops=(Stop.START,) * 4)
    cell.pass_()
    text = "id: t\nneeds: {group: all}\nsteps: [{move: {to: {x: 1}}}]\n"
    assert "its axes wait for a start: `fieldstack start`" in loop.ask("submit", text=text).message


def test_a_task_that_an_operator_triggers_says_so_with_the_command(loop: Loop) -> None:
    text = (
        "id: t\nmode: TRIGGERED\ntrigger: {operator: true}\nneeds: {group: all}\nsteps: [{wait: {ms: 20}}]\n"
    )
    told = "for its trigger: `fieldstack task trigger t`"
    assert loop.ask("submit", text=text).message == f"task 't' submitted; it waits: {told}"
    assert loop.ask("status", id="t").data["task"]["doing"] == f"waits {told}"
