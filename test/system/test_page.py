"""The status page as the public meets it: in a browser, by programs that read such pages, and on the day when things go wrong."""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Callable, Iterator

import faults
import pytest

from conftest import ROOT
from drive import Bascule
from procs import wait_until
from scenes import DAY, HOUR, MINUTE, SECOND, Scene, history, p1

ATOM = "{http://www.w3.org/2005/Atom}"
SECRETS = ("10.31.7.12", "pgmain7", "akig-intern", "app-three", "db-secret.corp", "192.168.44.5", "2001:db8::44", "/var/lib/postgresql", "SELECT ", "INSERT INTO")


@pytest.fixture
def make_scene(tmp_path: Path, build: Path, program: Path) -> Callable[..., Scene]:
    def make(name: str = "one", **options: object) -> Scene:
        return Scene(tmp_path / name, build, program, **options)
    return make


def told(page: Path, name: str = "summary") -> dict:
    return json.loads((page / "api" / "v2" / f"{name}.json").read_text())


def texts(page: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(page.rglob("*")):
        if path.is_file():
            yield path, path.read_text()


# ---- checkers ----

def test_browser_and_checkers_find_nothing(make_scene: Callable[..., Scene], build: Path) -> None:
    """html-validate, axe-core (WCAG 2.2 AA) in light, dark and on a phone, links, policy, staleness by the reader's clock, news."""
    well, sick, strange = make_scene("well"), make_scene("sick"), make_scene("strange")
    history(well)
    well.maintenance(DAY, "pg-update", 3 * DAY, 3 * DAY + 2 * HOUR)
    p1(sick)
    hostile(strange)
    done = subprocess.run([str(ROOT / "tools" / "check-page"), str(well.write()), str(sick.write()), str(strange.write())], capture_output=True, text=True,
                          timeout=600, env={**os.environ, "BASCULE_BUILD": str(build)})
    assert done.stdout, done.stderr
    total = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, total["findings"]) == (0, 0), done.stdout
    assert total["checked"] > 100 and total["rules_passed"] > 1500, total


def hostile(scene: Scene) -> int:
    """Markup, another writing direction, control characters, endless words, and every secret there is."""
    scene.started(3 * DAY)
    n = scene.opened(HOUR, 0, title="SELECT * FROM users on 10.31.7.12")
    scene.public(59 * MINUTE, n, 1, "investigating", ("<script>alert(1)</script> \"&' \u202eevil\u202c", "مرحبا بالعالم", "x" * 900 + "\n\n<img src=x onerror=alert(1)>", "y"))
    scene.public(50 * MINUTE, n, 2, "identified", ("host pgmain7.akig-intern.net (10.31.7.12) is down", "db-secret.corp, [2001:db8::44]:5432, app-three:8080",
                                                   "SELECT * FROM users WHERE id=1; then /var/lib/postgresql/15 and 192.168.44.5:5432\nINSERT INTO x VALUES (1)", "\x07\x1b[31mrouge"))
    scene.row(40 * MINUTE, "public", True, incident=n, subject="monitoring", number=3, text="pgmain7 is back", detail={"en": {"headline": 7}, "fr": None})
    scene.maintenance(DAY, "work", HOUR, 2 * HOUR, en={"title": "work on pgmain7", "body": "ssh root@192.168.44.5"}, components=["nothing-of-ours"])
    return n


def test_no_secret_is_ever_public(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    hostile(scene)
    files = list(texts(scene.write()))
    assert len(files) > 14
    for path, text in files:
        for secret in SECRETS:
            assert secret.lower() not in text.lower(), f"{path}: {secret}"
        assert "[…]" in text or "incident/" not in str(path)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text), path
    for path, text in files:
        if path.suffix == ".html":
            assert "<script>alert" not in text and "<img src" not in text


def test_files_are_small(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    p1(scene)
    sizes = {str(p.relative_to(scene.write())): p.stat().st_size for p in scene.write().rglob("*.html")}
    assert max(sizes.values()) < 50 * 1024, sizes


# ---- programs that read it ----

TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"


def check_shape(value: object, shape: object, where: str) -> None:
    """`shape`: a type, a pattern for a string, a list of one shape, or a mapping of members that must be there."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), where
        for key, inner in shape.items():
            assert key in value, f"{where}.{key} is missing"
            check_shape(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list), where
        for index, element in enumerate(value):
            check_shape(element, shape[0], f"{where}[{index}]")
    elif isinstance(shape, tuple):
        assert value is None or not isinstance(value, bool), where
        if value is not None:
            check_shape(value, shape[0], where)
    elif isinstance(shape, str):
        assert isinstance(value, str) and re.search(shape, value), f"{where}: {value!r}"
    else:
        assert isinstance(value, shape), f"{where}: {value!r}"


STATUS = "^(operational|degraded_performance|partial_outage|major_outage|under_maintenance)$"
COMPONENT = {"id": ".", "name": ".", "status": STATUS, "created_at": TIME, "updated_at": TIME, "position": int, "page_id": ".", "group": bool,
             "only_show_if_degraded": bool, "showcase": bool}
UPDATE = {"id": ".", "status": ".", "body": ".", "incident_id": ".", "created_at": TIME, "updated_at": TIME, "display_at": TIME,
          "affected_components": [{"code": ".", "name": ".", "old_status": STATUS, "new_status": STATUS}]}
INCIDENT = {"id": ".", "name": ".", "status": "^(investigating|identified|monitoring|resolved)$", "created_at": TIME, "updated_at": TIME, "monitoring_at": (TIME,),
            "resolved_at": (TIME,), "impact": "^(none|minor|major|critical)$", "shortlink": "^https://", "started_at": TIME, "page_id": ".", "incident_updates": [UPDATE],
            "components": [COMPONENT]}
MAINTENANCE = {**INCIDENT, "status": "^(scheduled|in_progress|verifying|completed)$", "impact": "^maintenance$", "scheduled_for": TIME, "scheduled_until": TIME}
PAGE = {"page": {"id": ".", "name": ".", "url": "^https://", "time_zone": "^Etc/UTC$", "updated_at": TIME}}
INDICATOR = {"status": {"indicator": "^(none|minor|major|critical|maintenance)$", "description": "."}}
SHAPES = {"summary": {**PAGE, **INDICATOR, "components": [COMPONENT], "incidents": [INCIDENT], "scheduled_maintenances": [MAINTENANCE]},
          "status": {**PAGE, **INDICATOR}, "components": {**PAGE, "components": [COMPONENT]}, "incidents": {**PAGE, "incidents": [INCIDENT]},
          "incidents/unresolved": {**PAGE, "incidents": [INCIDENT]}, "scheduled-maintenances": {**PAGE, "scheduled_maintenances": [MAINTENANCE]},
          "scheduled-maintenances/upcoming": {**PAGE, "scheduled_maintenances": [MAINTENANCE]},
          "scheduled-maintenances/active": {**PAGE, "scheduled_maintenances": [MAINTENANCE]}}


def test_the_json_has_the_known_shape(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    n = p1(scene)
    scene.maintenance(DAY, "now", -HOUR, HOUR)
    scene.maintenance(DAY, "soon", DAY, DAY + HOUR)
    page = scene.write()
    for name, shape in SHAPES.items():
        check_shape(told(page, name), shape, name)
    assert sorted(str(p.relative_to(page / "api" / "v2"))[:-5] for p in (page / "api").rglob("*.json")) == sorted(SHAPES)
    assert [i["id"] for i in told(page)["incidents"]] == [f"inc-{n}"]
    assert told(page)["status"] == {"indicator": "critical", "description": "Major Service Outage"}
    assert len(told(page, "incidents")["incidents"]) == 6
    assert [m["status"] for m in told(page, "scheduled-maintenances")["scheduled_maintenances"]] == ["in_progress", "scheduled"]
    assert len(told(page, "scheduled-maintenances/upcoming")["scheduled_maintenances"]) == 1


@pytest.mark.parametrize("folder", ["", "fr/"])
def test_the_feed_is_atom_with_an_entry_for_each_update(make_scene: Callable[..., Scene], folder: str) -> None:
    scene = make_scene()
    p1(scene)
    page = scene.write()
    feed = ET.parse(page / folder / "history.atom").getroot()
    assert feed.tag == f"{ATOM}feed" and feed.find(f"{ATOM}author/{ATOM}name") is not None
    entries = feed.findall(f"{ATOM}entry")
    assert len(entries) == 5 * 4 + 2
    ids = [e.findtext(f"{ATOM}id") for e in entries]
    assert len(set(ids)) == len(ids) and all(i.startswith(f"https://status.akig.com/{folder}incident/") for i in ids)
    updated = [e.findtext(f"{ATOM}updated") for e in entries]
    assert updated == sorted(updated, reverse=True) and feed.findtext(f"{ATOM}updated") == updated[0]
    assert entries[0].findtext(f"{ATOM}title") == ("[Cause identifiée] La plateforme AKIG est en cours de rétablissement" if folder
                                                   else "[Identified] AKIG Platform is being restored")
    for entry in entries:  # each leads to its own place on a page that is there
        path, _, anchor = entry.find(f"{ATOM}link").get("href").removeprefix("https://status.akig.com/").partition("#")
        assert f'id="{anchor}"' in (page / path).read_text()


# ---- a real disaster ----

def test_the_public_follows_a_real_p1(make_bascule: Callable[..., Bascule]) -> None:
    """Production dies for good; the page is red, then says that the service is back, then that it is over, and the history keeps the outage."""
    bascule = make_bascule(stages="test")
    page = bascule.lab.folder / "status"
    early = re.sub(r"(name: (?:on-call|runbook|status-page), after: )\w+", r"\g<1>1s", bascule.lab.config.read_text())
    bascule.lab.config.write_text(early)  # a recovery of four seconds would be over before the usual stage, and never public
    bascule.ok("backup")
    bascule.serve_and_settle()
    wait_until("a page on which all is well", 20, lambda: told(page)["status"]["indicator"] == "none")
    faults.cannot_restart(bascule.lab)
    wait_until("the outage on the first page, which is written last", 60, lambda: "Next update by" in (page / "index.html").read_text())
    red = told(page)
    assert red["status"]["indicator"] == "critical"
    assert red["components"][0]["status"] == "major_outage" and red["incidents"][0]["status"] in ("investigating", "identified")
    assert "Prochaine annonce" in (page / "fr" / "index.html").read_text()
    bascule.resolved(90)
    wait_until("the end on the page", 20, lambda: "All systems operational" in (page / "index.html").read_text())
    rows = [row["subject"] for row in bascule.rows("public")]
    incident = told(page, "incidents")["incidents"][0]
    assert [u["status"] for u in reversed(incident["incident_updates"])] == rows and rows[-1] == "resolved"
    assert told(page)["status"]["indicator"] == "none" and told(page)["incidents"] == []
    lasted = (bascule.rows("incident.state", number=3)[-1]["wall_ms"] - bascule.rows("incident.opened")[0]["wall_ms"]) / 1000
    assert re.search(r'<rect class="major_outage" x="712" [^>]*><title>[^<]*Unavailable', (page / "index.html").read_text()), f"{lasted} s of outage"
    state = bascule.lab.state
    private = [f"{state['net']}.{n}" for n in (1, 2, 20)] + [str(bascule.lab.folder), "pg_ctl", "postmaster"]
    for path, text in texts(page):
        for secret in private:
            assert secret not in text, f"{path}: {secret}"


# ---- written by hand and by the controller ----

def test_a_page_nobody_watches_says_so(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    scene.started(2 * DAY)
    scene.verdict(DAY, "public", True)
    scene.save()
    assert scene.bascule("page", "write").returncode == 0
    assert "Nobody has watched since." in (scene.page / "index.html").read_text()
    with scene.watched():
        shown = scene.bascule("page", "show")
    assert shown.returncode == 0 and "operational" in shown.stdout and f"{scene.page} says so" in shown.stdout


def test_show_sees_what_somebody_changed(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    n = p1(scene)
    page = scene.write()
    assert scene.bascule("page", "show").returncode == 0
    (page / "incident" / f"{n}.html").write_text("all is well")
    shown = scene.bascule("page", "show")
    assert shown.returncode == 1 and "says something else: files that are missing or differ 1 of" in shown.stdout


def test_a_folder_that_cannot_be_written_leaves_no_other_page_old(make_scene: Callable[..., Scene], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    scene = make_scene(extra=f"languages: [en]\n  - folder: {tmp_path}/file\n  - folder: {tmp_path}/third")
    config = scene.config.read_text().split("    components:\n")
    parts, rest = config[1].split("services:\n", 1)
    scene.config.write_text(config[0].replace("    languages: [en]\n", f"    components:\n{parts}    languages: [en]\n") + "services:\n" + rest)
    scene.started(DAY)
    scene.save()
    done = scene.bascule("page", "write")
    assert done.returncode != 0 and "status page in" in done.stderr
    assert (scene.page / "index.html").exists() and (tmp_path / "third" / "index.html").exists()
    assert not (scene.page / "fr").exists()


def test_readers_never_meet_half_a_file(make_scene: Callable[..., Scene]) -> None:
    """Reads all the time while the page is written again and again, some writers killed: each file is whole, and nothing is left lying about."""
    scene = make_scene()
    p1(scene)
    page = scene.write()
    stop, broken, read = threading.Event(), [], [0]

    def reader() -> None:
        while not stop.is_set():
            for name, end in (("index.html", "</html>\n"), ("api/v2/status.json", "}\n"), ("api/v2/summary.json", "}\n"), ("fr/index.html", "</html>\n")):
                text = (page / name).read_text()
                read[0] += 1
                if not text.endswith(end):
                    broken.append((name, len(text)))

    thread = threading.Thread(target=reader)
    thread.start()
    try:
        for turn in range(30):
            writer = subprocess.Popen([str(scene.program), "-c", str(scene.config), "page", "write"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if turn % 2:
                try:
                    writer.wait(timeout=0.001 * turn)
                except subprocess.TimeoutExpired:
                    writer.send_signal(signal.SIGKILL)
            writer.wait(timeout=60)
    finally:
        stop.set()
        thread.join()
    assert not broken and read[0] > 100
    left = [p for p in page.rglob(".*") if p.is_file()]
    for path in left:
        os.utime(path, (time.time() - 3600, time.time() - 3600))
    (page / "index.html").unlink()
    scene.write()
    assert [p for p in page.rglob(".*") if p.is_file()] == []


def test_maintenance_from_announcement_to_cancellation(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    scene.started(DAY)
    scene.save()
    refused = scene.bascule("maintenance", "announce", "pg", "--from", "+1h", "--for", "2h", "Work on 10.31.7.12")
    assert refused.returncode == 1 and "the public would read" in refused.stderr and "Work on […]" in refused.stderr
    for words, why in ((("--from", "+1h", "--for", "2h", "--component", "apy"), "did you mean \"api\"?"), (("--from", "tomorrow", "--for", "2h"), "is no moment"),
                       (("--from", "+1h", "--to", "+30m"), "would end before it begins"), (("--from", "2020-01-01T10:00Z", "--to", "2020-01-02T10:00Z"), "be over already"),
                       (("--from", "+3000h", "--for", "2h"), "at most 92 days ahead")):
        done = scene.bascule("maintenance", "announce", "pg", *words, "Update")
        assert done.returncode != 0 and why in done.stderr, done.stderr
    done = scene.bascule("maintenance", "announce", "pg", "--from", "2026-12-01 22:00" if scene.now < 1_796_000_000_000 else "+1h", "--for", "2h", "--fr", "Mise à jour", "--component",
                         "api", "--text", "Read-only for ten minutes.", "Update", "of", "PostgreSQL")
    assert done.returncode == 0, done.stderr
    assert "scheduled" in scene.bascule("maintenance", "list").stdout
    page = scene.write()
    assert "Update of PostgreSQL" in (page / "index.html").read_text() and "Mise à jour" in (page / "fr" / "index.html").read_text()
    assert [c["id"] for c in told(page)["scheduled_maintenances"][0]["components"]] == ["api"]
    assert scene.bascule("maintenance", "cancel", "pg").returncode == 0
    page = scene.write()
    assert "Cancelled" in (page / "index.html").read_text() and told(page)["scheduled_maintenances"] == []
    assert "[Cancelled] Update of PostgreSQL" in (page / "history.atom").read_text()
    again = scene.bascule("maintenance", "cancel", "pg")
    assert again.returncode == 66 and "is ahead or in progress" in again.stderr
    assert json.loads(scene.bascule("--json", "maintenance", "list").stdout)[0]["phase"] == "cancelled"


@pytest.fixture
def serving(make_scene: Callable[..., Scene]) -> Iterator[Scene]:
    """A controller on a folder of its own; its checks fail, which is none of the page's business until the public is told."""
    scene = make_scene(extra="refresh: 5s")
    log = open(scene.folder / "controller.log", "w")
    scene.controller = subprocess.Popen([str(scene.program), "-c", str(scene.config), "serve"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    yield scene
    if scene.controller.poll() is None:
        scene.controller.terminate()
        scene.controller.wait(timeout=20)
    print((scene.folder / "controller.log").read_text())


def made_at(page: Path) -> str:
    return told(page, "status")["bascule"]["made_at"] if (page / "api/v2/status.json").exists() else ""


def test_the_controller_writes_and_its_death_shows(serving: Scene) -> None:
    page = serving.page
    wait_until("the first page", 20, lambda: (page / "index.html").exists())
    first = made_at(page)
    wait_until("the page made anew though nothing changed", 20, lambda: made_at(page) > first)
    begun = time.monotonic()
    assert serving.bascule("maintenance", "announce", "pg", "--from", "+1h", "--for", "2h", "Update").returncode == 0
    wait_until("the announcement on the page", 20, lambda: "Update" in (page / "index.html").read_text())
    assert time.monotonic() - begun < 4  # not the next refresh: at once
    serving.controller.kill()
    serving.controller.wait(timeout=20)
    assert "Checked on" in (page / "index.html").read_text()  # it outlives the controller, and says by when to distrust it
    assert json.loads((page / "api/v2/status.json").read_text())["bascule"]["stale_at_ms"] - 3 * 5000 <= time.time() * 1000 + 1000


def test_a_page_that_cannot_be_written_stops_nothing(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(extra="refresh: 5s")
    scene.page.write_text("a file in the way")
    log = scene.folder / "controller.log"
    with open(log, "w") as out:
        controller = subprocess.Popen([str(scene.program), "-c", str(scene.config), "serve"], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        wait_until("the warning", 20, lambda: "a status page could not be written" in log.read_text())
        scene.page.unlink()
        wait_until("the page", 20, lambda: "the status pages are written again" in log.read_text())
        assert log.read_text().count("could not be written") == 1 and controller.poll() is None
    finally:
        controller.terminate()
        assert controller.wait(timeout=20) == 0
