"""Nobody is there: a controller, two agents with their servers, and an etcd do it by themselves; or they do not, because a person said so."""
from __future__ import annotations

import time

import faults
from drive import Bascule, miscounted
from lab import Lab, agent_state
from procs import wait_until
from test_disaster import finish, runs, start
from test_promote import Session, facts

RESOLVED_S = 120
STEPS = ["restart", "verify", "promote", "redirect", "verify-traffic", "report"]


def no_person(bascule: Bascule) -> None:
    assert [r["kind"] for r in bascule.journal() if r["kind"].startswith("person.")] == []


def after(bascule: Bascule, began: float, kind: str, **fields: object) -> float:
    row = bascule.rows(kind, **fields)[0]
    return row["wall_ms"] / 1000 - began


def promoted_once(bascule: Bascule, session: Session) -> None:
    """One promotion, after which nothing was promised over there; and nothing else was tried."""
    ordered = runs(bascule, "promote ")
    assert len(ordered) == 1 and not runs(bascule, "restore ") and not runs(bascule, "fence ") and len(runs(bascule, "traffic switch ")) == 1
    assert [r["subject"].split(".")[1] for r in bascule.rows("step.started")] == STEPS
    lab = bascule.lab
    assert lab.psql("dr", "SELECT pg_is_in_recovery(), substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)") == "f|00000002"
    assert agent_state(lab.state, "dr")["epoch"] == 2
    certain = next(r for r in bascule.rows("fact") if r["subject"] == "promote.certain")
    assert session.over() < certain["wall_ms"] / 1000


def test_a_crash_that_no_start_mends_moves_the_users_by_itself(make_bascule) -> None:
    bascule = make_bascule(agents=True, rows=2_000, sync=True)
    session = Session(bascule.lab)
    user = start(bascule)
    faults.cannot_restart(bascule.lab)
    began = time.time()
    counted = finish(bascule, user, "dr")
    no_person(bascule)
    promoted_once(bascule, session)
    crashed = next(r for r in bascule.rows("verdict", subject="production.agent") if r["number"] == 3)
    assert "crashed (corruption)" in crashed["text"]
    assert counted.acknowledged and counted.lost == [] and session.lost(bascule.lab) == []
    assert "its agent" in facts(bascule)["promote.certain"], "the agent proved it; no lease was waited for"
    print(f"seen after {crashed['wall_ms'] / 1000 - began:.3f} s, promotion ordered after {after(bascule, began, 'run', text='promote dr'):.3f} s, "
          f"users moved after {after(bascule, began, 'site.active'):.3f} s")
    assert not bascule.lab.postmaster("production") and miscounted(bascule) == []
    assert bascule.stop() == 0
    bascule.verify()


def test_a_host_that_is_cut_off_ends_its_primary_and_the_lease_proves_it(make_bascule) -> None:
    """It goes on over there until its lease is over, also for a session from inside; only then does another write."""
    bascule = make_bascule(hosts=True, rows=2_000)
    lab: Lab = bascule.lab
    user = start(bascule)
    faults.cut(lab)
    began = time.time()
    counted = finish(bascule, user, "dr")
    no_person(bascule)
    assert [r["subject"].split(".")[1] for r in bascule.rows("step.started")] == STEPS and len(runs(bascule, "promote ")) == 1
    down = [r["text"] for r in bascule.rows("verdict", subject="production.agent") if r["wall_ms"] / 1000 > began and r.get("number", 0) == 3]
    assert all("the agent of site \"dr\" has seen no renewal of its lease" in text for text in down), "unreachable is not dead, unless another sees it too"
    assert "the lease of site \"production\" had run out" in facts(bascule)["promote.certain"]
    assert not lab.postmaster("production"), "it was alone, and has ended by itself"
    print(f"promotion ordered after {after(bascule, began, 'run', text='promote dr'):.3f} s, users moved after {after(bascule, began, 'site.active'):.3f} s")
    assert "an estimate of the promotion" in bascule.ok("incident", "report", "1") and not bascule.rows("fact", subject="loss.bytes"), "what is not known is not 0"
    faults.uncut(lab)
    wait_until("its agent to hear of the epoch", 30, lambda: agent_state(lab.state, "production")["epoch"] == 2)
    assert not lab.postmaster("production") and agent_state(lab.state, "production")["pg"] == "quarantined"
    told = bascule.await_row(120, "fact", subject="loss.transactions")
    assert told["incident"] == 1 and int(told["text"]) >= counted.lost_by_site.get("production", 0), "though the incident is over"
    report = bascule.ok("incident", "report", "1")
    assert f"counted in its own log: **{told['text']} transactions**" in report and "an estimate of the promotion" not in report
    assert f"{told['text']} transactions, " in bascule.ok("incident", "show", "1")
    assert bascule.stop() == 0


def test_a_pause_leaves_it_to_people_and_ends(make_bascule) -> None:
    bascule = make_bascule(agents=True, rows=2_000)
    lab: Lab = bascule.lab
    user = start(bascule)
    bascule.ok("pause", "akig", "--for", "1h", "--why", "new disks", "--by", "anna")
    faults.restartable(lab)
    asked = bascule.await_row(60, "approval.asked")
    assert asked["text"] == "promote dr" and "automatic action is paused" in "".join(r["detail"] + r["text"] for r in bascule.rows("notice"))
    assert "new disks" in bascule.run("status").stdout and '"paused_ms":0' not in bascule.run("watch", "--once", "--json").stdout.replace(" ", "")
    assert not lab.postmaster("production") and agent_state(lab.state, "production")["pg"] == "crashed"
    bascule.ok("resume", "akig", "--by", "anna")
    counted = finish(bascule, user, "production")
    assert runs(bascule, "promote ") == [] and agent_state(lab.state, "production")["pg"] == "primary", "the agent started it again, and nobody was moved"
    assert counted.lost == []
    assert bascule.stop() == 0
