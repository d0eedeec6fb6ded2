"""The second step of a bring-up: SOEM maps the image, and each slave is set up as planned on the way.

SOEM calls a hook for each slave in PRE-OP before it maps it. `Bus` makes a `PreopSetup` for each bring-up.
"""

from __future__ import annotations

from collections.abc import Callable

import pysoem

from fieldstack_ethercat.bus.errors import BusError, MailboxFailureError, MailboxSilentError
from fieldstack_ethercat.bus.master import process_image
from fieldstack_ethercat.bus.master.distributed_clocks import Clocks
from fieldstack_ethercat.bus.master.line import Line
from fieldstack_ethercat.bus.master.slave_presence import SlavePresence
from fieldstack_ethercat.bus.script import run_to_end
from fieldstack_ethercat.bus.slave import slave_setup
from fieldstack_ethercat.bus.slave.states import SlaveState
from fieldstack_ethercat.bus.soem.soem_context import SoemContext
from fieldstack_ethercat.bus.soem.soem_objects import RetryBudget, SoemObjects, problem_of
from fieldstack_ethercat.bus.soem.soem_structs import COE_COMPLETE_ACCESS, MAILBOX_COE
from fieldstack_ethercat.wire.al import AlState

MISSING_TIMEOUT_US = 2000
"""If slaves are missing, SOEM waits this long for the state of each slave: the others are known to have it.
"""


def leave_out(line: Line, presence: SlavePresence, position: int) -> None:
    """The bus comes up without it, as if it were missing; its place in the image is kept."""
    plan = line.plan.slaves[position]
    line.view.give_mapping(position, plan.output_bits, plan.input_bits)
    presence.absent.add(position)


def leave_out_late(line: Line, presence: SlavePresence, states: tuple[SlaveState, ...]) -> None:
    """Nonessential slaves that are not in PRE-OP by now."""
    for slave in states:
        if slave.position in presence.nonessential and (slave.state is not AlState.PREOP or slave.error):
            leave_out(line, presence, slave.position)


class PreopSetup:
    """Of one bring-up. `lacking`: by position, the stop objects that a drive does not have."""

    def __init__(
        self,
        line: Line,
        presence: SlavePresence,
        clocks: Clocks | None,
        on_retry: Callable[[MailboxSilentError], None] | None,
    ) -> None:
        self.lacking: dict[int, tuple[int, ...]] = {}
        self._line, self._presence, self._clocks = line, presence, clocks
        self._retry_budget = RetryBudget(on_retry)
        self._error: BusError | None = None

    def map(self) -> SoemContext:
        """Set up all slaves that are there, and map them. MailboxFailureError, or what the set-up raised."""
        for position, slave in enumerate(self._line.master.slaves):
            if position not in self._presence.absent:
                slave.config_func = self._hook
        problems = self._config_map()
        if self._error:
            raise self._error
        for problem in problems:
            number = getattr(problem, "slave_pos", 0)  # SOEM counts from 1; 0 means an emergency message
            if number:
                plan = self._line.plan.slaves[number - 1]
                raise MailboxFailureError(plan.position, plan.name, problem_of(problem)) from problem
        return process_image.check_and_make_safe(self._line.plan, self._line.view)

    def _config_map(self) -> list[Exception]:
        timeouts, patience_us = pysoem.settings.timeouts, pysoem.settings.timeouts.state
        if self._presence.absent:
            timeouts.state = MISSING_TIMEOUT_US  # all who are there are in PRE-OP already
        try:
            self._line.master.config_map()
        except pysoem.ConfigMapError as error:
            return list(error.error_list)
        finally:
            timeouts.state = patience_us
        return []

    def _hook(self, position: int) -> None:
        """SOEM's PRE-OP hook. It must not raise: SOEM is on the stack."""
        if self._error:
            return
        try:
            self._set_up(position)
        except BusError as error:
            if position in self._presence.nonessential and not getattr(error, "refusal", False):
                leave_out(self._line, self._presence, position)
            else:
                self._error = error
        except Exception as error:
            name = self._line.plan.slaves[position].name
            self._error = BusError(f"position {position} ({name}): set-up failed: {error!r}")
            self._error.__cause__ = error

    def _set_up(self, position: int) -> None:
        plan, link = self._line.plan.slaves[position], self._line.link(position)
        has_coe = bool(link.record.mailbox_protocols & MAILBOX_COE)
        complete_access = bool(link.record.coe_details & COE_COMPLETE_ACCESS)
        objects = SoemObjects(self._line.master.slaves[position], position, plan.name, self._retry_budget)
        source = self._line.plan.source
        script = slave_setup.set_up(
            link, objects if has_coe else None, plan, complete_access=complete_access, source=source
        )
        self.lacking[position] = run_to_end(script)
        if self._clocks is not None:
            self._clocks.start_sync0(position)
        if has_coe:
            self._line.view.give_mapping(position, plan.output_bits, plan.input_bits)
