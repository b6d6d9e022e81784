/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The boundary: every call that the enclave makes to the host once its program
 * may run. X(call, purpose, lie): what it is for, and what a lying host can do
 * with its answer. Start-up calls (open, map, set up rings) end before the
 * first instruction of the application.
 */
#ifndef ABI_HOSTCALL_H
#define ABI_HOSTCALL_H

#define HOSTCALLS(X) \
	X(mmap, "map a run of private memory where the application expects it", "refuse: the enclave stops; wrong page: seen by nobody but a TEE, which forbids it") \
	X(munmap, "take a mapping back after the page tables changed", "keep it mapped: a stale page stays visible to the application itself") \
	X(mprotect, "make a mapping read-only after the page tables changed", "ignore it: the enclave's own copy-on-write is undone; a TEE forbids it") \
	X(ppoll, "sleep until a device, a terminal or a timer has something", "wake early or late: a delay; readiness is only a hint") \
	X(tgkill, "interrupt another CPU of the enclave", "drop it: a delay until the next tick") \
	X(sched_yield, "let the holder of a lock run", "nothing") \
	X(clock_gettime, "the wall clock at start", "a wrong time of day") \
	X(io_uring_enter, "hand disk requests to the host (--disk FILE)", "fail or forge completions: each is matched to a request in flight") \
	X(readv, "receive packets (--net tap) and terminal input", "wrong bytes: as from any network; lengths are bounded by the request") \
	X(writev, "send packets (--net tap) and console output", "drop them: as on any network") \
	X(ioctl, "size and mode of the terminal", "a wrong size") \
	X(exit_group, "end", "not to end: a hang")

#endif /* ABI_HOSTCALL_H */
