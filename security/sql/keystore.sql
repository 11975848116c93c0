-- The keystore: a database of its own, with its own role and its own (short-lived) backups, so that no data
-- backup ever carries a key. Wrapped keys only. Every statement may run again.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS keys AUTHORIZATION seatline_keys;
SET ROLE seatline_keys;
-- one key per tenant, wrapped by the root key
CREATE TABLE IF NOT EXISTS keys.tenant_key (
  tenant_id uuid NOT NULL, version int NOT NULL, wrapped bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (tenant_id, version));
-- purpose keys, wrapped by the tenant's key; key_id is what a sealed value's header names
CREATE TABLE IF NOT EXISTS keys.purpose_key (
  tenant_id uuid NOT NULL, purpose text NOT NULL, version int NOT NULL,
  key_id int GENERATED ALWAYS AS IDENTITY UNIQUE, wrapped bytea NOT NULL,
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('pending', 'active', 'decrypt_only', 'disabled', 'destroyed')),
  created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (tenant_id, purpose, version));
CREATE UNIQUE INDEX IF NOT EXISTS one_active ON keys.purpose_key (tenant_id, purpose) WHERE state = 'active';
RESET ROLE;
