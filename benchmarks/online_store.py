"""Syncs to and reads from the online stores, beside Feast and beside the bare loops of the drivers, the floors.

Each contestant (``benchmarks/peers/online_*.py``) is a process of its own, and rounds of them alternate; ratios are
medians of the rounds' own. Feast is measured when ``FEAST_PYTHON`` names an interpreter that has it, Cassandra when
Java and Maven are there (a server of its own, from Maven Central). Reads are of new processes, as a service's are.

python -m benchmarks.online_store [--entities 100000] [--large 1000000] [--feast-cassandra 2000]
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import ROOT, Contestant, Rounds, feast_python, report
from benchmarks.online_data import filled

__all__ = ["main"]

ROUNDS, READ_ROUNDS = 3, 15
READS = {1: {"ours": 1000, "bare": 1000, "feast": 100}, 100: {"ours": 200, "bare": 200, "feast": 20}}
"""Reads a round, by keys a read. Short rounds, so that a neighbour's work spoils the 99th percentile of few."""


@dataclass(frozen=True)
class Store:
    """A store that everybody writes to and reads from; ``target`` is ``sqlite`` or Cassandra's port."""

    name: str
    target: str
    feast: str | None

    @contextmanager
    def contestants(self, folders: Mapping[str, Path]) -> Iterator[dict[str, Contestant]]:
        """Start ours, the bare loop and, where it is, Feast, each on the data of a folder named after its size."""
        with ExitStack() as stack:
            yield {
                who: stack.enter_context(
                    Contestant(
                        f"online_{who}",
                        folder,
                        folder.name,
                        self.target,
                        interpreter=self.feast if who == "feast" and self.feast else sys.executable,
                    )
                )
                for who, folder in folders.items()
                if who != "feast" or self.feast
            }


def syncs(store: Store, folders: Mapping[str, Path], feast_aim: float, floor_aim: float) -> float:
    """Report first syncs and those in which little and nothing changed.

    Returns:
        Peak memory of our process after the first sync, in MB.
    """
    with store.contestants(folders) as started:
        asked = [
            {who: one.ask("write", name=f"{who}_{i}") for who, one in started.items()} for i in range(ROUNDS)
        ]
    rounds = Rounds(asked)
    sizes = {who: int(folder.name) for who, folder in folders.items()}
    rates = {who: sizes[who] / rounds.median(who, "seconds") for who in started}
    what = f"{store.name}, first sync of {sizes['ours']:,}"
    for who, name, aim in (("feast", "Feast", feast_aim), ("bare", "bare loop", floor_aim)):
        if who in started:
            ratio = rounds.ratio((who, "seconds"), ("ours", "seconds")) * sizes["ours"] / sizes[who]
            peer = f"{name} of {sizes[who]:,}: {rates[who]:,.0f}/s"
            report(what, f"{rates['ours']:,.0f}/s", peer, ratio, least=aim)
    first = rounds.median("ours", "seconds")
    for told, figure in (("1 % changed", "changed"), ("nothing changed", "same")):
        what, taken = f"{store.name}, sync of {sizes['ours']:,}, {told}", rounds.median("ours", figure)
        ratio = rounds.ratio(("ours", "seconds"), ("ours", figure))
        report(what, f"{taken:.2f} s", f"first sync: {first:.2f} s", ratio, least=20)
    wrote = rounds.median("ours", "wrote")
    report(f"{store.name}, writes when nothing changed", f"{wrote:.0f}", "", wrote, most=0)
    for who in started:
        print(f"   peak memory, {who}, {sizes[who]:,}: {rounds.first(who, 'peak_mb'):,.0f} MB", flush=True)
    return float(rounds.first("ours", "peak_mb"))


def read_rounds(store: Store, folders: Mapping[str, Path], count: int) -> Rounds:
    """Reads of so many keys from what the syncs left; ``service`` is ours by ``OnlineFeatures``."""
    asked = []
    with store.contestants(folders) as started:
        for _ in range(READ_ROUNDS + 1):
            answers = {}
            for who, one in started.items():
                arguments = {"name": f"{who}_{ROUNDS - 1}", "count": count, "times": READS[count][who]}
                answers[who] = one.ask("read", **arguments)
                if who == "ours":
                    answers["service"] = one.ask("service_read", **arguments)
            asked.append(answers)
    return Rounds(asked[1:])  # the first warms everybody, the server included


def reads(store: Store, folders: Mapping[str, Path], feast_aims: Mapping[int, float]) -> None:
    """Report reads of 1 and 100 keys."""
    for count in READS:
        rounds = read_rounds(store, folders, count)
        for figure in ("p50", "p99"):
            for who, reader in (("ours", "store.read"), ("service", "OnlineFeatures")):
                what = f"{store.name}, {count} key{'s' * (count > 1)}, {reader}, {figure}"
                ours = f"{rounds.median(who, figure):.3f} ms"
                bare = f"bare read: {rounds.median('bare', figure):.3f} ms"
                report(what, ours, bare, rounds.ratio((who, figure), ("bare", figure)), most=1.5)
                if store.feast:
                    feast = f"Feast: {rounds.median('feast', figure):.3f} ms"
                    ratio = rounds.ratio(("feast", figure), (who, figure))
                    report(what, ours, feast, ratio, least=feast_aims.get(count))


def sqlite(folder: Path, feast: str | None, entities: int, large: int) -> None:
    """The embedded store; Feast, for its time and memory, is never given the large number of entities."""
    store = Store("SQLite", "sqlite", feast)
    small, big, few = (filled(folder, size) for size in (entities, large, entities // 5))
    peak = syncs(store, {"ours": small, "bare": small, "feast": small}, 50, 0.5)
    most = syncs(store, {"ours": big, "bare": big, "feast": few}, 50, 0.5)
    with store.contestants({"ours": big}) as started:
        query = started["ours"].ask("query")["peak_mb"]
    what, ours = f"SQLite, peak memory of {large:,}", f"{most:,.0f} MB"
    report(what, ours, f"of {entities:,}: {peak:,.0f} MB", most / peak, most=1.2)
    report(what, ours, f"DuckDB's query alone: {query:,.0f} MB", most / query, most=1.2)
    shutil.rmtree(big)
    reads(store, {"ours": small, "bare": small, "feast": small}, {1: 20, 100: 20})


def cassandra(folder: Path, feast: str | None, entities: int, few: int) -> None:
    """Cassandra; Feast, which writes a statement a feature, is given ``few`` entities."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.cassandra_server import CassandraServer, missing

    if lacking := missing():
        print(f"Cassandra is not measured: {lacking} needed")
        return
    server = CassandraServer(folder / "cassandra", heap_mb=1024).start()
    try:
        store, data = Store("Cassandra", str(server.port), feast), filled(folder, entities)
        folders = {"ours": data, "bare": data, "feast": filled(folder, few)}
        syncs(store, folders, 30, 0.7)
        reads(store, folders, {100: 5})
    finally:
        server.stop()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument(
        "--large", type=int, default=1_000_000, help="a first sync that memory is compared at"
    )
    parser.add_argument("--feast-cassandra", type=int, default=2_000, help="entities for Feast on Cassandra")
    parser.add_argument("--store", choices=["sqlite", "cassandra"], help="only this one")
    options = parser.parse_args()
    if options.large <= options.entities:
        parser.error("--large must be more than --entities: peak memory is compared")
    feast = feast_python()
    with tempfile.TemporaryDirectory() as name:
        if options.store != "cassandra":
            made = Path(name) / "sqlite"
            made.mkdir()
            sqlite(made, feast, options.entities, options.large)
        if options.store != "sqlite":
            made = Path(name) / "cassandra"
            made.mkdir()
            cassandra(made, feast, options.entities, options.feast_cassandra)


if __name__ == "__main__":
    main()
