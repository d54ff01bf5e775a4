-- Multicorn is loaded once per database; a server stands for the wrappers to come.

CREATE EXTENSION multicorn;
CREATE SERVER multicorn_srv FOREIGN DATA WRAPPER multicorn;

-- The first wrapper is the tutorial's, demo/myfdw.py: a Python class with a method execute that
-- yields 20 rows. Its table behaves like any other.

CREATE FOREIGN TABLE constanttable (
    test character varying,
    test2 character varying
) SERVER multicorn_srv OPTIONS (
    wrapper 'myfdw.ConstantForeignDataWrapper'
);

SELECT * FROM constanttable;

SELECT count(*) FROM constanttable WHERE test LIKE '%1%';

-- The second one, demo/installed_packages.py, reads something real: the database in which this
-- machine keeps its installed packages.

CREATE FOREIGN TABLE package (
    name text,
    version text,
    installed_size bigint,  -- in kB
    section text,
    status text,
    summary text
) SERVER multicorn_srv OPTIONS (
    wrapper 'installed_packages.InstalledPackages'
);

-- How much is installed, and what takes the most room?

SELECT count(*) AS packages, pg_size_pretty(sum(installed_size) * 1024) AS size
FROM package WHERE status = 'installed';

SELECT name, version, pg_size_pretty(installed_size * 1024) AS size, section
FROM package ORDER BY installed_size DESC NULLS LAST, name LIMIT 8;

-- A local table says which team looks after which section. Joined with the packages, it tells
-- what each team is responsible for.

CREATE TABLE team (section text PRIMARY KEY, team text NOT NULL);
INSERT INTO team VALUES
    ('admin', 'Operations'), ('utils', 'Operations'), ('shells', 'Operations'),
    ('libs', 'Platform'), ('libdevel', 'Platform'), ('devel', 'Platform'),
    ('python', 'Languages'), ('perl', 'Languages'), ('interpreters', 'Languages'),
    ('database', 'Data');

SELECT coalesce(team, '(nobody)') AS team,
       count(*) AS packages,
       pg_size_pretty(sum(installed_size) * 1024) AS size,
       count(DISTINCT section) AS sections
FROM package LEFT JOIN team USING (section)
WHERE status = 'installed'
GROUP BY team ORDER BY sum(installed_size) DESC;

-- Conditions reach the Python class: it skips every package but those asked for while it reads.

SELECT name, version, summary FROM package
WHERE name IN ('bash', 'make', 'libc6', 'python3') ORDER BY name;

-- And a view over both is a report that is always up to date.

CREATE VIEW database_packages AS
SELECT name, version, summary
FROM package JOIN team USING (section)
WHERE team = 'Data' AND status = 'installed';

SELECT * FROM database_packages ORDER BY name;

-- The third wrapper comes with the extension: tables of other PostgreSQL servers. A second database,
-- a shop, stands for one here. It knows nothing of Multicorn.

CREATE DATABASE shop;
\connect shop
CREATE TABLE customer (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (
    id bigserial PRIMARY KEY,
    customer int NOT NULL REFERENCES customer,
    package text NOT NULL,
    placed date NOT NULL DEFAULT current_date
);
INSERT INTO customer (name) VALUES ('Ada'), ('Bob');
INSERT INTO orders (customer, package) VALUES (1, 'bash'), (1, 'make'), (2, 'python3');

-- Back here, its tables are imported. The options are those of postgres_fdw.

\connect postgres
CREATE SERVER shop FOREIGN DATA WRAPPER multicorn_postgres
    OPTIONS (host :'HOST', port :'PORT', dbname 'shop');
CREATE USER MAPPING FOR CURRENT_USER SERVER shop OPTIONS (user :'USER');
IMPORT FOREIGN SCHEMA public FROM SERVER shop INTO public;

-- Remote tables, the packages of this machine and a local table in one query.

SELECT customer.name AS customer, orders.package, package.version, team.team
FROM orders
JOIN customer ON customer.id = orders.customer
JOIN package ON package.name = orders.package
LEFT JOIN team USING (section)
ORDER BY orders.id;

-- A new order is given no id: the remote sequence makes one, and it comes back.

INSERT INTO orders (customer, package) VALUES (2, 'bash') RETURNING id, package;

-- What is asked of the remote: the columns that are needed, its conditions, its order and its limit.

EXPLAIN (VERBOSE, COSTS OFF)
SELECT package FROM orders WHERE customer = 2 ORDER BY id DESC LIMIT 5;
