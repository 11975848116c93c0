-- The database's half of the walls, run by an administrator; every statement may run again.
-- Source: the tested design in docs/adr/0003-walls.md. Roles:
--   seatline_owner    owns schema app, cannot log in          seatline_migrator  may become the owner
--   seatline_policy   owns schema sec (context, MAC keys)     seatline_app       web, switchboard, workers
--   seatline_bill     bulk usage into staging, nothing else   seatline_backup    reads all, for dumps
--   seatline_eraser   owns schema erase: the only ways to take a person out of rows that never change
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
-- Where a transaction's context stands: a parameter that only who was granted it can set, so what is read there was written
-- by sec.enter. No custom one can be kept like that; of PostgreSQL's own this is the one without any effect: it names
-- functions of the server whose errors are logged with a backtrace, and none is called seatline_... (docs/adr/0048)
REVOKE ALL ON PARAMETER backtrace_functions FROM PUBLIC, seatline_app, seatline_bill, seatline_owner, seatline_migrator;
GRANT SET ON PARAMETER backtrace_functions TO seatline_policy;

SET ROLE seatline_policy;

-- HMAC-SHA256 keys as the two padded halves, so that core sha256() is enough and pgcrypto is not needed
CREATE TABLE IF NOT EXISTS sec.mac_key (
  kid smallint PRIMARY KEY, purpose text NOT NULL CHECK (purpose IN ('app', 'db')),  -- 'db': of releases before 0048
  k_ipad bytea NOT NULL, k_opad bytea NOT NULL, not_after timestamptz NOT NULL);
DROP INDEX IF EXISTS sec.one_key_of_capabilities;
DELETE FROM sec.mac_key WHERE purpose = 'db';

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
-- the agreements agents sign before they enter: the operator's and each tenant's, by version. The text itself
-- stands in app.agreements; here is what the gate asks. Nothing is ever changed or removed.
CREATE TABLE IF NOT EXISTS sec.agreement (
  tenant_id uuid NOT NULL, version integer NOT NULL CHECK (version > 0), digest bytea NOT NULL CHECK (octet_length(digest) = 32),
  effective_from timestamptz NOT NULL, grace_days integer NOT NULL CHECK (grace_days BETWEEN 0 AND 90),
  PRIMARY KEY (tenant_id, version));
-- who signed what; 'revoked' shuts a signer out, 'admitted' lets them sign anew
CREATE TABLE IF NOT EXISTS sec.signature (
  tenant_id uuid NOT NULL, principal uuid NOT NULL, number integer NOT NULL, at timestamptz NOT NULL,
  act text NOT NULL CHECK (act IN ('signed', 'revoked', 'admitted')),
  version integer, method text, proof bytea,
  PRIMARY KEY (tenant_id, principal, number),
  CHECK ((act = 'signed') = (version IS NOT NULL AND method IS NOT NULL AND octet_length(proof) = 32)));
CREATE INDEX IF NOT EXISTS signature_of_principal ON sec.signature (principal);
-- break-glass: one of the operator's people looks into a tenant, by the word of a second, for an hour at most
CREATE TABLE IF NOT EXISTS sec.glass (
  id uuid PRIMARY KEY, tenant_id uuid NOT NULL, requester uuid NOT NULL, reason text NOT NULL, ticket text NOT NULL,
  minutes integer NOT NULL CHECK (minutes BETWEEN 1 AND 60), asked_at timestamptz NOT NULL,
  approver uuid CHECK (approver <> requester), approved_at timestamptz, until timestamptz,
  reviewer uuid CHECK (reviewer <> requester), reviewed_at timestamptz,
  noted_at timestamptz,  -- when the tenant's evidence log last said that it is looked at
  CHECK ((approver IS NULL) = (until IS NULL) AND until <= approved_at + interval '60 minutes'));
REVOKE ALL ON sec.mac_key, sec.registry, sec.directory, sec.agreement, sec.signature, sec.glass FROM PUBLIC;
-- a restored database gets MAC keys of its own, so no backup carries one
GRANT SELECT ON sec.registry, sec.directory, sec.agreement, sec.signature, sec.glass TO seatline_backup;

CREATE OR REPLACE FUNCTION sec._mac(ip bytea, op bytea, msg text) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp AS $$ SELECT sha256(op || sha256(ip || convert_to(msg, 'UTF8'))) $$;

-- the lowest version that still opens: the newest whose time of grace is over, and while there is none the first
CREATE OR REPLACE FUNCTION sec._least_version(tenant uuid) RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER
  PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(max(version) FILTER (WHERE effective_from + make_interval(days => grace_days) <= clock_timestamp()),
                  min(version))
    FROM sec.agreement WHERE tenant_id = tenant AND effective_from <= clock_timestamp() $$;

-- has this principal signed what the tenant asks for, and has nobody revoked it since?
CREATE OR REPLACE FUNCTION sec._has_signed(tenant uuid, who uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
  PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce((SELECT max(s.version) FROM sec.signature s
    WHERE s.tenant_id = tenant AND s.principal = who AND s.act = 'signed' AND s.number > coalesce((
      SELECT max(r.number) FROM sec.signature r
       WHERE r.tenant_id = tenant AND r.principal = who AND r.act = 'revoked'), 0)) >= sec._least_version(tenant), false) $$;

-- an agent works for a tenant by two agreements: the operator's own and the tenant's
CREATE OR REPLACE FUNCTION sec._may_serve(tenant uuid, who uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
  PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce((SELECT sec._has_signed(r.tenant_id, who) FROM sec.registry r WHERE r.is_operator), false)
     AND sec._has_signed(tenant, who) $$;

-- enter a tenant's context for the rest of this transaction.
-- token: v2.<kid>.<tenant>.<principal>.<kind>.<expires>.<backend>.<nonce>.<mac>, minted by security.gate for this connection:
-- seen on the wire it is worth nothing from another (docs/adr)
CREATE OR REPLACE FUNCTION sec.enter(tok text) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER PARALLEL UNSAFE
  SET search_path = pg_catalog, pg_temp AS $$
DECLARE p text[] := string_to_array(tok, '.'); k sec.mac_key; body text; ctx text; cur text; state text;
BEGIN
  IF coalesce(array_length(p, 1), 0) <> 9 OR p[1] <> 'v2' OR p[2] !~ '^[0-9]{1,4}$' OR p[6] !~ '^[0-9]{1,12}$'
     OR p[9] !~ '^[0-9a-f]{64}$' THEN
    RAISE EXCEPTION 'bad tenant token' USING ERRCODE = '42501'; END IF;
  SELECT * INTO k FROM sec.mac_key WHERE kid = p[2]::smallint AND purpose = 'app' AND not_after > clock_timestamp();
  IF NOT FOUND THEN RAISE EXCEPTION 'bad tenant token' USING ERRCODE = '42501'; END IF;
  body := array_to_string(p[1:8], '.');
  IF sha256(k.k_opad || sec._mac(k.k_ipad, k.k_opad, body)) <> sha256(k.k_opad || decode(p[9], 'hex'))
     OR to_timestamp(p[6]::bigint) < clock_timestamp()
     OR p[7] <> pg_backend_pid()::text THEN
    RAISE EXCEPTION 'bad tenant token' USING ERRCODE = '42501'; END IF;
  -- one context per transaction
  ctx := 'seatline_' || replace(p[3]::uuid::text, '-', '') || '_' || replace(p[4]::uuid::text, '-', '') || '_' || p[5];
  cur := current_setting('backtrace_functions');
  IF starts_with(cur, 'seatline_') AND cur <> ctx THEN
    RAISE EXCEPTION 'tenant context already set in this transaction' USING ERRCODE = '42501'; END IF;
  SELECT status INTO state FROM sec.registry WHERE tenant_id = p[3]::uuid;
  IF state IS NULL OR (state <> 'active' AND p[5] <> 'system') THEN
    RAISE EXCEPTION 'tenant not active' USING ERRCODE = '42501'; END IF;
  IF p[5] = 'agent' AND NOT sec._may_serve(p[3]::uuid, p[4]::uuid) THEN
    RAISE EXCEPTION 'agreement not signed' USING ERRCODE = '42501'; END IF;
  -- looking in by break-glass: a grant of this very person that runs, the tenant's log has just said so, and nothing is written
  IF p[5] = 'breakglass' THEN
    IF NOT EXISTS (SELECT 1 FROM sec.glass g WHERE g.tenant_id = p[3]::uuid AND g.requester = p[4]::uuid
        AND g.until > clock_timestamp() AND g.noted_at > clock_timestamp() - interval '30 seconds') THEN
      RAISE EXCEPTION 'no break-glass' USING ERRCODE = '42501'; END IF;
    PERFORM set_config('transaction_read_only', 'on', true);
  END IF;
  PERFORM set_config('backtrace_functions', ctx, true);
END $$;

CREATE OR REPLACE FUNCTION sec._no_context() RETURNS text LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$
BEGIN RAISE EXCEPTION 'no valid tenant context' USING ERRCODE = '42501'; END $$;

-- Every fence asks this in every statement: an expression, inlined into the statement's plan. It is nobody's in particular
-- (SECURITY INVOKER), and its names were bound to their functions when it was made, whatever path its caller sets.
CREATE OR REPLACE FUNCTION sec.tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL RESTRICTED
  RETURN CASE WHEN starts_with(current_setting('backtrace_functions'), 'seatline_')
    THEN substr(current_setting('backtrace_functions'), 10, 32) ELSE sec._no_context() END::uuid;

CREATE OR REPLACE FUNCTION sec.principal() RETURNS uuid LANGUAGE sql STABLE PARALLEL RESTRICTED
  RETURN CASE WHEN starts_with(current_setting('backtrace_functions'), 'seatline_')
    THEN substr(current_setting('backtrace_functions'), 43, 32) ELSE sec._no_context() END::uuid;

CREATE OR REPLACE FUNCTION sec.kind() RETURNS text LANGUAGE sql STABLE PARALLEL RESTRICTED
  RETURN CASE WHEN starts_with(current_setting('backtrace_functions'), 'seatline_')
    THEN substr(current_setting('backtrace_functions'), 76) ELSE sec._no_context() END;

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

-- a new version of the context's own agreement; returns its number
CREATE OR REPLACE FUNCTION sec.publish_agreement(sha bytea, from_when timestamptz, days integer) RETURNS integer
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE whose uuid := sec.tenant(); newest sec.agreement;
BEGIN
  IF sec.kind() = 'agent' THEN RAISE EXCEPTION 'not for agents' USING ERRCODE = '42501'; END IF;
  SELECT * INTO newest FROM sec.agreement WHERE tenant_id = whose ORDER BY version DESC LIMIT 1;
  IF newest.effective_from > from_when THEN
    RAISE EXCEPTION 'before the version that stands' USING ERRCODE = '22023'; END IF;
  INSERT INTO sec.agreement VALUES (whose, coalesce(newest.version, 0) + 1, sha, from_when, days);
  RETURN coalesce(newest.version, 0) + 1;
END $$;

-- the context's own principal signs the context's own agreement: nobody signs for somebody else
CREATE OR REPLACE FUNCTION sec.sign_agreement(which integer, sha bytea, how text, evidence bytea) RETURNS void
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE whose uuid := sec.tenant(); who uuid := sec.principal(); lastly sec.signature; barred text;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM sec.agreement WHERE tenant_id = whose AND version = which AND digest = sha) THEN
    RAISE EXCEPTION 'no such agreement' USING ERRCODE = '22023'; END IF;
  SELECT act INTO barred FROM sec.signature WHERE tenant_id = whose AND principal = who AND act <> 'signed'
    ORDER BY number DESC LIMIT 1;
  IF barred = 'revoked' THEN RAISE EXCEPTION 'signature revoked' USING ERRCODE = '42501'; END IF;
  SELECT * INTO lastly FROM sec.signature WHERE tenant_id = whose AND principal = who ORDER BY number DESC LIMIT 1;
  INSERT INTO sec.signature VALUES
    (whose, who, coalesce(lastly.number, 0) + 1, clock_timestamp(), 'signed', which, how, evidence);
END $$;

-- shut a signer out of the context's own tenant, or let them sign anew
CREATE OR REPLACE FUNCTION sec.settle_signer(who uuid, what text) RETURNS void
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE whose uuid := sec.tenant(); so_far integer;
BEGIN
  IF sec.kind() = 'agent' OR what NOT IN ('revoked', 'admitted') THEN
    RAISE EXCEPTION 'not for agents' USING ERRCODE = '42501'; END IF;
  SELECT max(number) INTO so_far FROM sec.signature WHERE tenant_id = whose AND principal = who;
  INSERT INTO sec.signature VALUES (whose, who, coalesce(so_far, 0) + 1, clock_timestamp(), what);
END $$;

-- what was signed and revoked of the context's own agreement
CREATE OR REPLACE FUNCTION sec.signatures() RETURNS TABLE (principal uuid, number integer, at timestamptz, act text,
  version integer, method text) LANGUAGE sql STABLE SECURITY DEFINER PARALLEL RESTRICTED
  SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.principal, s.number, s.at, s.act, s.version, s.method FROM sec.signature s WHERE s.tenant_id = sec.tenant() $$;

-- whom some principals may serve now, for the operator, who routes the calls
CREATE OR REPLACE FUNCTION sec.served(people uuid[]) RETURNS TABLE (principal uuid, tenant_id uuid)
  LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT sec.is_operator() THEN RAISE EXCEPTION 'only the operator asks this' USING ERRCODE = '42501'; END IF;
  -- sec._may_serve for all at once: a floor of a thousand agents is asked about in one statement
  RETURN QUERY
  WITH mine AS (SELECT * FROM sec.signature s WHERE s.principal = ANY (people)),
  barred AS (SELECT m.tenant_id AS whose, m.principal AS who, max(m.number) AS number FROM mine m
              WHERE m.act = 'revoked' GROUP BY 1, 2),
  best AS (SELECT m.tenant_id AS whose, m.principal AS who, max(m.version) AS version FROM mine m
             LEFT JOIN barred b ON b.whose = m.tenant_id AND b.who = m.principal
            WHERE m.act = 'signed' AND m.number > coalesce(b.number, 0) GROUP BY 1, 2),
  good AS (SELECT best.* FROM best JOIN (SELECT DISTINCT best.whose, sec._least_version(best.whose) AS version FROM best) l
             ON l.whose = best.whose AND best.version >= l.version)
  SELECT good.who, good.whose FROM good
    JOIN good own ON own.who = good.who AND own.whose = (SELECT r.tenant_id FROM sec.registry r WHERE r.is_operator);
END $$;

-- break-glass, step by step; who acts is always the context's own principal, and the context the operator's
CREATE OR REPLACE FUNCTION sec._operators_person() RETURNS uuid LANGUAGE plpgsql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT sec.is_operator() OR sec.kind() <> 'user' THEN
    RAISE EXCEPTION 'only the operator''s people' USING ERRCODE = '42501'; END IF;
  RETURN sec.principal();
END $$;

CREATE OR REPLACE FUNCTION sec.ask_glass(which uuid, tenant uuid, why text, ref text, mins integer) RETURNS void
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO sec.glass (id, tenant_id, requester, reason, ticket, minutes, asked_at)
    SELECT which, r.tenant_id, sec._operators_person(), why, ref, mins, clock_timestamp()
      FROM sec.registry r WHERE r.tenant_id = tenant AND NOT r.is_operator;
  IF NOT FOUND THEN RAISE EXCEPTION 'no such tenant' USING ERRCODE = '22023'; END IF;
END $$;

-- by somebody else, once, and within the hour in which it was asked
CREATE OR REPLACE FUNCTION sec.approve_glass(which uuid) RETURNS timestamptz
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE over timestamptz; who uuid := sec._operators_person();
BEGIN
  UPDATE sec.glass SET approver = who, approved_at = clock_timestamp(),
         until = clock_timestamp() + make_interval(mins => minutes)
   WHERE id = which AND approver IS NULL AND requester <> who AND asked_at > clock_timestamp() - interval '60 minutes'
   RETURNING until INTO over;
  IF over IS NULL THEN RAISE EXCEPTION 'not to be approved' USING ERRCODE = '42501'; END IF;
  RETURN over;
END $$;

-- in the tenant's context, in the transaction that writes the look into its evidence log
CREATE OR REPLACE FUNCTION sec.note_glass(which uuid) RETURNS void
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE sec.glass SET noted_at = clock_timestamp()
   WHERE id = which AND tenant_id = sec.tenant() AND requester = sec.principal() AND until > clock_timestamp();
  IF NOT FOUND THEN RAISE EXCEPTION 'no break-glass' USING ERRCODE = '42501'; END IF;
END $$;

-- before its time: by whoever of the operator's people sees that it is open
CREATE OR REPLACE FUNCTION sec.end_glass(which uuid) RETURNS timestamptz
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE over timestamptz;
BEGIN
  PERFORM sec._operators_person();
  UPDATE sec.glass SET until = clock_timestamp() WHERE id = which AND until > clock_timestamp() RETURNING until INTO over;
  IF over IS NULL THEN RAISE EXCEPTION 'not open' USING ERRCODE = '42501'; END IF;
  RETURN over;
END $$;

CREATE OR REPLACE FUNCTION sec.review_glass(which uuid) RETURNS void
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE who uuid := sec._operators_person();
BEGIN
  UPDATE sec.glass SET reviewer = who, reviewed_at = clock_timestamp()
   WHERE id = which AND until <= clock_timestamp() AND reviewer IS NULL AND requester <> who;
  IF NOT FOUND THEN RAISE EXCEPTION 'not to be reviewed' USING ERRCODE = '42501'; END IF;
END $$;

CREATE OR REPLACE FUNCTION sec.glasses() RETURNS SETOF sec.glass LANGUAGE plpgsql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT sec.is_operator() THEN RAISE EXCEPTION 'only the operator''s people' USING ERRCODE = '42501'; END IF;
  RETURN QUERY SELECT * FROM sec.glass ORDER BY asked_at DESC LIMIT 200;
END $$;

REVOKE ALL ON FUNCTION sec._operators_person(), sec.ask_glass(uuid, uuid, text, text, integer), sec.approve_glass(uuid),
  sec.note_glass(uuid), sec.end_glass(uuid), sec.review_glass(uuid), sec.glasses() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sec.ask_glass(uuid, uuid, text, text, integer), sec.approve_glass(uuid), sec.note_glass(uuid),
  sec.end_glass(uuid), sec.review_glass(uuid), sec.glasses() TO seatline_app;
REVOKE ALL ON FUNCTION sec._least_version(uuid), sec._has_signed(uuid, uuid), sec._may_serve(uuid, uuid),
  sec.publish_agreement(bytea, timestamptz, integer), sec.sign_agreement(integer, bytea, text, bytea),
  sec.settle_signer(uuid, text), sec.signatures(), sec.served(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sec.publish_agreement(bytea, timestamptz, integer), sec.sign_agreement(integer, bytea, text, bytea),
  sec.settle_signer(uuid, text), sec.signatures(), sec.served(uuid[]) TO seatline_app;
-- a company that is deleted is known by nothing any more: its people's sign-in names can be used again elsewhere
CREATE OR REPLACE FUNCTION sec.unregister_all() RETURNS bigint LANGUAGE plpgsql VOLATILE
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE gone bigint;
BEGIN
  IF sec.kind() <> 'system' OR EXISTS (SELECT 1 FROM sec.registry WHERE tenant_id = sec.tenant() AND status <> 'closed') THEN
    RAISE EXCEPTION 'only a closed tenant leaves the directory' USING ERRCODE = '42501'; END IF;
  DELETE FROM sec.directory WHERE tenant_id = sec.tenant();
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END $$;

DROP FUNCTION IF EXISTS sec._ctx_ok(text), sec._signature(bytea, bytea, text);  -- of releases before this one
REVOKE ALL ON FUNCTION sec._mac(bytea, bytea, text), sec._no_context(), sec.enter(text), sec.tenant(), sec.principal(), sec.kind(),
  sec.is_operator(), sec.admit(uuid, text), sec.resolve(text, bytea), sec.register(text, bytea, uuid),
  sec.unregister(text, bytea), sec.unregister_all() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sec.enter(text), sec._no_context(), sec.tenant(), sec.principal(), sec.kind(), sec.is_operator(), sec.admit(uuid, text),
  sec.resolve(text, bytea), sec.register(text, bytea, uuid), sec.unregister(text, bytea),
  sec.unregister_all() TO seatline_app;
GRANT EXECUTE ON FUNCTION sec._no_context(), sec.tenant(), sec.is_operator() TO seatline_owner, seatline_bill;
GRANT EXECUTE ON FUNCTION sec.enter(text) TO seatline_owner;
RESET ROLE;

-- Rows that never change are let go of for one reason: somebody is to be forgotten, or their time is up. The triggers
-- that freeze them let this role pass, and nobody has it but these functions; the fence stands for them as for all.
GRANT USAGE ON SCHEMA app, sec TO seatline_eraser;
SET ROLE seatline_policy;
GRANT EXECUTE ON FUNCTION sec._no_context(), sec.tenant() TO seatline_eraser;
RESET ROLE;
CREATE SCHEMA IF NOT EXISTS erase AUTHORIZATION seatline_eraser;
GRANT USAGE ON SCHEMA erase TO seatline_app;
SET ROLE seatline_eraser;
-- consents of a number, with their proof
CREATE OR REPLACE FUNCTION erase.consents(marks bytea[]) RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
DECLARE gone bigint;
BEGIN
  DELETE FROM app.consents WHERE tenant_id = sec.tenant() AND phone_index = ANY (marks);
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END $$;
-- the number in calls placed: the sealed one goes, its hash in the gate's decision becomes nobody's
CREATE OR REPLACE FUNCTION erase.dials(marks bytea[], customer uuid) RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
DECLARE gone bigint;
BEGIN
  UPDATE app.outbound_dials o SET to_ct = NULL, customer_id = NULL
   WHERE o.tenant_id = sec.tenant() AND o.outcome IS NOT NULL AND (o.customer_id = customer OR o.attempt_id IN (
     SELECT d.attempt_id FROM app.dial_decisions d WHERE d.tenant_id = sec.tenant() AND d.to_index = ANY (marks)));
  GET DIAGNOSTICS gone = ROW_COUNT;
  UPDATE app.dial_decisions d SET to_index = decode(repeat('00', 16), 'hex')
   WHERE d.tenant_id = sec.tenant() AND d.to_index = ANY (marks);
  RETURN gone;
END $$;
-- what became of attempts to reach leads that are going
CREATE OR REPLACE FUNCTION erase.attempts(leads uuid[]) RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
DECLARE gone bigint;
BEGIN
  DELETE FROM app.lead_attempts WHERE tenant_id = sec.tenant() AND lead_id = ANY (leads);
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END $$;
REVOKE ALL ON FUNCTION erase.consents(bytea[]), erase.dials(bytea[], uuid), erase.attempts(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase.consents(bytea[]), erase.dials(bytea[], uuid), erase.attempts(uuid[]) TO seatline_app;
RESET ROLE;
