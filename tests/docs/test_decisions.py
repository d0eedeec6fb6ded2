"""docs/decisions/README.md lists every record once, in order, with a link that leads to it."""

from __future__ import annotations

import re

from tests.repository import ROOT

FOLDER = ROOT / "docs" / "decisions"
ROW = re.compile(r"\| \[(\d{4})\]\((\S+\.md)\) \| \S.* \|")
RECORDS = sorted(path.name for path in FOLDER.glob("[0-9]*.md"))


def test_each_record_stands_in_the_table_by_number() -> None:
    rows = [line for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("| [")]
    listed = [ROW.fullmatch(row) for row in rows]
    assert [found and found[2] for found in listed] == RECORDS
    assert [found and found[1] for found in listed] == [name[:4] for name in RECORDS]


def test_a_number_is_given_once_and_stands_in_its_record() -> None:
    assert len({name[:4] for name in RECORDS}) == len(RECORDS)
    wrong = [name for name in RECORDS if not (FOLDER / name).read_text().startswith(f"# {name[:4]}")]
    assert wrong == []
