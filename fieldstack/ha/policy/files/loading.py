"""Reads a policy file and reports all its faults at once: file, key, value, why and what to do.

Used by `cache`, and by `fieldstack policy`.
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.vocabulary import ClearWhen, Hold, PolicyAction, ProcessName
from fieldstack.ha.policy.files import source
from fieldstack.ha.policy.in_force.errors import PolicyError, Problem
from fieldstack.ha.policy.validation.schema import (
    ActionOrder,
    Clear,
    Defer,
    FailoverPolicy,
    ProcessPolicy,
    RtAgent,
    Rule,
    SubjectBudget,
    Timing,
)
from fieldstack_base import bounded_json

_MODELS: dict[str, type[BaseModel]] = {
    "timing": Timing,
    "processes": ProcessPolicy,
    "rt_agent": RtAgent,
    "budgets": SubjectBudget,
    "rules": Rule,
    "actions": ActionOrder,
    "on_failure": ActionOrder,
    "clear": Clear,
    "defer": Defer,
}
_WORDS: dict[str, list[str]] = {
    "process_name": list(ProcessName),
    "fact": list(FactKind),
    "action": list(PolicyAction),
    "when": list(ClearWhen),
    "hold": list(Hold),
}


def load_policy(path: Path) -> FailoverPolicy:
    """The policy in a file.

    Raises:
        PolicyError: the file cannot be read, is no JSON, or breaks the schema.
    """
    return parse_policy(source.read(path), str(path))


def parse_policy(text: str | bytes, file: str = "policy") -> FailoverPolicy:
    """The policy in a text; `file` is its name in errors.

    Raises:
        PolicyError: no JSON, or breaks the schema; names every fault found.
    """
    data = _parse(text, file)
    try:
        return FailoverPolicy.model_validate(data)
    except ValidationError as error:
        raise PolicyError(file, tuple(_problem(one, data) for one in error.errors())) from error


def _parse(text: str | bytes, file: str) -> Any:
    if len(text) > source.MAX_BYTES:
        raise PolicyError(
            file, (Problem("", "", f"is larger than {source.MAX_BYTES} bytes", "is it a policy?"),)
        )
    try:
        return bounded_json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except _DoubleKeyError as error:
        problem = Problem(error.key, "", "stands twice in the same object", "keep one of them")
        raise PolicyError(file, (problem,)) from error
    except bounded_json.TooDeepError as error:
        raise PolicyError(file, (Problem("", "", f"is {error}", "is it a policy?"),)) from error
    except ValueError as error:
        problem = Problem("", "", f"is no JSON: {error}", "put the text right at that place")
        raise PolicyError(file, (problem,)) from error


class _DoubleKeyError(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _DoubleKeyError(key)
        found[key] = value
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _problem(error: ErrorDetails, data: Any) -> Problem:
    where = _written(list(error["loc"]), data)
    context = error.get("ctx", {})
    kind = error["type"]
    if kind == "policy":
        where += _parts(context["key"])
        return Problem(_path(where), _value(where, data), context["why"], context["remedy"])
    if kind == "extra_forbidden":
        return Problem(_path(where), _value(where, data), "unknown key", _meant(str(where[-1]), _keys(where)))
    if kind == "missing":
        return Problem(_path(where), "", "is missing", "add it; the published schema describes it")
    return Problem(_path(where), _value(where, data), _lower(error["msg"]), _advice(where, data))


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _advice(where: list[int | str], data: Any) -> str:
    value = _find(where, data)
    last = where[-1] if where else ""
    in_list = isinstance(last, int) and where[-2:-1] in (["actions"], ["on_failure"])
    words = _WORDS.get("action" if in_list else str(last))
    if words and isinstance(value, str):
        return _meant(value, words)
    return "give a value of that kind; `fieldstack policy check FILE` tests it"


def _meant(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word.lower(), [one.lower() for one in known], 1)
    if near:
        return f"did you mean {str(next(one for one in known if one.lower() == near[0]))!r}?"
    return f"known are: {', '.join(known)}"


def _keys(where: list[int | str]) -> list[str]:
    """The known keys of the object that holds the last part of a path."""
    owners = [part for part in where[:-1] if isinstance(part, str) and part in _MODELS]
    model = _MODELS[owners[-1]] if owners else FailoverPolicy
    return [field.alias or name for name, field in model.model_fields.items()]


def _written(where: list[int | str], data: Any) -> list[int | str]:
    """The place as it stands in the file: an action may be a word alone, which has no key `action`."""
    if where and where[-1] == "action" and isinstance(_find(where[:-1], data), str):
        return where[:-1]
    return where


def _parts(key: str) -> list[int | str]:
    """`rules[3].clear` in its parts."""
    words = key.replace("[", ".").replace("]", "").split(".")
    return [int(word) if word.isdigit() else word for word in words if word]


def _path(where: list[int | str]) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


_NOTHING = object()


def _find(where: list[int | str], data: Any) -> Any:
    for part in where:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return _NOTHING
    return data


def _value(where: list[int | str], data: Any) -> str:
    value = _find(where, data)
    if value is _NOTHING:
        return ""
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
