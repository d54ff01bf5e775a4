/*
 * import.h
 *	  IMPORT FOREIGN SCHEMA: see import.c.
 */
#ifndef MULTICORN_IMPORT_H
#define MULTICORN_IMPORT_H

#include "embed/cpython.h"
#include "foreign/fdwapi.h"

extern List *
multicornImportForeignSchema(ImportForeignSchemaStmt *stmt, Oid serverOid);

#endif /* MULTICORN_IMPORT_H */
