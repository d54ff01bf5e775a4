/*
 * statistics.h
 *	  What a wrapper's keys tell about columns: see statistics.c.
 */
#ifndef MULTICORN_STATISTICS_H
#define MULTICORN_STATISTICS_H

extern void statistics_listen(void);

#endif /* MULTICORN_STATISTICS_H */
