// SPDX-License-Identifier: GPL-2.0-only
/*
 * Call sites become jumps, as the library kernel makes them (its rewrite.c
 * explains): the instruction before `syscall` moves to a stub, the `syscall`
 * stays where it is, and the stub enters program_entry with rcx set.
 *
 * Here it is done as text is mapped, before any thread can run it, and on the
 * strength of patterns: what stands before the system call in Debian's libc.
 * An instruction shorter than the jump lends it the bytes that follow, which
 * then decide, in part, where the stub must lie.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "program.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

enum {
	PAGE = 4096, JUMP = 5, SYSCALL = 2, SLOT = 64, PAGES_MAX = 1024, TRIES = 64,
	LONGEST = 8,
};

static const struct pattern {
	uint8_t bytes[LONGEST];
	uint8_t length, moved;	/* the last @moved bytes are one instruction */
} patterns[] = {
	{ "\x4c\x8b\x4c\x24\x08", 5, 5 },	/* mov 8(%rsp),%r9: syscall() */
	{ "\x40\x80\xf6\x80", 4, 4 },		/* xor $0x80,%sil: locks */
	{ "\x40\x80\xf6\x81", 4, 4 },
	{ "\x44\x89\xc0", 3, 3 },		/* mov %r8d,%eax */
	{ "\x44\x89\xc8", 3, 3 },		/* mov %r9d,%eax */
	{ "\x44\x89\xe0", 3, 3 },		/* mov %r12d,%eax */
	{ "\x31\xc0", 2, 2 },			/* xor %eax,%eax: read */
};

static struct {
	unsigned long address;
	uint64_t used;		/* one bit for each slot of 64 bytes */
} pages[PAGES_MAX];
static unsigned int page_count;

/* A prefix would make another instruction of it: mov $imm,%r8d, say. */
static bool is_mov(const uint8_t *p)
{
	uint32_t number;

	memcpy(&number, p + 1, sizeof(number));
	return p[0] == 0xb8 && number < 512 && (p[-1] & 0xf0) != 0x40;
}

/* How many bytes before @call, a system call, move to the stub; 0: leave it. */
static unsigned int recognise(const uint8_t *call, const uint8_t *start)
{
	if (call - start > JUMP && is_mov(call - JUMP))
		return JUMP;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		const struct pattern *p = &patterns[i];

		if (call - start >= p->length && !memcmp(call - p->length, p->bytes, p->length))
			return p->moved;
	}
	return 0;
}

/* ---- places for stubs ---- */

/* A free slot of a page of ours that lies from @low to below @high. */
static unsigned long slot_between(unsigned int i, unsigned long low, unsigned long high)
{
	for (unsigned int slot = 0; slot < PAGE / SLOT; slot++) {
		unsigned long at = pages[i].address + slot * SLOT;

		if (at < low || at >= high || pages[i].used & 1UL << slot)
			continue;
		pages[i].used |= 1UL << slot;
		return at;
	}
	return 0;
}

static bool new_page(unsigned long address)
{
	long at;

	if (page_count == PAGES_MAX)
		return false;
	at = call6(SYS_mmap, address, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (at != (long)address) {
		if (!failed(at))
			call2(SYS_munmap, at, PAGE);
		return false;
	}
	pages[page_count].address = address;
	pages[page_count++].used = 0;
	return true;
}

static unsigned long find_slot(unsigned long low, unsigned long high)
{
	unsigned long at, step = (high - low) / TRIES;

	for (unsigned int i = page_count; i-- > 0;) {
		if (pages[i].address + PAGE <= low || pages[i].address >= high)
			continue;
		at = slot_between(i, low, high);
		if (at)
			return at;
	}
	step = step < PAGE ? PAGE : step & -(unsigned long)PAGE;
	for (at = low & -(unsigned long)PAGE; at < high; at += step)
		if (new_page(at))
			return slot_between(page_count - 1, low, high);
	return 0;
}

/* The jump's first free bytes are chosen; the others are there already. */
static unsigned long place(const uint8_t *site, unsigned int moved)
{
	unsigned long from = (unsigned long)site + JUMP;
	int32_t low = 0;

	if (moved >= JUMP)
		return find_slot(from + 0x10000000, from + 0x70000000);
	memcpy(&low, site + 1, sizeof(low));
	low &= -1U << 8 * (moved - 1);
	return find_slot(from + low, from + low + (1UL << 8 * (moved - 1)));
}

/* ---- sites ---- */

static void build(uint8_t *stub, const uint8_t *site, unsigned int moved)
{
	unsigned long back = (unsigned long)site + moved + SYSCALL;
	uint32_t entry = (uint32_t)(unsigned long)program_entry;

	memcpy(stub, site, moved);
	stub += moved;
	memcpy(stub, "\x48\xb9", 2);		/* mov $back, %rcx */
	memcpy(stub + 2, &back, 8);
	memcpy(stub + 10, "\x41\xbb", 2);	/* mov $entry, %r11d */
	memcpy(stub + 12, &entry, 4);
	memcpy(stub + 16, "\x41\xff\xe3", 3);	/* jmp *%r11 */
}

static void rewrite(uint8_t *call, unsigned int moved)
{
	uint8_t *site = call - moved, jump[JUMP] = { 0xe9 };
	unsigned long stub = place(site, moved);
	int32_t displacement;

	if (!stub)
		return;
	build((uint8_t *)stub, site, moved);
	displacement = stub - ((unsigned long)site + JUMP);
	memcpy(jump + 1, &displacement, sizeof(displacement));
	memcpy(site, jump, moved < JUMP ? moved : JUMP);
	__atomic_fetch_add(&state->rewritten, 1, __ATOMIC_RELAXED);
}

static uint8_t *next_call(uint8_t *from, uint8_t *end)
{
	for (; from + 1 < end; from++)
		if (from[0] == 0x0f && from[1] == 0x05)
			return from;
	return NULL;
}

static uint8_t *next_site(uint8_t *from, uint8_t *start, uint8_t *end, unsigned int *ret_moved)
{
	for (; (from = next_call(from, end)); from++) {
		*ret_moved = recognise(from, start);
		if (*ret_moved)
			return from;
	}
	return NULL;
}

void rewrite_text(unsigned long address, unsigned long bytes)
{
	uint8_t *start = (uint8_t *)address, *end = start + bytes, *call = start;
	unsigned int moved;

	call = next_site(start, start, end, &moved);
	if (!call || call3(SYS_mprotect, address, bytes, PROT_READ | PROT_WRITE | PROT_EXEC))
		return;
	for (; call; call = next_site(call + SYSCALL, start, end, &moved))
		rewrite(call, moved);
	call3(SYS_mprotect, address, bytes, PROT_READ | PROT_EXEC);
}

/* Pages beyond the end of the file can't be read. */
void rewrite_mapping(unsigned long start, unsigned long bytes, int fd, unsigned long offset)
{
	struct stat st;

	if (call2(SYS_fstat, fd, &st) || (unsigned long)st.st_size <= offset)
		return;
	if (bytes > st.st_size - offset)
		bytes = st.st_size - offset;
	rewrite_text(start, (bytes + PAGE - 1) & -(unsigned long)PAGE);
}
