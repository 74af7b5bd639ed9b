"""A pair of PostgreSQL servers with their agents, three etcd and a controller, on machines of a network of their own: made, broken and looked at."""
from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Callable, Iterable, Optional

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "lab"))
from drive import find_program, row_of  # noqa: E402
from network import Machine, Network  # noqa: E402
from procs import Proc, all_pids, command_line, identify, send, stat_fields, wait_until  # noqa: E402
from pair import AGENT_PORT, ACCESS, SITES, bascule_yaml, postgresql_conf, primary_conninfo, write_playbooks  # noqa: E402
from wire import Lost, NotPromised, Refused, Session  # noqa: E402

BIN = Path("/usr/lib/postgresql/15/bin")
DATA, ETCD = ("n1", "n2"), ("e1", "e2", "e3")
NUMBERS = {"n1": 11, "n2": 12, "e1": 21, "e2": 22, "e3": 23, "c1": 31, "cl": 41}
MEMBERS = (*DATA, *ETCD, "c1")
READY_S = 60


class Cluster:
    def __init__(self, build: Path, folder: Path, *, sync: bool = False, failover: Optional[dict[str, str]] = None, restarts: int = 3,
                 clocks: bool = False, fenced: bool = False) -> None:
        self.program, self.folder, self.sync, self.clocks = find_program(build), folder, sync, clocks
        self.net = Network(folder, NUMBERS)
        self.running: dict[str, subprocess.Popen] = {}
        os.chmod(folder, 0o755)
        (folder / "token").write_text("a secret of the members")
        os.chmod(folder / "token", 0o600)
        addresses = {name: machine.address for name, machine in self.net.machines.items()}
        write_playbooks(folder)
        for name in (*DATA, "c1"):
            state = folder / name / "state"
            state.mkdir(mode=0o700)
            (state / "users").write_text("production\n")
            (folder / name / "bascule.yaml").write_text(bascule_yaml(folder, state, addresses, sync=sync, failover=failover, restarts=restarts,
                                                                                      fenced=fenced))

    def __getitem__(self, name: str) -> Machine:
        return self.net[name]

    # -- making --

    def up(self) -> None:
        for name in ETCD:
            self.start(name)
        wait_until("etcd to answer", READY_S, lambda: self.etcd("kv/range", key="x") is not None)
        self._initdb()
        self.start("n1")
        wait_until("the first primary", READY_S, lambda: self.writer() == "n1")
        self.copy("n2", "n1")
        self.start("n2")
        wait_until("the standby", READY_S, lambda: self.follows("n2", "n1"))
        if self.sync:
            self.synchronous("n1", "n2")
        self["c1"].start("edge", sys.executable, Path(__file__).with_name("edge.py"), self["c1"].address, self["c1"].folder / "state" / "users")
        self.start("c1")
        wait_until("the controller to lead", READY_S, lambda: any(r["kind"] == "leader" or "leads" in r["text"] for r in self.journal()) or self.quiet_controller())
        self.ask("n1", "create table if not exists bench_rows (who text, n bigint, at timestamptz default clock_timestamp(), primary key (who, n))")

    def quiet_controller(self) -> bool:
        """A controller whose journal has no word for leading has judged its checks at least."""
        return {"production.agent", "dr.agent", "production.database", "dr.database"} <= {r["subject"] for r in self.journal() if r["kind"] == "verdict"}

    def _initdb(self) -> None:
        machine = self["n1"]
        machine.run_as("postgres", BIN / "initdb", "-D", machine.folder / "data", "-A", "trust", "-U", "postgres", "--locale=C", "-E", "UTF8", "-k")
        with open(machine.folder / "data" / "postgresql.conf", "a") as file:
            file.write(postgresql_conf("n1", self.folder))
        with open(machine.folder / "data" / "pg_hba.conf", "a") as file:
            file.write(ACCESS.format(subnet=machine.address.rsplit(".", 1)[0]))

    def copy(self, to: str, origin: str) -> None:
        """A new standby, as a person makes one."""
        machine = self[to]
        data = machine.folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        machine.run_as("postgres", BIN / "pg_basebackup", "-D", data, "-X", "stream", "-c", "fast", "-R",
                       "-d", primary_conninfo(self[origin].address, SITES[to]))
        conf = data / "postgresql.conf"
        conf.write_text(re.sub(r"(?m)^unix_socket_directories = .*$", f"unix_socket_directories = '{machine.folder}'", conf.read_text()))
        auto = data / "postgresql.auto.conf"
        auto.write_text("".join(line for line in auto.read_text().splitlines(True) if not line.startswith("synchronous_standby_names")))

    def synchronous(self, primary: str, standby: str) -> None:
        if self.ask(primary, "show synchronous_standby_names")[0][0] != SITES[standby]:
            self.ask(primary, f"alter system set synchronous_standby_names = '{SITES[standby]}'")
            self.ask(primary, "select pg_reload_conf()")
        wait_until("commits to wait for the standby", READY_S, lambda: self.waits_for(primary, standby))

    def waits_for(self, primary: str, standby: str) -> bool:
        return self.ask(primary, f"select 1 from pg_stat_replication where application_name = '{SITES[standby]}' and sync_state in ('sync', 'quorum')") != []

    def start(self, name: str) -> None:
        """What this machine is there for, as its service manager starts it."""
        if name in ETCD:
            cluster = ",".join(f"{e}=http://{self[e].address}:2380" for e in ETCD)
            peer, client = f"http://{self[name].address}:2380", f"http://{self[name].address}:2379"
            self.running[name] = self[name].start("etcd", "etcd", "--name", name, "--data-dir", self[name].folder / "etcd", "--listen-peer-urls", peer,
                                                  "--initial-advertise-peer-urls", peer, "--listen-client-urls", client, "--advertise-client-urls", client,
                                                  "--initial-cluster", cluster, "--log-level", "warn")
        else:
            what = ["serve"] if name == "c1" else ["agent", SITES[name]]
            self.running[name] = self[name].start(what[0], self.program, "-c", self[name].folder / "bascule.yaml", *what, environment=self.shim(name))

    def shim(self, name: str) -> dict[str, str]:
        """Lets the wall clock of a machine's agent or controller be set, by the file that is named."""
        if not self.clocks:
            return {}
        return {"LD_PRELOAD": str(self.program.parents[2] / "lab" / "libwallclock.so"), "LAB_WALL_CLOCK": str(self[name].folder / "wall")}

    def set_clock(self, name: str, seconds: int) -> None:
        (self[name].folder / "wall").write_text(str(seconds))

    def down(self) -> None:
        for name in self.net.machines:
            wait_until(f"the end of {name}", 30, lambda: (send(self.everything(name), signal.SIGKILL), not self.on(name))[1])
        for process in self.running.values():
            process.wait(10)
        self.net.remove()

    def rebuild(self, name: str, origin: str) -> None:
        """The old primary becomes a new standby, by hand; its agent is told that it may start again what it stopped for good."""
        self.end(name)
        self.copy(name, origin)
        self.start(name)
        epoch = self.epoch()["epoch"]
        wait_until("the agent to take the order", READY_S, lambda: self.inside(name, lambda: self._order(name, "/v1/follow", epoch=epoch, site=SITES[origin]), 10))

    def end(self, name: str) -> None:
        """Everything of a machine, at once."""
        send(self.everything(name), signal.SIGKILL)
        if name in self.running:
            self.running.pop(name).wait(10)
        wait_until(f"the end of {name}", 10, lambda: not self.on(name))

    # -- asking --

    def inside(self, name: str, question: Callable[[], Any], seconds: float = 30) -> Any:
        """The answer as seen from a machine's network; what it raised, when it raised."""
        box: list[Any] = []

        def ask() -> None:
            try:
                box.append((True, question()))
            except Exception as error:  # handed to who asked
                box.append((False, error))

        self[name].thread(ask).join(seconds)
        if not box:
            raise OSError(f"no answer from {name} in {seconds} s")
        ok, answer = box[0]
        if not ok:
            raise answer if isinstance(answer, OSError) else OSError(str(answer))
        return answer

    def ask(self, name: str, sql: str, seconds: float = 5, origin: Optional[str] = None) -> list[list[str]]:
        """Of a server, from its own machine, so that no cut is in the way."""

        def question() -> list[list[str]]:
            session = Session(self[name].address, seconds, writable=False)
            try:
                return session.query(sql, seconds)
            finally:
                session.close()

        return self.inside(origin or name, question, seconds + 5)

    def writer(self) -> Optional[str]:
        """The one that is out of recovery; AssertionError when two are."""
        found = []
        for name in DATA:
            try:
                if self.ask(name, "select pg_is_in_recovery()", 2) == [["f"]]:
                    found.append(name)
            except OSError:
                pass
        assert len(found) < 2, "both servers are out of recovery"
        return found[0] if found else None

    def follows(self, standby: str, primary: str) -> bool:
        return self.ask(primary, f"select 1 from pg_stat_replication where application_name = '{SITES[standby]}' and state = 'streaming'") != []

    def etcd(self, what: str, **words: str) -> dict:
        body = json.dumps({name: base64.b64encode(text.encode()).decode() for name, text in words.items()}).encode()

        def question() -> dict:
            for name in ETCD:
                try:
                    with urllib.request.urlopen(urllib.request.Request(f"http://{self[name].address}:2379/v3/{what}", data=body), timeout=1) as answer:
                        return json.load(answer)
                except OSError:
                    continue
            raise OSError("no etcd answers")

        return self.inside("cl", question, 10)

    def move(self, to: str) -> str:
        """What a controller does when it has no certificate: the next epoch, and word of it to the site that it names. What came of it."""
        key = base64.b64encode(b"/bascule/bench/epoch").decode()

        def question() -> str:
            seen = self._post(f"http://{self[ETCD[0]].address}:2379/v3/kv/range", {"key": key})["kvs"][0]
            old = json.loads(base64.b64decode(seen["value"]))
            value = {"epoch": old["epoch"] + 1, "site": SITES[to], "from": old["site"], "by": "the bench"}
            put = {"request_put": {"key": key, "value": base64.b64encode(json.dumps(value).encode()).decode()}}
            done = self._post(f"http://{self[ETCD[0]].address}:2379/v3/kv/txn", {"compare": [{"key": key, "target": "MOD", "mod_revision": seen["mod_revision"]}], "success": [put]})
            if not done.get("succeeded"):
                return "somebody else moved it"
            return f"epoch {value['epoch']}: {self._tell(to, value['epoch'])}"

        return self.inside("c1", question, 10)

    def _tell(self, to: str, epoch: int) -> str:
        return self._order(to, "/v1/promote", epoch=epoch)

    def _order(self, name: str, path: str, **words: object) -> str:
        """A signed command to an agent."""
        body = json.dumps({**words, "nonce": self._get(name, "/v1/nonce")["nonce"]}).encode()
        signature = hmac.new((self.folder / "token").read_bytes(), f"POST {path}\n".encode() + body, hashlib.sha256).hexdigest()
        request = urllib.request.Request(f"http://{self[name].address}:{AGENT_PORT}{path}", data=body, headers={"X-Bascule-Signature": signature})
        with urllib.request.urlopen(request, timeout=3) as answer:
            return answer.read().decode()

    def tell_again(self) -> bool:
        """A controller goes on with what it has begun until the site that is named has heard of it."""
        epoch = self.epoch()
        to = next(node for node, site in SITES.items() if site == epoch["site"])
        return "takeover" in self.inside("c1", lambda: self._tell(to, epoch["epoch"]), 10)

    @staticmethod
    def _post(url: str, words: dict) -> dict:
        with urllib.request.urlopen(urllib.request.Request(url, data=json.dumps(words).encode()), timeout=2) as answer:
            return json.load(answer)

    def _get(self, name: str, path: str) -> dict:
        with urllib.request.urlopen(f"http://{self[name].address}:{AGENT_PORT}{path}", timeout=3) as answer:
            return json.load(answer)

    def epoch(self) -> dict:
        """What etcd says; it may have to elect a leader first."""
        return wait_until("the epoch", READY_S, lambda: json.loads(base64.b64decode(self.etcd("kv/range", key="/bascule/bench/epoch")["kvs"][0]["value"])))

    def agent(self, name: str, path: str = "/v1/state") -> dict:
        return self.inside(name, lambda: self._get(name, path), 5)

    def command(self, *words: str, seconds: float = 120) -> subprocess.CompletedProcess:
        """As a person types it at the controller."""
        return self["c1"].run(self.program, "-c", self["c1"].folder / "bascule.yaml", *words, seconds=seconds, check=False)

    def journal(self) -> list[dict]:
        return [row_of(line) for line in self.command("journal", "show", "--json").stdout.splitlines() if line.startswith("{")]

    def story(self) -> str:
        """The ends of all logs, for who must find out what went wrong."""
        parts = []
        for path in sorted(self.folder.glob("*/*.log")) + sorted(self.folder.glob("*/state/**/*.log")):
            if path.parent.name not in ETCD:
                parts.append(f"--- {path.relative_to(self.folder)}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-40:]))
        return "\n".join(parts)

    # -- processes --

    def on(self, name: str) -> list[int]:
        return [int(pid) for pid in subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout.split() if int(pid) != os.getpid()]

    def everything(self, name: str) -> list[Proc]:
        """All that runs there, oldest first."""
        return sorted((p for p in map(identify, self.on(name)) if p), key=lambda p: (p.start, p.pid))

    def processes(self, name: str, what: str) -> list[Proc]:
        """agent, sentinel, postmaster, postgres (all of it), walreceiver, walsender, checkpointer, walwriter, backends, etcd, controller."""
        found = []
        postmaster = self.postmaster(name)
        main = self.running[name].pid if name in self.running else 0
        for pid in self.on(name):
            fields, line = stat_fields(pid), command_line(pid)
            parent = int(fields[1]) if fields else 0
            exe = self.exe(pid)
            if what in ("agent", "etcd", "controller"):
                good = pid == main
            elif what == "sentinel":
                good = exe == str(self.program) and pid != main and name in DATA and " agent " in line
            elif what == "postmaster":
                good = pid == postmaster
            elif what == "postgres":
                good = exe == str(BIN / "postgres")
            else:
                good = exe == str(BIN / "postgres") and parent == postmaster and re.match(rf"postgres: .*{what}" if what != "backends" else r"postgres: postgres ", line) is not None
            if good and (proc := identify(pid)):
                found.append(proc)
        return found

    @staticmethod
    def exe(pid: int) -> str:
        try:
            return os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
        except OSError:
            return ""

    def postmaster(self, name: str) -> int:
        try:
            return int((self[name].folder / "data" / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return 0

    def signal(self, name: str, what: str, number: int) -> list[Proc]:
        found = self.processes(name, what)
        send(found, number)
        return found

    def kill_postgres(self, name: str, *, for_good: bool) -> float:
        """kill -9; `for_good`: of all its processes at once, and a setting was added with which no server can start. The moment of it."""
        if for_good:
            auto = self[name].folder / "data" / "postgresql.auto.conf"
            shutil.copy2(auto, self[name].folder / "auto.conf")
            with open(auto, "a") as file:
                file.write("shared_buffers = 'none: start prevented by the bench'\n")
        victims = self.processes(name, "postgres") if for_good else self.processes(name, "postmaster")
        assert victims
        moment = time.monotonic()
        send(victims, signal.SIGKILL)
        return moment

    def make_startable(self, name: str) -> None:
        shutil.copy2(self[name].folder / "auto.conf", self[name].folder / "data" / "postgresql.auto.conf")
        shutil.chown(self[name].folder / "data" / "postgresql.auto.conf", "postgres", "postgres")
