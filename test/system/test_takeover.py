"""A standby takes over where agents live by a lease: a real etcd, two agents, a streaming standby, and all that may happen to each of them.
Everywhere the same must hold: the last promise of the old primary came before the first of the new one."""
from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Iterator

import pytest

from procs import wait_until
from test_agent import BIN, Agent
from test_lease import CONFIGURATION, Pair, lease_by

WAIT_S = 3.23  # ttl, drift and guard
PACE_S = 0.004  # as fast as it is answered would take the machine from those who are looked at
REPLICATION = "    replication: {user: postgres, max_loss: 16}\n    sites:\n"


class Session:
    """A session that was open before the fault and writes a row every few milliseconds."""

    def __init__(self, agent: Agent) -> None:
        agent.sql("create table if not exists by_session (n int primary key)")
        self.psql = subprocess.Popen([BIN / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", agent.folder, "-U", "postgres"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL, text=True, bufsize=1)
        self.promised: list[tuple[int, float]] = []
        self.thread = threading.Thread(target=self._write, daemon=True)
        self.thread.start()
        wait_until("promises to a session", 20, lambda: len(self.promised) > 20)

    def _write(self) -> None:
        assert self.psql.stdin and self.psql.stdout
        try:
            for n in range(1, 1_000_000):
                self.psql.stdin.write(f"insert into by_session values ({n}) returning n;\n")
                line = self.psql.stdout.readline()
                if not line:
                    return
                self.promised.append((int(line), time.monotonic()))
                time.sleep(PACE_S)
        except OSError:
            return

    def over(self) -> float:
        self.thread.join(30)
        assert not self.thread.is_alive(), "a session with the old primary still writes"
        self.psql.wait(10)
        return self.promised[-1][1]


class First:
    """When a new session with a server first commits."""

    def __init__(self, agent: Agent) -> None:
        self.agent, self.at = agent, 0.0
        self.ended = False
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def _look(self) -> None:
        while not self.ended:
            began = time.monotonic()  # the commit came after it
            done = subprocess.run([BIN / "psql", "-XAtq", "-h", self.agent.folder, "-U", "postgres", "-c", "create table first_write (n int)"], capture_output=True, timeout=60)
            if done.returncode == 0:
                self.at = began
                return

    def commit(self) -> float:
        self.thread.join(60)
        assert self.at, "it never committed"
        return self.at


class Streaming(Pair):
    """The same pair, with a standby that streams."""

    def __init__(self, program: Path) -> None:
        super().__init__(program)
        self.folder = self.one.folder / "person"
        (self.folder / "state").mkdir(parents=True)
        for agent in (self.one, self.two):
            agent.config.write_text(agent.config.read_text().replace("    sites:\n", REPLICATION, 1))
        self.config = self.folder / "bascule.yaml"
        text = CONFIGURATION.format(state=self.folder / "state", etcd=self.etcd.address, one=self.one, two=self.two)
        self.config.write_text(text.replace("    sites:\n", REPLICATION, 1))

    def run(self, sync: bool = False) -> None:
        self.etcd.run()
        self.one.run()
        self.one.is_("primary")
        self.two.configure(f"primary_conninfo = 'host={self.one.folder} user=postgres'\nwal_retrieve_retry_interval = 200ms")
        self.two.run()
        self.two.is_("standby")
        wait_until("the standby to stream", 30, lambda: self.one.sql("select state from pg_stat_replication") == "streaming")
        wait_until("the standby to say so", 30, lambda: self.two.state()["receiving"])
        wait_until("the primary to tell how far it is", 30, lambda: self.etcd.get("/bascule/akig/lease/production")["lsn"])
        if sync:
            for agent in (self.one, self.two):  # a standby has the settings of its primary
                agent.configure("synchronous_standby_names = '*'")
                agent.sql("select pg_reload_conf()")
            wait_until("the standby to be synchronous", 30, lambda: self.one.sql("select sync_state from pg_stat_replication") == "sync")

    def command(self, *words: str) -> list[str]:
        return [str(self.one.program), "-c", str(self.config), *words]

    def bascule(self, *words: str) -> subprocess.CompletedProcess:
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=120)
        print(words, done.returncode, done.stdout, done.stderr)
        if done.returncode and self.etcd.process:
            print(self.epoch(), self.etcd.get("/bascule/akig/lease/production"))
        return done

    def ok(self, *words: str) -> str:
        done = self.bascule(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def cannot_restart(self) -> None:
        """It dies, and no start can help."""
        self.one.configure("no_such_setting = on")
        os.kill(self.one.postmaster, signal.SIGKILL)
        self.one.is_("crashed")

    def epoch(self) -> dict:
        return self.etcd.get("/bascule/akig/epoch")

    def took_over(self, epoch: int = 2) -> None:
        assert self.epoch()["site"] == "dr" and self.epoch()["epoch"] == epoch
        told = self.two.is_("primary")
        assert told["wrote"] == epoch and told["lease"]["by"] == "etcd" and not told["follows"]
        assert self.two.sql("select pg_is_in_recovery()") == "f"
        assert self.two.sql("select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)") == "00000002", "one promotion makes one new timeline"

    def close(self) -> None:
        print(self.two.folder)
        super().close()


@pytest.fixture
def pair(program: Path) -> Iterator[Streaming]:
    made = Streaming(program)
    yield made
    made.close()


def fact(out: str, name: str) -> str:
    return next((line.split(": ", 1)[1] for line in out.splitlines() if line.startswith(name + ": ")), "")


def test_a_crash_beside_an_agent_that_answers_is_over_in_a_moment(pair: Streaming) -> None:
    pair.run()
    session, first = Session(pair.one), First(pair.two)
    pair.cannot_restart()
    began = time.monotonic()
    out = pair.ok("promote", "dr")
    took = time.monotonic() - began
    print(f"promoted {took:.2f} s after the command, first commit {first.commit() - began:.2f} s")
    pair.took_over()
    assert session.over() < first.commit()
    assert fact(out, "promote.certificate").startswith("its agent: ") and fact(out, "promote.loss_bytes") != "" and fact(out, "promote.timeline") == "2, before 1"
    assert fact(out, "promote.loss_exact") in ("yes", "no")  # its agent may be reading its log still
    assert took < 15  # about 0.4 s, and never by the lapse of the lease on a machine that does anything at all
    assert "already" in pair.ok("promote", "dr")
    told = pair.one.state()
    assert told["certified"] == 1 and not pair.one.postgres()
    assert pair.one.order("/v1/start", epoch=2)[0] == 409
    assert not pair.one.postgres()


def test_one_that_is_cut_off_is_waited_out_and_never_writes_again(pair: Streaming) -> None:
    """Its agent is frozen, so nobody answers for it; its sentinel ends it. What it promised until then may be lost, and is bounded."""
    pair.run()
    session, first = Session(pair.one), First(pair.two)
    assert pair.one.process
    pair.one.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    out = pair.ok("promote", "dr")
    took = time.monotonic() - began
    print(f"promoted {took:.2f} s after the agent was frozen; the last promise {session.over() - began:.2f} s, the first {first.commit() - began:.2f} s")
    assert session.over() < first.commit(), "two wrote at the same time"
    assert not pair.one.postgres() and took > WAIT_S - 2  # the newest renewal was sent up to `renew` before it froze, on a machine that has time
    pair.took_over()
    assert "had run out" in fact(out, "promote.certain")
    pair.one.process.send_signal(signal.SIGCONT)
    wait_until("the reason", 30, lambda: "epoch 2 names" in pair.one.state()["why"])
    pair.one.end(signal.SIGKILL)
    pair.one.run()
    assert pair.one.is_("quarantined")["named"] in ("", "dr", "production") and not pair.one.postgres()
    wait_until("the reason", 30, lambda: "epoch 2 names" in pair.one.state()["why"])
    assert not pair.one.postgres() and pair.two.sql("select 1") == "1"


def rows_of_the_dead(agent: Agent) -> set[int]:
    """What its data has, seen by starting a copy of it."""
    copy = agent.folder / "copy"
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    subprocess.run(["cp", "-a", agent.data, copy], check=True)
    (copy / "postmaster.pid").unlink(missing_ok=True)
    control = [BIN / "pg_ctl", "-D", copy, "-w", "-s"]
    try:
        subprocess.run([*control, "-l", agent.folder / "copy.log", "-o", "-c archive_mode=off", "start"], check=True, cwd="/", stdin=subprocess.DEVNULL, **user)
        return {int(n) for n in agent.sql("select n from by_session").split()}
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, cwd="/", **user)


def there(agent: Agent) -> set[int]:
    return {int(n) for n in agent.sql("select n from by_session").split()}


def test_what_a_crash_lost_is_counted_to_the_row(pair: Streaming) -> None:
    pair.run()
    pair.one.sql("create table by_session (n int primary key)")
    now = pair.one.sql("select pg_current_wal_flush_lsn()")
    wait_until("the table to arrive", 30, lambda: pair.two.sql(f"select pg_last_wal_replay_lsn() >= '{now}'") == "t")
    stop_receiving(pair)
    for n in range(5):
        pair.one.sql(f"insert into by_session values ({n})")
    pair.one.sql("select pg_logical_emit_message(true, 'bascule', '')")  # as its agent's probes do
    pair.one.sql("begin; insert into by_session values (100); rollback")
    pair.one.sql("insert into by_session values (5), (6)")  # two rows of one transaction
    pair.cannot_restart()
    out = pair.ok("promote", "dr")
    assert fact(out, "loss.transactions") in ("6", ""), "at once, or when its agent has time"
    out = pair.ok("loss", "production")
    assert fact(out, "loss.transactions") == "6" and int(fact(out, "loss.bytes")) > 0 and int(fact(out, "loss.probes")) >= 1
    assert there(pair.two) == set()
    nothing = pair.bascule("loss", "production", "7", "0/3000148")
    assert nothing.returncode == 1 and "its log is of timeline 00000001" in nothing.stderr, "what is unknown is not told as nothing"


def test_what_an_isolated_primary_promised_until_its_end_is_counted_too(pair: Streaming) -> None:
    """Also for who may not read the files of the new primary, where it is written down at which position they parted."""
    pair.run()
    pair.one.sql("create role watcher login; grant pg_monitor to watcher")
    pair.config.write_text(pair.config.read_text().replace("dbname: postgres, user: postgres", "dbname: postgres, user: watcher"))
    wait_until("the role to arrive", 30, lambda: pair.two.sql("select to_regrole('watcher') is not null") == "t")
    session, first = Session(pair.one), First(pair.two)
    stop_receiving(pair)  # else what it wrote may still arrive, from the buffers between the two
    before = len(session.promised)
    wait_until("promises that arrive nowhere", 30, lambda: len(session.promised) > before + 20)
    assert pair.one.process
    pair.one.process.send_signal(signal.SIGSTOP)
    out = pair.ok("promote", "dr")
    assert session.over() < first.commit()
    assert fact(out, "promote.loss_exact") == "no" and fact(out, "loss.transactions") == "", "it is an estimate as yet, and says so"
    assert fact(out, "promote.parted") == "production 1 " + pair.two.sql("select (string_to_array(pg_read_file('pg_wal/00000002.history'), e'\\t'))[2]")
    pair.one.process.send_signal(signal.SIGCONT)
    wait_until("its agent to hear of the epoch", 30, lambda: "epoch 2 names" in pair.one.state()["why"])
    out = pair.ok("loss", *fact(out, "promote.parted").split())
    lost = rows_of_the_dead(pair.one) - there(pair.two)
    promised = {n for n, _ in session.promised} - there(pair.two)
    print(f"{fact(out, 'loss.measured')}; {len(promised)} of them were promised")
    assert int(fact(out, "loss.transactions")) == len(lost) and promised <= lost and promised, "what was promised by one that was alone is among it"


@pytest.mark.parametrize("how", ["crash", "cut"])
def test_with_a_synchronous_standby_nothing_is_lost(pair: Streaming, how: str) -> None:
    pair.run(sync=True)
    session, first = Session(pair.one), First(pair.two)
    began = time.monotonic()
    if how == "crash":
        pair.cannot_restart()
    elif pair.one.process:
        pair.one.process.send_signal(signal.SIGSTOP)
    pair.ok("promote", "dr")
    assert session.over() < first.commit()
    print(f"{how}: first commit {first.commit() - began:.2f} s after the fault, {len(session.promised)} promised")
    pair.took_over()
    assert pair.two.sql("show synchronous_standby_names") == "", "nobody is there to wait for"
    stored = {int(n) for n in pair.two.sql("select n from by_session").split()}
    assert [n for n, _ in session.promised if n not in stored] == []


def received(agent: Agent) -> str:
    return agent.sql("select pg_last_wal_receive_lsn()")


def stop_receiving(pair: Streaming) -> None:
    pair.two.sql("alter system set primary_conninfo = 'host=/nowhere'")
    pair.two.sql("select pg_reload_conf()")
    wait_until("it to receive nothing", 30, lambda: pair.two.sql("select count(*) from pg_stat_wal_receiver") == "0")


def sentinel_of(agent: Agent) -> int:
    assert agent.process
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == agent.process.pid and os.readlink(entry / "exe").endswith("/bascule"):
                return int(entry.name)
        except OSError:
            pass
    raise AssertionError("the agent has no sentinel")


def test_where_nothing_outlives_the_agent_a_person_must_say_that_it_is_off(pair: Streaming) -> None:
    """Its sentinel died first, and it said so; then it died, and PostgreSQL goes on: no time proves anything."""
    pair.run()
    assert pair.one.process
    sentinel, session, first = sentinel_of(pair.one), Session(pair.one), First(pair.two)
    pair.one.process.send_signal(signal.SIGSTOP)  # else it would have another sentinel in a moment
    os.kill(sentinel, signal.SIGKILL)
    renewal = {**pair.etcd.get("/bascule/akig/lease/production"), "armed": "none"}
    pair.etcd.ask("kv/put", key="/bascule/akig/lease/production", value=json.dumps(renewal))
    pair.one.end(signal.SIGKILL)
    blocked = pair.bascule("promote", "dr")
    assert blocked.returncode == 2 and "--fenced-by YOUR-NAME" in blocked.stderr and "Make sure that it is off" in blocked.stderr
    assert pair.one.sql("select 1") == "1" and pair.two.sql("select pg_is_in_recovery()") == "t" and pair.two.state()["takeover"]["in_ms"] == -1
    for pid in pair.one.postgres():
        os.kill(pid, signal.SIGKILL)
    out = pair.ok("promote", "dr", "--fenced-by", "ana")
    assert fact(out, "promote.certificate").startswith("a person: ana says") and fact(out, "promote.fenced_by") == "ana"
    assert session.over() < first.commit()
    pair.took_over()


@pytest.mark.parametrize("later_ms", [0, 20, 40, 60, 80, 100])
def test_of_two_who_revoke_at_once_one_does(pair: Streaming, later_ms: int) -> None:
    """And for the other one it is done, wherever it was when it was."""
    pair.run()
    pair.cannot_restart()
    both = []
    for _ in range(2):
        both.append(subprocess.Popen(pair.command("promote", "dr"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        time.sleep(later_ms / 1000)  # between the two; what the second one meets differs with it
    said = [one.communicate(timeout=120) for one in both]
    print(said)
    assert [one.returncode for one in both] == [0, 0]
    pair.took_over()


POINTS = 40 if os.environ.get("BASCULE_SWEEP") else 4


def test_one_that_is_killed_on_its_way_is_finished_by_the_next(pair: Streaming) -> None:
    """The command is killed again and again, each time a little later, until it gets through."""
    pair.run()
    session, first = Session(pair.one), First(pair.two)
    pair.cannot_restart()
    for n in range(POINTS):
        with subprocess.Popen(pair.command("promote", "dr"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as command:
            try:
                command.wait(0.02 + 0.3 * n / POINTS)
            except subprocess.TimeoutExpired:
                command.kill()
    pair.ok("promote", "dr")
    pair.took_over()
    assert session.over() < first.commit()


class Between:
    """Stands between a command and etcd, and kills the command in the moment in which etcd has written an epoch: it never hears of it, and tells nobody."""

    def __init__(self, pair: Streaming) -> None:
        self.etcd = f"http://{pair.etcd.address}:2379"
        self.command: subprocess.Popen | None = None
        self.key = base64.b64encode(b"/bascule/akig/epoch").decode()
        between = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with urllib.request.urlopen(urllib.request.Request(between.etcd + self.path, data=body), timeout=10) as answer:
                    said = answer.read()
                if between.moves(body) and json.loads(said).get("succeeded") and between.command:
                    between.command.kill()
                    between.command.wait(30)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        text = pair.config.read_text()
        assert self.etcd in text
        pair.config.write_text(text.replace(self.etcd, f"http://127.0.0.1:{self.server.server_address[1]}"))

    def moves(self, body: bytes) -> bool:
        puts = [op.get("request_put", {}) for op in json.loads(body).get("success", [])]
        return any(put.get("key") == self.key for put in puts)

    def killed(self, command: list[str]) -> bool:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as self.command:
            return self.command.wait(60) == -signal.SIGKILL


@pytest.mark.parametrize("before", ["nothing", "fence", "sync"])
def test_one_that_is_killed_as_the_epoch_moves_is_finished_by_the_agent(pair: Streaming, before: str) -> None:
    """Nobody tells the candidate's agent, and nobody runs anything again: the epoch tells it. A fence moves the epoch too, and tells nobody."""
    pair.run(sync=before == "sync")
    session, first = Session(pair.one), First(pair.two)
    assert pair.one.process
    pair.one.process.send_signal(signal.SIGSTOP)
    if before == "fence":
        pair.ok("fence", "production")
        assert "told" not in pair.epoch() and pair.two.state()["takeover"]["epoch"] == 0 and pair.two.sql("select pg_is_in_recovery()") == "t"
    between = Between(pair)
    assert between.killed(pair.command("promote", "dr"))
    began = time.monotonic()
    assert pair.epoch()["epoch"] == 2 and "told" in pair.epoch()
    assert session.over() < first.commit(), "two wrote at the same time"
    print(f"after {before}: first commit {first.commit() - began:.2f} s after the command was killed")
    pair.took_over()
    if before == "sync":
        assert pair.two.sql("show synchronous_standby_names") == "", "nobody is there to wait for"
        stored = {int(n) for n in pair.two.sql("select n from by_session").split()}
        assert [n for n, _ in session.promised if n not in stored] == []


def test_an_epoch_tells_nobody_who_has_less_than_was_weighed(pair: Streaming) -> None:
    pair.run()
    session, first = Session(pair.one), First(pair.two)
    epoch = {"epoch": 2, "site": "dr", "from": "production", "by": "a test"}
    pair.etcd.ask("kv/put", key="/bascule/akig/epoch", value=json.dumps({**epoch, "told": "FF/0"}))
    wait_until("its agent to hold a lease in that epoch", 30, lambda: pair.two.state()["epoch"] == 2 and lease_by(pair.two, "etcd"))
    held = pair.etcd.get("/bascule/akig/lease/dr")["serial"]
    wait_until("it to have renewed that for longer than it has to wait", 60, lambda: pair.etcd.get("/bascule/akig/lease/dr")["serial"] > held + 8)
    assert pair.two.state()["takeover"]["epoch"] == 0 and pair.two.sql("select pg_is_in_recovery()") == "t"
    pair.etcd.ask("kv/put", key="/bascule/akig/epoch", value=json.dumps({**epoch, "told": "0/1"}))
    assert session.over() < first.commit()
    pair.took_over()


def test_an_agent_that_dies_on_its_way_is_told_again(pair: Streaming) -> None:
    """The one that is to take over is killed while it waits for the lapse of a lease, and counts anew when it is back."""
    pair.run()
    session, first = Session(pair.one), First(pair.two)
    assert pair.one.process
    pair.one.process.send_signal(signal.SIGSTOP)
    with subprocess.Popen(pair.command("promote", "dr"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as command:
        wait_until("it to wait", 30, lambda: pair.two.state()["takeover"]["phase"] == "waiting")
        pair.two.end(signal.SIGKILL)
        pair.two.run()
        out, err = command.communicate(timeout=120)
    assert command.returncode == 0, err
    assert session.over() < first.commit()
    pair.took_over()


def test_who_does_well_is_not_replaced(pair: Streaming) -> None:
    pair.run()
    refused = pair.bascule("promote", "dr")
    assert refused.returncode == 2 and "does well" in refused.stderr and "fence production" in refused.stderr
    assert pair.epoch()["epoch"] == 1 and pair.one.sql("select 1") == "1"
    plan = pair.bascule("promote", "dr", "--dry-run")
    assert plan.returncode == 1 and pair.epoch()["epoch"] == 1


def test_who_is_silent_only_here_is_not_replaced(pair: Streaming) -> None:
    """Its agent cannot be reached from where the command runs, and renews its lease in etcd: nobody is promoted, until it renews no more."""
    pair.run()
    here = f'agent: {{listen: "{pair.one.address}:9346"'
    text = pair.config.read_text()
    assert here in text
    pair.config.write_text(text.replace(here, here + f', url: "http://{pair.one.address}:1"'))
    refused = pair.bascule("promote", "dr")
    assert refused.returncode == 2 and "is silent here, yet it renews its lease" in refused.stderr and "fence production" in refused.stderr
    assert pair.epoch()["epoch"] == 1 and pair.one.is_("primary")
    assert pair.one.process
    news, end = os.pipe()
    with subprocess.Popen(pair.command("promote", "dr"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, pass_fds=[end],
                          env={**os.environ, "BASCULE_REPORT_FD": str(end)}) as watching, os.fdopen(news) as told:
        os.close(end)
        assert any('"promote.silent"' in line for line in told) and pair.epoch()["epoch"] == 1
        pair.one.process.send_signal(signal.SIGSTOP)
        told.read()
        out, _ = watching.communicate(timeout=60)
    assert watching.returncode == 0, out
    assert not pair.one.postgres()
    pair.took_over()


def test_what_was_fenced_takes_over_nothing_and_begins_again_when_told(pair: Streaming) -> None:
    """Its agent gave its word for this epoch, so it needs another; its data is still the newest, so that nobody need wait."""
    pair.run()
    pair.one.sql("create table kept (n int); insert into kept values (7)")
    out = pair.ok("fence", "production")
    assert fact(out, "fence.certificate").startswith("by agent: ") and not pair.one.postgres()
    assert "already" in pair.ok("fence", "production")
    assert pair.one.order("/v1/start", epoch=1)[0] == 409 and not pair.one.postgres()
    assert "writes again" in pair.ok("promote", "production")
    assert pair.epoch()["epoch"] == 2 and pair.one.is_("primary")["wrote"] == 2
    assert pair.one.sql("select n from kept") == "7" and pair.one.sql("select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)") == "00000001"


def test_a_lease_alone_is_a_fence(pair: Streaming) -> None:
    pair.run()
    session, first = Session(pair.one), First(pair.two)
    assert pair.one.process
    pair.one.process.send_signal(signal.SIGSTOP)
    out = pair.ok("fence", "production")
    assert fact(out, "fence.certificate").startswith("by lease: ") and not pair.one.postgres()
    assert pair.two.sql("select pg_is_in_recovery()") == "t", "a fence promotes nobody"
    pair.ok("promote", "dr")
    assert session.over() < first.commit()
    pair.took_over()


def test_what_was_left_behind_is_not_promoted(pair: Streaming) -> None:
    """The site that wrote before may not begin again once another has written after it, and says which."""
    pair.run()
    pair.cannot_restart()
    pair.ok("promote", "dr")
    pair.took_over()
    pair.ok("fence", "dr")
    refused = pair.bascule("promote", "production")
    assert refused.returncode != 0 and not pair.one.postgres()
    assert pair.epoch() == {**pair.epoch(), "epoch": 2, "site": "dr"}
    assert "writes again" in pair.ok("promote", "dr")


def test_a_standby_stands_still_for_a_bounded_time(pair: Streaming) -> None:
    pair.run()
    status, told = pair.two.order("/v1/freeze", epoch=1, for_ms=60000)
    assert status == 200 and told["frozen"] and told["timeline"] == 1 and told["recovery"] and told["system_identifier"] == pair.two.state()["system_identifier"]
    pair.one.sql("create table t as select generate_series(1, 1000) as n")
    now = pair.one.sql("select pg_current_wal_flush_lsn()")
    assert received(pair.two) != now and received(pair.two) == told["received"]
    assert pair.two.order("/v1/freeze", epoch=1, for_ms=0) == (200, {"frozen": False})
    wait_until("the change to arrive", 30, lambda: pair.two.sql("select count(*) from t") == "1000")
    assert pair.two.order("/v1/freeze", epoch=1, for_ms=300)[0] == 200
    pair.one.sql("insert into t values (0)")
    wait_until("the change to arrive after its time", 30, lambda: pair.two.sql("select count(*) from t") == "1001")
    assert pair.two.order("/v1/freeze", epoch=1, for_ms=60000)[0] == 200
    pair.two.end(signal.SIGKILL)
    pair.one.sql("insert into t values (0)")
    pair.two.run()
    wait_until("the next agent to let it go", 30, lambda: pair.two.sql("select count(*) from t") == "1002")
    assert pair.one.order("/v1/freeze", epoch=1)[0] == 409, "a primary receives nothing"


def test_only_who_is_named_takes_over(pair: Streaming) -> None:
    pair.run()
    assert pair.two.order("/v1/promote", epoch=1, certificates=[])[0] == 409
    assert pair.two.order("/v1/promote", epoch=2, certificates=[{"site": "production", "epoch": 1, "how": "a lie"}])[0] == 409, "etcd knows of no second epoch"
    assert pair.two.sql("select pg_is_in_recovery()") == "t" and pair.one.sql("select 1") == "1"


def test_a_certificate_of_another_epoch_or_site_ends_no_wait(pair: Streaming) -> None:
    pair.run()
    session, first = Session(pair.one), First(pair.two)
    assert pair.one.process
    pair.one.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    pair.etcd.ask("kv/put", key="/bascule/akig/epoch", value=json.dumps({"epoch": 2, "site": "dr", "from": "production", "by": "a test"}))
    lies = [{"site": "production", "epoch": 0, "how": "older"}, {"site": "production", "epoch": 2, "how": "newer"}, {"site": "dr", "epoch": 1, "how": "another site"}]
    status, told = pair.two.order("/v1/promote", epoch=2, certificates=lies)
    assert status == 200 and told["takeover"]["in_ms"] > 0 and told["takeover"]["phase"] == "waiting"
    assert session.over() < first.commit()
    assert first.commit() - began > WAIT_S - 2
    pair.took_over()


def test_one_that_follows_another_is_made_so_by_its_agent(pair: Streaming) -> None:
    pair.run()
    stop_receiving(pair)
    assert pair.two.order("/v1/follow", epoch=1, site="nowhere")[0] == 400
    assert pair.one.order("/v1/follow", epoch=1, site="dr")[0] == 409, "the epoch names it"
    assert pair.two.order("/v1/follow", epoch=1, site="production") == (200, {"follows": "production"})
    wait_until("the standby to stream again", 30, lambda: pair.one.sql("select application_name from pg_stat_replication") == "dr")
    data = os.stat(pair.two.data)
    for name in ("standby.signal", "postgresql.auto.conf"):
        assert os.stat(pair.two.data / name).st_uid == data.st_uid
    assert pair.two.order("/v1/stop", epoch=1, mode="fast")[0] == 200
    (pair.two.data / "standby.signal").unlink()  # as what a former primary is
    assert pair.two.order("/v1/follow", epoch=1, site="production")[0] == 200
    pair.two.is_("standby")


def test_without_etcd_nobody_takes_over(pair: Streaming) -> None:
    pair.run()
    pair.cannot_restart()
    pair.etcd.end()
    refused = pair.bascule("promote", "dr", "--fenced-by", "ana", "--allow-data-loss", "ana")
    assert refused.returncode == 1 and "which site may write is not known" in refused.stderr
    assert pair.two.sql("select pg_is_in_recovery()") == "t"
    pair.etcd.run()
    pair.ok("promote", "dr")
    pair.took_over()
