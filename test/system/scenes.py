"""Scenes for the status page: rows of a journal as the controller would have written them, and the configuration to read them with.

Each scene is a state folder made in a second, so that a test or a picture may have 90 days of history without waiting for them."""
from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Iterator

DAY, HOUR, MINUTE, SECOND = 86_400_000, 3_600_000, 60_000, 1000

CONFIG = """
state_dir: {state}
channels: [{{name: log, type: log, file: {state}/notices.log}}]
contacts: [{{name: ops, ways: [{{channel: log}}]}}]
status_pages:
  - folder: {folder}
    url: https://status.akig.com/
    title: {{en: AKIG Platform, fr: Plateforme AKIG}}
    {extra}
    components:
      - {{name: dashboard, title: {{en: User Dashboard, fr: Tableau de bord}}}}
      - {{name: api, title: {{en: API Endpoints, fr: API}}}}
      - {{name: mobile, title: {{en: Mobile App, fr: Application mobile}}, checks: [public]}}
services:
  - name: akig
    title: AKIG Platform
    affected: {{en: "User Dashboard\\nAPI Endpoints\\nMobile App", fr: "Tableau de bord\\nAPI\\nApplication mobile"}}
    public_url: https://akig.com
    status_page: https://status.akig.com/
    sites:
      - name: production
        role: production
        host: {{address: pgmain7.akig-intern.net, user: ops}}
        database: {{host: 10.31.7.12, dbname: akig, user: bascule}}
        application: {{url: "http://app-three:8080", upstream: "app-three:8080"}}
    checks:
      - {{id: production.database, type: postgres, site: production}}
      - {{id: public, type: http, url: "https://akig.com/api/health"}}
    severities:
      - {{name: P1, rto: 15m, stages: [{{name: alert, after: 5s, notify: [ops]}}]}}
      - {{name: P2, rto: 1h, stages: [{{name: alert, after: 5s, notify: [ops]}}]}}
      - {{name: P3, rto: 24h, stages: [{{name: alert, after: 1m, notify: [ops]}}]}}
"""

TEXTS = {
    "investigating": ("AKIG Platform is unavailable", "La plateforme AKIG est indisponible",
                      "We are looking into a problem that keeps users from reaching the platform. Sign-in, contracts and payments do not answer.",
                      "Nous étudions un problème qui empêche d'accéder à la plateforme. La connexion, les contrats et les paiements ne répondent pas."),
    "identified": ("AKIG Platform is being restored", "La plateforme AKIG est en cours de rétablissement",
                   "The cause is known. The recovery is running; what you saved before 15:31 UTC is safe.",
                   "La cause est connue et la reprise est en cours ; ce que vous avez enregistré avant 15 h 31 UTC est en sécurité."),
    "monitoring": ("AKIG Platform is back", "La plateforme AKIG est rétablie",
                   "Users are served again. We go on watching closely.", "Les utilisateurs sont de nouveau servis. Nous continuons à surveiller de près."),
    "resolved": ("AKIG Platform was unavailable", "La plateforme AKIG a été indisponible",
                 "The service has been stable since. No data was lost.", "Le service est stable depuis. Aucune donnée n'a été perdue."),
}


class Scene:
    """A state folder, filled row by row; moments are ms before `now`."""

    def __init__(self, folder: Path, build: Path, program: Path, extra: str = "", now: int | None = None) -> None:
        self.folder, self.build, self.program = folder, build, program
        self.now = now or int(time.time() * 1000)
        self.state, self.page, self.config = folder / "state", folder / "page", folder / "bascule.yaml"
        self.state.mkdir(parents=True, mode=0o700)
        self.config.write_text(CONFIG.format(state=self.state, folder=self.page, extra=extra))
        self.rows: list[dict] = []
        self.incidents = 0

    def row(self, ago: int, kind: str, order: bool = False, **members: object) -> None:
        detail = members.pop("detail", None)
        self.rows.append({"wall_ms": self.now - ago, "class": "order" if order else "event", "kind": kind, "service": members.pop("service", "akig"),
                          **members, **({"detail": json.dumps(detail, ensure_ascii=False)} if detail is not None else {})})

    def started(self, ago: int) -> None:
        self.row(ago, "controller.started", service="", text="bascule")

    def stopped(self, ago: int) -> None:
        self.row(ago, "controller.stopped", service="", text="stopped by SIGTERM")

    def verdict(self, ago: int, check: str, up: bool) -> None:
        self.row(ago, "verdict", subject=check, number=1 if up else 3, text="connection refused by 10.31.7.12 port 5432" if not up else "answers")

    def public(self, ago: int, incident: int, serial: int, phase: str, texts: tuple[str, str, str, str] | None = None) -> None:
        en, fr, en_body, fr_body = texts or TEXTS[phase]
        self.row(ago, "public", True, incident=incident, subject=phase, number=serial, ref=0 if phase == "resolved" else self.now - ago + 20 * MINUTE, text="for our own eyes: pgmain7.akig-intern.net",
                 detail={"en": {"headline": en, "body": en_body}, "fr": {"headline": fr, "body": fr_body}, "by": "machine"})

    def opened(self, ago: int, severity: int, good: int | None = None, title: str = "database down on 10.31.7.12") -> int:
        self.incidents += 1
        self.row(ago, "incident.opened", True, incident=self.incidents, subject="database-down", number=severity,
                 ref=self.now - (good if good is not None else ago + 1500), text=title)
        self.state_of(ago, self.incidents, 2)
        return self.incidents

    def state_of(self, ago: int, incident: int, state: int) -> None:
        self.row(ago, "incident.state", True, incident=incident, number=state, text="the table's sentence")

    def whole(self, ago: int, severity: int, lasted: int) -> int:
        """An incident from its opening to its end, told as the runbook wants it."""
        n = self.opened(ago, severity)
        self.public(ago - 20 * SECOND, n, 1, "investigating")
        self.public(ago - lasted // 2, n, 2, "identified")
        self.state_of(ago - lasted, n, 3)
        self.public(ago - lasted, n, 3, "monitoring")
        self.state_of(ago - lasted - MINUTE, n, 4)
        self.public(ago - lasted - MINUTE, n, 4, "resolved")
        return n

    def maintenance(self, ago: int, name: str, begins: int, ends: int, **detail: object) -> None:
        """`begins` and `ends`: ms from now."""
        self.row(ago, "person.maintenance", subject=name, number=self.now + begins, ref=self.now + ends, who="ana", text="PostgreSQL update",
                 detail=detail or {"en": {"title": "PostgreSQL update", "body": "The platform will be read-only for about ten minutes."},
                                   "fr": {"title": "Mise à jour de PostgreSQL", "body": "La plateforme sera en lecture seule pendant dix minutes environ."}})

    def save(self) -> None:
        if not self.rows:
            return
        lines = "\n".join(json.dumps(r, ensure_ascii=False) for r in sorted(self.rows, key=lambda r: r["wall_ms"])) + "\n"
        subprocess.run([str(self.build / "test" / "seed_journal"), str(self.state)], input=lines, text=True, check=True, timeout=60)
        self.rows.clear()

    def bascule(self, *words: str, lang: str = "en") -> subprocess.CompletedProcess:
        return subprocess.run([str(self.program), "--lang", lang, "-c", str(self.config), *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """As if a controller ran: it is known by its lock."""
        with open(self.state / "controller.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield

    def write(self) -> Path:
        self.save()
        with self.watched():
            done = self.bascule("page", "write")
        assert done.returncode == 0, done.stderr
        return self.page


def history(scene: Scene) -> None:
    """A quarter as platforms have it: some outages, a day nobody watched, and the controller running ever since."""
    scene.started(91 * DAY)
    for ago, severity, lasted in ((71, 0, 38 * MINUTE), (47, 1, 2 * HOUR), (44, 2, 50 * MINUTE), (23, 0, 7 * MINUTE), (6, 1, 25 * MINUTE)):
        scene.whole(ago * DAY + 5 * HOUR, severity, lasted)
    scene.stopped(34 * DAY + 20 * HOUR)
    scene.started(33 * DAY - 2 * HOUR)


def p1(scene: Scene) -> int:
    history(scene)
    scene.verdict(11 * MINUTE, "public", False)
    n = scene.opened(11 * MINUTE, 0)
    scene.public(10 * MINUTE + 40 * SECOND, n, 1, "investigating")
    scene.public(6 * MINUTE, n, 2, "identified")
    return n


def pictures(build: Path, to: Path) -> None:
    """docs/pictures, taken anew: `python3 test/system/scenes.py`."""
    with tempfile.TemporaryDirectory() as name:
        program = build / "src" / "cli" / "bascule"
        well, sick = Scene(Path(name) / "well", build, program), Scene(Path(name) / "p1", build, program)
        history(well)
        well.maintenance(DAY, "pg-update", 3 * DAY, 3 * DAY + 2 * HOUR)
        p1(sick)
        folders = {"well": well.write(), "p1": sick.write()}
        of = {"well": "well", "dark": "p1", "p1": "p1", "phone": "p1", "french": "p1", "incident": "p1", "history": "well", "stale": "well"}
        subprocess.run([str(Path(__file__).parents[2] / "tools" / "check-page"), "--pictures", str(to), *(f"{folders[scene]}={picture}" for picture, scene in of.items())],
                       check=True, env={**os.environ, "BASCULE_BUILD": str(build)})


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    target = root / "docs" / "pictures" if len(sys.argv) < 2 else Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    pictures(Path(os.environ.get("BASCULE_BUILD", root / "build")).absolute(), target)
