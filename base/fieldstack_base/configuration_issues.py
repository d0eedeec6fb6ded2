"""Turns pydantic's validation errors into configuration issues: key path, line, value, what is allowed.

The modules that read cell, bus and task files use it.
"""

from __future__ import annotations

import difflib
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fieldstack_base.configuration_error import CROSS_CHECK, ConfigurationIssue
from fieldstack_base.yaml_source import KeyPath, YamlDocument, key_text

VALUE_WIDTH = 60
UNION_TAGS = frozenset({"int", "str"})

HINTS = {
    "string_type": "Put it in quotes if it is meant as text (YAML reads on, yes and 12 as other things).",
    "int_type": "A whole number, decimal or 0x.., without quotes.",
    "bool_type": "true or false.",
    "list_type": "A YAML list: items start with '- '.",
    "string_pattern_mismatch": "Letters, digits, '-', '_' and '.', starting with a letter or a digit.",
}


def of(
    error: ValidationError, model: type[BaseModel], document: YamlDocument
) -> tuple[ConfigurationIssue, ...]:
    """All issues in a validation error of `model`, in the order of the file."""
    issues: list[ConfigurationIssue] = []
    for detail in error.errors(include_url=False):
        if detail["type"] == CROSS_CHECK:
            issues += [_issue(document, *finding) for finding in detail["ctx"]["of"]]
        else:
            issues.append(_field_issue(detail, model, document))
    return tuple(sorted(dict.fromkeys(issues), key=lambda issue: issue.line))


def _issue(document: YamlDocument, path: KeyPath, value: Any, problem: str, hint: str) -> ConfigurationIssue:
    shown = "" if value is None else shorten(value)
    return ConfigurationIssue(key_text(path), shown, problem, hint, document.line(path))


def _field_issue(detail: ErrorDetails, model: type[BaseModel], document: YamlDocument) -> ConfigurationIssue:
    path = tuple(part for part in detail["loc"] if part not in UNION_TAGS)
    kind = detail["type"]
    if kind == "missing":
        return _issue(document, path, None, "required key is missing", _allowed(path, model))
    if kind == "extra_forbidden":
        return _issue(document, path, None, "unknown key", _allowed(path, model))
    if kind in {"model_type", "model_attributes_type"}:
        hint = "Keys here: " + ", ".join(_keys((*path, ""), model)) + "."
        return _issue(document, path, detail["input"], "must be a mapping of keys to values", hint)
    problem = detail["msg"].replace("Input should", "should").removeprefix("Value error, ")
    return _issue(document, path, detail["input"], problem, HINTS.get(kind, ""))


def shorten(value: Any) -> str:
    """A value as text of bounded width; never raises, whatever the value is."""
    try:
        text = repr(value)
    except Exception:  # a number too long to print, a structure inside itself
        text = f"<{type(value).__name__}>"
    return text if len(text) <= VALUE_WIDTH else text[: VALUE_WIDTH - 3] + "..."


def _allowed(path: KeyPath, model: type[BaseModel]) -> str:
    keys = _keys(path, model)
    near = difflib.get_close_matches(str(path[-1]), keys, n=1, cutoff=0.5) if path else []
    guess = f"Did you mean {near[0]!r}? " if near and near[0] != path[-1] else ""
    return f"{guess}Keys here: {', '.join(keys)}."


def _keys(path: KeyPath, model: type[BaseModel]) -> list[str]:
    """Keys allowed in the section that holds the last part of `path`."""
    for part in path[:-1]:
        field = model.model_fields.get(str(part))
        below = _section(field.annotation) if field else None
        model = below or model
    return list(model.model_fields)


def _section(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _section(inner)
        if found:
            return found
    return None
