/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The boundary: every call that any thread of the enclave makes to the host
 * once its program may run. What opens, maps and sets up ends before that, and
 * enclave/runtime/lockdown.c then has the host's own kernel kill the process
 * for a call that is not in this table.
 *
 * X(call, when, purpose, lie): what it is for, and what a lying host can do
 * with its answer. A call that `when` does not ask for is not in the filter.
 *
 * rktio/host reads this table too, for `rkt-io surface`: keep one X(...) per
 * call, on its own line or continued, with plain string literals.
 */
#ifndef ABI_HOSTCALL_H
#define ABI_HOSTCALL_H

enum hostcall_when {
	ALWAYS,
	CPUS,		/* more than one CPU */
	TERMINAL,	/* standard input and output are a terminal */
	IO_URING,	/* --disk FILE; the control socket of --net virtio-user and vhost */
	NO_IO_URING,	/* --disk FILE on a host that has no io_uring */
};

/* By frequency: the filter asks in this order. */
#define HOSTCALLS(X) \
	X(preadv2, ALWAYS, \
	  "receive packets (--net tap: not direct) and console input; take the wake-up of a vhost-user peer, or news of a vhost-user disk; read blocks where the host has no io_uring; take evidence from a TEE's agent", \
	  "wrong bytes, as from any network, terminal or disk; lengths are bounded by the request") \
	X(pwritev2, ALWAYS, \
	  "send packets (--net tap: not direct) and console output; wake a vhost-user peer; write blocks where the host has no io_uring; ask a TEE's agent for evidence", \
	  "drop or change them, as any network, terminal or disk") \
	X(io_uring_enter, IO_URING, \
	  "hand block requests to the host (--disk FILE: not direct); on a ring of its own, pass descriptors to and from a vhost-user peer when it comes or goes", \
	  "fail or forge completions: each is matched to a request in flight, once, and bounded by it; give a descriptor of something else: it holds frames at most, checked as the peer's") \
	X(ppoll, ALWAYS, \
	  "sleep until a device, the console or a timer has something", \
	  "wake early or late: a delay; readiness is only a hint") \
	X(mmap, ALWAYS, \
	  "map a run of private memory where the application or vmalloc expects it; map a vhost-user front end's memory (--net vhost)", \
	  "refuse: the enclave stops; another page: a TEE forbids it, an ordinary process can't") \
	X(munmap, ALWAYS, \
	  "take a mapping back after the page tables changed", \
	  "keep it: the application sees a stale page of its own enclave") \
	X(mprotect, ALWAYS, \
	  "make a mapping read-only after the page tables changed", \
	  "ignore it: the enclave's own copy-on-write is undone; a TEE forbids it") \
	X(tgkill, CPUS, \
	  "interrupt another CPU of this enclave", \
	  "drop it: a delay until that CPU's next tick") \
	X(sched_yield, ALWAYS, \
	  "let the holder of a lock run", \
	  "a delay") \
	X(ioctl, TERMINAL, \
	  "the terminal's size, and its mode back at the end", \
	  "a wrong size") \
	X(fdatasync, NO_IO_URING, \
	  "flush blocks to the disk where the host has no io_uring", \
	  "not to flush: the newest writes are lost when the host crashes") \
	X(exit_group, ALWAYS, \
	  "end", \
	  "not to end: a hang")

#endif /* ABI_HOSTCALL_H */
