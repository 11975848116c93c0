-- The database's half of the walls, run by an administrator; every statement may run again.
-- Source: the tested design in docs/adr/0003-walls.md. Roles:
--   seatline_owner    owns schema app, cannot log in          seatline_migrator  may become the owner
--   seatline_policy   owns schema sec (context, MAC keys)     seatline_app       web, switchboard, workers
--   seatline_bill     bulk usage into staging, nothing else   seatline_backup    reads all, for dumps
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_create(oid), pg_catalog.lo_creat(integer),
  pg_catalog.lo_from_bytea(oid, bytea), pg_catalog.lo_put(oid, bigint, bytea), pg_catalog.lo_open(oid, integer),
  pg_catalog.lo_get(oid), pg_catalog.lo_get(oid, bigint, integer), pg_catalog.lo_unlink(oid) FROM PUBLIC;

CREATE SCHEMA IF NOT EXISTS ext;
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA ext;
CREATE SCHEMA IF NOT EXISTS app AUTHORIZATION seatline_owner;
CREATE SCHEMA IF NOT EXISTS meta AUTHORIZATION seatline_owner;
CREATE SCHEMA IF NOT EXISTS sec AUTHORIZATION seatline_policy;
GRANT USAGE ON SCHEMA ext TO seatline_owner, seatline_app, seatline_bill, seatline_backup;
GRANT USAGE ON SCHEMA app TO seatline_app, seatline_bill, seatline_policy, seatline_backup;
GRANT USAGE ON SCHEMA sec TO seatline_app, seatline_owner, seatline_bill, seatline_backup;
GRANT USAGE ON SCHEMA meta TO seatline_app, seatline_backup;

SET ROLE seatline_policy;

-- HMAC-SHA256 keys as the two padded halves, so that core sha256() is enough and pgcrypto is not needed
CREATE TABLE IF NOT EXISTS sec.mac_key (
  kid smallint PRIMARY KEY, purpose text NOT NULL CHECK (purpose IN ('app', 'db')),
  k_ipad bytea NOT NULL, k_opad bytea NOT NULL, not_after timestamptz NOT NULL);

-- which tenants exist, and whether their door is open
CREATE TABLE IF NOT EXISTS sec.registry (
  tenant_id uuid PRIMARY KEY, is_operator boolean NOT NULL DEFAULT false,
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'closed')));
CREATE UNIQUE INDEX IF NOT EXISTS one_operator ON sec.registry (is_operator) WHERE is_operator;

-- from a hashed key (sign-in name, session, API key, telephone number) to the tenant it belongs to.
-- The one place where a key is unique across tenants: two tenants can never hold one number.
CREATE TABLE IF NOT EXISTS sec.directory (
  kind text NOT NULL, key bytea NOT NULL, tenant_id uuid NOT NULL, ref_id uuid NOT NULL,
  PRIMARY KEY (kind, key));
CREATE INDEX IF NOT EXISTS directory_of_tenant ON sec.directory (tenant_id, kind);
REVOKE ALL ON sec.mac_key, sec.registry, sec.directory FROM PUBLIC;
-- a restored database gets MAC keys of its own, so no backup carries one
GRANT SELECT ON sec.registry, sec.directory TO seatline_backup;

CREATE OR REPLACE FUNCTION sec._mac(ip bytea, op bytea, msg text) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp AS $$ SELECT sha256(op || sha256(ip || convert_to(msg, 'UTF8'))) $$;

-- is this capability ours, minted for this backend and this very transaction?
-- Every fence asks this in every statement, so it costs what it must and no more (docs/benchmarks.md): it is no
-- definer itself, which saves setting the path twice, and only definers of ours, whose path is set, may call it.
CREATE OR REPLACE FUNCTION sec._ctx_ok(c text) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY INVOKER
  PARALLEL RESTRICTED AS $$
DECLARE p text[] := pg_catalog.string_to_array(c, '|'); ip bytea; op bytea;
BEGIN
  SELECT k_ipad, k_opad INTO ip, op FROM sec.mac_key WHERE kid::text = p[6] AND purpose = 'db';
  RETURN ip IS NOT NULL
     AND p[4] = pg_backend_pid()::text
     AND p[5] = ((extract(epoch FROM transaction_timestamp()) * 1000000)::bigint)::text
     -- both sides are hashed once more, so that the comparison's time tells nothing of the right one
     AND sha256(op || convert_to(encode(sha256(op || sha256(ip || convert_to(left(c, -65), 'UTF8'))), 'hex'), 'UTF8'))
       = sha256(op || convert_to(right(c, 64), 'UTF8'));
END $$;

-- enter a tenant's context for the rest of this transaction.
-- token: v1.<kid>.<tenant>.<principal>.<kind>.<expires>.<nonce>.<mac>, minted by security.gate
CREATE OR REPLACE FUNCTION sec.enter(tok text) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE
  SET search_path = pg_catalog, pg_temp AS $$
DECLARE p text[] := string_to_array(tok, '.'); k sec.mac_key; d sec.mac_key; body text; cap text; cur text; state text;
BEGIN
  IF coalesce(array_length(p, 1), 0) <> 8 OR p[1] <> 'v1' OR p[2] !~ '^[0-9]{1,4}$' OR p[6] !~ '^[0-9]{1,12}$'
     OR p[8] !~ '^[0-9a-f]{64}$' THEN
    RAISE EXCEPTION 'bad tenant token' USING ERRCODE = '42501'; END IF;
  SELECT * INTO k FROM sec.mac_key WHERE kid = p[2]::smallint AND purpose = 'app' AND not_after > clock_timestamp();
  IF NOT FOUND THEN RAISE EXCEPTION 'bad tenant token' USING ERRCODE = '42501'; END IF;
  body := array_to_string(p[1:7], '.');
  IF sha256(k.k_opad || sec._mac(k.k_ipad, k.k_opad, body)) <> sha256(k.k_opad || decode(p[8], 'hex'))
     OR to_timestamp(p[6]::bigint) < clock_timestamp() THEN
    RAISE EXCEPTION 'bad tenant token' USING ERRCODE = '42501'; END IF;
  -- one context per transaction
  cur := current_setting('seatline.ctx', true);
  IF cur IS NOT NULL AND cur <> '' AND sec._ctx_ok(cur)
     AND (split_part(cur, '|', 1), split_part(cur, '|', 2), split_part(cur, '|', 3)) <> (p[3], p[4], p[5]) THEN
    RAISE EXCEPTION 'tenant context already set in this transaction' USING ERRCODE = '42501'; END IF;
  SELECT status INTO state FROM sec.registry WHERE tenant_id = p[3]::uuid;
  IF state IS NULL OR (state <> 'active' AND p[5] <> 'system') THEN
    RAISE EXCEPTION 'tenant not active' USING ERRCODE = '42501'; END IF;
  SELECT * INTO d FROM sec.mac_key WHERE purpose = 'db' AND not_after > clock_timestamp() ORDER BY kid DESC LIMIT 1;
  cap := p[3] || '|' || p[4] || '|' || p[5] || '|' || pg_backend_pid() || '|'
      || (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint || '|' || d.kid;
  PERFORM set_config('seatline.ctx', cap || '|' || encode(sec._mac(d.k_ipad, d.k_opad, cap), 'hex'), true);
END $$;

CREATE OR REPLACE FUNCTION sec.tenant() RETURNS uuid LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
  SET search_path = pg_catalog, pg_temp AS $$
DECLARE c text := current_setting('seatline.ctx', true);
BEGIN
  IF c IS NULL OR c = '' OR NOT sec._ctx_ok(c) THEN
    RAISE EXCEPTION 'no valid tenant context' USING ERRCODE = '42501'; END IF;
  RETURN split_part(c, '|', 1)::uuid;
END $$;

CREATE OR REPLACE FUNCTION sec.principal() RETURNS uuid LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM sec.tenant();
  RETURN split_part(current_setting('seatline.ctx', true), '|', 2)::uuid;
END $$;

CREATE OR REPLACE FUNCTION sec.kind() RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM sec.tenant();
  RETURN split_part(current_setting('seatline.ctx', true), '|', 3);
END $$;

CREATE OR REPLACE FUNCTION sec.is_operator() RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN EXISTS (SELECT 1 FROM sec.registry WHERE tenant_id = sec.tenant() AND is_operator);
END $$;

-- the operator admits a tenant, suspends it, closes it
CREATE OR REPLACE FUNCTION sec.admit(tenant uuid, new_status text) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT sec.is_operator() THEN RAISE EXCEPTION 'only the operator admits tenants' USING ERRCODE = '42501'; END IF;
  INSERT INTO sec.registry (tenant_id, status) VALUES (tenant, new_status)
    ON CONFLICT (tenant_id) DO UPDATE SET status = excluded.status;
END $$;

CREATE OR REPLACE FUNCTION sec.resolve(what text, hashed bytea) RETURNS TABLE (tenant_id uuid, ref_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
  SELECT d.tenant_id, d.ref_id FROM sec.directory d WHERE d.kind = what AND d.key = hashed $$;

CREATE OR REPLACE FUNCTION sec.register(what text, hashed bytea, ref uuid) RETURNS void LANGUAGE plpgsql VOLATILE
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO sec.directory (kind, key, tenant_id, ref_id) VALUES (what, hashed, sec.tenant(), ref);
END $$;

CREATE OR REPLACE FUNCTION sec.unregister(what text, hashed bytea) RETURNS boolean LANGUAGE plpgsql VOLATILE
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM sec.directory WHERE kind = what AND key = hashed AND tenant_id = sec.tenant();
  RETURN FOUND;
END $$;

REVOKE ALL ON FUNCTION sec._mac(bytea, bytea, text), sec._ctx_ok(text), sec.enter(text), sec.tenant(), sec.principal(), sec.kind(),
  sec.is_operator(), sec.admit(uuid, text), sec.resolve(text, bytea), sec.register(text, bytea, uuid),
  sec.unregister(text, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sec.enter(text), sec.tenant(), sec.principal(), sec.kind(), sec.is_operator(), sec.admit(uuid, text),
  sec.resolve(text, bytea), sec.register(text, bytea, uuid), sec.unregister(text, bytea) TO seatline_app;
GRANT EXECUTE ON FUNCTION sec.tenant(), sec.is_operator() TO seatline_owner, seatline_bill;
GRANT EXECUTE ON FUNCTION sec.enter(text) TO seatline_owner;
RESET ROLE;
