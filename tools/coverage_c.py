"""Adds up what gcov counted, over all builds of a file, and prints a line a file. Called by coverage_c.sh."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

NATIVES = ("rt/fieldstack_rt/native/", "ethercat/fieldstack_ethercat/segment/native/")


def source(name: str) -> str | None:
    """The file's path in the repository; None: it is not ours, or generated."""
    for native in NATIVES:
        _, found, rest = name.replace("/./", "/").rpartition(native)
        if found and not rest.startswith("_native"):
            return native + rest
    return None


def counts(folder: Path) -> dict[str, dict[int, int]]:
    """By file and line: how often it ran."""
    found: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    data = [str(path.resolve()) for path in folder.rglob("*.gcda") if not path.name.startswith("_native")]
    done = subprocess.run(["gcov", "--json-format", "--stdout", *data], check=True, capture_output=True)
    for report in done.stdout.splitlines():
        for file in json.loads(report)["files"]:
            if (name := source(file["file"])) is not None:
                for line in file["lines"]:
                    found[name][line["line_number"]] += line["count"]
    return found


def main(floor: float, folder: Path) -> int:
    found = counts(folder)
    lines = hit = 0
    for name, ran in sorted(found.items()):
        here = sum(1 for count in ran.values() if count)
        print(f"{100 * here / len(ran):6.2f} %  {len(ran):4d} lines  {name}")
        lines, hit = lines + len(ran), hit + here
    share = 100 * hit / lines if lines else 0.0
    print(f"{share:6.2f} %  {lines:4d} lines  all of the C code; at least {floor} %")
    return int(share < floor)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), Path(sys.argv[2])))
