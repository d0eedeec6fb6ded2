"""Which CPUs real-time threads may be pinned to."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldstack.host import cpus
from fieldstack.host.cpus import Cpus, parse_list


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0-3,6\n", {0, 1, 2, 3, 6}), ("5", {5}), ("", set()), ("\n", set()), ("?,1", {1}), ("3-1", set())],
)
def test_the_kernels_lists_are_read(text: str, numbers: set[int]) -> None:
    assert parse_list(text) == numbers


def _machine(folder: Path, online: str, isolated: str) -> Path:
    (folder / "online").write_text(online)
    (folder / "isolated").write_text(isolated)
    return folder


def test_an_isolated_cpu_may_be_chosen_though_no_process_has_it(tmp_path: Path) -> None:
    found = cpus.read(frozenset({0, 1}), _machine(tmp_path, "0-3\n", "2-3\n"))
    assert found == Cpus((0, 1, 2, 3), (2, 3))
    assert (found.for_cycle, found.for_rest) == (3, 0)


def test_a_cpu_that_is_off_may_not(tmp_path: Path) -> None:
    assert cpus.read(frozenset({0, 1}), _machine(tmp_path, "0-1", "1-3")) == Cpus((0, 1), (1,))


def test_a_process_that_is_kept_to_some_cpus_stays_there(tmp_path: Path) -> None:
    assert cpus.read(frozenset({2}), _machine(tmp_path, "0-7", "")) == Cpus((2,))


def test_without_the_kernels_word_the_process_own_mask_counts(tmp_path: Path) -> None:
    assert cpus.read(frozenset({0, 5}), tmp_path) == Cpus((0, 5))
