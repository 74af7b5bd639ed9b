"""Channels against services that behave like the real ones, on this machine: mail with TLS and a login, PagerDuty, SMS, Statuspage, signed
webhooks; and `notify test`."""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
import services
from drive import Journal
from procs import wait_until
from services import MailServer, Services, certificates

MINUTE = 60


class Site:
    """A configuration whose channels lead to the services, and the program with it."""

    def __init__(self, program: Path, folder: Path, told: Services) -> None:
        self.program, self.folder, self.told = program, folder, told
        self.channels: list[str] = []
        self.contacts: list[str] = []
        self.notify = "ops"
        self.controller: subprocess.Popen | None = None
        self.shown = Journal(folder / "state", [str(program), "-c", str(folder / "bascule.yaml")])
        (folder / "state").mkdir()

    def secret(self, name: str, value: str) -> str:
        path = self.folder / name
        path.write_text(value)
        path.chmod(0o600)
        return f"{{file: {path}}}"

    def channel(self, text: str) -> None:
        self.channels.append(f"  - {{{text}}}\n")

    def contact(self, name: str, *ways: str) -> None:
        self.contacts.append(f"  - {{name: {name}, ways: [{', '.join('{' + way + '}' for way in ways)}]}}\n")

    def all_channels(self) -> None:
        url = self.told.url
        self.channel(f"name: slack, type: slack, url: {self.secret('slack', url + '/slack')}")
        self.channel(f"name: sms, type: sms, account: {services.SMS_ACCOUNT}, token: {self.secret('sms', services.SMS_TOKEN)}, "
                     f"from: AKIG, server: '{url}'")
        self.channel(f"name: pagerduty, type: pagerduty, key: {self.secret('pagerduty', services.PAGERDUTY_KEY)}, url: '{url}/v2/enqueue'")
        self.channel(f"name: tickets, type: webhook, url: {self.secret('webhook', url + '/webhook')}, "
                     f"secret: {self.secret('signing', 'whsec_' + services.WEBHOOK_KEY)}")
        self.channel(f"name: page, type: statuspage, page: p1, key: {self.secret('statuspage', services.STATUSPAGE_KEY)}, components: [c1], url: '{url}/v1'")

    def write(self) -> Path:
        path = self.folder / "bascule.yaml"
        path.write_text(f"""state_dir: {self.folder}/state
channels:
{''.join(self.channels)}contacts:
{''.join(self.contacts)}services:
  - name: akig
    title: AKIG Platform
    automatic: false
    sites: [{{name: production, role: production, host: local, database: {{host: 127.0.0.1, port: 1, dbname: akig, user: x}}}}]
    checks: [{{id: production.up, type: command, site: production, argv: [/bin/true], interval: 5s}}]
    severities: [{{name: P1, rto: 15m, rpo: 1h, update_every: 5m, stages: [{{name: alert, after: 0s, notify: [{self.notify}]}}]}}]
""")
        return path

    def run(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run([self.program, "-c", self.folder / "bascule.yaml", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=MINUTE, env={**os.environ, "LC_ALL": "C.UTF-8"})

    def ok(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def serve(self) -> None:
        with open(self.folder / "serve.log", "ab") as log:
            self.controller = subprocess.Popen([self.program, "-c", self.folder / "bascule.yaml", "serve"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                               start_new_session=True)
        wait_until("the controller's start in the journal", 20, lambda: self.rows("controller.started"))

    def kill(self) -> None:
        assert self.controller
        self.controller.send_signal(signal.SIGKILL)
        self.controller.wait()
        self.controller = None

    def stop(self) -> None:
        if self.controller:
            self.controller.terminate()
            assert self.controller.wait(20) == 0
            self.controller = None

    def rows(self, kind: str) -> list[dict]:
        return self.shown.rows(kind)

    def delivered(self, *parts: str) -> list[dict]:
        return [row for row in self.rows("delivered") if all(part in row["subject"] for part in parts)]


@pytest.fixture
def told() -> Iterator[Services]:
    made = Services()
    yield made
    made.released.set()
    made.close()


@pytest.fixture
def site(program: Path, tmp_path: Path, told: Services) -> Iterator[Site]:
    made = Site(program, tmp_path, told)
    yield made
    made.stop()


@pytest.fixture
def mail_server(tmp_path: Path) -> Iterator[Callable[..., MailServer]]:
    made: list[MailServer] = []

    def make(tls: str, **options: Any) -> MailServer:
        made.append(MailServer(tls, **options))
        return made[-1]

    yield make
    for server in made:
        server.close()


def mail_channel(site: Site, server: MailServer, scheme: str, starttls: bool, ca: Path | None, password: str = "hunter2", host: str = "127.0.0.1") -> None:
    site.channels.clear()
    site.contacts.clear()
    site.channel(f"name: mail, type: smtp, server: '{scheme}://{host}:{server.port}', starttls: {str(starttls).lower()}, user: alerts, "
                 f"password: {site.secret('password', password)}, from: bascule@akig.com, timeout: 10s{f', ca: {ca}' if ca else ''}")
    site.contact("ops", "channel: mail, address: ops@akig.com")
    site.write()


# ---- mail ----


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_mail_goes_encrypted_and_logged_in(site: Site, mail_server: Callable[..., MailServer], tmp_path: Path, tls: str) -> None:
    chain = certificates(tmp_path / "tls", "127.0.0.1")
    server = mail_server(tls, certificate=chain)
    mail_channel(site, server, "smtp" if tls == "starttls" else "smtps", tls == "starttls", chain[0])
    assert "✓ ops" in site.ok("notify", "test", "ops")
    assert server.sessions == [{"tls": True, "login": True, "from": "bascule@akig.com", "to": ["ops@akig.com"]}]
    mail = server.mails[0]
    assert not mail.defects and mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert mail["Subject"] == "[TEST] bascule reaches you" and mail["Auto-Submitted"] == "auto-generated"
    assert "THIS IS A TEST" in mail.get_body(("plain",)).get_content() and "THIS IS A TEST" in mail.get_body(("html",)).get_content()


def answer_of_failed_test(site: Site) -> dict:
    done = site.run("notify", "test", "ops", "--json")
    assert done.returncode == 1, done.stdout + done.stderr
    return json.loads(done.stdout)[0]


def test_mail_does_not_go_to_whom_it_cannot_trust(site: Site, mail_server: Callable[..., MailServer], tmp_path: Path) -> None:
    ours, other = certificates(tmp_path / "tls", "127.0.0.1"), certificates(tmp_path / "other", "mail.example")
    server, stranger, plain = mail_server("starttls", certificate=ours), mail_server("starttls", certificate=other), mail_server("none")
    implicit = mail_server("tls", certificate=ours)
    mail_channel(site, server, "smtp", True, None)  # an authority that this machine does not know
    assert "certificate" in answer_of_failed_test(site)["answer"]
    mail_channel(site, implicit, "smtps", False, None)
    assert "certificate" in answer_of_failed_test(site)["answer"]
    mail_channel(site, stranger, "smtp", True, other[0])  # a certificate of somebody else
    assert answer_of_failed_test(site)["result"] == "retry"
    mail_channel(site, plain, "smtp", True, ours[0])  # no encryption offered, as by somebody in between
    assert answer_of_failed_test(site)["result"] == "retry"
    mail_channel(site, server, "smtp", True, ours[0], password="wrong")
    refused = answer_of_failed_test(site)
    assert refused["result"] == "refused" and "535" in refused["answer"] and "wrong" not in refused["answer"]
    assert [one.mails for one in (server, stranger, plain, implicit)] == [[], [], [], []]


def test_a_password_is_not_sent_in_clear(site: Site, told: Services, mail_server: Callable[..., MailServer]) -> None:
    mail_channel(site, mail_server("none"), "smtp", False, None, host="mail.akig.com")
    done = site.run("config", "check")
    assert done.returncode == 78 and "in clear" in done.stderr and "starttls: true" in done.stderr


# ---- notify test ----


def test_notify_test_shows_every_answer_and_status_knows(site: Site, told: Services) -> None:
    site.all_channels()
    site.contact("ops", "channel: slack", "channel: tickets")
    site.contact("dba", "channel: sms, address: '+33612345678'", "channel: pagerduty", "channel: slack")
    site.write()
    before = site.run("status")
    assert "[!] 6 of 6 ways to reach people are not proven: ops/slack, ops/tickets, dba/sms, dba/pagerduty, ..." in before.stdout
    assert before.returncode == 0 and before.stdout.endswith("✓ All checks passed\n")
    told.fail("pagerduty", 500)
    done = site.run("notify", "test", "all", "--json")
    assert done.returncode == 1
    answers = {f"{a['contact']}/{a['channel']}": a for a in json.loads(done.stdout)}
    assert {name: a["result"] for name, a in answers.items()} == {
        "ops/slack": "sent", "ops/tickets": "sent", "dba/sms": "sent", "dba/pagerduty": "retry", "dba/slack": "sent", "public/page": "sent"}
    assert len(told.slack_messages) == 1, "two people behind one webhook share a message"
    assert "[TEST]" in told.slack_messages[0]["text"] and told.incidents == []
    assert [m["body"][:6] for m in told.messages.values()] == ["[TEST]"]
    proven = {row["subject"]: row.get("number", 0) for row in site.rows("contact.proven")}
    assert proven == {"ops/slack": 1, "ops/tickets": 1, "dba/sms": 1, "dba/pagerduty": 0, "dba/slack": 1, "public/page": 1}
    assert "1 of 6 ways to reach people are not proven: dba/pagerduty (its test failed)" in site.run("status").stdout
    states = {f"{c['contact']}/{c['channel']}": c["proof"] for c in json.loads(site.run("status", "--json").stdout)["contacts"]}
    assert states["dba/pagerduty"] == "failed" and states["dba/sms"] == "proven"
    site.ok("notify", "test", "dba", "--channel", "pagerduty", "--by", "Anne")
    assert "not proven" not in site.run("status").stdout
    assert "✓ dba" in site.ok("notify", "list", "dba")
    # Another number is another way.
    path = site.folder / "bascule.yaml"
    path.write_text(path.read_text().replace("+33612345678", "+33612345679"))
    assert "1 of 6 ways to reach people are not proven: dba/sms;" in site.run("status").stdout
    assert site.run("notify", "test", "nobody").returncode == 66


def test_nothing_of_a_secret_is_in_journal_or_output(site: Site, told: Services) -> None:
    site.all_channels()
    site.contact("ops", "channel: slack", "channel: sms, address: '+33612345678'", "channel: pagerduty", "channel: tickets")
    site.write()
    for service in ("slack", "sms", "pagerduty", "webhook", "statuspage"):
        told.fail(service, 403)
    done = site.run("notify", "test", "all")
    assert done.returncode == 1
    everything = done.stdout + done.stderr + site.ok("journal", "show", "--json")
    for secret in (services.SMS_TOKEN, services.PAGERDUTY_KEY, services.STATUSPAGE_KEY, services.WEBHOOK_KEY, f"{told.url}/slack", services.LOGIN):
        assert secret not in everything, secret


# ---- an incident ----


def test_an_incident_is_one_thread_one_alert_one_public_incident(site: Site, told: Services, mail_server: Callable[..., MailServer], tmp_path: Path) -> None:
    chain = certificates(tmp_path / "tls", "127.0.0.1")
    server = mail_server("starttls", certificate=chain)
    site.all_channels()
    site.channel(f"name: mail, type: smtp, server: 'smtp://127.0.0.1:{server.port}', starttls: true, user: alerts, "
                 f"password: {site.secret('password', 'hunter2')}, from: bascule@akig.com, ca: {chain[0]}")
    site.contact("ops", "channel: mail, address: ops@akig.com", "channel: pagerduty", "channel: tickets")
    site.write()
    told.fail("pagerduty", "reset", (429, {"Retry-After": "1"}), 500)  # taken, and tried three times more
    told.fail("statuspage", "ok", "reset")                              # the list, then the message, whose answer is lost
    told.fail("webhook", 503, "reset")
    site.serve()
    site.ok("incident", "open", "--severity", "P1", "--by", "Anne", "database down")
    site.ok("incident", "say", "1", "--public", "We are looking into it.", "--by", "Anne", "--yes")
    wait_until("the alert at PagerDuty", 30, lambda: site.delivered("/pagerduty"))
    wait_until("the public message", 30, lambda: site.delivered("/page"))
    site.ok("incident", "ack", "1", "--by", "dba")
    wait_until("the acknowledgement", 30, lambda: [a["state"] for a in told.alerts.values()] == ["acknowledged"])
    site.ok("incident", "resolve", "1", "--by", "dba", "restarted")
    wait_until("the resolution", 30, lambda: [a["state"] for a in told.alerts.values()] == ["resolved"])
    wait_until("the public resolution", 40, lambda: told.incidents and told.incidents[0]["status"] == "resolved")
    wait_until("all to be handed over", 30, lambda: len(site.rows("delivered")) == len(site.rows("notice")) + len(site.rows("public")))

    assert len(told.alerts) == 1 and next(iter(told.alerts)).startswith("bascule/akig/1/")
    assert len(told.incidents) == 1 and told.incidents[0]["components"] == {"c1": "operational"}
    texts = [update["body"] for update in told.incidents[0]["incident_updates"]]
    assert len(texts) == len(set(texts)) == len(site.rows("public")), texts
    assert 420 not in [request["status"] for request in told.requests("statuspage")], "more than one request a second"
    kinds = [event["type"] for event in told.webhooks.values()]
    assert kinds[0] == "alert" and "acknowledged" in kinds and kinds[-1] == "resolved" and len(kinds) == len(set(kinds))
    identities = [request["headers"]["webhook-id"] for request in told.requests("webhook")]
    assert len(identities) == len(set(identities)) + 2, "the message that was tried three times has one identity"
    first, *later = server.mails
    assert first["References"] is None and len(later) >= 2
    assert {mail["In-Reply-To"] for mail in later} == {mail["References"] for mail in later} == {first["Message-ID"]}
    assert len({mail["Message-ID"] for mail in server.mails}) == len(server.mails)


def test_a_kill_before_the_answer_is_written_down_rings_nobody_twice(site: Site, told: Services) -> None:
    site.all_channels()
    site.contact("ops", "channel: sms, address: '+33612345678'")
    site.write()
    told.fail("sms", "hold")
    site.serve()
    site.ok("incident", "open", "--severity", "P1", "--by", "Anne", "database down")
    wait_until("the message at the provider", 20, lambda: told.messages)
    site.kill()
    told.released.set()
    site.serve()
    row = wait_until("the delivery on record", 20, lambda: site.delivered("/alert/ops/sms"))[0]
    assert len(told.messages) == 1 and next(iter(told.messages)) in row["text"]
    assert [request["method"] for request in told.requests("sms")][:2] == ["POST", "GET"]


def test_a_message_that_does_not_arrive_is_not_called_sent(site: Site, told: Services) -> None:
    site.all_channels()
    site.contact("ops", "channel: sms, address: '+33612340005'")  # an unknown destination, by its error
    site.write()
    site.serve()
    site.ok("incident", "open", "--severity", "P1", "--by", "Anne", "database down")
    row = wait_until("the failure on record", 20, lambda: site.rows("undelivered"))[0]
    assert "undelivered: error 30005" in row["text"] and row["ref"] == -1
    assert re.fullmatch(r"P1 INC-1 [ -~]{10,150}", told.messages[next(iter(told.messages))]["body"])
    assert not site.rows("delivered")
