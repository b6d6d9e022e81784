// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filter of the lock-down: one block of classic BPF per call of
 * abi/hostcall.h, in its order, and death for everything else.
 *
 * BPF sees numbers and registers, never memory: descriptors, addresses,
 * lengths and flags are checked, but not where an iovec points.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../../abi/hostcall.h"
#include "dma.h"
#include "lockdown_filter.h"
#include "runtime.h"

/* Where a jump goes: on, or to a place in its block that is found when it ends. */
enum label { NEXT, ALLOW, KILL, SLOT, LOW, VMALLOC, PEER, OURS, LABELS };

enum {
	ENTER_FLAGS = 1,	/* IORING_ENTER_GETEVENTS, or none */
	WAITS_MAX = 64,		/* of wait.c */
	PROT_ALL = PROT_READ | PROT_WRITE | PROT_EXEC,
	ABOVE = 4,		/* bytes from a 64-bit argument to its upper half */
};

struct block {
	struct rt_filter *filter;
	const struct rt_filter_config *config;
	unsigned int place[LABELS];
};

static void put(struct block *b, unsigned short code, unsigned int k, enum label yes, enum label no)
{
	struct rt_filter *filter = b->filter;

	if (filter->length < RT_FILTER_CODE_MAX)
		filter->code[filter->length] = (struct sock_filter){ code, yes, no, k };
	filter->length++;
}

static void put_label(struct block *b, enum label label)
{
	b->place[label] = b->filter->length;
}

static void load(struct block *b, size_t offset)
{
	put(b, BPF_LD | BPF_W | BPF_ABS, offset, NEXT, NEXT);
}

static void load_low(struct block *b, int arg)
{
	load(b, offsetof(struct seccomp_data, args[arg]));
}

static void load_high(struct block *b, int arg)
{
	load(b, offsetof(struct seccomp_data, args[arg]) + ABOVE);
}

static void if_equal(struct block *b, unsigned int k, enum label yes, enum label no)
{
	put(b, BPF_JMP | BPF_JEQ | BPF_K, k, yes, no);
}

static void if_at_least(struct block *b, unsigned int k, enum label yes, enum label no)
{
	put(b, BPF_JMP | BPF_JGE | BPF_K, k, yes, no);
}

static void if_above(struct block *b, unsigned int k, enum label yes, enum label no)
{
	put(b, BPF_JMP | BPF_JGT | BPF_K, k, yes, no);
}

static void if_any_bit(struct block *b, unsigned int k, enum label yes, enum label no)
{
	put(b, BPF_JMP | BPF_JSET | BPF_K, k, yes, no);
}

static void keep(struct block *b)
{
	put(b, BPF_MISC | BPF_TAX, 0, NEXT, NEXT);
}

static void add_kept(struct block *b)
{
	put(b, BPF_ALU | BPF_ADD | BPF_X, 0, NEXT, NEXT);
}

static void must_equal(struct block *b, int arg, unsigned int k)
{
	load_low(b, arg);
	if_equal(b, k, NEXT, KILL);
}

static void must_be_null(struct block *b, int arg)
{
	must_equal(b, arg, 0);
	load_high(b, arg);
	if_equal(b, 0, NEXT, KILL);
}

/* Ends a block. The descriptors of a kind have neighbouring numbers, mostly. */
static void allow_fds(struct block *b, const struct rt_fd_set *set)
{
	unsigned int i, last;

	load_low(b, 0);
	for (i = 0; i < set->count; i = last + 1) {
		for (last = i; last + 1 < set->count; last++)
			if (set->fd[last + 1] != set->fd[last] + 1)
				break;
		if_at_least(b, set->fd[i], NEXT, KILL);
		if_above(b, set->fd[last], NEXT, ALLOW);
	}
	put(b, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, NEXT, NEXT);
}

/* Upper halves, as BPF compares 32 bits at a time. */
enum {
	USER_END_HIGH = LIBOS_USER_END >> 32,
	VMALLOC_START_HIGH = LIBOS_VMALLOC_START >> 32,
	VMALLOC_END_HIGH = LIBOS_VMALLOC_END >> 32,
	PEER_START_HIGH = RT_DMA_PEER_BASE >> 32,
	PEER_END_HIGH = RT_DMA_PEER_END >> 32,
};

/*
 * Arguments 0 and 1 may be a range of where the memory of a vhost-user peer is
 * mapped. Goes on where they are not, with nothing kept.
 */
static void allow_peer_range(struct block *b)
{
	load_high(b, 1);
	if_above(b, RT_DMA_PEER_SPAN >> 32, OURS, NEXT);
	keep(b);
	load_high(b, 0);
	if_at_least(b, PEER_START_HIGH, NEXT, OURS);
	add_kept(b);
	if_at_least(b, PEER_END_HIGH, OURS, ALLOW);
	put_label(b, OURS);
}

/* Arguments 0 and 1, with the upper half of the latter kept. */
static void allow_slots(struct block *b, unsigned long ram_end)
{
	load_high(b, 1);
	if_above(b, USER_END_HIGH, KILL, NEXT);
	keep(b);
	load_high(b, 0);
	if_at_least(b, USER_END_HIGH, VMALLOC, NEXT);
	if_above(b, ram_end >> 32, SLOT, NEXT);
	if_equal(b, ram_end >> 32, NEXT, LOW);
	load_low(b, 0);
	if_at_least(b, (unsigned int)ram_end, NEXT, LOW);
	load_high(b, 0);
	put_label(b, SLOT);
	add_kept(b);
	if_above(b, USER_END_HIGH, KILL, ALLOW);
}

static void allow_below_image(struct block *b)
{
	put_label(b, LOW);
	load_high(b, 0);
	if_equal(b, 0, NEXT, KILL);
	load_high(b, 1);
	if_equal(b, 0, NEXT, KILL);
	load_low(b, 1);
	if_above(b, LIBOS_IMAGE_BASE, KILL, NEXT);
	keep(b);
	load_low(b, 0);
	if_above(b, LIBOS_IMAGE_BASE, KILL, NEXT);
	add_kept(b);
	if_above(b, LIBOS_IMAGE_BASE, KILL, ALLOW);
}

/* Argument 2 is a protection, or 0: the kernel makes no code at run time. */
static void allow_vmalloc(struct block *b)
{
	put_label(b, VMALLOC);
	if_at_least(b, VMALLOC_START_HIGH, NEXT, KILL);
	add_kept(b);
	if_above(b, VMALLOC_END_HIGH, KILL, NEXT);
	load_low(b, 2);
	if_any_bit(b, PROT_EXEC, KILL, ALLOW);
}

/*
 * Ends a block. [argument 0, + argument 1) must lie where applications or
 * vmalloc live: below the executable, between the end of RAM's linear map and
 * LIBOS_USER_END, or in vmalloc's range. The last two ends are kept to within
 * 8 GiB only; nothing lies that near beyond them.
 */
static void allow_application_range(struct block *b)
{
	allow_slots(b, LIBOS_RAM_BASE + b->config->ram_bytes);
	allow_below_image(b);
	allow_vmalloc(b);
}

static void allow(struct block *b)
{
	put(b, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, NEXT, NEXT);
}

/* ---- One function per call of the table ---- */

static void check_preadv2(struct block *b)
{
	must_equal(b, 5, 0);
	allow_fds(b, &b->config->readable);
}

static void check_pwritev2(struct block *b)
{
	must_equal(b, 5, 0);
	allow_fds(b, &b->config->writable);
}

static void check_io_uring_enter(struct block *b)
{
	load_low(b, 3);
	if_above(b, ENTER_FLAGS, KILL, NEXT);
	must_be_null(b, 4);
	allow_fds(b, &b->config->rings);
}

static void check_ppoll(struct block *b)
{
	must_be_null(b, 3);
	load_low(b, 1);
	if_above(b, WAITS_MAX, KILL, ALLOW);
}

/* Data only, and from nothing but descriptors that the peer sent. */
static void allow_peer_memory(struct block *b)
{
	const struct rt_fd_set *set = &b->config->received;
	unsigned int i;

	load_low(b, 2);
	if_any_bit(b, PROT_EXEC, OURS, NEXT);
	load_low(b, 4);
	for (i = 0; i < set->count; i++)
		if_equal(b, set->fd[i], PEER, NEXT);
	if_equal(b, 0, OURS, OURS);
	put_label(b, PEER);
	allow_peer_range(b);
}

/*
 * Writable code is mapped only where an application asked for it, as compilers
 * that run just in time do; that is the library kernel's to decide.
 */
static void check_mmap(struct block *b)
{
	load_low(b, 2);
	if_any_bit(b, ~PROT_ALL, KILL, NEXT);
	load_low(b, 3);
	put(b, BPF_ALU | BPF_AND | BPF_K, ~MAP_POPULATE, NEXT, NEXT);
	if_equal(b, MAP_SHARED | MAP_FIXED, NEXT, KILL);
	if (b->config->received.count)
		allow_peer_memory(b);
	must_equal(b, 4, b->config->ram_fd);
	allow_application_range(b);
}

static void check_munmap(struct block *b)
{
	must_equal(b, 2, 0);
	if (b->config->received.count)
		allow_peer_range(b);
	allow_application_range(b);
}

static void check_mprotect(struct block *b)
{
	load_low(b, 2);
	if_any_bit(b, ~PROT_ALL, KILL, NEXT);
	allow_application_range(b);
}

static void check_tgkill(struct block *b)
{
	must_equal(b, 0, b->config->process);
	must_equal(b, 2, RT_SIGNAL_KICK);
	allow(b);
}

static void check_sched_yield(struct block *b)
{
	allow(b);
}

static void check_ioctl(struct block *b)
{
	must_equal(b, 0, b->config->terminal_fd);
	load_low(b, 1);
	if_equal(b, TIOCGWINSZ, ALLOW, NEXT);
	if_equal(b, TCSETS, ALLOW, KILL);
}

static void check_fdatasync(struct block *b)
{
	allow_fds(b, &b->config->synced);
}

static void check_exit_group(struct block *b)
{
	allow(b);
}

/* ---- The program ---- */

static bool is_needed(const struct rt_filter_config *config, enum hostcall_when when)
{
	switch (when) {
	case CPUS:
		return config->cpus > 1;
	case TERMINAL:
		return config->terminal_fd >= 0;
	case IO_URING:
		return config->rings.count;
	case NO_IO_URING:
		return config->synced.count;
	default:
		return true;
	}
}

static void resolve(struct block *b, unsigned int start)
{
	unsigned int i;

	for (i = start; i < b->filter->length; i++) {
		struct sock_filter *op = &b->filter->code[i];

		if (BPF_CLASS(op->code) != BPF_JMP)
			continue;
		op->jt = op->jt == NEXT ? 0 : b->place[op->jt] - i - 1;
		op->jf = op->jf == NEXT ? 0 : b->place[op->jf] - i - 1;
	}
}

/* The call's number, loaded by now, skips the block of another call. */
static void put_block(struct rt_filter *filter, const struct rt_filter_config *config,
		      int number, void (*check)(struct block *))
{
	struct block b = { .filter = filter, .config = config };
	unsigned int start = filter->length + 1, length;

	put(&b, BPF_JMP | BPF_JEQ | BPF_K, number, NEXT, NEXT);
	check(&b);
	put_label(&b, ALLOW);
	allow(&b);
	put_label(&b, KILL);
	put(&b, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, NEXT, NEXT);
	length = filter->length - start;
	if (filter->length > RT_FILTER_CODE_MAX || length > UINT8_MAX) {
		filter->length = RT_FILTER_CODE_MAX + 1;
		return;
	}
	filter->code[start - 1].jf = length;
	resolve(&b, start);
}

void rt_fd_set_add(struct rt_fd_set *set, int fd)
{
	unsigned int i;

	if (set->count == RT_FILTER_FDS_MAX)
		abort();
	for (i = set->count; i && set->fd[i - 1] >= fd; i--)
		if (set->fd[i - 1] == fd)
			return;
	memmove(&set->fd[i + 1], &set->fd[i], (set->count++ - i) * sizeof(int));
	set->fd[i] = fd;
}

int rt_filter_build(struct rt_filter *filter, const struct rt_filter_config *config)
{
	struct block b = { .filter = filter, .config = config };

	filter->length = 0;
	load(&b, offsetof(struct seccomp_data, arch));
	put(&b, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	put(&b, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, NEXT, NEXT);
	load(&b, offsetof(struct seccomp_data, nr));
#define X(name, when, purpose, lie) \
	if (is_needed(config, when)) \
		put_block(filter, config, SYS_##name, check_##name);
	HOSTCALLS(X)
#undef X
	put(&b, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, NEXT, NEXT);
	return filter->length > RT_FILTER_CODE_MAX ? -E2BIG : 0;
}
