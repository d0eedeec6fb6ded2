"""Recovery decisions and diagnosis, without a wire: time and states are arguments."""

from __future__ import annotations

from itertools import pairwise

import pytest

from fieldstack_ethercat.bus.master import recovery_decision
from fieldstack_ethercat.bus.master.diagnosis import explain, find_break
from fieldstack_ethercat.bus.master.recovery_decision import EventKind, Step, decide, new_memory, step_for
from fieldstack_ethercat.bus.slave.states import SlaveState

NONE, INIT, PREOP, BOOT, SAFEOP, OP, ERROR = 0, 1, 2, 3, 4, 8, 0x10
MS = 1_000_000


def bus(*statuses: int, code: int = 0) -> tuple[SlaveState, ...]:
    return tuple(
        SlaveState(at, f"drive-{at + 1}", status, code if status & ERROR else 0)
        for at, status in enumerate(statuses)
    )


@pytest.mark.parametrize(
    ("status", "step"),
    [
        (OP, None),
        (NONE, Step.RECOVER_ADDRESS),
        (INIT, Step.RECONFIGURE),
        (PREOP, Step.RECONFIGURE),
        (BOOT, Step.RECONFIGURE),
        (SAFEOP, Step.REQUEST_OP),
        (INIT | ERROR, Step.ACKNOWLEDGE),
        (PREOP | ERROR, Step.ACKNOWLEDGE),
        (SAFEOP | ERROR, Step.ACKNOWLEDGE),
        (OP | ERROR, Step.ACKNOWLEDGE),
        (0x0F, Step.RECOVER_ADDRESS),
    ],
)
def test_every_state_has_its_step(status: int, step: Step | None) -> None:
    (state,) = bus(status)
    assert step_for(state, allow_op=True) is step


def test_without_permission_slaves_stay_in_safe_op() -> None:
    (state,) = bus(SAFEOP)
    assert step_for(state, allow_op=False) is None
    assert step_for(bus(SAFEOP | ERROR)[0], allow_op=False) is Step.ACKNOWLEDGE
    assert step_for(bus(INIT)[0], allow_op=False) is Step.RECONFIGURE


def test_a_tripped_watchdog_reads_as_a_script() -> None:
    """t=0: the watchdog has tripped; it is acknowledged, requested, and back at once."""
    memory = new_memory(bus(OP, OP))
    first = decide(0, bus(OP, SAFEOP | ERROR, code=0x1B), memory)
    assert first.steps == ((1, Step.ACKNOWLEDGE),)
    assert [event.kind for event in first.events] == [EventKind.LEFT_OP]
    assert "0x001B" in first.events[0].text

    second = decide(2 * MS, bus(OP, SAFEOP), first.memory)
    assert second.steps == ((1, Step.REQUEST_OP),)
    assert not second.events

    third = decide(4 * MS, bus(OP, OP), second.memory)
    assert not third.steps
    assert [event.kind for event in third.events] == [EventKind.RECOVERED]


def test_power_loss_goes_through_address_and_configuration() -> None:
    memory, steps, kinds = new_memory(bus(OP)), [], []
    for at, status in enumerate((NONE, NONE, INIT, SAFEOP, OP)):
        decision = decide(at * recovery_decision.LOST_POLL_NS, bus(status), memory)
        memory = decision.memory
        steps += [step for _, step in decision.steps]
        kinds += [event.kind for event in decision.events]
    assert steps == [Step.RECOVER_ADDRESS, Step.RECOVER_ADDRESS, Step.RECONFIGURE, Step.REQUEST_OP]
    assert kinds == [EventKind.LOST, EventKind.BACK, EventKind.RECOVERED]


def test_a_lost_slave_is_looked_for_at_a_steady_pace() -> None:
    memory = new_memory(bus(OP))
    looked = 0
    for ms in range(1000):
        decision = decide(ms * MS, bus(NONE), memory)
        memory = decision.memory
        looked += len(decision.steps)
    assert looked == 1000 * MS // recovery_decision.LOST_POLL_NS


def test_a_slave_that_keeps_refusing_is_asked_ever_more_rarely() -> None:
    memory = new_memory(bus(OP))
    asked = []
    for ms in range(20_000):
        decision = decide(ms * MS, bus(SAFEOP | ERROR, code=0x24), memory)
        memory = decision.memory
        asked += [ms] * len(decision.steps)
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert gaps[: recovery_decision.FREE_STEPS - 1] == [1] * (recovery_decision.FREE_STEPS - 1)
    assert gaps == sorted(gaps)
    assert gaps[-1] == recovery_decision.RETRY_LONGEST_NS // MS


def test_a_flapping_slave_is_not_taken_for_a_recovered_one() -> None:
    """In OP for less than the settling time, its attempts still count; after it, they are forgotten."""
    memory = new_memory(bus(OP))
    for turn in range(8):
        memory = decide(2 * turn * MS, bus(SAFEOP), memory).memory
        memory = decide((2 * turn + 1) * MS, bus(OP), memory).memory
    assert memory[0].attempts >= recovery_decision.FREE_STEPS
    now = 17 * MS + recovery_decision.SETTLED_NS
    memory = decide(now, bus(OP), memory).memory
    assert memory[0].attempts == 0


def test_each_change_is_reported_once() -> None:
    memory, kinds = new_memory(bus(OP, OP)), []
    for ms in range(50):
        decision = decide(ms * MS, bus(OP, NONE), memory)
        memory = decision.memory
        kinds += [event.kind for event in decision.events]
    assert kinds == [EventKind.LOST]


def test_cut_cable_is_named_with_both_ends() -> None:
    found = find_break(bus(OP, OP, OP, NONE, NONE))
    assert found is not None
    assert (found.first_lost, found.count, found.whole_rest) == (3, 2, True)
    assert "cable cut between position 2 (drive-3) and position 3 (drive-4)" in found.text


def test_cut_at_the_master_and_a_lone_restart() -> None:
    first = find_break(bus(NONE, NONE))
    assert first is not None
    assert "between the master and position 0 (drive-1)" in first.text
    lone = find_break(bus(OP, NONE, OP))
    assert lone is not None
    assert not lone.whole_rest
    assert "has restarted" in lone.text
    assert find_break(bus(OP, SAFEOP | ERROR)) is None


def test_explanation_covers_break_and_errors() -> None:
    sentences = explain(bus(OP, SAFEOP | ERROR, NONE, code=0x1B))
    assert len(sentences) == 2
    assert "cable cut" in sentences[0]
    assert "position 1 (drive-2): SAFE-OP + error 0x001B" in sentences[1]
    assert not explain(bus(OP, OP))


def test_what_quick_steps_do_not_mend_is_set_up_anew() -> None:
    memory, steps = new_memory(bus(OP)), []
    for ms in range(0, 60_000, 10):
        decision = decide(ms * MS, bus(SAFEOP), memory)
        memory = decision.memory
        steps += [step for _, step in decision.steps]
    quick = [Step.REQUEST_OP] * recovery_decision.QUICK_STEPS
    assert steps[: recovery_decision.QUICK_STEPS] == quick
    assert Step.RECONFIGURE in steps[recovery_decision.QUICK_STEPS :]
    memory, steps = new_memory(bus(OP)), []
    for ms in range(1000):
        decision = decide(ms * MS, bus(SAFEOP | ERROR), memory)
        memory = decision.memory
        steps += [step for _, step in decision.steps]
    assert set(steps[recovery_decision.QUICK_STEPS :]) == {Step.RECONFIGURE}


def test_a_slave_that_something_is_done_about_gets_no_second_step() -> None:
    memory = new_memory(bus(OP, OP))
    decision = decide(0, bus(INIT, INIT), memory, busy={0})
    assert decision.steps == ((1, Step.RECONFIGURE),)
    assert decision.memory[0].attempts == 0


def test_a_slave_in_op_that_takes_no_part_is_told_and_set_up_anew() -> None:
    memory = new_memory(bus(OP, OP))
    decision = decide(0, bus(OP, OP), memory, faulty={1: "FMMU0 is off"})
    assert decision.steps == ((1, Step.RECONFIGURE),)
    assert [event.kind for event in decision.events] == [EventKind.LEFT_OP]
    assert "FMMU0 is off" in decision.events[0].text
    back = decide(MS, bus(OP, OP), decision.memory)
    assert [event.kind for event in back.events] == [EventKind.RECOVERED]


def test_a_failure_says_more_than_a_state_and_no_part_is_no_well() -> None:
    assert explain(bus(OP, INIT), failures={1: "refuses PRE-OP"}) == ("refuses PRE-OP",)
    (sentence,) = explain(bus(OP, OP), faulty={0: "FMMU0 is off"})
    assert "FMMU0 is off" in sentence
