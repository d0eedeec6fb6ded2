"""docs/glossary.md is alphabetical, explains only words that are used, and points to files that are there."""

from __future__ import annotations

import re

import pytest

from tests.repository import ROOT

GLOSSARY = ROOT / "docs" / "glossary.md"
CELL = r" ([^|]*?) ?\|"
ROW = re.compile(
    rf"\| \*\*(?P<word>[^|]+)\*\* \|{CELL.replace('(', '(?P<meaning>', 1)}{CELL}"
    rf"{CELL.replace('(', '(?P<where>', 1)}"
)
ENTRIES = [found for line in GLOSSARY.read_text().splitlines() if (found := ROW.fullmatch(line))]
ROOMS = ["base", "config", "docs", "ethercat", "fieldstack", "rt", "systemd"]
KINDS = {".py", ".c", ".h", ".md", ".yaml", ".json", ".service"}


@pytest.fixture(scope="module")
def tree() -> str:
    """All text of the project but the glossary, in plain words."""
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*") if path.suffix in KINDS]
    text = " ".join(path.read_text() for path in files if path != GLOSSARY)
    return plain(text)


def plain(text: str) -> str:
    """Lower case, with names taken apart: `ActiveRule` and `active_rule` are the words "active rule"."""
    return re.sub(r"[\s_*#-]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)).casefold()


def test_every_row_is_an_entry() -> None:
    rows = [line for line in GLOSSARY.read_text().splitlines() if line.startswith("| ")]
    assert len(ENTRIES) == len(rows) - 2  # heading and rule


def test_entries_are_alphabetical_and_stand_once() -> None:
    words = [entry["word"].casefold() for entry in ENTRIES]
    assert words == sorted(set(words))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["word"])
def test_an_entry_is_a_sentence_and_its_places_are_there(entry: re.Match[str]) -> None:
    assert re.fullmatch(r"[A-Z].*\.", entry["meaning"])
    places = re.findall(r"`([^`]+)`", entry["where"])
    assert places
    assert [place for place in places if not (ROOT / place).exists()] == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["word"])
def test_the_word_is_used(entry: re.Match[str], tree: str) -> None:
    long, short = re.fullmatch(r"([^(]+?)(?: \(([^)]+)\))?", entry["word"]).groups()  # type: ignore[union-attr]
    forms = [long, *(short or "").split(", "), *long.split(", ")]
    assert any(form and plain(form) in tree for form in forms)
