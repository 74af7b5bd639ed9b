-- The AKIG platform in miniature: the five tables its runbook calls critical, with the keys that tie them together.
BEGIN;

CREATE TABLE users (
    id bigserial PRIMARY KEY,
    email text NOT NULL UNIQUE,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('tenant', 'owner', 'agent')),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE properties (
    id bigserial PRIMARY KEY,
    owner_id bigint NOT NULL REFERENCES users (id),
    address text NOT NULL,
    city text NOT NULL,
    surface_m2 numeric(7, 2) NOT NULL CHECK (surface_m2 > 0)
);
CREATE INDEX properties_owner_id ON properties (owner_id);
CREATE INDEX properties_city ON properties (city);

CREATE TABLE contracts (
    id bigserial PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users (id),
    property_id bigint NOT NULL REFERENCES properties (id),
    status text NOT NULL CHECK (status IN ('draft', 'active', 'ended')),
    rent numeric(12, 2) NOT NULL CHECK (rent > 0),
    starts_on date NOT NULL,
    ends_on date CHECK (ends_on > starts_on)
);
CREATE INDEX contracts_user_id ON contracts (user_id);
CREATE INDEX contracts_property_id ON contracts (property_id);

CREATE TABLE payments (
    id bigserial PRIMARY KEY,
    contract_id bigint NOT NULL REFERENCES contracts (id),
    amount numeric(12, 2) NOT NULL CHECK (amount > 0),
    reference text NOT NULL UNIQUE,
    paid_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX payments_contract_id ON payments (contract_id);

CREATE TABLE invoices (
    id bigserial PRIMARY KEY,
    contract_id bigint NOT NULL REFERENCES contracts (id),
    payment_id bigint REFERENCES payments (id),
    number text NOT NULL UNIQUE,
    amount numeric(12, 2) NOT NULL,
    issued_on date NOT NULL,
    note text
);
CREATE INDEX invoices_contract_id ON invoices (contract_id);
CREATE INDEX invoices_payment_id ON invoices (payment_id);

COMMIT;
