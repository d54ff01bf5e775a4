"""Random queries on a table with columns of many types, by a grammar of SQL.

The same number always gives the same query. They are made so that none of them divides by zero,
overflows or reads a text that cannot be read. But comparisons of texts may have no collation, or
one that some functions do not take: that is an error wherever it is evaluated.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

ROWS = 60

# Where PostgreSQL has no ICU, these collations order texts as the database does.
COLLATIONS = {
    True: """
CREATE COLLATION swedish (provider = icu, locale = 'sv');
CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
""",
    False: """
CREATE COLLATION swedish (provider = libc, locale = 'POSIX');
CREATE COLLATION nocase (provider = libc, locale = 'POSIX');
""",
}
TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN code AS text COLLATE "C";
CREATE TYPE pair AS (x int, s text);
"""

COLUMNS = {
    "id": "int",
    "i2": "smallint",
    "i4": "int",
    "i8": "bigint",
    "p": "positive",
    "n": "numeric",
    "n2": "numeric(10,2)",
    "f4": "real",
    "f8": "float8",
    "t": "text",
    "v": "varchar(10)",
    "k": 'text COLLATE "C"',
    "sw": "text COLLATE swedish",
    "nc": "text COLLATE nocase",
    "cd": "code",
    "nm": "name",
    "c": "char(5)",
    "b": "boolean",
    "d": "date",
    "ts": "timestamp",
    "tz": "timestamptz",
    "iv": "interval",
    "u": "uuid",
    "by": "bytea",
    "j": "jsonb",
    "ia": "int[]",
    "ta": "text[]",
    "m": "mood",
    "co": "pair",
}

# What there is of each kind without a column, in SQL. Columns of rows are filled with the same.
LITERALS = {
    "int": ["0", "1", "2", "3", "-1", "5", "1000"],
    "bigint": ["0", "1", "2", "-1", "4611686018427387904"],
    "numeric": ["0", "1", "1.5", "1.50", "-0.001", "'NaN'", "2", "0.1", "123.456"],
    "float": ["0", "1", "'-0'", "1.5", "'NaN'", "'Infinity'", "0.1", "0.30000000000000004", "2"],
    "text": [
        "'a'",
        "'A'",
        "'b'",
        "'ab'",
        "''",
        "'a '",
        "'ä'",
        "'z'",
        "'Ä'",
        r"E'a\\b'",
        "'it''s'",
        "'%'",
        "'1'",
    ],
    "char": ["'a'", "'a  '", "'ab'", "'B'", "''"],
    "bool": ["true", "false"],
    "date": ["'2024-02-29'", "'2024-03-01'", "'1999-12-31'", "'infinity'", "'0044-03-15 BC'"],
    "ts": ["'2024-02-29 12:00'", "'2024-03-01'", "'1999-12-31 23:59:59.999999'", "'-infinity'"],
    "tz": ["'2024-02-29 12:00+02'", "'2024-03-01 00:00Z'", "'2024-03-31 01:30Z'", "'infinity'"],
    "interval": ["'1 day'", "'24:00'", "'1 mon'", "'-00:00:00.5'", "'1 year 2 days'", "'0'"],
    "uuid": [f"'00000000-0000-0000-0000-00000000000{digit}'" for digit in "012"],
    "bytea": ["''", r"'\x00ff'", r"'\x61'", r"'\x5c'"],
    "jsonb": [
        """'{"a": 1, "b": "x"}'""",
        """'{"a": 2, "b": {"c": [1, null]}}'""",
        """'{"b": "it''s \\"x\\""}'""",
        """'{"a": null}'""",
        "'{}'",
    ],
    "intarray": ["'{1,2}'", "'{}'", "'{3}'", "'{1,NULL}'", "'[2:3]={1,2}'"],
    "textarray": ["'{a,b}'", "'{}'", r"""'{"a b","it''s",NULL}'""", "'{\"\"}'"],
    "mood": ["'sad'", "'ok'", "'happy'"],
    "pair": ["'(1,a)'", "'(,)'", "'(2,)'", "'(1,\"a b\")'"],
    "positive": ["1", "2", "3"],
}

TYPE_OF_KIND = {
    "float": "float8",
    "char": "char(5)",
    "bool": "boolean",
    "ts": "timestamp",
    "tz": "timestamptz",
    "intarray": "int[]",
    "textarray": "text[]",
}

COLUMNS_OF_KIND = {
    "int": ["id", "i2", "i4", "i4", "p"],
    "bigint": ["i8"],
    "numeric": ["n", "n2"],
    "float": ["f8", "f4"],
    "text": ["t", "t", "t", "t", "v", "v", "k", "k", "cd", "nm", "sw", "nc"],
    "char": ["c"],
    "bool": ["b"],
    "date": ["d"],
    "ts": ["ts"],
    "tz": ["tz"],
    "interval": ["iv"],
    "uuid": ["u"],
    "bytea": ["by"],
    "jsonb": ["j"],
    "intarray": ["ia"],
    "textarray": ["ta"],
    "mood": ["m"],
    "pair": ["co"],
}

KINDS = list(COLUMNS_OF_KIND)

# Words that stand for one of several.
WORDS = {
    "compare": ["=", "=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"],
    "order": ["=", "<>", "<", "<=", ">", ">="],
    "not": ["", "NOT"],
    "truth": ["TRUE", "FALSE", "UNKNOWN"],
    "like": ["LIKE", "ILIKE"],
    "pattern": ["'a%'", "'%b'", "'_'", "'%'", r"E'a\\\\b'", "''", "'a_'", "'Ä%'"],
    "regex": ["'a'", "'^[ab]+$'", "'b?$'", r"E'\\\\'"],
    "collation": ['"C"', '"C"', '"default"', "swedish", "nocase"],
    "index": ["0", "1", "2", "3"],
    "key": ["'a'", "'b'", "'it''s'"],
    "zone": ["'UTC'", "'Europe/Berlin'", "'-03:30'"],
    "unit": ["'year'", "'month'", "'hour'"],
}

# Without the first ones, what is left is a nested loop that scans the table again and again.
WAYS_TO_JOIN = [
    *("enable_hashjoin", "enable_mergejoin", "enable_material", "enable_memoize"),
    "enable_partitionwise_join",
]

# What is made of other things. {kind} is one of that kind, {.name} a column, {word} a word.
EVERY_KIND = [
    "coalesce({K}, {K})",
    "nullif({K}, {K})",
    "CASE WHEN {bool} THEN {K} ELSE {K} END",
    "CASE WHEN {bool} THEN {K} WHEN {bool} THEN {K} END",
    "CASE {int} WHEN {int} THEN {K} WHEN 1 THEN {K} ELSE {K} END",
    "greatest({K}, {K})",
    "least({K}, {K}, {K})",
]
GRAMMAR = {
    "int": [
        "({int} + {int})",
        "({int} - {int})",
        "({int} * 2)",
        "({int} / 2)",
        "({int} % 3)",
        "(- {int})",
        "({int} & {int})",
        "abs({int})",
        "length({text})",
        "length({char})",
        "octet_length({bytea})",
        "position({text} IN {text})",
        "num_nulls({int}, {date})",
        "num_nulls(VARIADIC {intarray})",
        "CASE {text} WHEN {text} THEN {int} ELSE {int} END",
        "CASE {date} WHEN {date} THEN 1 WHEN {ts} THEN 2 END",
        "({intarray})[{index}]",
        "cardinality({textarray})",
        "array_length({intarray}, 1)",
        "array_position({textarray}, {text})",
        "({pair}).x",
        "{bool}::int",
        "({.j} ->> 'a')::int",
        "(abs({int}) + 1)::positive",
    ],
    "bigint": ["{int}::bigint", "({bigint} / 2)", "({int} + 5::bigint)"],
    "numeric": [
        "{int}::numeric",
        "{bigint}::numeric",
        "round({numeric}, 1)",
        "({numeric} + {numeric})",
        "({numeric} - {int})",
        "({numeric} * 1.10)",
        "({numeric} / 4)",
        "{.n}::numeric(20,1)",
        "extract(epoch FROM {interval})",
        "extract(year FROM {date})",
    ],
    "float": [
        "{int}::float8",
        "({float} + {float})",
        "({float} - {int})",
        "(- {float})",
        "floor({float})",
        "({float} / 3)",
        "{numeric}::float8",
    ],
    "text": [
        "lower({text})",
        "upper({text})",
        "({text} || {text})",
        "({text} || {int})",
        "({text} COLLATE {collation})",
        "({text} COLLATE {collation})",
        "substring({text} FROM 1 FOR 2)",
        "substring({text} FROM 'a(.)')",
        "overlay({text} PLACING 'x' FROM 1)",
        "replace({text}, 'a', {text})",
        "trim({text})",
        "trim(LEADING 'a' FROM {text})",
        "left({text}, {int})",
        "rpad({text}, 3, 'x')",
        "split_part({text}, 'a', 1)",
        "regexp_replace({text}, 'a+', 'x')",
        "translate({text}, 'ab', 'ba')",
        "concat_ws('-', {text}, {text})",
        "md5({text})",
        "{text}::varchar(2)",
        "{text}::varchar",
        "{text}::char(3)::text",
        "{text}::name",
        "{text}::code",
        "{char}::text",
        "{int}::text",
        "{bool}::text",
        "{numeric}::text",
        "{float}::text",
        "{uuid}::text",
        "{mood}::text",
        "{date}::text",
        "{tz}::text",
        "{interval}::text",
        "{jsonb}::text",
        "{intarray}::text",
        "{pair}::text",
        "({jsonb} ->> {key})",
        "({jsonb} #>> '{b,c}')",
        "({textarray})[{index}]",
        "({pair}).s",
        "array_to_string({textarray}, ',')",
        "to_char({ts}, 'YYYY-MM')",
        "CASE {text} WHEN {text} THEN {text} WHEN 'a' THEN {text} END",
    ],
    "char": ["{text}::char(3)", "{char}::char(2)", "{text}::bpchar"],
    "bool": [
        *["({bool} AND {bool})", "({bool} OR {bool})", "(NOT {bool})"] * 4,
        "({bool} OR {bool} OR {bool})",
        "({bool} IS {not} {truth})",
        *(f"({{{kind}}} {{compare}} {{{kind}}})" for kind in KINDS for _ in range(2)),
        *(f"({{{kind}}} IS {{not}} NULL)" for kind in KINDS),
        *(f"({{{kind}}} {{not}} IN ({{{kind}}}, {{{kind}}}))" for kind in KINDS),
        *(f"({{{kind}}} {{not}} BETWEEN {{{kind}}} AND {{{kind}}})" for kind in KINDS),
        *(
            f"({{{kind}}} {{order}} {quantifier} (ARRAY[{{{kind}}}, {{{kind}}}]))"
            for kind in KINDS
            if "array" not in kind
            for quantifier in ("ANY", "ALL")
        ),
        "({int} {compare} {bigint})",
        "({int} {compare} {numeric})",
        "({numeric} {compare} {float})",
        "({date} {compare} {ts})",
        "({ts} {compare} {tz})",
        "({char} {compare} {text})",
        "({int} {not} BETWEEN SYMMETRIC {int} AND {int})",
        "({int} {order} ANY ({intarray}))",
        "({text} {order} ALL ({textarray}))",
        "({text} {not} {like} {pattern})",
        "({text} {not} {like} {pattern} ESCAPE 'x')",
        "({text} LIKE ANY (ARRAY[{pattern}, {pattern}]))",
        "({char} LIKE {pattern})",
        "({text} ~ {regex})",
        "({text} !~* {regex})",
        "({text} SIMILAR TO '(a|b)%')",
        "({text} ^@ {text})",
        "starts_with({text}, {text})",
        "(({int}, {text}) {order} ({int}, {text}))",
        "(({text}, {int}, {date}) {compare} ({text}, {int}, {date}))",
        "(({int}, {text}) IN (({int}, {text}), (1, 'a')))",
        "(ROW({int}, {text}) IS {not} NULL)",
        "(ROW({int}, {text})::pair {compare} {pair})",
        "(ROW({int}, {text})::pair IS {not} NULL)",
        "({jsonb} @> {jsonb})",
        "({jsonb} ? {key})",
        "({jsonb} ?| ARRAY['a', {text}])",
        "({jsonb} @? '$.a ? (@ > 1)')",
        "({jsonb} @@ '$.a > 1')",
        "({intarray} @> {intarray})",
        "({intarray} && ARRAY[{int}, 1])",
        "({textarray} <@ {textarray})",
        "(({date}, {date}) OVERLAPS ({date}, {date}))",
        "isfinite({ts})",
        "(int4range(-1, 3) @> {int}::int)",
        "({mood} = ANY (enum_range('ok'::mood, 'happy')))",
    ],
    "date": ["({date} + {int})", "{ts}::date", "{tz}::date"],
    "ts": [
        "{date}::timestamp",
        "({ts} + {interval})",
        "({date} + {interval})",
        "date_trunc({unit}, {ts})",
        "({tz} AT TIME ZONE {zone})",
        "{ts}::timestamp(0)",
        "{tz}::timestamp",
    ],
    "tz": ["({ts} AT TIME ZONE {zone})", "{ts}::timestamptz", "({tz} + {interval})"],
    "interval": [
        "({interval} * 2)",
        "({interval} + {interval})",
        "(- {interval})",
        "justify_hours({interval})",
        "make_interval(days => {int})",
    ],
    "uuid": [],
    "bytea": [
        "({bytea} || {bytea})",
        "substring({bytea} FROM 1 FOR 1)",
        "sha256({bytea})",
        "convert_to({text}, 'UTF8')",
    ],
    "jsonb": [
        "({jsonb} -> {key})",
        "({jsonb} || {jsonb})",
        "({jsonb})[{key}]",
        "({.j} - {key})",
        "to_jsonb({int})",
        "to_jsonb({textarray})",
        "jsonb_build_array({int}, {text})",
    ],
    "intarray": [
        "ARRAY[{int}, {int}]",
        "({intarray} || {int})",
        "({intarray} || {intarray})",
        "({intarray})[1:{index}]",
        "({intarray})[{index}:]",
        "array_remove({intarray}, {int})",
        "{intarray}::bigint[]::int[]",
    ],
    "textarray": [
        "ARRAY[{text}, {text}]::text[]",
        "({textarray} || {text}::text)",
        "string_to_array({text}, 'a')",
        "{intarray}::text[]",
        "{textarray}::varchar(1)[]",
        "ARRAY[]::text[]",
    ],
    "mood": ["(enum_range({.m}, NULL))[1]"],
    "pair": ["ROW({int}, {text})::pair"],
}
for _kind in KINDS:
    GRAMMAR[_kind] += [form.replace("{K}", f"{{{_kind}}}") for form in EVERY_KIND]
# PostgreSQL has no greatest() of these.
GRAMMAR["jsonb"] = [form for form in GRAMMAR["jsonb"] if not form.startswith(("greatest", "least"))]

PLACEHOLDER = re.compile(r"\{(\.?\w+)\}")


def type_of(kind: str) -> str:
    """Return the type of a literal of a kind."""
    return TYPE_OF_KIND.get(kind, kind)


def rows(seed: int) -> str:
    """Return SQL that fills the table `{table}` with rows."""
    rng = random.Random(seed)
    kinds = {column: kind for kind, columns in COLUMNS_OF_KIND.items() for column in columns}
    kinds["p"] = "positive"

    def value(column: str, number: int) -> str:
        if column == "id":
            return str(number)
        # The first row has no NULL, the second has nothing else.
        if number == 2 or (number > 2 and rng.random() < 0.15):
            return "NULL"
        kind = kinds[column]
        return f"CAST({rng.choice(LITERALS[kind])} AS {COLUMNS[column].partition(' COLLATE')[0]})"

    lines = [
        "(" + ", ".join(value(column, number) for column in COLUMNS) + ")"
        for number in range(1, ROWS + 1)
    ]
    return f"INSERT INTO {{table}} ({', '.join(COLUMNS)}) VALUES\n" + ",\n".join(lines)


@dataclass
class Query:
    """A query.

    Attributes:
        sql: Its text; the name of the table goes where `{table}` is.
        is_ordered: Whether its rows have an order.
        types: The types of its parameters, none if it has no parameters.
        values: Literals for the parameters, for each of its executions.
        settings: Settings of the session, by name.
    """

    sql: str
    is_ordered: bool
    types: list[str] = field(default_factory=list)
    values: list[list[str]] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)

    def statements(self, table: str) -> list[str]:
        """Return the statements that run it on a table."""
        sql = self.sql.replace("{table}", table)
        if not self.types:
            return [sql]
        types = ", ".join(self.types)
        return [
            f"PREPARE query ({types}) AS {sql}",
            *(f"EXECUTE query ({', '.join(values)})" for values in self.values),
            "DEALLOCATE query",
        ]


class Generator:
    """Makes the query of a number."""

    def __init__(self, number: int) -> None:
        self.rng = random.Random(number)
        self.tables = ["t"]
        self.parameters: list[str] = []
        self.is_prepared = False

    # --- Expressions ------------------------------------------------------------------------------

    def expression(self, kind: str, depth: int) -> str:
        """Return an expression of a kind that is at most so deep."""
        if depth <= 0 or self.rng.random() < (0.1 if kind == "bool" else 0.45):
            return self.leaf(kind)
        form = self.rng.choice(GRAMMAR[kind])
        return PLACEHOLDER.sub(lambda found: self._fill(found[1], depth - 1), form)

    def _fill(self, name: str, depth: int) -> str:
        """Return what stands in the place of a placeholder."""
        if name.startswith("."):
            return self.column(name[1:])
        if name in WORDS:
            return self.rng.choice(WORDS[name])
        return self.expression(name, depth)

    def column(self, name: str) -> str:
        """Return a column of one of the tables."""
        return f"{self.rng.choice(self.tables)}.{name}"

    def leaf(self, kind: str) -> str:
        """Return a column, a literal, or what is constant during a query."""
        chance = self.rng.random()
        if chance < 0.6:
            return self.column(self.rng.choice(COLUMNS_OF_KIND[kind]))
        literal = self.literal(kind)
        if self.is_prepared and chance < 0.8:
            self.parameters.append(kind)
            return f"${len(self.parameters)}"
        return f"(SELECT {literal})" if chance > 0.96 else literal

    def literal(self, kind: str) -> str:
        """Return a literal, sometimes NULL."""
        text = "NULL" if self.rng.random() < 0.07 else self.rng.choice(LITERALS[kind])
        # A conditional one may have a type of its own: bpchar is no char(5).
        return f"CAST({text} AS {type_of(kind)})"

    def condition(self) -> str:
        """Return one condition, or several."""
        depth = self.rng.choice([1, 2, 2, 3, 4])
        parts = [self.expression("bool", depth) for _ in range(self.rng.choice([1, 1, 1, 2, 3]))]
        return " AND ".join(parts)

    # --- Queries ----------------------------------------------------------------------------------

    def query(self) -> Query:
        """Return the query."""
        self.is_prepared = self.rng.random() < 0.3
        form = self.rng.choice([self._plain] * 6 + [self._join] * 3 + [self._subquery, self._other])
        sql, is_ordered = form()
        query = Query(sql, is_ordered, [type_of(kind) for kind in self.parameters])
        if len(self.tables) > 1:
            query.settings = {way: self.rng.choice(["on", "off"]) for way in WAYS_TO_JOIN}
        if self.parameters:
            query.values = [[self.literal(kind) for kind in self.parameters] for _ in range(3)]
            query.settings["plan_cache_mode"] = self.rng.choice(
                ["force_generic_plan", "force_generic_plan", "force_custom_plan"]
            )
        return query

    def order(self, tables: list[str]) -> str:
        """Return an ORDER BY that leaves nothing open."""
        keys = []
        for _ in range(self.rng.choice([0, 1, 1, 2])):
            kind = self.rng.choice(KINDS)
            key = f"{self.rng.choice(tables)}.{self.rng.choice(COLUMNS_OF_KIND[kind])}"
            if kind == "text" and self.rng.random() < 0.3:
                key += f" COLLATE {self.rng.choice(WORDS['collation'])}"
            keys.append(key)
        keys += [f"{table}.id" for table in tables]
        ways = ["", "", " DESC", " NULLS FIRST", " DESC NULLS LAST"]
        return " ORDER BY " + ", ".join(key + self.rng.choice(ways) for key in keys)

    def limit(self) -> str:
        """Return LIMIT and OFFSET, or one of them, or none."""
        text = ""
        if self.rng.random() < 0.5:
            text += f" LIMIT {self.number()}"
        if self.rng.random() < 0.3:
            text += f" OFFSET {self.number()}"
        return text

    def number(self) -> str:
        """Return how many rows."""
        if self.is_prepared and self.rng.random() < 0.3:
            self.parameters.append("positive")
            return f"${len(self.parameters)}"
        return self.rng.choice(["0", "1", "3", "10", "(SELECT 2)", "NULL"])

    def targets(self, tables: list[str]) -> str:
        """Return what is selected: the ids, and a few columns and expressions."""
        items = [f"{table}.id" for table in tables]
        for _ in range(self.rng.choice([0, 1, 3])):
            items.append(self.expression(self.rng.choice(KINDS), self.rng.choice([0, 0, 1])))
        return ", ".join(items)

    def _plain(self) -> tuple[str, bool]:
        """One table."""
        sql = f"SELECT {self.targets(['t'])} FROM {{table}} t WHERE {self.condition()}"
        if self.rng.random() < 0.6:
            return sql + self.order(["t"]) + self.limit(), True
        return sql, False

    def _join(self) -> tuple[str, bool]:
        """The table with a small one, or with itself."""
        other = self.rng.choice(["small", "small", "{table}"])
        kind = self.rng.choice(["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        self.tables = ["t", "s"]
        equal = self.rng.choice(["t.id = s.id", "t.i4 = s.i4", "t.k = s.k", "t.id = s.i4", "true"])
        condition = equal if kind == "FULL JOIN" else f"{equal} AND {self.condition()}"
        sql = f"{{table}} t {kind} {other} s ON {condition}"
        if self.rng.random() < 0.3:
            # Above an outer join, what is computed below it stays what it was there.
            sql = re.sub(r"\bt\.t\b", "t.z", sql)
            sql = sql.replace("{table} t", "(SELECT *, coalesce(t, 'x') z FROM {table}) t", 1)
        sql = f"SELECT {self.targets(['t', 's'])} FROM {sql}"
        if kind == "FULL JOIN" or self.rng.random() < 0.5:
            sql += f" WHERE {self.condition()}"
        if self.rng.random() < 0.5:
            return sql + self.order(["t", "s"]) + self.limit(), True
        return sql, False

    def _subquery(self) -> tuple[str, bool]:
        """The table below another query."""
        self.tables = ["t", "s"]
        inner = "{table} t WHERE " + self.condition()
        self.tables = ["s"]
        outer = self.condition()
        self.tables = ["t", "s"]
        forms = [
            "SELECT s.id FROM small s WHERE EXISTS (SELECT FROM {inner})",
            "SELECT s.id FROM small s WHERE NOT EXISTS (SELECT FROM {inner})",
            "SELECT s.id FROM small s WHERE s.i4 IN (SELECT t.i4 FROM {inner})",
            "SELECT s.id FROM small s WHERE s.i4 NOT IN (SELECT t.i4 FROM {inner})",
            "SELECT s.id, (SELECT count(*) FROM {inner}) FROM small s",
            "SELECT s.id, l.id FROM small s,"
            " LATERAL (SELECT * FROM {inner} ORDER BY t.id LIMIT abs(s.i2)) l",
            "SELECT s.id, l.* FROM small s LEFT JOIN LATERAL"
            " (SELECT t.id, t.t || s.v FROM {inner}) l ON true",
            "SELECT s.id FROM {table} s WHERE {outer} AND s.id IN (SELECT t.i4 FROM {table} t)",
        ]
        form = self.rng.choice(forms)
        return form.replace("{inner}", inner).replace("{outer}", outer), False

    def _other(self) -> tuple[str, bool]:
        """Aggregates, UNION and what else comes between the table and LIMIT."""
        forms = [
            "SELECT count(*), min(t.i4), max(t.t) FROM {inner}",
            "SELECT t.b, count(*) FROM {inner} GROUP BY t.b ORDER BY t.b LIMIT 2",
            "SELECT DISTINCT t.t FROM {inner} ORDER BY t.t LIMIT 3",
            "SELECT t.id FROM {inner} UNION ALL SELECT s.id FROM small s ORDER BY 1 LIMIT 4",
            "SELECT t.id, rank() OVER (ORDER BY t.id) FROM {inner} ORDER BY t.id LIMIT 3",
            "SELECT t FROM {inner} ORDER BY t.id LIMIT 3",
            "SELECT x.id FROM (SELECT * FROM {inner} ORDER BY t.id LIMIT 5) x"
            " WHERE x.b ORDER BY x.id",
            "WITH w AS MATERIALIZED (SELECT * FROM {inner})"
            " SELECT a.id, b.id FROM w a JOIN w b ON a.id = b.i4 ORDER BY 1, 2",
        ]
        inner = "{table} t WHERE " + self.condition()
        return self.rng.choice(forms).replace("{inner}", inner), True
