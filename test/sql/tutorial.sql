-- The tutorial: a table whose rows come from a Python class.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

-- The server names the extension; one is enough for any number of tables.
CREATE SERVER multicorn_srv FOREIGN DATA WRAPPER multicorn;

-- The option "wrapper" is the path of the class. This one comes with the extension.
CREATE FOREIGN TABLE constanttable (
    test character varying,
    test2 character varying
) SERVER multicorn_srv OPTIONS (
    wrapper 'multicorn.constantfdw.ConstantForeignDataWrapper'
);

SELECT * FROM constanttable;

-- It is a table like any other.
SELECT test2 FROM constanttable WHERE test = 'test 7';
SELECT count(*), max(test) FROM constanttable;
SELECT a.test, b.test2
FROM constanttable a JOIN constanttable b ON b.test2 = 'test2 ' || substr(a.test, 6)
WHERE a.test LIKE 'test 1_'
ORDER BY a.test LIMIT 3;

-- The columns are the table's own: the class answers for those that are asked for.
CREATE FOREIGN TABLE other (num text) SERVER multicorn_srv OPTIONS (
    wrapper 'multicorn.constantfdw.ConstantForeignDataWrapper'
);
SELECT * FROM other LIMIT 2;

SET client_min_messages = warning;
DROP SERVER multicorn_srv CASCADE;
