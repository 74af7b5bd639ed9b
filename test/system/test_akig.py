"""The wrappers with an .env of theirs, from an environment as cron gives it: well and ill, what is printed and the exit code."""
from __future__ import annotations

import gzip
import http.server
import json
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable, Iterator, Optional

import pytest
from conftest import ROOT
from lab import Lab

SCRIPTS = ROOT / "contrib" / "akig"
SECRET = "s3cr et'\"\\$(id)"


class App:
    """The application: answers by path, keeps what it was sent."""

    def __init__(self) -> None:
        self.status = {f"/api/{name}": 401 for name in ("auth", "dashboard", "contracts", "payments", "invoices")} | {"/api/health": 200}
        self.sent: dict[str, bytes] = {}
        app = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, status: int, body: bytes = b"{}") -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                if self.path in app.sent:
                    self.answer(200, app.sent[self.path])
                else:
                    self.answer(app.status.get(self.path, 404))

            def do_HEAD(self) -> None:
                self.answer(200 if self.path in app.sent else 404, b"")

            def take(self) -> None:
                if self.headers.get("Expect") == "100-continue":
                    self.send_response_only(100)
                    self.end_headers()
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = b""
                    while n := int(self.rfile.readline(), 16):
                        body += self.rfile.read(n)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if app.status.get(self.command, 200) != 200:
                    self.answer(app.status[self.command])
                    return
                app.sent[self.path] = body
                self.answer(200, b"ok")

            do_PUT = do_POST = take

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def app() -> Iterator[App]:
    made = App()
    yield made
    made.server.shutdown()
    made.server.server_close()


class Akig:
    def __init__(self, lab: Lab, program: Path, app: App, folder: Path) -> None:
        production, dr = lab.state["sites"]["production"], lab.state["sites"]["dr"]
        self.lab, self.app, self.folder = lab, app, folder
        self.backups = folder / "back ups"
        self.backups.mkdir()
        self.values = {
            "PG_HOST": production["address"], "PG_PORT": production["pg_port"], "PG_USER": "postgres", "PG_PASSWORD": f"'{SECRET.replace(chr(39), '')}'",
            "PG_DATABASE": "akig", "PG_RESTORE_HOST": dr["address"], "PG_RESTORE_PORT": dr["pg_port"], "BACKUP_DIR": f'"{self.backups}"',
            "BACKUP_RETENTION_DAYS": "30 # a month", "APP_URL": app.url, "APP_RESTORE_URL": app.url, "BASCULE": program,
            "HEALTH_CHECK_RETRIES": 2, "HEALTH_CHECK_INTERVAL": 1, "SLACK_WEBHOOK": f"{app.url}/slack", "UNKNOWN": "$(touch /tmp/never)"}

    def run(self, script: str, *words: str, timeout: float = 120, **changes: Optional[str]) -> subprocess.CompletedProcess:
        values = {**self.values, **changes}
        env = self.folder / "akig.env"
        env.write_text("# theirs\n\n" + "".join(f"export {k}={v}\r\n" if k == "PG_USER" else f"{k}={v}\n" for k, v in values.items() if v is not None))
        # What cron gives: hardly a PATH, and a shell that is no login shell.
        clean = {"PATH": "/usr/bin:/bin", "HOME": "/", "SHELL": "/bin/sh", "LOGNAME": "root", "AKIG_ENV": str(env), "TMPDIR": str(self.folder)}
        return subprocess.run(["/bin/sh", str(SCRIPTS / script), *words], cwd="/", env=clean, capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL)

    def told(self) -> str:
        return json.loads(self.app.sent["/slack"])["text"]

    def files(self) -> list[Path]:
        return sorted(self.backups.glob("akig_backup_full_*.sql.gz"))


@pytest.fixture
def akig(make_lab: Callable[..., Lab], program: Path, app: App, tmp_path: Path) -> Iterator[Akig]:
    made = Akig(make_lab(), program, app, tmp_path)
    yield made
    assert not list(tmp_path.glob("akig.*/")), "a temporary folder stays"
    assert not Path("/tmp/never").exists()


def test_a_day_with_the_three_scripts(akig: Akig) -> None:
    none_yet = akig.run("status.sh")
    assert none_yet.returncode == 1 and "there is no verified backup" in none_yet.stdout, none_yet.stdout

    made = akig.run("backup.sh", "--full")
    assert made.returncode == 0, made.stdout + made.stderr
    assert len(akig.files()) == 1 and "backup done" in akig.told()
    assert subprocess.run(["gzip", "-t", str(akig.files()[0])]).returncode == 0
    report = next(akig.backups.glob("backup_report_*.txt")).read_text()
    assert akig.files()[0].name in report and "rows" in report

    well = akig.run("status.sh")
    assert well.returncode == 0, well.stdout + well.stderr
    assert "✓ All checks passed" in well.stdout and "database size: " in well.stdout
    # Looking changes nothing: there is no table of ours in their database.
    assert akig.lab.psql("production", "SELECT to_regclass('bascule_heartbeat') IS NULL") == "t"

    restored = akig.run("restore_run.sh", BACKUP_FILE=str(akig.files()[0]))
    assert restored.returncode == 0, restored.stdout + restored.stderr
    rows = akig.lab.psql("production", "SELECT count(*) FROM payments")
    assert akig.lab.psql("dr", "SELECT count(*) FROM payments", "akig_restore") == rows
    texts = sorted(akig.backups.glob("pra_restore_report_*.txt"))
    assert len(texts) == 1 and "PASSED" in texts[0].read_text() and f"payments         {rows} rows, counted now" in restored.stdout
    data = json.loads(texts[0].with_suffix(".json").read_text())
    assert data["result"] == "passed" and len(data["tables"]) == 5 and len(data["endpoints"]) == 6 and all(e["ok"] for e in data["endpoints"])
    assert data["rto_ms"] == 30 * 60 * 1000 and 0 < data["took_ms"] < 60_000 and "passed" in akig.told()

    again = akig.run("restore_run.sh", str(akig.files()[0]))
    assert again.returncode == 0, again.stdout + again.stderr
    left = akig.lab.psql("dr", "SELECT string_agg(datname, ' ') FROM pg_database WHERE datname LIKE 'akig_restore%'", "postgres")
    assert left == "akig_restore"  # the one before was ours, and went


def test_status_says_what_is_wrong(akig: Akig) -> None:
    akig.run("backup.sh")
    akig.app.status["/api/payments"] = 500
    ill = akig.run("status.sh")
    assert ill.returncode == 1 and "500" in ill.stdout and "All checks passed" not in ill.stdout
    akig.app.status["/api/payments"] = 200
    # A backup as old as yesterday's is not fresh, whatever the time of the file says.
    for path in akig.backups.iterdir():
        path.unlink()
    old = time.strftime("akig_backup_full_%Y%m%d_%H%M%S.sql.gz", time.gmtime(time.time() - 5000))
    text = "--\n-- PostgreSQL database dump\n--\n\n--\n-- PostgreSQL database dump complete\n--\n\n"
    (akig.backups / old).write_bytes(gzip.compress(text.encode()))
    unread = akig.run("status.sh")
    assert unread.returncode == 1 and "verified" in unread.stdout
    dead = akig.run("status.sh", PG_PORT="1", APP_URL=None)
    assert dead.returncode == 1 and "[✗] Database connectivity failed" in dead.stdout
    missing = akig.run("status.sh", BACKUP_DIR="/nonexistent/backups")
    assert missing.returncode == 1


def test_a_backup_that_fails_is_a_failure_and_removes_nothing(akig: Akig) -> None:
    assert akig.run("backup.sh", "full").returncode == 0
    kept = akig.files()
    failed = akig.run("backup.sh", "--full", PG_PORT="1")
    assert failed.returncode == 1 and "BACKUP FAILED" in failed.stdout and "BACKUP FAILED" in akig.told()
    assert akig.files() == kept
    assert akig.run("backup.sh", "--wrong").returncode == 1
    assert akig.run("backup.sh", BACKUP_RETENTION_DAYS="30; rm -rf /").returncode == 1


def test_what_goes_to_the_remote_place(akig: Akig) -> None:
    sent = akig.run("backup.sh", REMOTE_BACKUP_URL=f"{akig.app.url}/remote")
    assert sent.returncode == 0, sent.stdout + sent.stderr
    name = akig.files()[0].name
    assert akig.app.sent[f"/remote/{name}"] == akig.files()[0].read_bytes()
    akig.app.status["PUT"] = 507
    kept = akig.run("backup.sh", "--incremental", REMOTE_BACKUP_URL=f"{akig.app.url}/remote")
    assert kept.returncode == 2 and "no incremental dumps" in kept.stderr and "has not got it" in kept.stdout
    assert len(akig.files()) == 2


def test_a_restore_that_is_not_well_says_so(akig: Akig) -> None:
    assert akig.run("backup.sh").returncode == 0
    good = akig.files()[0]
    over = akig.run("restore_run.sh", str(good), PG_RESTORE_HOST=None, PG_RESTORE_PORT=None, RESTORE_DB="akig")
    assert over.returncode == 1 and "is the production database" in over.stderr
    assert akig.run("restore_run.sh").returncode == 1
    # The data is there, the application is not: that is no PASS.
    akig.app.status["/api/invoices"] = 503
    ill = akig.run("restore_run.sh", str(good))
    assert ill.returncode == 1 and "RESTORED, BUT NOT WELL" in ill.stdout and "[✗] /api/invoices" in ill.stdout and "FAILED" in akig.told()
    # A damaged file leaves what was restored before.
    data = bytearray(good.read_bytes())
    data[len(data) // 2] ^= 4
    bad = akig.folder / "akig_backup_full_20990101_000000.sql.gz"
    bad.write_bytes(data)
    failed = akig.run("restore_run.sh", str(bad))
    assert failed.returncode == 1 and "FAILED" in failed.stdout and "PASSED" not in failed.stdout, failed.stdout
    assert int(akig.lab.psql("dr", "SELECT count(*) FROM users", "akig_restore")) > 0


def test_a_dump_of_their_own_script_is_restored(akig: Akig) -> None:
    """pg_dump piped through gzip, under a name of their choice."""
    at = akig.lab.state["sites"]["production"]
    path = akig.folder / "copie avant migration.sql.gz"
    dump = subprocess.run([f"{akig.lab.state['pgbin']}/pg_dump", "--verbose", "-h", at["address"], "-p", str(at["pg_port"]), "-U", "postgres", "akig"],
                          capture_output=True, check=True, timeout=60).stdout
    path.write_bytes(gzip.compress(dump))
    done = akig.run("restore_run.sh", BACKUP_FILE=f'"{path}"')
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED" in done.stdout and "data as of           not known" in done.stdout


def test_no_secret_is_seen(akig: Akig, tmp_path: Path) -> None:
    """Neither in an argument nor in the environment of a child: a program in bascule's place writes down both."""
    spy = tmp_path / "spy"
    spy.write_text(f"#!/bin/sh\n{{ env; echo \"$@\"; }} >>{tmp_path}/seen\nexit 1\n")
    spy.chmod(0o755)
    for script, words in (("status.sh", []), ("backup.sh", []), ("restore_run.sh", [str(spy)])):
        akig.run(script, *words, BASCULE=str(spy), PG_PASSWORD="visible-secret", PG_RESTORE_PASSWORD="visible-secret")
    seen = (tmp_path / "seen").read_text()
    assert "-c" in seen and "visible-secret" not in seen
    os.unlink(tmp_path / "seen")
