/*
 * transaction_id.c
 *	  The ID of the local transaction, for a journal that is to agree with it
 *	  after a crash, and what has become of a transaction.
 *
 * An ID is fit for that only if it is never given twice. PostgreSQL gives one
 * again after a crash unless a record of the write-ahead log has named it, which
 * that of a commit does too late. Nor may a commit be forgotten that somebody
 * has acted upon, so it is made a synchronous one.
 *
 * Called by Python: nothing here throws.
 */
#include "embed/transaction_id.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "compat.h"
#include "embed/error.h"
#include "embed/session.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* The transaction whose ID the log knows; 0 for none. */
static uint64 logged = 0;

/* A question about a transaction, and its answer. */
typedef struct Question
{
	uint64 id;
	char status[32]; /* empty if nobody knows any more */
} Question;

/* Sets an uint64 to the ID of the transaction. Throws in recovery. */
static void
assign_id(void *argument)
{
	uint64 *id = argument;

	*id = U64FromFullTransactionId(GetTopFullTransactionId());
	if (*id != logged)
		XLogFlush(log_empty_message("multicorn"));
	logged = *id;
	ForceSyncCommit();
}

/*
 * The ID of the transaction, a new reference to a tuple of the cluster's system
 * identifier and the number; assigns it, if there was none, and sees to it that
 * it is never used again.
 */
PyObject *
transaction_id_current(void)
{
	uint64 id = 0;

	if (!session_require_transaction() || !error_guard(assign_id, &id))
		return NULL;
	return Py_BuildValue("KK", (unsigned long long) GetSystemIdentifier(),
						 (unsigned long long) id);
}

/* Answers as pg_xact_status() does. Throws for an ID of the future. */
static void
ask_status(void *argument)
{
	Question *question = argument;
	LOCAL_FCINFO(call, 1);
	Datum status;

	InitFunctionCallInfoData(*call, NULL, 1, InvalidOid, NULL, NULL);
	call->args[0].value = UInt64GetDatum(question->id);
	call->args[0].isnull = false;
	status = pg_xact_status(call);
	question->status[0] = '\0';
	if (!call->isnull)
		text_to_cstring_buffer(DatumGetTextPP(status), question->status,
							   sizeof(question->status));
}

/*
 * What has become of the transaction with an ID: a new reference to 'in
 * progress', 'committed' or 'aborted', or to None if it is too old.
 */
PyObject *
transaction_id_status(PyObject *id)
{
	unsigned long long system;
	unsigned long long number;
	Question question;

	if (!PyArg_ParseTuple(id, "KK", &system, &number) ||
		!session_require_transaction())
		return NULL;
	if (system != GetSystemIdentifier())
	{
		PyErr_SetString(PyExc_ValueError,
						"the transaction is one of another database cluster");
		return NULL;
	}
	question.id = number;
	if (!error_guard(ask_status, &question))
		return NULL;
	if (question.status[0] == '\0')
		Py_RETURN_NONE;
	return PyUnicode_FromString(question.status);
}
