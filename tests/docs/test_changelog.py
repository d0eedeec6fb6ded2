"""CHANGELOG.md keeps the format of Keep a Changelog 1.1.0, with entries of one line."""

from __future__ import annotations

import re

import pytest

from tests.repository import ROOT

LINES = (ROOT / "CHANGELOG.md").read_text().splitlines()
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
RELEASE = re.compile(r"## (\[Unreleased\]|\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d)")
LINK_TARGET = re.compile(r"(?<=\])\([^)]*\)")
LONGEST = 110


def headings(level: str) -> list[str]:
    return [line for line in LINES if line.startswith(level + " ")]


def releases() -> list[list[str]]:
    """The lines of each release, its heading first."""
    starts = [at for at, line in enumerate(LINES) if line.startswith("## ")]
    return [LINES[at:end] for at, end in zip(starts, [*starts[1:], len(LINES)], strict=True)]


def test_it_begins_with_its_title_and_names_its_format() -> None:
    assert headings("#") == ["# Changelog"]
    assert "https://keepachangelog.com/en/1.1.0/" in "\n".join(LINES[:5])


def test_releases_have_a_version_and_a_date_and_unreleased_comes_first() -> None:
    assert [line for line in headings("##") if not RELEASE.fullmatch(line)] == []
    assert headings("##")[0] == "## [Unreleased]"
    assert headings("##").count("## [Unreleased]") == 1


@pytest.mark.parametrize("release", releases(), ids=lambda lines: lines[0])
def test_kinds_of_changes_stand_in_order_and_only_once(release: list[str]) -> None:
    kinds = [line.removeprefix("### ") for line in release if line.startswith("### ")]
    assert kinds == [kind for kind in KINDS if kind in kinds]


def test_every_entry_stands_under_a_kind_in_one_line_that_begins_with_its_subject() -> None:
    for release in releases():
        first = next((at for at, line in enumerate(release) if line.startswith("### ")), len(release))
        assert [line for line in release[:first] if line.startswith("-")] == []
        for line in release[first:]:
            assert not line or line.startswith("### ") or re.match(r"- \*\*[\w -]+\*\*: \S.*\.$", line), line


def test_entries_are_short() -> None:
    assert [line for line in LINES if len(LINK_TARGET.sub("", line)) > LONGEST] == []


def test_no_entry_stands_twice() -> None:
    entries = [line for line in LINES if line.startswith("- ")]
    assert sorted(set(entries)) == sorted(entries)
