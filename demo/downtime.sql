-- The server of uk-prod has just been stopped. A query answers with the others, and says so; an
-- application, which does not look at warnings, asks multicorn_skipped().

SELECT entity, count(*) AS users FROM all_connections.auth_user GROUP BY entity ORDER BY entity;

SELECT server_name FROM multicorn_skipped();

-- What would keep an answer that is short of rows is refused.

\set ON_ERROR_STOP off
CREATE TABLE snapshot AS SELECT * FROM all_connections.auth_user;
