"""A miniature AKIG on loopback addresses of its own: two sites with PostgreSQL and the API, nginx at the edge, sshd on production,
receivers of mail and webhooks. Nothing in it is mocked. See README.md.

    with Lab.create(Path("build")) as lab: ...

Whatever ends the program that made a lab, the lab ends too: the keeper (receivers.py) holds the read end of a pipe whose write end
dies with its maker.
"""
from __future__ import annotations

import atexit
import concurrent.futures
import fcntl
import glob
import json
import os
import pwd
import random
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Iterator, Optional

sys.path.insert(0, str(Path(__file__).resolve().parent))
import clusters  # noqa: E402
import procs  # noqa: E402
import settings  # noqa: E402
import unit  # noqa: E402
import web  # noqa: E402

SOURCE = Path(__file__).resolve().parent
LOCKS = Path("/tmp/bascule-lab")
SITES = ("production", "dr")
PORTS = {"edge": (10, 8000), "smtp": (20, 2525), "webhook": (20, 9000), "tarpit": (20, 7000)}
# Programs that may be left of a lab; nothing else is ever ended because it names the lab's folder.
PROGRAMS = ("bascule", "etcd", "sleep", "akig-api", "postgres", "pg_", "psql", "nginx", "ssh", "python3", "gzip", "initdb")
START_S = 60.0


class LabError(Exception):
    """The lab could not be made."""


# ---- addresses ----

def sweep_locks() -> None:
    """Removes lock files whose holder was killed; what is held stays."""
    for path in LOCKS.glob("*.lock"):
        try:
            fd = os.open(path, os.O_RDWR)
        except OSError:
            continue
        if _locked(fd, path):
            path.unlink(missing_ok=True)
        os.close(fd)


def claim_network() -> tuple[str, int, Path]:
    """A /24 of 127.0.0.0/8 that no other lab has: its first three numbers, the descriptor that holds its lock, and the lock's file."""
    sweep_locks()
    for _ in range(200):
        net = f"127.{random.randint(16, 250)}.{random.randint(0, 250)}"
        path = LOCKS / f"{net}.lock"
        try:
            LOCKS.mkdir(exist_ok=True)
            if LOCKS.stat().st_uid == os.getuid():
                LOCKS.chmod(0o1777)
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            continue  # another person's lock, or the folder went away in between
        if _locked(fd, path):
            return net, fd, path
        os.close(fd)
    raise LabError(f"could not claim a loopback network; see {LOCKS}")


def _locked(fd: int, path: Path) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The owner before us may have removed the file between our open and our lock: then the lock is on nothing.
        return os.fstat(fd).st_ino == path.stat().st_ino
    except OSError:
        return False


def free_port(address: str, wish: int) -> int:
    """The port wished for, or any other when a program that listens on all addresses has it."""
    for port in (wish, 0):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((address, port))
                return s.getsockname()[1]
            except OSError:
                continue
    raise LabError(f"no free port on {address}")


def listens(address: str, port: int) -> bool:
    with socket.create_connection((address, port), timeout=1):
        return True


def pg_bin() -> str:
    candidates = []
    if shutil.which("pg_config"):
        candidates.append(subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True).stdout.strip())
    candidates += sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: float(p.split("/")[4]), reverse=True)
    for folder in candidates:
        if os.access(f"{folder}/initdb", os.X_OK):
            return folder
    raise LabError("no PostgreSQL server found; tools/install-deps demo installs it")


# ---- the lab ----

class Lab:
    """A lab that runs. `create` makes one, `open` finds one by its folder."""

    def __init__(self, folder: Path, state: dict) -> None:
        self.folder = folder
        self.state = state
        self.net: str = state["net"]
        self.config = folder / "bascule.yaml"
        self.edge = f"http://{self.net}.10:{state['ports']['edge']}"
        self.webhook = f"http://{self.net}.20:{state['ports']['webhook']}"
        self.backups = folder / "backups"
        self._watch = -1

    @classmethod
    def create(cls, build: Path, folder: Optional[Path] = None, *, rows: int = 200_000, stages: str = "demo", interval: str = "500ms",
               extra_checks: str = "", playbook_edits: Optional[dict[str, str]] = None, keep: bool = False, standby: bool = False,
               sync: bool = False, agents: bool = False, hosts: bool = False) -> "Lab":
        """Makes and starts a lab; a `keep` one outlives this program. `extra_checks`: lines of YAML; `playbook_edits`: text by text.
        `standby`: DR streams from production, instead of holding an older copy; `sync`: and production's commits wait for it. `agents`:
        likewise, with an agent beside each server and an etcd; `hosts`: and production is in a network namespace of its own, which can
        be cut off (root only)."""
        builder = Builder(build, rows, keep, "sync" if sync else "async" if standby or agents or hosts else None, agents or hosts, hosts)
        try:
            builder.claim(folder)
            lab = builder.start(lambda state: settings.bascule_yaml(builder.folder, state, stages, interval, extra_checks), playbook_edits or {})
        except BaseException:
            builder.abandon()
            raise
        if not keep:
            atexit.register(down, lab.folder)
        return lab

    @classmethod
    def open(cls, folder: Path) -> "Lab":
        return cls(folder, json.loads((folder / "lab.json").read_text()))

    def down(self) -> None:
        down(self.folder)
        atexit.unregister(down)
        if self._watch >= 0:
            os.close(self._watch)
            self._watch = -1

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    # -- asking --

    def unit(self, site: str, kind: str) -> unit.Unit:
        return unit.load(self.folder, site, kind)

    def postmaster(self, site: str) -> Optional[procs.Proc]:
        return unit.postmaster(self.folder / site / "data")

    def api_url(self, site: str) -> str:
        at = self.state["sites"][site]
        return f"http://{at['address']}:{at['api_port']}"

    def psql(self, site: str, sql: str, dbname: str = "akig", timeout: float = 20.0) -> str:
        """The answer as bare text, one row a line, columns parted by |. OSError when the server does not give one."""
        at = self.state["sites"][site]
        where = f"host={at['address']} port={at['pg_port']} user=postgres dbname={dbname} connect_timeout=3"
        done = subprocess.run([f"{self.state['pgbin']}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", where, "-c", sql], capture_output=True,
                              text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise OSError(done.stderr.strip())
        return done.stdout.strip()

    def served_by(self) -> Optional[str]:
        """The site that answers health at the edge with 200; None when none does."""
        try:
            answer = web.get(self.edge + "/api/health", timeout=2)
        except OSError:
            return None
        return answer.headers.get("x-served-by") if answer.status == 200 else None

    def requests(self) -> list[dict]:
        """What the webhook received, oldest first."""
        return list(_json_lines(self.folder / "receivers" / "webhook.jsonl"))

    def mails(self) -> list[dict]:
        return list(_json_lines(self.folder / "receivers" / "mail.jsonl"))

    def access_log(self) -> list[dict]:
        return list(_json_lines(self.folder / "edge" / "access.log"))

    def receiver_mode(self, receiver: str, mode: str, **more: Any) -> None:
        answer = web.post(self.webhook + "/_mode", {"receiver": receiver, "mode": mode, **more})
        if answer.status != 200:
            raise ValueError(answer.body)

    def ssh(self, *words: str, timeout: float = 30.0) -> subprocess.CompletedProcess:
        """A command on production's host, as a person would reach it."""
        home = self.folder / "ssh"
        argv = ["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={home}/known_hosts", "-o", "IdentitiesOnly=yes",
                "-i", f"{home}/client_key", "-p", str(self.state["ports"]["ssh"]),
                f"{self.state['ssh_user']}@{self.state['sites']['production']['address']}", *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)


def _json_lines(path: Path) -> Iterator[dict]:
    try:
        text = path.read_text()
    except FileNotFoundError:
        return
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):  # the last one may be half written
            yield json.loads(line)


class Builder:
    """Makes a lab, step by step; `abandon` takes back whatever was done."""

    def __init__(self, build: Path, rows: int, keep: bool, standby: Optional[str], agents: bool = False, hosts: bool = False) -> None:
        self.standby = standby
        self.agents, self.hosts = agents, hosts
        self.program = build.absolute() / "src" / "cli" / "bascule"
        self.api = build / "lab" / "akig-api"
        if not self.api.exists():
            raise LabError(f'no "{self.api}"; build it first: ninja -C {build}')
        self.pgbin = pg_bin()
        self.rows = rows
        self.keep = keep
        self.user = "postgres" if os.geteuid() == 0 else None
        self.watch = self.lock_fd = -1
        self.made = False  # is there a folder of ours?
        self.saving = threading.Lock()

    def claim(self, folder: Optional[Path]) -> None:
        self.folder = _make_folder(folder)
        self.net, self.lock_fd, lock = claim_network()
        me = pwd.getpwuid(os.geteuid()).pw_name
        host_pid = self.make_host() if self.hosts else 0
        addresses = dict(zip(SITES, (f"{self.net}.1", f"{self.net}.2") if not self.hosts else (host_net(self.net) + ".1", host_net(self.net) + ".254")))
        # On a host of its own every port is free.
        sites = {site: {"address": at, "pg_port": free_port(at, 5432) if not self.hosts else 5432, "api_port": free_port(at, 8080) if not self.hosts else 8080}
                 for site, at in addresses.items()}
        etcd_at = addresses["dr"] if self.hosts else f"{self.net}.30"
        self.state = {"net": self.net, "lock": str(lock), "user": self.user, "ssh_user": me, "pgbin": self.pgbin, "rows": self.rows, "standby": self.standby, "sites": sites,
                      "ports": {name: free_port(f"{self.net}.{n}", wish) for name, (n, wish) in PORTS.items()}, "procs": {}}
        self.state["ports"]["ssh"] = 2222 if self.hosts else free_port(addresses["production"], 2222)
        if self.agents:
            self.state |= {"agents": True, "etcd": f"http://{etcd_at}:2379", "etcd_peer": f"http://{etcd_at}:2380"}
        if host_pid:
            self.state["hosts"] = {"production": host_pid}
            self.state["procs"]["host"] = procs.identify(host_pid)
        self.save()
        self.made = True

    def save(self) -> None:
        temporary = self.folder / "lab.json.new"
        temporary.write_text(json.dumps(self.state, indent=1))
        temporary.rename(self.folder / "lab.json")

    def abandon(self) -> None:
        if self.made:
            down(self.folder)
        if self.lock_fd >= 0:
            os.close(self.lock_fd)
        if self.watch >= 0:
            os.close(self.watch)

    def start(self, make_config: Any, playbook_edits: dict[str, str]) -> Lab:
        self.lay_out(make_config, playbook_edits)
        self.start_keeper()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            sites = [pool.submit(self.start_pair)] if self.standby else [pool.submit(self.start_site, site) for site in SITES]
            jobs = sites + [pool.submit(self.start_nginx), pool.submit(self.start_sshd)]
            for job in jobs:
                job.result()
        if self.agents:
            self.start_agents()
        lab = Lab(self.folder, self.state)
        lab._watch, self.watch = self.watch, -1
        procs.wait_until("the edge to serve from production", START_S, lambda: lab.served_by() == "production")
        return lab

    def lay_out(self, make_config: Any, playbook_edits: dict[str, str]) -> None:
        for name in ("backups", "state", "secrets", "ssh", "edge", "edge/tmp", "receivers", "playbooks", *SITES):
            (self.folder / name).mkdir()
        for name in ("state", "secrets", "ssh"):
            (self.folder / name).chmod(0o700)
        for site in SITES:
            self.give(self.folder / site)
        shutil.copy(self.api, self.folder / "akig-api")
        self.secret("smtp.password", secrets.token_urlsafe(12))
        self.secret("slack.url", f"http://{self.net}.20:{self.state['ports']['webhook']}/services/akig-incidents")
        (self.folder / "bascule.yaml").write_text(make_config(self.state))
        for site in SITES if self.agents else ():  # an agent's host has a state folder of its own
            self.secret(f"{site}.token", secrets.token_urlsafe(18))
            (self.folder / f"{site}-agent").mkdir(0o700)
            (self.folder / f"{site}.yaml").write_text(make_config(self.state).replace(f"state_dir: {self.folder}/state\n", f"state_dir: {self.folder}/{site}-agent\n"))
        source = Path(os.environ.get("BASCULE_PLAYBOOKS", SOURCE.parent / "etc" / "playbooks"))
        for path in source.glob("*.yaml"):
            text = path.read_text()
            for old, new in playbook_edits.items():
                text = re.sub(old, new, text)
            (self.folder / "playbooks" / path.name).write_text(text)
        shutil.copytree(os.environ.get("BASCULE_CHECKLISTS", SOURCE.parent / "etc" / "checklists"), self.folder / "checklists")

    def give(self, path: Path) -> None:
        if self.user:
            shutil.chown(path, self.user, self.user)

    def secret(self, name: str, value: str) -> None:
        path = self.folder / "secrets" / name
        path.touch(0o600)
        path.write_text(value + "\n")

    def spawn(self, name: str, argv: list[str], **more: Any) -> subprocess.Popen:
        """A server that runs in the foreground, out of reach of the terminal's signals."""
        with open(self.folder / f"{name}.log", "a") as log:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.folder,
                                     env={**os.environ, "BASCULE_LAB": str(self.folder)}, **more)
        proc = procs.identify(child.pid)
        if not proc:
            raise LabError(f"{name} ended at once: {(self.folder / f'{name}.log').read_text()}")
        with self.saving:  # servers are started side by side
            self.state["procs"][name] = proc
            self.save()
        return child

    def await_start(self, name: str, child: subprocess.Popen, question: Any) -> None:
        procs.wait_until(f"{name} to start", START_S, lambda: child.poll() is not None or question())
        if child.poll() is not None:
            raise LabError(f"{name} ended with {child.returncode}: {(self.folder / f'{name}.log').read_text()[-2000:]}")

    def start_keeper(self) -> None:
        argv = ["/usr/bin/python3", str(SOURCE / "receivers.py"), str(self.folder)]
        read_end = -1
        if not self.keep:
            read_end, self.watch = os.pipe()
            argv.append(str(read_end))
        inherited = tuple(fd for fd in (self.lock_fd, read_end) if fd >= 0)
        child = self.spawn("keeper", argv, pass_fds=inherited)
        for fd in inherited:
            os.close(fd)  # from now on the keeper alone holds the lock
        self.lock_fd = -1
        self.await_start("keeper", child, (self.folder / "receivers" / "ready").exists)

    def start_nginx(self) -> None:
        edge = self.folder / "edge"
        (edge / "upstream.conf").write_text(settings.upstream_conf(self.state))
        (edge / "nginx.conf").write_text(settings.nginx_conf(self.folder, self.state))
        child = self.spawn("nginx", ["/usr/sbin/nginx", "-e", f"{edge}/error.log", "-c", f"{edge}/nginx.conf", "-g", "daemon off;"])
        self.await_start("nginx", child, lambda: listens(f"{self.net}.10", self.state["ports"]["edge"]))

    def start_sshd(self) -> None:
        home = self.folder / "ssh"
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", 0o755, exist_ok=True)  # its privilege separation wants it; Debian's unit makes it at boot
        for name in ("host_key", "client_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab {name}", "-f", str(home / name)], check=True)
        shutil.copy(home / "client_key.pub", home / "authorized_keys")
        host_key = (home / "host_key.pub").read_text()
        production = self.state["sites"]["production"]["address"]
        (home / "known_hosts").write_text(f"[{production}]:{self.state['ports']['ssh']} {host_key}")
        (home / "sshd_config").write_text(settings.sshd_config(self.folder, self.state, _needs_pam()))
        child = self.spawn("sshd", [*unit.on_host(self.state, "production"), "/usr/sbin/sshd", "-D", "-e", "-f", str(home / "sshd_config")])
        self.await_start("sshd", child, lambda: listens(production, self.state["ports"]["ssh"]))

    def make_host(self) -> int:
        """Production's host: a network namespace, held by a process, and a cable to it."""
        if os.geteuid() != 0:
            raise LabError("only root can give production a host of its own (a network namespace)")
        net = host_net(self.net)
        a, b = cable(self.net)
        holder = subprocess.Popen(["/usr/bin/unshare", "--net", "/bin/sleep", "infinity"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, start_new_session=True,
                                  env={**os.environ, "BASCULE_LAB": str(self.folder)})
        ours = os.stat("/proc/self/ns/net").st_ino
        procs.wait_until("the namespace", START_S, lambda: os.stat(f"/proc/{holder.pid}/ns/net").st_ino != ours)
        inside = ["nsenter", f"--net=/proc/{holder.pid}/ns/net", "ip"]
        for words in (["ip", "link", "add", a, "type", "veth", "peer", "name", b, "netns", str(holder.pid)], ["ip", "address", "add", f"{net}.254/24", "dev", a],
                      ["ip", "link", "set", a, "up"], [*inside, "address", "add", f"{net}.1/24", "dev", b], [*inside, "link", "set", b, "up"],
                      [*inside, "link", "set", "lo", "up"]):
            done = subprocess.run(words, capture_output=True, text=True)
            if done.returncode != 0:
                holder.kill()
                raise LabError(f"{' '.join(words)}: {done.stderr.strip()}")
        return holder.pid

    def start_agents(self) -> None:
        client, peer = self.state["etcd"], self.state["etcd_peer"]
        if not shutil.which("etcd"):
            raise LabError("no etcd found; apt-get install etcd-server")
        (self.folder / "etcd").mkdir()
        self.spawn("etcd", ["etcd", "--name", "one", "--data-dir", str(self.folder / "etcd"), "--listen-client-urls", client, "--advertise-client-urls", client,
                            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"one={peer}", "--logger", "zap", "--log-level", "error"])
        procs.wait_until("etcd to answer", START_S, lambda: web.get(client + "/health", timeout=2).status == 200)
        for site, state in zip(SITES, ("primary", "standby")):
            child = self.spawn(f"{site}-agent", [*unit.on_host(self.state, site), str(self.program), "-c", str(self.folder / f"{site}.yaml"), "agent", site])
            self.await_start(f"{site}-agent", child, lambda site=site, state=state: agent_state(self.state, site)["pg"] == state)
        procs.wait_until("the standby to be seen receiving", START_S, lambda: agent_state(self.state, "dr")["receiving"])

    def make_cluster(self, site: str) -> None:
        """DR is not empty: it holds an older, smaller copy, as after its last restore test."""
        rows = self.rows if site == "production" else max(self.rows // 10, 200)

        def fill(host: str) -> None:
            self.psql(f"host={host} user=postgres dbname=postgres", "-c", "CREATE ROLE bascule LOGIN SUPERUSER", "-c", "CREATE ROLE akig LOGIN",
                      "-c", "CREATE DATABASE akig OWNER akig")
            self.psql(f"host={host} user=postgres dbname=akig", "-c", "SET ROLE akig", "-v", f"rows={rows}", "-f", str(SOURCE / "schema.sql"),
                      "-f", str(SOURCE / "generate.sql"))

        clusters.make(Path(self.pgbin), self.folder / site / "data", "--encoding=UTF8", "--locale=C.UTF-8", fill=fill, kind=f"lab {site} {rows}", lab=str(self.folder))

    def configure(self, site: str, more: str = "") -> None:
        data = self.folder / site / "data"
        with open(data / "postgresql.conf", "a") as f:
            f.write(settings.postgresql_conf(self.state, site) + more)
        (data / "pg_hba.conf").write_text(settings.PG_HBA)

    def start_site(self, site: str) -> None:
        self.make_cluster(site)
        self.configure(site)
        for kind in ("db", "api"):
            unit.load(self.folder, site, kind).start()

    def start_pair(self) -> None:
        """Production, and DR as its standby: a copy of it, and a slot so that nothing it needs is thrown away."""
        data = self.folder / "dr" / "data"
        self.make_cluster("production")
        clusters.copy(self.folder / "production" / "data", data)
        self.configure("production")
        self.configure("dr", settings.standby_conf(self.state))
        (data / "standby.signal").touch()
        self.give(data / "standby.signal")
        unit.load(self.folder, "production", "db").start()
        self.sql("production", "postgres", "-c", "SELECT pg_create_physical_replication_slot('dr', true)")
        for site, kind in (("production", "api"), ("dr", "db")):
            unit.load(self.folder, site, kind).start()
        procs.wait_until("the standby to stream", START_S, lambda: self.ask("production", "SELECT state FROM pg_stat_replication") == "streaming")
        if self.standby == "sync":
            with open(self.folder / "production" / "data" / "postgresql.conf", "a") as f:
                f.write(settings.synchronous_conf(self.state))
            self.sql("production", "postgres", "-c", "SELECT pg_reload_conf()")
            procs.wait_until("the standby to be synchronous", START_S,
                             lambda: self.ask("production", "SELECT sync_state FROM pg_stat_replication") == "sync")
        unit.load(self.folder, "dr", "api").start()

    def ask(self, site: str, sql: str) -> str:
        at = self.state["sites"][site]
        where = f"host={at['address']} port={at['pg_port']} user=postgres dbname=postgres"
        done = subprocess.run([f"{self.state['pgbin']}/psql", "-XAtq", "-d", where, "-c", sql], capture_output=True, text=True)
        return done.stdout.strip()

    def sql(self, site: str, dbname: str, *arguments: str) -> None:
        at = self.state["sites"][site]
        self.psql(f"host={at['address']} port={at['pg_port']} user=postgres dbname={dbname}", *arguments)

    def psql(self, where: str, *arguments: str) -> None:
        done = subprocess.run([f"{self.state['pgbin']}/psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", where, *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise LabError(f"psql: {done.stderr.strip()}")


def host_net(net: str) -> str:
    """The network of production's host, as unique as that of the lab."""
    return "10." + net.split(".", 1)[1]


def cable(net: str) -> tuple[str, str]:
    """The two ends of the cable to production's host: ours, and its own."""
    ident = "".join(f"{int(n):02x}" for n in net.split(".")[1:])
    return f"lab{ident}a", f"lab{ident}b"


def agent_state(state: dict, site: str) -> dict:
    answer = web.get(f"http://{state['sites'][site]['address']}:9346/v1/state", timeout=3)
    return json.loads(answer.body)


def _make_folder(folder: Optional[Path]) -> Path:
    root = Path(tempfile.gettempdir()) if folder is None else folder.absolute().parent
    for parent in (root, *root.parents):
        if os.geteuid() == 0 and parent.exists() and not parent.stat().st_mode & 0o001:
            raise LabError(f'user postgres cannot enter "{parent}", and PostgreSQL does not run as root; choose a folder in /tmp')
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="bascule-lab-"))
    else:
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise LabError(f'"{folder}" is not empty')
    folder.chmod(0o755)
    return folder


def _needs_pam() -> bool:
    """Without PAM sshd turns away a locked account, even with a key; with it, containers without audit fail. So only where it must be."""
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
        return any(line.startswith(f"{name}:!") for line in Path("/etc/shadow").read_text().splitlines())
    except (OSError, KeyError):
        return False


# ---- the end ----

def down(folder: Path) -> None:
    """Ends every process of the lab and removes its folder. May be called again, and from several programs at once."""
    folder = Path(folder).absolute()
    try:
        state = json.loads((folder / "lab.json").read_text())
    except FileNotFoundError:
        _already_down(folder)
        return
    except ValueError:
        # Damaged: what was started is then found by the folder it names.
        state = {"procs": {}, "lock": None}
    servers = {name: procs.Proc(*value) for name, value in state["procs"].items()}
    keeper = servers.pop("keeper", None)
    # Controllers first: they would start again what is being ended.
    _end_strays(folder, ("bascule",), keeper)
    procs.end(servers.values())
    for site in SITES:
        for kind in ("api", "db"):
            try:
                unit.load(folder, site, kind).kill()
            except (unit.Failed, OSError, ValueError) as error:
                print(f"ending {kind} of {site}: {error}", file=sys.stderr)
        _remove_shared_memory(folder / site / "data")
    _end_strays(folder, PROGRAMS, keeper)
    _remove(folder)
    # The lock goes last of all, so that the addresses are free before another lab can have them.
    if state["lock"]:
        Path(state["lock"]).unlink(missing_ok=True)
    else:
        sweep_locks()
    if keeper and keeper.pid != os.getpid():
        procs.end([keeper])
    try:
        LOCKS.rmdir()
    except OSError:
        pass  # other labs are up


def _end_strays(folder: Path, programs: tuple[str, ...], keeper: Optional[procs.Proc]) -> None:
    """Shared ssh connections, orphaned actions: what names the folder but is nobody's child any more."""
    for _ in range(5):
        strays = [proc for proc in procs.mentions(str(folder), programs) if proc != keeper]
        if not strays:
            return
        procs.end(strays, patience=1.0)


def _remove_shared_memory(data: Path) -> None:
    """A killed postmaster leaves its System V segment behind; the next start would remove it, but there is none."""
    try:
        line = (data / "postmaster.pid").read_text().splitlines()[6]
        segment = line.split()[1]
    except (OSError, IndexError):
        return
    subprocess.run(["ipcrm", "-m", segment], stderr=subprocess.DEVNULL)


def _already_down(folder: Path) -> None:
    """There is no lab.json: the lab is gone, or somebody else is removing the last of it, or it never was one, and is then left alone."""
    end = time.monotonic() + 3
    while folder.exists():
        if time.monotonic() > end:
            raise LabError(f'"{folder}" is not a lab')
        time.sleep(procs.POLL_S)


def _remove(folder: Path) -> None:
    """The file that makes it a lab goes last, so that whatever interrupts this, `down` may be called again."""
    end = time.monotonic() + 10
    while folder.exists():
        for path in [p for p in folder.glob("*") if p.name != "lab.json"]:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        if not [p for p in folder.glob("*") if p.name != "lab.json"]:
            shutil.rmtree(folder, ignore_errors=True)
        if folder.exists() and time.monotonic() > end:
            raise LabError(f'could not remove "{folder}"')
