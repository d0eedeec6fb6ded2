"""`fieldstack jog`: a held key is one that repeats; one press moves nothing; the terminal is put back."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from fieldstack.cli import jog
from fieldstack.cli.exit_codes import ExitCode
from fieldstack.cli.screen.held_key import REPEATS_WITHIN_S, HeldKey
from fieldstack_base.control.client import Answer

MAIN = "from fieldstack.cli.entry import fieldstack; fieldstack()"
GAP_S = REPEATS_WITHIN_S * 2


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other end of a terminal that is standard input."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        yield ours
    os.close(ours)


def press(keyboard: int, keys: bytes) -> None:
    os.write(keyboard, keys)


def test_one_press_holds_nothing_repeats_do_until_they_end(keyboard: int) -> None:
    with HeldKey() as key:
        press(keyboard, b"+")
        assert not key.poll(1.0)
        press(keyboard, b"+")
        assert not key.poll(1.0)
        press(keyboard, b"+")
        assert key.poll(1.0)
        assert abs(time.monotonic_ns() - key.last_ns) < 1e9
        time.sleep(GAP_S)
        assert not key.poll(0.0)
        press(keyboard, b"+")
        assert not key.poll(1.0), "it begins again"


def test_another_key_lets_go_and_q_ends(keyboard: int) -> None:
    with HeldKey() as key:
        for _ in range(4):
            press(keyboard, b"+")
            key.poll(1.0)
        assert key.poll(0.0)
        press(keyboard, b"x")
        assert not key.poll(1.0)
        press(keyboard, b"q")
        assert not key.poll(1.0)
        assert key.quit


def test_the_terminal_is_put_back_whatever_happens(keyboard: int) -> None:
    assert os.isatty(keyboard)
    before = termios.tcgetattr(sys.stdin.fileno())
    with contextlib.suppress(RuntimeError), HeldKey():
        assert termios.tcgetattr(sys.stdin.fileno()) != before
        raise RuntimeError
    assert termios.tcgetattr(sys.stdin.fileno()) == before


class Held:
    """The connection, as the command uses it."""

    def __init__(self, ends_after: int = 10**9, why: str = "at its limit", *, reached: bool = True) -> None:
        self.asked: list[str] = []
        self._ends_after, self._why, self._reached = ends_after, why, reached

    def begin(self, _axis: str, _direction: str, _percent: float, _held_ns: int, _by: str) -> Answer:
        return self._answer("begin")

    def renew(self, _held_ns: int) -> Answer:
        return self._answer("renew")

    def release(self) -> Answer:
        return self._answer("release")

    def _answer(self, what: str) -> Answer:
        self.asked.append(what)
        over = len(self.asked) > self._ends_after
        ended = self._why if over else "let go" if what == "release" else ""
        return Answer(
            True, "", {"ended": ended, "reached": over and self._reached, "position": 1.0, "unit": "mm"}
        )


ARGUMENTS = ("y", "-", 100.0)


def follow(held: Held, seconds: float) -> ExitCode:
    return jog._follow(jog.TimedHold(seconds), held, ARGUMENTS)  # type: ignore[arg-type]


def test_for_a_time_it_is_begun_renewed_often_and_let_go() -> None:
    held = Held()
    assert follow(held, 0.5) is ExitCode.OK
    assert (held.asked[0], held.asked[-1]) == ("begin", "release")
    assert held.asked.count("renew") >= 3
    assert jog.RENEW_S < 0.1


@pytest.mark.parametrize(("reached", "code"), [(True, ExitCode.OK), (False, ExitCode.FAILED)])
def test_what_ends_it_before_is_told(
    reached: bool, code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    assert follow(Held(2, "at its end", reached=reached), 30.0) is code
    told = capsys.readouterr()
    assert "axis y: at its end, at 1.000 mm" in (told.out if reached else told.err)


def test_ctrl_c_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held()

    def interrupt(_seconds: float) -> None:
        if held.asked.count("renew") == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        follow(held, 30.0)
    assert held.asked == ["begin", "renew", "renew", "release"]


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (("y", "*", "--for", "1s"), "+ or -", ExitCode.USAGE),
        (("y", "-"), "no terminal", ExitCode.USAGE),
        (("y", "-", "--for", "61s"), "at most 60 s", ExitCode.USAGE),
        (("y", "-", "--for", "1s"), "does not answer", ExitCode.NOT_RUNNING),
    ],
)
def test_wrong_use_and_no_cell_are_told(
    arguments: tuple[str, ...], says: str, code: ExitCode, tmp_path: Path
) -> None:
    environment = {**os.environ, "FIELDSTACK_RUNTIME_DIR": str(tmp_path)}
    command = [sys.executable, "-c", MAIN, "jog", *arguments, "--instance", "none"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr


def test_the_help_says_how_it_is_held(capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    jog.add_to(app)
    with pytest.raises(SystemExit):
        app(["--help"])
    assert "hold a key down" in " ".join(capsys.readouterr().out.split())
