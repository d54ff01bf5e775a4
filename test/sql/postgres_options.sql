-- The options of a remote PostgreSQL: those of postgres_fdw, checked when they are set.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql
\set SHOW_CONTEXT always

-- The extension brings a foreign data wrapper of its own, which fixes the class.
SELECT fdwname, fdwvalidator::regprocedure, fdwoptions FROM pg_foreign_data_wrapper
WHERE fdwname ~ '^multicorn' ORDER BY fdwname;

-- What postgres_fdw's servers, mappings and tables have is taken as it is. Nothing connects.
CREATE SERVER remote FOREIGN DATA WRAPPER multicorn_postgres OPTIONS (
    service 'nowhere', passfile '/dev/null', channel_binding 'prefer', connect_timeout '10',
    dbname 'db', host 'db.example.org', hostaddr '192.0.2.1', port '5433', options '-c x=y',
    application_name 'app %a %u@%d', keepalives '1', keepalives_idle '1', keepalives_interval '1',
    keepalives_count '1', tcp_user_timeout '1', sslmode 'require', sslnegotiation 'direct',
    sslcompression '0', sslcert 'cert', sslkey 'key', sslcertmode 'disable', sslrootcert 'root',
    sslcrl 'crl', sslcrldir 'crldir', sslsni '1', requirepeer 'peer', require_auth 'scram-sha-256',
    min_protocol_version '3.0', max_protocol_version '3.2',
    ssl_min_protocol_version 'TLSv1.2', ssl_max_protocol_version 'TLSv1.3', gssencmode 'disable',
    krbsrvname 'name', gsslib 'lib', gssdelegation '0', target_session_attrs 'any',
    load_balance_hosts 'random',
    use_remote_estimate 'false', fdw_startup_cost '123.456', fdw_tuple_cost '0', extensions '',
    updatable 'on', truncatable 'OFF', fetch_size '100', batch_size '10', async_capable 'true',
    parallel_commit 'true', parallel_abort 'true', keep_connections 'False',
    analyze_sampling 'bernoulli', use_scram_passthrough 'false', on_unreachable 'skip',
    retry_after '0.5', on_missing 'error');
CREATE USER MAPPING FOR CURRENT_USER SERVER remote OPTIONS (
    "user" 'me', password 'secret', sslpassword 'secret', sslcert 'cert', sslkey 'key',
    gssdelegation '0', password_required 'false', use_scram_passthrough 'true');
CREATE FOREIGN TABLE tab (
    id int OPTIONS (column_name 'Id', key 'true'),
    stamp timestamp OPTIONS (generated 'remote')
) SERVER remote OPTIONS (
    schema_name 'public', table_name 'Tab', use_remote_estimate 'true', updatable 'false',
    truncatable 'true', fetch_size '0x10', batch_size '1e3', async_capable 'false',
    analyze_sampling 'off', on_missing 'null');

-- Names that nothing has: similar ones are suggested, or all are listed.
CREATE SERVER wrong FOREIGN DATA WRAPPER multicorn_postgres OPTIONS (fetchsize '100');
ALTER SERVER remote OPTIONS (ADD hots 'db.example.org');
ALTER USER MAPPING FOR CURRENT_USER SERVER remote OPTIONS (ADD passwort 'secret');
ALTER USER MAPPING FOR CURRENT_USER SERVER remote OPTIONS (ADD something 'else');
ALTER FOREIGN TABLE tab OPTIONS (ADD tablename 'tab');
ALTER FOREIGN TABLE tab OPTIONS (ADD "Schema_Name" 'public');
ALTER FOREIGN TABLE tab ALTER id OPTIONS (ADD columnname 'id');
ALTER FOREIGN TABLE tab ADD wrong int OPTIONS (value_form 'text');
ALTER SERVER remote OPTIONS (ADD "" 'empty');

-- Names that belong elsewhere. A table cannot say where to connect, or as whom.
ALTER SERVER remote OPTIONS (ADD "user" 'me');
ALTER SERVER remote OPTIONS (ADD password 'secret');
ALTER SERVER remote OPTIONS (ADD password_required 'false');
ALTER SERVER remote OPTIONS (ADD table_name 'tab');
ALTER SERVER remote OPTIONS (ADD import_collate 'true');
ALTER USER MAPPING FOR CURRENT_USER SERVER remote OPTIONS (ADD host 'db.example.org');
ALTER USER MAPPING FOR CURRENT_USER SERVER remote OPTIONS (ADD fetch_size '100');
ALTER FOREIGN TABLE tab OPTIONS (ADD host 'db.example.org');
ALTER FOREIGN TABLE tab OPTIONS (ADD dbname 'db');
ALTER FOREIGN TABLE tab OPTIONS (ADD password 'secret');
ALTER FOREIGN TABLE tab OPTIONS (ADD sslcert 'cert');
ALTER FOREIGN TABLE tab OPTIONS (ADD fdw_tuple_cost '1');
ALTER FOREIGN TABLE tab ALTER id OPTIONS (ADD fetch_size '100');

-- The wrapper sets these itself, or libpq keeps them from users.
ALTER SERVER remote OPTIONS (ADD client_encoding 'UTF8');
ALTER SERVER remote OPTIONS (ADD fallback_application_name 'app');
ALTER SERVER remote OPTIONS (ADD replication 'database');
ALTER SERVER remote OPTIONS (ADD sslkeylogfile '/tmp/keys');
ALTER USER MAPPING FOR CURRENT_USER SERVER remote OPTIONS (ADD scram_client_key 'a2V5');
ALTER SERVER remote OPTIONS (ADD oauth_issuer 'https://example.org');

-- The class is fixed: below the foreign data wrapper it cannot be named.
ALTER SERVER remote OPTIONS (ADD wrapper 'given.Options');
ALTER FOREIGN TABLE tab OPTIONS (ADD wrapper 'given.Options');
ALTER FOREIGN DATA WRAPPER multicorn_postgres OPTIONS (ADD host 'db.example.org');
ALTER FOREIGN DATA WRAPPER multicorn_postgres OPTIONS (SET wrapper 'no_dot');

-- Values that cannot be.
ALTER SERVER remote OPTIONS (SET keep_connections 'maybe');
ALTER SERVER remote OPTIONS (SET parallel_commit '');
ALTER SERVER remote OPTIONS (SET parallel_abort '2');
ALTER SERVER remote OPTIONS (SET fetch_size 'many');
ALTER SERVER remote OPTIONS (SET fetch_size '0');
ALTER SERVER remote OPTIONS (SET batch_size '-1');
ALTER SERVER remote OPTIONS (SET batch_size '99999999999');
ALTER SERVER remote OPTIONS (SET fdw_startup_cost '-1');
ALTER SERVER remote OPTIONS (SET fdw_tuple_cost 'NaN');
ALTER SERVER remote OPTIONS (SET fdw_tuple_cost '1 kB');
ALTER SERVER remote OPTIONS (SET extensions 'one two');
ALTER SERVER remote OPTIONS (SET analyze_sampling 'Auto');
ALTER SERVER remote OPTIONS (SET on_unreachable 'ignore');
ALTER SERVER remote OPTIONS (SET on_missing 'NULL');
ALTER SERVER remote OPTIONS (SET retry_after '0');
ALTER SERVER remote OPTIONS (SET retry_after 'never');
ALTER FOREIGN TABLE tab OPTIONS (ADD on_unreachable 'skip');
ALTER FOREIGN TABLE tab OPTIONS (SET use_remote_estimate '1');
ALTER FOREIGN TABLE tab OPTIONS (SET updatable 'yes');
ALTER FOREIGN TABLE tab OPTIONS (SET truncatable 'no');
ALTER FOREIGN TABLE tab OPTIONS (SET async_capable 'f');
ALTER FOREIGN TABLE tab OPTIONS (SET fetch_size '');
ALTER FOREIGN TABLE tab ALTER id OPTIONS (SET key 'primary');
ALTER FOREIGN TABLE tab ALTER stamp OPTIONS (SET generated 'always');
ALTER USER MAPPING FOR CURRENT_USER SERVER remote OPTIONS (SET password_required 'perhaps');
\echo :LAST_ERROR_SQLSTATE

-- Extensions whose objects the remote has as well; those that are not here are a warning.
ALTER SERVER remote OPTIONS (SET extensions 'PlPgSQL, "No""Such", multicorn');

-- Nothing of that was changed by what was refused.
SELECT ftoptions FROM pg_foreign_table WHERE ftrelid = 'tab'::regclass;

-- A role with USAGE sets its own mapping, but not what would let it in without a password, or with
-- files of the server.
CREATE ROLE regress_remote;
GRANT USAGE ON FOREIGN SERVER remote TO regress_remote;
SET ROLE regress_remote;
CREATE USER MAPPING FOR CURRENT_USER SERVER remote OPTIONS (password_required 'false');
CREATE USER MAPPING FOR CURRENT_USER SERVER remote OPTIONS (sslcert '/etc/cert');
CREATE USER MAPPING FOR CURRENT_USER SERVER remote OPTIONS (sslkey '/etc/key');
\echo :LAST_ERROR_SQLSTATE
CREATE USER MAPPING FOR CURRENT_USER SERVER remote
    OPTIONS ("user" 'me', password 'mine', password_required 'true');
ALTER USER MAPPING FOR CURRENT_USER SERVER remote OPTIONS (SET password_required 'off');
CREATE SERVER own FOREIGN DATA WRAPPER multicorn_postgres;
RESET ROLE;

-- A superuser may do so for the role, which may then no longer change the mapping.
ALTER USER MAPPING FOR regress_remote SERVER remote OPTIONS (SET password_required 'false');
SET ROLE regress_remote;
ALTER USER MAPPING FOR CURRENT_USER SERVER remote OPTIONS (SET password 'other');
ALTER USER MAPPING FOR CURRENT_USER SERVER remote OPTIONS (DROP password_required);
RESET ROLE;

-- With USAGE on the foreign data wrapper, a role has servers of its own; certificates on a server
-- are the owner's choice, as with postgres_fdw.
GRANT USAGE ON FOREIGN DATA WRAPPER multicorn_postgres TO regress_remote;
SET ROLE regress_remote;
CREATE SERVER own FOREIGN DATA WRAPPER multicorn_postgres OPTIONS (sslcert 'cert', sslkey 'key');
ALTER SERVER own OPTIONS (ADD wrapper 'given.Options');
RESET ROLE;

-- The class also serves as the wrapper of servers whose validator knows nothing of it. Then all that
-- is refused above is refused when the table is used.
CREATE SERVER plain FOREIGN DATA WRAPPER multicorn
    OPTIONS (wrapper 'multicorn.postgresfdw.PostgresFdw', host '/nonexistent', fetch_size '10');
CREATE USER MAPPING FOR CURRENT_USER SERVER plain OPTIONS ("user" 'me', password 'secret');
CREATE FOREIGN TABLE plain (id int OPTIONS (column_name 'Id')) SERVER plain
    OPTIONS (table_name 'Tab', host 'evil.example.org');
EXPLAIN (COSTS off) SELECT * FROM plain;
ALTER FOREIGN TABLE plain OPTIONS (DROP host, ADD fetch_size 'many');
EXPLAIN (COSTS off) SELECT * FROM plain;
ALTER FOREIGN TABLE plain OPTIONS (DROP fetch_size);
ALTER SERVER plain OPTIONS (ADD fetchsize '100');
EXPLAIN (COSTS off) SELECT * FROM plain;
ALTER SERVER plain OPTIONS (DROP fetchsize);
ALTER USER MAPPING FOR CURRENT_USER SERVER plain OPTIONS (ADD dbname 'other');
EXPLAIN (COSTS off) SELECT * FROM plain;
ALTER USER MAPPING FOR CURRENT_USER SERVER plain OPTIONS (DROP dbname);
ALTER FOREIGN TABLE plain ALTER id OPTIONS (ADD value_form 'text');
EXPLAIN (COSTS off) SELECT * FROM plain;
ALTER FOREIGN TABLE plain ALTER id OPTIONS (DROP value_form);
EXPLAIN (COSTS off) SELECT * FROM plain;

-- There nobody can tell who has written into a mapping that no password is needed: it does not count,
-- except for a superuser, who needs none anyway. Behind multicorn_postgres it was a superuser.
GRANT SELECT ON plain, tab TO regress_remote;
-- Nobody is to connect for an estimate.
ALTER FOREIGN TABLE tab OPTIONS (SET use_remote_estimate 'off');
GRANT USAGE ON FOREIGN SERVER plain TO regress_remote;
CREATE USER MAPPING FOR regress_remote SERVER plain OPTIONS (password_required 'false');
ALTER USER MAPPING FOR regress_remote SERVER remote OPTIONS (ADD password_required 'false');
SET ROLE regress_remote;
EXPLAIN (COSTS off) SELECT * FROM plain;
EXPLAIN (COSTS off) SELECT * FROM tab;
RESET ROLE;

SET client_min_messages = warning;
DROP OWNED BY regress_remote;
DROP SERVER remote CASCADE;
DROP SERVER plain CASCADE;
DROP ROLE regress_remote;
