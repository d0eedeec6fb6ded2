"""A ring of event lines in shared memory, between `append` of the log and the disk; it survives its process.

Every line that was put in reaches the log, whatever happens to the process: the next one that opens the spool
finds it. Putting a line in is a copy and waits for neither disk nor kernel. A power cut empties the spool;
the log's own thread makes its content durable within milliseconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os

import posix_ipc

MAGIC = 0x4653_5350_4F4F_4C31
_HEADER = 64
_WORDS = ("magic", "identity", "head", "tail")
_MAGIC, _IDENTITY, _HEAD, _TAIL = range(len(_WORDS))


class Spool:
    """One producer (under its caller's lock) and one consumer, which may be threads of one process.

    `name`: of the POSIX shared memory, for example `/fieldstack-cell.events`. None, or a name that cannot be
    used: plain memory, which ends with the process, and `degraded` says why. `identity`: of the log that it
    belongs to; lines of another log are dropped. One store moves the head after the line was copied, so
    SIGKILL leaves a complete line or none.
    """

    def __init__(self, name: str | None, size: int, identity: int) -> None:
        self.degraded = ""
        self._name = name
        self._lock = -1
        self._size = size
        self._memory = self._shared(name) if name else mmap.mmap(-1, _HEADER + size)
        self._words = memoryview(self._memory)[:_HEADER].cast("Q")
        if self._words[_MAGIC] != MAGIC or self._words[_IDENTITY] != identity or not self._plausible():
            self._format(identity)

    def _shared(self, name: str) -> mmap.mmap:
        try:
            return self._open(name)
        except (OSError, ValueError, posix_ipc.Error) as error:
            why = getattr(error, "strerror", None) or str(error)
            self.degraded = f"no shared memory for events ({why}): those of the last moment die with Non-RT"
            self._release()
            self._name = None
            return mmap.mmap(-1, _HEADER + self._size)

    def _open(self, name: str) -> mmap.mmap:
        shared = posix_ipc.SharedMemory(name, posix_ipc.O_CREAT, mode=0o600)
        self._lock = shared.fd
        fcntl.flock(shared.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(shared.fd).st_size != _HEADER + self._size:
            os.ftruncate(shared.fd, 0)
            os.posix_fallocate(shared.fd, 0, _HEADER + self._size)  # now, not as a SIGBUS later
        return mmap.mmap(shared.fd, _HEADER + self._size)

    def _plausible(self) -> bool:
        head, tail = self._words[_HEAD], self._words[_TAIL]
        return tail <= head <= tail + self._size

    def _format(self, identity: int) -> None:
        self._words[_MAGIC] = 0
        self._words[_HEAD] = self._words[_TAIL] = 0
        self._words[_IDENTITY] = identity
        self._words[_MAGIC] = MAGIC

    @property
    def pending(self) -> int:
        """The bytes that were put in and not yet taken."""
        return self._words[_HEAD] - self._words[_TAIL]

    def put(self, line: bytes) -> bool:
        """Put a line in; False if there is no room for it."""
        head = self._words[_HEAD]
        if len(line) > self._size - (head - self._words[_TAIL]):
            return False
        begin = _HEADER + head % self._size
        first = min(len(line), _HEADER + self._size - begin)
        self._memory[begin : begin + first] = line[:first]
        self._memory[_HEADER : _HEADER + len(line) - first] = line[first:]
        self._words[_HEAD] = head + len(line)
        return True

    def peek(self, limit: int = 1 << 20) -> bytes:
        """The oldest complete lines, about `limit` bytes of them; they stay until `take`."""
        count = min(self.pending, limit)
        found = self._copy(count)
        end = found.rfind(b"\n") + 1
        if end or count == self.pending:
            return found[:end]
        return self.peek(limit * 2)

    def _copy(self, count: int) -> bytes:
        begin = _HEADER + self._words[_TAIL] % self._size
        first = min(count, _HEADER + self._size - begin)
        return self._memory[begin : begin + first] + self._memory[_HEADER : _HEADER + count - first]

    def take(self, count: int) -> None:
        """The oldest `count` bytes are in the log: free their room."""
        self._words[_TAIL] += count

    def cut(self, count: int) -> None:
        """Keep only the oldest `count` bytes."""
        self._words[_HEAD] = self._words[_TAIL] + count

    def close(self) -> None:
        """Close it; its name is removed if nothing is in it any more."""
        empty = not self.pending
        self._words.release()
        self._memory.close()
        if self._name and empty:
            with contextlib.suppress(posix_ipc.ExistentialError):
                posix_ipc.unlink_shared_memory(self._name)
        self._release()

    def _release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1


def exists(name: str) -> bool:
    """Whether this user left a spool of that name behind."""
    try:
        posix_ipc.SharedMemory(name).close_fd()
    except (posix_ipc.ExistentialError, posix_ipc.PermissionsError):
        return False
    return True
