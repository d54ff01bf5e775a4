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
