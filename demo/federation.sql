-- One application, three countries, a database for each: two on this server, one on a server of its own.
-- Each has the table auth_user, made by demo/application.sql.

CREATE DATABASE nl_sales;
\connect nl_sales
\set NAME piet
\include :APPLICATION

CREATE DATABASE de_sales;
\connect de_sales
\set NAME jutta
\include :APPLICATION

\connect postgres :USER :OTHER_HOST :OTHER_PORT
\set NAME jan
\include :APPLICATION

-- Back here, a parent table has the columns that the report needs, without the password hashes, and
-- one for the deployment. Each deployment is a server, attached with one call.

\connect postgres :USER :LOCAL_HOST :LOCAL_PORT
CREATE SCHEMA all_connections;
CREATE TABLE all_connections.auth_user (entity text NOT NULL, id int NOT NULL, username text NOT NULL);

CREATE SERVER "nl-sales" FOREIGN DATA WRAPPER multicorn_postgres
    OPTIONS (host :'HOST', port :'PORT', dbname 'nl_sales', on_unreachable 'skip');
CREATE SERVER "de-sales" FOREIGN DATA WRAPPER multicorn_postgres
    OPTIONS (host :'HOST', port :'PORT', dbname 'de_sales', on_unreachable 'skip');
CREATE SERVER "uk-prod" FOREIGN DATA WRAPPER multicorn_postgres
    OPTIONS (host :'OTHER_HOST', port :'OTHER_PORT', dbname 'postgres', on_unreachable 'skip');

CREATE USER MAPPING FOR CURRENT_USER SERVER "nl-sales" OPTIONS (user :'USER');
CREATE USER MAPPING FOR CURRENT_USER SERVER "de-sales" OPTIONS (user :'USER');
CREATE USER MAPPING FOR CURRENT_USER SERVER "uk-prod" OPTIONS (user :'USER');

SELECT multicorn_attach('all_connections', srvname, discriminator => 'entity') AS attached
FROM pg_foreign_server WHERE srvname IN ('nl-sales', 'de-sales', 'uk-prod');

-- One query over all of them. The ids repeat; the deployment tells users apart.

SELECT * FROM all_connections.auth_user ORDER BY username, entity;

-- A new user of one deployment is given no id: the remote sequence makes one, and it comes back.

INSERT INTO "uk-prod".auth_user (username) VALUES ('joan') RETURNING entity, id, username;

-- A condition on the deployment decides who is asked.

EXPLAIN (VERBOSE, COSTS OFF)
SELECT id FROM all_connections.auth_user WHERE entity = 'de-sales' AND username LIKE 'j%';
