"""Backups from the making to the store and back, through the program as people use it: sealed, encrypted, sent over HTTP and to S3, pruned, counted."""
from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest
from drive import Bascule

LAB = Path(__file__).resolve().parents[2] / "lab"


class Stores:
    """lab/stores.py, which verifies every signature."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self.start()

    def start(self) -> None:
        self.child = subprocess.Popen([sys.executable, str(LAB / "stores.py"), str(self.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.child.stdout.readline())

    def stop(self) -> None:
        self.child.stdin.close()
        self.child.wait(timeout=10)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    stores = Stores(tmp_path / "objects")
    yield stores
    stores.stop()


def secret(bascule: Bascule, name: str, text: str) -> str:
    path = bascule.lab.folder / "secrets" / name
    path.write_text(text + "\n")
    path.chmod(0o600)
    return str(path)


def configure(bascule: Bascule, more: str) -> None:
    """More keys for the backups of both sites."""
    path = Path(bascule.lab.config)
    text, n = re.subn(r"(backup: \{folder: [^,]+, retention: 30d)\}", r"\1, " + more + "}", path.read_text())
    assert n, "no backup in the configuration"
    path.write_text(text)


def listed(bascule: Bascule, *more: str) -> list[dict]:
    return json.loads(bascule.ok("backup", "list", "--json", *more))["backups"]


def test_a_sealed_and_encrypted_backup_goes_to_two_stores_and_comes_back(bascule: Bascule, stores: Stores, tmp_path: Path) -> None:
    key = bascule.ok("backup", "key").strip()
    assert re.fullmatch(r"[0-9a-f]{64}", key)
    configure(bascule, f"key: {{file: {secret(bascule, 'backup.key', key)}}}, encrypt: true, stores: ["
              f"{{name: web, type: http, url: 'http://127.0.0.1:{stores.port}/plain/', user: akig, password: {{file: {secret(bascule, 'web', 's3cret')}}}}}, "
              f"{{name: cloud, type: s3, endpoint: 'http://127.0.0.1:{stores.port}', region: eu-west-3, bucket: bucket, access_key: AKIDLAB, "
              f"secret_key: {{file: {secret(bascule, 's3', 'lab/secret+key')}}}}}]")
    bascule.ok("config", "check")
    bascule.ok("backup")
    (one,) = listed(bascule)
    assert one["file"].endswith(".sql.gz.enc") and one["sealed"] and one["encrypted"] and one["verified_how"] == "read"
    assert {s["store"]: s["stored"] for s in one["stores"]} == {"web": False, "cloud": False}
    said = bascule.ok("backup", "push")
    assert said.count("[✓]") == 2 and "nothing waits" in bascule.ok("backup", "push")
    assert all(s["stored"] for s in listed(bascule)[0]["stores"])
    assert len(listed(bascule, "--store", "cloud")) == len(listed(bascule, "--store", "web")) == 1
    # The site burns down; another machine has the key and the stores.
    shutil.rmtree(bascule.lab.backups)
    bascule.lab.backups.mkdir()
    for store in ("web", "cloud"):
        bascule.ok("backup", "fetch", "--store", store, "--into", str(tmp_path / store))
        assert (tmp_path / store / one["file"]).stat().st_size == one["bytes"]
    bascule.ok("backup", "fetch")
    bascule.ok("backup", "verify")
    bascule.ok("restore", "dr")
    # One bit of it, and nobody takes it for good.
    path = bascule.lab.backups / one["file"]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    done = bascule.run("backup", "verify")
    assert done.returncode == 1 and "altered or damaged" in done.stderr, done.stderr


def test_a_store_that_is_down_is_said_and_tried_again(bascule: Bascule, stores: Stores) -> None:
    configure(bascule, f"stores: [{{name: web, type: http, url: 'http://127.0.0.1:{stores.port}/plain/', user: akig, "
              f"password: {{file: {secret(bascule, 'web', 's3cret')}}}}}]")
    stores.stop()
    done = bascule.run("backup", "--push")
    assert done.returncode == 2 and "[✓]" in done.stdout and "could not connect" in done.stderr, done
    (one,) = listed(bascule)
    assert one["damage"] is None and one["stores"][0]["tries"] == 1 and "could not connect" in one["stores"][0]["why"]
    assert bascule.run("backup", "push").returncode == 1
    port = stores.port
    stores.start()
    path = Path(bascule.lab.config)
    path.write_text(path.read_text().replace(f":{port}/", f":{stores.port}/"))
    bascule.ok("backup", "push")
    assert listed(bascule)[0]["stores"][0]["stored"]


def test_prune_keeps_what_it_must_and_the_report_counts(bascule: Bascule) -> None:
    bascule.ok("backup")
    bascule.ok("backup")
    newest, oldest = (b["file"] for b in listed(bascule))
    for name in ("", ".manifest.json", ".verified.json"):
        shutil.copy2(bascule.lab.backups / (oldest + name), bascule.lab.backups / (f"akig_backup_full_20200101_000000.sql.gz{name}"))
    assert "0 of 3" in bascule.ok("backup", "prune", "--dry-run") # its manifest says a moment of today
    for name in ("", ".verified.json"):
        shutil.copy2(bascule.lab.backups / (oldest + name), bascule.lab.backups / (f"akig_backup_full_20190101_000000.sql.gz{name}"))
    configure(bascule, "keep: {newest: 1}")
    bascule.ok("backup", "prune")
    assert len(listed(bascule)) == 3 and newest in [b["file"] for b in listed(bascule)]
    report = json.loads(bascule.ok("backup", "report", "--json"))
    assert report["backups_made"] == 3 and report["backups_failed"] == 0 and report["newest"] == newest and report["well"]
    path = Path(bascule.lab.config)
    path.write_text(path.read_text().replace("dbname: akig", "dbname: nonesuch"))
    assert bascule.run("backup").returncode != 0
    report = json.loads(bascule.ok("backup", "report", "--json"))
    assert report["backups_failed"] == 1 and not report["well"]
    said = bascule.ok("--lang", "fr", "backup", "report")
    assert "pas bon" in said and "3 faites, 1 échouées" in said
