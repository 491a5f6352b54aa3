"""Several processes on one folder store, and writers that are killed."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from ml_platform.storage.folder import FolderStore

CREATE = """
import sys
from pathlib import Path
from ml_platform.errors import ConflictError
from ml_platform.storage.folder import FolderStore
store = FolderStore(Path(sys.argv[1]))
sys.stdin.readline()
try:
    store.write("winner", sys.argv[2].encode(), if_absent=True)
    print("won")
except ConflictError:
    print("lost")
"""

WRITE_FOREVER = """
import itertools, sys
from pathlib import Path
from ml_platform.storage.folder import FolderStore
store = FolderStore(Path(sys.argv[1]))
print("writing", flush=True)
for n in itertools.count():
    store.write("object", bytes([n % 256]) * 300_000)
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_of_many_processes_that_create_one_object_one_wins(tmp_path: Path) -> None:
    processes = [start(CREATE, tmp_path, n) for n in range(8)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert sorted(results) == ["lost"] * 7 + ["won"]
    assert FolderStore(tmp_path).read("winner")[0] == str(results.index("won")).encode()


def test_a_killed_writer_leaves_the_old_object_or_the_new(tmp_path: Path) -> None:
    store, random_ = FolderStore(tmp_path), random.Random(1)
    for _ in range(8):
        writer = start(WRITE_FOREVER, tmp_path)
        assert writer.stdout is not None
        writer.stdout.readline()
        for _ in range(random_.randrange(1, 2000)):  # some work of this process, instead of a sleep
            store.stat("object")
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        if store.stat("object"):
            content, _ = store.read("object")
            assert len(content) == 300_000
            assert len(set(content)) == 1
        assert [info.key for info in store.list()] in ([], ["object"])
    store.write("last", b"")
    assert list((tmp_path / ".store" / "unfinished").iterdir()) == []
