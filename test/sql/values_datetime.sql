-- Dates and times, to the microsecond: date, time, timetz, timestamp, timestamptz, interval.
\getenv srcdir PG_ABS_SRCDIR
\set include :srcdir '/sql/include/values.sql'
\set ECHO none
\i :include
SET timezone = 'Europe/Berlin';

-- date: a date, or a datetime for its wall clock's day; years outside Python's as text
SELECT python, received('date', python, literal) FROM (VALUES
	('date(2020, 2, 29)', '2020-02-29'),
	('date.min', '0001-01-01'),
	('date.max', '9999-12-31'),
	('dt(2020, 2, 29, 23, 59, 59, 999999)', '2020-02-29'),
	('dt(2020, 2, 29, 23, 59, tzinfo=hours(-12))', '2020-02-29'),
	('"2020-02-29"', '2020-02-29'),
	('"0044-03-15 BC"', '0044-03-15 BC'),
	('"5874897-12-31"', '5874897-12-31'),
	('"infinity"', 'infinity'),
	('"-infinity"', '-infinity'),
	('20200229', '2020-02-29'),
	('None', NULL),
	('"2020-02-30"', NULL),
	('time(1)', NULL),
	('2020.5', NULL)
) AS given(python, literal);

-- time: a time without its zone; a datetime goes by its str(), which PostgreSQL reads the time from
SELECT type, python, received(type, python, literal) FROM (VALUES
	('time', 'time(23, 59, 59, 999999)', '23:59:59.999999'),
	('time', 'time.min', '00:00'),
	('time', 'time(1, tzinfo=utc)', '01:00'),
	('time', '"24:00"', '24:00'),
	('time', '"12:34:56.789"', '12:34:56.789'),
	('time', 'dt(2020, 1, 1, 5)', '05:00'),
	('time', '"25:00"', NULL),
	('time', 'date(2020, 1, 1)', NULL),
	('time', 'td(hours=1)', '1:00:00'),
	('time', 'td(days=1, hours=1)', NULL),
	('time(0)', 'time(23, 59, 59, 999999)', '23:59:59.999999'),
	('time(0)', 'time(1, 2, 3, 499999)', '01:02:03.499999'),
	('time(3)', 'time(0, 0, 0, 1500)', '00:00:00.0015'),
	('time(3)', '"00:00:00.0015"', '00:00:00.0015')
) AS given(type, python, literal);

-- timetz: a time with a fixed offset; without one it is in the session's zone, as PostgreSQL takes it
SELECT type, python,
	regexp_replace(received(type, python, literal), '[+]0[12]$', ' in the session''s zone') AS received
FROM (VALUES
	('timetz', 'time(1, 2, 3, 4, tzinfo=utc)', '01:02:03.000004+00'),
	('timetz', 'time(1, tzinfo=hours(-5.5))', '01:00-05:30'),
	('timetz', 'time(1, tzinfo=hours(5 + 1/3600))', '01:00+05:00:01'),
	('timetz', 'time(1, tzinfo=hours(15.75))', '01:00+15:45'),
	('timetz', 'time(1, tzinfo=hours(16))', NULL),
	('timetz', 'time(1, tzinfo=hours(-23))', NULL),
	('timetz', 'time(1, tzinfo=hours(1/3600/2))', NULL),
	('timetz', '"24:00+03"', '24:00+03'),
	('timetz', 'time(12, 34)', '12:34'),
	('timetz', 'time(12, 34, tzinfo=zone("America/New_York"))', '12:34'),
	('timetz', 'dt(2020, 6, 1, 5, tzinfo=utc)', '2020-06-01 05:00+00'),
	('timetz(0)', 'time(23, 59, 59, 600000, tzinfo=utc)', '23:59:59.6+00'),
	('timetz(2)', '"01:02:03.456+03"', '01:02:03.456+03')
) AS given(type, python, literal);

-- timestamp: the wall clock of a datetime, whatever its zone, as PostgreSQL reads a literal
SELECT type, python, received(type, python, literal) FROM (VALUES
	('timestamp', 'dt(2020, 1, 2, 3, 4, 5, 6)', '2020-01-02 03:04:05.000006'),
	('timestamp', 'dt.min', '0001-01-01'),
	('timestamp', 'dt.max', '9999-12-31 23:59:59.999999'),
	('timestamp', 'dt(1999, 12, 31, 23, 59, 59, 999999)', '1999-12-31 23:59:59.999999'),
	('timestamp', 'dt(2020, 1, 1, 12, tzinfo=utc)', '2020-01-01 12:00+00'),
	('timestamp', 'dt(2020, 1, 1, 12, tzinfo=hours(-5))', '2020-01-01 12:00-05'),
	('timestamp', 'dt(2020, 3, 29, 2, 30, tzinfo=zone("Europe/Berlin"))', '2020-03-29 02:30'),
	('timestamp', 'dt(2020, 1, 1, tzinfo=Lost())', '2020-01-01'),
	('timestamp', 'date(2020, 1, 1)', '2020-01-01'),
	('timestamp', '"0044-03-15 12:00 BC"', '0044-03-15 12:00 BC'),
	('timestamp', '"294276-12-31 23:59:59.999999"', '294276-12-31 23:59:59.999999'),
	('timestamp', '"-infinity"', '-infinity'),
	('timestamp', '0', NULL),
	('timestamp', 'time(1)', NULL),
	('timestamp(0)', 'dt(2020, 1, 1, 0, 0, 0, 500000)', '2020-01-01 00:00:00.5'),
	('timestamp(0)', 'dt.max', '9999-12-31 23:59:59.999999'),
	('timestamp(3)', 'dt(2020, 1, 1, 0, 0, 0, 1500)', '2020-01-01 00:00:00.0015'),
	('timestamp(1)', '"2020-01-01 00:00:00.16"', '2020-01-01 00:00:00.16')
) AS given(type, python, literal);

-- timestamptz: the instant of an aware datetime
SELECT type, python, received(type, python, literal) FROM (VALUES
	('timestamptz', 'dt(2020, 1, 2, 3, 4, 5, 6, tzinfo=utc)', '2020-01-02 03:04:05.000006+00'),
	('timestamptz', 'dt(2020, 1, 1, tzinfo=hours(5.5))', '2020-01-01 00:00+05:30'),
	('timestamptz', 'dt(2020, 10, 25, 2, 30, tzinfo=zone("Europe/Paris"))', '2020-10-25 02:30+02'),
	('timestamptz', 'dt(2020, 10, 25, 2, 30, fold=1, tzinfo=zone("Europe/Paris"))', '2020-10-25 02:30+01'),
	('timestamptz', 'dt(1, 1, 1, tzinfo=hours(15))', '0001-01-01 00:00+15'),
	('timestamptz', 'dt(1, 1, 1, tzinfo=hours(23))', '0001-12-31 01:00+00 BC'),
	('timestamptz', 'dt.max.replace(tzinfo=hours(-23))', '10000-01-01 22:59:59.999999+00'),
	('timestamptz', 'dt(2020, 1, 1, tzinfo=hours(1/3600/2))', '2019-12-31 23:59:59.5+00'),
	('timestamptz', '"infinity"', 'infinity'),
	('timestamptz', '"0044-03-15 12:00+00 BC"', '0044-03-15 12:00+00 BC'),
	('timestamptz', '"2020-07-01 12:00 America/New_York"', '2020-07-01 16:00+00'),
	('timestamptz', '"now-ish"', NULL),
	('timestamptz(0)', 'dt(2020, 1, 1, 0, 0, 0, 500000, tzinfo=utc)', '2020-01-01 00:00:00.5+00'),
	('timestamptz(3)', '"2020-01-01 00:00:00.0015+00"', '2020-01-01 00:00:00.0015+00')
) AS given(type, python, literal);

-- timestamptz: a naive datetime is in the session's zone. Where the clocks go forward or back, and
-- before there were zones, it means what PostgreSQL takes the same text for.
SET timezone = 'Europe/Berlin';
SELECT python, received('timestamptz', python, literal) FROM (VALUES
	('dt(2020, 1, 1)', '2020-01-01'),
	('dt(2020, 7, 1)', '2020-07-01'),
	('date(2020, 7, 1)', '2020-07-01'),
	('dt(2020, 3, 29, 1, 59, 59, 999999)', '2020-03-29 01:59:59.999999'),
	('dt(2020, 3, 29, 2, 30)', '2020-03-29 02:30'),
	('dt(2020, 3, 29, 3)', '2020-03-29 03:00'),
	('dt(2020, 10, 25, 2, 30)', '2020-10-25 02:30'),
	('dt(2020, 10, 25, 2, 30, fold=1)', '2020-10-25 02:30'),
	('dt(1892, 1, 1)', '1892-01-01'),
	('dt.min', '0001-01-01'),
	('dt.max', '9999-12-31 23:59:59.999999')
) AS given(python, literal);
SET timezone = 'America/New_York';
SELECT python, received('timestamptz', python, literal) FROM (VALUES
	('dt(2020, 3, 8, 2, 30)', '2020-03-08 02:30'),
	('dt(2020, 11, 1, 1, 30)', '2020-11-01 01:30'),
	('dt.max', '9999-12-31 23:59:59.999999')
) AS given(python, literal);
SET timezone = 'Australia/Lord_Howe';
SELECT python, received('timestamptz', python, literal) FROM (VALUES
	('dt(2020, 10, 4, 2, 15)', '2020-10-04 02:15'),
	('dt(2020, 4, 5, 1, 45)', '2020-04-05 01:45')
) AS given(python, literal);
SET timezone = 'Pacific/Apia';
SELECT python, received('timestamptz', python, literal) FROM (VALUES
	('dt(2011, 12, 30, 12)', '2011-12-30 12:00'),
	('dt(2011, 12, 31, 12)', '2011-12-31 12:00')
) AS given(python, literal);

-- interval: a timedelta; months only as text, and the fields and precision of the column apply
SELECT type, python, received(type, python, literal) FROM (VALUES
	('interval', 'td(days=1, hours=2, microseconds=3)', '1 day 02:00:00.000003'),
	('interval', 'td(microseconds=-1)', '-1 day 23:59:59.999999'),
	('interval', 'td(hours=36)', '1 day 12:00'),
	('interval', 'td.max', '999999999 days 23:59:59.999999'),
	('interval', 'td.min', '-999999999 days'),
	('interval', 'td(0)', '0'),
	('interval', '"1 mon -1 day"', '1 mon -1 day'),
	('interval', '"P1Y2M3DT4H5M6S"', '1 year 2 mons 3 days 04:05:06'),
	('interval', '90', '90 seconds'),
	('interval', '1.5', '1.5 seconds'),
	('interval', '"a while"', NULL),
	('interval', 'date(2020, 1, 1)', NULL),
	('interval(0)', 'td(microseconds=600000)', '0.6 seconds'),
	('interval(3)', 'td(microseconds=1500)', '0.0015 seconds'),
	('interval(3)', '"0.0015 seconds"', '0.0015 seconds'),
	('interval day to minute', 'td(days=1, seconds=3661)', '1 day 01:01:01'),
	('interval day', 'td(days=1, seconds=3661)', '1 day 01:01:01')
) AS given(type, python, literal);

DROP SCHEMA values_test CASCADE;
DROP SERVER values_test CASCADE;
