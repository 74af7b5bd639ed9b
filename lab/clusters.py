"""Data directories of PostgreSQL. Where BASCULE_CLUSTERS names a folder, each kind is made there once and copied from then on: a suite wants
hundreds of them, and initdb takes a second."""
from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Callable, Iterable, Optional

INITDB = ("-U", "postgres", "-A", "trust", "--no-sync", "--no-instructions")
# Of the server that is up while a cluster is filled; should it die, what it made is thrown away. A standby must allow as many connections as it did.
FILLING = "-c fsync=off -c listen_addresses= -c shared_buffers=64MB -c max_wal_size=512MB -c max_connections=10 -c dynamic_shared_memory_type=mmap"


class ClusterError(Exception):
    """initdb, or what fills a cluster, failed."""


def user() -> Optional[str]:
    """PostgreSQL does not run as root."""
    return "postgres" if os.geteuid() == 0 else None


def make(bin: Path, data: Path, *options: str, fill: Optional[Callable[[str], None]] = None, kind: str = "", lab: str = "") -> None:
    """A cluster that is shut down, in `data`, which is not there yet. `options`: of initdb. `fill`: is given the host, for libpq, of a server
    that runs on it. Those of one `kind` and with the same options are the same, down to the system identifier."""
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "BASCULE_LAB": lab}
    kept = os.environ.get("BASCULE_CLUSTERS")
    if not kept:
        _make(bin, data, options, fill, environment)
        return
    one = Path(kept) / hashlib.sha256(repr((bin, options, kind)).encode()).hexdigest()[:20]
    with open(f"{one}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not one.exists():
            half = Path(f"{one}.new")
            shutil.rmtree(half, ignore_errors=True)
            _make(bin, half, options, fill, environment)
            half.rename(one)
    copy(one, data)


def copy(of: Path, data: Path) -> None:
    """Of one that is shut down. It starts as that one would, or follows it as a standby."""
    _run(["cp", "-a", "--reflink=auto", "--", str(of), str(data)], {"PATH": "/usr/bin:/bin"}, None)


def _make(bin: Path, data: Path, options: Iterable[str], fill: Optional[Callable[[str], None]], environment: dict[str, str]) -> None:
    _run([f"{bin}/initdb", "-D", str(data), *INITDB, *options], environment, user())
    if not fill:
        return
    host, log = f"@bascule-{secrets.token_hex(8)}", str(data / "filling.log")  # a name that takes no place in a folder, and may be as long as it likes
    _run([f"{bin}/pg_ctl", "-D", str(data), "-w", "-s", "-l", log, "-o", f"{FILLING} -c unix_socket_directories={host} -c port=5432", "start"], environment, user())
    try:
        fill(host)
    finally:
        _run([f"{bin}/pg_ctl", "-D", str(data), "-w", "-s", "-m", "fast", "stop"], environment, user())
        os.unlink(log)


def _run(argv: list[str], environment: dict[str, str], become: Optional[str]) -> None:
    rights: dict = {"user": become, "group": become, "extra_groups": []} if become else {}
    done = subprocess.run(argv, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **rights)
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
