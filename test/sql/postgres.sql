-- A remote PostgreSQL. Here it is this very server: what happens in the schema "there" happens on
-- the other side of a connection.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql
SET datestyle = ISO;
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS there, shop CASCADE;
RESET client_min_messages;

CREATE SCHEMA there;
CREATE TYPE there.state AS ENUM ('new', 'paid', 'sent');
CREATE TABLE there.customer (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    city text COLLATE "C"
);
CREATE TABLE there.orders (
    id bigserial PRIMARY KEY,
    customer int NOT NULL,
    placed date NOT NULL DEFAULT '2024-05-01',
    total numeric(8, 2),
    state there.state NOT NULL DEFAULT 'new',
    tags text[]
);
CREATE TABLE there.log (line text, at timestamp DEFAULT '2024-05-01 12:00');
INSERT INTO there.customer (name, city) VALUES ('ada', 'London'), ('bob', NULL), ('eve', 'Paris');
INSERT INTO there.orders (customer, placed, total, state, tags) VALUES
    (1, '2024-05-01', 12.50, 'sent', '{}'), (2, '2024-05-02', 99, 'paid', '{gift,"red ribbon"}'),
    (1, '2024-05-03', 7.25, 'new', NULL), (3, '2024-05-03', NULL, 'new', '{gift}');

-- Server and mapping say where to connect and as whom. All options are those of postgres_fdw.
DO $$ BEGIN
    EXECUTE format('CREATE SERVER remote FOREIGN DATA WRAPPER multicorn_postgres
                    OPTIONS (host %L, port %L, dbname %L)',
                   split_part(current_setting('unix_socket_directories'), ',', 1),
                   current_setting('port'), current_database());
    EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER remote OPTIONS ("user" %L)',
                   current_user);
END $$;

-- The tables need not be written down: the remote knows them.
CREATE SCHEMA shop;
IMPORT FOREIGN SCHEMA there LIMIT TO (customer, orders, log) FROM SERVER remote INTO shop;
\d shop.orders

-- A table can also be made by hand, with the columns that are needed, under names of one's own.
CREATE FOREIGN TABLE shop.client (
    number int OPTIONS (column_name 'id', key 'true'),
    called text OPTIONS (column_name 'name') COLLATE "C"
) SERVER remote OPTIONS (schema_name 'there', table_name 'customer');
SELECT * FROM shop.client ORDER BY number;

SELECT * FROM shop.orders ORDER BY id;
SELECT id, tags[2] FROM shop.orders WHERE state = 'paid' AND 'gift' = ANY (tags);

-- EXPLAIN VERBOSE shows what is sent: the columns that are needed, the conditions, the order, the
-- limit.
EXPLAIN (VERBOSE, COSTS OFF)
SELECT id FROM shop.orders
WHERE total > 5 AND placed BETWEEN '2024-05-01' AND '2024-05-31' AND tags IS NULL;
EXPLAIN (VERBOSE, COSTS OFF)
SELECT * FROM shop.client WHERE called >= 'b' ORDER BY called DESC LIMIT 1;
SELECT * FROM shop.client WHERE called >= 'b' ORDER BY called DESC LIMIT 1;

-- What the remote could take for something else stays here: types of one's own, and functions whose
-- result changes. What is the same for all rows is computed here and sent as a value.
EXPLAIN (VERBOSE, COSTS OFF)
SELECT id FROM shop.orders WHERE state = 'new' AND placed < current_date AND total > random();

-- Statistics come by ANALYZE. After it, a join with a local table asks the remote by key, for the
-- few rows that it is about.
INSERT INTO there.orders (customer, total) SELECT 4, n FROM generate_series(1, 5000) AS n;
ANALYZE there.orders;
ANALYZE shop.orders;
SELECT reltuples FROM pg_class WHERE oid = 'shop.orders'::regclass;
CREATE TABLE shop.reminder (order_id bigint, sent date);
INSERT INTO shop.reminder VALUES (2, '2024-06-01'), (4000, '2024-06-02');
ANALYZE shop.reminder;
EXPLAIN (VERBOSE, COSTS OFF)
SELECT r.order_id, o.customer FROM shop.reminder r LEFT JOIN shop.orders o ON o.id = r.order_id;
SELECT r.order_id, r.sent, o.customer, o.total
FROM shop.reminder r LEFT JOIN shop.orders o ON o.id = r.order_id ORDER BY r.order_id;
SELECT c.name, count(*), sum(o.total) FROM shop.orders o JOIN shop.customer c ON c.id = o.customer
GROUP BY c.name ORDER BY c.name;
DELETE FROM there.orders WHERE customer = 4;

-- INSERT without an id: the remote sequence gives one, and RETURNING tells which.
INSERT INTO shop.customer (name, city) VALUES ('kim', 'Oslo') RETURNING id;
INSERT INTO shop.orders (customer, total) VALUES (4, 20), (4, 30.005)
RETURNING customer, placed, total, state;
INSERT INTO shop.customer (name) VALUES ('ada') ON CONFLICT DO NOTHING;
INSERT INTO shop.customer (name) VALUES ('ada');

-- UPDATE and DELETE find their rows by the key, or by ctid where a table has none.
EXPLAIN (VERBOSE, COSTS OFF) UPDATE shop.orders SET state = 'paid' WHERE customer = 4;
UPDATE shop.orders SET state = 'paid', tags = tags || '{paid}' WHERE customer = 4
RETURNING total, state, tags;
INSERT INTO shop.log (line) VALUES ('one'), ('two') RETURNING *;
UPDATE shop.log SET line = 'three' WHERE line = 'two';
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM shop.log WHERE line = 'one';
DELETE FROM shop.log WHERE line = 'one' RETURNING line;
SELECT * FROM there.log;

-- Several rows go together if the table or the server has a batch_size.
ALTER FOREIGN TABLE shop.log OPTIONS (ADD batch_size '100');
INSERT INTO shop.log (line) SELECT 'line ' || n FROM generate_series(1, 250) AS n;
SELECT count(*), max(at) FROM there.log;

-- COPY FROM arrives as COPY; TRUNCATE is one, too.
COPY shop.log (line) FROM stdin;
copied
copied again
\.
SELECT line, at FROM there.log WHERE line ~ 'copied';
TRUNCATE shop.log;
SELECT count(*) FROM there.log;
SELECT count(*) FROM shop.log;

-- A view takes no COPY, nor does a table with row security: their rows are sent by INSERT.
CREATE VIEW there.shouted AS SELECT upper(line) AS line, line AS original FROM there.log;
CREATE FOREIGN TABLE shop.shouted (original text) SERVER remote OPTIONS (schema_name 'there');
COPY shop.shouted FROM stdin;
plain
\N
"quo\\ted", {in braces}\tand\nlines
\.
SELECT * FROM there.log;
TRUNCATE there.log;

-- Remote and local transactions end together.
BEGIN;
INSERT INTO shop.log (line) VALUES ('rolled back');
SELECT line FROM shop.log;
SELECT line FROM there.log;
ROLLBACK;
SELECT line FROM there.log;

-- Savepoints are followed.
BEGIN;
INSERT INTO shop.log (line) VALUES ('before');
SAVEPOINT s;
INSERT INTO shop.log (line) VALUES ('within');
ROLLBACK TO s;
INSERT INTO shop.log (line) VALUES ('after');
COMMIT;
SELECT line FROM there.log ORDER BY line;

-- In a transaction the remote shows one moment.
BEGIN;
SELECT count(*) FROM shop.customer;
INSERT INTO there.customer (name) VALUES ('too late');
SELECT count(*) FROM shop.customer;
COMMIT;
SELECT count(*) FROM shop.customer;

-- Errors of the remote keep their SQLSTATE, detail and hint; CONTEXT shows what was sent.
INSERT INTO shop.orders (customer, total) VALUES (NULL, 5);
\echo :LAST_ERROR_SQLSTATE
ALTER FOREIGN TABLE shop.orders OPTIONS (SET table_name 'nothing');
INSERT INTO shop.orders (customer, total) VALUES (4, 5);
ALTER FOREIGN TABLE shop.orders OPTIONS (SET table_name 'orders');

-- Tables and servers may be closed to writing.
ALTER FOREIGN TABLE shop.log OPTIONS (ADD updatable 'false', ADD truncatable 'false');
INSERT INTO shop.log (line) VALUES ('no');
TRUNCATE shop.log;

-- The session has one connection for the mapping, which stays open until it is closed.
SELECT server_name, user_name = current_user AS is_mine, valid, used_in_xact, closed,
    remote_backend_pid <> pg_backend_pid() AS is_another
FROM multicorn_postgres_get_connections();
BEGIN;
SELECT count(*) FROM shop.log;
SELECT server_name, used_in_xact FROM multicorn_postgres_get_connections();
SELECT multicorn_postgres_disconnect('remote');
COMMIT;
SELECT multicorn_postgres_disconnect('remote');
SELECT multicorn_postgres_disconnect('remote');
SELECT count(*) FROM multicorn_postgres_get_connections();
SELECT count(*) FROM shop.log;
SELECT multicorn_postgres_disconnect_all();
SELECT multicorn_postgres_disconnect_all();
SELECT multicorn_postgres_disconnect('nowhere');

-- A server that is changed is connected to anew, after the transaction.
ALTER SERVER remote OPTIONS (ADD application_name 'shop %d');
CREATE VIEW there.activity AS
SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid();
IMPORT FOREIGN SCHEMA there LIMIT TO (activity) FROM SERVER remote INTO shop;
SELECT application_name = 'shop ' || current_database() FROM shop.activity;

SET client_min_messages = warning;
DROP SERVER remote CASCADE;
DROP SCHEMA there, shop CASCADE;
