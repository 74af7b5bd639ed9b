"""Checklists, the post-incident report and the service reports of a real incident: production's database dies and is failed over."""
from __future__ import annotations

import html.parser
import json
import os
import re
import subprocess
from pathlib import Path

import faults
from conftest import ROOT
from drive import Bascule, mail_key
from procs import wait_until

RESOLVED_S = 90
FIELDS = ("author", "summary", "true-start", "business-impact", "technical-impact", "team-impact", "why-1", "why-2", "why-3", "why-4", "why-5", "root-cause",
          "went-well", "went-badly", "meeting", "reviewed")


def shown(bascule: Bascule, name: str) -> dict[str, dict]:
    done = bascule.run("--json", "checklist", "show")
    assert done.returncode in (0, 2), done.stderr
    (checklist,) = [c for c in json.loads(done.stdout) if c["name"] == name]
    assert checklist["applies"], done.stdout
    return {item["id"]: item for item in checklist["items"]}


class Links(html.parser.HTMLParser):
    """Open and closing tags match; ids and links are collected."""

    VOID = {"meta", "br", "hr", "img", "link"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: set[str] = set()
        self.feed(text)
        assert self.open == [], self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.ids += [value for key, value in attrs if key == "id"]
        self.targets |= {value for key, value in attrs if key == "href"}

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag


def linked_to_the_journal(bascule: Bascule, page: str) -> None:
    links = Links(page)
    assert len(links.ids) == len(set(links.ids))
    assert {t.removeprefix("#") for t in links.targets} <= set(links.ids)
    cited = {int(t.removeprefix("#record-")) for t in links.targets if t.startswith("#record-")}
    assert len(cited) > 40 and cited <= {row["seq"] for row in bascule.journal()}


def checkers_find_nothing(bascule: Bascule, folder: Path, build: Path) -> None:
    """The reports in a browser: HTML, accessibility in light, dark and on a phone, nothing asked of a stranger."""
    for lang in ("en", "fr"):
        (folder / f"incident-{lang}.html").write_text(bascule.ok("--lang", lang, "incident", "report", "1", "--format", "html"))
        (folder / f"week-{lang}.html").write_text(bascule.run("--lang", lang, "report", "weekly", "--format", "html").stdout)
    done = subprocess.run([str(ROOT / "tools" / "check-page"), "--documents", str(folder)], capture_output=True, text=True, timeout=300,
                          env={**os.environ, "BASCULE_BUILD": str(build)})
    assert done.stdout, done.stderr
    total = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, total["findings"]) == (0, 0) and total["checked"] == 20, done.stdout


def test_a_failover_ticks_its_lists_and_its_report_waits_for_people(make_bascule, build: Path, tmp_path: Path) -> None:
    bascule = make_bascule()
    lab = bascule.lab
    bascule.ok("backup")
    bascule.serve_and_settle()
    faults.cannot_restart(lab)
    bascule.await_row(RESOLVED_S, "incident.opened")
    bascule.ok("incident", "ack", "1", "on it", "--by", "ana")
    bascule.resolved(RESOLVED_S)
    wait_until("the last message", 20, lambda: len(bascule.rows("delivered")) >= len(bascule.rows("notice")))

    # Every box of the first two lists is ticked by a record that is there, in time; nobody had to.
    rows = {row["seq"]: row for row in bascule.journal()}
    for name, count in (("p1", 6), ("failover", 9)):
        items = shown(bascule, name)
        assert len(items) == count
        for item in items.values():
            assert item["mark"] == "proven" and not item["was_late"], (name, item)
            assert rows[item["seq"]]["wall_ms"] > 0 and item["owner"] == "ana"
    assert rows[shown(bascule, "failover")["production-down"]["seq"]]["kind"] == "verdict"
    assert rows[shown(bascule, "failover")["redirected"]["seq"]]["kind"] == "outcome"
    assert shown(bascule, "restore")["data-verified"]["mark"] == "proven"
    after = shown(bascule, "post-incident")
    assert {i["mark"] for i in after.values()} == {"open"} and after["meeting"]["due"]

    # A person ticks what no record can prove, waives and assigns.
    assert shown(bascule, "restore")["application-stopped"]["mark"] in ("open", "proven")
    bascule.ok("checklist", "waive", "1", "post-incident/audit", "no audit this time", "--by", "carla")
    bascule.ok("checklist", "assign", "post-incident/documentation", "--owner", "dba", "--due", "+48h")
    assert shown(bascule, "post-incident")["audit"]["who"] == "carla"
    assert shown(bascule, "post-incident")["documentation"]["owner"] == "dba"

    # The report cannot be approved before people wrote their part.
    refused = bascule.run("incident", "review", "1")
    assert refused.returncode == 1 and "root-cause" in refused.stderr and "action" in refused.stderr
    for field in FIELDS:
        bascule.ok("incident", "write", "1", field, f"{field}: <b>what people wrote</b> | of it", "--by", "ana")
    bascule.ok("incident", "write", "1", "action", "test the server's disk every week", "--by", "ana")
    assert "action.1: owner, action.1: due" in bascule.run("incident", "review", "1").stderr
    bascule.ok("incident", "write", "1", "action.1", "--owner", "dba", "--due", "2099-12-01")
    tickets = lambda: [m for m in lab.mails() if m["taken"] and mail_key(m).startswith("1/ticket-1/tracker/")]
    wait_until("the ticket", 20, lambda: len(tickets()) == 1)
    bascule.ok("incident", "write", "1", "action.1", "--owner", "ana")  # changed, and still one ticket
    wait_until("a checklist that knows it", 10, lambda: shown(bascule, "post-incident")["tickets"]["mark"] == "proven")
    assert len(tickets()) == 1
    bascule.ok("incident", "review", "1", "--by", "cto")
    bascule.await_row(10, "incident.state", incident=1, number=5)
    assert bascule.run("incident", "write", "1", "summary", "too late").returncode == 1

    # What it says is the journal's, in both languages and forms.
    for lang, words in (("en", ("approved", "What the public was told", "**met**", "does not apply")),
                        ("fr", ("approuvé", "Ce que le public a appris", "**tenu**", "sans objet"))):
        report = bascule.ok("--lang", lang, "incident", "report", "1")
        for word in words:
            assert word in report, word
        assert "To write:" not in report and "À écrire :" not in report
        assert "\\<b\\>what people wrote\\</b\\>" in report
        for form in ("html", "pdf-ready"):
            page = bascule.ok("--lang", lang, "incident", "report", "1", "--format", form)
            linked_to_the_journal(bascule, page)
            assert "<b>" not in page and "&lt;b&gt;what people wrote" in page and f'<html lang="{lang}">' in page
    outage = json.loads(bascule.ok("--json", "incident", "show", "1"))["outage_ms"]
    revenue = round(outage / 1000 // 1 * 50000 / 3600)
    assert f"{revenue:,} $" in bascule.ok("incident", "report", "1"), revenue

    # The week of the service.
    week = json.loads(bascule.run("--json", "report", "weekly").stdout)
    assert week["incidents"] == [1] and week["open"] == 0 and week["unreviewed"] == 0 and week["rto_held"] == 1
    assert 0 < week["availability_ppm"] < 1_000_000 and week["outage_ms"] == outage and week["sla_budget_ms"] == 604_800
    production = next(s for s in week["sites"] if s["site"] == "production")
    assert production["backups_made"] == 1 and production["newest_age_ms"] > 0
    month = bascule.run("--lang", "fr", "report", "monthly")
    assert month.returncode == 2 and "# Rapport mensuel: AKIG Platform" in month.stdout and re.search(r"INC-1 \| .* \| P1 \|", month.stdout)
    Links(bascule.run("report", "weekly", "--format", "html").stdout)
    checkers_find_nothing(bascule, tmp_path, build)
    assert "whole" in bascule.verify()


def test_what_is_late_is_said_and_asked_for(make_bascule) -> None:
    """A list whose times are short: the update says what is late, and whoever took the incident is reminded."""
    bascule = make_bascule()
    (bascule.lab.folder / "checklists" / "p1.yaml").write_text("""
checklist: p1
title: {en: Short list, fr: Liste courte}
applies_when: severity P1
remind: 1m
owner: dba
items:
  - {id: rung, title: {en: The provider was rung up, fr: Hébergeur appelé}, due: 1s}
""")
    bascule.serve_and_settle()
    bascule.ok("incident", "open", "--severity", "P1", "odd things", "--by", "ana")
    reminder = bascule.await_row(20, "notice", stage="checklist")
    assert reminder["who"] == "dba" and reminder["subject"].startswith("1/checklist-1/dba/")
    assert "Short list: The provider was rung up" in reminder["detail"] and "(dba)" in reminder["detail"]
    assert bascule.run("checklist", "show").returncode == 2
    bascule.ok("checklist", "tick", "p1/rung", "they are on it", "--by", "ana")
    assert bascule.run("checklist", "show").returncode == 0
    bascule.kill()
    bascule.serve_and_settle()  # a restart asks nobody again
    assert len({r["subject"] for r in bascule.rows("notice", stage="checklist") if r["who"] == "dba"}) == len(
        [r for r in bascule.rows("notice", stage="checklist") if r["who"] == "dba"])
    assert all("checklist-1/" in r["subject"] for r in bascule.rows("notice", stage="checklist"))
