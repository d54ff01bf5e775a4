-- Numbers: boolean, integers, oid, floating point, numeric. What a Python value becomes in a column
-- of each type, compared with what a heap table holds for the literal beside it.
\getenv srcdir PG_ABS_SRCDIR
\set include :srcdir '/sql/include/values.sql'
\set ECHO none
\i :include

-- boolean: a bool; what else PostgreSQL reads as one
SELECT python, received('boolean', python, literal) FROM (VALUES
	('True', 'true'),
	('False', 'false'),
	('None', NULL),
	('1', 'true'),
	('0', 'false'),
	('"yes"', 'true'),
	('b"off"', 'false'),
	('2', NULL),
	('1.0', NULL),
	('"maybe"', NULL),
	('[]', NULL)
) AS given(python, literal);

-- integers: an int, and its subclasses, up to the bounds of the type
SELECT type, python, received(type, python, literal) FROM (VALUES
	('smallint', '32767', '32767'),
	('smallint', '32768', NULL),
	('smallint', '-32768', '-32768'),
	('smallint', '-32769', NULL),
	('integer', '2**31 - 1', '2147483647'),
	('integer', '2**31', NULL),
	('integer', '-2**31', '-2147483648'),
	('integer', '-2**31 - 1', NULL),
	('bigint', '2**63 - 1', '9223372036854775807'),
	('bigint', '2**63', NULL),
	('bigint', '-2**63', '-9223372036854775808'),
	('bigint', '-2**63 - 1', NULL),
	('bigint', '2**64', NULL),
	('bigint', '10**40', NULL),
	('oid', '2**32 - 1', '4294967295'),
	('oid', '2**32', NULL),
	('oid', '-1', NULL),
	('integer', 'None', NULL),
	('integer', 'True', '1'),
	('integer', 'False', '0'),
	('smallint', 'Size.LARGE', '3'),
	('integer', 'Size.LARGE', '3'),
	('bigint', 'Size.LARGE', '3'),
	('oid', 'Size.LARGE', '3'),
	('integer', 'Count(7)', '7')
) AS given(type, python, literal);

-- integers: an integral float or Decimal is one, any other is an error, never rounded
SELECT type, python, received(type, python, literal) FROM (VALUES
	('integer', '4.0', '4'),
	('integer', '-0.0', '0'),
	('integer', '4.5', NULL),
	('integer', '1e9', '1000000000'),
	('integer', '1e10', NULL),
	('integer', 'nan', NULL),
	('integer', 'inf', NULL),
	('bigint', '2.0**62', '4611686018427387904'),
	('bigint', '2.0**63', NULL),
	('bigint', '-2.0**63', '-9223372036854775808'),
	('integer', 'Decimal("4.00")', '4'),
	('integer', 'Decimal("4E1")', '40'),
	('integer', 'Decimal("4.01")', NULL),
	('integer', 'Decimal("-0.0")', '0'),
	('integer', 'Decimal("3E9")', NULL),
	('integer', 'Decimal("1E+999999")', NULL),
	('integer', 'Decimal("NaN")', NULL),
	('integer', 'Decimal("sNaN")', NULL),
	('integer', 'Decimal("-Infinity")', NULL),
	('bigint', 'Decimal(2**63 - 1)', '9223372036854775807'),
	('bigint', 'Decimal(2**63)', NULL),
	('bigint', 'Decimal("-9223372036854775808.0")', '-9223372036854775808'),
	('oid', 'Decimal("4294967295.0")', '4294967295'),
	('smallint', 'Decimal("32768")', NULL)
) AS given(type, python, literal);

-- integers: anything else goes by its text
SELECT python, received('integer', python, literal) FROM (VALUES
	('"42"', '42'),
	('" -42 "', '-42'),
	('b"42"', '42'),
	('Fraction(8, 2)', '4'),
	('Fraction(1, 2)', NULL),
	('""', NULL),
	('"4.0"', NULL),
	('"forty-two"', NULL),
	('[42]', NULL),
	('1 + 0j', NULL),
	('...', NULL)
) AS given(python, literal);

-- floating point: a float as it is, with its sign of zero, its infinities and its NaN
SELECT type, python, received(type, python, literal) FROM (VALUES
	('double precision', '0.1', '0.1'),
	('double precision', '1/3', '0.3333333333333333'),
	('double precision', '-0.0', '-0'),
	('double precision', '5e-324', '5e-324'),
	('double precision', '1.7976931348623157e308', '1.7976931348623157e308'),
	('double precision', 'inf', 'infinity'),
	('double precision', '-inf', '-infinity'),
	('double precision', 'nan', 'nan'),
	('real', '0.1', '0.1'),
	('real', '16777217.0', '16777216'),
	('real', '-0.0', '-0'),
	('real', '3.4028234663852886e38', '3.4028235e38'),
	('real', '1e39', NULL),
	('real', '-1e39', NULL),
	('real', '1e-45', '1e-45'),
	('real', '1e-60', NULL),
	('real', 'inf', 'infinity'),
	('real', 'nan', 'nan')
) AS given(type, python, literal);

-- floating point: other numbers go by their text, and so are rounded by PostgreSQL
SELECT type, python, received(type, python, literal) FROM (VALUES
	('double precision', '1', '1'),
	('double precision', '2**53 + 1', '9007199254740993'),
	('double precision', '10**308', '1e308'),
	('double precision', 'Decimal("0.1")', '0.1'),
	('double precision', 'Decimal("NaN")', 'nan'),
	('double precision', 'Decimal("-Infinity")', '-infinity'),
	('double precision', '" 1e3 "', '1000'),
	('double precision', 'b"1.5"', '1.5'),
	('double precision', 'Size.LARGE', '3'),
	('double precision', '10**400', NULL),
	('double precision', '"1,5"', NULL),
	('double precision', '{}', NULL),
	('real', '16777217', '16777217'),
	('real', 'Decimal("0.1")', '0.1'),
	('real', '10**39', NULL)
) AS given(type, python, literal);

-- numeric: a Decimal, digit by digit, with its trailing zeros
SELECT python, received('numeric', python, literal) FROM (VALUES
	('Decimal("1.10")', '1.10'),
	('Decimal("-0.000")', '-0.000'),
	('Decimal("1E+5")', '100000'),
	('Decimal("1E-7")', '0.0000001'),
	('Decimal("123456789012345678901234567890.000000001")', '123456789012345678901234567890.000000001'),
	('Decimal("NaN")', 'NaN'),
	('Decimal("Infinity")', 'Infinity'),
	('Decimal("-Infinity")', '-Infinity'),
	('Decimal("1E+200000")', NULL),
	('Decimal("sNaN")', NULL),
	('0.1', '0.1'),
	('1e30', '1e30'),
	('nan', 'NaN'),
	('-inf', '-Infinity'),
	('42', '42'),
	('2**63 - 1', '9223372036854775807'),
	('2**63', '9223372036854775808'),
	('-2**63 - 1', '-9223372036854775809'),
	('Size.LARGE', '3'),
	('Count(7)', '7'),
	('Count(10**30)', '1000000000000000000000000000000'),
	('"1e2"', '1e2'),
	('b" 1.50 "', '1.50'),
	('"1.5.0"', NULL),
	('1j', NULL)
) AS given(python, literal);

-- a thousand digits, and ints that Python's own str() refuses to write
SELECT received('numeric', 'Decimal("9" * 1000 + "." + "8" * 1000)')
	= repeat('9', 1000) || '.' || repeat('8', 1000) AS thousands_of_digits,
	received('numeric', '-10**5000') = '-1' || repeat('0', 5000) AS five_thousand_digits,
	received('numeric', '10**131071') = '1' || repeat('0', 131071) AS as_large_as_it_gets
\gx
SELECT received('numeric', '10**131072') AS one_more_digit,
	received('bigint', '10**5000') AS far_too_large;

-- numeric(p,s) rounds as PostgreSQL does on every path, and refuses what then does not fit
SELECT type, python, received(type, python, literal) FROM (VALUES
	('numeric(5,2)', 'Decimal("123.455")', '123.455'),
	('numeric(5,2)', 'Decimal("-123.455")', '-123.455'),
	('numeric(5,2)', 'Decimal("999.994")', '999.994'),
	('numeric(5,2)', 'Decimal("999.995")', NULL),
	('numeric(5,2)', '1.005', '1.005'),
	('numeric(5,2)', '999', '999'),
	('numeric(5,2)', '1000', NULL),
	('numeric(5,2)', 'Size.LARGE', '3'),
	('numeric(5,2)', '2**70', NULL),
	('numeric(5,2)', '"1.005"', '1.005'),
	('numeric(5,2)', 'b"1000"', NULL),
	('numeric(5,2)', 'Decimal("NaN")', 'NaN'),
	('numeric(5,2)', 'inf', NULL),
	('numeric(3,-2)', '12345', '12345'),
	('numeric(3,-2)', 'Decimal("12350")', '12350'),
	('numeric(2,4)', 'Decimal("0.00125")', '0.00125')
) AS given(type, python, literal);

DROP SCHEMA values_test CASCADE;
DROP SERVER values_test CASCADE;
