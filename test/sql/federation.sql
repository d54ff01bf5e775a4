-- Many deployments as one table. Here both are this very database: each has its tables in a schema
-- "at_..." on the other side of a connection.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql
SET datestyle = ISO;
CREATE SCHEMA "at_nl-sales";
CREATE TABLE "at_nl-sales".client (id serial PRIMARY KEY, name text NOT NULL, born date);
INSERT INTO "at_nl-sales".client (name, born) VALUES ('ada', '1815-12-10'), ('piet', NULL);
CREATE SCHEMA at_uk;
CREATE TABLE at_uk.client (id serial PRIMARY KEY, name text NOT NULL, born date);
INSERT INTO at_uk.client (name) VALUES ('ada'), ('bob'), ('eve');
CREATE PROCEDURE make_server(name text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE SERVER %I FOREIGN DATA WRAPPER multicorn_postgres
                    OPTIONS (host %L, port %L, dbname %L)', name,
                   split_part(current_setting('unix_socket_directories'), ',', 1),
                   current_setting('port'), current_database());
    EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER %I OPTIONS ("user" %L)',
                   name, current_user);
END $$;
CALL make_server('nl-sales');
CALL make_server('uk');
CREATE SCHEMA every;
CREATE TABLE every.client (entity text NOT NULL, id integer NOT NULL, name text NOT NULL, born date);

-- What the other side has, and whether it can be reached.
SELECT current_setting('server_version') LIKE version || '%' AS same_version, remote_backend_pid <> pg_backend_pid() AS other,
       round_trip_ms > 0 AS measured
FROM multicorn_connect('uk');
SELECT table_name, column_name, type, not_null, options FROM multicorn_remote_columns('uk', 'at_uk');
SELECT count(*) FROM multicorn_remote_columns('uk', 'at_uk', '{client,none}');
SELECT * FROM multicorn_remote_columns('uk', 'nowhere');
SELECT multicorn_remote_columns('nobody', 'at_uk');

-- Attaching makes a child of the parent for each table, with the deployment in a column.
SELECT multicorn_attach('every', 'nl-sales', remote_schema => 'at_nl-sales', discriminator => 'entity');
SELECT multicorn_attach('every', 'uk', remote_schema => 'at_uk', discriminator => 'entity',
                        discriminator_value => 'Great Britain');
SELECT server_name, parent, child, discriminator FROM multicorn_attached ORDER BY server_name COLLATE "C";
\d "nl-sales".client
SELECT * FROM every.client ORDER BY entity COLLATE "C", id;
SELECT DISTINCT multicorn_server(tableoid) COLLATE "C" AS server, entity FROM every.client ORDER BY 1;
SELECT multicorn_server('pg_class'::regclass);
EXPLAIN (COSTS OFF) SELECT name FROM every.client WHERE entity = 'Great Britain' AND id = 2;
EXPLAIN (VERBOSE, COSTS OFF) SELECT name FROM every.client WHERE entity = 'nobody';
PREPARE one(text, int) AS SELECT entity, name FROM every.client WHERE entity = $1 AND id = $2;
EXECUTE one('nl-sales', 1);
EXECUTE one('Great Britain', 2);
EXECUTE one(NULL, 2);
DEALLOCATE one;

-- Rows go where they belong.
INSERT INTO uk.client (name) VALUES ('joe') RETURNING entity, id, name;
INSERT INTO uk.client (entity, name) VALUES ('nl-sales', 'joe');
\set VERBOSITY terse
INSERT INTO every.client (entity, name) VALUES ('nl-sales', 'joe');
\set VERBOSITY default
UPDATE every.client SET name = upper(name) WHERE entity = 'nl-sales' AND id = 2 RETURNING *;
DELETE FROM every.client WHERE name = 'joe' RETURNING entity, name;

-- What has changed over there is found, and what can be mended here is.
SELECT server_name, child, column_name, difference FROM multicorn_refresh('every', dry_run => true);
ALTER TABLE at_uk.client DROP born, ALTER name DROP NOT NULL, ADD vat text;
CREATE TABLE at_uk.invoice (id bigint);
CREATE TABLE every.invoice (entity text NOT NULL, id bigint);
SELECT server_name, child, column_name, difference, expected, actual FROM multicorn_refresh('every', 'uk', true);
SELECT item, status FROM multicorn_check('uk');
\set VERBOSITY terse
SELECT name, born FROM every.client ORDER BY name;
\set VERBOSITY default
ALTER SERVER uk OPTIONS (on_missing 'null');
SELECT name, born FROM every.client ORDER BY name;

-- A server that cannot be reached is left out, with a warning, where that is wanted.
ALTER SERVER uk OPTIONS (SET host '/nowhere', on_unreachable 'skip', retry_after '3600');
SELECT multicorn_postgres_disconnect('uk');
SET client_min_messages = error;
SELECT entity, name FROM every.client ORDER BY id;
SELECT entity, name FROM every.client ORDER BY id;
SELECT server_name, message <> '' AS told, since <= now() + interval '1 hour' AS dated FROM multicorn_skipped();
RESET client_min_messages;
\set VERBOSITY terse
CREATE TABLE kept AS SELECT name FROM every.client;

-- Ordinary tables may take the place of deployments, for tests.
CREATE SCHEMA desk;
CREATE TABLE desk.client (id integer NOT NULL, name text NOT NULL, born date);
INSERT INTO desk.client VALUES (1, 'zoe');
SELECT multicorn_attach_local('every', 'desk', tables => '{client}', discriminator => 'entity');
SELECT entity, name FROM every.client WHERE entity = 'desk';
SELECT multicorn_detach_local('every', 'desk');
SELECT * FROM desk.client;

-- Errors name what is wrong, and nothing is attached by halves.
SELECT multicorn_attach('nowhere', 'uk');
SELECT multicorn_attach('every', 'nobody');
SELECT multicorn_attach('every', 'nl-sales', tables => '{none}', discriminator => 'entity');
SELECT multicorn_attach('every', 'nl-sales', remote_schema => 'at_nl-sales', discriminator => 'entity');

SELECT multicorn_detach('every', 'nl-sales');
SELECT multicorn_detach('every', 'uk', drop => true);
SELECT count(*) FROM multicorn_attached;
SET client_min_messages = warning;
DROP SERVER "nl-sales" CASCADE;
DROP SERVER IF EXISTS uk CASCADE;
DROP SCHEMA every, "at_nl-sales", at_uk, "nl-sales", desk CASCADE;
DROP SCHEMA IF EXISTS uk CASCADE;
DROP PROCEDURE make_server;
DROP TABLE IF EXISTS kept;
