"""A restore that is killed while it loads, and the next one that goes on with it, typed as people type it."""
from __future__ import annotations

import re
import signal
import subprocess
import time

from drive import Bascule

TABLES = ("users", "properties", "contracts", "payments", "invoices")
MORE_ROWS = 150_000


def content(bascule: Bascule, site: str) -> list[str]:
    return [bascule.lab.psql(site, f"SELECT count(*), md5(string_agg(t::text, '' ORDER BY id)) FROM {table} t") for table in TABLES]


def files(bascule: Bascule, dbname: str) -> dict[str, str]:
    """The tables that hold rows, and the file that each lies in: one that is loaded anew lies in another."""
    names = {t: bascule.lab.psql("dr", f"SELECT pg_relation_filepath('{t}') FROM {t} LIMIT 1", dbname) for t in TABLES}
    return {t: path.rpartition("/")[2] for t, path in names.items() if path}


def kill_when_half_is_in(bascule: Bascule) -> tuple[str, int]:
    """It runs in slices of some hundredths of a second, and is looked at while it stands still. The database, and how many rows are in it."""
    running = bascule.begin("restore", "dr", "--jobs", "1")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            assert running.wait(0.02) is None, "it ended before anybody could kill it"
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGSTOP)
        name = bascule.lab.psql("dr", "SELECT datname FROM pg_database WHERE datname LIKE 'akig_restoring_%' AND datallowconn", "postgres")
        if name and bascule.lab.psql("dr", "SELECT to_regclass('bascule_restoring.done')", name):
            blocks, rows = bascule.lab.psql("dr", "SELECT count(*), coalesce(sum(rows), 0) FROM bascule_restoring.done WHERE kind = 5", name).split("|")
            if int(blocks) >= 2:
                running.kill()
                running.wait()
                return name, int(rows)
        running.send_signal(signal.SIGCONT)
    running.kill()
    raise AssertionError("it loaded nothing within a minute")


def test_resume_loads_what_a_killed_restore_had_not(bascule: Bascule) -> None:
    bascule.lab.psql("production", "INSERT INTO payments (contract_id, amount, reference)"
                     f" SELECT (SELECT min(id) FROM contracts), 1, 'more ' || i FROM generate_series(1, {MORE_ROWS}) i")
    bascule.ok("backup")
    wanted = content(bascule, "production")
    whole = sum(int(line.partition("|")[0]) for line in wanted)
    old = content(bascule, "dr")
    name, rows = kill_when_half_is_in(bascule)
    assert 0 < rows < whole
    assert content(bascule, "dr") == old  # what the users have is what it was
    before = files(bascule, name)
    said = bascule.ok("restore", "dr", "--resume")
    taken = re.search(r"(\d+) rows \((\d+) of them loaded before, by a run that was interrupted\)", said)
    blocks = re.search(r"in (\d+) of (\d+) blocks of the file", said)
    assert taken and blocks, said
    assert rows <= int(taken[2]) < int(taken[1]) and whole <= int(taken[1]), said
    assert 2 <= int(blocks[1]) < int(blocks[2]), said
    assert content(bascule, "dr") == wanted
    after = files(bascule, "akig")
    kept = [t for t, file in before.items() if after[t] == file]
    assert kept and len(after) == len(TABLES), (before, after)
    # And there is nothing left to go on with.
    assert "no interrupted restore of this file was found" in bascule.ok("restore", "dr", "--resume")
