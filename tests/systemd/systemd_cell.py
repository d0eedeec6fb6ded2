"""A cell whose processes are units of a real systemd, on a virtual segment, and what a test sees of it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.systemd.machine import REPOSITORY, Machine

PATIENCE_S = 45.0
"""Far beyond what a busy machine needs."""
_PROGRAM = """#!{python}
import sys
sys.path[:0] = {folders!r}
from {module} import main
sys.exit(main())
"""
_PROGRAMS = {
    "fieldstack": "fieldstack.cli.main",
    "fieldstack-rt": "fieldstack.cli.rt",
    "fieldstack-nonrt": "fieldstack.cli.nonrt",
    "fieldstack-core": "fieldstack.cli.core",
    "fieldstack-health": "fieldstack.cli.health",
}
FOLDERS = [str(REPOSITORY / part) for part in ("", "base", "rt", "ethercat")]


def installation(*instances: str) -> dict[str, str]:
    """The files of an installed Fieldstack with configurations of these instances, by path."""
    units = REPOSITORY / "systemd"
    found = {f"etc/systemd/system/{file.name}": file.read_text() for file in units.glob("*@.*")}
    found["etc/polkit-1/rules.d/50-fieldstack.rules"] = (units / "fieldstack.rules").read_text()
    for name, module in _PROGRAMS.items():
        text = _PROGRAM.format(python=sys.executable, folders=FOLDERS, module=module)
        found[f"opt/fieldstack/bin/{name}"] = text
    config = REPOSITORY / "config"
    document = {
        "bus": str(config / "ethercat/cell.yaml"),
        "policy": str(config / "ha/failover_policy.json"),
        "core": {"speed_percent": 50, "dwell_ms": 10},
        "auto_start": True,
    }
    for instance in instances:
        health = {"health": {"enabled": instance == "bench"}}  # one machine, one port
        told = ["/bin/sh", "-c", f"cat >>/var/lib/fieldstack/{instance}/told"]
        alerts = {"alerts": {"channels": {"file": {"command": {"argv": told}}}}}
        found[f"etc/fieldstack/{instance}.yaml"] = yaml.safe_dump(document | health | alerts)
    return found


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.02)


class SystemdCell:
    """One instance in the container. `start` it, `stop` it; between that ask systemd and the cell."""

    def __init__(self, machine: Machine, instance: str) -> None:
        self.machine, self.instance = machine, instance
        self.target = f"fieldstack@{instance}.target"
        command = machine.enter("env", f"PYTHONPATH={':'.join(FOLDERS)}", sys.executable)
        self._agent = subprocess.Popen(
            [*command, str(Path(__file__).with_name("agent.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def unit(self, process: str) -> str:
        return f"fieldstack-{process}@{self.instance}.service"

    # ---- orders ----

    def start(self) -> None:
        self.machine.run("systemctl", "enable", "--quiet", self.unit("segment"))
        self.machine.run("systemctl", "start", self.target)
        self.await_operational()

    def stop(self) -> None:
        self.machine.run("systemctl", "stop", f"fieldstack*@{self.instance}.*")

    def reset(self) -> None:
        """A person's reset, repeated until the bus is well enough for it."""
        line = ["/opt/fieldstack/bin/fieldstack", "reset", "--note", "by a test", "--instance", self.instance]
        wait_for(lambda: self.machine.run(*line, check=False).returncode == 0, "the reset is accepted")

    def kill(self, process: str, name: str) -> int:
        """A signal to the unit's main process; its pid."""
        pid = self.pid(process)
        self.machine.run("kill", f"-{name}", str(pid))
        return pid

    # ---- what systemd and the cell say ----

    def show(self, process: str, name: str) -> str:
        return self.machine.show(self.unit(process), name)[name]

    def pid(self, process: str) -> int:
        return int(self.show(process, "MainPID"))

    def ask(self, what: str, **fields: Any) -> Any:
        """Of the agent; None if the cell cannot be asked at this moment."""
        assert self._agent.stdin is not None
        assert self._agent.stdout is not None
        self._agent.stdin.write(json.dumps({"what": what, "instance": self.instance, **fields}) + "\n")
        self._agent.stdin.flush()
        return json.loads(self._agent.stdout.readline()).get("value")

    def snapshot(self) -> dict[str, Any]:
        return dict(self.ask("snapshot") or {})

    def events(self, kind: str = "", since: int = 0) -> list[dict[str, Any]]:
        return [one for one in self.ask("events", since=since) or [] if kind in ("", one["kind"])]

    def last_event(self) -> int:
        return max((int(one["seq"]) for one in self.events()), default=0)

    @property
    def operational(self) -> bool:
        found = self.snapshot()
        return bool(found.get("operational")) and found["core"]["state"] == "running"

    def await_operational(self) -> None:
        wait_for(lambda: self.operational, f"the cell is operational\n{self.told()}")

    def told(self) -> str:
        """For the message of a failed test."""
        return self.machine.run("journalctl", "--no-pager", "-n", "60", "-o", "cat", check=False).stdout

    def close(self) -> None:
        self._agent.terminate()
        self._agent.wait(10)
        for pipe in (self._agent.stdin, self._agent.stdout):
            if pipe is not None:
                pipe.close()
