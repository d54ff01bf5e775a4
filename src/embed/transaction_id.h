/*
 * transaction_id.h
 *	  The local transaction, as a journal names it: see transaction_id.c.
 */
#ifndef MULTICORN_TRANSACTION_ID_H
#define MULTICORN_TRANSACTION_ID_H

#include "embed/cpython.h"

extern PyObject *transaction_id_current(void);
extern PyObject *transaction_id_status(PyObject *id);

#endif /* MULTICORN_TRANSACTION_ID_H */
