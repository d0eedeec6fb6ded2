"""Where the repository lies: for tests that read its files, or start a helper by `python -m tests.…`."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config"
