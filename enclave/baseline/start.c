// SPDX-License-Identifier: GPL-2.0-only
/*
 * The start of a program: by the enclave's executable, or by an exec of a
 * program before it. Our arguments are the descriptor of the shared state, the
 * thread's block (or "-"), and the program's path; the program's follow. What
 * the host's kernel has put on the stack becomes the program's, shortened.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "program.h"

enum { OURS = 4, STATUS_NOT_STARTED = 125, SIGNAL_SYS = 31, NAME_BYTES = 16 };
enum { HANDLER_FLAGS = 0x4 | 0x08000000 | 0x40000000 | 0x04000000 | 0x10000000 };
/* SA_SIGINFO, SA_ONSTACK, SA_NODEFER, SA_RESTORER, SA_RESTART */

struct state *state;
int state_fd;
char program_path[4096];

void fail(const char *what, const char *which, long error)
{
	char line[512], *end = text(line, "rkt-io: ");

	end = text(end, what);
	if (strlen(which) < 256)
		end = text(end, which);
	if (error)
		end = number(text(end, ": error "), -error);
	end = text(end, "\n");
	call3(SYS_write, 2, line, end - line);
	for (;;)
		call1(SYS_exit_group, STATUS_NOT_STARTED);
}

static void open_state(const char *fd)
{
	long at;

	state_fd = parse_number(fd);
	at = call6(SYS_mmap, 0, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, state_fd, 0);
	if (failed(at))
		fail("this program is started by rkt-io-run", "", 0);
	state = (struct state *)at;
}

static void start_thread(const char *block)
{
	struct thread *thread = *block == '-' ? thread_take() :
						&state->thread[parse_number(block) % STATE_THREADS];

	thread->self = thread;	/* the state lies elsewhere than before the exec */
	thread->shares_memory_only = 0;
	thread->interrupted = 0;
	thread->request.state = REQUEST_FREE;
	thread_start(thread);
}

static void handle_traps(void)
{
	struct { void (*handler)(void); unsigned long flags; void (*restorer)(void); uint64_t mask; }
		action = { trap_handler, HANDLER_FLAGS, trap_restorer, 0 };
	uint64_t sys = 1UL << (SIGNAL_SYS - 1);

	call4(SYS_rt_sigaction, SIGNAL_SYS, &action, 0, sizeof(sys));
	call4(SYS_rt_sigprocmask, 1, &sys, 0, sizeof(sys));
	catch_traps();
	if (!state->trap_cycles)
		measure_trap();
}

/* ps and the like show the program's name. */
static void take_name(const char *path)
{
	const char *name = path;
	char short_name[NAME_BYTES] = "";

	for (const char *c = path; *c; c++)
		if (*c == '/')
			name = c + 1;
	memcpy(short_name, name, strlen(name) < NAME_BYTES - 1 ? strlen(name) : NAME_BYTES - 1);
	call2(SYS_prctl, PR_SET_NAME, short_name);
	memcpy(program_path, path, strlen(path) + 1);
}

static void correct(Elf64_auxv_t *entry, const struct elf_image *program,
		    const struct elf_image *loader, const char *path)
{
	switch (entry->a_type) {
	case AT_PHDR:
		entry->a_un.a_val = program->headers;
		break;
	case AT_PHNUM:
		entry->a_un.a_val = program->header_count;
		break;
	case AT_BASE:
		entry->a_un.a_val = loader->base;
		break;
	case AT_ENTRY:
		entry->a_un.a_val = program->entry;
		break;
	case AT_EXECFN:
		entry->a_un.a_val = (unsigned long)path;
		break;
	}
}

void program_main(unsigned long *stack)
{
	struct elf_image program, loader;
	char **argv = (char **)(stack + 1), **word;
	const char *path;
	long err;

	if (stack[0] < OURS || strlen(argv[OURS - 1]) >= sizeof(program_path))
		fail("this program is started by rkt-io-run", "", 0);
	open_state(argv[1]);
	start_thread(argv[2]);
	path = argv[OURS - 1];
	take_name(path);
	err = elf_load(path, &program, &loader);
	if (err)
		fail("cannot load ", path, err);
	handle_traps();
	for (word = argv + stack[0] + 1; *word; word++)
		;
	for (Elf64_auxv_t *entry = (void *)(word + 1); entry->a_type != AT_NULL; entry++)
		correct(entry, &program, &loader, path);
	stack[OURS] = stack[0] - OURS;
	start_program((unsigned long)(stack + OURS), loader.entry);
}
