"""Keeps RT's packet sockets open beyond RT's own end, so that a killed RT process is gone at once.

RTExecutive starts it. Whoever closes a packet socket last waits for a grace period of the kernel
(net/packet/af_packet.c, packet_release: synchronize_net; 10 to 20 ms), and a process that is killed closes
its sockets before it has ended. So the last is `cat`: it has copies that it never touches, and input that
never comes; it ends with RT.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from fieldstack_rt.realtime import Degraded

CAT = "/bin/cat"


class SocketKeeper:
    """One child process; `close` in an orderly end."""

    def __init__(self) -> None:
        self._pid = 0
        self._input = -1

    def start(self, sockets: Sequence[int]) -> Degraded | None:
        """None if it runs, or has nothing to keep."""
        if not sockets:
            return None
        reading, self._input = os.pipe2(os.O_CLOEXEC)
        same = [(os.POSIX_SPAWN_DUP2, number, number) for number in sockets]  # inherited whatever its flags
        try:
            self._pid = os.posix_spawn(
                CAT,
                [CAT],
                {"PATH": "/bin"},
                file_actions=[(os.POSIX_SPAWN_DUP2, reading, 0), *same],
                setpgroup=0,
                setsigmask=(),
                setsigdef=(signal.SIGTERM, signal.SIGINT),
            )
        except OSError as error:
            self.close()
            return Degraded(f"a killed RT process is gone 10 to 20 ms later: {error}", f"install {CAT}")
        finally:
            os.close(reading)
        return None

    def close(self) -> None:
        if self._input >= 0:
            os.close(self._input)
            self._input = -1
        if self._pid:
            os.waitpid(self._pid, 0)
            self._pid = 0
