"""Instances: several cells on one machine, each with its own names and folders.

Every process and every `fieldstack` command takes its names and folders from it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_INSTANCE = "cell"
SYSTEM_RUNTIME = Path("/run/fieldstack")
SYSTEM_STATE = Path("/var/lib/fieldstack")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,23}")


class InstanceNameError(ValueError):
    """The name of the instance is not valid in file, shared-memory and unit names."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"instance name {name!r} is not allowed: use 1 to 24 lower-case letters, digits and '-', "
            "beginning with a letter or digit, for example --instance cell-2"
        )
        self.name = name


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)


def runtime_roots(environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """The folders in which cells may have their runtime folders: FIELDSTACK_RUNTIME_DIR, else /run/fieldstack
    and the user's own."""
    if chosen := environment.get("FIELDSTACK_RUNTIME_DIR"):
        return (Path(chosen),)
    if user := environment.get("XDG_RUNTIME_DIR"):
        return SYSTEM_RUNTIME, Path(user) / "fieldstack"
    return SYSTEM_RUNTIME, Path(f"/tmp/fieldstack-{os.getuid()}/run")  # noqa: S108 - made with mode 0700


def _state_roots() -> tuple[Path, ...]:
    """As `runtime_roots`: FIELDSTACK_STATE_DIR, else /var/lib/fieldstack and the user's own."""
    if chosen := os.environ.get("FIELDSTACK_STATE_DIR"):
        return (Path(chosen),)
    if user := os.environ.get("XDG_STATE_HOME"):
        return SYSTEM_STATE, Path(user) / "fieldstack"
    home = Path(os.environ.get("HOME", "/nonexistent"))
    if _writable(home):
        return SYSTEM_STATE, home / ".local/state/fieldstack"
    return SYSTEM_STATE, Path(f"/tmp/fieldstack-{os.getuid()}/state")  # noqa: S108 - made with mode 0700


def folder_in(roots: tuple[Path, ...], name: str) -> Path:
    """An instance's folder: in the first root if this user may read it there, or make it; else the last."""
    system = roots[0]
    if os.access(system / name, os.R_OK | os.X_OK) or _writable(system) or _writable(system.parent):
        return system / name
    return roots[-1] / name


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
        return folder_in(runtime_roots(), self.name)

    @property
    def state_dir(self) -> Path:
        """Event log, checkpoints, restart budgets: kept."""
        return folder_in(_state_roots(), self.name)

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
        """The settings with which the Main Core process starts."""
        return self.runtime_dir / "core.json"

    @property
    def plan_file(self) -> Path:
        """The validated bus configuration as the RT process reads it."""
        return self.runtime_dir / "bus.json"

    @property
    def policy_cache(self) -> Path:
        """The last policy that was compiled."""
        return self.runtime_dir / "policy.compiled.json"

    @property
    def liveness_file(self) -> Path:
        """When a process counts as silent, by the policy in force."""
        return self.runtime_dir / "liveness.json"

    def pid_file(self, process: str) -> Path:
        return self.runtime_dir / f"{process}.pid"

    def prepare(self) -> None:
        """Make both folders, for the owner (and root) alone."""
        for folder in (self.runtime_dir, self.state_dir):
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
