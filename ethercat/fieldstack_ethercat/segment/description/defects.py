"""Names what a virtual drive can be out of order in: a fault to order, not a state that it shows.

`fieldstack segment`, the failover bench and the tests order them by these names.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, IntFlag


class Defect(IntFlag):
    """As `enum fs_drive_defect` (native/drive402.h). Commands are ignored in Operation enabled."""

    QUICK_STOP = 1
    """Ignores that command."""
    DISABLE_VOLTAGE = 2
    SHUTDOWN = 4
    """Ignores shutdown and disable operation."""
    CONTROLWORD = 8
    """Ignores all commands: the last one that it obeyed stays in force."""
    SETPOINTS = 16
    """Goes on at the speed that it has."""
    AL = 32
    """Goes on by its last outputs when these are not valid any more, below OP, too."""
    VELOCITY = 64
    """Shows no velocity in 0x606C."""
    POSITION = 128
    """Shows no motion in 0x6064."""


class ObjectFault(IntEnum):
    """How an object of a slave's dictionary is out of order."""

    NONE = 0
    ABSENT = 1
    READ_ONLY = 2
    FORGETS = 3
    """It takes a value without complaint and keeps the one that it had."""


def defects_of(words: Iterable[str]) -> Defect:
    """`quick-stop`, `disable-voltage` ... as people write them. ValueError names those that are known."""
    found = Defect(0)
    for word in words:
        try:
            found |= Defect[word.replace("-", "_").upper()]
        except KeyError:
            raise ValueError(f"{word!r} is no defect of a drive; known are: {', '.join(WORDS)}") from None
    return found


WORDS = tuple(str(one.name).lower().replace("_", "-") for one in Defect)
