"""Runs every benchmark, or those named, each in a process of its own, so that one's memory is not another's.

python -m benchmarks [online_store point_in_time …]

Those that compare print lines of one table, which is printed whole at the end.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.contestants import LINES, line

HERE = Path(__file__).parent
HELPERS = {
    "__init__",
    "__main__",
    "bookkeeping_instances",
    "bookkeeping_library",
    "contestants",
    "labelled_payments",
    "online_data",
}


def main() -> int:
    """Print every benchmark's figures; non-zero when one could not run."""
    names = sys.argv[1:] or sorted({path.stem for path in HERE.glob("*.py")} - HELPERS)
    failed = []
    with tempfile.NamedTemporaryFile("r") as lines:
        for name in names:
            print(f"\n== {name}", flush=True)
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-m", f"benchmarks.{name}"],
                cwd=HERE.parent,
                env={**os.environ, LINES: lines.name},
                check=False,
            )
            if done.returncode:
                failed.append(name)
        if table := lines.read():
            print(
                f"\n== all comparisons\n{line('what', 'ours', 'peer', 'ratio', 'aim', 'met?')}\n{table}",
                end="",
            )
    if failed:
        print(f"\ncould not run: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
