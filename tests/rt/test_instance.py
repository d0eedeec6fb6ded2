"""Names and folders of an instance."""

from __future__ import annotations

import pytest

from fieldstack_base.instance import Instance, InstanceNameError


@pytest.mark.parametrize("name", ["", "-a", "A", "a/b", "a" * 25, "a b", "ä", "..", "a\n"])
def test_names_that_would_not_do_as_file_names_are_refused(name: str) -> None:
    with pytest.raises(InstanceNameError, match="--instance"):
        Instance(name)


def test_two_instances_share_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path))
    one, two = Instance("one"), Instance("two")
    assert {one.shm_name, one.plan_file, one.segment_socket}.isdisjoint(
        {two.shm_name, two.plan_file, two.segment_socket}
    )


def test_the_folders_are_not_for_others(instance: Instance) -> None:
    assert instance.runtime_dir.stat().st_mode & 0o007 == 0
    assert instance.state_dir.stat().st_mode & 0o007 == 0
