"""Whole databases there and back: what we dump loads with gunzip | psql, what pg_dump writes loads with us, and pg_dump says the same of
the original and of what came back."""
from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest
from roundtrip import ROOT, Trip, difference, items, unpacked

HOSTILE = ROOT / "test/unit/restore/hostile.sql"


@pytest.fixture
def trip(program: Path) -> Iterator[Trip]:
    with Trip(program) as made:
        yield made


def same(trip: Trip, one: str, two: str) -> None:
    different = difference(trip.text(one), trip.text(two))
    assert not different, different


def by_psql(trip: Trip, dbname: str, path: Path) -> None:
    trip.load_by_psql(path, "by_psql")
    same(trip, dbname, "by_psql")


def by_us(trip: Trip, dbname: str) -> Path:
    """Dumped by us and by pg_dump, each loaded by us."""
    ours, theirs = trip.dump_by_us(dbname), trip.dump_by_pg(dbname)
    assert items(unpacked(ours)) == items(unpacked(theirs))
    for path, into in ((ours, "ours_by_us"), (theirs, "theirs_by_us")):
        trip.load_by_us(path, into)
        same(trip, dbname, into)
    return ours


def both_ways(trip: Trip, dbname: str) -> None:
    by_psql(trip, dbname, by_us(trip, dbname))


def hostile(trip: Trip) -> None:
    trip.create("hostile")
    trip.psql("hostile", "-f", str(HOSTILE))


def test_the_hostile_schema(trip: Trip) -> None:
    hostile(trip)
    by_us(trip, "hostile")
    # psql takes the name for the beginning of a body and loads no dump that has it, pg_dump's neither
    trip.psql("hostile", "-c", "DROP FUNCTION app.begin(int)")
    by_psql(trip, "hostile", trip.dump_by_us("hostile"))


@pytest.mark.parametrize("options", [("--inserts",), ("--column-inserts", "--rows-per-insert=3"), ("--verbose",), ("--load-via-partition-root",),
                                     ("--disable-triggers",), ("--use-set-session-authorization",), ("--quote-all-identifiers",),
                                     ("--no-owner", "--no-privileges"), ("--clean", "--if-exists")], ids=lambda o: o[0].strip("-"))
def test_the_hostile_schema_in_other_forms_of_pg_dump(trip: Trip, options: tuple[str, ...]) -> None:
    hostile(trip)
    said = tuple(o for o in options if o in ("--no-owner", "--no-privileges"))
    trip.load_by_us(trip.dump_by_pg("hostile", *options), "back")
    different = difference(trip.text("hostile", *said), trip.text("back", *said))
    assert not different, different


def test_every_type_in_its_extremes(program: Path) -> None:
    """Rows that go as binary beside rows that cannot, in one table."""
    with Trip(program, "log_statement = 'all'") as trip:
        types(trip)
        log = (trip.folder / "server.log").read_text(errors="replace")
        assert "COPY public.known (" in log
        assert "FORMAT binary" in log  # else the loader never turned a row


def types(trip: Trip) -> None:
    trip.create("types")
    trip.psql("types", "-c", """
        CREATE TYPE mood AS ENUM ('sad', 'very happy', 'it''s'); CREATE DOMAIN short AS varchar(5);
        CREATE TABLE t (id bigserial PRIMARY KEY, b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, n2 numeric(12,2), d date, ti time,
            tz timetz, ts timestamp, tstz timestamptz, iv interval, u uuid, x text, v varchar(10), c char(10), by bytea, j json, jb jsonb, ip inet, net cidr,
            m mood, s short, ia int4[], xa text[], na numeric[], ta timestamptz[], g point, r int4range, bi bit(3));
        INSERT INTO t (b, i2, i4, i8, f4, f8, n, n2, d, ti, tz, ts, tstz, iv, u, x, v, c, by, j, jb, ip, net, m, s, ia, xa, na, ta, g, r, bi)
        SELECT g % 2 = 0, g, -g, g * 1e12, g / 7.0, -g / 7.0, g / 3.0, g / 4.0, date '2000-01-01' + g, time '00:00' + g * interval '1.23 s',
            timetz '12:00+05:30', timestamp '1900-01-01' + g * interval '1 day 1.5 s', timestamptz '1800-01-01' + g * interval '1 day', g * interval '1 mon -1.5 s',
            md5(g::text)::uuid, repeat(E'\\t\\n\\\\é', g % 9), 'é' || g, g, decode(md5(g::text), 'hex'), json_build_object('a', g, 'b', E'"\\\\'),
            jsonb_build_object('a', g / 3.0), inet '::' + g, cidr '10.0.0.0/8', 'it''s', left(g::text, 5), array[g, null], array[E'a"b\\\\', '', 'NULL', null],
            array[g / 3.0, 'NaN'], array[now()], point(g, g), int4range(g, g + 2), B'101'
        FROM generate_series(1, 5000) g;
        INSERT INTO t (f4, f8, n, d, ts, tstz) VALUES ('NaN', '-Infinity', 'Infinity', 'infinity', '-infinity', 'infinity'), ('-0', '5e-324', 'NaN', '0044-03-15 BC',
            '0044-03-15 BC', '99999-01-01'), (1e38, 1e308, 1e100, '5874897-12-31', '294276-12-31', '4713-01-01 BC');
        INSERT INTO t (ia, xa) VALUES ('[0:1]={1,2}', '{{a,b},{c,d}}'), ('{}', '{}');
        INSERT INTO t DEFAULT VALUES;
        CREATE TABLE known AS SELECT id, b, i2, i4, i8, f4, f8, n, n2, d, ti, tz, ts, tstz, iv, u, x, v, c, by, j, jb, ip, net, m, s, ia, xa, na, ta FROM t""")
    both_ways(trip, "types")


def test_another_encoding(trip: Trip) -> None:
    trip.create("latin", "LATIN1")
    trip.psql("latin", "-c", "CREATE TABLE t (a text, b varchar(3)); INSERT INTO t SELECT 'déjà vu ' || g, 'é' || g % 10 FROM generate_series(1, 3000) g")
    letters = "SELECT sum(length(a)), md5(convert_to(string_agg(a || b, ',' ORDER BY a COLLATE \"C\"), 'UTF8')) FROM t"  # in one encoding for both
    ours, theirs = trip.dump_by_us("latin"), trip.dump_by_pg("latin")
    assert items(unpacked(ours)) == items(unpacked(theirs))
    trip.load_by_psql(ours, "by_psql", "LATIN1")
    same(trip, "latin", "by_psql")
    for path, into in ((ours, "ours_by_us"), (theirs, "theirs_by_us")):
        trip.load_by_us(path, into)
        assert trip.psql(into, "-c", letters) == trip.psql("latin", "-c", letters)


def test_ten_thousand_tables(trip: Trip) -> None:
    trip.create("many")
    trip.psql("many", "-c", "CREATE TABLE t0 (id int PRIMARY KEY); INSERT INTO t0 SELECT generate_series(1, 5)")
    for first in range(1, 10_000, 1000):
        trip.psql("many", "-c", f"""DO $$ BEGIN FOR i IN {first}..{first + 999} LOOP
            EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, n varchar(20)); INSERT INTO t%s SELECT g, %L || g FROM generate_series(1, 3) g', i, i, 'row ' || i || '.');
            END LOOP; END $$""")
    by_psql(trip, "many", trip.dump_by_us("many"))
    trip.load_by_us(trip.dump_by_pg("many"), "by_us")
    same(trip, "many", "by_us")


def test_a_tree_of_partitions_with_keys_in_a_circle(trip: Trip) -> None:
    trip.create("deep")
    trip.psql("deep", "-c", """
        CREATE TABLE level1 (a int, b int, c int, d int, other int, PRIMARY KEY (a, b, c, d)) PARTITION BY RANGE (a);
        CREATE TABLE level2 PARTITION OF level1 FOR VALUES FROM (0) TO (100) PARTITION BY LIST (b);
        CREATE TABLE level2x PARTITION OF level1 DEFAULT;
        CREATE TABLE level3 PARTITION OF level2 FOR VALUES IN (0, 1, 2) PARTITION BY HASH (c);
        CREATE TABLE level3x PARTITION OF level2 DEFAULT;
        CREATE TABLE level4 PARTITION OF level3 FOR VALUES WITH (MODULUS 2, REMAINDER 0) PARTITION BY RANGE (d);
        CREATE TABLE level4x PARTITION OF level3 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE TABLE level5 PARTITION OF level4 FOR VALUES FROM (0) TO (5);
        CREATE TABLE level5x PARTITION OF level4 DEFAULT;
        INSERT INTO level1 SELECT g % 120, g % 4, g % 7, g, g FROM generate_series(1, 5000) g;
        CREATE INDEX ON level1 (other);
        CREATE TABLE others (id int PRIMARY KEY, a int, b int, c int, d int);
        INSERT INTO others SELECT other, a, b, c, d FROM level1;
        ALTER TABLE others ADD FOREIGN KEY (a, b, c, d) REFERENCES level1 DEFERRABLE INITIALLY DEFERRED;
        ALTER TABLE level1 ADD FOREIGN KEY (other) REFERENCES others (id);
        ALTER TABLE others ADD again int REFERENCES others (id); UPDATE others SET again = 5001 - id""")
    both_ways(trip, "deep")
    trip.load_by_us(trip.dump_by_pg("deep", "--load-via-partition-root"), "by_root")
    same(trip, "deep", "by_root")


def test_what_the_target_lacks_is_said(program: Path, trip: Trip) -> None:
    """Roles that are missing cost their grants and no rows; an extension that is missing stops the restore and leaves nothing."""
    hostile(trip)
    ours = trip.dump_by_us("hostile")
    with Trip(program) as other:
        said = other.bascule("back", "restore", "production", "--file", str(ours)).stdout
        assert "hostile_reader" in said
        assert other.psql("back", "-c", "SELECT count(*) FROM app.users") == "3\n"
    with Trip(program) as bare:
        # an extension whose files this server has not
        text = "\n".join(unpacked(trip.dump_by_pg("hostile"))).replace("CREATE EXTENSION IF NOT EXISTS citext", "CREATE EXTENSION IF NOT EXISTS nosuchthing")
        path = bare.folder / "lacking.sql"
        path.write_text(text, errors="surrogateescape")
        refused = bare.bascule("back", "restore", "production", "--file", str(path), check=False)
        assert refused.returncode != 0
        assert "nosuchthing" in refused.stdout + refused.stderr
        assert bare.psql("postgres", "-c", "SELECT count(*) FROM pg_database WHERE datname LIKE 'back%'") == "0\n"
