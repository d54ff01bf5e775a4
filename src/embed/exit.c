/*
 * exit.c
 *	  The end of a process that has run Python.
 *
 * Threads that Python code has started may still be at work, in C code that no
 * lock of Python's holds up: in OpenSSL, say. PostgreSQL ends a process with
 * exit(), which has libraries free what such threads use, and then one of them
 * crashes the server. So if there are other threads, the process ends without
 * that, behind all that PostgreSQL has to do.
 */
#include "embed/cpython.h"

#include "embed/exit.h"

#include <dirent.h>
#include <unistd.h>

#include "storage/ipc.h"

static int exit_code = 0;

/* Has this process other threads? Taken for granted where it cannot be told. */
static bool
has_other_threads(void)
{
	DIR *threads = opendir("/proc/self/task");
	struct dirent *entry;
	int count = 0;

	if (threads == NULL)
		return true;
	while ((entry = readdir(threads)) != NULL)
	{
		if (entry->d_name[0] != '.')
			count++;
	}
	closedir(threads);
	return count > 1;
}

/* For atexit(): nobody else's handler is called any more. */
static void
end_at_once(void)
{
	_exit(exit_code);
}

/*
 * For PostgreSQL, when it has done nearly all: exit() is next, which calls first
 * what was registered last.
 */
static void
process_ends(int code, Datum argument)
{
	exit_code = code;
	if (has_other_threads())
		(void) atexit(end_at_once);
}

/* Has this process end as described above. Throws if there is no room for it. */
void
exit_watch(void)
{
	static bool watches = false;

	if (watches)
		return;
	watches = true;
	on_proc_exit(process_ends, (Datum) 0);
}
