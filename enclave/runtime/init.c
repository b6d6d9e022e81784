// SPDX-License-Identifier: GPL-2.0-only
/*
 * PID 1 of the library OS: makes the image's root, network and settings what
 * the launch record says, runs the program, passes the host's signals on to
 * it, reaps, and ends the enclave with the program's status.
 */
#include "init.h"
#include "init_config.h"
#include "init_data.h"
#include "init_keys.h"
#include "init_sys.h"
#include "init_wireguard.h"

#include <asm/errno.h>
#include <asm/signal.h>
#include <linux/time_types.h>
#include <linux/wait.h>

static const unsigned long all_signals = -1UL;

/* Returns the next signal, or -EAGAIN after @timeout (NULL: none). */
static int next_signal(const struct __kernel_timespec *timeout)
{
	return sys4(__NR_rt_sigtimedwait, &all_signals, NULL, timeout,
		    sizeof(all_signals));
}

static int status_of(int wait_status)
{
	int sig = wait_status & 0x7f;

	return sig ? 128 + sig : wait_status >> 8 & 0xff;
}

/* Reap whoever has ended; the program's status, or -1 while it runs. */
static int reap(int program)
{
	int status, pid, ret = -1;

	for (;;) {
		pid = sys4(__NR_wait4, -1, &status, WNOHANG, NULL);
		if (pid <= 0)
			return ret;
		if (pid == program)
			ret = status_of(status);
	}
}

/*
 * Without a terminal of our own, the keys' signals reach us from the host's
 * terminal, which sends them to a whole process group: so do we.
 */
static void forward(int program, int sig, bool tty)
{
	if (sig == SIGWINCH && tty) {
		machine_resize();
		return;
	}
	if (!tty && (sig == SIGINT || sig == SIGQUIT) &&
	    !sys_kill(-program, sig))
		return;
	sys_kill(program, sig);
}

static int supervise(int program, bool tty)
{
	int sig, status;

	for (;;) {
		sig = next_signal(NULL);
		if (sig == SIGCHLD) {
			status = reap(program);
			if (status >= 0)
				return status;
		} else if (sig > 0) {
			forward(program, sig, tty);
		}
	}
}

/* A task stuck in the kernel must not keep the enclave from ending. */
static void kill_all(void)
{
	const struct __kernel_timespec patience = { .tv_sec = 2 };
	int status;

	if (sys_kill(-1, SIGKILL) == -ESRCH)
		return;
	for (;;) {
		int pid = sys4(__NR_wait4, -1, &status, WNOHANG, NULL);

		if (pid == -ECHILD)
			return;
		if (!pid && next_signal(&patience) == -EAGAIN)
			return;
	}
}

void finish(int status)
{
	keys_close();
	kill_all();
	data_unmount();
	unmount_all();
	sealed_close();
	machine_end(status);
}

__attribute__((noreturn, used))
void init_main(void)
{
	const char *tty;
	int program;

	sys4(__NR_rt_sigprocmask, SIG_SETMASK, &all_signals, NULL,
	     sizeof(all_signals));
	record_open("/launch");
	mount_devices();
	config_enforce();
	if (config_document())
		net_all();	/* the key broker is asked over it */
	keys_open();
	data_open();
	mount_all();
	data_mount();
	setting_all();
	if (!config_document())
		net_all();
	wireguard_all();
	keys_close();	/* nobody takes one any more */
	program = spawn_program();
	tty = record_get("tty");
	finish(supervise(program, tty && text_equal(tty, "1")));
}

/* The kernel enters with the stack aligned to 16 and nothing to return to. */
__asm__(".globl _start\n"
	"_start:\n\t"
	"xor %ebp, %ebp\n\t"
	"call init_main\n\t"
	"ud2");
