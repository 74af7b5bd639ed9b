"""Messages from one end to the other: what the public is told of a failure and when, a person's own words on a real terminal, texts of
one's own, and words that were said while nobody listened."""
from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator, Optional

import pytest
from drive import Journal
from procs import wait_until

SECRETS = ("db-seven.intern", "10.31.7.12", "SELECT ", "/usr/bin", "rack four", "postgresql@15", "akig-api@7")


class World:
    """A service that is up while a file is there, and whose restart makes the file."""

    def __init__(self, program: Path, folder: Path, **severity: object) -> None:
        self.program, self.folder = program, folder
        self.up, self.config, self.log = folder / "up", folder / "bascule.yaml", folder / "serve.log"
        self.controller: Optional[subprocess.Popen] = None
        self.severity = {"name": "P1", "rto": "15m", "rpo": "1h", "impact_per_hour": 50000, "update_every": "1s", "public": "confirmed",
                         "public_every": "2s", "stages": [{"name": "alert", "after": "100ms", "notify": ["ops", "chef"]},
                                                          {"name": "status-page", "after": "1s", "notify": ["ops"]}], **severity}
        self.restart = ["/usr/bin/touch", str(self.up)]
        self.more: dict = {}
        self.shown = Journal(folder / "state", self.argv())
        self.up.touch()
        self.write()

    def write(self) -> None:
        database = {"host": "10.31.7.12", "port": 1, "dbname": "a", "user": "a", "unit": {"name": "postgresql@15-main"}}
        application = {"unit": {"name": "akig-api@7", "restart": self.restart, "status": ["/bin/true"]}}
        look = {"type": "command", "argv": ["/bin/ls", str(self.up)], "interval": "100ms", "fall": 2, "rise": 2}
        steps = [{"id": "look", "title": "Look at db-seven.intern in rack four", "do": "wait", "budget": "500ms", "until": "active.database is up",
                  "then": {"failure": "next", "expiry": "next"}},
                 {"id": "restart", "title": "Restart db-seven.intern", "do": "service restart active.application", "budget": "30s", "until": "active.database is up"}]
        playbook = {"playbook": "database-down", "title": {"en": "db-seven.intern: SELECT 1 fails", "fr": "db-seven.intern : SELECT 1 échoue"}, "severity": "P1",
                    "opens_when": "active.database is down", "resolved_when": "public is up", "hold": "1s", "steps": steps}
        (self.folder / "database-down.yaml").write_text(json.dumps(playbook))
        service = {"name": "akig", "title": {"en": "AKIG Platform", "fr": "Plateforme AKIG"}, "users": 15000, "currency": "$", "public_url": "https://akig.com",
                   "status_page": "https://status.akig.com/", "affected": {"en": "User Dashboard\nAPI Endpoints", "fr": "Tableau de bord\nAPI"},
                   "sites": [{"name": "production", "role": "production", "database": database, "application": application}],
                   "checks": [{"id": "production.database", "site": "production", **look}, {"id": "public", **look}],
                   "severities": [self.severity], "playbooks": ["database-down.yaml"]}
        self.config.write_text(json.dumps({
            "state_dir": str(self.folder / "state"), "channels": [{"name": "log", "type": "log", "file": str(self.folder / "notices.log")}],
            "contacts": [{"name": "ops", "ways": [{"channel": "log"}]}, {"name": "chef", "language": "fr", "ways": [{"channel": "log"}]}],
            "services": [service], **self.more}))  # JSON is YAML

    def argv(self, *words: str) -> list[str]:
        return [str(self.program), "-c", str(self.config), *words]

    def run(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run(self.argv(*words), capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)

    def ok(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def serve(self, life: int = 1) -> None:
        with open(self.log, "a") as log:
            self.controller = subprocess.Popen(self.argv("serve"), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until("the controller to start", 30, lambda: len(self.rows("controller.started")) >= life)

    def kill(self) -> None:
        assert self.controller
        self.controller.send_signal(signal.SIGKILL)
        self.controller.wait()
        self.controller = None

    def stop(self) -> None:
        if self.controller and self.controller.poll() is None:
            self.controller.terminate()
            self.controller.wait(30)

    def rows(self, kind: str, **fields: object) -> list[dict]:
        return self.shown.rows(kind, **fields)

    def public(self) -> list[dict]:
        return self.rows("public")

    def await_public(self, phase: str, seconds: float = 60) -> dict:
        return wait_until(f"the public to be told \"{phase}\"", seconds, lambda: next(iter([r for r in self.public() if r["subject"] == phase]), None))

    def notices(self) -> list[dict]:
        path = self.folder / "notices.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def make_world(program: Path, tmp_path: Path) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(**severity: object) -> World:
        made.append(World(program, tmp_path, **severity))
        return made[-1]

    yield make
    for world in made:
        world.stop()
        print(world.run("journal", "show").stdout, world.log.read_text() if world.log.exists() else "")


def fail(world: World) -> None:
    wait_until("the service to be seen up", 30, lambda: world.rows("verdict", subject="production.database", number=1))
    world.up.unlink()


def test_the_public_hears_the_whole_story_and_no_secret(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.serve()
    fail(world)
    world.await_public("resolved")
    told = world.public()
    assert [r["number"] for r in told] == list(range(1, len(told) + 1))
    phases = [r["subject"] for r in told]
    assert [p for i, p in enumerate(phases) if i == 0 or p != phases[i - 1]] == ["investigating", "identified", "monitoring", "resolved"], phases
    texts = [json.loads(r["detail"]) for r in told]
    assert all(t["by"] == "machine" for t in texts)
    for language in ("en", "fr"):
        bodies = [t[language]["body"] for t in texts]
        assert all(a != b for a, b in zip(bodies, bodies[1:])), bodies
        assert len({t[language]["headline"] for t in texts}) == 1
    assert texts[0]["en"]["headline"] == "AKIG Platform: service unavailable"
    assert texts[0]["fr"]["headline"] == "Plateforme AKIG : service indisponible"
    assert re.fullmatch(r"We have seen a disruption of AKIG Platform since \d\d:\d\d UTC and are looking for its cause\.\n"
                        r"Affected: User Dashboard, API Endpoints\.\nNext update by \d\d:\d\d UTC\.\n", texts[0]["en"]["body"])
    assert "est entièrement rétabli" in texts[-1]["fr"]["body"] and "Next update" not in texts[-1]["en"]["body"]
    for text in texts:
        for secret in SECRETS:
            assert secret not in json.dumps(text, ensure_ascii=False), (secret, text)
    assert any("db-seven.intern" in n["body"] for n in world.notices()), "the secrets were there to be told"


def test_people_inside_read_their_language_and_what_comes_next(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.restart = ["/bin/sleep", "4"]  # long enough for updates; it cures nothing, so that it is blocked in the end
    world.write()
    world.serve()
    fail(world)
    wait_until("two updates", 60, lambda: len([n for n in world.notices() if n["stage"] == "update"]) >= 4)
    alert = next(n for n in world.notices() if n["stage"] == "alert" and n["contact"] == "ops")
    assert alert["subject"] == "[P1][INC-1] db-seven.intern: SELECT 1 fails"
    assert alert["body"].startswith("🚨 INCIDENT ALERT\n\nService: AKIG Platform\nSeverity: P1 (Critical)\nTime: ")
    assert "- Updates: every 1.0 s\n- Next update: in " in alert["body"]
    update = next(n for n in world.notices() if n["stage"] == "update" and n["contact"] == "chef")
    assert update["subject"] == "[P1][INC-1] Point : db-seven.intern : SELECT 1 échoue"
    assert "- Reprise estimée dans : " in update["body"] and "durée inconnue" not in update["body"], update["body"]
    row = next(r for r in world.rows("notice") if r["stage"] == "alert" and r["who"] == "ops")
    body, brief, html = row["detail"].split("\f")
    assert body == alert["body"]
    assert re.match(r"P1 INC-1 AKIG Platform: db-seven\.intern: SELECT 1 fails\. .* of 15 min, ETA .*\. bascule incident ack 1$", brief), brief
    assert html.startswith("<!doctype html>") and "<h2" in html and "<script" not in html


def test_the_eta_learns_from_what_the_same_command_took(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.serve()
    for incident in (1, 2):
        fail(world)
        wait_until(f"incident {incident} to end", 60, lambda: world.rows("incident.state", incident=incident, number=4))
    etas = {}
    for notice in world.notices():
        found = re.search(r"ETA recovery: (?:(\d+) ms|([\d.]+) s|(\d+) min)", notice["body"])
        if notice["contact"] == "ops" and notice["stage"] == "alert" and found:
            etas[notice["incident"]] = float(found[1] or 0) / 1000 + float(found[2] or 0) + 60 * float(found[3] or 0)
    assert etas[1] > 25, etas  # nothing but budgets is known: 30 s
    assert etas[2] < 10, etas  # now it is known that it takes a moment


def on_terminal(world: World, answer: str, *words: str) -> tuple[int, str]:
    """Runs it on a terminal of its own, and answers its question."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(str(world.program), world.argv(*words))
    seen, answered, deadline = b"", False, time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([fd], [], [], 1)[0]:
            continue
        try:
            part = os.read(fd, 4096)
        except OSError:  # its end is closed
            break
        if not part:
            break
        seen += part
        if not answered and b"[y/N]" in seen:
            os.write(fd, answer.encode() + b"\n")
            answered = True
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return os.waitstatus_to_exitcode(status), seen.decode().replace("\r\n", "\n")


def test_a_person_sees_what_the_public_will_read_and_is_asked(make_world: Callable[..., World]) -> None:
    world = make_world(public="person")
    world.restart = ["/bin/true"]
    world.write()
    world.serve()
    fail(world)
    wait_until("it to be blocked", 90, lambda: world.rows("blocked"))
    assert world.public() == []
    words = ("incident", "say", "1", "--public", "A storage system has failed.", "--fr", "Une baie est en panne.", "--phase", "identified", "--by", "anna")
    status, seen = on_terminal(world, "n", *words)
    assert status == 1 and "nothing was said" in seen
    assert "The public will read in English (identified):\n    AKIG Platform: service unavailable\n    A storage system has failed.\n    Next update by " in seen, seen
    assert "The public will read in French (identified):\n    Plateforme AKIG : service indisponible\n    Une baie est en panne.\n" in seen, seen
    assert world.rows("person.say") == []
    status, seen = on_terminal(world, "y", *words)
    assert status == 0, seen
    row = world.await_public("identified")
    text = json.loads(row["detail"])
    assert text["by"] == "anna" and row["stage"] == "person"
    assert text["en"]["body"].startswith("A storage system has failed.\nNext update by ")
    assert text["fr"]["body"].startswith("Une baie est en panne.\nProchaine information ")
    wait_until("anna's people to be reminded of what was promised", 30, lambda: [n for n in world.notices() if n["stage"] == "reminder" and n["contact"] == "chef"])
    reminder = next(n for n in world.notices() if n["stage"] == "reminder" and n["contact"] == "chef")
    assert "À faire :\n- une nouvelle était promise au public pour maintenant\n- bascule incident say 1 --public \"WORDS\"" in reminder["body"], reminder["body"]
    for refused in ("we restarted 10.31.7.12", "SELECT count(*) FROM users is slow", "postgresql@15-main is back", "see /var/lib/postgresql"):
        done = world.run("incident", "say", "1", "--public", refused, "--yes")
        assert done.returncode == 1 and "must not read" in done.stderr, done.stderr
    done = world.run("incident", "say", "1", "--public", "A storage system has failed.", "--fr", "Une baie est en panne.", "--yes")
    assert done.returncode == 1 and "exactly this already" in done.stderr
    done = world.run("incident", "say", "1", "--public", "no terminal here")
    assert done.returncode == 1 and "--yes" in done.stderr
    assert len(world.public()) == 1


def test_words_that_were_said_while_nobody_listened_are_told_once(make_world: Callable[..., World]) -> None:
    world = make_world(public="person", public_every="1h")
    world.restart = ["/bin/true"]
    world.write()
    world.serve()
    fail(world)
    wait_until("it to be blocked", 90, lambda: world.rows("blocked"))
    world.kill()
    long = "We are working on it. " * 100
    out = world.ok("incident", "say", "1", "--public", long, "--fr", "Nous y travaillons.", "--yes")
    assert "no controller is running" in out
    for life in range(2, 5):
        world.serve(life)
        world.await_public("identified")  # something was tried already
        assert len(world.public()) == 1
        world.kill()
    text = json.loads(world.public()[0]["detail"])
    assert text["en"]["body"].startswith(long.strip()) or text["en"]["body"].startswith(long)  # whole, though the event's line holds its beginning
    assert text["fr"]["body"].startswith("Nous y travaillons.\n")


def test_the_machine_is_held_back_until_it_may_speak_again(make_world: Callable[..., World]) -> None:
    world = make_world(public="stage", stages=[{"name": "alert", "after": "0s", "notify": ["ops"]}, {"name": "status-page", "after": "6s", "notify": ["ops"]}])
    world.restart = ["/bin/true"]
    world.write()
    world.serve()
    fail(world)
    wait_until("the incident", 30, lambda: world.rows("incident.opened"))
    world.ok("incident", "say", "1", "--hold", "--yes")
    wait_until("the stage of the status page", 60, lambda: world.rows("stage", subject="status-page"))
    assert world.rows("person.say") and world.public() == []
    world.ok("incident", "say", "1", "--resume", "--yes")
    wait_until("the public to be told", 30, world.public)


def test_texts_of_ones_own(make_world: Callable[..., World], tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    world = make_world()
    world.more = {"templates": str(own)}
    world.write()
    world.ok("config", "check")
    (own / "alert.en.mustache").write_text("ALARM {{number}}\n\n{{service}} is ill, since {{opned}}\n")
    (own / "public-identified.en.mustache").write_text("{{> public-name}}\n{{cause}}\n")
    (own / "alrt.fr.mustache").write_text("x\n")
    done = world.run("config", "check")
    assert done.returncode != 0
    assert f"{own}/alert.en.mustache:3:27: there is no value \"opned\"" in done.stderr + done.stdout, done.stderr
    assert f"{own}/public-identified.en.mustache:2:1: there is no value \"cause\"" in done.stderr + done.stdout
    assert "no message is called \"alrt.fr\"" in done.stderr + done.stdout and "did you mean \"alert.fr\"?" in done.stderr + done.stdout
    (own / "alert.en.mustache").write_text("ALARM {{number}}\n\n{{service}} is ill, since {{opened}}\n")
    (own / "public-identified.en.mustache").write_text("{{> public-name}}\nHands are at work.\n")
    (own / "alrt.fr.mustache").unlink()
    world.ok("config", "check")
    world.serve()
    fail(world)
    row = world.await_public("identified")
    assert json.loads(row["detail"])["en"]["body"] == "Hands are at work.\n"
    alert = next(n for n in world.notices() if n["stage"] == "alert" and n["contact"] == "ops")
    assert alert["subject"] == "ALARM 1" and re.fullmatch(r"AKIG Platform is ill, since \S+ \S+ UTC\n", alert["body"])
    assert next(n for n in world.notices() if n["stage"] == "alert" and n["contact"] == "chef")["body"].startswith("🚨 ALERTE INCIDENT\n")
