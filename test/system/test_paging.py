"""Pages to people whose receivers are real and bad: ways that stand in, tiers that follow, an acknowledgement that ends it, a kill in between."""
from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest
from alarms import Alarms, Receiver
from procs import wait_until

ANSWER_S, MANAGEMENT_S = 2, 8


class Paged:
    """Anna is called first; her first way always answers 500, her second is a fallback. Bruno's ways are one that hangs and one that works.
    Ops are told at the beginning, and again after the last page was due."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.receiver = Receiver(faults=10**6)
        self.alarms = Alarms(program, folder, self.receiver)
        paths = {"anna-first": "500/anna", "anna-second": "ok/anna", "bruno-first": "never/bruno", "bruno-second": "ok/bruno", "ops": "ok/ops"}
        for name, path in paths.items():
            (folder / f"{name}.url").write_text(f"{self.receiver.url}/{path}\n")
            (folder / f"{name}.url").chmod(0o600)
        config = json.loads(self.alarms.config.read_text())
        config["channels"] = [{"name": name, "type": "slack", "url": {"file": str(folder / f"{name}.url")}, "timeout": "1s"} for name in paths]
        config["contacts"] = [
            {"name": "anna", "tier": 1, "ways": [{"channel": "anna-first"}, {"channel": "anna-second", "fallback": True, "fallback_after": "1s"}]},
            {"name": "bruno", "tier": 2, "ways": [{"channel": "bruno-first"}, {"channel": "bruno-second"}]},
            {"name": "ops", "tier": 1, "ways": [{"channel": "ops"}]}]
        config["services"][0]["severities"] = [{
            "name": "P1", "rto": "15m", "answer_within": f"{ANSWER_S}s", "repeat": 0, "tiers": [{"notify": ["bruno"]}], "stages": [
                {"name": "alert", "after": "0s", "notify": ["ops"]},
                {"name": "on-call", "after": "300ms", "notify": ["anna"], "page": True},
                {"name": "management", "after": f"{MANAGEMENT_S}s", "notify": ["ops"]}]}]
        self.alarms.config.write_text(json.dumps(config))
        self.alarms.start()

    def ok(self, *words: str) -> str:
        done = self.alarms.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def open(self) -> None:
        self.ok("incident", "open", "--severity", "P1", "it burns", "--by", "test")

    def taken_by(self, who: str) -> list[str]:
        with self.receiver.lock:
            return [body for _, path, body in self.receiver.arrivals if path.endswith("/" + who)]

    def row(self, kind: str, subject: str) -> dict:
        return wait_until(f"{kind} {subject}", 30, lambda: self.alarms.rows(kind, subject=subject))[0]

    def keys(self, kind: str) -> set[str]:
        return {r["subject"] for r in self.alarms.rows(kind)}

    def close(self) -> None:
        self.alarms.stop()
        self.receiver.close()
        print(self.alarms.log.read_text())


@pytest.fixture
def make_paged(program: Path, tmp_path: Path) -> Iterator[Callable[[], Paged]]:
    made: list[Paged] = []

    def make() -> Paged:
        made.append(Paged(program, tmp_path / f"world{len(made)}"))
        return made[-1]

    yield make
    for paged in made:
        paged.close()


def test_a_way_that_fails_is_replaced_and_an_acknowledgement_ends_the_paging(make_paged: Callable[[], Paged]) -> None:
    paged = make_paged()
    paged.open()
    wait_until("anna to be reached", 20, lambda: paged.taken_by("anna"))
    page, instead = paged.row("page", "tier-1"), paged.row("delivered", "1/on-call/anna/anna-second")
    assert 1000 <= instead["at_ms"] - page["at_ms"] < 1500, "a way that has not delivered within fallback_after is replaced"
    paged.ok("incident", "ack", "1", "--by", "anna")
    paged.row("withdrawn", "1/on-call/anna/anna-first")
    paged.row("stage", "management")  # long after bruno would have been paged
    assert not paged.taken_by("bruno") and not [k for k in paged.keys("notice") if "/bruno/" in k]
    assert not [r for r in paged.alarms.rows("undelivered", subject="1/on-call/anna/anna-first") if r["at_ms"] > paged.row("person.ack", "")["at_ms"] + 1500]
    said = wait_until("what is said of it", 10, lambda: [b for b in paged.taken_by("anna") if "taken" in b or "acknowledged" in b])
    assert said


def test_who_does_not_answer_is_followed_by_the_next(make_paged: Callable[[], Paged]) -> None:
    paged = make_paged()
    paged.open()
    first, second = paged.row("page", "tier-1"), paged.row("page", "tier-2")
    assert 0 <= second["at_ms"] - first["at_ms"] - ANSWER_S * 1000 < 200
    wait_until("bruno to be reached", 20, lambda: paged.taken_by("bruno"))
    arrived = paged.row("delivered", "1/page-2/bruno/bruno-second")
    assert arrived["at_ms"] - second["at_ms"] < 900, "the way that hangs delays no other"
    paged.row("stage", "management")
    unanswered = wait_until("that nobody answered", 20, lambda: [k for k in paged.keys("notice") if "/unanswered/" in k])
    assert any("/ops/" in key for key in unanswered), unanswered


def test_a_kill_while_people_are_paged_calls_nobody_twice(make_paged: Callable[[], Paged]) -> None:
    paged = make_paged()
    paged.open()
    paged.row("page", "tier-1")
    paged.alarms.kill()
    begun = time.monotonic()
    paged.alarms.start()
    paged.row("page", "tier-2")
    assert time.monotonic() - begun < ANSWER_S + 5
    wait_until("bruno to be reached", 20, lambda: paged.taken_by("bruno"))
    paged.row("stage", "management")
    with paged.receiver.lock:
        assert {len(bodies) for bodies in paged.receiver.taken.values()} == {1}, "one content under each identity"
    pages = [r["subject"] for r in paged.alarms.rows("page")]
    assert pages == ["tier-1", "tier-2"], pages
    paged.ok("journal", "verify")
