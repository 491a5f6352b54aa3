"""A real Cassandra server for tests, from Maven Central: Java 17 and Maven are all it needs.

The jars are fetched once, into a cache folder outside the repository. Each server has a data folder of its
own, listens on free ports of 127.0.0.1, and is ended by its process number.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

VERSION = "5.0.4"
PASSWORD = "cassandra"

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tests</groupId><artifactId>cassandra-server</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.apache.cassandra</groupId><artifactId>cassandra-all</artifactId><version>{VERSION}</version>
  </dependency></dependencies>
</project>
"""

EXPORTS = """
java.base/jdk.internal.misc java.base/jdk.internal.ref java.base/sun.nio.ch
java.management.rmi/com.sun.jmx.remote.internal.rmi java.rmi/sun.rmi.registry java.rmi/sun.rmi.server
java.sql/java.sql
"""

OPENS = """
java.base/java.lang java.base/java.lang.module java.base/java.io java.base/java.nio java.base/java.util
java.base/java.util.concurrent java.base/java.util.concurrent.atomic java.base/sun.nio.ch
java.base/jdk.internal.loader java.base/jdk.internal.ref java.base/jdk.internal.reflect
java.base/jdk.internal.math java.base/jdk.internal.module java.base/jdk.internal.util.jar
jdk.management/com.sun.management.internal
"""

LOGBACK = """<configuration><appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
<encoder><pattern>%-5level %date %logger{20} %msg%n</pattern></encoder></appender>
<root level="INFO"><appender-ref ref="OUT"/></root></configuration>
"""


def missing() -> str:
    """All that the machine lacks to run a server; empty when nothing."""
    return ", ".join(program for program in ("java", "mvn") if shutil.which(program) is None)


def jars() -> Path:
    """The folder of the server's jars; filled when first asked for."""
    cache = (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        / "ml-platform-tests"
        / f"cassandra-{VERSION}"
    )
    ready = cache / "ready"
    if not ready.exists():
        cache.mkdir(parents=True, exist_ok=True)
        (cache / "pom.xml").write_text(POM)
        subprocess.run(
            [
                "mvn",
                "-q",
                "-B",
                "dependency:copy-dependencies",
                "-DoutputDirectory=lib",
                "-DincludeScope=runtime",
            ],
            cwd=cache,
            check=True,
        )
        ready.touch()
    return cache / "lib"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class CassandraServer:
    """A server of its own folder; ``secured`` asks for a password and TLS.

    Args:
        folder: for everything that the server writes.
        secured: whether clients must authenticate (``cassandra``/``cassandra`` is the superuser) and encrypt.
        heap_mb: the JVM's heap.
    """

    folder: Path
    secured: bool = False
    heap_mb: int = 512
    port: int = field(default_factory=free_port)
    storage_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def certificate(self) -> Path:
        """PEM file of the server's own certificate, which clients are to trust."""
        return self.folder / "conf" / "server.pem"

    def start(self) -> "CassandraServer":
        """Start, and return when clients can connect."""
        conf = self.folder / "conf"
        conf.mkdir(parents=True, exist_ok=True)
        if self.secured and not self.certificate.exists():
            self._make_certificate(conf)
        (conf / "cassandra.yaml").write_text(self._yaml())
        (conf / "logback.xml").write_text(LOGBACK)
        log = self.folder / "server.log"
        seen = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self._command(conf), cwd=self.folder, stdout=output, stderr=output
            )
        deadline = time.monotonic() + 180
        while b"Starting listening for CQL" not in log.read_bytes()[seen:]:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Cassandra did not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.2)
        while (
            self.secured
            and b"Created default superuser" not in log.read_bytes()
            and time.monotonic() < deadline
        ):
            time.sleep(0.2)
        return self

    def kill(self) -> None:
        """End it as a crash would."""
        self._signal(signal.SIGKILL)

    def pause(self) -> None:
        """Have it answer nothing, with its connections open."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on after :meth:`pause`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it in an orderly way."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(timeout=60)
            self.process = None

    def _command(self, conf: Path) -> Sequence[str]:
        modules = [f"--add-exports={module}=ALL-UNNAMED" for module in EXPORTS.split()]
        modules += [f"--add-opens={module}=ALL-UNNAMED" for module in OPENS.split()]
        return [
            "java", f"-Xms{self.heap_mb}m", f"-Xmx{self.heap_mb}m", *modules,
            f"-Dcassandra.config={(conf / 'cassandra.yaml').as_uri()}",
            f"-Dcassandra.storagedir={self.folder / 'data'}",
            f"-Dlogback.configurationFile={conf / 'logback.xml'}",
            "-Dcassandra-foreground=yes", "-Dcassandra.skip_wait_for_gossip_to_settle=0",
            "-Dcassandra.ring_delay_ms=1", "-Dcassandra.superuser_setup_delay_ms=0",
            "-cp", f"{conf}:{jars()}/*", "org.apache.cassandra.service.CassandraDaemon",
        ]  # fmt: skip

    def _yaml(self) -> str:
        data = self.folder / "data"
        plain = f"""
cluster_name: tests
num_tokens: 16
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
commitlog_sync: periodic
commitlog_sync_period: 10000ms
data_file_directories: ["{data}/data"]
commitlog_directory: "{data}/commitlog"
saved_caches_directory: "{data}/saved_caches"
hints_directory: "{data}/hints"
cdc_raw_directory: "{data}/cdc_raw"
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
storage_port: {self.storage_port}
native_transport_port: {self.port}
endpoint_snitch: SimpleSnitch
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{{seeds: "127.0.0.1:{self.storage_port}"}}]
"""
        if not self.secured:
            return plain
        return (
            plain
            + f"""
authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
role_manager: CassandraRoleManager
client_encryption_options:
  enabled: true
  optional: false
  keystore: {self.folder}/conf/server.p12
  keystore_password: {PASSWORD}
  store_type: PKCS12
"""
        )

    def _make_certificate(self, conf: Path) -> None:
        store = [
            "-keystore",
            str(conf / "server.p12"),
            "-storetype",
            "PKCS12",
            "-storepass",
            PASSWORD,
            "-alias",
            "server",
        ]
        names = "SAN=ip:127.0.0.1,dns:localhost"
        make = ["-genkeypair", "-keyalg", "RSA", "-dname", "CN=localhost", "-ext", names, "-validity", "3650"]
        for arguments in (make, ["-exportcert", "-rfc", "-file", str(self.certificate)]):
            subprocess.run(["keytool", *arguments, *store], check=True, capture_output=True)


if __name__ == "__main__":  # a server to play with: python cassandra_server.py FOLDER
    server = CassandraServer(Path(sys.argv[1]).absolute()).start()
    print(f"listening on 127.0.0.1:{server.port}, process {server.process.pid if server.process else 0}")
    try:
        signal.pause()
    finally:
        server.stop()
