"""Native modules and data files; everything else is declared in pyproject.toml."""

from pathlib import Path

from setuptools import setup


def config_files() -> list[tuple[str, list[str]]]:
    """The `config/` and `systemd/` trees, installed below `share/fieldstack` of a wheel's prefix."""
    found: dict[str, list[str]] = {}
    for top in ("config", "systemd"):
        for path in sorted(Path(top).rglob("*")):
            if path.is_file():
                found.setdefault(f"share/fieldstack/{path.parent.as_posix()}", []).append(path.as_posix())
    return sorted(found.items())


setup(
    cffi_modules=[
        "rt/fieldstack_rt/native/build_native.py:ffibuilder",
        "ethercat/fieldstack_ethercat/segment/native/build_segment.py:ffibuilder",
    ],
    data_files=config_files(),
)
