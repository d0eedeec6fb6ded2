"""Every relative link of the project's papers leads to a file, and to a heading in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.repository import ROOT

PAPERS = sorted(
    [*ROOT.glob("*.md"), *(one for part in ("docs", "tests") for one in (ROOT / part).rglob("*.md"))]
)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(#[^)\s]*)?\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def anchors(paper: Path) -> set[str]:
    """GitHub's anchors of the headings: lower case, no punctuation, spaces to hyphens."""
    titles = re.findall(r"^#+ (.*)$", paper.read_text(), re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_links_lead_somewhere(paper: Path) -> None:
    for target, anchor in LINK.findall(CODE.sub("", paper.read_text())):
        found = (paper.parent / target).resolve() if target else paper
        assert found.exists(), f"{paper.name}: {target}"
        assert not anchor or anchor in anchors(found), f"{paper.name}: {target}{anchor}"
