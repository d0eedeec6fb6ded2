"""No stray word of the shared memory lifts a stop, resets, or leaves a stop that nobody can lift."""

from __future__ import annotations

import pytest

from fieldstack_rt._native import lib
from fieldstack_rt.datastore import Clear, DataStore, EstopSource

LATCHES = {
    Clear.ON_RESET: ("on_reset", "on_reset_too"),
    Clear.ON_RECOVERY: ("on_recovery", "on_recovery_too"),
}
PLACES = [(until, word) for until, words in LATCHES.items() for word in words]


@pytest.mark.parametrize(("until", "word"), PLACES)
@pytest.mark.parametrize("stray", [0, 2, 1 << 20])
def test_no_stray_word_lifts_a_latched_stop(store: DataStore, until: Clear, word: str, stray: int) -> None:
    store.estop.raise_(EstopSource.OPERATOR, "hand in the machine", until=until)
    setattr(store.raw.estop, word, stray)
    assert EstopSource.OPERATOR in [note.source for note in store.estop.state().notes]
    assert store.rewrite_damaged_words() == ("estop",)
    assert store.rewrite_damaged_words() == ()
    assert int(getattr(store.raw.estop, word)) & 1 << EstopSource.OPERATOR


@pytest.mark.parametrize("word", [word for words in LATCHES.values() for word in words])
@pytest.mark.parametrize("stray", [1 << 20, 2**32 - 1])
def test_a_latch_that_damage_has_set_stops_and_can_be_lifted(store: DataStore, word: str, stray: int) -> None:
    setattr(store.raw.estop, word, stray)
    assert store.estop.state().latched
    assert store.rewrite_damaged_words() == ("estop",)
    notes = store.estop.state().notes
    assert any("damaged" in note.reason for note in notes if note.source is EstopSource.OTHER)
    store.estop.clear(EstopSource, Clear.ON_RESET)
    store.estop.clear(EstopSource, Clear.ON_RECOVERY)
    assert not store.estop.state().latched


@pytest.mark.parametrize("word", ["reset_count", "reset_check"])
@pytest.mark.parametrize("stray", [0, 1, 12345, 2**32 - 1])
def test_no_stray_word_is_a_persons_reset(store: DataStore, word: str, stray: int) -> None:
    store.request_fault_reset()
    store.request_fault_reset()
    before = store.reset_count
    setattr(store.raw, word, stray)
    assert store.reset_count == before == 2
    store.request_fault_reset()
    assert store.reset_count != before


def test_resets_of_a_damaged_memory_begin_at_none(store: DataStore) -> None:
    store.raw.reset_count = 7
    assert lib.fs_reset_count(store.raw, 3) == 3


@pytest.mark.parametrize("word", ["bus_command_seq", "bus_command.sequence", "bus_command.kind"])
def test_a_damaged_bus_command_is_no_command_and_lasts_no_longer_than_a_pass(
    store: DataStore, word: str
) -> None:
    record = store.new("fs_bus_command")
    record.sequence, record.kind, record.slaves[0] = 1, 1, 0b10
    store.write_bus_command(record)
    assert store.rewrite_damaged_words() == ()
    record, _, name = word.rpartition(".")
    setattr(getattr(store.raw, record) if record else store.raw, name, 77)
    found = store.peek("bus_command")
    assert found is None or not store.bus_command_valid(found)
    assert store.rewrite_damaged_words() == ("bus_command",)
    assert store.bus_command_valid(store.bus_command())
    assert int(store.bus_command().sequence) == 1


def test_a_bus_command_that_was_left_torn_is_mended(store: DataStore) -> None:
    store.raw.bus_command_seq = 3
    assert store.rewrite_damaged_words() == ("bus_command",)
    assert store.rewrite_damaged_words() == ()


def test_how_long_axes_may_be_held_is_kept(store: DataStore) -> None:
    store.agent_hold_at_most_ns = 30_000_000_000
    store.raw.agent_hold_at_most_ns = 3_600_000_000_000
    assert store.rewrite_damaged_words() == ("agent_hold_at_most_ns",)
    assert store.agent_hold_at_most_ns == 30_000_000_000
