// SPDX-License-Identifier: GPL-2.0-only
/* Starts the program, and before it helpers, as children that know nothing of PID 1's state. */
#include "init.h"
#include "init_sys.h"

#include <asm/errno.h>
#include <asm/signal.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/sched.h>

struct program {
	char path[4096];
	const char **argv;
	const char **envp;
	bool tty;
	int output;		/* becomes descriptor 3; 0: none */
	/* Set by the child, which shares our memory until it execs or exits. */
	const char *failed_step;
	int err;
};

/*
 * clone() onto @stack and call @run(@arg) there. Sharing memory (vfork) costs
 * no copy of page tables; a stack of its own keeps ours intact.
 */
static int clone_onto(void *stack, void (*run)(struct program *),
		      struct program *arg)
{
	register void *fn __asm__("r12") = (void *)run;
	register void *data __asm__("r13") = arg;
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	long ret;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r13, %%rdi\n\t"
			 "call *%%r12\n\t"
			 "ud2\n"
			 "1:"
			 : "=a"(ret)
			 : "a"(__NR_clone), "D"(CLONE_VM | CLONE_VFORK | SIGCHLD),
			   "S"(stack), "d"(0L), "r"(r10), "r"(r8), "r"(fn),
			   "r"(data)
			 : "rcx", "r11", "memory");
	return ret;
}

static void child_failed(struct program *p, const char *step, int err)
{
	p->failed_step = step;
	p->err = -err;
	sys_exit(0);
}

static int pass_output(int fd)
{
	if (fd == 3)
		return sys3(__NR_fcntl, fd, F_SETFD, 0);
	return sys3(__NR_dup3, fd, 3, 0);
}

/* On the child's stack; leaves by execve or exit. */
static void child(struct program *p)
{
	static const unsigned long no_signals;
	int err;

	sys0(__NR_setsid);
	if (p->output && pass_output(p->output) < 0)
		sys_exit(LAUNCH_STATUS_FAILED);
	err = machine_stdio(p->tty);
	if (err)
		child_failed(p, "cannot open its standard input and output", err);
	sys4(__NR_rt_sigprocmask, SIG_SETMASK, &no_signals, NULL,
	     sizeof(no_signals));
	err = sys3(__NR_execve, p->path, p->argv, p->envp);
	child_failed(p, "cannot be started", err);
}

/* The values of @key, in order, and a NULL: an argv or envp into the record. */
static const char **vector_fill(const char **slot, const char *key)
{
	const char *value = NULL;

	while ((value = record_next(key, value)))
		*slot++ = value;
	*slot++ = NULL;
	return slot;
}

static void enter_directory(void)
{
	const char *cwd = record_get("cwd") ?: "/";
	int err = sys_chdir(cwd);

	if (err)
		fail("cannot start in the directory ", cwd, ": ",
		     errno_text(-err) ?: "unknown error", "; give another --cwd");
}

/* As large as machine_stdio() and execve need. */
static char stack[4096] __attribute__((aligned(16)));

int spawn_helper(const char **argv, const char **envp, int output)
{
	static struct program p;
	int pid, status;

	p = (struct program){ .argv = argv, .envp = envp, .output = output };
	text_append(p.path, sizeof(p.path), argv[0]);
	pid = clone_onto(stack + sizeof(stack), child, &p);
	if (pid < 0)
		return pid;
	if (sys4(__NR_wait4, pid, &status, 0, NULL) != pid)
		return -ECHILD;
	if (p.failed_step)
		return -p.err;
	if (status & 0x7f)
		return 128 + (status & 0x7f);
	return status ? LAUNCH_STATUS_FAILED : 0;
}

int spawn_program(void)
{
	static struct program p;
	size_t slots = record_count("arg") + record_count("env") + 2;
	const char *tty = record_get("tty");
	const char **vector;
	int pid;

	vector = sys_mmap(slots * sizeof(*vector), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if ((unsigned long)vector > -4096UL)
		fail("out of memory; give the enclave more (--memory)");
	p.argv = vector;
	p.envp = vector_fill(vector, "arg");
	vector_fill(p.envp, "env");
	p.tty = tty && text_equal(tty, "1");
	enter_directory();
	if (!p.argv[0])
		fail("no program given; name one after the image");
	lookup_program(p.argv[0], p.path, sizeof(p.path));
	pid = clone_onto(stack + sizeof(stack), child, &p);
	sys_munmap(vector, slots * sizeof(*vector));
	if (pid < 0)
		fail("cannot start ", p.path, ": ",
		     errno_text(-pid) ?: "unknown error");
	if (p.failed_step)
		fail(p.path, " ", p.failed_step, ": ",
		     errno_text(p.err) ?: "unknown error");
	sys_chdir("/");
	return pid;
}
