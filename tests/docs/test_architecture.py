"""The map of the tree: its layers are those that are held, its rooms are the folders, none is in a circle."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.repository import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
PACKAGES = {
    "fieldstack": ROOT,
    "fieldstack_rt": ROOT / "rt",
    "fieldstack_ethercat": ROOT / "ethercat",
    "fieldstack_base": ROOT / "base",
}


def contracts() -> dict[str, list[str]]:
    """The layers that are held, by the package that they divide; empty: the packages themselves."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    held = [one for one in settings["tool"]["importlinter"]["contracts"] if one["type"] == "layers"]
    return {"".join(one.get("containers", [""])): one["layers"] for one in held}


def drawing() -> dict[str, list[str]]:
    """The layers that are drawn, likewise: a line that is further in divides the one above it."""
    chapter = re.search(r"^## Layers$(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)
    assert chapter is not None
    tree, rest = re.findall(r"^```\n(.*?)^```", chapter[1], re.MULTILINE | re.DOTALL)
    found: dict[str, list[str]] = {}
    path: list[str] = []
    for line in tree.splitlines():
        depth = (len(line) - len(line.lstrip())) // 4
        path[depth:] = [line.strip()]
        found.setdefault(".".join(path[:-1]), []).append(path[-1])
    for line in rest.splitlines():
        package, layers = line.split(": ")
        found[package] = layers.split(" / ")
    return found


@pytest.mark.parametrize("package", contracts())
def test_the_drawing_shows_the_layers_that_are_held(package: str) -> None:
    assert drawing().get(package) == contracts()[package]


def test_the_drawing_shows_no_others() -> None:
    assert drawing().keys() == contracts().keys()


def folders() -> list[str]:
    files = [file for name, root in PACKAGES.items() for file in (root / name).rglob("*.py")]
    return sorted({str(file.parent.relative_to(ROOT)) for file in files if file.name != "__init__.py"})


@pytest.mark.parametrize("folder", folders())
def test_each_room_is_on_the_map(folder: str) -> None:
    assert f"| `{folder}/` | " in PAGE, "docs/architecture.md: a sentence for this room is missing"


@pytest.mark.parametrize("room", re.findall(r"^\| `([a-z_/]+/)` \| ", PAGE, re.MULTILINE))
def test_the_map_shows_no_room_that_is_not_there(room: str) -> None:
    assert (ROOT / room).is_dir()


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`((?:\w+/)+\w+\.\w+)`", PAGE))))
def test_each_file_that_is_named_is_there(named: str) -> None:
    assert any((place / named).is_file() for place in (ROOT, ROOT / "rt", ROOT / "rt/fieldstack_rt"))


def modules() -> dict[str, Path]:
    """Each module of the tree by its full name."""
    found = {}
    for name, root in PACKAGES.items():
        for file in (root / name).rglob("*.py"):
            parts = file.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(file: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules of the tree that a file imports, at any place in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                module = f"{node.module}.{one.name}"
                yield from (name for name in (module, node.module) if name in known)


def test_no_folders_import_each_other_in_a_circle() -> None:
    """Not even a folder and one inside it: what a room shares with its own sub-rooms lies in a sub-room.

    The compiled `_native` modules count as outside, like any library: they import nothing.
    """
    known = modules()
    graph: dict[Path, set[Path]] = {}
    for file in known.values():
        targets = {known[name] for name in imported(file, known)}
        rooms = {one.parent for one in targets if one.name != "__init__.py"}
        graph.setdefault(file.parent, set()).update(rooms - {file.parent})
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(str(folder.relative_to(ROOT)) for folder in error.args[1]))
