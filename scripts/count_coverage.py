"""How much of the project the tests ran: ``python scripts/count_coverage.py .run/coverage/unit .run/coverage/plain``.

Puts the named counts together, prints lines and branches of each package, and exits 1 below 80 % of all lines of
``engine`` and ``mmctl``, or below 95 % of the lines and branches of ``engine/orders`` and ``engine/risk``.
"""

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

import coverage

ALL_LINES = 80.0
DECIDE = ("engine/orders", "engine/risk")  # what decides over orders and risk: lines and branches
DECIDE_BOTH = 95.0
COUNTED = ("num_statements", "covered_lines", "num_branches", "covered_branches")


def count(files: list[str]) -> dict[str, Counter[str]]:
    """Statements and branches, and how many of each ran, for each package (two folders deep)."""
    with tempfile.TemporaryDirectory() as folder:
        counted = coverage.Coverage(data_file=f"{folder}/all")
        counted.combine(files, strict=True, keep=True)
        counted.json_report(outfile=f"{folder}/report.json")
        report = json.loads(Path(folder, "report.json").read_text())
    packages: dict[str, Counter[str]] = {}
    for file, found in report["files"].items():
        folders = Path(file).parts[:-1][:2]
        package = packages.setdefault("/".join(folders), Counter())
        package.update({name: found["summary"][name] for name in COUNTED})
    return packages


def of_lines(found: Counter[str]) -> float:
    return 100 * found["covered_lines"] / max(found["num_statements"], 1)


def of_both(found: Counter[str]) -> float:
    possible = found["num_statements"] + found["num_branches"]
    return 100 * (found["covered_lines"] + found["covered_branches"]) / max(possible, 1)


def main(files: list[str]) -> int:
    missing = [file for file in files if not Path(file).is_file()]
    if missing or not files:
        print(f"nothing was counted: {', '.join(missing) or 'no file is named'} (make coverage counts)")
        return 1
    packages = count(files)
    rows = [*sorted(packages.items()), ("all of it", sum(packages.values(), Counter()))]
    print(f"{'lines ran':>10} {'of':>6} {'%':>6} {'with branches':>14}")
    for name, found in rows:
        ran, possible = found["covered_lines"], found["num_statements"]
        print(f"{ran:10d} {possible:6d} {of_lines(found):6.1f} {of_both(found):14.1f}  {name}")
    short = [name for name in DECIDE if of_both(packages.get(name, Counter())) < DECIDE_BOTH]
    for name in short:
        print(f"{name}: below {DECIDE_BOTH:g} % of lines and branches")
    low = of_lines(rows[-1][1]) < ALL_LINES
    if low:
        print(f"engine and mmctl: below {ALL_LINES:g} % of all lines")
    return int(low or bool(short))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
