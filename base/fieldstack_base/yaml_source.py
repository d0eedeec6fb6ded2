"""Reads YAML for configuration files: a duplicate key is an error, and the line of every key is known.

Cell, bus and task files are read with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from fieldstack_base.configuration_error import ConfigurationError, ConfigurationIssue

MAX_BYTES = 256 * 1024
MAX_NODES = 100_000
"""The most values a document may have with its aliases followed: a small file could grow into a huge
document."""

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """A parsed document and, through its node tree, the line of each of its keys."""

    data: Any
    root: yaml.Node | None

    def line(self, path: KeyPath) -> int:
        """The 1-based line of the key at `path`, or of the nearest key above it; 0 for an empty document."""
        node, line = self.root, self.root.start_mark.line + 1 if self.root else 0
        for part in path:
            found = _child(node, part)
            if found is None:
                break
            mark, node = found
            line = mark.start_mark.line + 1
        return line


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == str(part):
                return key, value
    return None


def parse(text: str, file: str, kind: str) -> YamlDocument:
    """The document in `text`. `kind` is what the file should be, for errors: "task file", for example.

    Raises:
        ConfigurationError: it is no YAML, or repeats a key; with file and line.
    """
    if len(text) > MAX_BYTES:
        raise _refused(file, f"larger than {MAX_BYTES} bytes", f"Is it a {kind}?")
    try:
        return _load(text, file)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _refused(file, f"not valid YAML: {error.problem}", "", mark.line + 1 if mark else 0) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise _refused(file, f"not valid YAML: {error}", "") from error
    except RecursionError as error:
        raise _refused(file, "nested too deeply", f"Is it a {kind}?") from error


def _load(text: str, file: str) -> YamlDocument:
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return YamlDocument(None, None)
        _check_tree(root, file)
        return YamlDocument(loader.construct_document(root), root)
    finally:
        loader.dispose()


def _refused(file: str, problem: str, hint: str, line: int = 0) -> ConfigurationError:
    return ConfigurationError(file, (ConfigurationIssue("", "", problem, hint, line),))


def _check_tree(root: yaml.Node, file: str) -> None:
    duplicates: list[ConfigurationIssue] = []
    if _size(root, (), {}, duplicates) > MAX_NODES:
        raise _refused(file, f"aliases expand to more than {MAX_NODES} values", "Use fewer aliases.")
    if duplicates:
        raise ConfigurationError(file, tuple(duplicates))


def _size(node: yaml.Node, path: KeyPath, sizes: dict[int, int], duplicates: list[ConfigurationIssue]) -> int:
    """The number of values below `node` with aliases followed; collects duplicate keys at the same time."""
    known = sizes.get(id(node))
    if known is not None:
        return known
    sizes[id(node)] = MAX_NODES + 1  # what an alias to a node inside itself finds
    size = 1
    if isinstance(node, yaml.MappingNode):
        duplicates.extend(_duplicates(node, path))
        for key, value in node.value:
            size += _size(key, path, sizes, duplicates)
            size += _size(value, (*path, str(key.value)[:40]), sizes, duplicates)
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_size(item, (*path, at), sizes, duplicates) for at, item in enumerate(node.value))
    sizes[id(node)] = size
    return size


def _duplicates(node: yaml.MappingNode, path: KeyPath) -> list[ConfigurationIssue]:
    first_lines: dict[str, int] = {}
    found = []
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        line = key.start_mark.line + 1
        if key.value in first_lines:
            found.append(
                ConfigurationIssue(
                    key_text((*path, key.value)),
                    "",
                    f"key appears twice, first in line {first_lines[key.value]}",
                    "Keep one of the two; YAML would silently use the last.",
                    line,
                )
            )
        first_lines.setdefault(key.value, line)
    return found


def key_text(path: KeyPath) -> str:
    """A key path as people write it: `slaves[2].pdos.rx[0].pdo`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
