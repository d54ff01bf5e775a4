/*
 * transaction.h
 *	  The part that instances take in transactions: see transaction.c.
 */
#ifndef MULTICORN_TRANSACTION_H
#define MULTICORN_TRANSACTION_H

#include "wrapper/instance.h"

extern void transaction_listen(void);
extern void transaction_join(Instance *instance);
extern void transaction_session_ends(void);

#endif /* MULTICORN_TRANSACTION_H */
