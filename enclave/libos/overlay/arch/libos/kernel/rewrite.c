// SPDX-License-Identifier: GPL-2.0-only
/*
 * Call sites that were trapped are rewritten where that is provably safe, so
 * that the next call comes by a jump (20 ns) and not by a host signal (2.5 us).
 *
 * An instruction before `syscall` is replaced by a jump to a stub that does
 * what it did and what those between it and the syscall do, sets rcx to the
 * address after `syscall` (as the instruction does) and jumps to libos_entry.
 * No byte of the application's stack is touched, so the red zone is safe, and
 * all but that one instruction stays as it is, for whoever jumps behind it,
 * returns to the address after the syscall or restarts it.
 *
 *   b8 nr nr nr nr  0f 05			e9 rel32        0f 05
 *   b8 nr nr nr nr  8b 7c 24 08  0f 05	e9 rel32        8b 7c 24 08  0f 05
 *   31 c0           0f 05 48		e9 xx           0f 05 48
 *
 * In the third the jump is longer than what it replaces. Its last three bytes
 * are the ones that are there already, and the stub lies where they make it
 * jump to: 0x48050fxx further on.
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
#define MOVED_BYTES	16	/* at most, from the instruction replaced to the syscall */
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
	unsigned int moved_bytes;	/* before it: what the stub does */
	unsigned int jump_bytes;	/* of these, what the jump replaces */
};

/*
 * Counts traps by program and address, approximately: collisions only delay.
 * What could not be rewritten is looked at again, ever less often: it may be
 * other code by then.
 */
static bool hot(unsigned long address)
{
	static struct { unsigned long key, hits; } seen[512];
	unsigned long key = address ^ (unsigned long)current->mm >> 6;
	unsigned int i = (key ^ key >> 9) % ARRAY_SIZE(seen);

	if (seen[i].key != key) {
		seen[i].key = key;
		seen[i].hits = 0;
	}
	seen[i].hits++;
	return seen[i].hits >= HOT && is_power_of_2(seen[i].hits);
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

/* Registers, or the stack by rsp or rbp, which is there: a fault must not meet a stub. */
static bool is_plain_operand(const struct insn *insn)
{
	u8 modrm = insn->modrm.value, sib = insn->sib.value;

	if (!insn->modrm.nbytes || X86_MODRM_MOD(modrm) == 3)
		return true;
	if (X86_REX_B(insn->rex_prefix.value) || X86_REX_X(insn->rex_prefix.value))
		return false;
	if (X86_MODRM_RM(modrm) == 4)
		return X86_SIB_BASE(sib) == 4 && X86_SIB_INDEX(sib) == 4;
	return X86_MODRM_RM(modrm) == 5 && X86_MODRM_MOD(modrm);
}

/* Does it do the same at any address, and does the next instruction follow it always? */
static bool is_movable(const struct insn *insn)
{
	u8 opcode = insn->opcode.bytes[0], second = insn->opcode.bytes[1];

	if (insn->prefixes.nbytes || insn->vex_prefix.nbytes || insn->rex_prefix.nbytes > 1 ||
	    !is_plain_operand(insn))
		return false;
	if (insn->opcode.nbytes == 2)	/* cmov, setcc, movzx, movsx */
		return opcode == 0x0f && ((second & 0xf0) == 0x40 || (second & 0xf0) == 0x90 ||
					  (second & 0xf6) == 0xb6);
	switch (opcode) {
	case 0x00 ... 0x3f:			/* add, or, and, sub, xor, cmp; not the odd ones */
		return (opcode & 7) < 6;
	case 0x63:				/* movslq */
	case 0x80: case 0x81: case 0x83:	/* the same, immediate */
	case 0x84: case 0x85:			/* test */
	case 0x88 ... 0x8b: case 0x8d:		/* mov, lea */
	case 0xb0 ... 0xbf:			/* mov, immediate */
	case 0xc0: case 0xc1: case 0xd1:	/* shifts */
	case 0xc6: case 0xc7:			/* mov, immediate */
		return insn->opcode.nbytes == 1;
	}
	return false;
}

/* Do movable instructions lead from `at` to the syscall? Returns the length of the first, or 0. */
static unsigned int movable_run(const struct site *site, unsigned int at)
{
	unsigned int first = 0;
	struct insn insn;

	for (; at < BEFORE; at += insn.length) {
		if (insn_decode(&insn, site->bytes + at, min_t(int, MAX_INSN_SIZE, SITE_BYTES - at), INSN_MODE_64) ||
		    !is_movable(&insn))
			return 0;
		if (!first)
			first = insn.length;
	}
	return at == BEFORE ? first : 0;
}

/* Other CPUs may run the site: one aligned store, or none. */
static bool is_patchable(const struct site *site)
{
	unsigned long start = site->address - site->moved_bytes;

	return num_online_cpus() == 1 || (start & 7) + site->jump_bytes <= 8;
}

/* Finds the instruction to replace: the nearest that has room for a jump, else the longest. */
static bool recognise(struct site *site)
{
	unsigned int moved, best_moved = 0, best = 0;

	for (moved = 2; moved <= MOVED_BYTES && best < JUMP_BYTES; moved++) {
		unsigned int length = min_t(unsigned int, movable_run(site, BEFORE - moved), JUMP_BYTES);

		site->moved_bytes = moved;
		site->jump_bytes = length;
		if (length < 2 || length <= best || !is_patchable(site) ||
		    !is_boundary(site->bytes, BEFORE - moved))
			continue;
		best = length;
		best_moved = moved;
	}
	site->moved_bytes = best_moved;
	site->jump_bytes = best;
	return best;
}

static unsigned int build_stub(u8 *stub, unsigned long at, const struct site *site)
{
	unsigned long back = site->address + SYSCALL_BYTES;
	unsigned int n = site->moved_bytes;
	s32 displacement;
	u32 entry = (u32)(unsigned long)libos_entry;

	memcpy(stub, site->bytes + BEFORE - n, n);
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

/* Is a whole stub free there, on a page of stubs from another site? */
static bool is_free_stub(unsigned long at)
{
	static const u8 zero[STUB_BYTES];
	u8 there[STUB_BYTES];

	return test_bit((at >> PAGE_SHIFT) % BITS_PER_LONG, &current->mm->context.pun_pages) &&
	       !copy_from_user(there, (void __user *)at, STUB_BYTES) && !memcmp(there, zero, STUB_BYTES);
}

/* Stubs that may lie anywhere: the next free bytes of a page in reach. */
static unsigned long place_near(unsigned long site)
{
	mm_context_t *context = &current->mm->context;
	unsigned long page;
	int tries;

	while (context->stub_next + STUB_BYTES <= context->stub_end &&
	       abs((long)(context->stub_next - site)) < REACH) {
		context->stub_next += STUB_BYTES;
		if (is_free_stub(context->stub_next - STUB_BYTES))
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

/*
 * A place where the bytes that stay behind a short instruction make the jump
 * go: one of 256 bytes where it has two, of 64 KiB where it has three.
 */
static unsigned long place_pun(const struct site *site)
{
	unsigned long from = site->address - site->moved_bytes + JUMP_BYTES, at;
	const u8 *stays = site->bytes + BEFORE - site->moved_bytes + site->jump_bytes;
	unsigned int free = site->jump_bytes - 1, low, tries;
	s32 displacement;

	for (tries = 0; tries < 256 / STUB_BYTES * 4; tries++) {
		low = free == 1 ? tries * STUB_BYTES : tries % 8 * STUB_BYTES + tries / 8 * PAGE_SIZE;
		if (low > 256 - STUB_BYTES && free == 1)
			break;
		displacement = low;
		memcpy((u8 *)&displacement + free, stays, 4 - free);
		at = from + displacement;
		if (at < LIBOS_LOWEST_USER || at > LIBOS_USER_END - PAGE_SIZE ||
		    offset_in_page(at) > PAGE_SIZE - STUB_BYTES)
			continue;
		if (map_page(at & PAGE_MASK) || is_free_stub(at))
			return at;
	}
	return 0;
}

static bool patch(const struct site *site, unsigned long stub)
{
	unsigned long start = site->address - site->moved_bytes;
	unsigned long word = start & ~7UL;
	s32 displacement = stub - (start + JUMP_BYTES);
	u8 bytes[8], jump[JUMP_BYTES] = { 0xe9 };

	memcpy(jump + 1, &displacement, 4);
	if (num_online_cpus() == 1)
		return write_text(start, jump, site->jump_bytes);
	if (copy_from_user(bytes, (void __user *)word, 8))
		return false;
	memcpy(bytes + (start - word), jump, site->jump_bytes);
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
	    memcmp(site.bytes + BEFORE, "\x0f\x05", 2) || !recognise(&site))
		return;
	at = site.jump_bytes == JUMP_BYTES ? place_near(site.address) : place_pun(&site);
	if (!at)
		return;
	n = build_stub(stub, at, &site);
	if (write_text(at, stub, n) && patch(&site, at)) {
		__set_bit((at >> PAGE_SHIFT) % BITS_PER_LONG, &current->mm->context.pun_pages);
		libos_stats.rewritten++;
	}
}
