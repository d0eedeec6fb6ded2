"""CONTRIBUTING.md names files that are there; `NAME` stands for what the reader adds."""

from __future__ import annotations

import re

from tests.repository import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
PLACE = re.compile(r"`([\w./-]+/[\w.-]*\w|[\w-]+/)`")
TARGET = re.compile(r"(?:^|`)make ([a-z-]+)", re.MULTILINE)


def test_the_files_of_each_how_to_are_there() -> None:
    places = [place for place in PLACE.findall(TEXT) if "NAME" not in place]
    assert len(places) > 30
    assert [place for place in places if not (ROOT / place).exists()] == []


def test_the_targets_of_make_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text() + (ROOT / "tools" / "c.mk").read_text()
    assert [name for name in set(TARGET.findall(TEXT)) if f"\n{name}:" not in makefile] == []
