"""There and back: a server of its own, databases dumped by us and by pg_dump, loaded by us and by psql, and whether they are the same after.

For test_roundtrip.py and tools/roundtrip-regress."""
from __future__ import annotations

import collections
import difflib
import gzip
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterable, Iterator, Optional

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "lab"))
import clusters  # noqa: E402
from lab import free_port, pg_bin  # noqa: E402
from procs import wait_until  # noqa: E402

CONF = """
listen_addresses = '{address}'
port = {port}
unix_socket_directories = ''
fsync = off
full_page_writes = off
max_wal_size = 2GB
max_locks_per_transaction = 256
max_prepared_transactions = 10
dynamic_shared_memory_type = mmap
{more}
"""
CONFIG = """
state_dir: {folder}/state
channels: [{{name: log, type: log, file: {folder}/notices}}]
contacts: [{{name: ops, title: Ops, ways: [{{channel: log}}]}}]
services:
  - name: trip
    title: Trip
    sites:
      - name: production
        role: production
        host: local
        database: {{host: {address}, port: {port}, dbname: {dbname}, user: postgres, admin_dbname: postgres}}
        backup: {{folder: {folder}/backups-{dbname}}}
    checks:
      - {{id: production.database, type: postgres, site: production, interval: 5s}}
    severities:
      - {{name: P1, rto: 15m, rpo: 1h, stages: [{{name: alert, after: 1m, notify: [ops]}}]}}
"""
KEY = re.compile(r"^\\(un)?restrict \w+$")
COPY = re.compile(r"^COPY .* FROM stdin;$")


class TripError(Exception):
    pass


def _unprivileged() -> dict:
    """PostgreSQL refuses to run as root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


class Trip:
    """One server and the program beside it. `with Trip(program) as trip:`"""

    def __init__(self, program: Path, more_conf: str = "", initdb: Iterable[str] = ("--encoding=UTF8", "--locale=C.UTF-8")) -> None:
        self.program = program
        self.bin = pg_bin()
        self.folder = Path(tempfile.mkdtemp(prefix="bascule-trip-"))
        self.address = f"127.{os.urandom(1)[0] % 200 + 20}.{os.urandom(1)[0]}.{os.urandom(1)[0] % 250 + 1}"
        self.port = free_port(self.address, 5432)
        self.server: Optional[subprocess.Popen] = None
        self.folder.chmod(0o755)
        (self.folder / "state").mkdir(mode=0o700)
        self.home = self.folder / "pg"
        self.home.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(self.home, "postgres", "postgres")
        try:
            self._start(more_conf, initdb)
        except BaseException:
            self.down()
            raise

    def _start(self, more_conf: str, initdb: Iterable[str]) -> None:
        data = self.home / "data"
        self._make(data, initdb)
        with open(data / "postgresql.conf", "a") as conf:
            conf.write(CONF.format(address=self.address, port=self.port, more=more_conf))
        (data / "pg_hba.conf").write_text("host all all 127.0.0.0/8 trust\n")
        self.launch()

    def _make(self, data: Path, initdb: Iterable[str]) -> None:
        clusters.make(Path(self.bin), data, *initdb)

    def launch(self) -> None:
        data = self.home / "data"
        with open(self.folder / "server.log", "ab") as log:
            self.server = subprocess.Popen([f"{self.bin}/postgres", "-D", str(data)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                                           start_new_session=True, **_unprivileged())
        wait_until("a server that answers", 30, self._answers)

    def _answers(self) -> bool:
        assert self.server
        if self.server.poll() is not None:
            raise TripError((self.folder / "server.log").read_text())
        return subprocess.run([f"{self.bin}/pg_isready", "-q", "-h", self.address, "-p", str(self.port)], check=False).returncode == 0

    def __enter__(self) -> "Trip":
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def stop_at_once(self) -> None:
        """As a crash leaves it."""
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGQUIT)
            try:
                self.server.wait(30)
            except subprocess.TimeoutExpired:
                self.server.kill()
                self.server.wait()

    def down(self) -> None:
        self.stop_at_once()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- programs ----

    def _run(self, argv: list[str], check: bool = True, **more: object) -> subprocess.CompletedProcess:
        done = subprocess.run(argv, capture_output=True, text=True, errors="surrogateescape", cwd="/", stdin=subprocess.DEVNULL,
                              env={**os.environ, "LC_ALL": "C.UTF-8", "PGOPTIONS": ""}, **more)  # type: ignore[call-overload]
        if check and done.returncode:
            raise TripError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done

    def where(self, dbname: str) -> str:
        return f"host={self.address} port={self.port} user=postgres dbname={dbname}"

    def psql(self, dbname: str, *arguments: str, check: bool = True) -> str:
        return self._run([f"{self.bin}/psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.where(dbname), *arguments], check=check).stdout

    def create(self, dbname: str, encoding: str = "UTF8") -> None:
        self.psql("postgres", "-c", f"CREATE DATABASE {dbname} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")

    def drop(self, *dbnames: str) -> None:
        for dbname in dbnames:
            self.psql("postgres", "-c", f'DROP DATABASE IF EXISTS "{dbname}" WITH (FORCE)')

    def bascule(self, dbname: str, *words: str, check: bool = True) -> subprocess.CompletedProcess:
        config = self.folder / f"{dbname}.yaml"
        config.write_text(CONFIG.format(folder=self.folder, address=self.address, port=self.port, dbname=dbname))
        config.chmod(0o600)
        return self._run([str(self.program), "-c", str(config), *words], check=check)

    # ---- dumps ----

    def dump_by_us(self, dbname: str, *options: str) -> Path:
        """The file of a new backup."""
        folder = self.folder / f"backups-{dbname}"
        before = set(folder.glob("*.sql.gz"))
        self.bascule(dbname, "backup", *options)
        new = set(folder.glob("*.sql.gz")) - before
        assert len(new) == 1, new
        return new.pop()

    def dump_by_pg(self, dbname: str, *options: str) -> Path:
        """pg_dump | gzip, as everyone does."""
        path = self.folder / f"{dbname}{''.join(options)}.sql.gz"
        with open(path, "wb") as out:
            dump = subprocess.Popen([f"{self.bin}/pg_dump", "-d", self.where(dbname), *options], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
            subprocess.run(["gzip", "-1"], stdin=dump.stdout, stdout=out, check=True)
        if dump.wait():
            raise TripError(f"pg_dump of {dbname}: exit {dump.returncode}")
        return path

    def load_by_us(self, path: Path, dbname: str, *options: str) -> None:
        self.bascule(dbname, "restore", "production", "--file", str(path), *options)

    def load_by_psql(self, path: Path, dbname: str, encoding: str = "UTF8") -> None:
        self.create(dbname, encoding)
        unpacked = subprocess.Popen(["gunzip", "-c", str(path)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        psql = subprocess.run([f"{self.bin}/psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", self.where(dbname)], stdin=unpacked.stdout, capture_output=True,
                              text=True, errors="replace", check=False)
        if unpacked.wait() or psql.returncode:
            raise TripError(f"gunzip | psql of {path.name}: {psql.stderr[-4000:]}")

    def text(self, dbname: str, *options: str) -> list[str]:
        """What pg_dump says of a database, rows of each table in order of their text: where a row stands in a table means nothing."""
        done = self._run([f"{self.bin}/pg_dump", "-d", self.where(dbname), *options])
        return list(normal(done.stdout.split("\n")))


def normal(lines: Iterable[str]) -> Iterator[str]:
    rows: Optional[list[str]] = None
    for line in lines:
        if rows is not None:
            if line == "\\.":
                yield from sorted(rows)
                rows = None
                yield line
            else:
                rows.append(line)
        elif not KEY.match(line):
            yield line
            if COPY.match(line):
                rows = []


def items(lines: Iterable[str]) -> collections.Counter:
    """The items of a dump, each with its header, whatever their order."""
    return collections.Counter(("\n" + "\n".join(lines)).split("\n--\n-- "))


def difference(one: list[str], two: list[str]) -> str:
    """Nothing when they are the same; else the first lines that differ."""
    if one == two:
        return ""
    return "\n".join([line for _, line in zip(range(60), difflib.unified_diff(one, two, "original", "after", lineterm="", n=1))])


def unpacked(path: Path) -> list[str]:
    with gzip.open(path, "rt", errors="surrogateescape", newline="\n") as file:
        return list(normal(file.read().split("\n")))
