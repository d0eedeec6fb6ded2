"""The virtual cable of a cell: the names of its two interfaces, and the segment that is at its far end.

`fieldstack up` and its takedown use it, and `fieldstack segment cable` for systemd's units.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fieldstack_base.instance import Instance

NAME_ROOM = 10
"""How many characters of an instance's name fit into an interface's name."""
SEGMENT_MODULE = "fieldstack_ethercat.segment"


@dataclass(frozen=True, slots=True)
class Cable:
    """The two ends of the virtual cable: the master's and the segment's interface."""

    master: str
    segment: str

    @classmethod
    def of(cls, instance: Instance) -> Cable:
        """Names that differ for each instance, within the kernel's 15 characters."""
        name = instance.name
        if len(name) > NAME_ROOM:
            name = name[:4] + hashlib.sha256(name.encode()).hexdigest()[: NAME_ROOM - 4]
        return cls(f"fs-{name}-m", f"fs-{name}-s")


def segments_of(instance: Instance, proc: Path = Path("/proc")) -> Iterator[int]:
    """Pids of virtual segments on this instance's cable and socket, found by their command lines."""
    cable = Cable.of(instance)
    wanted = {SEGMENT_MODULE, cable.segment, str(instance.segment_socket)}
    for folder in proc.glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if wanted <= set(words):
            yield int(folder.name)
