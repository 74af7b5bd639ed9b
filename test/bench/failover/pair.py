#!/usr/bin/python3
"""The configuration of a measured pair: production on n1, dr on n2, three etcd, a controller.

    pair.py --folder DIR --state DIR [--tuned] [--sync] n1=ADDRESS n2=ADDRESS e1=ADDRESS ...     prints it, for peer.sh
    pair.py --folder DIR --server NODE        prints what its server's configuration has more
    pair.py --standby SITE --of ADDRESS       prints how that site's standby reaches its primary
"""
from __future__ import annotations

import argparse
from pathlib import Path

SITES = {"n1": "production", "n2": "dr"}
# What is left out keeps its default; those are the settings that the figures are for. The smallest that the rules of the lease allow on a machine
# where a sync may take some 100 ms.
TUNED = {"ttl": "1500ms", "renew": "200ms", "stop_budget": "300ms", "guard": "100ms"}
AGENT_PORT = 9346

TEXT = """# Made for a measurement; see README.md beside pair.py.
state_dir: {state}
etcd: {{endpoints: [{etcd}], timeout: {timeout}}}
channels: [{{name: log, type: log, file: {state}/notices.log}}]
contacts: [{{name: ops, ways: [{{channel: log}}]}}]
services:
  - name: bench
    title: Bench
    public_url: http://{controller}:8000
    sites:{sites}
    replication: {{mode: {mode}, user: postgres, max_loss: 64}}
    failover: {{{failover}}}
    checks:
      - {{id: production.agent, type: agent, site: production, interval: {often}, timeout: {patience}, fall: 2, rise: 2}}
      - {{id: dr.agent, type: agent, site: dr, interval: {often}, timeout: {patience}, fall: 2, rise: 2}}
      - {{id: production.database, type: postgres, site: production, interval: {often}, timeout: {patience}, fall: 2, rise: 2, connect_timeout: {patience}, read_timeout: {patience}, write: false}}
      - {{id: dr.database, type: postgres, site: dr, interval: {often}, timeout: {patience}, fall: 2, rise: 2, connect_timeout: {patience}, read_timeout: {patience}, write: false}}
    traffic: {{driver: command, identify: {{path: /, json: site}}, show: [/usr/bin/cat, {state}/users], switch: [/bin/sh, {folder}/users.sh, {state}/users]}}
    playbooks: [{folder}/lost.yaml, {folder}/switchover.yaml]
    severities: [{{name: P1, rto: 15m, stages: [{{name: alert, after: 0s, notify: ops}}]}}]
"""
SITE = """
      - name: {name}
        role: {role}
        agent: {{listen: "{address}:{port}", token: {{file: {folder}/token}}, restarts: {restarts}}}
        database: {{host: {address}, port: 5432, dbname: postgres, user: postgres, sslmode: disable, data_directory: {folder}/{node}/data}}"""
FENCE = """
        fences: [{{type: command, off: [/bin/sh, {folder}/power.sh, {node}, "off"], status: [/bin/sh, {folder}/power.sh, {node}, status]}}]"""

# What bascule's own playbook primary-lost does, without an application and without a public address: the clients of a measurement ask both servers.
PLAYBOOK = """
playbook: lost
title: {en: Primary lost, fr: Primaire perdue}
severity: P1
opens_when: active.agent is down or active.database is down
resolved_when: active.database is up
hold: 1s
steps:
  - id: restart
    title: {en: Wait for the agent, fr: Attendre l'agent}
    do: wait
    when: active.agent is up
    until: active.database is up or active.agent is down or active.agent is unknown
    budget: 90s
    then: {success: recovered, failure: promote, expiry: promote}
  - id: recovered
    title: {en: It is back, fr: Elle est revenue}
    do: wait
    when: active.agent is up and active.database is up
    until: active.database is up
    budget: 1s
    then: {success: end, failure: promote, expiry: promote}
  - id: promote
    title: {en: Promote the standby, fr: Promouvoir}
    do: promote standby
    budget: 2m
    then: {failure: fail, expiry: fail}
  - id: redirect
    title: {en: Redirect, fr: Rediriger}
    do: traffic switch standby
    budget: 1m
    then: {success: end, failure: fail, expiry: fail}
"""
SWITCHOVER = """
playbook: switchover
title: {en: Planned switchover, fr: Bascule planifiée}
severity: P1
steps:
  - id: switchover
    title: {en: Switch over, fr: Basculer}
    do: switchover standby
    budget: 2m
    then: {success: end, failure: fail, expiry: fail}
"""
USERS = 'echo "$2" >"$1"\n'
# The power supply of a machine, which its network has no part in: it ends whatever runs there. It speaks as programs of fence-agents do.
POWER = """case $2 in
    off) ip netns pids "$1" | xargs -r kill -9 ;;
    status) if [ -n "$(ip netns pids "$1")" ]; then echo Status: ON; exit 0; else echo Status: OFF; exit 2; fi ;;
esac
"""

CONFIGURATION = """
listen_addresses = '*'
shared_buffers = 64MB
dynamic_shared_memory_type = mmap
wal_log_hints = on
wal_keep_size = 512MB
max_wal_size = 1GB
lc_messages = 'C'
log_line_prefix = '%m [%p] '
"""
ACCESS = "host all all {subnet}.0/24 trust\nhost replication all {subnet}.0/24 trust\n"


def bascule_yaml(folder: Path, state: Path, addresses: dict[str, str], *, sync: bool = False, failover: dict[str, str] | None = None,
                 restarts: int = 3, fenced: bool = False) -> str:
    """`addresses`: of the machines, by name; those that begin with e are etcd's."""
    sites = "".join((SITE + FENCE * fenced).format(name=name, role=name, node=node, address=addresses[node], port=AGENT_PORT, folder=folder, restarts=restarts) for node, name in SITES.items())
    etcd = ", ".join(f'"http://{address}:2379"' for node, address in addresses.items() if node.startswith("e"))
    tuned = (failover or {}).get("ttl") == TUNED["ttl"]
    words = {"cool_down": "0s", **(failover or {})}  # one run is one failover, but a soak has many
    return TEXT.format(state=state, etcd=etcd, sites=sites, mode="sync" if sync else "async", failover=", ".join(f"{k}: {v}" for k, v in words.items()),
                       controller=addresses["c1"], timeout="300ms" if tuned else "700ms", folder=folder, often="200ms" if tuned else "500ms", patience="400ms" if tuned else "1s")


def write_playbooks(folder: Path) -> None:
    (folder / "lost.yaml").write_text(PLAYBOOK)
    (folder / "switchover.yaml").write_text(SWITCHOVER)
    (folder / "users.sh").write_text(USERS)
    (folder / "power.sh").write_text(POWER)


def postgresql_conf(node: str, folder: Path) -> str:
    return CONFIGURATION + f"unix_socket_directories = '{folder / node}'\n"


def primary_conninfo(address: str, site: str) -> str:
    return f"host={address} port=5432 user=postgres application_name={site} sslmode=disable connect_timeout=2"


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--sync", action="store_true")
    parser.add_argument("--server")
    parser.add_argument("--standby")
    parser.add_argument("--of")
    parser.add_argument("machines", nargs="*", metavar="NAME=ADDRESS")
    options = parser.parse_args()
    if options.standby:
        print(primary_conninfo(options.of, options.standby))
    elif options.server:
        print(postgresql_conf(options.server, options.folder), end="")
    else:
        write_playbooks(options.folder)
        options.state.mkdir(mode=0o700, exist_ok=True)
        (options.state / "users").write_text("production\n")
        addresses = dict(word.split("=", 1) for word in options.machines)
        print(bascule_yaml(options.folder, options.state, addresses, sync=options.sync, failover=TUNED if options.tuned else {}), end="")


if __name__ == "__main__":
    main()
