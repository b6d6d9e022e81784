// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals: the program's handlers are the host's own, but SIGSYS is ours and
 * is never blocked, since a blocked SIGSYS of Syscall User Dispatch kills.
 */
#include <errno.h>
#include <sys/syscall.h>

#include "program.h"

enum { SIGNAL_SYS = 31, MASK_BYTES = 8 };
static const uint64_t keep = ~(1UL << (SIGNAL_SYS - 1));

struct action {
	unsigned long handler, flags, restorer;
	uint64_t mask;
};

long sigmask_action(struct thread *self, const struct frame *frame)
{
	const struct action *wanted = (const void *)frame->arg[1];
	static struct action theirs;	/* for SIGSYS: kept, not used */
	struct action action, *old = (void *)frame->arg[2];
	unsigned long before;
	long arg[6], ret;

	if (frame->arg[0] == SIGNAL_SYS) {
		action = theirs;
		if (wanted)
			theirs = *wanted;
		if (old)
			*old = action;
		return 0;
	}
	memcpy(arg, frame->arg, sizeof(arg));
	if (wanted) {
		action = *wanted;
		action.mask &= keep;
		action.handler = handover_handler(self, arg[0], action.handler, action.flags, &before);
		arg[1] = (long)&action;
	} else {
		handover_handler(self, arg[0], 0, 0, &before);
	}
	ret = cross_with(self, frame, arg);
	if (!ret && old && before && old->handler > 1)
		old->handler = before;
	return ret;
}

/* The mask is argument @which; its size is the next one. */
long sigmask_argument(struct thread *self, const struct frame *frame, unsigned int which)
{
	const uint64_t *wanted = (const void *)frame->arg[which];
	uint64_t mask;
	long arg[6];

	if (!wanted)
		return cross(self, frame);
	memcpy(arg, frame->arg, sizeof(arg));
	mask = *wanted & keep;
	arg[which] = (long)&mask;
	return cross_with(self, frame, arg);
}

long sigmask_pselect(struct thread *self, const struct frame *frame)
{
	const struct { const uint64_t *mask; size_t size; } *wanted = (const void *)frame->arg[5];
	struct { const uint64_t *mask; size_t size; } pair;
	uint64_t mask;
	long arg[6];

	if (!wanted || !wanted->mask)
		return cross(self, frame);
	memcpy(arg, frame->arg, sizeof(arg));
	mask = *wanted->mask & keep;
	pair.mask = &mask;
	pair.size = wanted->size;
	arg[5] = (long)&pair;
	return cross_with(self, frame, arg);
}
