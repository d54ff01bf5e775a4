/*
 * exit.h
 *	  The end of a process that has run Python: see exit.c.
 */
#ifndef MULTICORN_EXIT_H
#define MULTICORN_EXIT_H

extern void exit_watch(void);

#endif /* MULTICORN_EXIT_H */
