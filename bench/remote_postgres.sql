-- The foreign tables of one wrapper, for this very server over TCP.
--
-- Variables: wrapper, its name; port of this server; rows of the largest table.

\set by_default :wrapper '_by_default'

CREATE SCHEMA :"wrapper";

CREATE SERVER :"wrapper" FOREIGN DATA WRAPPER :"wrapper"
    OPTIONS (host '127.0.0.1', port :'port', dbname 'postgres', fetch_size '10000',
             batch_size '1000');
CREATE SERVER :"by_default" FOREIGN DATA WRAPPER :"wrapper"
    OPTIONS (host '127.0.0.1', port :'port', dbname 'postgres');
CREATE USER MAPPING FOR CURRENT_USER SERVER :"wrapper" OPTIONS (user 'postgres');
CREATE USER MAPPING FOR CURRENT_USER SERVER :"by_default" OPTIONS (user 'postgres');

CREATE FOREIGN TABLE :"wrapper".narrow (id int, name text, val float8)
    SERVER :"wrapper" OPTIONS (schema_name 'public', table_name 'narrow_heap');
CREATE FOREIGN TABLE :"wrapper".narrow_by_default (id int, name text, val float8)
    SERVER :"by_default" OPTIONS (schema_name 'public', table_name 'narrow_heap');
CREATE FOREIGN TABLE :"wrapper".written (id int, name text, val float8)
    SERVER :"wrapper" OPTIONS (schema_name 'public', table_name 'written_heap');

-- The rows are made as they are asked for.
CREATE VIEW :"wrapper".made AS
SELECT i AS id, 'some text' AS name, i * 0.5::float8 AS val
FROM (SELECT generate_series(1, :rows) AS i) AS s;
CREATE FOREIGN TABLE :"wrapper".large (id int, name text, val float8)
    SERVER :"wrapper" OPTIONS (table_name 'made');
