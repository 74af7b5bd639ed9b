-- Rows for schema.sql: psql -v rows=200000 -f generate.sql. `rows` is about the total of all tables. The same number gives the same rows.
\if :{?rows}
\else
    \set rows 200000
\endif
SELECT greatest(10, :rows / 10) AS users, greatest(10, :rows * 3 / 40) AS properties, greatest(10, :rows * 3 / 20) AS contracts,
       greatest(10, :rows * 9 / 20) AS payments, greatest(10, :rows * 9 / 40) AS invoices \gset

BEGIN;
INSERT INTO users (email, name, role, created_at)
SELECT 'user' || i || '@example.com', 'Prénom ' || md5(i::text), (ARRAY['tenant', 'owner', 'agent'])[1 + i % 3],
       timestamptz '2020-01-01 00:00:00+00' + i * interval '7 minutes'
FROM generate_series(1, :users) AS i;

INSERT INTO properties (owner_id, address, city, surface_m2)
SELECT 1 + (i * 7919::bigint) % :users, i || ', rue de l''Église', (ARRAY['Paris', 'Lyon', 'Conakry', 'Dakar', 'Lille'])[1 + i % 5],
       12 + (i % 900) / 4.0
FROM generate_series(1, :properties) AS i;

INSERT INTO contracts (user_id, property_id, status, rent, starts_on, ends_on)
SELECT 1 + (i * 104729::bigint) % :users, 1 + (i * 1299709::bigint) % :properties, (ARRAY['active', 'active', 'ended', 'draft'])[1 + i % 4],
       300 + (i % 2700), date '2021-01-01' + i % 1500, CASE WHEN i % 4 = 2 THEN date '2021-01-01' + i % 1500 + 365 END
FROM generate_series(1, :contracts) AS i;

INSERT INTO payments (contract_id, amount, reference, paid_at)
SELECT 1 + (i * 15485863::bigint) % :contracts, 300 + (i % 270000) / 100.0, 'SEED-' || lpad(i::text, 10, '0'),
       timestamptz '2022-01-01 00:00:00+00' + i * interval '13 minutes'
FROM generate_series(1, :payments) AS i;

INSERT INTO invoices (contract_id, payment_id, number, amount, issued_on, note)
SELECT p.contract_id, CASE WHEN i % 5 > 0 THEN p.id END, 'F-' || lpad(i::text, 9, '0'), p.amount, date '2022-01-01' + i % 1400,
       CASE i % 50 WHEN 0 THEN E'réglée en deux fois;\n\tvoir C:\\dossiers' WHEN 1 THEN '\.' WHEN 2 THEN '' END
FROM generate_series(1, :invoices) AS i
JOIN payments AS p ON p.id = 1 + (i * 7) % :payments;
COMMIT;
ANALYZE users, properties, contracts, payments, invoices;
