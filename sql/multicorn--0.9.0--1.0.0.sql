/* sql/multicorn--0.9.0--1.0.0.sql */

-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION multicorn UPDATE TO '1.0.0'" to load this file. \quit

-- There is no script that installs 1.0.0 at once: CREATE EXTENSION runs the one for 0.9.0 and then
-- this one, so that what is new is written once, and an update gives what a fresh install does.

-- Whatever lies in the schema of the extension, names and operators here are PostgreSQL's own.
SET LOCAL search_path = pg_catalog, pg_temp;

-- What the session has of Python; asking does not start it.
CREATE FUNCTION @extschema@.multicorn_status(
	OUT running boolean, OUT python_version text, OUT executable text, OUT prefix text,
	OUT virtualenv text, OUT package text, OUT started_by text, OUT instances integer,
	OUT python_blocks bigint, OUT postgres_memory bigint, OUT process_memory bigint)
RETURNS record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT PARALLEL RESTRICTED;

CREATE FUNCTION @extschema@.multicorn_instances(
	OUT foreign_table regclass, OUT user_name text, OUT class text, OUT in_transaction boolean,
	OUT in_use boolean, OUT memory bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT PARALLEL RESTRICTED;

-- Drops the session's instances that are not in use, and tells how many.
CREATE FUNCTION @extschema@.multicorn_reset()
RETURNS integer
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT PARALLEL RESTRICTED;

-- ---------- Federation: tables of many deployments as one ----------
--
-- A parent table stands for the tables of the same name in several deployments, each of which is a
-- server with a remote PostgreSQL. Its children are foreign tables. Who calls these functions needs
-- what the statements in them need: they run as the caller, with a search path of their own.

-- What a server has, as the mapping of the current user shows it.
CREATE FUNCTION @extschema@.multicorn_remote_columns(
	server_name text, remote_schema text, tables text[] DEFAULT NULL,
	OUT table_name text, OUT column_name text, OUT type text, OUT not_null boolean,
	OUT collation_name text, OUT options text[], OUT privileges text[])
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

-- Connects, or says why not.
CREATE FUNCTION @extschema@.multicorn_connect(
	server_name text,
	OUT version text, OUT collation_name text, OUT remote_backend_pid int4,
	OUT encrypted boolean, OUT round_trip_ms float8)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

-- The deployment that the tableoid of a row tells.
CREATE FUNCTION @extschema@.multicorn_server(tableoid oid)
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;

-- For the trigger that keeps rows out of a parent, where no deployment would have them.
CREATE FUNCTION @extschema@.multicorn_refuse_insert()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	child regclass := (SELECT min(inhrelid) FROM pg_inherits WHERE inhparent = TG_RELID);
BEGIN
	RAISE EXCEPTION USING
		ERRCODE = 'object_not_in_prerequisite_state',
		MESSAGE = format('cannot insert into table "%s"', TG_TABLE_NAME),
		DETAIL = 'It stands for the tables of several deployments; a row of its own would belong to none.',
		HINT = format('Insert into the table of a deployment, such as %s.', child),
		SCHEMA = TG_TABLE_SCHEMA,
		TABLE = TG_TABLE_NAME;
END
$$;

-- Which tables of which deployments are attached: what the catalogs say. Nobody is connected to.
CREATE VIEW @extschema@.multicorn_attached AS
SELECT
	parent_namespace.nspname AS parent_schema,
	parent.relname AS table_name,
	server.srvname AS server_name,
	child_namespace.nspname AS local_schema,
	parent.oid::regclass AS parent,
	child.oid::regclass AS child,
	CASE WHEN server.oid IS NOT NULL
		THEN coalesce(table_options.schema_name, child_namespace.nspname) END AS remote_schema,
	CASE WHEN server.oid IS NOT NULL
		THEN coalesce(table_options.table_name, child.relname) END AS remote_table,
	discriminator.name AS discriminator,
	discriminator.value AS discriminator_value,
	coalesce(table_options.updatable, server_options.updatable, 'true') NOT IN ('false', 'off')
		AS updatable,
	child.relispartition AS is_partition
FROM pg_catalog.pg_inherits AS link
	JOIN pg_catalog.pg_class AS child ON child.oid = link.inhrelid
	JOIN pg_catalog.pg_namespace AS child_namespace ON child_namespace.oid = child.relnamespace
	JOIN pg_catalog.pg_class AS parent ON parent.oid = link.inhparent
	JOIN pg_catalog.pg_namespace AS parent_namespace ON parent_namespace.oid = parent.relnamespace
	LEFT JOIN pg_catalog.pg_foreign_table AS foreign_table ON foreign_table.ftrelid = child.oid
	LEFT JOIN pg_catalog.pg_foreign_server AS server ON server.oid = foreign_table.ftserver
	LEFT JOIN pg_catalog.pg_foreign_data_wrapper AS wrapper ON wrapper.oid = server.srvfdw
	LEFT JOIN pg_catalog.pg_constraint AS mark
		ON mark.conrelid = child.oid AND mark.conname = 'multicorn_discriminator'
		AND child.relkind <> 'f'
	CROSS JOIN LATERAL (
		SELECT
			max(option_value) FILTER (WHERE option_name = 'schema_name') AS schema_name,
			max(option_value) FILTER (WHERE option_name = 'table_name') AS table_name,
			lower(max(option_value) FILTER (WHERE option_name = 'updatable')) AS updatable
		FROM pg_catalog.pg_options_to_table(foreign_table.ftoptions)) AS table_options
	CROSS JOIN LATERAL (
		SELECT lower(max(option_value) FILTER (WHERE option_name = 'updatable')) AS updatable
		FROM pg_catalog.pg_options_to_table(server.srvoptions)) AS server_options
	LEFT JOIN LATERAL (
		SELECT attribute.attname AS name, option.option_value AS value
		FROM pg_catalog.pg_attribute AS attribute,
			pg_catalog.pg_options_to_table(attribute.attfdwoptions) AS option
		WHERE attribute.attrelid = child.oid AND NOT attribute.attisdropped
			AND option.option_name = 'constant'
		UNION ALL
		SELECT attribute.attname, pg_catalog.obj_description(mark.oid, 'pg_constraint')
		FROM pg_catalog.pg_attribute AS attribute
		WHERE attribute.attrelid = child.oid AND attribute.attnum = mark.conkey[1]
		LIMIT 1) AS discriminator ON true
WHERE wrapper.fdwhandler = '@extschema@.multicorn_handler()'::regprocedure
	OR (server.oid IS NULL AND child.relkind IN ('r', 'p')
		AND (mark.oid IS NOT NULL OR EXISTS (
			SELECT FROM pg_catalog.pg_trigger AS guard
			WHERE guard.tgrelid = parent.oid
				AND guard.tgfoid = '@extschema@.multicorn_refuse_insert()'::regprocedure)));

GRANT SELECT ON @extschema@.multicorn_attached TO PUBLIC;

-- The tables of a schema that can be parents: those named, or all.
CREATE FUNCTION @extschema@._multicorn_parents(parent_schema text, tables text[])
RETURNS SETOF regclass
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	namespace oid := (SELECT oid FROM pg_namespace WHERE nspname = parent_schema);
	wrong text;
BEGIN
	IF namespace IS NULL THEN
		RAISE EXCEPTION 'schema "%" does not exist', parent_schema USING ERRCODE = 'invalid_schema_name';
	END IF;
	IF array_position(tables, NULL) IS NOT NULL THEN
		RAISE EXCEPTION 'tables must not contain NULL' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	wrong := (SELECT min(t.name) FROM unnest(tables) AS t (name) WHERE NOT EXISTS (
		SELECT FROM pg_class AS c
		WHERE c.relnamespace = namespace AND c.relname = t.name AND c.relkind IN ('r', 'p')));
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION 'schema "%" has no table "%"', parent_schema, wrong
			USING ERRCODE = 'undefined_table';
	END IF;
	RETURN QUERY
		SELECT c.oid::regclass FROM pg_class AS c
		WHERE c.relnamespace = namespace AND c.relkind IN ('r', 'p')
			AND CASE WHEN tables IS NOT NULL THEN c.relname = ANY (tables)
				ELSE NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid) END
		ORDER BY c.relname;
END
$$;

-- Throws unless there is such a server, and it is one of ours.
CREATE FUNCTION @extschema@._multicorn_require_server(server text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	handler oid;
BEGIN
	SELECT w.fdwhandler INTO handler
	FROM pg_foreign_server AS s JOIN pg_foreign_data_wrapper AS w ON w.oid = s.srvfdw
	WHERE s.srvname = server;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'server "%" does not exist', server USING ERRCODE = 'undefined_object';
	ELSIF handler <> '@extschema@.multicorn_handler()'::regprocedure THEN
		RAISE EXCEPTION 'server "%" is not one of foreign data wrapper "multicorn_postgres"', server
			USING ERRCODE = 'wrong_object_type';
	END IF;
END
$$;

-- A schema for children; made if there is none.
CREATE FUNCTION @extschema@._multicorn_make_schema(local_schema text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF octet_length(local_schema) > 63 OR local_schema = '' THEN
		RAISE EXCEPTION '"%" cannot be the name of a schema', local_schema USING
			ERRCODE = 'invalid_schema_name',
			HINT = 'Name one with local_schema; it has at most 63 bytes.';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = local_schema) THEN
		EXECUTE format('CREATE SCHEMA %I', local_schema);
	END IF;
END
$$;

-- The column of a parent that tells deployments apart: the one it is partitioned by, or the one that
-- is wanted; NULL for none.
CREATE FUNCTION @extschema@._multicorn_discriminator(parent regclass, wanted text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key record;
BEGIN
	SELECT p.partstrat = 'l' AND a.attname IS NOT NULL AS fits, a.attname AS name INTO key
	FROM pg_partitioned_table AS p
		LEFT JOIN pg_attribute AS a
			ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0] AND a.attnum > 0
			AND p.partnatts = 1
	WHERE p.partrelid = parent;
	IF FOUND AND NOT key.fits THEN
		RAISE EXCEPTION 'table % is not partitioned by LIST of one column', parent USING
			ERRCODE = 'wrong_object_type',
			HINT = 'The column holds the name of a deployment: PARTITION BY LIST (entity).';
	ELSIF FOUND AND wanted <> key.name THEN
		RAISE EXCEPTION 'table % is partitioned by column "%", not by "%"', parent, key.name, wanted
			USING ERRCODE = 'invalid_parameter_value';
	ELSIF FOUND THEN
		RETURN key.name;
	ELSIF wanted IS NOT NULL AND NOT EXISTS (
		SELECT FROM pg_attribute
		WHERE attrelid = parent AND attname = wanted AND attnum > 0 AND NOT attisdropped)
	THEN
		RAISE EXCEPTION 'column "%" of table % does not exist', wanted, parent USING
			ERRCODE = 'undefined_column',
			HINT = format('ALTER TABLE %s ADD COLUMN %I text', parent, wanted);
	END IF;
	RETURN wanted;
END
$$;

-- A discriminator's value as the text of what its column holds: a value that is rounded, or padded, or
-- of a domain is compared as such.
CREATE FUNCTION @extschema@._multicorn_value(parent regclass, name text, value text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
AS $$
DECLARE
	held text;
BEGIN
	IF name IS NULL THEN
		RETURN NULL;
	END IF;
	EXECUTE format('SELECT (jsonb_populate_record(NULL::%s, $1)).%I::text', parent, name)
		INTO held USING jsonb_build_object(name, value);
	RETURN held;
END
$$;

-- Keeps other sessions from attaching to these parents, or detaching from them, until the end of the
-- transaction; readers and writers go on.
CREATE FUNCTION @extschema@._multicorn_lock(parents regclass[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	parent regclass;
BEGIN
	FOR parent IN SELECT DISTINCT unnest(parents) AS p ORDER BY p LOOP
		EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', parent);
	END LOOP;
END
$$;

-- Keeps rows out of a parent that could hold some. Those that it has would be nobody's.
CREATE FUNCTION @extschema@._multicorn_guard(parent regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	has_rows boolean;
BEGIN
	IF EXISTS (SELECT FROM pg_class WHERE oid = parent AND relkind = 'r') AND NOT EXISTS (
		SELECT FROM pg_trigger
		WHERE tgrelid = parent
			AND tgfoid = '@extschema@.multicorn_refuse_insert()'::regprocedure)
	THEN
		EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s)', parent) INTO has_rows;
		IF has_rows THEN
			RAISE EXCEPTION 'table % has rows of its own', parent USING
				ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'They would belong to no deployment.',
				HINT = format('Move them to the table of a deployment: a parent is empty. TRUNCATE ONLY %s', parent);
		END IF;
		EXECUTE format(
			'CREATE TRIGGER multicorn_refuse_insert BEFORE INSERT ON %s'
			' FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.multicorn_refuse_insert()', parent);
	END IF;
END
$$;

-- Lets rows into a parent without children again.
CREATE FUNCTION @extschema@._multicorn_unguard(parent regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	guard name := (
		SELECT tgname FROM pg_trigger
		WHERE tgrelid = parent
			AND tgfoid = '@extschema@.multicorn_refuse_insert()'::regprocedure);
BEGIN
	IF guard IS NOT NULL AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = parent) THEN
		EXECUTE format('DROP TRIGGER %I ON %s', guard, parent);
	END IF;
END
$$;

-- What a collation is called where it is not the one of its type; NULL otherwise.
CREATE FUNCTION @extschema@._multicorn_collation(collation_oid oid, type oid)
RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT n.nspname || '.' || c.collname
	FROM pg_catalog.pg_collation AS c
		JOIN pg_catalog.pg_namespace AS n ON n.oid = c.collnamespace
		JOIN pg_catalog.pg_type AS t ON t.oid = type
	WHERE c.oid = collation_oid AND c.oid <> t.typcollation;
END;

-- A type without the length of a text, which says how long a value may be and not which it is.
CREATE FUNCTION @extschema@._multicorn_type_of_values(type text)
RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT regexp_replace(type, '^(character|character varying|bit varying)\(\d+\)', '\1');
END;

-- How the attached tables of a server, or those of them that are named, differ from what it has. change
-- is a statement that can do no harm; remedy is for people. The server is asked once for each of its
-- schemas: what it tells of a table takes as long as what it tells of fifty.
CREATE FUNCTION @extschema@._multicorn_differences(
	in_schema text, of_server text, of_children regclass[])
RETURNS TABLE (
	child regclass, column_name text, difference text, expected text, actual text, change text,
	remedy text)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	WITH attached AS MATERIALIZED (
		SELECT a.child, a.remote_schema, a.remote_table
		FROM @extschema@.multicorn_attached AS a
		WHERE a.server_name = of_server AND (in_schema IS NULL OR a.parent_schema = in_schema)
			AND (of_children IS NULL OR a.child = ANY (of_children))
	), remote_column AS MATERIALIZED (
		SELECT s.remote_schema, r.*
		FROM (
			SELECT a.remote_schema, array_agg(DISTINCT a.remote_table::text) AS tables
			FROM attached AS a GROUP BY a.remote_schema) AS s
			CROSS JOIN LATERAL @extschema@.multicorn_remote_columns(
				of_server, s.remote_schema::text, s.tables) AS r
	), pair AS MATERIALIZED (
		SELECT a.child, a.remote_schema, a.remote_table, d.*,
			'ALTER FOREIGN TABLE ' || a.child || ' ALTER COLUMN ' || quote_ident(d.name)
				AS alter_column
		FROM attached AS a
			CROSS JOIN LATERAL (
				SELECT own.name, own.type, own.not_null, own.collation, own.options,
					own.column_default, own.shippable, remote.column_name AS remote_name, remote.type AS remote_type,
					remote.not_null AS remote_not_null,
					remote.collation_name AS remote_collation,
					remote.options AS remote_options,
					bool_or(remote.column_name IS NOT NULL) OVER () AS table_exists,
					@extschema@._multicorn_type_of_values(own.type)
						= @extschema@._multicorn_type_of_values(remote.type)
						AND own.collation IS NOT DISTINCT FROM remote.collation_name
						AS has_same_values
				FROM (
					SELECT c.attname::text AS name,
						coalesce(max(o.option_value) FILTER (WHERE o.option_name = 'column_name'),
							c.attname) AS remote_name,
						format_type(c.atttypid, c.atttypmod) AS type,
						c.attnotnull AS not_null,
						@extschema@._multicorn_collation(c.attcollation, c.atttypid) AS collation,
						c.attfdwoptions AS options,
						CASE WHEN c.attgenerated = '' THEN pg_get_expr(e.adbin, e.adrelid) END
							AS column_default,
						max(o.option_value) FILTER (WHERE o.option_name = 'shippable')
							AS shippable
					FROM pg_attribute AS c
						LEFT JOIN pg_options_to_table(c.attfdwoptions) AS o ON true
						LEFT JOIN pg_attrdef AS e
							ON e.adrelid = c.attrelid AND e.adnum = c.attnum
					WHERE c.attrelid = a.child AND c.attnum > 0 AND NOT c.attisdropped
					GROUP BY c.attname, c.atttypid, c.atttypmod, c.attnotnull, c.attcollation,
						c.attfdwoptions, c.attgenerated, e.adbin, e.adrelid
					HAVING bool_and(o.option_name IS DISTINCT FROM 'constant')) AS own
					FULL JOIN (
						SELECT r.* FROM remote_column AS r
						WHERE r.remote_schema = a.remote_schema AND r.table_name = a.remote_table)
						AS remote ON remote.column_name = own.remote_name) AS d
	), difference AS (
		SELECT DISTINCT p.child, NULL::text AS column_name, 'missing table' AS difference,
			format('%I.%I', p.remote_schema, p.remote_table) AS expected, NULL::text AS actual,
			NULL::text AS change, 'create it there, or detach the deployment' AS remedy
		FROM pair AS p WHERE NOT p.table_exists
		UNION ALL
		SELECT p.child, p.name, 'missing column', p.type, NULL, NULL,
			'migrate the deployment, or set on_missing ''null'''
		FROM pair AS p WHERE p.table_exists AND p.remote_name IS NULL
		UNION ALL
		SELECT p.child, p.remote_name, 'extra column', NULL, p.remote_type, NULL,
			'add it to the parent if it is wanted'
		FROM pair AS p WHERE p.name IS NULL
		UNION ALL
		SELECT p.child, p.name, 'type', p.type, p.remote_type, NULL,
			'migrate the deployment, or alter the column of the parent'
		FROM pair AS p WHERE p.type <> p.remote_type
		UNION ALL
		SELECT p.child, p.name, 'nullability', CASE WHEN p.not_null THEN 'NOT NULL' ELSE 'NULL' END,
			CASE WHEN p.remote_not_null THEN 'NOT NULL' ELSE 'NULL' END, NULL,
			'migrate the deployment, or alter the column of the parent'
		FROM pair AS p WHERE p.not_null <> p.remote_not_null
		UNION ALL
		SELECT p.child, p.name, 'collation', coalesce(p.collation, 'default'),
			coalesce(p.remote_collation, 'default'), NULL,
			'migrate the deployment, or alter the column of the parent'
		FROM pair AS p
		WHERE p.type = p.remote_type AND p.collation IS DISTINCT FROM p.remote_collation
		UNION ALL
		-- What compares otherwise there is compared here.
		SELECT p.child, p.name, 'option', NULL, 'shippable ''false''',
			p.alter_column || ' OPTIONS (ADD shippable ''false'')', NULL
		FROM pair AS p WHERE NOT p.has_same_values AND p.shippable IS NULL
		UNION ALL
		SELECT p.child, p.name, 'option', 'shippable ''false''', NULL, NULL,
			'if conditions on it mean the same there: ' || p.alter_column
				|| ' OPTIONS (DROP shippable)'
		FROM pair AS p WHERE p.has_same_values AND lower(p.shippable) IN ('false', 'off')
		UNION ALL
		SELECT p.child, p.name, 'option', NULL, format('%s %L', o.option_name, o.option_value),
			p.alter_column || format(' OPTIONS (ADD %I %L)', o.option_name, o.option_value), NULL
		FROM pair AS p CROSS JOIN LATERAL pg_options_to_table(p.remote_options) AS o
		WHERE p.name IS NOT NULL AND NOT EXISTS (
			SELECT FROM pg_options_to_table(p.options) AS present
			WHERE present.option_name = o.option_name)
		UNION ALL
		-- Who has set these may know better: a view has no primary key, a trigger no DEFAULT.
		SELECT p.child, p.name, 'option', format('%s %L', o.option_name, o.option_value), NULL, NULL,
			CASE o.option_name
				WHEN 'key' THEN 'unless it tells rows apart there: '
				ELSE 'unless a value is made there: ' END
				|| p.alter_column || format(' OPTIONS (DROP %I)', o.option_name)
		FROM pair AS p CROSS JOIN LATERAL pg_options_to_table(p.options) AS o
		WHERE p.remote_name IS NOT NULL AND lower(o.option_value) NOT IN ('false', 'off')
			AND o.option_name IN ('key', 'generated') AND NOT EXISTS (
			SELECT FROM pg_options_to_table(p.remote_options) AS present
			WHERE present.option_name = o.option_name)
		UNION ALL
		-- A default that the parent was given later would go before the remote side's.
		SELECT p.child, p.name, 'default', NULL, p.column_default,
			CASE WHEN EXISTS (SELECT FROM pg_options_to_table(p.remote_options) AS o
				WHERE o.option_name = 'generated')
			THEN p.alter_column || ' DROP DEFAULT' END,
			'to have the default of the deployment: ' || p.alter_column || ' DROP DEFAULT'
		FROM pair AS p WHERE p.column_default IS NOT NULL AND p.remote_name IS NOT NULL
	)
	SELECT d.child, d.column_name, d.difference, d.expected, d.actual, d.change, d.remedy
	FROM difference AS d ORDER BY d.child, d.column_name NULLS FIRST, d.difference;
END;

-- Makes the foreign table for one parent and one server, and attaches it.
CREATE FUNCTION @extschema@._multicorn_attach_table(
	parent regclass, server text, remote_schema text, local_schema text,
	discriminator text, discriminator_value text, updatable boolean)
RETURNS regclass
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text;
	is_partitioned boolean;
	child text;
	made regclass;
	options text;
	col record;
BEGIN
	SELECT c.relname, c.relkind = 'p' INTO name, is_partitioned FROM pg_class AS c WHERE c.oid = parent;
	child := format('%I.%I', local_schema, name);
	IF to_regclass(child) IS NOT NULL THEN
		RAISE EXCEPTION 'table % exists already', child USING
			ERRCODE = 'duplicate_table',
			HINT = 'Drop it, which multicorn_detach does with drop => true, or name another local_schema.';
	END IF;
	options := format('schema_name %L, table_name %L', remote_schema, name);
	IF NOT updatable THEN
		options := options || ', updatable ''false'', truncatable ''false''';
	END IF;
	-- The child has what the parent has, and goes along when that is altered.
	IF is_partitioned THEN
		EXECUTE format('CREATE FOREIGN TABLE %s PARTITION OF %s FOR VALUES IN (%L) SERVER %I OPTIONS (%s)',
			child, parent, discriminator_value, server, options);
	ELSE
		EXECUTE format('CREATE FOREIGN TABLE %s () INHERITS (%s) SERVER %I OPTIONS (%s)',
			child, parent, server, options);
	END IF;
	made := child::regclass;
	IF discriminator IS NOT NULL THEN
		EXECUTE format('ALTER FOREIGN TABLE %s ALTER COLUMN %I OPTIONS (ADD constant %L)',
			child, discriminator, discriminator_value);
		EXECUTE format('ALTER FOREIGN TABLE %s ADD CONSTRAINT multicorn_discriminator CHECK (%I = %L)',
			child, discriminator, discriminator_value);
	END IF;
	-- Where a row is made, the remote side's defaults hold.
	FOR col IN
		SELECT a.attname FROM pg_attribute AS a
		WHERE a.attrelid = made AND a.atthasdef AND a.attgenerated = '' AND a.attnum > 0
	LOOP
		EXECUTE format('ALTER FOREIGN TABLE %s ALTER COLUMN %I DROP DEFAULT', child, col.attname);
	END LOOP;
	PERFORM @extschema@._multicorn_guard(parent);
	RETURN made;
END
$$;

-- Compares new children with what their server has, and gives them the options that follow from it.
CREATE FUNCTION @extschema@._multicorn_fit(server text, children regclass[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	differing record;
BEGIN
	FOR differing IN
		SELECT d.*, a.parent, a.is_partition,
			format('%I.%I', a.remote_schema, a.remote_table) AS remote_table
		FROM @extschema@._multicorn_differences(NULL::text, server, children) AS d
			JOIN @extschema@.multicorn_attached AS a USING (child)
	LOOP
		IF differing.difference = 'missing table' THEN
			RAISE EXCEPTION 'server "%" has no table %', server, differing.expected USING
				ERRCODE = 'fdw_table_not_found',
				HINT = 'Create it there, or name the tables to attach with the argument tables.';
		ELSIF differing.difference = 'missing column'
			AND NOT @extschema@._multicorn_reads_null(server)
		THEN
			RAISE EXCEPTION 'server "%" has no column "%" in its table %', server,
				differing.column_name, differing.remote_table
				USING ERRCODE = 'fdw_column_name_not_found',
				HINT = format('Migrate the server, or have the column read as NULL: ALTER SERVER %I OPTIONS (ADD on_missing ''null'').', server);
		ELSIF differing.is_partition AND differing.change LIKE '% (ADD generated %' AND EXISTS (
			SELECT FROM pg_attribute AS a
			WHERE a.attrelid = differing.parent AND a.attname = differing.column_name
				AND (a.attidentity <> '' OR a.atthasdef AND a.attgenerated = ''))
		THEN
			RAISE EXCEPTION 'column "%" of table % has a default, but the servers number their rows by it',
				differing.column_name, differing.parent
				USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT, or DROP IDENTITY.',
					differing.parent, differing.column_name);
		END IF;
		IF differing.change IS NOT NULL THEN
			EXECUTE differing.change;
		END IF;
	END LOOP;
END
$$;

-- Does a server have columns that it lacks read as NULL?
CREATE FUNCTION @extschema@._multicorn_reads_null(server text)
RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT EXISTS (
		SELECT FROM pg_catalog.pg_foreign_server AS s,
			pg_catalog.pg_options_to_table(s.srvoptions) AS o
		WHERE s.srvname = server AND o.option_name = 'on_missing' AND o.option_value = 'null');
END;

-- Attaches the tables of a deployment to the parents of the same name.
CREATE FUNCTION @extschema@.multicorn_attach(
	parent_schema text, server text, remote_schema text DEFAULT 'public',
	local_schema text DEFAULT NULL, tables text[] DEFAULT NULL, discriminator text DEFAULT NULL,
	discriminator_value text DEFAULT NULL, updatable boolean DEFAULT true)
RETURNS SETOF regclass
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	schema_name text := coalesce(local_schema, server);
	parent_table regclass;
	is_attached boolean;
	key text;
	children regclass[] := '{}';
BEGIN
	IF parent_schema IS NULL OR server IS NULL OR remote_schema IS NULL OR updatable IS NULL THEN
		RAISE EXCEPTION 'parent_schema, server, remote_schema and updatable must not be NULL'
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	PERFORM @extschema@._multicorn_require_server(server);
	PERFORM @extschema@._multicorn_lock(ARRAY(
		SELECT p FROM @extschema@._multicorn_parents(parent_schema, tables) AS p));
	PERFORM @extschema@._multicorn_make_schema(schema_name);
	FOR parent_table IN SELECT p FROM @extschema@._multicorn_parents(parent_schema, tables) AS p LOOP
		is_attached := EXISTS (
			SELECT FROM @extschema@.multicorn_attached AS a
			WHERE a.parent = parent_table AND a.server_name = server);
		IF is_attached AND tables IS NOT NULL THEN
			RAISE EXCEPTION 'server "%" is attached to table % already', server, parent_table
				USING ERRCODE = 'duplicate_object';
		END IF;
		CONTINUE WHEN is_attached;
		key := @extschema@._multicorn_discriminator(parent_table, discriminator);
		children := children || @extschema@._multicorn_attach_table(
			parent_table, server, remote_schema, schema_name, key,
			@extschema@._multicorn_value(parent_table, key, coalesce(discriminator_value, server)),
			updatable);
	END LOOP;
	IF children = '{}' THEN
		RAISE EXCEPTION 'schema "%" has no table that is not attached to server "%" already',
			parent_schema, server USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	PERFORM @extschema@._multicorn_fit(server, children);
	RETURN QUERY SELECT unnest(children);
END
$$;

-- Takes the tables of a deployment off their parents, and with drop away altogether.
CREATE FUNCTION @extschema@.multicorn_detach(parent_schema text, server text, drop boolean DEFAULT false)
RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	attached record;
	schemas text[] := '{}';
	count integer := 0;
BEGIN
	PERFORM @extschema@._multicorn_lock(ARRAY(
		SELECT a.parent FROM @extschema@.multicorn_attached AS a
		WHERE a.parent_schema = multicorn_detach.parent_schema AND a.server_name = server));
	FOR attached IN
		SELECT a.* FROM @extschema@.multicorn_attached AS a
		WHERE a.parent_schema = multicorn_detach.parent_schema AND a.server_name = server
	LOOP
		IF attached.is_partition THEN
			EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', attached.parent, attached.child);
		ELSE
			EXECUTE format('ALTER FOREIGN TABLE %s NO INHERIT %s', attached.child, attached.parent);
		END IF;
		IF drop THEN
			EXECUTE format('DROP FOREIGN TABLE %s', attached.child);
			IF attached.local_schema <> ALL (schemas) THEN
				schemas := schemas || attached.local_schema::text;
			END IF;
		END IF;
		PERFORM @extschema@._multicorn_unguard(attached.parent);
		count := count + 1;
	END LOOP;
	IF count = 0 THEN
		RAISE EXCEPTION 'no table of schema "%" is attached to server "%"', parent_schema, server
			USING ERRCODE = 'undefined_object';
	END IF;
	FOR i IN 1 .. cardinality(schemas) LOOP
		BEGIN
			EXECUTE format('DROP SCHEMA IF EXISTS %I', schemas[i]);
		EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN
			NULL; -- somebody else's things are in it, or it is somebody else's
		END;
	END LOOP;
	RETURN count;
END
$$;

-- Says how deployments differ from their parents, and does what can do no harm about it.
CREATE FUNCTION @extschema@.multicorn_refresh(
	parent_schema text, server text DEFAULT NULL, dry_run boolean DEFAULT false)
RETURNS TABLE (
	server_name text, child regclass, column_name text, difference text, expected text, actual text,
	change text, remedy text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	deployment text;
	differing record;
	detail text;
BEGIN
	IF server IS NOT NULL AND NOT EXISTS (
		SELECT FROM @extschema@.multicorn_attached AS a
		WHERE a.parent_schema = multicorn_refresh.parent_schema AND a.server_name = server)
	THEN
		RAISE EXCEPTION 'no table of schema "%" is attached to server "%"', multicorn_refresh.parent_schema,
			server USING ERRCODE = 'undefined_object';
	END IF;
	PERFORM @extschema@._multicorn_parents(multicorn_refresh.parent_schema, NULL::text[]);
	FOR deployment IN
		SELECT DISTINCT a.server_name::text FROM @extschema@.multicorn_attached AS a
		WHERE a.parent_schema = multicorn_refresh.parent_schema AND a.server_name IS NOT NULL
			AND (server IS NULL OR a.server_name = server)
		ORDER BY 1
	LOOP
		server_name := deployment;
		BEGIN
			FOR differing IN
				SELECT d.* FROM @extschema@._multicorn_differences(
					multicorn_refresh.parent_schema, deployment, NULL::regclass[]) AS d
			LOOP
				child := differing.child;
				column_name := differing.column_name;
				difference := differing.difference;
				expected := differing.expected;
				actual := differing.actual;
				change := differing.change;
				remedy := differing.remedy;
				IF change IS NOT NULL AND NOT dry_run THEN
					EXECUTE change;
				END IF;
				RETURN NEXT;
			END LOOP;
		EXCEPTION
			WHEN sqlclient_unable_to_establish_sqlconnection OR connection_failure THEN
				GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
				child := NULL;
				column_name := NULL;
				difference := 'unreachable';
				expected := NULL;
				actual := detail;
				change := NULL;
				remedy := 'call multicorn_refresh again when it is back';
				RETURN NEXT;
		END;
	END LOOP;
	-- Parents that came later.
	FOR server_name, child, remedy IN
		SELECT DISTINCT ON (s.server_name, c.relname) s.server_name::text, NULL::regclass,
			format('SELECT multicorn_attach(%L, %L, remote_schema => %L, local_schema => %L,'
				' tables => ARRAY[%L], discriminator => %L, discriminator_value => %L, updatable => %L)',
				s.parent_schema, s.server_name, s.remote_schema, s.local_schema, c.relname,
				s.discriminator, s.discriminator_value, s.updatable)
		FROM @extschema@.multicorn_attached AS s
			CROSS JOIN @extschema@._multicorn_parents(
				multicorn_refresh.parent_schema, NULL::text[]) AS p
			JOIN pg_class AS c ON c.oid = p
		WHERE s.parent_schema = multicorn_refresh.parent_schema AND s.server_name IS NOT NULL
			AND (server IS NULL OR s.server_name = server)
			AND NOT EXISTS (
				SELECT FROM @extschema@.multicorn_attached AS other
				WHERE other.parent = p AND other.server_name = s.server_name)
		ORDER BY s.server_name, c.relname, s.table_name
	LOOP
		column_name := NULL;
		difference := 'not attached';
		expected := NULL;
		actual := NULL;
		change := NULL;
		RETURN NEXT;
	END LOOP;
END
$$;

-- Connects to a server, and looks whether everything is as its attached tables need it.
CREATE FUNCTION @extschema@.multicorn_check(server text)
RETURNS TABLE (item text, status text, detail text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer record;
	reason text;
	is_same boolean;
	by_code_points text := '^(libc|builtin) (C|POSIX|C\.UTF-?8)$';
	-- As multicorn_connect says it of the other side.
	collation_here text := (
		SELECT CASE d.facts ->> 'datlocprovider' WHEN 'c' THEN 'libc ' || (d.facts ->> 'datcollate')
			WHEN 'i' THEN 'icu ' || coalesce(d.facts ->> 'datlocale', d.facts ->> 'daticulocale')
			ELSE 'builtin ' || (d.facts ->> 'datlocale') END
		FROM (SELECT to_jsonb(own) AS facts FROM pg_database AS own
			WHERE own.datname = current_database()) AS d);
BEGIN
	PERFORM @extschema@._multicorn_require_server(server);
	item := 'connection';
	BEGIN
		SELECT * INTO answer FROM @extschema@.multicorn_connect(server);
		status := 'ok';
		detail := format('PostgreSQL %s, %s, round trip %s ms', answer.version,
			CASE WHEN answer.encrypted THEN 'encrypted' ELSE 'not encrypted' END,
			round(answer.round_trip_ms::numeric, 1));
		RETURN NEXT;
		item := 'collation';
		is_same := regexp_replace(answer.collation_name, by_code_points, 'C', 'i')
			= regexp_replace(collation_here, by_code_points, 'C', 'i');
		status := CASE WHEN is_same THEN 'ok' ELSE 'warning' END;
		detail := CASE WHEN is_same THEN answer.collation_name
			ELSE format('%s, and %s here: set shippable ''false'' on columns of text whose order or'
				' comparison by < and > matters', answer.collation_name, collation_here) END;
		RETURN NEXT;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS reason = PG_EXCEPTION_DETAIL;
		status := 'error';
		detail := concat_ws(': ', SQLERRM, nullif(reason, ''));
		RETURN NEXT;
		RETURN;
	END;
	RETURN QUERY
		WITH attached AS MATERIALIZED (
			SELECT a.* FROM @extschema@.multicorn_attached AS a WHERE a.server_name = server
		), remote_column AS MATERIALIZED (
			SELECT s.remote_schema, r.*
			FROM (
				SELECT a.remote_schema, array_agg(DISTINCT a.remote_table::text) AS tables
				FROM attached AS a GROUP BY a.remote_schema) AS s
				CROSS JOIN LATERAL @extschema@.multicorn_remote_columns(
					server, s.remote_schema::text, s.tables) AS r
		), problem AS (
			SELECT d.child, CASE WHEN d.difference = 'missing table'
					OR d.difference = 'missing column' AND NOT @extschema@._multicorn_reads_null(server)
					THEN 'error' ELSE 'warning' END AS status,
				concat_ws(' ', d.difference, quote_ident(d.column_name),
					'expected ' || d.expected, 'found ' || d.actual) AS text
			FROM @extschema@._multicorn_differences(NULL::text, server, NULL::regclass[]) AS d
			WHERE d.difference <> 'extra column'
			UNION ALL
			SELECT own.child, CASE WHEN p.name = 'SELECT' THEN 'error' ELSE 'warning' END,
				format('no privilege to %s %s', p.name, string_agg(quote_ident(c.attname), ', '
					ORDER BY c.attnum))
			FROM attached AS own
				JOIN remote_column AS r
					ON r.remote_schema = own.remote_schema AND r.table_name = own.remote_table
				JOIN pg_attribute AS c
					ON c.attrelid = own.child AND c.attname = r.column_name AND NOT c.attisdropped
				CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS p (name)
			WHERE p.name <> ALL (r.privileges) AND (p.name = 'SELECT' OR own.updatable)
			GROUP BY own.child, p.name
		)
		SELECT format('table %s', own.child), coalesce(p.status, 'ok'), p.text
		FROM attached AS own LEFT JOIN problem AS p USING (child)
		ORDER BY own.parent_schema, own.table_name, 2, 3;
END
$$;

-- Attaches ordinary tables as a deployment: for tests that one database is enough for.
CREATE FUNCTION @extschema@.multicorn_attach_local(
	parent_schema text, local_schema text, tables text[] DEFAULT NULL,
	discriminator text DEFAULT NULL, discriminator_value text DEFAULT NULL)
RETURNS SETOF regclass
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	value text;
	parent regclass;
	name text;
	child regclass;
	key text;
	count integer := 0;
BEGIN
	IF parent_schema = local_schema THEN
		RAISE EXCEPTION 'the tables of schema "%" cannot be attached to themselves', local_schema
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	FOR parent, name IN
		SELECT p, c.relname
		FROM @extschema@._multicorn_parents(parent_schema, tables) AS p
			JOIN pg_class AS c ON c.oid = p
	LOOP
		child := (SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
			WHERE n.nspname = local_schema AND c.relname = name AND c.relkind IN ('r', 'p'));
		IF child IS NULL AND tables IS NOT NULL THEN
			RAISE EXCEPTION 'schema "%" has no table "%"', local_schema, name
				USING ERRCODE = 'undefined_table';
		END IF;
		CONTINUE WHEN child IS NULL;
		IF EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = child AND i.inhparent = parent) THEN
			RAISE EXCEPTION 'table % is attached to table % already', child, parent
				USING ERRCODE = 'duplicate_object';
		END IF;
		count := count + 1;
		key := @extschema@._multicorn_discriminator(parent, discriminator);
		value := @extschema@._multicorn_value(parent, key, coalesce(discriminator_value, local_schema));
		IF key IS NOT NULL THEN
			PERFORM @extschema@._multicorn_add_discriminator(parent, child, key, value);
		END IF;
		IF EXISTS (SELECT FROM pg_class WHERE oid = parent AND relkind = 'p') THEN
			EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES IN (%L)', parent, child, value);
		ELSE
			EXECUTE format('ALTER TABLE %s INHERIT %s', child, parent);
		END IF;
		PERFORM @extschema@._multicorn_guard(parent);
		RETURN NEXT child;
	END LOOP;
	IF count = 0 THEN
		RAISE EXCEPTION 'schemas "%" and "%" have no tables of the same name', parent_schema, local_schema
			USING ERRCODE = 'undefined_table';
	END IF;
END
$$;

-- Gives an ordinary table the column that tells its deployment, which need not be named in new rows, as
-- with a foreign table. What is added is marked by a comment, for multicorn_detach_local.
CREATE FUNCTION @extschema@._multicorn_add_discriminator(
	parent regclass, child regclass, name text, discriminator_value text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	type text := (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
		WHERE attrelid = parent AND attname = name);
BEGIN
	IF NOT EXISTS (
		SELECT FROM pg_attribute WHERE attrelid = child AND attname = name AND NOT attisdropped)
	THEN
		EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s NOT NULL DEFAULT %L', child, name, type,
			discriminator_value);
		EXECUTE format('COMMENT ON COLUMN %s.%I IS ''added by multicorn_attach_local''', child, name);
	ELSIF NOT EXISTS (
		SELECT FROM pg_attribute WHERE attrelid = child AND attname = name AND atthasdef)
	THEN
		EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %L', child, name,
			discriminator_value);
		EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', child, name, concat_ws(E'\n',
			@extschema@._multicorn_comment(child, name), 'default set by multicorn_attach_local'));
	END IF;
	EXECUTE format('ALTER TABLE %s ADD CONSTRAINT multicorn_discriminator CHECK (%I = %L)', child, name,
		discriminator_value);
	EXECUTE format('COMMENT ON CONSTRAINT multicorn_discriminator ON %s IS %L', child,
		discriminator_value);
END
$$;

-- Takes away what was added.
CREATE FUNCTION @extschema@._multicorn_drop_discriminator(child regclass, name text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	comment text := @extschema@._multicorn_comment(child, name);
	own_comment text := regexp_replace(comment, '\n?default set by multicorn_attach_local$', '');
BEGIN
	EXECUTE format('ALTER TABLE %s DROP CONSTRAINT multicorn_discriminator', child);
	IF comment = 'added by multicorn_attach_local' THEN
		EXECUTE format('ALTER TABLE %s DROP COLUMN %I', child, name);
	ELSIF own_comment <> comment THEN
		EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', child, name);
		EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', child, name, own_comment);
	END IF;
END
$$;

-- The comment on a column, or NULL.
CREATE FUNCTION @extschema@._multicorn_comment(child regclass, name text)
RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT pg_catalog.col_description(child, a.attnum)
	FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = child AND a.attname = name;
END;

-- Takes ordinary tables off their parents again, and leaves them as they were.
CREATE FUNCTION @extschema@.multicorn_detach_local(parent_schema text, local_schema text)
RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	attached record;
	count integer := 0;
BEGIN
	FOR attached IN
		SELECT a.* FROM @extschema@.multicorn_attached AS a
		WHERE a.parent_schema = multicorn_detach_local.parent_schema
			AND a.local_schema = multicorn_detach_local.local_schema AND a.server_name IS NULL
	LOOP
		IF attached.is_partition THEN
			EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', attached.parent, attached.child);
		ELSE
			EXECUTE format('ALTER TABLE %s NO INHERIT %s', attached.child, attached.parent);
		END IF;
		IF attached.discriminator IS NOT NULL THEN
			PERFORM @extschema@._multicorn_drop_discriminator(attached.child, attached.discriminator);
		END IF;
		PERFORM @extschema@._multicorn_unguard(attached.parent);
		count := count + 1;
	END LOOP;
	IF count = 0 THEN
		RAISE EXCEPTION 'no table of schema "%" is attached to schema "%"', local_schema, parent_schema
			USING ERRCODE = 'undefined_object';
	END IF;
	RETURN count;
END
$$;

-- ---------- Servers that cannot be reached ----------

-- The remote PostgreSQL servers whose rows the last statement has left out: see on_unreachable.
CREATE FUNCTION @extschema@.multicorn_skipped(
	OUT server_name text, OUT message text, OUT since timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT PARALLEL RESTRICTED;
