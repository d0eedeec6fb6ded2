"""The policy file as it was compiled last: a restart takes it from here, without validating it again.

What is here counts only for the very content that was validated, and for the very code that did it; anything
else, and anything damaged, is passed over: then the file is validated in full.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from fieldstack.ha import measures, vocabulary
from fieldstack.ha.policy.compiled import CompiledPolicy
from fieldstack.ha.policy.source import read

FORMAT = 1


def load_compiled(file: Path, cache: Path) -> CompiledPolicy:
    """The policy in `file`, taken from `cache` if that was made of it; else the cache is made anew.

    Raises:
        PolicyError: the file can not be read, or is not a valid policy.
    """
    text = read(file)
    key = _key(text)
    found = _cached(cache, key)
    if found is not None:
        return found
    from fieldstack.ha.policy.compilation import compile_policy  # loads pydantic: not for what is cached
    from fieldstack.ha.policy.loading import parse_policy

    policy = compile_policy(parse_policy(text, str(file)))
    with contextlib.suppress(OSError):  # a full folder costs the next start some time, nothing else
        _store(cache, key, policy)
    return policy


def _key(text: bytes) -> str:
    """Content and code: sources count as Python's own cache takes them, by time and size."""
    code = hashlib.sha256(text)
    files = (*Path(__file__).parent.glob("*.py"), Path(measures.__file__), Path(vocabulary.__file__))
    for file in sorted(files):
        status = file.stat()
        code.update(f"{file.name} {status.st_mtime_ns} {status.st_size}\n".encode())
    return code.hexdigest()


def _cached(cache: Path, key: str) -> CompiledPolicy | None:
    try:
        head, _, body = cache.read_bytes().partition(b"\n")
        if json.loads(head) != _head(key, body):
            return None
        return CompiledPolicy.from_dict(json.loads(body))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _head(key: str, body: bytes) -> dict[str, Any]:
    return {"format": FORMAT, "of": key, "sha256": hashlib.sha256(body).hexdigest()}


def _store(cache: Path, key: str, policy: CompiledPolicy) -> None:
    body = json.dumps(policy.to_dict(), separators=(",", ":")).encode()
    if CompiledPolicy.from_dict(json.loads(body)) != policy:
        return  # it would not come back as what it is
    fresh = cache.with_name(f"{cache.name}.{os.getpid()}")
    try:
        fresh.write_bytes(json.dumps(_head(key, body)).encode() + b"\n" + body)
        fresh.replace(cache)
    finally:
        fresh.unlink(missing_ok=True)
