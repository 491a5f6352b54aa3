"""Runs every benchmark, each in a process of its own, so that one's memory is not another's."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
HELPERS = {"__init__", "__main__", "labelled_payments"}


def main() -> int:
    """Print every benchmark's figures; non-zero when one could not run."""
    failed = []
    for path in sorted(HERE.glob("*.py")):
        if path.stem in HELPERS:
            continue
        print(f"\n== {path.stem}", flush=True)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", f"benchmarks.{path.stem}"], cwd=HERE.parent, check=False
        )
        if done.returncode:
            failed.append(path.stem)
    if failed:
        print(f"\ncould not run: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
