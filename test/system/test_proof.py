"""A deep verification: restored into a scratch database, every row compared, and nothing left."""
from __future__ import annotations

import json

from drive import Bascule


def test_a_good_backup_is_proved_and_nothing_stays(bascule: Bascule) -> None:
    bascule.ok("backup")
    said = bascule.ok("backup", "verify", "--deep")
    rows = int(bascule.lab.psql("production", "SELECT sum(n) FROM (SELECT count(*) n FROM users UNION ALL SELECT count(*) FROM properties UNION ALL"
                                " SELECT count(*) FROM contracts UNION ALL SELECT count(*) FROM payments UNION ALL SELECT count(*) FROM invoices) q"))
    assert f"prove.rows: {rows}" in said and "are as in the backup, by their hash in 5 of them" in said, said
    assert bascule.lab.psql("dr", "SELECT count(*) FROM pg_database WHERE datname LIKE 'akig_%'", "postgres") == "0"
    assert "restored" in bascule.ok("backup", "list")
    assert "1 of 1 good" in bascule.run("backup", "report").stdout


def test_a_row_that_differs_is_found(bascule: Bascule) -> None:
    """As if a row had changed on its way: the rows are as many, and add up to something else."""
    bascule.ok("backup")
    path = next(bascule.lab.backups.glob("*.manifest.json"))
    text = path.read_text()
    manifest = json.loads(text)
    table = next(t for t in manifest["tables"] if t.get("hash"))
    path.write_text(text.replace(str(table["hash"]), "0123456789abcdef"))
    failed = bascule.run("backup", "verify", "--deep")
    assert failed.returncode != 0 and table["name"] in failed.stderr, failed.stdout + failed.stderr
    assert bascule.lab.psql("dr", "SELECT count(*) FROM pg_database WHERE datname LIKE 'akig_%'", "postgres") == "0"


def test_what_the_service_asserts_must_be_true_of_restored_data(bascule: Bascule) -> None:
    """Until then the database of that name stays as it was."""
    config = bascule.lab.config
    plain = config.read_text()
    before, tables, after = plain.rpartition("critical_tables:")  # of the DR site

    def assert_that(sql: str) -> None:
        config.write_text(f"{before}assertions: [\"{sql}\"]\n          {tables}{after}")

    bascule.ok("backup")
    old = bascule.lab.psql("dr", "SELECT count(*) FROM payments")
    assert_that("SELECT count(*) < 0 FROM payments")
    failed = bascule.run("restore", "dr")
    assert failed.returncode == 1 and "count(*) < 0" in failed.stderr, failed.stderr
    assert bascule.lab.psql("dr", "SELECT count(*) FROM payments") == old
    assert bascule.lab.psql("dr", "SELECT count(*) FROM pg_database WHERE datname LIKE 'akig_%'", "postgres") == "0"
    assert_that("SELECT count(*) > 0 FROM payments")
    bascule.ok("restore", "dr")
    assert bascule.lab.psql("dr", "SELECT count(*) FROM payments") != old
