"""What other programs tell: taken, kept through kills, grouped, ended, refused when it cannot be kept; and the signs of life both ways."""
from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from alarms import Alarms, Receiver, Sweep, event, firing, webhook
from procs import wait_until

MakeAlarms = Callable[..., Alarms]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def make(program: Path, tmp_path: Path, receiver: Receiver) -> Iterator[MakeAlarms]:
    made: list[Alarms] = []

    def one(**settings: Any) -> Alarms:
        made.append(Alarms(program, tmp_path / f"world{len(made)}", receiver, **settings))
        made[-1].start()
        return made[-1]

    yield one
    for alarms in made:
        alarms.stop()
        print(alarms.log.read_text())


def health(alarms: Alarms) -> dict:
    return json.loads(alarms.get("/healthz")[1])


def incidents(alarms: Alarms) -> list[dict]:
    return alarms.rows("incident.opened")


def resolved(alarms: Alarms) -> set[int]:
    return {r["incident"] for r in alarms.rows("incident.state") if r["number"] == 4}


# ---- from senders to people ----

def test_alertmanagers_webhook_opens_and_closes_an_incident(make: MakeAlarms, receiver: Receiver) -> None:
    alarms = make(alerts={"hold": "1s"})
    assert alarms.post("/alerts/alertmanager", webhook(firing("DiskFull", instance="db1"), firing("DiskFull", instance="db2")))[0] == 200
    wait_until("the message", 10, lambda: receiver.arrivals)
    assert "DiskFull is ill" in receiver.arrivals[0][2]
    assert [(r["text"], r["who"]) for r in incidents(alarms)] == [("DiskFull: DiskFull is ill", "alertmanager/DiskFull")]
    assert alarms.post("/alerts/alertmanager", webhook(firing("DiskFull", instance="db1"), firing("DiskFull", instance="db2")))[0] == 200
    assert len(alarms.rows("alert")) == 2, "what was said before is written once"
    assert alarms.post("/alerts/alertmanager", webhook(firing("DiskFull", status="resolved", instance="db1")))[0] == 200
    assert health(alarms)["alerts_firing"] == 1 and not resolved(alarms)
    assert alarms.post("/alerts/alertmanager", webhook(firing("DiskFull", status="resolved", instance="db2")))[0] == 200
    wait_until("the incident to be resolved", 10, lambda: resolved(alarms) == {1})
    shown = alarms.run("incident", "timeline", "1").stdout
    assert "alert of alertmanager/DiskFull came in, P1: DiskFull: DiskFull is ill" in shown and "alert of alertmanager/DiskFull ended" in shown


def test_prometheus_must_repeat_itself(make: MakeAlarms) -> None:
    alarms = make(alerts={"hold": "0s", "expire": "2s"})
    now = datetime.datetime.now(datetime.timezone.utc)
    until = (now + datetime.timedelta(hours=1)).isoformat()
    assert alarms.post("/api/v2/alerts", [{"labels": {"alertname": "Short"}}, {"labels": {"alertname": "Long"}, "endsAt": until}])[0] == 200
    assert len(incidents(alarms)) == 2
    wait_until("the one that nobody repeats to be over", 15, lambda: len(resolved(alarms)) == 1)
    assert health(alarms)["alerts_firing"] == 1
    # Of what fires when the controller dies, the sender has as long as ever to say it again.
    alarms.kill()
    alarms.start()
    assert health(alarms)["alerts_firing"] == 1
    wait_until("it to be over as well", 15, lambda: len(resolved(alarms)) == 2)


def test_pagerdutys_events_open_take_and_close(make: MakeAlarms) -> None:
    alarms = make(alerts={"hold": "0s"})
    status, text = alarms.post("/v2/enqueue", event("K1", "error"))
    assert (status, json.loads(text)) == (202, {"status": "success", "message": "Event processed", "dedup_key": "K1"})
    assert alarms.post("/v2/enqueue", {**event("K1"), "event_action": "acknowledge", "client": "anna's phone"})[0] == 202
    assert [(r["incident"], r["who"]) for r in alarms.rows("person.ack")] == [(1, "anna's phone")]
    assert alarms.post("/v2/enqueue", event("unknown", action="acknowledge"))[0] == 202
    assert alarms.post("/v2/enqueue", event("unknown", action="resolve"))[0] == 202
    assert alarms.post("/v2/enqueue", event("K1", action="resolve"))[0] == 202
    wait_until("the incident to be resolved", 10, lambda: resolved(alarms) == {1})
    status, text = alarms.post("/v2/enqueue", {"event_action": "trigger", "payload": {"summary": "s"}})
    assert status == 400 and json.loads(text)["status"] == "invalid event"
    assert len(alarms.rows("alert")) == 2 and len(alarms.rows("person.ack")) == 1


# ---- who may, and what is too much ----

def test_the_token_is_asked_for(make: MakeAlarms, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret-token\n")
    secret.chmod(0o600)
    alarms = make(serve={"token": {"file": str(secret)}})
    basic = base64.b64encode(b"prometheus:s3cret-token").decode()
    good = [{"Authorization": "Bearer s3cret-token"}, {"Authorization": "bearer s3cret-token"}, {"Authorization": f"Basic {basic}"}]
    bad = [{}, {"Authorization": "Bearer s3cret-toke"}, {"Authorization": "Bearer "}, {"Authorization": "s3cret-token"},
           {"Authorization": "Basic " + base64.b64encode(b"x:y").decode()}, {"Authorization": "Basic %%"}]
    for headers in good:
        assert alarms.post("/alerts/alertmanager", webhook(firing("A")), **headers)[0] == 200
    for headers in bad:
        assert alarms.post("/alerts/alertmanager", webhook(firing("B")), **headers)[0] == 401
        assert alarms.post("/heartbeat/x", **headers)[0] == 401
        assert alarms.post("/v2/enqueue", event("B"), **headers)[0] == 400
    assert alarms.post("/v2/enqueue", {**event("C"), "routing_key": "s3cret-token"})[0] == 202
    assert {r["who"] for r in alarms.rows("alert")} == {"alertmanager/A", "pagerduty/probe"}
    assert alarms.get("/healthz")[0] == 200
    assert "s3cret" not in alarms.log.read_text() + alarms.run("journal", "show", "--json").stdout


def test_what_is_too_large_or_wrong_is_refused_and_delays_nobody(make: MakeAlarms, receiver: Receiver) -> None:
    alarms = make()
    large = webhook(firing("Large", note="x" * 900_000))
    assert alarms.post("/alerts/alertmanager", large)[0] == 200, "just under a megabyte"
    assert alarms.post("/alerts/alertmanager", b"x" * (1024 * 1024 + 1))[0] == 413
    assert alarms.post("/alerts/alertmanager", b"{" * 100_000)[0] == 400
    assert alarms.post("/alerts/alertmanager", b"\xff\xfe")[0] == 400
    assert alarms.get("/nothing")[0] == 404 and alarms.get("/api/v2/alerts")[0] == 405 and alarms.request("HEAD", "/healthz")[0] == 200
    slow = []
    for _ in range(100):  # half a request each, and then nothing more
        slow.append(socket.create_connection(("127.0.0.1", alarms.port)))
        slow[-1].sendall(b"POST /v2/enqueue HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    begun = time.monotonic()
    assert alarms.post("/v2/enqueue", event("in between"))[0] == 202
    assert time.monotonic() - begun < 2
    for s in slow:
        s.close()
    wait_until("both messages", 10, lambda: len(receiver.arrivals) == 2)


def test_texts_of_strangers_reach_people_harmless(make: MakeAlarms, receiver: Receiver) -> None:
    alarms = make()
    text = "\u202egnp.exe\u2066 \x1b[2J\r\nBcc: everybody\u0085 <!channel> é"
    assert alarms.post("/v2/enqueue", {**event("K"), "payload": {"summary": text, "source": "a\r\nb", "severity": "critical"}})[0] == 202
    wait_until("the message", 10, lambda: receiver.arrivals)
    said = json.loads(receiver.arrivals[0][2])["text"]
    subject = said.split("\n")[0]
    assert "gnp.exe [2J Bcc: everybody &lt;!channel&gt; é" in subject and subject.isprintable()
    assert not any(c in said for c in "\u202e\u2066\x1b\r\u0085") and "\nBcc" not in said


# ---- storms, kills, full disks ----

def test_a_storm_wakes_few_people_and_the_gravest_at_once(make: MakeAlarms, receiver: Receiver) -> None:
    alarms = make()
    used = lambda: int(Path(f"/proc/{alarms.controller.pid}/statm").read_text().split()[1]) * resource.getpagesize()
    before = used()
    for begin in range(0, 10_000, 500):
        alerts = [firing(f"Alert{i}", "critical" if i == 7_000 else "warning") for i in range(begin, begin + 500)]
        assert alarms.post("/alerts/alertmanager", webhook(*alerts))[0] == 200
        if begin == 7_000:
            sent = time.monotonic()
            wait_until("the gravest to be told", 5, lambda: any("Alert7000 " in body for _, _, body in receiver.arrivals))
            assert next(t for t, _, body in receiver.arrivals if "Alert7000 " in body) - sent < 2
    assert health(alarms)["alerts_firing"] == 10_000
    assert len(incidents(alarms)) == 7, "five, the storm, and the gravest"
    assert len(receiver.arrivals) == 7
    assert used() - before < 192 * 1024 * 1024  # half of it is what a sanitizer keeps of freed memory
    alarms.kill()
    begun = time.monotonic()
    alarms.start()
    print(f"10,000 alerts on record: back after {time.monotonic() - begun:.1f} s")
    assert health(alarms)["alerts_firing"] == 10_000
    assert len(incidents(alarms)) == 7


@pytest.mark.parametrize("seed", range(4))
def test_nothing_accepted_is_lost_when_the_controller_is_killed(program: Path, tmp_path: Path, seed: int) -> None:
    """The quick form of test/bench/killsweep."""
    print(Sweep(program, tmp_path / "sweep", 1000 + seed, alerts=600).play())


def test_what_cannot_be_written_is_not_accepted(make: MakeAlarms, receiver: Receiver) -> None:
    alarms = make(heartbeat_out={"url": f"{receiver.url}/ok", "every": "1s"})
    count = lambda: len([1 for _, _, body in receiver.arrivals if '"status":"ok"' in body])
    wait_until("heartbeats", 10, lambda: count() > 1)
    pid = alarms.controller.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
    status, text = alarms.post("/v2/enqueue", event("K"))
    assert status == 503, text
    wait_until("it to say that it is ill", 10, lambda: alarms.get("/healthz")[0] == 503)  # what was proven a second ago still counts
    assert health(alarms)["journal"] != "ok"
    last = count()
    wait_until("the controller to say so", 10, lambda: "no heartbeat is sent" in alarms.log.read_text())
    assert count() <= last + 1
    assert alarms.controller.poll() is None, "it goes on watching"
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
    assert alarms.post("/v2/enqueue", event("K"))[0] == 202
    wait_until("heartbeats again", 10, lambda: count() > last + 1)
    assert alarms.get("/healthz")[0] == 200


# ---- signs of life ----

def test_a_heartbeat_that_falls_silent_is_seen(make: MakeAlarms) -> None:
    check = {"id": "job", "type": "heartbeat", "name": "nightly", "within": "2s", "interval": "200ms", "fall": 1, "rise": 1}
    alarms = make(checks=[check])
    verdicts = lambda: [r["number"] for r in alarms.rows("verdict", subject="job")]
    assert alarms.post("/heartbeat/nightly")[0] == 204
    assert alarms.post("/heartbeat/nobody")[0] == 404
    assert alarms.post("/heartbeat/../../etc/passwd")[0] == 404
    wait_until("it to be up", 10, lambda: verdicts()[-1:] == [1])
    wait_until("it to be missed", 10, lambda: verdicts()[-1:] == [3])
    assert alarms.post("/heartbeat/nightly", {"status": "resolved"})[0] == 204
    assert alarms.post("/heartbeat/nightly", webhook(firing("Watchdog")))[0] == 204
    wait_until("it to be back", 10, lambda: verdicts()[-1:] == [1])
    # While nobody is there to take it, nobody is blamed.
    alarms.kill()
    time.sleep(2.5)  # longer than it may be silent
    alarms.start()
    assert alarms.post("/heartbeat/nightly")[0] == 204
    assert verdicts()[-1] != 3
    wait_until("it to be up again", 10, lambda: verdicts()[-1] == 1)
    assert verdicts().count(3) == 1


def test_our_own_heartbeat_is_signed_and_stops_with_us(make: MakeAlarms, receiver: Receiver, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    key = b"0123456789abcdef0123456789abcdef"
    secret.write_text("whsec_" + base64.b64encode(key).decode())
    secret.chmod(0o600)
    alarms = make(heartbeat_out={"url": f"{receiver.url}/ok", "every": "1s", "secret": {"file": str(secret)}})
    wait_until("two heartbeats", 10, lambda: len(receiver.arrivals) >= 2)
    assert all(json.loads(body)["status"] == "ok" for _, _, body in receiver.arrivals)
    head = receiver.headers[-1]
    body = receiver.arrivals[-1][2]
    signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.{body}".encode()
    assert head["webhook-signature"] == "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert abs(int(head["webhook-timestamp"]) - time.time()) < 10
    os.kill(alarms.controller.pid, signal.SIGSTOP)
    try:
        stopped = len(receiver.arrivals)
        time.sleep(3)  # silence cannot be waited for in another way
        assert len(receiver.arrivals) <= stopped + 1
    finally:
        os.kill(alarms.controller.pid, signal.SIGCONT)
    wait_until("heartbeats again", 10, lambda: len(receiver.arrivals) > stopped + 1)


# ---- where it listens ----

def test_an_address_that_is_taken_does_not_stop_the_watch(program: Path, tmp_path: Path, receiver: Receiver) -> None:
    alarms = Alarms(program, tmp_path / "world", receiver)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", alarms.port))
        other.listen()
        alarms.start(wait=False)
        wait_until("it to say so", 20, lambda: "could not listen" in alarms.log.read_text() and "watching" in alarms.log.read_text())
        assert alarms.controller.poll() is None
    try:
        wait_until("it to listen in the end", 20, alarms.listens)
        assert alarms.log.read_text().count("could not listen") == 1
        assert alarms.post("/v2/enqueue", event("K"))[0] == 202
    finally:
        alarms.stop()


def test_a_unix_socket_is_left_and_taken_again(program: Path, tmp_path: Path, receiver: Receiver) -> None:
    where = tmp_path / "alerts.sock"
    alarms = Alarms(program, tmp_path / "world", receiver, serve={"listen": str(where)})
    alarms.start(wait=False)
    curl = lambda *words: subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", str(where), *words],
                                         capture_output=True, text=True).stdout
    try:
        wait_until("the socket", 10, lambda: curl("http://x/healthz") == "200")
        assert curl("-d", json.dumps(event("K")), "http://x/v2/enqueue") == "202"
        alarms.kill()
        assert where.exists()
        alarms.start(wait=False)
        wait_until("the socket again", 10, lambda: curl("http://x/healthz") == "200")
        assert firing_at(where) == 1
    finally:
        alarms.stop()
    assert not where.exists()


def firing_at(where: Path) -> int:
    out = subprocess.run(["curl", "-s", "--unix-socket", str(where), "http://x/healthz"], capture_output=True, text=True).stdout
    return json.loads(out)["alerts_firing"]
