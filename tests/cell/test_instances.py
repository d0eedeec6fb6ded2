"""Where the files of a cell are that somebody else has started, or the same person with other settings."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fieldstack.cell.instances import folder_of
from fieldstack_base.instance import Instance

HERE = Instance("press-2")


@contextmanager
def running(environment: dict[str, str]) -> Iterator[int]:
    waits = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(waits, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_the_folder_is_the_one_that_its_processes_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running({"FIELDSTACK_RUNTIME_DIR": str(tmp_path / "theirs")}) as chosen, running({}) as usual:
        default = HERE.runtime_dir
        monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "mine"))
        assert folder_of(HERE, [chosen]) == tmp_path / "theirs/press-2"
        assert folder_of(HERE, [usual]) == default
        assert folder_of(HERE, []) == tmp_path / "mine/press-2"
        assert folder_of(HERE, [2**22 + 1, chosen]) == tmp_path / "theirs/press-2"
