/*
 * field.c
 *	  The value of a field of a libpq result becomes a datum.
 *
 * A field in text format goes through the input function of the column's type,
 * one in binary format through its receive function; types that are read often
 * and simply laid out are read here. Whatever the bytes are, they are either
 * what these functions would take or an error.
 */
#include "convert/field.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "embed/error.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* The formats of fields, as PQfformat() has them. */
#define FORMAT_TEXT	  0
#define FORMAT_BINARY 1

/* The name of the column's type, for errors; in CurrentMemoryContext. */
static char *
column_type(ToDatum *column)
{
	return format_type_with_typemod(column->is_domain ? column->domain
													  : column->type,
									column->typmod);
}

/* Throws that a value has a length that no value of the type has. */
MULTICORN_NORETURN static void refuse_length(FieldReader *self, int length);

static void
refuse_length(FieldReader *self, int length)
{
	ereport(ERROR, errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			errmsg("column \"%s\" of type %s cannot hold a value of %d bytes in binary format",
				   self->column->subject->column, column_type(self->column),
				   length));
}

/* ---------- through functions of types ---------- */

/*
 * For PG_CATCH, after an error out of a function of a type: throws it on. What
 * receive functions take for a broken client or program is a broken value here.
 */
MULTICORN_NORETURN static void
rethrow(FieldReader *self, MemoryContext context);

static void
rethrow(FieldReader *self, MemoryContext context)
{
	if (self->format == FORMAT_BINARY &&
		(geterrcode() == ERRCODE_PROTOCOL_VIOLATION ||
		 geterrcode() == ERRCODE_INTERNAL_ERROR))
		errcode(ERRCODE_INVALID_BINARY_REPRESENTATION);
	if (error_secrets_known)
		error_rethrow_redacted(context);
	PG_RE_THROW();
}

/*
 * Calls what calls functions of types. Receive functions take characters to be
 * in the encoding of the session's client: meanwhile that is the database's.
 */
static Datum
call_guarded(FieldReader *self, const char *bytes, int length)
{
	MemoryContext context = CurrentMemoryContext;
	int encoding = pg_get_client_encoding();
	bool differs = encoding != GetDatabaseEncoding();
	Datum datum = (Datum) 0;

	if (unlikely(differs))
		SetClientEncoding(GetDatabaseEncoding());
	PG_TRY();
	{
		datum = self->call(self, bytes, length);
	}
	PG_CATCH();
	{
		/* Looks nothing up: it was in force a moment ago. */
		if (differs)
			SetClientEncoding(encoding);
		rethrow(self, context);
	}
	PG_END_TRY();
	if (unlikely(differs))
		SetClientEncoding(encoding);
	return datum;
}

/*
 * Throws if a value is not what the domain of the column demands; isnull says
 * that it is NULL.
 */
void
field_check_domain(ToDatum *column, Datum datum, bool isnull)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		if (isnull)
			to_datum_null(column);
		else
			to_datum_checked(column, datum);
	}
	PG_CATCH();
	{
		if (error_secrets_known)
			error_rethrow_redacted(context);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* The field's type takes the bytes. Some functions change one and put it back. */
static Datum
receive(FieldReader *self, const char *bytes, int length)
{
	StringInfoData message = {.data = unconstify(char *, bytes),
							  .len = length,
							  .maxlen = length + 1};
	Datum datum = ReceiveFunctionCall(&self->receive, &message, self->ioparam,
									  self->typmod);

	if (unlikely(message.cursor != message.len))
		refuse_length(self, length);
	return datum;
}

/* Text, of whatever type: checked, then taken by the column's type. */
static Datum
input(FieldReader *self, const char *bytes, int length)
{
	pg_verifymbstr(bytes, length, false);
	return to_datum_from_text(self->column, bytes, length);
}

/* A value of another type becomes text, and that a value of the column's. */
static Datum
recode(FieldReader *self, const char *bytes, int length)
{
	char *text = OutputFunctionCall(&self->output,
									receive(self, bytes, length));

	return to_datum_from_text(self->column, text, strlen(text));
}

/* ---------- on a direct way ---------- */

/* An integer of a fixed length, in the order of this machine. */
#define TAKE(name, type, order) \
	static inline type name(FieldReader *self, const char *bytes, int length) \
	{ \
		type bits; \
\
		if (unlikely(length != sizeof(bits))) \
			refuse_length(self, length); \
		memcpy(&bits, bytes, sizeof(bits)); \
		return order(bits); \
	}

TAKE(take8, uint8, )
TAKE(take16, uint16, pg_ntoh16)
TAKE(take32, uint32, pg_ntoh32)
TAKE(take64, uint64, pg_ntoh64)

static Datum
bool_from_binary(FieldReader *self, const char *bytes, int length)
{
	return BoolGetDatum(take8(self, bytes, length) != 0);
}

static Datum
int2_from_binary(FieldReader *self, const char *bytes, int length)
{
	return Int16GetDatum((int16) take16(self, bytes, length));
}

static Datum
int4_from_binary(FieldReader *self, const char *bytes, int length)
{
	return Int32GetDatum((int32) take32(self, bytes, length));
}

static Datum
int8_from_binary(FieldReader *self, const char *bytes, int length)
{
	return Int64GetDatum((int64) take64(self, bytes, length));
}

static Datum
oid_from_binary(FieldReader *self, const char *bytes, int length)
{
	return ObjectIdGetDatum(take32(self, bytes, length));
}

static Datum
float4_from_binary(FieldReader *self, const char *bytes, int length)
{
	uint32 bits = take32(self, bytes, length);
	float4 value;

	memcpy(&value, &bits, sizeof(value));
	return Float4GetDatum(value);
}

static Datum
float8_from_binary(FieldReader *self, const char *bytes, int length)
{
	uint64 bits = take64(self, bytes, length);
	float8 value;

	memcpy(&value, &bits, sizeof(value));
	return Float8GetDatum(value);
}

/* What is out of range is the type's own to refuse. */
static Datum
date_from_binary(FieldReader *self, const char *bytes, int length)
{
	DateADT date = (DateADT) take32(self, bytes, length);

	if (unlikely(!DATE_NOT_FINITE(date) && !IS_VALID_DATE(date)))
		return call_guarded(self, bytes, length);
	return DateADTGetDatum(date);
}

static Datum
time_from_binary(FieldReader *self, const char *bytes, int length)
{
	TimeADT time = (TimeADT) take64(self, bytes, length);

	if (unlikely(time < 0 || time > USECS_PER_DAY || self->typmod >= 0))
		return call_guarded(self, bytes, length);
	return TimeADTGetDatum(time);
}

/* timestamp and timestamptz; a modifier rounds. */
static Datum
timestamp_from_binary(FieldReader *self, const char *bytes, int length)
{
	Timestamp timestamp = (Timestamp) take64(self, bytes, length);

	if (unlikely((!TIMESTAMP_NOT_FINITE(timestamp) &&
				  !IS_VALID_TIMESTAMP(timestamp)) ||
				 self->typmod >= 0))
		return call_guarded(self, bytes, length);
	return TimestampGetDatum(timestamp);
}

static Datum
uuid_from_binary(FieldReader *self, const char *bytes, int length)
{
	pg_uuid_t *uuid;

	if (unlikely(length != UUID_LEN))
		refuse_length(self, length);
	uuid = palloc(sizeof(pg_uuid_t));
	memcpy(uuid->data, bytes, UUID_LEN);
	return UUIDPGetDatum(uuid);
}

static Datum
bytea_from_binary(FieldReader *self, const char *bytes, int length)
{
	return make_varlena(self->column, bytes, length);
}

/*
 * text, and varchar when the value is short enough not to need a look; in
 * either format, and also where the field is of another type of characters.
 */
static Datum
text_from_either(FieldReader *self, const char *bytes, int length)
{
	ToDatum *column = self->column;

	pg_verifymbstr(bytes, length, false);
	if (unlikely(column->typmod >= 0 && length > column->typmod - VARHDRSZ))
		return call_guarded(self, bytes, length);
	return make_varlena(column, bytes, length);
}

/* ---------- the choice ---------- */

typedef struct DirectReader
{
	Oid type;
	FieldFunction convert;
} DirectReader;

static const DirectReader direct[] = {
	{BOOLOID, bool_from_binary},
	{INT2OID, int2_from_binary},
	{INT4OID, int4_from_binary},
	{INT8OID, int8_from_binary},
	{OIDOID, oid_from_binary},
	{FLOAT4OID, float4_from_binary},
	{FLOAT8OID, float8_from_binary},
	{DATEOID, date_from_binary},
	{TIMEOID, time_from_binary},
	{UUIDOID, uuid_from_binary},
	{TIMESTAMPOID, timestamp_from_binary},
	{BYTEAOID, bytea_from_binary},
	{TIMESTAMPTZOID, timestamp_from_binary},
};

/* The direct way from a type's binary format, or NULL. */
static FieldFunction
direct_reader(Oid type)
{
	for (int i = 0; i < (int) lengthof(direct); i++)
	{
		if (direct[i].type == type)
			return direct[i].convert;
	}
	return NULL;
}

/* Is the binary format of a type the same as its text form? */
static bool
is_text_in_binary(Oid type)
{
	return type == TEXTOID || type == VARCHAROID || type == BPCHAROID ||
		type == NAMEOID || type == UNKNOWNOID;
}

/*
 * Throws unless the OID of a field's type means the same here as it does where
 * the field comes from.
 */
static void
require_known_type(FieldReader *self)
{
	if (self->type < FirstGenbkiObjectId &&
		SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(self->type)))
		return;
	ereport(ERROR, errcode(ERRCODE_DATATYPE_MISMATCH),
			errmsg("column \"%s\" of type %s cannot be read from a field in binary format whose type has OID %u",
				   self->column->subject->column, column_type(self->column),
				   self->type),
			errdetail("It is neither the type of the column nor one that is built in."),
			errhint("Ask for the field in text format."));
}

/* Finds the receive function of the field's type. */
static void
find_receive(FieldReader *self)
{
	Oid function;

	getTypeBinaryInputInfo(self->type, &function, &self->ioparam);
	fmgr_info(function, &self->receive);
}

/* Has values of another type go through its functions and the column's. */
static void
prepare_recoding(FieldReader *self)
{
	Oid function;
	bool is_varlena;

	require_known_type(self);
	find_receive(self);
	self->typmod = -1;
	getTypeOutputInfo(self->type, &function, &is_varlena);
	fmgr_info(function, &self->output);
	self->call = recode;
}

/*
 * Chooses how the column is read from a field of the type and format that are
 * set; what is found for it belongs to CurrentMemoryContext. Throws if it cannot
 * be, and reads catalogs.
 */
void
field_prepare(FieldReader *self)
{
	ToDatum *column = self->column;
	bool is_text = self->format == FORMAT_TEXT || is_text_in_binary(self->type);

	if (self->format != FORMAT_TEXT && self->format != FORMAT_BINARY)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("column \"%s\" cannot be read from a field in format %d",
					   column->subject->column, self->format));
	self->convert = call_guarded;
	self->typmod = column->typmod;
	if (is_text && (column->type == TEXTOID || column->type == VARCHAROID))
		self->convert = text_from_either;
	if (is_text)
		self->call = input;
	else if (self->type != column->type)
		prepare_recoding(self);
	else
	{
		FieldFunction convert = direct_reader(self->type);

		find_receive(self);
		self->call = receive;
		if (convert != NULL)
			self->convert = convert;
	}
}
