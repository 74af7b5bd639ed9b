-- A schema that is legal, dumps and restores, and holds everything that a careless reader of dumps trips over.
CREATE ROLE hostile_reader;
CREATE SCHEMA app;
CREATE SCHEMA "Odd;Schema -- Name: x";
CREATE EXTENSION pgcrypto;
CREATE EXTENSION citext;
CREATE TYPE app.mood AS ENUM ('sad', 'ok');
CREATE DOMAIN app.positive AS int CHECK (VALUE > 0);
CREATE TABLE app.users(id bigserial PRIMARY KEY, email citext UNIQUE NOT NULL, m app.mood, full_name text,
    upper_name text GENERATED ALWAYS AS (upper(full_name)) STORED, note bytea, js jsonb, n app.positive);
INSERT INTO app.users(email, m, full_name, note, js)
    SELECT 'u' || i || '@x', 'ok', E'tab\t nl\n bs\\ cr\r ' || i, decode('00ff5c2e', 'hex'), '{"a": "\\."}' FROM generate_series(1, 3) i;
CREATE TABLE app.mails(id int PRIMARY KEY, email citext REFERENCES app.users(email));
INSERT INTO app.mails VALUES (1, 'U1@X'), (2, NULL);
CREATE TABLE app.ident(id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Weird col" text);
INSERT INTO app.ident("Weird col") VALUES (E'\\.'), ('end'), (E'\\'), (E'\\N');
CREATE TABLE app.a(id int PRIMARY KEY, b_id int);
CREATE TABLE app.b(id int PRIMARY KEY, a_id int REFERENCES app.a(id));
ALTER TABLE app.a ADD CONSTRAINT a_b_fk FOREIGN KEY (b_id) REFERENCES app.b(id) DEFERRABLE;
INSERT INTO app.a VALUES (1, NULL);
INSERT INTO app.b VALUES (1, 1);
UPDATE app.a SET b_id = 1;
CREATE TABLE app.tree(id int PRIMARY KEY, parent int REFERENCES app.tree(id));
INSERT INTO app.tree VALUES (1, NULL), (2, 1);
CREATE TABLE app.ev(id int, ts date NOT NULL, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
CREATE TABLE app.ev_24 PARTITION OF app.ev FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE app.ev_def PARTITION OF app.ev DEFAULT;
CREATE INDEX ON app.ev(ts);
INSERT INTO app.ev VALUES (1, '2024-02-02'), (2, '2030-01-01');
CREATE TABLE app.ev_note(id int, ts date, FOREIGN KEY (id, ts) REFERENCES app.ev(id, ts));
INSERT INTO app.ev_note VALUES (1, '2024-02-02'), (2, '2030-01-01'), (7, NULL);
CREATE TABLE app.inh(x int);
CREATE TABLE app.inh_c(y int) INHERITS (app.inh);
INSERT INTO app.inh VALUES (1);
INSERT INTO app.inh_c VALUES (2, 3);
CREATE FUNCTION app.f(t text) RETURNS text LANGUAGE plpgsql AS $outer$
BEGIN
--
-- Name: fake; Type: TABLE; Schema: public; Owner: postgres
--
/*
COPY public.fake FROM stdin;
1
\.
\restrict foo
--
-- PostgreSQL database dump complete
--
*/
EXECUTE $x$ select 'a;b' $x$;
/* ; /* nested */ ; */
RETURN '$_$;' || E'it''s \\' || "t";
END $outer$;
CREATE FUNCTION app.sqlstd(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN a > 0 THEN CASE a WHEN 1 THEN 2 ELSE 3 END END; SELECT a + 2; END;
CREATE PROCEDURE app.p() LANGUAGE sql BEGIN ATOMIC INSERT INTO app.inh VALUES (5); DELETE FROM app.inh WHERE x = 5; END;
CREATE FUNCTION app.begin(atomic int) RETURNS int LANGUAGE sql AS 'select 1; select 2';
CREATE VIEW app.v AS SELECT id, app.f(full_name) f FROM app.users;
CREATE MATERIALIZED VIEW app.mv AS SELECT count(*) c FROM app.users;
CREATE MATERIALIZED VIEW app.mv2 AS SELECT c + 1 d FROM app.mv;
CREATE INDEX ON app.mv(c);
CREATE FUNCTION app.trg() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
CREATE TRIGGER t1 BEFORE INSERT ON app.users FOR EACH ROW EXECUTE FUNCTION app.trg();
CREATE FUNCTION app.evt() RETURNS event_trigger LANGUAGE plpgsql AS 'begin null; end';
CREATE EVENT TRIGGER et ON ddl_command_end EXECUTE FUNCTION app.evt();
CREATE RULE r1 AS ON DELETE TO app.inh_c DO INSTEAD (INSERT INTO app.inh VALUES (9); UPDATE app.inh SET x = 10 WHERE x = 9; );
ALTER TABLE app.users ENABLE ROW LEVEL SECURITY;
CREATE POLICY p1 ON app.users USING (true);
CREATE STATISTICS app.st ON id, m FROM app.users;
CREATE UNLOGGED TABLE app.unl(i int);
INSERT INTO app.unl VALUES (1);
CREATE TABLE "Odd;Schema -- Name: x"."Ta;ble -- Type: TABLE; Schema: -" ("c;--" text, "q""uote" int, CHECK ("c;--" <> ';'));
INSERT INTO "Odd;Schema -- Name: x"."Ta;ble -- Type: TABLE; Schema: -"
    VALUES ('--' || E'\n--\n-- Name: z; Type: TABLE; Schema: a; Owner: b', 1), (E'\\restrict abc', NULL), ('', 2);
COMMENT ON TABLE app.users IS E'multi\n;line -- Name: boo; Type: TABLE\n\\! false\n--\n-- PostgreSQL database dump complete\n--\n';
GRANT SELECT ON app.users TO hostile_reader;
GRANT SELECT (email) ON app.users TO hostile_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO hostile_reader;
SELECT lo_from_bytea(424242, '\xdeadbeef');
CREATE TABLE app.nocol();
INSERT INTO app.nocol DEFAULT VALUES;
ALTER TABLE app.ident CLUSTER ON ident_pkey;
ALTER TABLE app.b REPLICA IDENTITY FULL;
CREATE TABLE app.excl(r int4range, EXCLUDE USING gist (r WITH &&));
CREATE INDEX ON app.users((lower(full_name))) WHERE id > 1;
ALTER TABLE app.tree ADD CONSTRAINT chk_nv CHECK (id > 0) NOT VALID;
ALTER TABLE app.tree ADD CONSTRAINT fk_nv FOREIGN KEY (parent) REFERENCES app.tree(id) NOT VALID;
