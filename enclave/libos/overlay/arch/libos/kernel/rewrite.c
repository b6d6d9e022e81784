// SPDX-License-Identifier: GPL-2.0-only
/*
 * Call sites that were trapped are rewritten where that is provably safe, so
 * that the next call comes by a jump (20 ns) and not by a host signal (2.5 us).
 *
 * The instruction before `syscall` is replaced by a jump to a stub that does
 * what it did, sets rcx to the address after `syscall` (as the instruction
 * does) and jumps to libos_entry. No byte of the application's stack is
 * touched, so the red zone is safe, and the `syscall` stays where it is, for
 * whoever jumps to it, returns to the address after it or restarts it.
 *
 *   b8 nr nr nr nr  0f 05	e9 rel32	 0f 05
 *   4c 8b 4c 24 08  0f 05	e9 rel32	 0f 05
 *   31 c0           0f 05 48	e9 xx            0f 05 48
 *
 * The second is glibc's syscall(): mov 8(%rsp),%r9. In the third (read: xor %eax,%eax) the jump is longer than what it
 * replaces. Its last three bytes are the ones that are there already, and the
 * stub lies where they make it jump to: 0x48050fxx further on.
 *
 * The text page becomes a private copy of the process (as for a debugger's
 * breakpoint), the page cache is never written, no page is ever writable and
 * executable.
 */
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>
#include <asm/insn.h>
#include "libos.h"

#define SYSCALL_BYTES	2
#define JUMP_BYTES	5
#define MOV_BYTES	5
#define XOR_BYTES	2
#define CODE_BYTES	128
#define BEFORE		CODE_BYTES	/* bytes looked at before the syscall ... */
#define AFTER		3	/* ... and after it */
#define SITE_BYTES	(BEFORE + SYSCALL_BYTES + AFTER)
#define STUB_BYTES	32
#define HOT		8	/* traps of a site before it is worth it */
#define FAR_PAGES	0x20000000UL
#define REACH		0x7ff00000L

extern char libos_entry[];

struct site {
	unsigned long address;		/* of the syscall instruction */
	u8 bytes[SITE_BYTES];
	u8 moved[MOV_BYTES];		/* the instruction that goes to the stub */
	unsigned int moved_bytes;
};

static const u8 *before(const struct site *site, unsigned int bytes)
{
	return site->bytes + BEFORE - bytes;
}

/* Counts traps by program and address, approximately: collisions only delay. */
static bool hot(unsigned long address)
{
	static struct { unsigned long key; unsigned int hits; } seen[512];
	unsigned long key = address ^ (unsigned long)current->mm >> 6;
	unsigned int i = (key ^ key >> 9) % ARRAY_SIZE(seen);

	if (seen[i].key != key) {
		seen[i].key = key;
		seen[i].hits = 0;
	}
	if (++seen[i].hits < HOT)
		return false;
	seen[i].hits = 0;
	return true;
}

/* Only text as it came from a file: generated code may look at itself, or move. */
static bool is_text(unsigned long address)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	bool ret;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, address - BEFORE);
	ret = vma && vma->vm_end >= address + SYSCALL_BYTES + AFTER && vma->vm_file &&
	      !(vma->vm_flags & (VM_WRITE | VM_SHARED));
	mmap_read_unlock(mm);
	return ret;
}

/*
 * Does an instruction start where we take one to start, or do those bytes end a
 * longer one? Decode from each of the bytes before: instructions are at most 15
 * bytes long, so at least CODE_BYTES / 15 of these starts are true ones. Where
 * fewer than that lead past the place, the true ones lead to it.
 */
static bool is_boundary(const u8 *code, unsigned int place)
{
	bool past[CODE_BYTES + 1] = {};
	unsigned int wrong = 0;
	struct insn insn;
	int i;

	for (i = place - 1; i >= 0; i--) {
		unsigned int next;

		if (insn_decode(&insn, code + i, min(MAX_INSN_SIZE, SITE_BYTES - i), INSN_MODE_64))
			continue;
		next = i + insn.length;
		past[i] = next > place || past[next];
		wrong += past[i];
	}
	return wrong < place / MAX_INSN_SIZE;
}

/*
 * What stands before the syscall: mov or xor that set eax to this very number,
 * or the last argument of glibc's syscall().
 */
static bool recognise(struct site *site, unsigned long nr)
{
	const u8 *mov = before(site, MOV_BYTES), *xor = before(site, XOR_BYTES);
	u32 immediate;

	memcpy(&immediate, mov + 1, sizeof(immediate));
	if ((mov[0] == 0xb8 && immediate == nr) ||
	    !memcmp(before(site, 8), "\x4d\x89\xc8\x4c\x8b\x4c\x24\x08", 8))
		site->moved_bytes = MOV_BYTES;
	else if (xor[0] == 0x31 && xor[1] == 0xc0 && nr == 0)
		site->moved_bytes = XOR_BYTES;
	else
		return false;
	memcpy(site->moved, before(site, site->moved_bytes), site->moved_bytes);
	return is_boundary(site->bytes, BEFORE - site->moved_bytes);
}

static unsigned int build_stub(u8 *stub, unsigned long at, const struct site *site)
{
	unsigned long back = site->address + SYSCALL_BYTES;
	unsigned int n = site->moved_bytes;
	s32 displacement;
	u32 entry = (u32)(unsigned long)libos_entry;

	memcpy(stub, site->moved, n);
	memcpy(stub + n, "\x48\x8d\x0d", 3);		/* lea back(%rip), %rcx */
	displacement = back - (at + n + 7);
	memcpy(stub + n + 3, &displacement, 4);
	memcpy(stub + n + 7, "\x41\xbb", 2);		/* mov $entry, %r11d */
	memcpy(stub + n + 9, &entry, 4);
	memcpy(stub + n + 13, "\x41\xff\xe3", 3);	/* jmp *%r11 */
	return n + 16;
}

static bool map_page(unsigned long address)
{
	return vm_mmap(NULL, address, PAGE_SIZE, PROT_READ | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, 0) == address;
}

static bool write_text(unsigned long address, const void *bytes, int n)
{
	return access_process_vm(current, address, (void *)bytes, n,
				 FOLL_FORCE | FOLL_WRITE) == n;
}

/* Stubs that may lie anywhere: the next free bytes of a page in reach. */
static unsigned long place_near(unsigned long site)
{
	mm_context_t *context = &current->mm->context;
	unsigned long page;
	int tries;

	if (context->stub_next + STUB_BYTES <= context->stub_end &&
	    abs((long)(context->stub_next - site)) < REACH) {
		context->stub_next += STUB_BYTES;
		return context->stub_next - STUB_BYTES;
	}
	page = (site & PAGE_MASK) + FAR_PAGES;
	for (tries = 0; tries < 8; tries++, page += FAR_PAGES / 8) {
		if (!map_page(page))
			continue;
		context->stub_next = page + STUB_BYTES;
		context->stub_end = page + PAGE_SIZE;
		return page;
	}
	return 0;
}

/* The one place (of 256 bytes) where the bytes that stay make the jump go. */
static unsigned long place_pun(const struct site *site)
{
	unsigned long from = site->address - XOR_BYTES + JUMP_BYTES, at;
	s32 displacement;
	u8 bytes[4];

	memcpy(bytes + 1, site->bytes + BEFORE, 3);
	for (bytes[0] = 0; bytes[0] < 256 - STUB_BYTES; bytes[0] += STUB_BYTES) {
		static const u8 zero[STUB_BYTES];
		u8 there[STUB_BYTES];

		memcpy(&displacement, bytes, 4);
		at = from + displacement;
		if (at < LIBOS_LOWEST_USER || at > LIBOS_USER_END - PAGE_SIZE ||
		    offset_in_page(at) > PAGE_SIZE - STUB_BYTES)
			continue;
		if (map_page(at & PAGE_MASK))
			return at;
		/* Ours from another site? Then its free bytes are zero, and it is read-exec. */
		if (!copy_from_user(there, (void __user *)at, STUB_BYTES) && !memcmp(there, zero, STUB_BYTES) &&
		    test_bit((at >> PAGE_SHIFT) % BITS_PER_LONG, &current->mm->context.pun_pages))
			return at;
	}
	return 0;
}

/* Other CPUs may run the site: one aligned store, or none. */
static bool patch(const struct site *site, unsigned long stub)
{
	unsigned long start = site->address - site->moved_bytes;
	unsigned long word = start & ~7UL;
	s32 displacement = stub - (start + JUMP_BYTES);
	u8 bytes[8], jump[JUMP_BYTES] = { 0xe9 };

	memcpy(jump + 1, &displacement, 4);
	if (num_online_cpus() == 1)
		return write_text(start, jump, min_t(unsigned int, site->moved_bytes, JUMP_BYTES));
	if (start + site->moved_bytes > word + 8)
		return false;
	if (copy_from_user(bytes, (void __user *)word, 8))
		return false;
	memcpy(bytes + (start - word), jump, site->moved_bytes);
	return write_text(word, bytes, 8);
}

void libos_rewrite_site(struct pt_regs *regs)
{
	struct site site = { .address = regs->ip - SYSCALL_BYTES };
	unsigned long at;
	u8 stub[STUB_BYTES] = {};
	unsigned int n;

	if (!hot(site.address) || !is_text(site.address))
		return;
	if (copy_from_user(site.bytes, (void __user *)site.address - BEFORE, sizeof(site.bytes)) ||
	    memcmp(site.bytes + BEFORE, "\x0f\x05", 2) || !recognise(&site, regs->orig_ax))
		return;
	at = site.moved_bytes == MOV_BYTES ? place_near(site.address) : place_pun(&site);
	if (!at)
		return;
	n = build_stub(stub, at, &site);
	if (write_text(at, stub, n) && patch(&site, at)) {
		__set_bit((at >> PAGE_SHIFT) % BITS_PER_LONG, &current->mm->context.pun_pages);
		libos_stats.rewritten++;
	}
}
