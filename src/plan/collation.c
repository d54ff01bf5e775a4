/*
 * collation.c
 *	  How a wrapper is told of a collation: by a name that stands for no other,
 *	  and not at all where text is ordered as Python orders it.
 */
#include "plan/collation.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_database.h"
#include "catalog/pg_namespace.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* Does PostgreSQL itself have a collation of this name? */
static bool
is_built_in_name(const char *name)
{
	int encodings[] = {GetDatabaseEncoding(), -1};

	for (int i = 0; i < (int) lengthof(encodings); i++)
	{
		if (SearchSysCacheExists3(COLLNAMEENCNSP, CStringGetDatum(name),
								  Int32GetDatum(encodings[i]),
								  ObjectIdGetDatum(PG_CATALOG_NAMESPACE)))
			return true;
	}
	return false;
}

/*
 * The name of a collation, with its schema if the name alone would stand for
 * another one. In CurrentMemoryContext; reads catalogs.
 */
char *
collation_label(Oid collation)
{
	HeapTuple tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(collation));
	Form_pg_collation form;
	char *label;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for collation %u", collation);
	form = (Form_pg_collation) GETSTRUCT(tuple);
	label = pstrdup(NameStr(form->collname));
	if (form->collnamespace != PG_CATALOG_NAMESPACE &&
		(is_built_in_name(label) || !CollationIsVisible(collation)))
		label = psprintf("%s.%s", get_namespace_name(form->collnamespace),
						 label);
	ReleaseSysCache(tuple);
	return label;
}

/* The text in a column of a catalog row; "" for NULL. */
static char *
catalog_text(int cache, HeapTuple tuple, AttrNumber attribute)
{
	bool isnull;
	Datum datum = SysCacheGetAttr(cache, tuple, attribute, &isnull);

	return isnull ? "" : TextDatumGetCString(datum);
}

/*
 * Is this the order of code points? The server's own locales ('b', since
 * PostgreSQL 17) all have it, those of the C library if they are called C.
 */
static bool
locale_orders_by_code_point(char provider, const char *locale)
{
	if (provider == COLLPROVIDER_LIBC)
		return strcmp(locale, "C") == 0 || strcmp(locale, "POSIX") == 0;
	return provider == 'b';
}

/* How the database orders text where nothing else is said. */
static bool
database_orders_by_code_point(void)
{
	HeapTuple tuple = SearchSysCache1(DATABASEOID,
									  ObjectIdGetDatum(MyDatabaseId));
	bool result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for database %u", MyDatabaseId);
	result =
		locale_orders_by_code_point(((Form_pg_database) GETSTRUCT(tuple))
										->datlocprovider,
									catalog_text(DATABASEOID, tuple,
												 Anum_pg_database_datcollate));
	ReleaseSysCache(tuple);
	return result;
}

/* Does a collation order text by code point, as Python does? Reads catalogs. */
bool
collation_orders_by_code_point(Oid collation)
{
	HeapTuple tuple;
	bool result;

	if (collation == DEFAULT_COLLATION_OID)
		return database_orders_by_code_point();
	tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(collation));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for collation %u", collation);
	result =
		locale_orders_by_code_point(((Form_pg_collation) GETSTRUCT(tuple))
										->collprovider,
									catalog_text(COLLOID, tuple,
												 Anum_pg_collation_collcollate));
	ReleaseSysCache(tuple);
	return result;
}
