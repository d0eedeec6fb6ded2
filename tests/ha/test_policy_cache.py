"""The compiled policy: the same as the validated one, and used only for what it was made of."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.policy import PolicyError, load_policy
from fieldstack.ha.policy.files.cache import load_compiled
from fieldstack.ha.policy.files.compilation import compile_policy
from fieldstack.ha.policy.in_force.cell_times import CellTimes
from fieldstack.ha.policy.in_force.compiled import CompiledPolicy

SHIPPED = Path(__file__).parents[2] / "config/ha/failover_policy.json"
LOOK = """
import sys
from pathlib import Path
from fieldstack.ha.policy.files.cache import load_compiled
print(load_compiled(Path(sys.argv[1]), Path(sys.argv[2])).digest, 'pydantic' in sys.modules)
"""


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    file = tmp_path / "policy.json"
    file.write_bytes(SHIPPED.read_bytes())
    return file


def _changed(file: Path, key: str, value: object) -> None:
    data = json.loads(file.read_text())
    data["rt_agent"] = data.get("rt_agent", {}) | {key: value}
    file.write_text(json.dumps(data))


def _look(file: Path, cache: Path) -> str:
    """Digest, and whether pydantic was needed."""
    command = [sys.executable, "-c", LOOK, str(file), str(cache)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_compiled_policy_answers_as_the_validated_one_does() -> None:
    validated = load_policy(SHIPPED)
    compiled = CompiledPolicy.from_dict(json.loads(json.dumps(compile_policy(validated).to_dict())))
    assert compiled == compile_policy(validated)
    assert compiled.table.rows == validated.table.rows
    for name in (ProcessName.RT, ProcessName.CORE):
        assert compiled.process(name).startup_grace_ns == validated.process(name).startup_grace_ns
        assert compiled.process(name).process_name is name
    for subject in ("fieldstack-rt", "slave:drive1", "module:health", "group:all", "nobody"):
        mine, theirs = compiled.budget(subject), validated.budget(subject)
        assert (mine and (mine.max_restart_count, mine.window_ns)) == (
            theirs and (theirs.max_restart_count, theirs.window_ns)
        )


def test_known_policy_is_in_force_without_validating_it_again(policy_file: Path, tmp_path: Path) -> None:
    cache = tmp_path / "compiled"
    digest = load_compiled(policy_file, cache).digest
    assert _look(policy_file, cache) == f"{digest} False\n"


@pytest.mark.parametrize("place", [0, 5, 40, 200, -2])
def test_damaged_cache_is_never_used(policy_file: Path, tmp_path: Path, place: int) -> None:
    cache = tmp_path / "compiled"
    good = load_compiled(policy_file, cache)
    whole = cache.read_bytes()
    damaged = bytearray(whole)
    damaged[place] ^= 1
    for content in (bytes(damaged), whole[: len(whole) // 2], b"", b"[]\n[]"):
        cache.write_bytes(content)
        assert load_compiled(policy_file, cache) == good
        assert cache.read_bytes() == whole, "it is made again"


def test_changed_policy_is_validated_and_a_bad_one_is_refused(policy_file: Path, tmp_path: Path) -> None:
    cache = tmp_path / "compiled"
    before = load_compiled(policy_file, cache)
    _changed(policy_file, "nonrt_timeout_ms", 501)
    after = load_compiled(policy_file, cache)
    assert (before.rt_agent.nonrt_timeout_ms, after.rt_agent.nonrt_timeout_ms) == (500, 501)
    _changed(policy_file, "nonrt_timeout_ms", -1)
    with pytest.raises(PolicyError, match="nonrt_timeout_ms"):
        load_compiled(policy_file, cache)


def test_cache_of_other_code_is_not_used(policy_file: Path, tmp_path: Path) -> None:
    cache = tmp_path / "compiled"
    good = load_compiled(policy_file, cache)
    head, _, body = cache.read_bytes().partition(b"\n")
    other = json.loads(head) | {"of": "0" * 64}
    cache.write_bytes(json.dumps(other).encode() + b"\n" + body)
    assert load_compiled(policy_file, cache) == good
    assert cache.read_bytes().partition(b"\n")[0] == head


def test_folder_without_room_costs_the_cache_and_nothing_else(policy_file: Path, tmp_path: Path) -> None:
    cache = tmp_path / "no such folder" / "compiled"
    assert load_compiled(policy_file, cache) == compile_policy(load_policy(policy_file))


def test_what_is_kept_holds_for_the_cells_own_times_alone(policy_file: Path, tmp_path: Path) -> None:
    """A slower supervision is judged by its own interval, also when the file is known."""
    cache = tmp_path / "compiled"
    load_compiled(policy_file, cache, CellTimes(1000, 20))
    with pytest.raises(PolicyError, match="supervision every 200 ms"):
        load_compiled(policy_file, cache, CellTimes(1000, 200))
