"""Finds what is missing before a cell starts, with the command that installs or permits each item.

`fieldstack up`, `bus` and `prepare` show it; so do the benchmarks.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fieldstack_base.instance import Instance

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory is mounted
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
NATIVE_MODULES = {
    "fieldstack_rt._native": "the native cycle and guard",
    "fieldstack_ethercat.segment._native": "the virtual segment's frame path",
}


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """One missing item: what it is, what it is for, and the command or step that provides it."""

    what: str
    purpose: str
    remedy: str

    def text(self) -> str:
        return f"missing: {self.what} (for {self.purpose})\n    {self.remedy}"


class MissingPrerequisitesError(Exception):
    """The cell cannot start on this machine as it is; `missing` names everything that is missing."""

    def __init__(self, missing: tuple[Prerequisite, ...]) -> None:
        super().__init__("\n".join(one.text() for one in missing))
        self.missing = missing


def require_folders(instance: Instance) -> None:
    """Raises PermissionError if this instance has folders that this user may only read."""
    for folder in (instance.runtime_dir, instance.state_dir):
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(
                f"{folder} cannot be written by this user: instance {instance.name!r} is another's. "
                f"A cell of systemd is started with: systemctl start fieldstack@{instance.name}.target. "
                "For a cell of your own take another --instance"
            )


def complete_path() -> None:
    """Ordinary users' PATH lacks the folders of `ip`: add them."""
    path = os.environ.get("PATH", os.defpath)
    if "/usr/sbin" not in path.split(":"):
        os.environ["PATH"] = f"{path}:{SYSTEM_PATH}"


def missing_prerequisites(*, virtual: bool) -> tuple[Prerequisite, ...]:
    """Everything missing for a cell; `virtual`: on the virtual segment."""
    return tuple(_missing(virtual))


def _missing(virtual: bool) -> Iterator[Prerequisite]:
    for module, purpose in NATIVE_MODULES.items():
        if (virtual or "segment" not in module) and importlib.util.find_spec(module) is None:
            remedy = "build it: make setup   (in a checkout; or install the wheel again)"
            yield Prerequisite(f"the compiled module {module}", purpose, remedy)
    if virtual and shutil.which("ip") is None:
        yield Prerequisite("the ip command", "the virtual cable", "sudo apt-get install iproute2")
    if not os.access(SHARED_MEMORY, os.W_OK):
        remedy = f"sudo mount -t tmpfs -o mode=1777 tmpfs {SHARED_MEMORY}"
        yield Prerequisite(f"a writable {SHARED_MEMORY}", "the shared memory of the processes", remedy)


def require(*, virtual: bool) -> None:
    """Raises MissingPrerequisitesError if anything is missing."""
    if found := missing_prerequisites(virtual=virtual):
        raise MissingPrerequisitesError(found)
