/* SPDX-License-Identifier: Apache-2.0 */
/* suite CASE...: runs the cases in order; exits 0 if all hold. */
#include <string.h>
#include <unistd.h>

#include "suite.h"

static const struct {
	const char *name;
	void (*function)(void);
} cases[] = {
	{ "threads", test_threads },
	{ "detached", test_detached },
	{ "tls", test_tls },
	{ "setuid", test_setuid },
	{ "timer", test_timer },
	{ "cancel_blocked", test_cancel_blocked },
	{ "cancel_loses_nothing", test_cancel_loses_nothing },
	{ "cancel_masked", test_cancel_masked },
	{ "signals", test_signals },
	{ "signal_restart", test_signal_restart },
	{ "signal_stack", test_signal_stack },
	{ "fork", test_fork },
	{ "vfork", test_vfork },
	{ "spawn", test_spawn },
	{ "stdio", test_stdio },
	{ "registers", test_registers },
	{ "entry_read_only", test_entry_read_only },
	{ "dlopen", test_dlopen },
};

static int run(const char *name)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (strcmp(cases[i].name, name))
			continue;
		cases[i].function();
		return 0;
	}
	fprintf(stderr, "suite: no case %s\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	/* A hang is a failure, and leaves nobody behind. */
	alarm(60);
	for (int i = 1; i < argc; i++) {
		int status = run(argv[i]);

		if (status)
			return status;
	}
	puts("ok");
	return 0;
}
