"""JSON of others: whatever is sent, it is taken or refused by a ValueError."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldstack_base.bounded_json import MAX_DEPTH, TooDeepError, loads

ROOT = Path(__file__).parents[2]
OWN = {
    "bounded_json.py",
    "bare_exchange.py",
    "bringup_reference.py",
    "bench_cell.py",
    "running_segment.py",
}
"""These read what the programs that they start themselves print, or the shipped policy."""


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":', '["]",'])
def test_what_is_nested_too_deep_is_a_value_error(opening: str) -> None:
    with pytest.raises(TooDeepError):
        loads(opening * 100_000)


def test_the_bound_is_exact() -> None:
    assert loads("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    with pytest.raises(TooDeepError):
        loads("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))


def test_many_brackets_that_are_not_nested_and_those_in_texts_are_taken() -> None:
    flat = [list[int]() for _ in range(1000)]
    texts = ["[" * 1000, '"[\\' * 100, "]"]
    assert loads(json.dumps(flat)) == flat
    assert loads(json.dumps(texts).encode("utf-16")) == texts


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
    )
)
def test_it_reads_what_the_standard_parser_reads(value: object) -> None:
    assert loads(json.dumps(value)) == value


@given(st.binary() | st.text(alphabet='[]{}",:\\1a'))
def test_anything_else_is_a_value_error(content: bytes | str) -> None:
    try:
        loads(content)
    except ValueError:
        return


def test_nobody_reads_json_of_others_in_another_way() -> None:
    files = [
        file for part in ("base", "fieldstack", "ethercat", "rt") for file in (ROOT / part).rglob("*.py")
    ]
    found = [file for file in files if re.search(r"(?<!\w)json\.loads?\(", file.read_text(encoding="utf-8"))]
    assert {file.name for file in found} <= OWN
