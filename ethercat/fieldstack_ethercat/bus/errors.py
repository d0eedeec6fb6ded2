"""Everything that can go wrong on the bus side, under one base.

Each error carries its facts as fields; its text says what happened, why it may have, and what to do next.

A *refusal* (`BusError.refusal`) says that the bus is other than configured: to try again changes nothing,
a person must. Everything else is *transient*, as far as is known: a mailbox that does not answer, a state
that is not reached in time, a bus on which nobody answers. It is tried again, within a bound.

Bring-up, recovery and scan raise them. RT decides by `refusal`; the command line shows the texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    pass

SHOWN_DIFFERENCES = 20


class BusError(Exception):
    """Base of all errors of the bus side."""

    refusal: ClassVar[bool] = False
    """The bus or its configuration is not as it must be: a new attempt cannot change that."""


class PlanFormatError(BusError, ValueError):
    """A serialised bus plan of another version, or not a bus plan at all."""

    refusal = True


class InterfaceError(BusError, OSError):
    """The network interface cannot be opened: missing, down, or not permitted."""

    def __init__(self, interface: str, problem: str, hint: str) -> None:
        self.interface, self.problem, self.hint = interface, problem, hint
        super().__init__(f"network interface {interface!r}: {problem}. {hint}")


class NoSlavesError(BusError):
    """Nothing answered on the wire."""

    def __init__(self, interface: str, expected: int) -> None:
        self.interface, self.expected = interface, expected
        super().__init__(
            f"no EtherCAT slave answers on {interface!r}; the bus configuration has {expected}. "
            "Check that the cable goes to the IN port of the first slave, that the slaves have power, "
            "and that the interface is the right one."
        )


@dataclass(frozen=True, slots=True)
class TopologyDifference:
    """One difference between configuration and wire at one position (0-based).

    `field` is `vendor`, `product`, `revision`, `missing` (configured, not on the wire) or `extra`.
    `name` is the slave's configured name, or for an extra slave the name it gives itself.
    """

    position: int
    name: str
    field: str
    configured: str
    found: str

    def text(self) -> str:
        return (
            f"position {self.position} ({self.name}): {self.field}: "
            f"configured {self.configured}, on the wire {self.found}"
        )


class TopologyMismatchError(BusError):
    """The slaves on the wire are not the configured ones; the bus stays where it is and does not go to OP."""

    refusal = True

    def __init__(self, differences: tuple[TopologyDifference, ...]) -> None:
        self.differences = differences
        shown = "\n  ".join(difference.text() for difference in differences[:SHOWN_DIFFERENCES])
        super().__init__(
            f"the wire differs from the bus configuration in {len(differences)} point(s):\n  {shown}\n"
            "Check cabling order and power, or correct the configuration: "
            "`fieldstack bus scan --write FILE` writes down what is on the wire."
        )


class SlavesMissingError(TopologyMismatchError):
    """Fewer slaves answer than are configured, and those that do are the right ones: the others were looked
    for as long as slaves may take to start up."""


class AmbiguousSlavesError(TopologyMismatchError):
    """Slaves are missing that the others do not need, but it is not known which: several are of one type."""

    def __init__(self, differences: tuple[TopologyDifference, ...], ways: int) -> None:
        super().__init__(differences)
        self.ways = ways
        self.args = (
            f"slaves are missing, and those found can be the configured ones in {ways} ways: outputs could "
            f"go to the wrong slave. Plug in, or give power to, those that are alike. {self.args[0]}",
        )


class OtherDeviceError(BusError):
    """At a slave's position is another device than was there when the bus came up; it gets no address."""

    refusal = True

    def __init__(self, position: int, slave: str, expected: str, found: str) -> None:
        self.position, self.slave, self.expected, self.found = position, slave, expected, found
        super().__init__(
            f"position {position} ({slave}): another device answers there: {found}, not {expected}. It is "
            "left alone. Put the right one back; or accept the new one: `fieldstack down`, then `up`."
        )


class SlaveGoneError(BusError):
    """A slave that answered before does not answer to an acyclic frame any more."""

    def __init__(self, position: int, slave: str, what: str) -> None:
        self.position, self.slave, self.what = position, slave, what
        super().__init__(f"position {position} ({slave}): no answer while {what}. Check its power and cable.")


class MailboxSilentError(BusError):
    """A slave's mailbox did not answer in time, so often as was tried."""

    def __init__(self, position: int, slave: str, what: str, waited_s: float, attempts: int = 1) -> None:
        self.position, self.slave, self.what = position, slave, what
        self.waited_s, self.attempts = waited_s, attempts
        times = "" if attempts == 1 else f" in {attempts} attempts"
        super().__init__(
            f"position {position} ({slave}): its mailbox did not answer {what} within {waited_s:.1f} s{times}"
            ". If that does not pass, power the slave off and on."
        )


class SdoAbortedError(BusError):
    """A slave answered an SDO with an abort code (ETG.1000.6, 5.6.2.7.2)."""

    def __init__(self, position: int, slave: str, place: str, abort_code: int, problem: str) -> None:
        self.position, self.slave, self.place = position, slave, place
        self.abort_code, self.problem = abort_code, problem
        super().__init__(f"position {position} ({slave}): SDO {place}: {problem} (0x{abort_code:08X})")


class MappingMismatchError(BusError):
    """A slave's process data are not mapped as configured, and could not be made so."""

    refusal = True

    def __init__(
        self, *, position: int, slave: str, field: str, configured: str, found: str, hint: str
    ) -> None:
        self.position, self.slave, self.field = position, slave, field
        self.configured, self.found, self.hint = configured, found, hint
        super().__init__(
            f"position {position} ({slave}): {field}: configured {configured}, the device has {found}. {hint}"
        )


class StartupSdoError(BusError):
    """A slave refused a start-up SDO, or its mailbox did not answer."""

    def __init__(
        self, *, position: int, slave: str, index: int, sub: int, problem: str, abort_code: int
    ) -> None:
        self.position, self.slave, self.index, self.sub = position, slave, index, sub
        self.problem, self.abort_code = problem, abort_code
        super().__init__(
            f"position {position} ({slave}): start-up SDO 0x{index:04X}:{sub:02X} failed: {problem}"
            + (f" (abort code 0x{abort_code:08X})" if abort_code else "")
            + ". Check the object, its type and its value against the device's manual."
        )


class StopOptionError(BusError):
    """A drive does not stop as configured: it refuses an option code or a ramp, or does not keep it."""

    refusal = True

    def __init__(
        self, *, file: str, key: str, value: str, slave: str, position: int, index: int, text: str
    ) -> None:
        self.file, self.key, self.value, self.slave = file, key, value, slave
        self.position, self.index = position, index
        super().__init__(
            f"{file}: {key} = {value}: position {position} ({slave}), 0x{index:04X} {text}. "
            "Choose a stop category or ramp that the drive's manual lists, and try again."
        )


class StateChangeError(BusError):
    """A slave did not reach the AL state that was asked for."""

    def __init__(
        self,
        *,
        position: int,
        slave: str,
        wanted: str,
        actual: str,
        al_status_code: int,
        text: str,
        hint: str,
    ) -> None:
        self.position, self.slave, self.wanted, self.actual = position, slave, wanted, actual
        self.al_status_code, self.text, self.hint = al_status_code, text, hint
        super().__init__(
            f"position {position} ({slave}): asked for {wanted}, is in {actual}; "
            f"AL status 0x{al_status_code:04X}: {text}. {hint}"
        )


class SoemLayoutError(BusError):
    """The installed pysoem does not have the memory layout that the native cycle relies on."""

    def __init__(self, found_version: str, tested_versions: tuple[str, ...], field: str, detail: str) -> None:
        self.found_version, self.tested_versions = found_version, tested_versions
        self.field, self.detail = field, detail
        super().__init__(
            f"pysoem {found_version}: {field} disagrees: {detail}. The native cycle is tested with pysoem "
            f"{', '.join(tested_versions)} and refuses to run on another memory layout; install one of these."
        )


class DistributedClockError(BusError):
    """Distributed clocks are configured for slaves that have none."""

    refusal = True


class BusClosedError(BusError):
    """A call on a bus that is not open, or not in the phase that the call needs."""


class MailboxFailureError(BusError):
    """SOEM could not read a slave's PDO mapping through its mailbox."""

    def __init__(self, position: int, slave: str, problem: str) -> None:
        self.position, self.slave, self.problem = position, slave, problem
        super().__init__(
            f"position {position} ({slave}): its PDO mapping cannot be read through the mailbox: {problem}. "
            "Power the slave off and on; if that does not help, its firmware and its SII do not fit."
        )
