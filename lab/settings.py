"""The files that configure a lab: bascule's own, nginx's, sshd's and PostgreSQL's."""
from __future__ import annotations

from pathlib import Path

LAB_SOURCE = Path(__file__).resolve().parent
TABLES = "[users, properties, contracts, payments, invoices]"

# When each stage of a P1 tells people. `demo` keeps the runbook's five seconds and makes a tenth of its minutes; `test` is for tests.
STAGES = {
    "runbook": {"alert": "5s", "on-call": "2m", "runbook": "3m", "status-page": "5m", "management": "10m"},
    "demo": {"alert": "5s", "on-call": "12s", "runbook": "18s", "status-page": "30s", "management": "1m"},
    "test": {"alert": "500ms", "on-call": "2s", "runbook": "4s", "status-page": "6s", "management": "30s"},
}
# How often is looked at what changes slowly; the first look comes within it.
SLOW = {"runbook": "10s", "demo": "5s", "test": "2s"}
NOTIFIED = {"alert": "ops", "on-call": "on-call", "runbook": "on-call", "status-page": "ops", "management": "management"}


def unit_commands(folder: Path, site: str, kind: str) -> str:
    script = f"{LAB_SOURCE / 'unit.py'}, {folder}, {site}, {kind}"
    verbs = ("start", "stop", "restart", "status", "mask", "unmask", "kill", "log")
    return "{" + ", ".join(f"{verb}: [/usr/bin/python3, {script}, {verb}]" for verb in verbs) + "}"


def site_yaml(folder: Path, state: dict, site: str, host: str) -> str:
    at = state["sites"][site]
    return f"""
      - name: {site}
        role: {site}
        host: {host}
        database:
          host: {at['address']}
          port: {at['pg_port']}
          dbname: akig
          user: bascule
          sslmode: disable
          data_directory: {folder}/{site}/data
          critical_tables: {TABLES}
          unit: {unit_commands(folder, site, 'db')}
        application:
          url: http://{at['address']}:{at['api_port']}
          upstream: {at['address']}:{at['api_port']}
          unit: {unit_commands(folder, site, 'api')}
        backup: {{folder: {folder}/backups, retention: 30d}}{agent_yaml(folder, state, site)}"""


def agent_yaml(folder: Path, state: dict, site: str) -> str:
    """The agent beside a site's PostgreSQL, when the lab has them."""
    if not state.get("agents"):
        return ""
    run_as = f", run_as: {state['user']}" if state["user"] else ""
    return f"""
        agent: {{listen: "{state['sites'][site]['address']}:9346", token: {{file: {folder}/secrets/{site}.token}}, pg_bindir: {state['pgbin']}{run_as}}}"""


def by_lease(state: dict) -> str:
    return "" if not state.get("agents") else """
    replication: {user: postgres, slot: dr}"""


def checks_yaml(folder: Path, state: dict, interval: str, slow: str, extra: str) -> str:
    if state.get("standby"):
        extra = f"""
      - {{id: dr.replication, type: replication, site: dr, interval: {interval}, timeout: 3s, fall: 2, rise: 2}}{extra}"""
    if state.get("agents"):
        extra = "".join(f"""
      - {{id: {site}.agent, type: agent, site: {site}, interval: {interval}, timeout: 1s, fall: 2, rise: 2}}""" for site in ("production", "dr")) + extra
    every_site = "".join(f"""
      - {{id: {site}.database, type: postgres, site: {site}, interval: {interval}, timeout: 3s, fall: 2, rise: 2, \
connect_timeout: 1s, read_timeout: 1s, write_timeout: 1s}}
      - {{id: {site}.tables, type: tables, site: {site}, interval: {slow}}}
      - {{id: {site}.application, type: http, site: {site}, path: /api/health, accept: [200], json: status=ok, interval: 1s, timeout: 2s}}
      - {{id: {site}.unit, type: unit, site: {site}, unit: database, interval: {slow}}}""" for site in ("production", "dr"))
    return every_site + f"""
      - {{id: production.backup, type: backup, site: production, interval: {slow}, warning: 1h, critical: 2h}}
      - {{id: production.disk, type: disk, site: production, path: {folder}/backups, warning: 95, critical: 99, interval: {slow}}}
      - {{id: public, type: http, url: "http://{state['net']}.10:{state['ports']['edge']}/api/health", accept: [200], \
json: status=ok, interval: 500ms, timeout: 2s}}{extra}"""


def bascule_yaml(folder: Path, state: dict, stages: str, interval: str, extra_checks: str) -> str:
    net, ports = state["net"], state["ports"]
    ssh = f"{{address: {state['sites']['production']['address']}, port: {ports['ssh']}, user: {state['ssh_user']}, identity: {folder}/ssh/client_key, " \
          f"known_hosts: {folder}/ssh/known_hosts}}"
    edge = f"{folder}/edge"
    stage_lines = "".join(f"\n          - {{name: {name}, after: {after}, notify: [{NOTIFIED[name]}]}}" for name, after in STAGES[stages].items())
    etcd = f"etcd: {{endpoints: [\"{state['etcd']}\"]}}\n" if state.get("agents") else ""
    playbooks = "[primary-lost.yaml, failover.yaml]" if state.get("agents") else "[database-down.yaml, failover.yaml]"
    return f"""# The miniature AKIG of this lab, made by lab/settings.py.
state_dir: {folder}/state
language: en
{etcd}
channels:
  - {{name: log, type: log, file: {folder}/state/notices.log}}
  - name: mail
    type: smtp
    server: smtp://{net}.20:{ports['smtp']}
    starttls: false
    user: alerts
    password: {{file: {folder}/secrets/smtp.password}}
    from: bascule@akig.example
    timeout: 4s
  - name: slack
    type: slack
    url: {{file: {folder}/secrets/slack.url}}
    timeout: 4s

contacts:
  - name: ops
    title: {{en: Operations, fr: Exploitation}}
    tier: 1
    ways: [{{channel: slack}}, {{channel: mail, address: ops@akig.example}}, {{channel: log}}]
  - name: dba
    title: {{en: DBA on call, fr: DBA d'astreinte}}
    tier: 1
    ways: [{{channel: slack}}, {{channel: mail, address: dba@akig.example}}]
  - name: cto
    title: {{en: CTO, fr: Directrice technique}}
    tier: 2
    language: fr
    ways: [{{channel: mail, address: cto@akig.example}}]
  - {{name: tracker, title: {{en: Ticket tracker, fr: Suivi des tickets}}, tier: 0, ways: [{{channel: mail, address: tracker@akig.example}}]}}
groups:
  - {{name: on-call, members: [ops, dba]}}
  - {{name: management, members: [cto]}}

status_pages:
  - folder: {folder}/status
    url: https://status.akig.example/
    title: {{en: AKIG Platform, fr: Plateforme AKIG}}
    components:
      - {{name: dashboard, title: {{en: User Dashboard, fr: Tableau de bord}}}}
      - {{name: api, title: {{en: API Endpoints, fr: API}}, checks: [public]}}
      - {{name: mobile, title: {{en: Mobile App, fr: Application mobile}}}}

services:
  - name: akig
    title: AKIG Platform
    users: 15000
    currency: $
    affected: {{en: "User Dashboard\\nAPI Endpoints\\nMobile App", fr: "Tableau de bord\\nAPI\\nApplication mobile"}}
    status_page: https://status.akig.example/
    public_url: http://{net}.10:{ports['edge']}
    automatic: true{by_lease(state)}
    sites:{site_yaml(folder, state, 'production', ssh)}{site_yaml(folder, state, 'dr', 'local')}
    endpoints:
      - {{path: /api/health, accept: [200], json: status=ok}}
      - {{path: /api/auth/test, accept: [200]}}
      - {{path: "/api/contracts?limit=1", accept: [200]}}
    checks:{checks_yaml(folder, state, interval, SLOW[stages], extra_checks)}
    traffic:
      driver: nginx
      host: local
      include: {edge}/upstream.conf
      upstream: akig
      test: [/usr/sbin/nginx, -e, {edge}/error.log, -c, {edge}/nginx.conf, -t]
      reload: [/usr/sbin/nginx, -e, {edge}/error.log, -c, {edge}/nginx.conf, -s, reload]
      identify: {{path: /api/health, json: site}}
    severities:
      - name: P1
        rto: 15m
        rpo: 1h
        impact_per_hour: 50000
        users: {{en: 100 % of the service is unreachable, fr: 100 % du service inaccessible}}
        update_every: 5m
        stages:{stage_lines}
      - {{name: P2, rto: 1h, rpo: 1h, impact_per_hour: 10000, stages: [{{name: alert, after: 5s, notify: [ops]}}]}}
      - {{name: P3, rto: 24h, stages: [{{name: alert, after: 1m, notify: [ops]}}]}}
    playbooks: {playbooks}
    checklists: [p1.yaml, failover.yaml, restore.yaml, post-incident.yaml]
    tickets: tracker
"""


def upstream_conf(state: dict) -> str:
    at = state["sites"]["production"]
    return f"upstream akig {{\n    server {at['address']}:{at['api_port']};\n}}\n"


def nginx_conf(folder: Path, state: dict) -> str:
    edge = f"{folder}/edge"
    user = f"user {state['user']};\n" if state["user"] else ""
    temp = "".join(f"    {kind}_temp_path {edge}/tmp;\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"""{user}worker_processes 1;
pid {edge}/nginx.pid;
events {{ worker_connections 512; }}
http {{
{temp}    log_format lab escape=json '{{"time":$msec,"method":"$request_method","uri":"$request_uri","status":$status,"took":$request_time,'
                           '"upstream":"$upstream_addr","site":"$upstream_http_x_served_by"}}';
    access_log {edge}/access.log lab;
    include {edge}/upstream.conf;
    server {{
        listen {state['net']}.10:{state['ports']['edge']};
        location / {{
            proxy_pass http://akig;
            proxy_connect_timeout 1s;
            proxy_send_timeout 5s;
            proxy_read_timeout 5s;
        }}
    }}
}}
"""


def sshd_config(folder: Path, state: dict, pam: bool) -> str:
    home = f"{folder}/ssh"  # also the home of who logs in: what the machine's own start-up files do is not the lab's
    return f"""ListenAddress {state['sites']['production']['address']}:{state['ports']['ssh']}
HostKey {home}/host_key
AuthorizedKeysFile {home}/authorized_keys
PidFile {home}/sshd.pid
StrictModes no
UsePAM {'yes' if pam else 'no'}
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
UseDNS no
MaxStartups 100
MaxSessions 50
SetEnv HOME={home}
"""


def standby_conf(state: dict) -> str:
    """What makes DR's server a standby of production; synchronous when production waits for one of this name."""
    at = state["sites"]["production"]
    return f"""
primary_conninfo = 'host={at['address']} port={at['pg_port']} user=postgres application_name=dr connect_timeout=2'
primary_slot_name = 'dr'
wal_retrieve_retry_interval = 500ms
"""


def synchronous_conf(state: dict) -> str:
    return "synchronous_standby_names = 'dr'\n" if state.get("standby") == "sync" else ""


def postgresql_conf(state: dict, site: str) -> str:
    at = state["sites"][site]
    return f"""
listen_addresses = '{at['address']}'
port = {at['pg_port']}
unix_socket_directories = ''
max_connections = 60
shared_buffers = 64MB
# In files of the cluster rather than /dev/shm, so that a killed server leaves nothing outside its folder.
dynamic_shared_memory_type = mmap
max_wal_size = 512MB
log_min_duration_statement = 2s
log_line_prefix = '%m [%p] %q%u@%d '
"""


PG_HBA = "".join(f"host {what} all {where} trust\n" for what in ("all", "replication") for where in ("127.0.0.0/8", "samenet"))
