"""The engine of backups and restores at its worst moments: killed, without its server, without room, with a dump that means ill.

A moment is the number of a call by which the program changes something or speaks to a server (faultshim.c counts them), so each is told
by the seed alone and nothing depends on how fast the machine is. BASCULE_SWEEP=FACTOR tries so many times more moments (5 is a good one for
a change of the engine), BASCULE_SEED=N others."""
from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import Iterable, Iterator, Optional

import clusters
import pytest
from procs import wait_until
from roundtrip import CONFIG, ROOT, Trip, _unprivileged, items, unpacked

SEED = int(os.environ.get("BASCULE_SEED", "3"))
FACTOR = int(os.environ.get("BASCULE_SWEEP", "1"))
RECORDS = (".manifest.json", ".verified.json", ".stores.json")
ROOM = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")

SCHEMA = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id bigserial PRIMARY KEY, customer int NOT NULL REFERENCES customers, what text);
CREATE INDEX ON orders (what);
CREATE TABLE marks (mark text);
INSERT INTO customers SELECT g, 'customer ' || g FROM generate_series(1, 500) g;
INSERT INTO orders (customer, what) SELECT g % 500 + 1, md5(g::text) || md5((-g)::text) FROM generate_series(1, 50000) g;
CREATE VIEW busy AS SELECT customer, count(*) FROM orders GROUP BY customer;
"""


class Shop(Trip):
    """A server with one database, `shop`, and its backups; the program can be run with a fault in it."""

    shim: Path
    more = ""

    def start_config(self, dbname: str) -> str:
        path = self.folder / f"{dbname}.yaml"
        text = CONFIG.format(folder=self.folder, address=self.address, port=self.port, dbname=dbname)
        password = self.folder / "password"
        password.write_text("s3cret\n")
        password.chmod(0o600)
        text = text.replace("user: postgres,", f"user: postgres, password: {{file: {password}}},")
        path.write_text(text.replace(f"backups-{dbname}}}", f"backups-{dbname}{self.more}}}"))
        path.chmod(0o600)
        return str(path)

    def begin(self, dbname: str, *words: str, **fault: object) -> subprocess.Popen:
        env = {**os.environ, "LC_ALL": "C.UTF-8"}
        if fault:
            env.update({f"FAULT_{name.upper()}": str(value) for name, value in fault.items()}, LD_PRELOAD=str(self.shim))
            env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"  # the shim stands before its runtime
        return subprocess.Popen([str(self.program), "-c", self.start_config(dbname), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, errors="replace", env=env, cwd="/")

    def do(self, dbname: str, *words: str, **fault: object) -> tuple[int, str]:
        return ended(self.begin(dbname, *words, **fault))

    def ok(self, dbname: str, *words: str) -> str:
        status, said = self.do(dbname, *words)
        assert status == 0, said
        return said

    def calls(self, dbname: str, *words: str, **fault: object) -> list[str]:
        """What a run does that goes well."""
        trace = self.folder / "trace"
        trace.unlink(missing_ok=True)
        status, said = self.do(dbname, *words, trace=trace, **fault)
        assert status == 0, said
        return trace.read_text().split()

    def databases(self, prefix: str) -> list[str]:
        return self.psql("postgres", "-c", f"SELECT datname FROM pg_database WHERE datname LIKE '{prefix}%' ORDER BY 1").split()

    def backups(self, dbname: str = "shop") -> Path:
        return self.folder / f"backups-{dbname}"


def ended(run: subprocess.Popen, seconds: float = 120) -> tuple[int, str]:
    try:
        out, err = run.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        run.kill()
        run.communicate()
        raise
    return run.returncode, out + err


def moments(calls: list[str], count: int, always: Iterable[int] = ()) -> list[int]:
    """Half of them about the calls that change names, the others anywhere; the numbers of calls, from 1 on."""
    chance = random.Random(f"{SEED} {len(calls) > 0}")
    rare = sorted({n for i, call in enumerate(calls) if call in ("rename", "unlink", "fsync", "create") for n in (i + 1, i + 2)})
    count *= FACTOR
    some = chance.sample(rare, min(count // 2, len(rare)))
    return sorted({*some, *(chance.randint(1, len(calls)) for _ in range(count - len(some))), *always})


def sums(folder: Path, pattern: str = "*") -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob(pattern)) if p.is_file() and not p.name.startswith(".")}


def hidden(folder: Path) -> list[str]:
    """What runs keep out of sight, but for locks and the record of what was tried."""
    return sorted(p.name for p in folder.glob(".*") if not p.name.endswith((".lock", ".past.jsonl")))


def good(shop: Shop, dbname: str, name: str) -> None:
    """It is whole: gunzip says so, and it has its manifest, and the program says so."""
    path = shop.backups(dbname) / name
    subprocess.run(["gzip", "-t", str(path)], check=True)
    assert (path.parent / f"{name}.manifest.json").exists()
    shop.ok(dbname, "backup", "verify", name)


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shim") / "faultshim.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(path), str(ROOT / "test/system/faultshim.c"), "-ldl"], check=True)
    return path


@pytest.fixture(scope="module")
def server(program: Path, shim: Path) -> Iterator[Shop]:
    with Shop(program) as shop:
        shop.shim = shim
        shop.create("shop")
        shop.psql("shop", "-c", SCHEMA)
        shop.ok("shop", "backup")
        yield shop


@pytest.fixture
def shop(server: Shop) -> Iterator[Shop]:
    server.more = ""
    yield server
    for name in server.databases("shop\\_") + server.databases("other"):
        server.drop(name)
    server.more = ""


# ---- kill -9 ----

def test_backup_is_killed(shop: Shop) -> None:
    """What can be seen is whole, what was there is as it was, and the next one clears up."""
    folder = shop.backups()
    before = sums(folder)
    calls = shop.calls("shop", "backup")
    before = sums(folder)
    done = 0
    for n in moments(calls, 6):
        status, said = shop.do("shop", "backup", kill=n)
        assert status in (-9, 0), f"at {n}: {said}"
        done += status == 0
        now = sums(folder)
        assert {k: v for k, v in now.items() if k in before} == before, f"at {n}"
        for name in set(now) - set(before):
            if name.endswith(".sql.gz"):
                good(shop, "shop", name)
        before = sums(folder)
    shop.ok("shop", "backup")
    assert hidden(folder) == []
    assert not list((shop.folder / "state" / "scratch").iterdir())
    listed = json.loads(shop.ok("shop", "backup", "list", "--json"))["backups"]
    assert len(listed) == len(list(folder.glob("*.sql.gz"))) and not [b for b in listed if b["damage"]]


def test_prune_is_killed(shop: Shop, tmp_path: Path) -> None:
    """Of a backup that goes the file goes first: what is listed afterwards is whole, and the next run ends the work."""
    folder, kept = shop.backups(), sums(shop.backups())
    newest = sorted(n for n in kept if n.endswith(".sql.gz"))[-1]

    def fill() -> None:
        for year in range(2001, 2009):
            old = f"trip_backup_full_{year}0101_000000.sql.gz"
            shutil.copy2(folder / newest, folder / old)
            shutil.copy2(folder / f"{newest}.verified.json", folder / f"{old}.verified.json")

    shop.more = ", keep: {newest: 1}"
    fill()
    calls = shop.calls("shop", "backup", "prune")
    assert sums(folder, "*.sql.gz") == {k: v for k, v in kept.items() if k.endswith(".sql.gz")}
    for n in moments(calls, 4):
        fill()
        status, said = shop.do("shop", "backup", "prune", kill=n)
        assert status in (-9, 0), f"at {n}: {said}"
        for b in json.loads(shop.ok("shop", "backup", "list", "--json"))["backups"]:
            assert not b["damage"] and sums(folder)[b["file"]] in (kept.get(b["file"]), kept[newest])
        shop.ok("shop", "backup", "prune")
        assert sums(folder, "*.sql.gz") == {k: v for k, v in kept.items() if k.endswith(".sql.gz")}, f"at {n}"
        assert sums(folder, "*.manifest.json") == {k: v for k, v in kept.items() if k.endswith(".manifest.json")}


def test_push_is_killed(shop: Shop, tmp_path: Path) -> None:
    """A store never shows a part of a backup under its name; the next push ends what this one began."""
    store, folder = tmp_path / "store", shop.backups()
    newest = sorted(folder.glob("*.sql.gz"))[-1]
    shop.more = f", stores: [{{name: off, type: folder, folder: '{store}'}}]"

    def forget() -> None:
        shutil.rmtree(store, ignore_errors=True)
        for record in folder.glob("*.stores.json"):
            record.unlink()

    calls = shop.calls("shop", "backup", "push", newest.name)
    whole = sums(store)
    assert newest.name in whole
    for n in moments(calls, 5):
        forget()
        status, said = shop.do("shop", "backup", "push", newest.name, kill=n)
        assert status in (-9, 0), f"at {n}: {said}"
        there = sums(store) if store.exists() else {}
        assert there == {k: v for k, v in whole.items() if k in there}, f"at {n}"
        shop.ok("shop", "backup", "push", newest.name)
        assert sums(store) == whole and hidden(store) == [], f"at {n}"
    forget()


def test_restore_is_killed(shop: Shop) -> None:
    """Under the name stands the old database or the new one, whole; the next restore removes what lies about."""
    newest = str(sorted(shop.backups().glob("*.sql.gz"))[-1])
    words = ("restore", "production", "--file", newest)
    shop.ok("shop", *words)
    new = shop.text("shop")
    shop.psql("shop", "-c", "INSERT INTO marks VALUES ('older')")
    old = shop.text("shop")
    calls = shop.calls("shop", *words)
    sends = [i + 1 for i, call in enumerate(calls) if call == "send"]
    for n in moments(calls, 4, sends[5:15:1 if FACTOR > 1 else 3]):
        status, said = shop.do("shop", *words, kill=n)
        assert status in (-9, 0), f"at {n}: {said}"
        if shop.psql("postgres", "-c", "SELECT datallowconn FROM pg_database WHERE datname = 'shop'") == "f\n":
            shop.ok("shop", *words)  # killed while it was closed for the swap: the next run opens it, and replaces it
        text = shop.text("shop")
        assert text in (old, new), f"at {n}"
        if text == new:
            shop.psql("shop", "-c", "INSERT INTO marks VALUES ('older')")
        for name in shop.databases("shop\\_before"):
            shop.drop(name)
    said = shop.ok("shop", *words)
    assert shop.text("shop") == new
    assert shop.databases("shop\\_restoring") == [], said


# ---- the server goes away ----

def restarted(shop: Shop) -> None:
    shop.stop_at_once()
    shop.launch()


def test_the_server_restarts_in_the_middle_of_a_backup(shop: Shop) -> None:
    folder, before = shop.backups(), sums(shop.backups())
    run = shop.begin("shop", "backup", "--max-rate", "1")
    wait_until("rows on their way", 30, lambda: any(p.stat().st_size > 200_000 for p in folder.glob(".*.partial")))
    restarted(shop)
    status, said = ended(run)
    assert status == 1 and re.search("terminating connection|server closed the connection|connection to (the )?server|ended the session", said), said
    assert sums(folder) == before and hidden(folder) == []
    shop.ok("shop", "backup")


STOPS = {  # where a restore stands still, in a dump of its own
    "schema": "SELECT pg_catalog.pg_sleep(600);\n",
    "rows": "CREATE FUNCTION public.slow(a int) RETURNS bool LANGUAGE sql AS 'SELECT pg_catalog.pg_sleep(600) IS NOT NULL';\n"
            "CREATE TABLE public.t (a int, CHECK (public.slow(a)));\nCOPY public.t (a) FROM stdin;\n1\n\\.\n",
    "index": "CREATE FUNCTION public.slow(a int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM pg_catalog.pg_sleep(600); RETURN a; END';\n"
             "CREATE TABLE public.t (a int);\nCOPY public.t (a) FROM stdin;\n1\n\\.\nCREATE INDEX i ON public.t USING btree (public.slow(a));\n",
}
HEAD = "SET statement_timeout = 0;\nSET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n"
END = "\n--\n-- PostgreSQL database dump complete\n--\n"


def written(shop: Shop, body: str) -> str:
    path = shop.folder / "written.sql"
    path.write_text(HEAD + body + END, errors="surrogateescape")
    return str(path)


@pytest.mark.parametrize("where", STOPS)
def test_the_server_restarts_in_the_middle_of_a_restore(shop: Shop, where: str) -> None:
    shop.psql("postgres", "-c", "CHECKPOINT")  # else sequences stand further on after a crash
    before = shop.text("shop")
    run = shop.begin("shop", "restore", "production", "--file", written(shop, STOPS[where]))
    wait_until("the restore to be there", 30, lambda: shop.psql(
        "postgres", "-c", "SELECT 1 FROM pg_stat_activity WHERE datname LIKE 'shop\\_restoring%' AND wait_event = 'PgSleep'"))
    restarted(shop)
    status, said = ended(run)
    assert status == 1 and re.search("terminating connection|server closed the connection|connection to (the )?server|ended the session", said), said
    assert shop.text("shop") == before
    shop.ok("shop", "restore", "production", "--file", written(shop, "CREATE TABLE public.t (a int);\n"))
    assert shop.databases("shop\\_restoring") == []
    shop.drop("shop")
    shop.psql("postgres", "-c", f'ALTER DATABASE "{shop.databases("shop_before")[0]}" RENAME TO shop')


# ---- no room ----

class Disk:
    """A small one."""

    def __init__(self, folder: Path, size: str, owner: str = "root") -> None:
        self.folder = folder
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700,uid={owner}", "tmpfs", str(folder)], check=True)

    def __enter__(self) -> "Disk":
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", str(self.folder)], check=True)


@ROOM
def test_the_disk_of_the_backups_is_full(shop: Shop, tmp_path: Path) -> None:
    folder = shop.backups("other")
    folder.mkdir(exist_ok=True)
    shop.create("other")
    shop.psql("other", "-c", "CREATE TABLE t AS SELECT 1 AS a")
    with Disk(folder, "4m"):
        shop.ok("other", "backup")
        before = sums(folder)
        shop.psql("other", "-c", "CREATE TABLE big AS SELECT sha512(g::text::bytea) || sha512((-g)::text::bytea) AS noise FROM generate_series(1, 60000) g")
        status, said = shop.do("other", "backup")
        assert status and "No space left" in said and "make room" in said, said
        assert sums(folder) == before and hidden(folder) == []
        shop.psql("other", "-c", "DROP TABLE big")
        shop.ok("other", "backup")
    shutil.rmtree(folder)


def test_the_disk_of_the_backups_is_full_at_any_moment(shop: Shop) -> None:
    folder = shop.backups()
    rooms = shop.calls("shop", "backup", under=folder).count("room")
    chance = random.Random(SEED)
    for n in sorted(chance.sample(range(1, rooms + 1), min(4 * FACTOR, rooms))):
        before = sums(folder)
        status, said = shop.do("shop", "backup", under=folder, full=n)
        new = [k for k in sums(folder) if k.endswith(".sql.gz") and k not in before]
        assert {k: v for k, v in sums(folder).items() if k in before} == before, f"at {n}"
        assert "No space left" in said, f"at {n}: {said}"
        assert status or new, f"at {n}: {said}"
        for name in new:  # the backup was there before its record found no room
            good(shop, "shop", name)
        assert new or sums(folder) == before, f"at {n}"
        assert hidden(folder) == [], f"at {n}"


class SmallShop(Shop):
    """Its data on a disk of its own; the log elsewhere, so that it is the data that finds no room and the server lives on."""

    disk: Optional[Disk] = None

    def _make(self, data: Path, initdb: Iterable[str]) -> None:
        data.mkdir(mode=0o700)
        shutil.chown(data, "postgres", "postgres")
        self.disk = Disk(data, "64m", "postgres")
        self._run([f"{self.bin}/initdb", "-D", str(data), *clusters.INITDB, *initdb, f"--waldir={self.home}/wal"], **_unprivileged())

    def down(self) -> None:
        self.stop_at_once()
        if self.disk:
            self.disk.__exit__()
            self.disk = None
        super().down()


@ROOM
def test_the_disk_of_the_server_is_full(program: Path, shim: Path, shop: Shop) -> None:
    """Also while an index is made, for which there is less room than for the rows."""
    shop.create("other")
    shop.psql("other", "-c", "CREATE TABLE big AS SELECT g AS id, repeat(md5(g::text), 8) AS x FROM generate_series(1, 300000) g")
    shop.ok("other", "backup")
    big = sorted(shop.backups("other").glob("*.sql.gz"))[-1]
    with SmallShop(program, "temp_file_limit = -1") as small:
        small.shim = shim
        small.create("other")
        small.psql("other", "-c", "CREATE TABLE t AS SELECT 1 AS a")
        before = small.text("other")
        status, said = small.do("other", "restore", "production", "--file", str(big))
        assert status and "No space left" in said, said
        print((small.folder / "server.log").read_text()[-6000:])
        assert small.text("other") == before and small.databases("other") == ["other"]
        little = small.folder / "little.sql"
        little.write_text(HEAD + "CREATE TABLE public.t (a int);\n" + END)
        small.ok("other", "restore", "production", "--file", str(little))


# ---- what the target lacks ----

def test_all_that_is_missing_is_listed(shop: Shop) -> None:
    body = "".join(f"CREATE EXTENSION IF NOT EXISTS {name} WITH SCHEMA public;\nCOMMENT ON EXTENSION {name} IS 'x';\n" for name in ("nosuch_a", "citext", '"nosuch-b"'))
    before = shop.text("shop")
    status, said = shop.do("shop", "restore", "production", "--file", written(shop, body + "CREATE TABLE public.t (a int);\n"))
    assert status == 1 and '"nosuch_a", "nosuch-b"' in said, said
    assert shop.text("shop") == before and shop.databases("shop\\_") == []
    body = "CREATE TABLE public.t (a int);\n" + "".join(
        f"ALTER TABLE public.t OWNER TO {role};\nGRANT SELECT ON TABLE public.t TO {role};\n" for role in ("nobody_a", '"Nobody B"', "nobody_a"))
    shop.create("other")
    said = shop.ok("other", "restore", "production", "--file", written(shop, body))
    assert '"nobody_a", "Nobody B"' in said and "6 statements" in said, said


# ---- dumps that mean ill ----

def touching(path: Path) -> dict[str, str]:
    copy = f"COPY public.t TO PROGRAM 'touch {path}'"
    return {
        "shell": f"\\! touch {path}\n",
        "shell after a statement": f"SELECT 1; \\! touch {path}\n",
        "shell in a statement": f"SELECT 1 \\! touch {path}\n;\n",
        "copy by psql": f"CREATE TABLE public.t (a text);\n\\copy public.t from program 'touch {path}'\n",
        "output by psql": f"\\o |touch {path}\nSELECT 1;\n",
        "a program's rows": f"CREATE TABLE public.t (a text);\nCOPY public.t FROM PROGRAM 'touch {path}';\n",
        "rows for a program": f"CREATE TABLE public.t (a text);\n/* a */ copy public.t (a) to /* FROM stdin */ program 'touch {path}';\n",
        "a query's rows for a program": f"COPY (SELECT 1) TO PROGRAM 'touch {path}';\n",
        "rows for a file": f"CREATE TABLE public.t (a text);\nCOPY public.t TO '{path}';\n",
        "behind rows": f"CREATE TABLE public.t (a text);\nCOPY public.t (a) FROM stdin;\nx\n\\.\n\\! touch {path}\n",
        "beside rows": f"CREATE TABLE public.t (a text);\nCOPY public.t (a) FROM stdin; {copy};\nx\n\\.\n",
        "another database": f"\\connect postgres\n{copy};\n",
        "gexec": f"SELECT $$ {copy} $$ \\gexec\n",
        "the whole server": "ALTER SYSTEM SET archive_command = 'true';\n",
    }


@pytest.mark.parametrize("how", touching(Path("/")))
def test_nothing_of_a_dump_is_executed(shop: Shop, how: str) -> None:
    touched = shop.home / "touched"  # the server may write there
    shop.create("other")
    status, said = shop.do("other", "restore", "production", "--file", written(shop, touching(touched)[how]))
    assert not touched.exists(), said
    assert status == 1 and "line " in said, said
    assert shop.databases("other") == ["other"]


def test_what_only_looks_like_a_dump_is_text(shop: Shop) -> None:
    """Function bodies, comments, strings and rows that hold what a reader of dumps looks for."""
    fake = "--\n-- Name: t; Type: TABLE DATA\n--\nCOPY public.t (a) FROM stdin;\n1\n\\.\n\\! touch /tmp/x\n\\connect postgres\n--\n-- PostgreSQL database dump complete\n--\n"
    literal = fake.replace("'", "''")
    body = (f"CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $_$ SELECT '{literal}'::text; $_$;\n"
            f"/* {fake} /* nested */ */\nCOMMENT ON FUNCTION public.f() IS '{literal}';\n"
            "CREATE TABLE public.\"a;\"\"b\nCOPY x FROM stdin;\n\\.\" (\"c\\\"\"; --\" text, d text DEFAULT E'\\';\\\\');\n"
            "COPY public.\"a;\"\"b\nCOPY x FROM stdin;\n\\.\" (\"c\\\"\"; --\", d) FROM stdin;\n\\\\.\t\\\\! ls\n-- PostgreSQL database dump complete\t\\N\n\\.\n")
    shop.create("other")
    shop.ok("other", "restore", "production", "--file", written(shop, body))
    assert shop.psql("other", "-c", "SELECT f() = obj_description('f()'::regprocedure), f()") == "t|" + fake + "\n"
    found = shop.psql("other", "-c", 'SELECT * FROM "a;""b\nCOPY x FROM stdin;\n\\."')
    assert found == "\\.|\\! ls\n-- PostgreSQL database dump complete|\n"


def test_large_tables_with_hostile_names(shop: Shop) -> None:
    """Large: copied by our own sessions, and left out of pg_dump's by a pattern."""
    shop.create("other")
    names = ('a"b;c', "new\nline", "back\\slash", "dollar$x$", "star*.?[a]|(b)", "UPPER é", " blank ", "COPY x FROM stdin;", "'; DROP TABLE x; --", "a.b")
    for i, name in enumerate(names):
        quoted, schema = ('"' + n.replace('"', '""') + '"' for n in (name, f"s{i} {name}"[:60]))
        shop.psql("other", "-c", f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.{quoted} ({quoted} int PRIMARY KEY, x text); ALTER TABLE {schema}.{quoted} ALTER x SET"
                  f" STORAGE plain; INSERT INTO {schema}.{quoted} SELECT g, repeat('\\x', 3500) FROM generate_series(1, 550) g")
    ours = shop.dump_by_us("other")
    assert items(unpacked(ours)) == items(unpacked(shop.dump_by_pg("other")))
    before = shop.text("other")
    shop.ok("other", "restore", "production", "--file", str(ours))
    assert shop.text("other") == before


def test_rows_in_another_encoding_than_said_are_refused(shop: Shop) -> None:
    shop.create("other")
    for bad in ("a\udcffb", "\udcc3(", "\udced\udca0\udc80", "a\\000b", "\udcc0\udc80"):
        status, said = shop.do("other", "restore", "production", "--file", written(shop, f"CREATE TABLE public.t (a text);\nCOPY public.t (a) FROM stdin;\nx\n{bad}\n\\.\n"))
        assert status == 1 and "public.t" in said and "encoding" in said, said
    assert shop.databases("other") == ["other"]


def test_a_row_of_100_mb(shop: Shop) -> None:
    shop.create("other")
    shop.psql("other", "-c", "CREATE TABLE t AS SELECT 1 AS id, repeat('0123456789abcde\\', 6553600) AS x UNION ALL SELECT 2, 'y'")
    ours = shop.dump_by_us("other")
    ask = "SELECT id, length(x), md5(x) FROM t ORDER BY 1"
    before = shop.psql("other", "-c", ask)
    shop.ok("other", "restore", "production", "--file", str(ours))
    assert shop.psql("other", "-c", ask) == before


# ---- an application that locks ----

@pytest.mark.parametrize("table", ["large", "small"])
def test_a_locked_table_costs_the_backup_and_not_the_application(shop: Shop, table: str) -> None:
    """`large` is locked by our own session, `small` by pg_dump. What the application wants meanwhile it gets when the wait is over."""
    shop.create("other")
    shop.psql("other", "-c", "CREATE TABLE small (a int); CREATE TABLE large AS SELECT g, repeat('x', 500) FROM generate_series(1, 12000) g; CREATE TABLE alarge AS TABLE large")
    shop.more = ", lock_wait: 1s"
    before = sums(shop.backups("other"))
    with Session(shop, "other") as holder, Session(shop, "other") as app:
        holder.say(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;")
        run = shop.begin("other", "backup")
        wait_until("the backup to wait", 30, lambda: shop.psql(
            "postgres", "-c", "SELECT 1 FROM pg_stat_activity WHERE datname = 'other' AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()"))
        app.say("ALTER TABLE alarge ADD b int;")  # which the backup holds when it has got to it, so this may wait, and not for long
        status, said = ended(run, 60)
        assert status == 1 and "lock timeout" in said, said
        app.say("SELECT 'reads';")
    assert hidden(shop.backups("other")) == [] and sums(shop.backups("other")) == before
    shop.dump_by_us("other")


class Session:
    """A psql of the application's."""

    def __init__(self, shop: Shop, dbname: str) -> None:
        self.child = subprocess.Popen([f"{shop.bin}/psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", shop.where(dbname)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)

    def say(self, sql: str) -> None:
        """Returns when it is done."""
        self.child.stdin.write(sql + "\n\\echo done\n")
        self.child.stdin.flush()
        while (line := self.child.stdout.readline()) != "done\n":
            assert line, "the session ended"

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.child.stdin.close()
        assert self.child.wait(30) == 0
