"""The AL state machine of the native ESC: what is refused, with which code, and what a state opens."""

import itertools

import pytest

from fieldstack_ethercat.segment.bench import SegmentBench
from fieldstack_ethercat.segment.catalogue import parse_devices
from fieldstack_ethercat.segment.description.errors import NativeError
from fieldstack_ethercat.segment.truth import EventKind
from fieldstack_ethercat.testing.direct_master import INPUT_BASE, DirectMaster
from fieldstack_ethercat.wire.al import AlState, AlStatus, AlStatusCode
from fieldstack_ethercat.wire.datagram import Command
from fieldstack_ethercat.wire.registers import Register, sync_manager_register
from fieldstack_ethercat.wire.sync_manager import SyncManager

INIT, PREOP, BOOT, SAFEOP, OP = AlState.INIT, AlState.PREOP, AlState.BOOT, AlState.SAFEOP, AlState.OP
OUTPUT_BYTES = 12


@pytest.fixture
def master() -> DirectMaster:
    return DirectMaster(SegmentBench(parse_devices("drive")).chain)


def refused(status: AlStatus, state: AlState, code: AlStatusCode) -> bool:
    return (status.state, status.error, status.code) == (state, True, code)


def test_up_to_op_and_down_again(master: DirectMaster) -> None:
    assert master.bring_up(0) == AlStatus(OP)
    for state in (SAFEOP, PREOP, INIT):
        assert master.request(0, state) == AlStatus(state)


@pytest.mark.parametrize(("start", "target"), list(itertools.product((INIT, PREOP, SAFEOP, OP), repeat=2)))
def test_downwards_all_is_allowed_and_upwards_only_one_step(
    master: DirectMaster, start: AlState, target: AlState
) -> None:
    order = [INIT, PREOP, SAFEOP, OP]
    if start is not INIT:
        master.bring_up(0, start)
    status = master.request(0, target)
    steps = order.index(target) - order.index(start)
    if steps > 1:
        assert refused(status, start, AlStatusCode.INVALID_STATE_CHANGE)
    elif steps <= 0:
        assert status == AlStatus(target)


@pytest.mark.parametrize("code", [0, 5, 7, 9, 15])
def test_a_state_that_does_not_exist_is_unknown(master: DirectMaster, code: int) -> None:
    assert refused(master.request(0, code), INIT, AlStatusCode.UNKNOWN_STATE)


def test_there_is_no_bootstrap(master: DirectMaster) -> None:
    assert refused(master.request(0, BOOT), INIT, AlStatusCode.BOOTSTRAP_NOT_SUPPORTED)
    master.request(0, INIT, acknowledge=True)
    master.bring_up(0, PREOP)
    assert refused(master.request(0, BOOT), PREOP, AlStatusCode.INVALID_STATE_CHANGE)


def test_an_error_stands_until_it_is_acknowledged(master: DirectMaster) -> None:
    assert refused(master.request(0, PREOP), INIT, AlStatusCode.INVALID_MAILBOX_PREOP)
    sii = master.sii(0)
    for index, entry in enumerate(sii.sync_managers[:2]):
        manager = SyncManager(entry.start, entry.length, entry.control)
        master.write(0, sync_manager_register(index), manager.pack())
    assert refused(master.request(0, PREOP), INIT, AlStatusCode.INVALID_MAILBOX_PREOP)
    assert master.request(0, PREOP, acknowledge=True) == AlStatus(PREOP)


def test_asking_for_the_state_it_has_clears_an_error(master: DirectMaster) -> None:
    master.bring_up(0, PREOP)
    assert master.request(0, OP).error
    assert master.request(0, PREOP) == AlStatus(PREOP)


@pytest.mark.parametrize(
    ("index", "manager"),
    [
        (0, SyncManager(0x1000, 256, 0x22)),  # wrong direction
        (0, SyncManager(0x1000, 256, 0x24)),  # not a mailbox
        (0, SyncManager(0x1000, 20, 0x26)),  # too short
        (0, SyncManager(0x1080, 256, 0x26)),  # over the other one
        (1, SyncManager(0x1100, 256, 0x22, activate=0)),
        (1, SyncManager(0x2F80, 256, 0x22)),  # over the end of the memory
    ],
)
def test_mailboxes_that_cannot_work_are_refused(
    master: DirectMaster, index: int, manager: SyncManager
) -> None:
    good = {0: SyncManager(0x1000, 256, 0x26), 1: SyncManager(0x1100, 256, 0x22)}
    for number, entry in (good | {index: manager}).items():
        master.write(0, sync_manager_register(number), entry.pack())
    assert refused(master.request(0, PREOP), INIT, AlStatusCode.INVALID_MAILBOX_PREOP)


@pytest.mark.parametrize(
    ("index", "manager", "code"),
    [
        (2, SyncManager(0x1200, OUTPUT_BYTES + 1, 0x64), AlStatusCode.INVALID_OUTPUTS),
        (2, SyncManager(0x1200, OUTPUT_BYTES, 0x60), AlStatusCode.INVALID_OUTPUTS),
        (2, SyncManager(0x1200, OUTPUT_BYTES, 0x64, activate=0), AlStatusCode.INVALID_OUTPUTS),
        (3, SyncManager(0x1400, 15, 0x20), AlStatusCode.INVALID_INPUTS),
        (3, SyncManager(0x1400, 16, 0x22), AlStatusCode.INVALID_INPUTS),
        (3, SyncManager(0x1210, 16, 0x20), AlStatusCode.INVALID_SYNC_MANAGERS),  # in the outputs' buffers
        (2, SyncManager(0x10F8, OUTPUT_BYTES, 0x64), AlStatusCode.INVALID_SYNC_MANAGERS),
    ],
)
def test_process_data_must_fit_the_mapping(
    master: DirectMaster, index: int, manager: SyncManager, code: AlStatusCode
) -> None:
    master.bring_up(0, PREOP)
    master.configure_process_data(0, master.sii(0))
    master.write(0, sync_manager_register(index) + 6, b"\0")
    master.write(0, sync_manager_register(index), manager.pack())
    assert refused(master.request(0, SAFEOP), PREOP, code)


def test_a_watchdog_too_short_to_be_meant_is_refused(master: DirectMaster) -> None:
    master.bring_up(0, PREOP)
    master.configure_process_data(0, master.sii(0))
    master.write(0, Register.WATCHDOG_TIME_PROCESS_DATA, (5).to_bytes(2, "little"))
    assert refused(master.request(0, SAFEOP), PREOP, AlStatusCode.INVALID_WATCHDOG)


def test_op_waits_for_the_first_outputs(master: DirectMaster) -> None:
    master.bring_up(0, SAFEOP)
    assert master.request(0, OP) == AlStatus(SAFEOP)
    master.advance(500)
    assert master.outputs(0, bytes(OUTPUT_BYTES)) == 1
    assert master.al_status(0) == AlStatus(OP)


def test_op_without_outputs_fails_with_its_code(master: DirectMaster) -> None:
    master.bring_up(0, SAFEOP)
    master.request(0, OP)
    master.advance(1001)
    assert refused(master.al_status(0), SAFEOP, AlStatusCode.NO_VALID_OUTPUTS)
    assert master.outputs(0, bytes(OUTPUT_BYTES)) == 0


def test_another_request_ends_the_wait(master: DirectMaster) -> None:
    master.bring_up(0, SAFEOP)
    master.request(0, OP)
    assert master.request(0, SAFEOP) == AlStatus(SAFEOP)
    assert master.outputs(0, bytes(OUTPUT_BYTES)) == 0
    master.advance(1001)
    assert master.al_status(0) == AlStatus(SAFEOP)


@pytest.mark.parametrize("target", [SAFEOP, PREOP, INIT])
def test_leaving_op_takes_the_outputs_away(master: DirectMaster, target: AlState) -> None:
    master.bring_up(0)
    master.outputs(0, b"\x0f".ljust(OUTPUT_BYTES, b"\x01"))
    assert not master.chain.report.truth(0).safe
    master.request(0, target)
    truth = master.chain.report.truth(0)
    assert (truth.outputs, truth.outputs_valid, truth.safe) == (bytes(OUTPUT_BYTES), False, True)
    assert master.outputs(0, bytes(OUTPUT_BYTES)) == 0
    assert truth.safe_since_ns == master.now_ns
    kinds = [event.kind for event in master.chain.report.events(0)]
    assert {EventKind.OUTPUTS_INVALID, EventKind.OUTPUTS_SAFE} <= set(kinds)


def test_inputs_count_from_safe_op_on(master: DirectMaster) -> None:
    master.bring_up(0, PREOP)
    master.configure_process_data(0, master.sii(0))
    assert master.logical(Command.LRD, INPUT_BASE, bytes(16)).working_counter == 0
    master.request(0, SAFEOP)
    assert master.logical(Command.LRD, INPUT_BASE, bytes(16)).working_counter == 1
    master.request(0, PREOP)
    assert master.logical(Command.LRD, INPUT_BASE, bytes(16)).working_counter == 0


def test_the_mapping_is_fixed_from_safe_op_on(master: DirectMaster) -> None:
    master.bring_up(0, SAFEOP)
    with pytest.raises(NativeError, match="EBUSY"):
        master.chain.set_mapping(0, 0, [])
    master.request(0, PREOP)
    master.chain.set_mapping(0, 0, [])
    assert refused(master.request(0, SAFEOP), PREOP, AlStatusCode.INVALID_OUTPUTS)


def test_every_change_is_an_event_with_its_code(master: DirectMaster) -> None:
    master.bring_up(0)
    master.request(0, INIT)
    master.request(0, OP)
    changes = [(e.a, e.b) for e in master.chain.report.events(0) if e.kind is EventKind.AL_STATE]
    assert changes == [(1, 0), (2, 0), (4, 0), (8, 0), (1, 0), (0x11, 0x11)]
