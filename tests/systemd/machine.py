"""A real systemd as PID 1: a container with this machine's root below a throw-away overlay, up in a second.

Needs root and systemd-nspawn (Debian: systemd-container), nothing is downloaded or built. It works where this
machine's own PID 1 is no systemd, with cgroup v1 and v2. The kernel, and so its CPUs, are this machine's.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
BOOT_S = 60.0
LIFE_S = 300
"""After so long the container ends by itself, whatever became of the test."""
CAPABILITIES = "CAP_IPC_LOCK,CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYS_NICE"
TARGET = """[Unit]
Requires=basic.target dbus.socket
After=basic.target dbus.socket
AllowIsolate=yes
"""
MASKED = ("timers.target", "systemd-update-utmp.service", "systemd-timesyncd.service", "getty.target")
_HIDDEN = ("/tmp", "/run", "/dev", "/proc", "/sys")
"""What the container has of its own, so that what lies there has to be bound into it."""


def unavailable() -> str:
    """Why no such container can be had here, with the remedy; empty: it can."""
    if os.geteuid() != 0:
        return "a systemd of its own needs root"
    programs = {"systemd-nspawn": "systemd-container", "nsenter": "util-linux", "dbus-daemon": "dbus"}
    for program, package in programs.items():
        if shutil.which(program, path="/usr/sbin:/sbin:" + os.environ.get("PATH", "")) is None:
            return f"{program} is missing: apt-get install {package}"
    if not any(Path(place, "polkitd").exists() for place in ("/usr/lib/polkit-1", "/usr/libexec")):
        return "polkit is missing: apt-get install polkitd"
    return ""


@dataclass
class Machine:
    """One booted container; a context manager. `files`: what is laid over its root, by path."""

    folder: Path
    files: dict[str, str] = field(default_factory=dict)
    _nspawn: subprocess.Popen[bytes] | None = None
    _leader: int = 0

    # ---- boot ----

    def __enter__(self) -> Machine:
        self._stage()
        script = self.folder / "boot.sh"
        script.write_text(self._script(), encoding="utf-8")
        with (self.folder / "console.log").open("wb") as console:
            self._nspawn = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", str(script)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        try:
            self._await_boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _stage(self) -> None:
        given = {"etc/systemd/system/fieldstack-test.target": TARGET, **self.files}
        for path, text in given.items():
            file = self.folder / "files" / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            file.chmod(0o755 if text.startswith("#!") else 0o644)
        for unit in MASKED:
            (self.folder / "files/etc/systemd/system" / unit).symlink_to("/dev/null")

    @property
    def _name(self) -> str:
        return f"fieldstack-test-{os.getpid()}"

    def _script(self) -> str:
        """Mounts of its own, which end with it; then systemd-nspawn in cgroups of its own."""
        work, files = self.folder / "overlay", self.folder / "files"
        work.mkdir()
        root = work / "root"
        lines = [
            "set -eu",
            f"mount -t tmpfs tmpfs {work}",
            f"mkdir {work}/upper {work}/work {root}",
            f"mount -t overlay overlay -o lowerdir=/,upperdir={work}/upper,workdir={work}/work {root}",
            f"cp -R --no-dereference --preserve=mode {files}/. {root}/",
            f"systemd-sysusers --root={root} {REPOSITORY}/systemd/fieldstack.sysusers",
            *(f"chmod o+x {root}{parent}" for parent in _closed_parents()),
            *(f"echo $$ > {group}/cgroup.procs" for group in self._groups()),
            f"exec timeout -k 10 {LIFE_S} {shlex.join(self._command(root))}",
        ]
        return "\n".join(lines) + "\n"

    def _command(self, root: Path) -> list[str]:
        keep = [] if _systemd_here() else ["--keep-unit"]
        binds = [f"--bind-ro={path}" for path in _needed() if not _visible(path)]
        return [
            *("env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", "systemd-nspawn", "--quiet", "-D", str(root)),
            *(f"--machine={self._name}", "--register=no", *keep, "--private-network", "--boot"),
            *("--console=pipe", "--link-journal=no", f"--capability={CAPABILITIES}", *binds),
            *("--", "systemd.unit=fieldstack-test.target", "systemd.show_status=0"),
        ]

    def _groups(self) -> list[Path]:
        """Cgroups to boot in, made here. Where PID 1 is no systemd, nobody else makes one for nspawn.

        The root of a v1 cpu hierarchy is the only group that is sure to have a real-time budget.
        """
        if _systemd_here():
            return []
        own, cpu = _hierarchies()
        made = [group / self._name for group in own]
        for group in made:
            group.mkdir(exist_ok=True)
        return [*made, *cpu]

    def _await_boot(self) -> None:
        until = time.monotonic() + BOOT_S
        state = ""
        while state not in ("running", "degraded"):
            assert self._nspawn is not None
            if self._nspawn.poll() is not None or time.monotonic() > until:
                text = (self.folder / "console.log").read_text(errors="replace")
                raise RuntimeError(f"the container did not boot (systemd says {state!r}):\n{text}")
            self._leader = self._leader or self._find_leader()
            if self._leader:
                state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
            time.sleep(0.02)

    def _find_leader(self) -> int:
        """The container's PID 1: a grandchild of `timeout`, which the script became."""
        assert self._nspawn is not None
        for nspawn in _children(self._nspawn.pid):
            for child in _children(nspawn):
                with contextlib.suppress(OSError):
                    if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                        return child
        return 0

    # ---- use ----

    def enter(self, *command: str) -> list[str]:
        """The command line that runs `command` as root inside."""
        return ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", *command]

    def run(self, *command: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs a command inside to its end; AssertionError with its output if it fails."""
        done = subprocess.run(
            self.enter(*command), capture_output=True, text=True, timeout=timeout, check=False
        )
        assert not check or done.returncode == 0, f"{shlex.join(command)}: {done.stdout}{done.stderr}"
        return done

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Properties of a unit as systemd tells them."""
        text = self.run("systemctl", "show", unit, f"--property={','.join(properties)}").stdout
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def journal(self, *arguments: str) -> list[dict[str, Any]]:
        """Entries of the journal, oldest first."""
        text = self.run("journalctl", "--output=json", "--quiet", "--no-pager", *arguments).stdout
        return [json.loads(line) for line in text.splitlines()]

    # ---- end ----

    def __exit__(self, *_: object) -> None:
        if self._leader:  # once nspawn is gone, nobody else would end it
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._leader, signal.SIGKILL)
        if self._nspawn is not None:
            try:
                self._nspawn.wait(20)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait()
        if not _systemd_here():
            for group in _hierarchies()[0]:
                _remove_groups(group / self._name)


def _systemd_here() -> bool:
    return Path("/run/systemd/system").is_dir()


def _hierarchies() -> tuple[list[Path], list[Path]]:
    """Cgroup mounts to have a group of our own in (v2, and v1's named one), and v1's cpu hierarchy."""
    own, cpu = list[Path](), list[Path]()
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, options = line.split()[:4]
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options):
            own.append(Path(place))
        elif kind == "cgroup" and "cpu" in options.split(","):
            cpu.append(Path(place))
    return own, cpu


def _remove_groups(top: Path) -> None:
    for folder, _, _ in os.walk(top, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _needed() -> list[Path]:
    """What the processes inside need of this machine: the code, and this interpreter."""
    found = {REPOSITORY, Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]}
    return sorted(found)


def _visible(path: Path) -> bool:
    """Whether it is seen through the overlay of the root: no other file system, nothing that is hidden."""
    hidden = any(path.is_relative_to(place) for place in _HIDDEN)
    return not hidden and path.stat().st_dev == Path("/").stat().st_dev


def _closed_parents() -> list[Path]:
    """Folders on the way there that only their owner may enter: a cell's user is not root."""
    parents = {parent for path in _needed() for parent in (path, *path.parents)}
    return [one for one in sorted(parents) if not one.stat().st_mode & 0o001 and _visible(one)]
