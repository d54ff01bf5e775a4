/*
 * interrupt.h
 *	  Query cancels, timeouts and terminations reach Python: see interrupt.c.
 */
#ifndef MULTICORN_INTERRUPT_H
#define MULTICORN_INTERRUPT_H

#include "embed/cpython.h"

extern bool interrupt_handlers_installed;

/* multicorn.cleanup_timeout, in ms; 0 for none */
extern int interrupt_cleanup_timeout;

/* How many open scans keep the handlers in place between their rows. */
extern int interrupt_holds;

extern void interrupt_start(void);
extern void interrupt_install(void);
extern void interrupt_restore(void);
extern void interrupt_cleanup_begin(void);
extern void interrupt_cleanup_returned(void);
extern void interrupt_cleanup_end(void);
extern bool interrupt_cleanup_is_open(void);
extern bool interrupt_in_cleanup(void);

extern void interrupt_note_kept(void);
extern void interrupt_pass_on(void);
extern void interrupt_stay(void);
extern PyObject *interrupt_check(bool insists);
extern bool interrupt_on_main_thread(void);

#endif /* MULTICORN_INTERRUPT_H */
