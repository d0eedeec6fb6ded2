"""Writes what is generated from the code: `make generate`. Tests hold that it was done.

JSON Schemas of all files that users write, for their editors, and the page of the HA states.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from fieldstack.cell import configuration as cell
from fieldstack.ha.policy.display import diagram
from fieldstack.ha.policy.validation import schema as policy
from fieldstack.tasks.program import task_files as tasks
from fieldstack_ethercat.bus.config import schema as bus

ROOT = Path(__file__).resolve().parents[1]


def policy_schema_text() -> str:
    """The schema as it is committed, by `json.dumps` as the others."""
    return json.dumps(policy.json_schema(), indent=2, ensure_ascii=False) + "\n"


GENERATED: dict[str, Callable[[], str]] = {
    "config/cell.schema.json": cell.schema_text,
    "config/ethercat/bus.schema.json": bus.schema_text,
    "config/ha/failover_policy.schema.json": policy_schema_text,
    "config/task.schema.json": tasks.schema_text,
    "docs/ha-states.md": diagram.markdown,
}


def main() -> None:
    for name, make in GENERATED.items():
        path, text = ROOT / name, make()
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"{name} is written anew")


if __name__ == "__main__":
    main()
