"""Keeps the compiled policy in a file, so that a restart does not validate the policy again.

The file counts only for exactly the same content and for the same code. Otherwise, and if it is damaged, the
policy is validated in full. Non-RT loads each policy through it; the start of a cell prepares the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from fieldstack.ha.model import measures, vocabulary
from fieldstack.ha.policy.files.source import read
from fieldstack.ha.policy.in_force.cell_times import AS_POLICY_ASSUMES, CellTimes
from fieldstack.ha.policy.in_force.compiled import CompiledPolicy
from fieldstack_base import bounded_json
from fieldstack_base.atomic_file import replace_file

FORMAT = 1


def load_compiled(file: Path, cache: Path, times: CellTimes = AS_POLICY_ASSUMES) -> CompiledPolicy:
    """The policy in `file`, from `cache` if that was made from it; otherwise the cache is made again.

    Raises:
        PolicyError: the file cannot be read, is not a valid policy, or misses its targets with these times.
    """
    text = read(file)
    key = _key(text, times)
    found = _cached(cache, key)
    if found is not None:
        return found
    from fieldstack.ha.policy.files.cell_targets import require_targets
    from fieldstack.ha.policy.files.compilation import (
        compile_policy,  # loads pydantic: not for what is cached
    )
    from fieldstack.ha.policy.files.loading import parse_policy

    parsed = parse_policy(text, str(file))
    require_targets(parsed, str(file), **times._asdict())
    policy = compile_policy(parsed, times.stop_ms)
    with contextlib.suppress(OSError):  # a full folder only makes the next start slower
        _store(cache, key, policy)
    return policy


def _key(text: bytes, times: CellTimes) -> str:
    """Content, the cell's times, and code: sources count as for Python's own cache, by time and size."""
    code = hashlib.sha256(text)
    code.update(repr(tuple(times)).encode())
    files = (*Path(__file__).parents[1].rglob("*.py"), Path(measures.__file__), Path(vocabulary.__file__))
    for file in sorted(files):
        status = file.stat()
        code.update(f"{file.name} {status.st_mtime_ns} {status.st_size}\n".encode())
    return code.hexdigest()


def _cached(cache: Path, key: str) -> CompiledPolicy | None:
    try:
        head, _, body = cache.read_bytes().partition(b"\n")
        if bounded_json.loads(head) != _head(key, body):
            return None
        return CompiledPolicy.from_dict(bounded_json.loads(body))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _head(key: str, body: bytes) -> dict[str, Any]:
    return {"format": FORMAT, "of": key, "sha256": hashlib.sha256(body).hexdigest()}


def _store(cache: Path, key: str, policy: CompiledPolicy) -> None:
    body = json.dumps(policy.to_dict(), separators=(",", ":")).encode()
    if CompiledPolicy.from_dict(bounded_json.loads(body)) != policy:
        return  # it would not come back as what it is
    replace_file(cache, json.dumps(_head(key, body)).encode() + b"\n" + body, shared=True)
