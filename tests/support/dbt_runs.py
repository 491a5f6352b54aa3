"""Runs dbt on a warehouse of the test's own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.dbt_sql import PROJECT

_RUNNER = """
import json, os, sys
from dbt.cli.main import dbtRunner
for partitions, arguments in json.loads(sys.argv[1]):
    os.environ["ML_PLATFORM_PARTITIONS"] = " ".join(partitions)
    result = dbtRunner().invoke(arguments)
    if not result.success:
        sys.exit(f"dbt {arguments} failed for {partitions}: {result.exception}")
"""


def start_dbt(
    warehouse: Path,
    *runs: tuple[Sequence[str], Sequence[str]],
    project: Path = PROJECT,
    **variables: Any,
) -> subprocess.Popen[str]:
    """Start dbt, once for each (partitions, arguments), one after the other, in one process."""
    options = ["--project-dir", str(project), "--profiles-dir", str(project), "--vars", json.dumps(variables)]
    environment: Mapping[str, str] = {
        **os.environ,
        "ML_PLATFORM_WAREHOUSE_PATH": str(warehouse),
        "DBT_TARGET_PATH": str(warehouse.parent / "target"),
        "DBT_LOG_PATH": str(warehouse.parent / "target"),
    }
    calls = json.dumps([(list(partitions), [*arguments, *options]) for partitions, arguments in runs])
    return subprocess.Popen(
        [sys.executable, "-c", _RUNNER, calls],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def run_dbt(
    warehouse: Path,
    *runs: tuple[Sequence[str], Sequence[str]],
    project: Path = PROJECT,
    **variables: Any,
) -> str:
    """Run dbt and return what it printed; a failed run or test fails the test."""
    process = start_dbt(warehouse, *runs, project=project, **variables)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    return output
