-- Every row returned is a violation of the walls. Run in the tests after the migrations and at every start,
-- which is refused when a row comes back. Twenty-three rules; what each guards stands in docs/adr/0003-walls.md and 0048-context-kept.md.
WITH t AS (SELECT c.oid, n.nspname, c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relowner::regrole::text AS owner
           FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname='app' AND c.relkind IN ('r','p')),
glob(relname) AS (VALUES ('outbox'), ('duties'), ('usage_staging'), ('invoice_series'), ('barred_prefixes'), ('switch_loads'), ('sellers')),  -- the platform tables: ids and values only, no personal data; each stands in docs/adr/0003-walls.md
scoped AS (SELECT * FROM t WHERE relname NOT IN (SELECT relname FROM glob))
SELECT 'no tenant_id NOT NULL uuid' AS violation, relname AS object FROM scoped s WHERE NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid=s.oid AND a.attname='tenant_id' AND a.attnotnull AND a.atttypid='uuid'::regtype)
UNION ALL SELECT 'RLS not enabled+forced', relname FROM scoped WHERE NOT (relrowsecurity AND relforcerowsecurity)
UNION ALL SELECT 'no restrictive fence for ALL to PUBLIC with USING and CHECK', relname FROM scoped s WHERE NOT EXISTS (
  SELECT 1 FROM pg_policy p, (VALUES
      ('(tenant_id = ( SELECT sec.tenant() AS tenant))', false),
      -- the operator sees the list of its client companies, and nothing else of theirs
      ('((tenant_id = ( SELECT sec.tenant() AS tenant)) OR ( SELECT sec.is_operator() AS is_operator))', true)) f(fence, tenants_only)
  WHERE p.polrelid=s.oid AND NOT p.polpermissive AND p.polcmd='*' AND p.polroles='{0}' AND f.tenants_only=(s.relname='tenants')
    AND pg_get_expr(p.polqual,p.polrelid)=f.fence AND pg_get_expr(p.polwithcheck,p.polrelid)=f.fence)
UNION ALL SELECT 'PK/UNIQUE not led by tenant_id', i.indexrelid::regclass::text FROM pg_index i JOIN scoped s ON s.oid=i.indrelid WHERE i.indisunique AND (SELECT attname FROM pg_attribute WHERE attrelid=i.indrelid AND attnum=i.indkey[0])<>'tenant_id'
UNION ALL SELECT 'FK to scoped table without tenant_id on both sides', c.conname::text FROM pg_constraint c JOIN scoped s ON s.oid=c.conrelid JOIN scoped f ON f.oid=c.confrelid WHERE c.contype='f' AND NOT (EXISTS(SELECT 1 FROM unnest(c.conkey) k JOIN pg_attribute a ON a.attrelid=c.conrelid AND a.attnum=k WHERE a.attname='tenant_id') AND EXISTS(SELECT 1 FROM unnest(c.confkey) k JOIN pg_attribute a ON a.attrelid=c.confrelid AND a.attnum=k WHERE a.attname='tenant_id'))
UNION ALL SELECT 'table owned by a login or privileged role', relname FROM t JOIN pg_roles r ON r.rolname=t.owner WHERE r.rolcanlogin OR r.rolsuper OR r.rolbypassrls
UNION ALL SELECT 'view without security_invoker', c.relname FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname='app' AND c.relkind='v' AND NOT coalesce(c.reloptions @> '{security_invoker=true}',false)
UNION ALL SELECT 'materialized view readable by a service role', c.relname FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname='app' AND c.relkind='m' AND has_table_privilege('seatline_app',c.oid,'SELECT')
UNION ALL SELECT 'foreign table', c.relname FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname='app' AND c.relkind='f'
UNION ALL SELECT 'service role is privileged or member of a role', r.rolname FROM pg_roles r WHERE r.rolname IN ('seatline_app','seatline_bill') AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR EXISTS(SELECT 1 FROM pg_auth_members m WHERE m.member=r.oid))
UNION ALL SELECT 'dangerous table grant '||p.priv, t.relname FROM t, (VALUES ('TRUNCATE'),('REFERENCES'),('TRIGGER')) p(priv) WHERE has_table_privilege('seatline_app',t.oid,p.priv)
UNION ALL SELECT 'PUBLIC grant on table', t.relname FROM t JOIN pg_class c ON c.oid=t.oid, aclexplode(c.relacl) a WHERE a.grantee=0
UNION ALL SELECT 'TEMP or CREATE on database', current_database()::text WHERE has_database_privilege('seatline_app',current_database(),'TEMP') OR has_database_privilege('seatline_app',current_database(),'CREATE')
UNION ALL SELECT 'CREATE on schema', n.nspname::text FROM pg_namespace n WHERE has_schema_privilege('seatline_app',n.oid,'CREATE')
UNION ALL SELECT 'SECURITY DEFINER without pinned search_path ending in pg_temp', p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid=p.pronamespace WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog','information_schema') AND NOT EXISTS (SELECT 1 FROM unnest(p.proconfig) c WHERE c ~ '^search_path=.*pg_temp$')
UNION ALL SELECT 'SECURITY DEFINER executable by PUBLIC', p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid=p.pronamespace WHERE p.prosecdef AND n.nspname IN ('app','sec','erase') AND (p.proacl IS NULL OR EXISTS (SELECT 1 FROM aclexplode(p.proacl) a WHERE a.grantee=0))
UNION ALL SELECT 'context settable by a role that is not its own', r.rolname FROM pg_roles r WHERE NOT r.rolsuper AND r.rolname<>'seatline_policy' AND (has_parameter_privilege(r.oid,'backtrace_functions','SET') OR has_parameter_privilege(r.oid,'backtrace_functions','ALTER SYSTEM') OR pg_has_role(r.oid,'seatline_policy','MEMBER'))
UNION ALL SELECT 'context set outside sec.enter', p.oid::regprocedure::text FROM pg_proc p WHERE p.oid<>'sec.enter(text)'::regprocedure AND (p.proconfig::text ~* 'backtrace_functions' OR p.proowner='seatline_policy'::regrole AND p.prosrc ~* 'set_config|backtrace_functions|execute')
UNION ALL SELECT 'context given by configuration', coalesce(s.setrole::regrole::text, current_database()) FROM (SELECT setrole, unnest(setconfig) AS given FROM pg_db_role_setting UNION ALL SELECT NULL, 'backtrace_functions='||current_setting('backtrace_functions') WHERE starts_with(current_setting('backtrace_functions'),'seatline_')) s WHERE starts_with(s.given,'backtrace_functions=')
UNION ALL SELECT 'large-object function callable', p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace='pg_catalog'::regnamespace AND p.proname ~ '^lo_(create|creat|from_bytea|put|open|get|unlink|import|export)$' AND has_function_privilege('seatline_app',p.oid,'EXECUTE')
UNION ALL SELECT 'sequence in tenant schema', c.relname FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname='app' AND c.relkind='S'
UNION ALL SELECT 'index key type whose = or < is not leakproof', i.indexrelid::regclass::text||' '||a.attname FROM pg_index i JOIN scoped s ON s.oid=i.indrelid CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(n,o) JOIN pg_attribute a ON a.attrelid=i.indrelid AND a.attnum=k.n WHERE NOT i.indisexclusion AND a.atttypid NOT IN ('uuid'::regtype,'bytea'::regtype,'text'::regtype,'int4'::regtype,'int8'::regtype,'int2'::regtype,'timestamptz'::regtype,'date'::regtype,'bool'::regtype)
-- the minors of 2026-11-12, which end CVE-2026-14666, -116311, -116327 and -120154; a major whose floor nobody has named is below it
UNION ALL SELECT 'server below security floor', current_setting('server_version') WHERE NOT EXISTS (SELECT FROM (VALUES (15,20),(16,16),(17,12),(18,6)) floors(major, minor) WHERE current_setting('server_version_num')::int/10000=major AND mod(current_setting('server_version_num')::int, 10000)>=minor)
ORDER BY 1,2
