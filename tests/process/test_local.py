"""The local process manager with real processes: sessions, adoption, pid reuse, stops that are ignored."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fieldstack.process import Ended, LocalProcessManager, ProcessStartError
from fieldstack.process.identity import Identity, identify, open_pidfd, read_pid_file, write_pid_file

Make = Callable[..., LocalProcessManager]
SLEEPER = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
)
FAILING = (sys.executable, "-c", "import sys; print('no bus', file=sys.stderr); sys.exit(3)")


def wait_for(what: Callable[[], object], timeout_s: float = 10.0) -> None:
    until = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < until, "time is up"
        time.sleep(0.005)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., LocalProcessManager]]:
    made: list[LocalProcessManager] = []

    def build(**commands: tuple[str, ...]) -> LocalProcessManager:
        made.append(LocalProcessManager(commands, tmp_path))
        return made[-1]

    yield build
    for manager in made:
        for name in ("rt", "core"):
            manager.kill(name)
            wait_for(lambda m=manager, n=name: m.handle(n) is None)  # type: ignore[misc]
        manager.tick()


def ended(manager: LocalProcessManager, name: str = "rt") -> Ended:
    wait_for(lambda: manager.ended(name))
    found = manager.ended(name)
    assert found is not None
    return found


def test_a_process_has_a_session_of_its_own_and_no_inherited_descriptors(make: Make, tmp_path: Path) -> None:
    leak = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leak, True)
    handle = make(rt=SLEEPER).start("rt")
    assert os.getsid(handle.pid) == handle.pid
    wait_for(lambda: (tmp_path / "rt.log").read_text() == "up\n")
    assert len(os.listdir(f"/proc/{handle.pid}/fd")) == 3
    os.close(leak)


def test_an_end_is_told_with_its_cause(make: Make) -> None:
    manager = make(rt=SLEEPER)
    handle = manager.start("rt")
    assert manager.ended("rt") is None
    os.kill(handle.pid, signal.SIGKILL)
    assert ended(manager) == Ended(handle.pid, -9, "killed by SIGKILL")
    assert manager.handle("rt") is None


def test_a_failure_is_told_with_the_processes_last_words(make: Make) -> None:
    manager = make(rt=FAILING)
    manager.start("rt")
    assert ended(manager).text == "exit status 3, last words: no bus"


def test_a_stop_that_is_ignored_ends_in_sigkill(make: Make, tmp_path: Path) -> None:
    manager = make(rt=STUBBORN)
    manager.start("rt")
    wait_for((tmp_path / "rt.log").read_text)
    manager.stop("rt", 0.1)
    manager.tick()
    assert manager.handle("rt") is not None
    time.sleep(0.12)
    manager.tick()
    assert ended(manager).status == -9


def test_a_stopped_process_can_be_stopped(make: Make) -> None:
    manager = make(rt=SLEEPER)
    handle = manager.start("rt")
    os.kill(handle.pid, signal.SIGSTOP)
    manager.stop("rt", 5.0)
    assert ended(manager).status == -15


def test_a_new_manager_adopts_what_runs(make: Make) -> None:
    handle = make(rt=SLEEPER).start("rt")
    other = make(rt=SLEEPER)
    adopted = other.adopt("rt")
    assert adopted is not None
    assert (adopted.pid, adopted.adopted) == (handle.pid, True)
    os.kill(handle.pid, signal.SIGKILL)
    found = ended(other)
    assert (found.pid, found.status) == (handle.pid, None)


def test_processes_outlive_a_manager_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from fieldstack.process import LocalProcessManager;"
        f"m = LocalProcessManager({{'rt': {SLEEPER!r}}}, Path(sys.argv[1]));"
        "print(m.start('rt').pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    heir = LocalProcessManager({"rt": SLEEPER}, tmp_path)
    adopted = heir.adopt("rt")
    assert adopted is not None
    assert adopted.pid == pid
    heir.kill("rt")
    wait_for(lambda: heir.handle("rt") is None)


def test_a_pid_that_means_another_process_now_is_never_signalled(make: Make, tmp_path: Path) -> None:
    bystander = subprocess.Popen(SLEEPER, stdout=subprocess.DEVNULL)
    real = identify(bystander.pid)
    assert real is not None
    for forged in (
        Identity(real.pid, real.start_ticks - 1, real.boot),
        Identity(real.pid, real.start_ticks, "another run of the machine"),
    ):
        write_pid_file(tmp_path / "rt.pid", forged)
        manager = make(rt=SLEEPER)
        assert manager.adopt("rt") is None
        manager.kill("rt")
        assert open_pidfd(forged) is None
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    assert open_pidfd(real) is None


def test_damaged_pid_files_mean_no_process(tmp_path: Path) -> None:
    path = tmp_path / "rt.pid"
    for content in ("", "12", "[]", '{"pid": "x"}', "\xff"):
        path.write_text(content, encoding="latin-1")
        assert read_pid_file(path) is None


def test_a_program_that_is_not_there_is_named(make: Make) -> None:
    with pytest.raises(ProcessStartError, match="no-such-program"):
        make(rt=("/no-such-program",)).start("rt")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
@pytest.mark.parametrize("have_log", [False, True])
def test_a_full_runtime_folder_is_told_with_file_and_remedy(tmp_path: Path, *, have_log: bool) -> None:
    """With room for the log alone the process is there already when its pid cannot be written down."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,nr_inodes=8", "none", str(tmp_path)], check=True)
    try:
        manager = LocalProcessManager({"rt": SLEEPER}, tmp_path)
        if have_log:
            (tmp_path / "rt.log").touch()
        for number in range(8):
            with contextlib.suppress(OSError):
                (tmp_path / f"ballast{number}").write_bytes(bytes(4096))
        wanted = "rt.pid.tmp" if have_log else "rt.log"
        with pytest.raises(ProcessStartError, match=rf"No space left on device: .*{wanted}; make room for"):
            manager.start("rt")
        manager.keep_spare("rt")
        assert manager.handle("rt") is None
        for number in range(8):
            (tmp_path / f"ballast{number}").unlink(missing_ok=True)
        manager.start("rt")
        manager.kill("rt")
        assert ended(manager).text == "killed by SIGKILL"
        manager.close()
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_restart_does_not_wait_for_the_tear_down_and_reaps_it_later(make: Make) -> None:
    manager = make(rt=SLEEPER)
    first = manager.start("rt")
    manager.kill("rt")
    second = manager.start("rt")
    assert second.pid != first.pid
    late: list[tuple[str, Ended]] = []

    def reaped() -> bool:
        manager.tick()
        late.extend(manager.take_late_ends())
        return bool(late)

    wait_for(reaped)
    assert late == [("rt", Ended(first.pid, -9, "killed by SIGKILL"))]


def test_a_log_is_bounded_while_it_is_written(tmp_path: Path) -> None:
    noisy = (sys.executable, "-c", "while True: print('n' * 100, flush=True)")
    manager = LocalProcessManager({"rt": noisy}, tmp_path, log_bytes=20_000)
    manager.start("rt")
    wait_for(lambda: (tmp_path / "rt.log").stat().st_size > 20_000)
    manager._bound_at = 0.0
    manager.kill("rt")
    wait_for(lambda: manager.handle("rt") is None)
    manager.tick()
    assert (tmp_path / "rt.log").stat().st_size <= 20_000
    assert (tmp_path / "rt.log.1").exists()
