/*
 * datetime.c
 *	  Dates, times and intervals, both ways, to the microsecond.
 *
 * Both sides count days of the proleptic Gregorian calendar; PostgreSQL has
 * more of them than Python, and two infinities.
 */
#include "convert/convert.h"

#include "catalog/pg_type.h"
#include "embed/call.h"
#include "embed/error.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/* CPython's header of that name has the same guard as PostgreSQL's. */
#undef DATETIME_H
#include <datetime.h>

/* Loads CPython's C interface to datetime, once. May throw. */
static void
import_datetime(void)
{
	if (PyDateTimeAPI != NULL)
		return;
	PyDateTime_IMPORT;
	if (PyDateTimeAPI == NULL)
		python_throw();
}

/* isoformat() of a date, a time or a datetime; NULL, no exception, for others. */
PyObject *
datetime_isoformat(PyObject *value)
{
	if (PyDateTimeAPI == NULL)
		PyDateTime_IMPORT;
	if (PyDateTimeAPI == NULL || (!PyDate_Check(value) && !PyTime_Check(value)))
		return NULL;
	return PyObject_CallMethod(value, "isoformat", NULL);
}

/* ---------- towards PostgreSQL ---------- */

/* Rounds to the column's precision with PostgreSQL's own function. */
static inline Datum
apply_precision(Datum datum, int32 typmod, PGFunction scale)
{
	if (typmod < 0)
		return datum;
	return DirectFunctionCall2(scale, datum, Int32GetDatum(typmod));
}

/* Days since 2000-01-01 of a date or datetime. */
static inline int32
days_of(PyObject *value)
{
	return date2j(PyDateTime_GET_YEAR(value), PyDateTime_GET_MONTH(value),
				  PyDateTime_GET_DAY(value)) -
		POSTGRES_EPOCH_JDATE;
}

static inline int64
microseconds(int hour, int minute, int second, int microsecond)
{
	return ((hour * MINS_PER_HOUR + minute) * (int64) SECS_PER_MINUTE + second) *
		USECS_PER_SEC +
		microsecond;
}

/* Microseconds since midnight of a time. */
static inline int64
time_of(PyObject *value)
{
	return microseconds(PyDateTime_TIME_GET_HOUR(value),
						PyDateTime_TIME_GET_MINUTE(value),
						PyDateTime_TIME_GET_SECOND(value),
						PyDateTime_TIME_GET_MICROSECOND(value));
}

/* Microseconds since 2000-01-01 of a datetime's wall clock. */
static inline Timestamp
wall_clock_of(PyObject *value)
{
	return days_of(value) * USECS_PER_DAY +
		microseconds(PyDateTime_DATE_GET_HOUR(value),
					 PyDateTime_DATE_GET_MINUTE(value),
					 PyDateTime_DATE_GET_SECOND(value),
					 PyDateTime_DATE_GET_MICROSECOND(value));
}

static inline int64
delta_of(PyObject *delta)
{
	return PyDateTime_DELTA_GET_DAYS(delta) * USECS_PER_DAY +
		PyDateTime_DELTA_GET_SECONDS(delta) * USECS_PER_SEC +
		PyDateTime_DELTA_GET_MICROSECONDS(delta);
}

/*
 * The offset from UTC of an aware time or datetime, in microseconds. Returns
 * false if it has none. Runs the tzinfo's code; throws what it raises, and for
 * an offset of a day or more: only a class with an utcoffset() of its own has it.
 */
static bool
utc_offset_of(ToDatum *self, PyObject *value, PyObject *tzinfo, int64 *offset)
{
	PyObject *delta;
	bool known;
	int days = 0;

	*offset = 0;
	if (tzinfo == PyDateTime_TimeZone_UTC)
		return true;
	if (tzinfo == Py_None)
		return false;
	python_enter();
	delta = PyObject_CallMethod(value, "utcoffset", NULL);
	python_leave();
	if (delta == NULL)
		python_throw();
	known = PyDelta_Check(delta);
	if (known)
		days = PyDateTime_DELTA_GET_DAYS(delta);
	if (known && days >= -1 && days <= 0)
		*offset = delta_of(delta);
	python_release(delta);
	if (days < -1 || days > 0 || *offset <= -USECS_PER_DAY)
		conversion_refuse(self, value,
						  ERRCODE_INVALID_TIME_ZONE_DISPLACEMENT_VALUE,
						  "has an offset from UTC of a day or more");
	return known;
}

static Datum
date_to_datum(ToDatum *self, PyObject *value)
{
	if (likely(PyDate_Check(value)))
		return DateADTGetDatum(days_of(value));
	return to_datum_by_text(self, value);
}

static Datum
timestamp_to_datum(ToDatum *self, PyObject *value)
{
	if (likely(PyDateTime_Check(value)))
		return apply_precision(TimestampGetDatum(wall_clock_of(value)),
							   self->typmod, timestamp_scale);
	return to_datum_by_text(self, value);
}

/* A naive datetime is a wall clock in the session's time zone. */
static TimestampTz
in_session_zone(PyObject *value)
{
	struct pg_tm tm = {
		.tm_year = PyDateTime_GET_YEAR(value),
		.tm_mon = PyDateTime_GET_MONTH(value),
		.tm_mday = PyDateTime_GET_DAY(value),
		.tm_hour = PyDateTime_DATE_GET_HOUR(value),
		.tm_min = PyDateTime_DATE_GET_MINUTE(value),
		.tm_sec = PyDateTime_DATE_GET_SECOND(value),
		.tm_isdst = -1,
	};

	return wall_clock_of(value) +
		DetermineTimeZoneOffset(&tm, session_timezone) * USECS_PER_SEC;
}

static Datum
timestamptz_to_datum(ToDatum *self, PyObject *value)
{
	TimestampTz timestamp;
	int64 offset;

	if (!PyDateTime_Check(value))
		return to_datum_by_text(self, value);
	if (utc_offset_of(self, value, PyDateTime_DATE_GET_TZINFO(value), &offset))
		timestamp = wall_clock_of(value) - offset;
	else
		timestamp = in_session_zone(value);
	return apply_precision(TimestampTzGetDatum(timestamp), self->typmod,
						   timestamptz_scale);
}

static Datum
time_to_datum(ToDatum *self, PyObject *value)
{
	if (likely(PyTime_Check(value)))
		return apply_precision(TimeADTGetDatum(time_of(value)), self->typmod,
							   time_scale);
	return to_datum_by_text(self, value);
}

/* A time of a zone that knows its offset only for a date goes by its text. */
static Datum
timetz_to_datum(ToDatum *self, PyObject *value)
{
	TimeTzADT *time;
	int64 offset;

	if (!PyTime_Check(value) ||
		!utc_offset_of(self, value, PyDateTime_TIME_GET_TZINFO(value), &offset))
		return to_datum_by_text(self, value);
	if (offset % USECS_PER_SEC != 0 || offset >= TZDISP_LIMIT * USECS_PER_SEC ||
		offset <= -TZDISP_LIMIT * USECS_PER_SEC)
		conversion_refuse(self, value,
						  ERRCODE_INVALID_TIME_ZONE_DISPLACEMENT_VALUE,
						  "has an offset from UTC with fractions of a second or of 16 hours and more");
	time = palloc(sizeof(TimeTzADT));
	time->time = time_of(value);
	time->zone = -(offset / USECS_PER_SEC);
	return apply_precision(TimeTzADTPGetDatum(time), self->typmod,
						   timetz_scale);
}

static Datum
interval_to_datum(ToDatum *self, PyObject *value)
{
	Interval *interval;

	if (!PyDelta_Check(value))
		return to_datum_by_text(self, value);
	interval = palloc0(sizeof(Interval));
	interval->day = PyDateTime_DELTA_GET_DAYS(value);
	interval->time = PyDateTime_DELTA_GET_SECONDS(value) * USECS_PER_SEC +
		PyDateTime_DELTA_GET_MICROSECONDS(value);
	return apply_precision(IntervalPGetDatum(interval), self->typmod,
						   interval_scale);
}

/* ---------- towards Python ---------- */

/* A day that Python's calendar has; false outside the years 1 to 9999. */
static bool
calendar_day(int64 days, int *year, int *month, int *day)
{
	/* Julian dates of 0001-01-01 and 9999-12-31 */
	if (days < 1721426 - POSTGRES_EPOCH_JDATE ||
		days > 5373484 - POSTGRES_EPOCH_JDATE)
		return false;
	j2date((int) days + POSTGRES_EPOCH_JDATE, year, month, day);
	return true;
}

/* Microseconds since midnight, taken apart. */
typedef struct ClockTime
{
	int hour;
	int minute;
	int second;
	int microsecond;
} ClockTime;

static ClockTime
clock_time(int64 time)
{
	ClockTime clock;

	clock.microsecond = time % USECS_PER_SEC;
	time /= USECS_PER_SEC;
	clock.second = time % SECS_PER_MINUTE;
	time /= SECS_PER_MINUTE;
	clock.minute = time % MINS_PER_HOUR;
	clock.hour = time / MINS_PER_HOUR;
	return clock;
}

static PyObject *
date_to_python(ToPython *self, Datum datum)
{
	int year;
	int month;
	int day;

	if (!calendar_day(DatumGetDateADT(datum), &year, &month, &day))
		return NULL;
	return PyDate_FromDate(year, month, day);
}

/* A datetime with this tzinfo; also for infinities, which no year holds. */
static PyObject *
timestamp_parts_to_python(Timestamp timestamp, PyObject *tzinfo)
{
	int64 days = timestamp / USECS_PER_DAY;
	int64 time = timestamp % USECS_PER_DAY;
	int year;
	int month;
	int day;
	ClockTime clock;

	if (time < 0)
	{
		days--;
		time += USECS_PER_DAY;
	}
	if (TIMESTAMP_NOT_FINITE(timestamp) ||
		!calendar_day(days, &year, &month, &day))
		return NULL;
	clock = clock_time(time);
	return PyDateTimeAPI->DateTime_FromDateAndTime(year, month, day, clock.hour,
												   clock.minute, clock.second,
												   clock.microsecond, tzinfo,
												   PyDateTimeAPI->DateTimeType);
}

static PyObject *
timestamp_to_python(ToPython *self, Datum datum)
{
	return timestamp_parts_to_python(DatumGetTimestamp(datum), Py_None);
}

static PyObject *
timestamptz_to_python(ToPython *self, Datum datum)
{
	return timestamp_parts_to_python(DatumGetTimestampTz(datum),
									 PyDateTime_TimeZone_UTC);
}

/* 24:00:00 is a time in PostgreSQL alone. */
static PyObject *
clock_to_python(int64 time, PyObject *tzinfo)
{
	ClockTime clock = clock_time(time);

	if (time >= USECS_PER_DAY)
		return NULL;
	return PyDateTimeAPI->Time_FromTime(clock.hour, clock.minute, clock.second,
										clock.microsecond, tzinfo,
										PyDateTimeAPI->TimeType);
}

static PyObject *
time_to_python(ToPython *self, Datum datum)
{
	return clock_to_python(DatumGetTimeADT(datum), Py_None);
}

static PyObject *
timetz_to_python(ToPython *self, Datum datum)
{
	TimeTzADT *time = DatumGetTimeTzADTP(datum);
	PyObject *offset = PyDelta_FromDSU(0, -time->zone, 0);
	PyObject *tzinfo = offset != NULL ? PyTimeZone_FromOffset(offset) : NULL;
	PyObject *result = tzinfo != NULL ? clock_to_python(time->time, tzinfo)
									  : NULL;

	Py_XDECREF(offset);
	Py_XDECREF(tzinfo);
	return result;
}

/* A month has no length, so an interval with months is no timedelta. */
static PyObject *
interval_to_python(ToPython *self, Datum datum)
{
	Interval *interval = DatumGetIntervalP(datum);
	int64 days = interval->day + interval->time / USECS_PER_DAY;
	int64 time = interval->time % USECS_PER_DAY;
	PyObject *delta;

	if (!interval_is_finite(interval) || interval->month != 0 ||
		days < PG_INT32_MIN || days > PG_INT32_MAX)
		return NULL;
	delta = PyDelta_FromDSU((int) days, (int) (time / USECS_PER_SEC),
							(int) (time % USECS_PER_SEC));
	if (delta == NULL && PyErr_ExceptionMatches(PyExc_OverflowError))
		PyErr_Clear();
	return delta;
}

/* ---------- the choice ---------- */

typedef struct DatetimeConverter
{
	Oid type;
	ToDatumFunction to_datum;
	ToPythonFunction to_python;
} DatetimeConverter;

static const DatetimeConverter converters[] = {
	{DATEOID, date_to_datum, date_to_python},
	{TIMEOID, time_to_datum, time_to_python},
	{TIMETZOID, timetz_to_datum, timetz_to_python},
	{TIMESTAMPOID, timestamp_to_datum, timestamp_to_python},
	{TIMESTAMPTZOID, timestamptz_to_datum, timestamptz_to_python},
	{INTERVALOID, interval_to_datum, interval_to_python},
};

/* The converters of a type of this family, or NULL. */
static const DatetimeConverter *
converter_of(Oid type)
{
	for (int i = 0; i < (int) lengthof(converters); i++)
	{
		if (converters[i].type == type)
		{
			import_datetime();
			return &converters[i];
		}
	}
	return NULL;
}

/* The way into a type of this family; NULL for other types. */
ToDatumFunction
datetime_to_datum(Oid type)
{
	const DatetimeConverter *converter = converter_of(type);

	return converter != NULL ? converter->to_datum : NULL;
}

/* The way out of a type of this family; NULL for other types. */
ToPythonFunction
datetime_to_python(Oid type)
{
	const DatetimeConverter *converter = converter_of(type);

	return converter != NULL ? converter->to_python : NULL;
}
