"""Transfers SDOs through SOEM for bring-up and scan: it waits, and tries again within a bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pysoem

from fieldstack_ethercat.bus.errors import MailboxSilentError, SdoAbortedError
from fieldstack_ethercat.bus.script import Script

TIMEOUTS_MS = (700, 1000, 2000, 3000, 4000)
"""Of one transfer's attempts: five, of 10.7 s together."""
PATIENCE_NS = 12_000_000_000
"""Of all attempts of one bring-up that failed: RT has 20 s for its start (`startup_grace_ms`), and says more
by giving up than by being ended."""
LARGEST = 2 + 4 * 255
"""An assignment or a mapping by complete access."""
_SILENT = (pysoem.WkcError, pysoem.MailboxError, pysoem.PacketError)


class RetryBudget:
    """What is left of a bring-up's time for second attempts. `on_retry` hears of each of them."""

    def __init__(self, on_retry: Callable[[MailboxSilentError], None] | None = None) -> None:
        self._left_ns = PATIENCE_NS
        self._on_retry = on_retry

    def allows(self, failed: MailboxSilentError, took_ns: int) -> bool:
        """Whether to try again after an attempt that took so long."""
        self._left_ns -= took_ns
        if self._left_ns <= 0:
            return False
        if self._on_retry is not None:
            self._on_retry(failed)
        return True


class SoemObjects:
    """The objects of one of pysoem's slaves; its scripts never yield."""

    def __init__(self, slave: Any, position: int, name: str, retry_budget: RetryBudget | None = None) -> None:
        """`retry_budget`: None: one attempt each."""
        self._slave, self._position, self._name = slave, position, name
        self._retry_budget = retry_budget

    def upload(self, index: int, sub: int, complete: bool = False) -> Script[bytes]:
        yield from ()
        size = LARGEST if complete else 0
        return bytes(
            self._try(f"0x{index:04X}:{sub:02X}", lambda: self._slave.sdo_read(index, sub, size, complete))
        )

    def download(self, index: int, sub: int, data: bytes, complete: bool = False) -> Script[None]:
        yield from ()
        self._try(f"0x{index:04X}:{sub:02X}", lambda: self._slave.sdo_write(index, sub, data, complete))

    def _try(self, place: str, transfer: Callable[[], Any]) -> Any:
        began_ns = time.monotonic_ns()
        for attempt, timeout_ms in enumerate(TIMEOUTS_MS, start=1):
            attempt_ns = time.monotonic_ns()
            try:
                return self._within(timeout_ms, transfer)
            except pysoem.SdoError as error:
                raise self._aborted(place, error) from error
            except _SILENT as error:
                now_ns = time.monotonic_ns()
                waited_s = (now_ns - began_ns) / 1e9
                silent = MailboxSilentError(self._position, self._name, place, waited_s, attempt)
                last = attempt == len(TIMEOUTS_MS)
                if last or not self._may_try_again(silent, now_ns - attempt_ns):
                    raise silent from error
        raise AssertionError("the last attempt returns or raises")

    def _may_try_again(self, failed: MailboxSilentError, took_ns: int) -> bool:
        return self._retry_budget is not None and self._retry_budget.allows(failed, took_ns)

    def _within(self, timeout_ms: int, transfer: Callable[[], Any]) -> Any:
        master = self._slave._master
        master.sdo_read_timeout = master.sdo_write_timeout = timeout_ms * 1000
        return transfer()

    def _aborted(self, place: str, error: Any) -> SdoAbortedError:
        code = int(error.abort_code) & 0xFFFFFFFF
        text = str(error.desc or error)
        return SdoAbortedError(self._position, self._name, place, code, text)


def problem_of(error: Exception) -> str:
    """A pysoem mailbox exception in words; its own text is often empty."""
    if isinstance(error, pysoem.WkcError):
        return "the mailbox does not answer"
    return str(getattr(error, "desc", "") or error or type(error).__name__)
