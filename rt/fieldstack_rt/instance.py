"""Instances: several cells on one machine, each with its own names and folders."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_INSTANCE = "cell"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,23}")


class InstanceNameError(ValueError):
    """An instance name that can not serve in file, shared-memory and unit names."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"instance name {name!r} is not allowed: use 1 to 24 lower-case letters, digits and '-', "
            "beginning with a letter or digit, for example --instance cell-2"
        )
        self.name = name


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)


def runtime_root(environment: Mapping[str, str] = os.environ) -> Path:
    """FIELDSTACK_RUNTIME_DIR, else /run/fieldstack, else a folder of the user's own."""
    if chosen := environment.get("FIELDSTACK_RUNTIME_DIR"):
        return Path(chosen)
    if _writable(Path("/run/fieldstack")) or _writable(Path("/run")):
        return Path("/run/fieldstack")
    if user := environment.get("XDG_RUNTIME_DIR"):
        return Path(user) / "fieldstack"
    return Path(f"/tmp/fieldstack-{os.getuid()}/run")  # noqa: S108 - made with mode 0700


def _state_root() -> Path:
    """FIELDSTACK_STATE_DIR, else /var/lib/fieldstack, else a folder of the user's own."""
    if chosen := os.environ.get("FIELDSTACK_STATE_DIR"):
        return Path(chosen)
    if _writable(Path("/var/lib/fieldstack")) or _writable(Path("/var/lib")):
        return Path("/var/lib/fieldstack")
    if user := os.environ.get("XDG_STATE_HOME"):
        return Path(user) / "fieldstack"
    home = Path(os.environ.get("HOME", "/nonexistent"))
    if _writable(home):
        return home / ".local/state/fieldstack"
    return Path(f"/tmp/fieldstack-{os.getuid()}/state")  # noqa: S108 - made with mode 0700


@dataclass(frozen=True, slots=True)
class Instance:
    """Names and folders of one cell.

    Raises:
        InstanceNameError: the name would not be a valid part of a file or shared-memory name.
    """

    name: str = DEFAULT_INSTANCE

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InstanceNameError(self.name)

    @property
    def shm_name(self) -> str:
        return f"/fieldstack-{self.name}"

    @property
    def spool_name(self) -> str:
        """Shared memory with the events that are not on the disk yet."""
        return f"{self.shm_name}.events"

    @property
    def runtime_dir(self) -> Path:
        """Sockets, pid files, the validated bus plan: gone after a reboot."""
        return runtime_root() / self.name

    @property
    def state_dir(self) -> Path:
        """Event log, checkpoints, restart budgets: kept."""
        return _state_root() / self.name

    @property
    def segment_socket(self) -> Path:
        return self.runtime_dir / "segment.sock"

    @property
    def control_socket(self) -> Path:
        return self.runtime_dir / "nonrt.sock"

    @property
    def core_socket(self) -> Path:
        return self.runtime_dir / "core.sock"

    @property
    def core_settings_file(self) -> Path:
        """What the Main Core process is started with."""
        return self.runtime_dir / "core.json"

    @property
    def plan_file(self) -> Path:
        """The validated bus configuration as the RT process reads it."""
        return self.runtime_dir / "bus.json"

    @property
    def policy_cache(self) -> Path:
        """The policy as it was compiled last."""
        return self.runtime_dir / "policy.compiled.json"

    def pid_file(self, process: str) -> Path:
        return self.runtime_dir / f"{process}.pid"

    def prepare(self) -> None:
        """Make both folders, for the owner (and root) alone."""
        for folder in (self.runtime_dir, self.state_dir):
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
