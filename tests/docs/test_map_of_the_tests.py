"""The map of the tests names every folder of tests, and none that is not there."""

from __future__ import annotations

import re

from tests.repository import ROOT

TESTS = ROOT / "tests"


def test_every_folder_is_on_the_map() -> None:
    text = (TESTS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*/`) \|", text, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)/`", row)}
    there = {one.name for one in TESTS.iterdir() if one.is_dir() and one.name != "__pycache__"}
    assert named == there


def test_helpers_on_the_map_are_there() -> None:
    text = (TESTS / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:\w+/)?\w+\.py)`", text)
    assert named
    for name in named:
        assert (ROOT / name).exists() or [*TESTS.rglob(name)], name
