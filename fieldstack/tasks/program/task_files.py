"""Reads and checks task files: every error with file, line, key and value; and their JSON Schema.

The command handler and `fieldstack task` use it.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from fieldstack.tasks.program.declaration import TaskDeclaration
from fieldstack_base import configuration_issues, yaml_source
from fieldstack_base.configuration_error import ConfigurationError, ConfigurationIssue


def parse(text: str, file: str) -> TaskDeclaration:
    """The task in a YAML or JSON text; `file` is what errors call it.

    Raises:
        ConfigurationError: names everything wrong with it.
    """
    document = yaml_source.parse(text, file, "task file")
    try:
        return TaskDeclaration.model_validate(document.data)
    except ValidationError as error:
        raise ConfigurationError(file, configuration_issues.of(error, TaskDeclaration, document)) from error


def read(path: Path) -> str:
    """A task file's text. Raises ConfigurationError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        issue = ConfigurationIssue("", "", f"cannot be read: {reason}", "Name a task file (YAML or JSON).")
        raise ConfigurationError(path, (issue,)) from error


def schema_text() -> str:
    """The JSON Schema as it is committed as `config/task.schema.json`."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **TaskDeclaration.model_json_schema(),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
