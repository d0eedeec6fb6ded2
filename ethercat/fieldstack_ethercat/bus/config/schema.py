"""The bus configuration's JSON Schema: `python -m fieldstack_ethercat.bus.config.schema FILE` writes it.

`make generate` publishes it; editors check a bus configuration with it while people type.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fieldstack_ethercat.bus.config.configuration import BusConfig


def schema_text() -> str:
    """The schema as it is committed as `config/ethercat/bus.schema.json`."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **BusConfig.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_text(), encoding="utf-8")
