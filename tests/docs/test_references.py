"""Files and modules that papers and docstrings name are there. Decisions keep the names of their time."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.repository import ROOT

TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.split()
PAPERS = [name for name in TRACKED if name.endswith(".md") and "docs/decisions/0" not in name]
CODE = [name for name in TRACKED if name.endswith((".py", ".c", ".h")) and not name.startswith("tests/")]
FILE = re.compile(r"(?<![\w./-])((?:[\w-]+/)+[\w-]+\.(?:py|c|h|md))\b")
MODULE = re.compile(r"(?<![\w./-])(fieldstack(?:_rt|_ethercat|_base)?(?:\.[a-z_0-9]+)+)\b(?!\()")
"""A dotted name of one of the packages; what comes after its module is an attribute."""
PACKAGES = {
    "fieldstack": "",
    "fieldstack_rt": "rt/",
    "fieldstack_ethercat": "ethercat/",
    "fieldstack_base": "base/",
}
NOT_OURS = {"net/packet/af_packet.c", "linux/capability.h", "include/linux/sched.h"}


def is_there(place: str) -> bool:
    return any(name == place or name.endswith("/" + place) for name in TRACKED)


def wrong_files(text: str) -> list[str]:
    bare = "\n".join(line for line in text.splitlines() if "#include" not in line)
    return [place for place in FILE.findall(bare) if "NAME" not in place and not is_there(place)]


@pytest.mark.parametrize("name", PAPERS)
def test_files_that_a_paper_names_are_there(name: str) -> None:
    assert wrong_files((ROOT / name).read_text()) == []


def test_files_that_the_code_names_are_there() -> None:
    found = {name: wrong_files((ROOT / name).read_text()) for name in CODE}
    assert {name: set(wrong) - NOT_OURS for name, wrong in found.items() if set(wrong) - NOT_OURS} == {}
