"""Tables of a remote PostgreSQL give the answers that postgres_fdw gives, and a table that is here.

Random statements read and write tables of another database: through multicorn_postgres, through
postgres_fdw, and in a local schema that has the same tables. Rows, counts, SQLSTATEs and what the
tables hold in the end must be the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import psycopg
import pytest
from psycopg import pq

from harness import Cluster
from harness.queries import COLLATIONS, COLUMNS, TYPES, Generator, rows
from harness.sessions import Session
from multicorn.expressions._sql import quote_identifier as quoted

LOCAL, REMOTE = "answers", "answers_remote"
HEAP, OURS, THEIRS = "heap", "ours", "theirs"
HEAP_WRITTEN = "heap_w"

# Another schema of foreign tables for each way to fetch.
READERS = {
    OURS: "",
    "ours_by_1": ", fetch_size '1'",
    "ours_by_2": ", fetch_size '2'",
    "ours_by_7": ", fetch_size '7', use_remote_estimate 'true'",
}

# And one for each way to write.
WRITERS = {
    "ours_w": "",
    "ours_w3": ", batch_size '3', fetch_size '2'",
    "ours_w1000": ", batch_size '1000', use_remote_estimate 'true'",
}

# What comes out must not depend on how this session, or that of the other server, reads and writes.
SETTINGS = [
    "",
    "SET DateStyle = 'German, YMD'; SET IntervalStyle = 'iso_8601'; SET TimeZone = 'Asia/Kolkata'",
    "SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'; SET extra_float_digits = -3;"
    "SET bytea_output = 'escape'; SET TimeZone = 'America/St_Johns'",
    "SET standard_conforming_strings = off; SET escape_string_warning = off;"
    "SET backslash_quote = on; SET quote_all_identifiers = on",
    "SET search_path = evil, public, pg_catalog; SET xmloption = document",
    "SET client_encoding = 'LATIN1'; SET lc_monetary = 'C'",
    "SET default_transaction_isolation = 'serializable'; SET transform_null_equals = on",
]
EVIL = """
CREATE SCHEMA evil;
CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql AS 'SELECT ''evil''';
CREATE FUNCTION evil.abs(int) RETURNS int LANGUAGE sql AS 'SELECT 666';
CREATE TYPE evil.mood AS ENUM ('evil');
CREATE DOMAIN evil.positive AS text;
""" + "".join(
    f"CREATE FUNCTION evil.op_{name}({kind}, {kind}) RETURNS {result}"
    f" LANGUAGE sql AS 'SELECT {is_}';"
    f"CREATE OPERATOR evil.{sign} (LEFTARG = {kind}, RIGHTARG = {kind}, FUNCTION = evil.op_{name});"
    for name, sign, result, is_ in (
        ("equals", "=", "bool", "true"),
        ("differs", "<>", "bool", "true"),
        ("less", "<", "bool", "false"),
        ("like", "~~", "bool", "false"),
        ("joined", "||", "text", "''evil''"),
    )
    for kind in ("int", "bigint", "text", "name", "oid", '"char"', "bool")
)

# Types of columns that are compared, with values; and types that have no order.
ORDERED = {
    "tx": ("text", [r"E'\t\n\r\\'", r"E'\\N'", "'{}'", "'NULL'", "'\"'", "''", "' a '", "'it''s'"]),
    "u8": ("text", ["'ä'", "'Ä'", "'z'", "'a'", "'B'", "'😀'", "repeat('€', 3000)"]),
    "vc": ("varchar(5)", ["'abcde'", "'a  '", "''", "'%_'"]),
    "ch": ("char(4)", ["'ab'", "'ab  '", "''", "'ä'"]),
    "ch1": ('"char"', ["'a'", "''", r"'\200'"]),
    "nu": ("numeric", ["0", "1.50", "1e-100", "-1e50", "'NaN'", "'-Infinity'", "10000", "0.0001"]),
    "n2": ("numeric(8,2)", ["0", "1.5", "-999999.99"]),
    "f4": ("real", ["0", "1e-45", "3.4028235e38", "'-0'", "'NaN'", "0.1", "1234567"]),
    "f8": ("float8", ["0", "5e-324", "'-Infinity'", "0.1", "1e15", "0.30000000000000004"]),
    "ts": (
        "timestamp",
        ["'infinity'", "'4713-01-01 BC'", "'294276-12-31 23:59:59.999999'", "'2024-01-02 03:04'"],
    ),
    "tz": (
        "timestamptz",
        ["'-infinity'", "'0044-03-15 12:00Z BC'", "'2024-03-31 01:30Z'", "'1999-01-08Z'"],
    ),
    "da": ("date", ["'infinity'", "'4713-01-01 BC'", "'5874897-12-31'", "'2024-02-03'"]),
    "ti": ("time(3)", ["'00:00'", "'23:59:59.999'", "'24:00'"]),
    "tt": ("timetz", ["'12:00+02'", "'12:00-03:30'", "'10:00+00'"]),
    "iv": (
        "interval",
        ["'1 mon'", "'30 days'", "'-178000000 years'", "'1 mon -1 day 00:00:00.000001'", "'0'"],
    ),
    "bo": ("boolean", ["true", "false"]),
    "uu": (
        "uuid",
        ["'00000000-0000-0000-0000-000000000001'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
    ),
    "by": ("bytea", ["''", r"'\x00ff27'", r"'\x5c'"]),
    "jb": ("jsonb", ["'{\"a\": 1}'", "'null'", "'[1, \"x\", null]'", r"""'"it''s \\"'"""]),
    "ip": ("inet", ["'10.0.0.1'", "'10.0.0.0/8'", "'::1/64'"]),
    "ci": ("cidr", ["'10.0.0.0/8'", "'::/0'"]),
    "ma": ("macaddr", ["'08:00:2b:01:02:03'", "'ff:ff:ff:ff:ff:ff'"]),
    "b3": ("bit(3)", ["B'101'", "B'000'"]),
    "vb": ("varbit", ["B''", "B'1'", "B'10101010101'"]),
    "mo": ("money", ["'-1.5'", "'92233720368547758.07'"]),
    "oi": ("oid", ["0", "4294967295"]),
    "ls": ("pg_lsn", ["'0/0'", "'FFFFFFFF/FFFFFFFF'"]),
    "r4": ("int4range", ["'empty'", "'[1,5)'", "'(,3]'", "'(,)'"]),
    "rn": ("numrange", ["'[1.5,2.50]'", "'empty'"]),
    "rt": ("tstzrange", ["'[2024-01-01 00:00Z,infinity)'", "'(,2024-01-01Z]'"]),
    "mr": ("int4multirange", ["'{}'", "'{[1,3),[7,9)}'"]),
    "tv": ("tsvector", ["'a:1A b:2,3'", "''"]),
    "tq": ("tsquery", ["'a & !b'", "'''it''''s'' <-> c'"]),
    "mood": ("mood", ["'sad'", "'ok'", "'happy'"]),
    "co": ("code", ["'A'", "'b'"]),
    "pa": ("pair", ["'(1,a)'", "'(,)'", '\'(2,"a ""b")\'']),
    "ia": ("int[]", ["'{}'", "'{1,NULL}'", "'[2:3]={1,2}'", "'{{1,2},{3,4}}'"]),
    "ta": ("text[]", ['\'{"a,b",NULL,"NULL",""}\'', r"""E'{"\\\\ \\"","it''s"}'"""]),
    "za": ("timestamptz[]", ["'{infinity,\"0044-03-15 12:00Z BC\"}'", "'{}'"]),
    "na": ("numeric(6,2)[]", ["'{1.5,NULL,NaN}'", "'{}'"]),
    "ca": ("char(3)[]", ["'{a,\"b  \"}'"]),
    "pairs": ("pair[]", ["'{\"(1,a)\",NULL}'"]),
    "iva": ("interval[]", ["'{\"1 mon -1 day\",-00:00:01}'"]),
}
UNORDERED = {
    "moods": ("mood[]", ["'{sad,NULL,ok}'", "'{}'"]),
    "po": ("positive", ["1", "2"]),
    "js": ("json", ['\'{"a":  1, "a": 2}\'', "'[]'", "'\"ä\"'"]),
    "jsa": ("json[]", ["'{\"{}\",NULL}'"]),
    "x": ("xml", ["'<a>&lt;</a>'"]),
    "pt": ("point", ["'(0.1,-Infinity)'"]),
    "bx": ("box", ["'(1,1),(0.1,0)'"]),
    "bxa": ("box[]", ["'{(1,1),(0,0);(2,2),(1,1)}'"]),
    "pg": ("polygon", ["'((0,0),(1,0.1),(1,1))'"]),
    "path": ("path", ["'[(0,0),(1,1)]'", "'((0,0),(1,1))'"]),
    "jp": ("jsonpath", ["'$.a ? (@ > 1)'"]),
    "xi": ("xid", ["'3'"]),
    "td": ("tid", ["'(1,2)'"]),
    "i2": ("int2vector", ["'1 2'", "''"]),
    "rc": ("regclass", ["'pg_class'"]),
    "rp": ("regprocedure", ["'pg_catalog.upper(text)'"]),
    "rca": ("regclass[]", ["'{pg_class,NULL}'"]),
    "ac": ("aclitem", ["'postgres=r/postgres'"]),
    "aca": ("aclitem[]", ["'{=X/postgres}'"]),
    "ov": ("oidvector", ["'1 2'", "''"]),
    "rty": ("regtype", ["'text'", "'mood'"]),
    "sn": ("pg_snapshot", ["'10:20:10,14'"]),
}
WIDE = ORDERED | UNORDERED
WIDE_ROWS = 25

# Conditions on single columns of WIDE, beside comparisons.
CONDITIONS = [
    "{a}.tx LIKE {like}",
    "{a}.u8 ILIKE {like}",
    "{a}.u8 NOT LIKE {like}",
    "{a}.vc SIMILAR TO '(a|b)%'",
    "{a}.ch LIKE 'ab%'",
    "{a}.u8 ~* '^[äa]'",
    "lower({a}.u8) = 'ä'",
    "upper({a}.vc) > 'AB'",
    "{a}.tx || {a}.vc = 'it''sabcde'",
    "length({a}.tx) > {n}",
    "coalesce({a}.vc, {a}.tx) < 'b'",
    "nullif({a}.vc, '') IS NULL",
    "CASE WHEN {a}.bo THEN {a}.nu > 1 WHEN {a}.id > {n} THEN {a}.f8 > 1 ELSE {a}.u8 IS NULL END",
    "greatest({a}.n2, 0) = 0",
    "round({a}.n2, 1) = 1.5",
    "({a}.id + 1) % 3 = 1",
    "abs({a}.id - {n}) < 3",
    "{a}.id / {n} = 1",
    "{a}.f8::text = '0.1'",
    "{a}.n2::numeric(20,1) = 1.5",
    "{a}.nu::float8 > 0",
    "{a}.f4 = 0.1::real",
    "{a}.f8 = 0.30000000000000004",
    "{a}.id::text LIKE '1%'",
    "{a}.ts::date = '2024-01-02'",
    "{a}.ts::text LIKE '%BC'",
    "{a}.tz < now()",
    "{a}.tz > '2024-01-01'",
    "date_trunc('month', {a}.ts) = '2024-01-01'",
    "extract(year FROM {a}.da) = -44",
    "CASE WHEN isfinite({a}.da) THEN {a}.da - '2024-01-01'::date > {n} END",
    "{a}.iv > '1 day'",
    "{a}.iv = '-1 mon' OR {a}.ti + {a}.iv > '12:00'",
    "{a}.by = '\\x5c'",
    "{a}.by || '\\x00' > '\\x00'",
    "{a}.jb @> '{\"a\": 1}'",
    "{a}.jb ->> 'a' = '1'",
    "{a}.js ->> 'a' = '2'",
    "{a}.js::text = '[]'",
    "{a}.ip << '10.0.0.0/8'",
    "host({a}.ip) = '10.0.0.1'",
    "{a}.r4 @> {n}",
    "{a}.r4 && '[2,3)'",
    "lower({a}.rt) > '2023-01-01Z'",
    "isempty({a}.r4)",
    "{a}.mr @> 2",
    "{a}.ia @> ARRAY[1]",
    "{n} = ANY ({a}.ia)",
    "{a}.ia[1] = {n}",
    "{a}.ta[3] = 'NULL'",
    "cardinality({a}.ta) > 1",
    "{a}.id = ANY (ARRAY[1, {n}, NULL])",
    "{a}.id <> ALL (ARRAY[1, {n}])",
    "{a}.id IN (SELECT id FROM {s}.keyless)",
    "EXISTS (SELECT FROM {s}.parted p WHERE p.id = {a}.id AND p.part > 1)",
    "{a}.mood > 'sad'",
    "{a}.moods @> ARRAY['ok'::mood]",
    "{a}.po + 1 = 2",
    "{a}.co > 'A'",
    "({a}.pa).x = 1",
    "{a}.pa = ROW(1, 'a')::pair",
    "({a}.id, {a}.u8) < ({n}, 'b')",
    "{a}.tv @@ 'a'::tsquery",
    "'a:1 b:2'::tsvector @@ {a}.tq",
    "{a}.pt <-> '(0,0)' > 1",
    "{a}.mo > '1'::money",
    "length({a}.vb) = 1 OR {a}.b3 = B'101'",
    "{a}.rc = 'pg_class'::regclass",
    "{a}.u8 > 'a' COLLATE \"C\"",
    "{a}.u8 < 'b' COLLATE \"default\"",
    "{a}.id = (SELECT max(id) FROM {s}.seen)",
    "NOT ({a}.bo IS TRUE OR {a}.id > {n})",
    "{a}.bo",
]
PATTERNS = ["'%'", "'a%'", "'_'", "'%''%'", "E'%\\\\\\\\%'", "'%{%'", "NULL"]
COMPARISONS = ["=", "=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]
TABLES = ["wide", "wide", "wide", "keyless", "parted", "seen", "stored"]


def literal(column: str, random: Random) -> str:
    """A value of a column."""
    type_name, values = WIDE[column]
    return f"CAST({'NULL' if random.random() < 0.1 else random.choice(values)} AS {type_name})"


class Reading:
    """Makes statements that read the tables of a schema, which stands for {s} in them."""

    def __init__(self, number: int) -> None:
        self.random = Random(number)
        self.parameters: list[str] = []
        self.takes_parameters = False

    def value(self, column: str) -> str:
        """A value of a column, sometimes as a parameter."""
        if self.takes_parameters and self.random.random() < 0.6:
            self.parameters.append(column)
            return f"${len(self.parameters)}"
        return literal(column, self.random)

    def comparison(self, alias: str) -> str:
        """A comparison of a column, which may be of any type."""
        column = self.random.choice(list(ORDERED))
        field = f"{alias}.{column}"
        match self.random.randrange(8):
            case 0:
                return f"{alias}.{self.random.choice(list(WIDE))} IS {self.word('', 'NOT')} NULL"
            case 1:
                values = ", ".join(self.value(column) for _ in range(3))
                return f"{field} {self.word('', 'NOT')} IN ({values})"
            case 2:
                return f"{field} BETWEEN {self.value(column)} AND {self.value(column)}"
            case 3 if not WIDE[column][0].endswith("[]"):
                values = ", ".join(self.value(column) for _ in range(2))
                way = self.word("= ANY", "<> ALL", "< ANY", ">= ALL")
                return f"{field} {way} (ARRAY[{values}])"
            case 4:
                return f"coalesce({field}, {self.value(column)}) = {self.value(column)}"
            case _:
                return f"{field} {self.random.choice(COMPARISONS)} {self.value(column)}"

    def word(self, *words: str) -> str:
        """One of some words."""
        return self.random.choice(words)

    def condition(self, alias: str) -> str:
        """One condition, or several."""
        parts = []
        for _ in range(self.random.choice([1, 1, 2, 3])):
            if self.random.random() < 0.5:
                parts.append(self.comparison(alias))
                continue
            text = self.random.choice(CONDITIONS).replace("{a}", alias)
            text = text.replace("{n}", str(self.random.randrange(1, 6)))
            parts.append(f"({text.replace('{like}', self.random.choice(PATTERNS))})")
        return self.word(" AND ", " AND ", " OR ").join(parts)

    def targets(self, alias: str) -> str:
        """What is selected."""
        columns = self.random.sample(list(WIDE), self.random.choice([0, 1, 3, 8]))
        items = [f"{alias}.{column}" for column in columns]
        return ", ".join([f"{alias}.id", *items]) if self.random.random() < 0.9 else f"{alias}.*"

    def order(self, *aliases: str) -> str:
        """An ORDER BY that leaves nothing open, and LIMIT and OFFSET."""
        keys = [
            f"{self.random.choice(aliases)}.{self.random.choice(list(ORDERED))}"
            for _ in range(self.random.choice([0, 1, 1, 2]))
        ]
        keys += [f"{alias}.id" for alias in aliases]
        ways = ["", "", " DESC", " NULLS FIRST", " DESC NULLS LAST", " ASC NULLS LAST"]
        text = " ORDER BY " + ", ".join(key + self.random.choice(ways) for key in keys)
        text += self.word("", "", f" LIMIT {self.word('0', '1', '3', '9', 'NULL', '(SELECT 4)')}")
        return text + self.word("", "", f" OFFSET {self.word('1', '3', '100')}")

    def query(self) -> str:
        """A query; it has an order if it says so."""
        table, other = self.random.choice(TABLES), self.random.choice(TABLES)
        condition = self.condition("a")
        source = f"{{s}}.{table} a WHERE {condition}"
        match self.random.randrange(12):
            case 0 | 1 | 2:
                return f"SELECT {self.targets('a')} FROM {source}"
            case 3 | 4 | 5:
                # The rows of one table without a key may be equal: then all of them are wanted.
                order = "" if table == "keyless" else self.order("a")
                return f"SELECT {self.targets('a')} FROM {source}{order}"
            case 6:
                kind = self.word("JOIN", "LEFT JOIN", "RIGHT JOIN")
                equal = self.word("a.id = b.id", "a.vc = b.vc", "a.u8 < b.u8")
                return (
                    f"SELECT {self.targets('a')}, {self.targets('b')} FROM {{s}}.{table} a"
                    f" {kind} {{s}}.{other} b ON {equal} AND {self.condition('b')}"
                    f" WHERE {condition}"
                )
            case 7:
                return (
                    f"SELECT {self.targets('a')}, b.id FROM heap.{other} b JOIN {{s}}.wide a"
                    f" ON a.id = b.id AND ({self.condition('a')}){self.order('a')}"
                    if other != "keyless"
                    else f"SELECT a.id, b.id FROM heap.wide b, {source} AND a.id = b.id"
                )
            case 8:
                inner = f"SELECT {self.targets('b')} FROM {{s}}.wide b WHERE b.id <= a.id"
                return (
                    f"SELECT a.id, l.* FROM heap.wide a LEFT JOIN LATERAL ({inner} AND"
                    f" ({self.condition('b')}){self.order('b')}) l ON true"
                ).replace("ORDER BY", "ORDER  BY")
            case 9:
                return (
                    f"SELECT count(*), count(a.vc), min(a.u8), max(a.nu), sum(a.id) FROM {source}"
                )
            case 10:
                return f"SELECT a.mood, a.bo, count(*), max(a.ts) FROM {source} GROUP BY 1, 2"
            case _:
                return (
                    f"SELECT a.id, a.vc FROM {source} UNION ALL"
                    f" SELECT b.id, b.vc FROM heap.wide b WHERE {self.condition('b')}"
                )

    def statements(self) -> list[str]:
        """A query, on its own, prepared, or through cursors."""
        way = self.random.random()
        if way < 0.5:
            return [self.query()]
        if way < 0.8:
            return self.prepared()
        return self.cursors()

    def prepared(self) -> list[str]:
        """A query that is executed several times with other values."""
        self.takes_parameters = True
        sql = self.query()
        types = ", ".join(WIDE[column][0] for column in self.parameters)
        mode = self.word("auto", "force_generic_plan", "force_custom_plan")
        executions = []
        for _ in range(self.random.choice([2, 4, 8])):
            values = ", ".join(literal(column, self.random) for column in self.parameters)
            executions.append(f"EXECUTE q ({values})" if values else "EXECUTE q")
        ordered = "-- ORDER BY" if "ORDER BY" in sql else ""
        begin: list[str] = []
        end: list[str] = []
        if self.random.random() < 0.4:
            begin, end = [self.word("BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ")], ["COMMIT"]
        return [
            *begin,
            f"SET plan_cache_mode = {mode}",
            f"PREPARE q{f' ({types})' if types else ''} AS {sql}",
            *(f"{execution} {ordered}" for execution in executions),
            *end,
        ]

    def cursors(self) -> list[str]:
        """Two cursors that are read by turns, with savepoints in between."""
        queries: list[str] = []
        while len(queries) < 2:
            sql = self.query()
            if "ORDER BY" in sql:
                queries.append(sql)
        ways = ["FETCH 1", "FETCH 3", "FETCH 20", "MOVE 2", "FETCH ALL"]
        steps: list[str] = []
        depth = 0
        for _ in range(8):
            step = self.random.random()
            if step < 0.7:
                steps.append(f"{self.random.choice(ways)} FROM {self.word('c0', 'c1')} -- ORDER BY")
            elif step < 0.8 and depth < 3:
                depth += 1
                steps.append(f"SAVEPOINT s{depth}")
            elif step < 0.9 and depth:
                steps.append(f"{self.word('ROLLBACK TO', 'RELEASE')} s{depth}")
                depth -= steps[-1].startswith("RELEASE")
            else:
                steps.append(self.query())
        hold = self.word("", "", " WITH HOLD")
        # A cursor that is first read in a savepoint ends with it.
        first = [f"FETCH 1 FROM c{i} -- ORDER BY" for i in range(2) if "SAVEPOINT s1" in steps]
        return [
            "BEGIN",
            *(f"DECLARE c{i} CURSOR{hold} FOR {sql}" for i, sql in enumerate(queries)),
            *first,
            *steps,
            self.word("COMMIT", "ROLLBACK"),
            *(["FETCH ALL FROM c0 -- ORDER BY", "CLOSE ALL"] if hold else []),
        ]


def grammar(number: int) -> list[str]:
    """A query of the grammar of conditions, on the table t."""
    query = Generator(number).query()
    settings = [f"SET {name} = {value}" for name, value in query.settings.items()]
    statements = [
        f"{sql} -- ORDER BY" if query.is_ordered else sql.replace("ORDER BY", "ORDER  BY")
        for sql in query.statements("{s}.t")
    ]
    return [*settings, *statements, "RESET ALL"]


WRITTEN = ("keyed", "loose", "parted", "referring")
WRITTEN_VALUES = {
    "tx": [*ORDERED["tx"][1], "'ä'", "'😀'", "NULL", "repeat('x', 100)"],
    "vc": ["'abcde'", "''", "NULL", "'toolong'", "'a'"],
    "nu": ["1.5", "0", "999.994", "1000", "NULL", "'NaN'", "'12345678'"],
    "ts": ["'infinity'", "'0044-03-15 12:00Z BC'", "'2024-03-31 01:30Z'", "NULL"],
    "ia": ["'{}'", "'{1,NULL}'", "'[2:3]={1,2}'", "'{{1,2},{3,4}}'", "NULL"],
    "mood": ["'sad'", "'happy'", "NULL"],
    "jb": ["'{\"a\": 1}'", "'null'", "'[\"it''s\"]'", "NULL"],
    "bys": ["""'{"\\\\\\\\x00ff","\\\\\\\\x"}'""", "NULL"],
    "bx": ["'{(1,1),(0,0)}'", "NULL"],
    'odd "name"': ["'x'", "''"],
}


def written_tables(schema: str) -> str:
    """SQL that creates the tables that are written."""
    columns = (
        "tx text, vc varchar(5), nu numeric(6,2) DEFAULT 7.5 CHECK (nu < 1000), ts timestamptz,"
        ' ia int[], mood mood, jb jsonb, bys bytea[], bx box[], "odd ""name""" text NOT NULL'
        " DEFAULT 'd', twice int GENERATED ALWAYS AS (id * 2) STORED"
    )
    return (
        f"CREATE SCHEMA {schema}; SET search_path = {schema}, public;"
        f"CREATE TABLE keyed (id int PRIMARY KEY, {columns});"
        f"CREATE TABLE loose (id int, {columns});"
        f"CREATE TABLE parted (id int PRIMARY KEY, {columns}) PARTITION BY RANGE (id);"
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (-1000) TO (5);"
        "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (5) TO (2000);"
        "CREATE TABLE referring (id int PRIMARY KEY REFERENCES keyed DEFERRABLE INITIALLY DEFERRED,"
        f" {columns}); CREATE VIEW seen AS SELECT * FROM keyed WHERE id < 100"
        " WITH LOCAL CHECK OPTION;"
    )


def filled(schema: str) -> str:
    """SQL that gives the tables that are written the rows that they begin with."""
    names = ", ".join(f"{schema}.{table}" for table in WRITTEN)
    rows = "(1, 'a', 'a', 1), (2, NULL, 'b', NULL), (3, E'\\t', 'c', 999), (7, '', NULL, 0)"
    return f"TRUNCATE {names};" + "".join(
        f"INSERT INTO {schema}.{table} (id, tx, vc, nu) VALUES {rows};" for table in WRITTEN
    )


class Writing:
    """Makes statements that write the tables of a schema, which stands for {s} in them."""

    def __init__(self, number: int) -> None:
        self.random = Random(number)

    def word(self, *words: str) -> str:
        """One of some words."""
        return self.random.choice(words)

    def table(self) -> str:
        """A table."""
        return self.word("keyed", "keyed", "loose", "loose", "parted", "referring", "seen")

    def columns(self) -> list[str]:
        """Some columns."""
        return self.random.sample(list(WRITTEN_VALUES), self.random.choice([0, 1, 2, 4, 9]))

    def value(self, column: str) -> str:
        """A value; one that is wrong is rare."""
        values = WRITTEN_VALUES[column]
        wrong = ("'toolong'", "1000", "'12345678'")
        value = self.random.choice(values)
        return value if value not in wrong or self.random.random() < 0.1 else values[0]

    def row(self, columns: list[str]) -> str:
        """A row of VALUES."""
        number = self.random.choice([1, 3, 5, *range(8, 40)])
        return f"({', '.join([str(number), *map(self.value, columns)])})"

    def condition(self, alias: str) -> str:
        """A condition."""
        number = self.random.randrange(1, 9)
        forms = [
            f"{alias}.id = {number}",
            f"{alias}.id > {number}",
            f"{alias}.id IN (1, {number})",
            f"{alias}.vc < 'b'",
            f"{alias}.tx IS NULL",
            f"{alias}.nu > 0 AND random() < 2",
            f"{alias}.ia IS DISTINCT FROM '{{}}'",
            f"EXISTS (SELECT FROM {{s}}.{self.table()} x WHERE x.id = {alias}.id + 1)",
            "true",
        ]
        return self.random.choice(forms)

    def returning(self, alias: str = "") -> str:
        """A RETURNING clause, or none."""
        at = f"{alias}." if alias else ""
        forms = ["", "", f" RETURNING {at}*", f" RETURNING {at}id, {at}twice, upper({at}tx)"]
        return self.word(*forms, f" RETURNING {at}id + 1")

    def insert(self) -> str:
        """An INSERT."""
        table, columns = self.table(), self.columns()
        names = ", ".join(["id", *(quoted(column) for column in columns)])
        conflict = self.word("", "", " ON CONFLICT DO NOTHING")
        match self.random.randrange(5):
            case 0:
                source = f"SELECT x.id + 50, x.vc, x.nu FROM {{s}}.{self.table()} x"
                return (
                    f"INSERT INTO {{s}}.{table} (id, vc, nu) {source} WHERE {self.condition('x')}"
                    f" ORDER  BY 1{conflict}{self.returning()}"
                )
            case 1:
                source = "SELECT i, 'r' || i, i % 7 FROM generate_series(41, 41 + {n}) i"
                many = self.word("0", "2", "5", "9", "40")
                return (
                    f"INSERT INTO {{s}}.{table} (id, tx, nu) {source.replace('{n}', many)}"
                    f"{conflict}{self.returning()}"
                )
            case _:
                count = self.random.choice([1, 1, 2, 3, 5])
                rows = ", ".join(self.row(columns) for _ in range(count))
                return (
                    f"INSERT INTO {{s}}.{table} ({names}) VALUES {rows}{conflict}{self.returning()}"
                )

    def change(self) -> str:
        """What an UPDATE sets."""
        columns = self.random.sample(list(WRITTEN_VALUES), self.random.choice([1, 1, 3]))
        changes = [f"{quoted(column)} = {self.value(column)}" for column in columns]
        if "tx" not in columns and self.random.random() < 0.4:
            changes.append("tx = t.tx || 'x'")
        if self.random.random() < 0.15:
            changes.append(f"id = t.id + {self.word('100', '0', '1')}")
        return ", ".join(changes)

    def update(self) -> str:
        """An UPDATE."""
        table, change = self.word(*WRITTEN), self.change()
        match self.random.randrange(4):
            case 0:
                source = self.word("heap.keyless", "{s}.loose", "{s}.keyed", "heap.wide")
                sql = f"UPDATE {{s}}.{table} t SET {change} FROM {source} o"
                return f"{sql} WHERE t.id = o.id AND {self.condition('t')}{self.returning('t')}"
            case _:
                sql = f"UPDATE {{s}}.{table} t SET {change} WHERE {self.condition('t')}"
                return sql + self.returning("t")

    def delete(self) -> str:
        """A DELETE."""
        sql = f"DELETE FROM {{s}}.{self.word(*WRITTEN)} t"
        if self.random.random() < 0.3:
            source = self.word("heap.keyless", "{s}.loose", "{s}.keyed")
            sql += f" USING {source} o WHERE t.id = o.id AND "
        else:
            sql += " WHERE "
        return sql + self.condition("t") + self.returning("t")

    def copy(self) -> str:
        """A COPY, with its data."""
        columns = self.random.sample(["tx", "vc", "nu", "ia"], self.random.choice([0, 1, 3]))
        values = {
            "tx": ["a", "\\N", "", "\\\\\\t\\n", "ä"],
            "vc": ["abc", "\\N", "a", "toolong"],
            "nu": ["1", "\\N", "2.345", "x"],
            "ia": ["{1,NULL}", "{}", "{1}", "{1"],
        }
        first = self.random.randrange(8, 60)
        lines = []
        for number in range(first, first + self.random.choice([0, 1, 3, 60])):
            fields = []
            for column in columns:
                wrong = self.random.random() < 0.01
                fields.append(values[column][-1] if wrong else self.word(*values[column][:-1]))
            lines.append("\t".join([str(number), *fields]))
        if self.random.random() < 0.1:
            lines.append("\t".join(["1", *(values[column][0] for column in columns)]))
        names = ", ".join(["id", *columns])
        table = self.table().replace("seen", "keyed")
        return f"COPY {{s}}.{table} ({names}) FROM STDIN\n" + "\n".join([*lines, ""])

    def other(self) -> str:
        """What is neither of these."""
        one, other = self.word(*WRITTEN), self.word(*WRITTEN)
        return self.word(
            f"TRUNCATE {{s}}.{self.word('loose', 'parted', 'referring')}",
            f"WITH gone AS (DELETE FROM {{s}}.{one} WHERE id > 3 RETURNING *) INSERT INTO"
            f" {{s}}.{other} (id, tx) SELECT id + 200, tx FROM gone RETURNING id, tx",
            f"SELECT * FROM {{s}}.{one} ORDER BY id, tx, vc, nu",
            f"SELECT count(*), sum(id), max(vc) FROM {{s}}.{other}",
            f"PREPARE p AS UPDATE {{s}}.{one} SET tx = $2 WHERE id = $1 RETURNING *",
            f"PREPARE p (int, text) AS INSERT INTO {{s}}.{one} (id, tx) VALUES ($1, $2)",
            "EXECUTE p (1, 'p')",
            "EXECUTE p (77, NULL)",
            f"DO $$BEGIN FOR i IN 1..12 LOOP BEGIN INSERT INTO {{s}}.{one} (id, nu) VALUES (i, 1);"
            f" EXCEPTION WHEN unique_violation THEN UPDATE {{s}}.{one} SET tx = 'dup' || i"
            " WHERE id = i; END; END LOOP; END$$",
        )

    def statement(self) -> str:
        """A statement."""
        make = [self.insert] * 4 + [self.update] * 3 + [self.delete, self.copy] + [self.other] * 2
        return self.random.choice(make)()

    def statements(self) -> list[str]:
        """Some statements, often in a transaction with savepoints."""
        statements = [self.statement() for _ in range(self.random.choice([1, 3, 6, 10]))]
        if self.random.random() < 0.6:
            level = self.word("BEGIN", "BEGIN", "BEGIN ISOLATION LEVEL SERIALIZABLE")
            block, depth = [level], 0
            for statement in statements:
                block.append(statement)
                if self.random.random() < 0.4:
                    depth += 1
                    block.append(f"SAVEPOINT s{depth}")
                elif depth and self.random.random() < 0.6:
                    block.append(f"{self.word('ROLLBACK TO', 'RELEASE')} s{depth}")
                    depth -= block[-1].startswith("RELEASE")
            statements = [*block, self.word("COMMIT", "COMMIT", "COMMIT", "ROLLBACK")]
        contents = [f"SELECT * FROM {{s}}.{table}" for table in WRITTEN]
        return [*statements, *contents]


# --- Tables ---------------------------------------------------------------------------------------


def wide_rows(table: str, count: int, seed: int, first: int = 1) -> str:
    """SQL that inserts rows into a table that has WIDE's columns."""
    random = Random(seed)
    lines = []
    for number in range(first, first + count):
        values = [literal(column, random) for column in WIDE]
        lines.append(f"({number}, {random.randrange(3)}, {', '.join(values)})")
    names = ", ".join(["id", "part", *WIDE])
    return f"INSERT INTO {table} ({names}) VALUES {', '.join(lines)};"


def read_tables(schema: str) -> str:
    """SQL that creates the tables that are read."""
    wide = ", ".join(f"{name} {type_name}" for name, (type_name, _) in WIDE.items())
    columns = ", ".join(f"{name} {definition}" for name, definition in COLUMNS.items())
    keyless = "keyless (id int, part int, " + wide + ")"
    return (
        f"CREATE SCHEMA {schema}; SET search_path = {schema}, public; SET TimeZone = 'UTC';"
        f"CREATE TABLE t ({columns}, PRIMARY KEY (id)); {rows(1).replace('{table}', 't')};"
        f"CREATE TABLE wide (id int PRIMARY KEY, part int, {wide});"
        f"CREATE TABLE {keyless};"
        f"CREATE TABLE parted (id int, part int, {wide}, PRIMARY KEY (id, part))"
        " PARTITION BY LIST (part); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);"
        "CREATE TABLE parted_2 PARTITION OF parted DEFAULT;"
        + wide_rows("wide", WIDE_ROWS, 1)
        + wide_rows("keyless", 12, 2)
        + wide_rows("keyless", 3, 3)
        + wide_rows("parted", WIDE_ROWS, 4)
        + "INSERT INTO keyless SELECT * FROM keyless;"
        "CREATE VIEW seen AS SELECT * FROM wide WHERE id % 2 = 0;"
        "CREATE MATERIALIZED VIEW stored AS SELECT * FROM wide WHERE id % 3 > 0; ANALYZE;"
    )


def create_databases(server: Cluster) -> None:
    """Create the databases, which order texts by a language if there is ICU."""
    has_icu = server.run_sql("SELECT count(*) FROM pg_collation WHERE collprovider = 'i'") != "0"
    locale = "LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C'" if has_icu else "LOCALE 'C'"
    for name in (LOCAL, REMOTE):
        server.run_sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' {locale}")
        server.run_sql(f"{COLLATIONS[has_icu]} {TYPES} {EVIL}", name)


def create_server(server: Cluster, name: str, wrapper: str, options: str = "") -> None:
    """Create a foreign server for the remote database."""
    server.run_sql(
        f"CREATE SERVER {name} FOREIGN DATA WRAPPER {wrapper} OPTIONS"
        f" (host '{server.host}', port '{server.port}', dbname '{REMOTE}'{options});"
        f"CREATE USER MAPPING FOR CURRENT_USER SERVER {name} OPTIONS (user 'asker');"
        f"CREATE SCHEMA {name};",
        LOCAL,
    )


@pytest.fixture(scope="module")
def database(server: Cluster) -> str:
    """The local database, with the tables that are read and written, three times."""
    available = server.run_sql(
        "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'"
    )
    if available == "0":
        pytest.skip("postgres_fdw is not installed")
    create_databases(server)
    # Whom the remote server knows finds evil functions, operators and types first.
    server.run_sql(
        "CREATE ROLE asker SUPERUSER LOGIN;"
        "ALTER ROLE asker SET search_path = evil, public, pg_catalog"
    )
    server.run_sql("CREATE EXTENSION multicorn; CREATE EXTENSION postgres_fdw", LOCAL)
    server.run_sql(read_tables(HEAP), LOCAL)
    server.run_sql(read_tables("remote"), REMOTE)
    for name, options in READERS.items():
        create_server(server, name, "multicorn_postgres", options)
        server.run_sql(f"IMPORT FOREIGN SCHEMA remote FROM SERVER {name} INTO {name}", LOCAL)
    create_server(server, THEIRS, "postgres_fdw")
    server.run_sql(f"IMPORT FOREIGN SCHEMA remote FROM SERVER {THEIRS} INTO {THEIRS}", LOCAL)
    server.run_sql("CREATE TABLE small AS SELECT * FROM heap.t WHERE id < 6; ANALYZE small", LOCAL)
    create_written(server)
    return LOCAL


@pytest.fixture(scope="module")
def session(server: Cluster, database: str) -> Iterator[Session]:
    """A session for many statements."""
    with psycopg.connect(server.conninfo(database), autocommit=True) as session:
        yield session


def create_written(server: Cluster) -> None:
    """Create the tables that are written."""
    server.run_sql(written_tables(HEAP_WRITTEN), LOCAL)
    for remote in ("remote_ours", "remote_theirs"):
        server.run_sql(written_tables(remote), REMOTE)
    for name, options in WRITERS.items():
        create_server(server, name, "multicorn_postgres", options)
        import_written(server, "remote_ours", name)
    create_server(server, "theirs_w", "postgres_fdw", ", batch_size '3'")
    import_written(server, "remote_theirs", "theirs_w")


def import_written(server: Cluster, schema: str, name: str) -> None:
    """Import a schema with what the columns are by default."""
    server.run_sql(
        f"IMPORT FOREIGN SCHEMA {schema} FROM SERVER {name} INTO {name}"
        " OPTIONS (import_default 'true')",
        LOCAL,
    )


# --- Running --------------------------------------------------------------------------------------

Outcome = list[tuple[bytes | None, ...]] | str


def run(session: Session, sql: str) -> Outcome:
    """Run a statement: its rows as text, or its command tag, or the SQLSTATE of its error."""
    command, _, data = sql.partition("\n") if sql.startswith("COPY") else (sql, "", "")
    pgconn = session.pgconn
    result = pgconn.exec_(command.encode())
    if result.status == pq.ExecStatus.COPY_IN:
        pgconn.put_copy_data(data.encode())
        pgconn.put_copy_end()
        (result,) = iter(pgconn.get_result, None)
    if result.status == pq.ExecStatus.FATAL_ERROR:
        return (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
    if result.status != pq.ExecStatus.TUPLES_OK:
        return (result.command_status or b"").decode()
    fields = range(result.nfields)
    found = [tuple(result.get_value(row, i) for i in fields) for row in range(result.ntuples)]
    return found if "ORDER BY" in sql else sorted(found, key=repr)


def outcomes(session: Session, statements: list[str], schema: str) -> list[Outcome]:
    """Run statements on the tables of a schema: their outcomes."""
    found = [run(session, sql.replace("{s}", schema)) for sql in statements]
    run(session, "ROLLBACK")
    run(session, "DEALLOCATE ALL")
    run(session, "CLOSE ALL")
    return found


# --- Tests ----------------------------------------------------------------------------------------

BATCHES = range(8)
STORIES_PER_BATCH = 12

# What an error of these is depends on what is evaluated first, and so may come or not.
INDETERMINATE = {"42P22", "0A000"}


def numbers(batch: int) -> range:
    """The numbers of a batch."""
    return range(batch * STORIES_PER_BATCH, (batch + 1) * STORIES_PER_BATCH)


def compare(found: list[Outcome], wanted: list[Outcome], statements: list[str], what: str) -> None:
    """Fail if statements have had other outcomes than they should have."""
    for sql, one, other in zip(statements, found, wanted, strict=True):
        if INDETERMINATE.isdisjoint([str(one), str(other)]):
            assert one == other, f"{what}: {sql}\nof {statements}"


@pytest.mark.parametrize("batch", BATCHES)
def test_the_same_rows(session: Session, batch: int) -> None:
    for number in numbers(batch):
        statements = Reading(number).statements()
        run(session, SETTINGS[number % len(SETTINGS)])
        wanted = outcomes(session, statements, HEAP)
        for schema in (*READERS, THEIRS):
            found = outcomes(session, statements, schema)
            compare(found, wanted, statements, f"{number} of {schema}")
        run(session, "RESET ALL")


@pytest.mark.parametrize("batch", BATCHES)
def test_the_same_rows_for_conditions(session: Session, batch: int) -> None:
    for number in numbers(batch):
        statements = grammar(number)
        wanted = outcomes(session, statements, HEAP)
        for schema in (*READERS, THEIRS):
            found = outcomes(session, statements, schema)
            compare(found, wanted, statements, f"{number} of {schema}")


@pytest.mark.parametrize("batch", BATCHES)
def test_the_same_writes(server: Cluster, session: Session, batch: int) -> None:
    with psycopg.connect(server.conninfo(REMOTE), autocommit=True) as remote:
        for number in numbers(batch):
            statements = Writing(number).statements()
            setting = SETTINGS[number % len(SETTINGS)]
            run(session, filled(HEAP_WRITTEN))
            run(session, setting)
            wanted = outcomes(session, statements, HEAP_WRITTEN)
            for schema in WRITERS:
                run(remote, filled("remote_ours"))
                found = outcomes(session, statements, schema)
                compare(found, wanted, statements, f"{number} of {schema}")
            run(session, "RESET ALL")


# --- What random statements have found ------------------------------------------------------------


def test_written_text_does_not_depend_on_the_session(server: Cluster, session: Session) -> None:
    run(session, f"{filled(HEAP_WRITTEN)} {SETTINGS[2]}")
    with psycopg.connect(server.conninfo(REMOTE), autocommit=True) as remote:
        run(remote, filled("remote_ours"))
    for schema in (HEAP_WRITTEN, "ours_w"):
        assert run(session, f"UPDATE {schema}.keyed SET ts = '2024-03-04 05:06Z'") == "UPDATE 4"
    run(session, "RESET ALL")
    wanted = run(session, f"SELECT id, ts FROM {HEAP_WRITTEN}.keyed")
    assert run(session, "SELECT id, ts FROM ours_w.keyed") == wanted


def test_a_row_that_is_found_twice_is_written_once(server: Cluster, session: Session) -> None:
    with psycopg.connect(server.conninfo(REMOTE), autocommit=True) as remote:
        run(remote, filled("remote_ours"))
    source = "(VALUES (1), (1), (2)) AS v (i) WHERE id = i RETURNING id, tx"
    updated = run(session, f"UPDATE ours_w.keyed SET tx = tx || 'x' FROM {source}")
    assert updated == [(b"1", b"ax"), (b"2", None)]
    assert run(session, f"DELETE FROM ours_w.loose USING {source}") == [(b"1", b"a"), (b"2", None)]


def test_a_cursor_that_a_savepoint_took_along_is_not_closed(session: Session) -> None:
    statements = [
        "BEGIN",
        "DECLARE c CURSOR FOR SELECT id FROM {s}.wide",
        "SELECT count(*) FROM {s}.keyless",
        "SAVEPOINT s",
        "FETCH 1 FROM c",
        "ROLLBACK TO s",
        "CLOSE c",
        "SELECT count(*) FROM {s}.keyless",
        "COMMIT",
    ]
    wanted = outcomes(session, statements, HEAP)
    assert outcomes(session, statements, OURS) == wanted


@pytest.mark.parametrize(
    "condition",
    ["id = 4611686018427387904", "id > 1.5", "r4 @> 3", "mood = 'ok'", "nu = 'NaN'", "id = '3'"],
)
def test_an_estimate_is_no_error(session: Session, condition: str) -> None:
    sql = f"SELECT id FROM {{s}}.wide WHERE {condition}"
    assert outcomes(session, [sql], "ours_by_7") == outcomes(session, [sql], HEAP)


@pytest.mark.parametrize("column", ["i2", "ov", "rc", "rca", "ac", "aca"])
def test_types_whose_binary_form_is_not_the_same_there(session: Session, column: str) -> None:
    sql = f"SELECT id, {column} FROM {{s}}.wide"
    assert outcomes(session, [sql], OURS) == outcomes(session, [sql], HEAP)
