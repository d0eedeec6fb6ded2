"""Holds a chain of slaves, each with the application that answers its mailbox and maps its PDOs.

The segment's process serves it, and the control commands act on it.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence

from fieldstack_ethercat.segment.application import SlaveApplication
from fieldstack_ethercat.segment.catalogue import Device
from fieldstack_ethercat.segment.chain import Chain
from fieldstack_ethercat.segment.description.defects import ObjectFault
from fieldstack_ethercat.segment.description.errors import NativeError
from fieldstack_ethercat.segment.mailbox_faults import MailboxFaults


class SegmentBench:
    """Slaves under power and ready to be scanned. `watchdog_ms`: what each has after power-on; 0: off."""

    def __init__(self, devices: Sequence[Device], watchdog_ms: float = 100.0) -> None:
        self.chain = Chain(devices)
        self.mailbox_faults = MailboxFaults()
        self._applications = [SlaveApplication(self.chain, slave) for slave in range(len(devices))]
        for slave, application in enumerate(self._applications):
            self.chain.set_watchdog_default_ms(slave, watchdog_ms)
            application.install()
            self.chain.faults.power(slave, True)

    def power(self, slave: int, on: bool) -> None:
        """Power off, or on: then registers, objects and PDO mapping are as at the factory."""
        if on and not self.chain.report.truth(slave).powered:
            self._applications[slave].reset()
        self.chain.faults.power(slave, on)

    def power_all(self, on: bool) -> None:
        """Power of the whole bus at once, as when its supply trips and comes back."""
        for slave, application in enumerate(self._applications):
            if on and not self.chain.report.truth(slave).powered:
                application.reset()
        self.chain.faults.power_all(on)

    def object_fault(self, slave: int, index: int, fault: int) -> None:
        """An object of a slave's dictionary is absent or does not take values; 0: as at the factory."""
        self._applications[slave].object_fault(index, ObjectFault(fault))

    def serve_mailboxes(self) -> None:
        """Answers all telegrams that wait, and sends what is to come late and is due."""
        while (taken := self.chain.mailboxes.take()) is not None:
            slave, telegram = taken
            if self.mailbox_faults.swallows(slave):
                continue
            late_ns = self.mailbox_faults.delay_ns(slave)
            for reply in self._applications[slave].handle(telegram):
                if late_ns:
                    session = self.chain.mailboxes.session(slave)
                    self.mailbox_faults.keep(time.monotonic_ns() + late_ns, slave, session, reply)
                else:
                    self._reply(slave, reply)
        self.serve_late()

    def serve_late(self) -> float | None:
        """Sends the late answers that are due; seconds until the next one, None if none waits."""
        for slave, session, telegram in self.mailbox_faults.due(time.monotonic_ns()):
            if session == self.chain.mailboxes.session(slave):
                self._reply(slave, telegram)
        next_ns = self.mailbox_faults.next_ns
        return max(0.0, (next_ns - time.monotonic_ns()) / 1e9) if next_ns else None

    def _reply(self, slave: int, telegram: bytes) -> None:
        try:
            self.chain.mailboxes.reply(slave, telegram)
        except NativeError as error:
            # The master has left the mailbox (INIT), cut the power, or reads no replies: nobody waits for
            # this one.
            if error.errno not in (errno.ENOTCONN, errno.ENOBUFS):
                raise
