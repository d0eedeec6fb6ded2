"""The bench: a chain of slaves, each with the application that answers its mailbox and maps its PDOs."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from fieldstack_ethercat.segment.application import SlaveApplication
from fieldstack_ethercat.segment.chain import Chain
from fieldstack_ethercat.segment.devices import Device
from fieldstack_ethercat.segment.errors import NativeError


class SegmentBench:
    """Slaves under power and ready to be scanned. `watchdog_ms`: what each has after power-on; 0: off."""

    def __init__(self, devices: Sequence[Device], watchdog_ms: float = 100.0) -> None:
        self.chain = Chain(devices)
        self._applications = [SlaveApplication(self.chain, slave) for slave in range(len(devices))]
        for slave, application in enumerate(self._applications):
            self.chain.set_watchdog_default_ms(slave, watchdog_ms)
            application.install()
            self.chain.power(slave, True)

    def power(self, slave: int, on: bool) -> None:
        """Power off, or on: then registers, objects and PDO mapping are as at the factory."""
        if on and not self.chain.truth(slave).powered:
            self._applications[slave].reset()
        self.chain.power(slave, on)

    def serve_mailboxes(self) -> None:
        """Answers all telegrams that wait."""
        while (taken := self.chain.take_telegram()) is not None:
            slave, telegram = taken
            for reply in self._applications[slave].handle(telegram):
                self._reply(slave, reply)

    def _reply(self, slave: int, telegram: bytes) -> None:
        try:
            self.chain.reply(slave, telegram)
        except NativeError as error:
            # The master has left the mailbox (INIT), cut the power, or reads no replies: nobody waits for
            # this one.
            if error.errno not in (errno.ENOTCONN, errno.ENOBUFS):
                raise
