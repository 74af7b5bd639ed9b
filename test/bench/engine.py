"""Dump and restore against what people would use instead, on one generated database (akig.sql, 1.84 GB of dump text at scale 18).

Two clusters with initdb's own settings on loopback, sources in the page cache, a CHECKPOINT before each run; ways take turns, so that a
machine that slows down slows all of them. CPU is that of the client with its children, and of the server's sessions."""
from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import pwd
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Callable, Iterator

HERE = pathlib.Path(__file__).resolve().parent
PGBIN = pathlib.Path("/usr/lib/postgresql/15/bin")
HERTZ = os.sysconf("SC_CLK_TCK")
TABLES = "users properties contracts invoices payments documents audit_log".split()
TUNED = "-c wal_level=minimal -c max_wal_senders=0 -c max_wal_size=16GB -c maintenance_work_mem=1GB -c synchronous_commit=off"


@dataclasses.dataclass
class Run:
    wall: float
    client: float
    server: float
    rss_mb: float
    size_mb: float = 0.0


class Cluster:
    """A PostgreSQL of the bench's own, ended with it."""

    def __init__(self, folder: pathlib.Path, name: str, net: str) -> None:
        self.data, self.address, self.port = folder / name, net, 5432
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.as_user = {"user": self.user} if os.geteuid() == 0 else {}
        self.data.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.data, self.user, self.user)
        subprocess.run([PGBIN / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--locale=C.UTF-8", "-E", "UTF8"], check=True,
                       stdout=subprocess.DEVNULL, cwd="/", **self.as_user)
        self.process: subprocess.Popen | None = None

    def start(self, settings: str = "") -> None:
        argv = [PGBIN / "postgres", "-D", self.data, "-h", self.address, "-p", str(self.port), "-k", "", *settings.split()]
        with open(self.data.parent / f"{self.data.name}.log", "ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/", **self.as_user)
        while subprocess.run([PGBIN / "pg_isready", "-q", "-h", self.address, "-p", str(self.port)], check=False).returncode:
            assert self.process.poll() is None, f"the server did not start; see {log.name}"
            time.sleep(0.05)  # between questions

    def stop(self) -> None:
        if self.process:
            self.process.send_signal(2)
            self.process.wait(120)
            self.process = None

    def where(self, database: str) -> str:
        return f"host={self.address} port={self.port} user=postgres dbname={database} sslmode=disable"

    def sql(self, database: str, text: str) -> str:
        return subprocess.run([PGBIN / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.where(database), "-c", text], check=True,
                              stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL).stdout.strip()

    def cpu(self) -> float:
        """Of the postmaster and of every session that ended; the last ones may be ending still."""
        assert self.process
        while self.sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'") != "1":
            time.sleep(0.05)  # between questions
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(int(f) for f in fields[11:15]) / HERTZ


class Engine:
    def __init__(self, bascule: pathlib.Path, scale: int, folder: pathlib.Path) -> None:
        self.bascule, self.scale, self.folder = bascule, scale, folder
        net = f"127.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250 + 1}"
        self.source, self.target = Cluster(folder, "source", f"{net}.1"), Cluster(folder, "target", f"{net}.2")
        self.backups, self.out = folder / "backups", folder / "out"
        self.backups.mkdir()
        self.out.mkdir()
        self.config = folder / "bascule.yaml"
        sites = "".join(f"""
      - name: {name}
        role: {name}
        host: local
        database: {{host: {c.address}, port: {c.port}, dbname: akig, user: postgres, sslmode: disable, critical_tables: [{', '.join(TABLES)}]}}
        backup: {{folder: {self.backups}}}""" for name, c in (("production", self.source), ("dr", self.target)))
        self.config.write_text(f"""state_dir: {folder}/state
channels: [{{name: log, type: log, file: {folder}/notices.log}}]
contacts: [{{name: ops, tier: 1, ways: [{{channel: log}}]}}]
services:
  - name: akig
    title: AKIG Platform
    checks: [{{id: production.database, type: postgres, site: production}}]
    severities: [{{name: P1, rto: 15m, rpo: 1h, stages: [{{name: alert, after: 5s, notify: [ops]}}]}}]
    sites:{sites}
""")
        (folder / "state").mkdir(mode=0o700)

    def __enter__(self) -> "Engine":
        self.source.start()
        self.target.start()
        self.source.sql("postgres", "CREATE DATABASE akig")
        subprocess.run([PGBIN / "psql", "-Xq", "-d", self.source.where("akig"), "-v", f"scale={self.scale}", "-f", HERE / "akig.sql"], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.source.sql("akig", "VACUUM ANALYZE")
        return self

    def __exit__(self, *_: object) -> None:
        self.source.stop()
        self.target.stop()

    def ours(self, *words: str) -> list[str]:
        return [str(self.bascule), "-c", str(self.config), *words]

    def shell(self, text: str) -> list[str]:
        return ["bash", "-o", "pipefail", "-c", text]

    def run(self, cluster: Cluster, argv: list[str]) -> Run:
        cluster.sql("postgres", "CHECKPOINT")
        os.sync()
        server = cluster.cpu()
        began = time.monotonic()
        with open(self.folder / "last.log", "wb") as log:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/tmp")
            _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
        if status:
            raise RuntimeError(f"{' '.join(map(str, argv))}: status {status}: {(self.folder / 'last.log').read_text(errors='replace')[-2000:]}")
        return Run(wall, usage.ru_utime + usage.ru_stime, cluster.cpu() - server, usage.ru_maxrss / 1024)

    # -- dumps --

    def clear_out(self) -> None:
        shutil.rmtree(self.out)
        self.out.mkdir()

    def dump_ours(self, level: str) -> Run:
        for old in self.backups.iterdir():
            old.unlink()
        run = self.run(self.source, self.ours("backup", "--level", level))
        run.size_mb = next(self.backups.glob("*.sql.gz")).stat().st_size / 1e6
        return run

    def dump_theirs(self, text: str) -> Run:
        self.clear_out()
        run = self.run(self.source, self.shell(text.format(pg_dump=PGBIN / "pg_dump", where=f"'{self.source.where('akig')}'", out=self.out)))
        run.size_mb = sum(f.stat().st_size for f in self.out.rglob("*") if f.is_file()) / 1e6
        return run

    # -- restores --

    def fresh(self, name: str) -> None:
        for old in self.target.sql("postgres", r"SELECT datname FROM pg_database WHERE datname ~ '^(akig|r$)'").split():
            self.target.sql("postgres", f'DROP DATABASE "{old}" WITH (FORCE)')
        if name:
            self.target.sql("postgres", f"CREATE DATABASE {name} TEMPLATE template0")

    def counting(self) -> str:
        return " UNION ALL ".join(f"SELECT '{t}', count(*), sum(id) FROM {t}" for t in TABLES) + " ORDER BY 1"

    def counts(self, cluster: Cluster, database: str) -> str:
        return cluster.sql(database, self.counting())

    def restore_ours(self, *words: str) -> Run:
        self.fresh("")
        run = self.run(self.target, self.ours("restore", "dr", *words))
        assert self.counts(self.target, "akig") == self.counts(self.source, "akig"), "the restored rows are not those of the source"
        return run

    def restore_scratch(self) -> Run:
        """Into a server that bascule makes; its processor time is not the target's, and is not in the figures."""
        place = self.folder / f"scratch-{time.monotonic_ns()}"
        run = self.run(self.target, self.ours("restore", "dr", "--scratch", str(place)))
        try:
            where = f"host={place} port={self.target.port} user=postgres dbname=akig"
            found = subprocess.run([PGBIN / "psql", "-XAtq", "-d", where, "-c", self.counting()], check=True, stdout=subprocess.PIPE, text=True).stdout
            assert found.strip() == self.counts(self.source, "akig"), "the restored rows are not those of the source"
        finally:
            subprocess.run([PGBIN / "pg_ctl", "-D", place / "data", "-w", "-m", "immediate", "stop"], check=True, stdout=subprocess.DEVNULL, cwd="/",
                           **self.target.as_user)
            shutil.rmtree(place)
        return run

    def restore_theirs(self, text: str, settings: str = "") -> Run:
        if settings:
            self.target.stop()
            self.target.start(settings)
        self.fresh("r")
        run = self.run(self.target, self.shell(text.format(bin=PGBIN, where=f"'{self.target.where('r')}'", at=self.folder)))
        if settings:
            self.target.stop()
            self.target.start()
        return run


def medians(runs: list[Run]) -> Run:
    return Run(*(statistics.median(getattr(r, f.name) for r in runs) for f in dataclasses.fields(Run)))


def take_turns(ways: dict[str, Callable[[], Run]], rounds: int) -> dict[str, Run]:
    taken: dict[str, list[Run]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(way())
            print(f"    {name}: {taken[name][-1].wall:.1f} s", file=sys.stderr, flush=True)
    return {name: medians(runs) for name, runs in taken.items()}


def table(title: str, first: str, found: dict[str, Run]) -> None:
    print(f"\n{title}, medians; ratio to {first}\n  {'way':42} {'wall s':>7} {'ratio':>6} {'client CPU':>10} {'server CPU':>10} {'MB':>7} {'RSS MB':>7}")
    for name, r in found.items():
        print(f"  {name:42} {r.wall:7.1f} {r.wall / found[first].wall:6.2f} {r.client:10.1f} {r.server:10.1f} {r.size_mb:7.0f} {r.rss_mb:7.0f}", flush=True)


@contextlib.contextmanager
def workplace() -> Iterator[pathlib.Path]:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bascule-bench-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def engine(say: Callable[[str, str, str, bool], None], bascule: pathlib.Path, rounds: int, scale: int) -> None:
    with workplace() as folder, Engine(bascule, scale, folder) as e:
        seed = "pg_dump | gzip"
        dumps = take_turns({
            seed: lambda: e.dump_theirs("{pg_dump} -d {where} | gzip > {out}/d.sql.gz"),
            "pg_dump -Fd -j2": lambda: e.dump_theirs("{pg_dump} -d {where} -Fd -j2 -f {out}/d"),
            "pg_dump -Fd -j2 -Z0, the server's limit": lambda: e.dump_theirs("{pg_dump} -d {where} -Fd -j2 -Z0 -f {out}/d"),
            "pg_dump | igzip -1": lambda: e.dump_theirs("{pg_dump} -d {where} | igzip -1 > {out}/d.sql.gz"),
            "bascule backup --level small": lambda: e.dump_ours("small"),
            "bascule backup": lambda: e.dump_ours("default"),
        }, rounds)
        table("dump", seed, dumps)
        ours, small, base = dumps["bascule backup"], dumps["bascule backup --level small"], dumps[seed]
        say("dump against pg_dump | gzip", f"{ours.wall / base.wall:.2f} of its time, {ours.size_mb / base.size_mb:.2f} of its size, {ours.rss_mb:.0f} MB",
            "0.167 of the time, 1.10 of the size, under 256 MB", ours.wall <= base.wall / 6 and ours.size_mb <= 1.1 * base.size_mb and ours.rss_mb < 256)
        say("dump --level small", f"{small.wall / base.wall:.2f} of its time, {small.size_mb / base.size_mb:.3f} of its size", "0.5 of the time, smaller",
            small.wall <= base.wall / 2 and small.size_mb < base.size_mb)

        e.dump_theirs("{pg_dump} -d {where} | gzip > {out}/../plain.sql.gz")
        e.dump_theirs("{pg_dump} -d {where} -Fd -j2 -f {out}/../d")
        seed = "gunzip | psql"
        foreign = str(folder / "akig_backup_full_20260101_000000.sql.gz")
        os.link(folder / "plain.sql.gz", foreign)
        restores = take_turns({
            seed: lambda: e.restore_theirs("gunzip -c {at}/plain.sql.gz | {bin}/psql -Xq -v ON_ERROR_STOP=1 -d {where}"),
            "pg_restore -j2": lambda: e.restore_theirs("{bin}/pg_restore -j2 -d {where} {at}/d"),
            "pg_restore -j2, tuned server": lambda: e.restore_theirs("{bin}/pg_restore -j2 -d {where} {at}/d", TUNED),
            "bascule restore, of pg_dump | gzip": lambda: e.restore_ours("--file", foreign),
            "bascule restore": lambda: e.restore_ours(),
            "bascule restore --scratch": lambda: e.restore_scratch(),
        }, rounds)
        table("restore", seed, restores)
        e.fresh("")
        e.run(e.target, e.ours("dr", "follow", "--once"))
        warm = e.run(e.target, e.ours("restore", "dr"))
        assert e.counts(e.target, "akig") == e.counts(e.source, "akig"), "the warm copy is not the source"
        ours, scratch, base = restores["bascule restore"], restores["bascule restore --scratch"], restores[seed]
        tuned = restores["pg_restore -j2, tuned server"]
        say("restore against gunzip | psql", f"{ours.wall / base.wall:.2f} of its time, {ours.rss_mb:.0f} MB", "0.5, under 256 MB",
            ours.wall <= base.wall / 2 and ours.rss_mb < 256)
        say("restore --scratch", f"{scratch.wall / base.wall:.2f} of its time", "0.4", scratch.wall <= 0.4 * base.wall)
        say("restore against pg_restore -j2, tuned", f"{ours.wall / tuned.wall:.2f} of its time", "under 1", ours.wall < tuned.wall)
        say("a warm copy taken, verified", f"{warm.wall:.2f} s", "under 2 s", warm.wall < 2)


if __name__ == "__main__":
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--bascule", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=int, default=18)
    o = parser.parse_args()
    engine(lambda what, figure, target, met: print(f"{'  ' if met else '! '}{what}: {figure}   (target {target})", flush=True), o.bascule.resolve(), o.rounds, o.scale)
