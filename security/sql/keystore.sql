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
-- what a tenant's key is known by without being shown: a provider that hands back another one is caught by it
ALTER TABLE keys.tenant_key ADD COLUMN IF NOT EXISTS proof bytea CHECK (octet_length(proof) = 16);
-- a destroyed key keeps its row: which it was (SHA-256 of its wrapped form, by which a copy of it in an old
-- backup is recognised) and when it went
ALTER TABLE keys.tenant_key ADD COLUMN IF NOT EXISTS state text NOT NULL DEFAULT 'active'
  CHECK (state IN ('active', 'disabled', 'destroyed'));
ALTER TABLE keys.tenant_key ADD COLUMN IF NOT EXISTS fingerprint bytea;
ALTER TABLE keys.tenant_key ADD COLUMN IF NOT EXISTS changed_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE keys.tenant_key ALTER COLUMN wrapped DROP NOT NULL;
ALTER TABLE keys.purpose_key ADD COLUMN IF NOT EXISTS fingerprint bytea;
ALTER TABLE keys.purpose_key ADD COLUMN IF NOT EXISTS changed_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE keys.purpose_key ALTER COLUMN wrapped DROP NOT NULL;
ALTER TABLE keys.tenant_key DROP CONSTRAINT IF EXISTS gone;
ALTER TABLE keys.tenant_key ADD CONSTRAINT gone
  CHECK ((state = 'destroyed') = (wrapped IS NULL) AND (state = 'destroyed') = (fingerprint IS NOT NULL));
ALTER TABLE keys.purpose_key DROP CONSTRAINT IF EXISTS gone;
ALTER TABLE keys.purpose_key ADD CONSTRAINT gone
  CHECK ((state = 'destroyed') = (wrapped IS NULL) AND (state = 'destroyed') = (fingerprint IS NOT NULL));
-- one number, raised with every change of a state; processes compare it and forget what they had opened before
CREATE TABLE IF NOT EXISTS keys.epoch (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), epoch bigint NOT NULL);
INSERT INTO keys.epoch (epoch) VALUES (1) ON CONFLICT DO NOTHING;
-- whom companies had us forget: ids and keyed hashes. Here, because a restore of the data does not reach it, and
-- does again what stands here before anything is served (docs/adr: erasure)
CREATE TABLE IF NOT EXISTS keys.tombstone (
  tenant_id uuid NOT NULL, erasure_id uuid NOT NULL, customer_id uuid, marks jsonb NOT NULL,
  asked_by uuid NOT NULL, asked_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, erasure_id));
-- for how long companies keep what, and what may not be removed: ids, days, instants. Here for the same reason
CREATE TABLE IF NOT EXISTS keys.standing_order (
  tenant_id uuid PRIMARY KEY, body jsonb NOT NULL, noted_at timestamptz NOT NULL);
CREATE OR REPLACE FUNCTION keys.guard_state() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
    RAISE EXCEPTION 'rows of keys are kept: destroy the key instead' USING ERRCODE = '42501';
  END IF;
  IF OLD.state = 'destroyed' THEN
    RAISE EXCEPTION 'a destroyed key never changes' USING ERRCODE = '42501';
  END IF;
  IF NEW.state <> OLD.state THEN
    IF NOT (OLD.state, NEW.state) IN (('pending', 'active'), ('active', 'decrypt_only'), ('active', 'disabled'),
        ('decrypt_only', 'disabled'), ('disabled', 'decrypt_only'), ('disabled', 'active'),
        ('pending', 'destroyed'), ('active', 'destroyed'), ('decrypt_only', 'destroyed'), ('disabled', 'destroyed')) THEN
      RAISE EXCEPTION 'a key does not go from % to %', OLD.state, NEW.state USING ERRCODE = '42501';
    END IF;
    NEW.changed_at := clock_timestamp();
    IF NEW.state = 'destroyed' THEN
      NEW.fingerprint := sha256(OLD.wrapped);
      NEW.wrapped := NULL;
    END IF;
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION keys.raise_epoch() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE keys.epoch SET epoch = epoch + 1;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER guard_state BEFORE UPDATE OR DELETE ON keys.tenant_key
  FOR EACH ROW EXECUTE FUNCTION keys.guard_state();
CREATE OR REPLACE TRIGGER guard_state BEFORE UPDATE OR DELETE ON keys.purpose_key
  FOR EACH ROW EXECUTE FUNCTION keys.guard_state();
CREATE OR REPLACE TRIGGER guard_truncate BEFORE TRUNCATE ON keys.tenant_key
  FOR EACH STATEMENT EXECUTE FUNCTION keys.guard_state();
CREATE OR REPLACE TRIGGER guard_truncate BEFORE TRUNCATE ON keys.purpose_key
  FOR EACH STATEMENT EXECUTE FUNCTION keys.guard_state();
CREATE OR REPLACE TRIGGER raise_epoch AFTER UPDATE ON keys.tenant_key
  FOR EACH STATEMENT EXECUTE FUNCTION keys.raise_epoch();
CREATE OR REPLACE TRIGGER raise_epoch AFTER UPDATE ON keys.purpose_key
  FOR EACH STATEMENT EXECUTE FUNCTION keys.raise_epoch();
-- a version that follows another is looked for by every process before any writes with it: see Keystore.series
CREATE OR REPLACE TRIGGER raise_epoch_of_next AFTER INSERT ON keys.purpose_key
  FOR EACH ROW WHEN (NEW.version > 1) EXECUTE FUNCTION keys.raise_epoch();
RESET ROLE;
