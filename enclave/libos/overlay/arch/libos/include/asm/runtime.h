/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_RUNTIME_H
#define _ASM_LIBOS_RUNTIME_H
/*
 * The library kernel and its runtime are linked into one executable and call
 * each other as functions. This header is read by both; only basic C types.
 */
struct pt_regs;

struct rt_boot {
	unsigned long ram_bytes;	/* at LIBOS_RAM_BASE */
	unsigned long image_end;
	unsigned long tsc_khz;
	unsigned int cpus;
	unsigned int poll_mode;		/* enum rt_poll_mode */
	unsigned long initrd;		/* inside RAM, at its end */
	unsigned long initrd_bytes;
	unsigned char seed[64];
	char cmdline[1024];
};

enum rt_poll_mode { RT_POLL_ADAPTIVE, RT_POLL_BUSY, RT_POLL_SLEEP };

/* What a host signal interrupted the application, or the kernel, for. */
enum libos_trap_kind { LIBOS_TRAP_SYSCALL, LIBOS_TRAP_FAULT, LIBOS_TRAP_TICK, LIBOS_TRAP_SIGNAL };

struct libos_trap {
	enum libos_trap_kind kind;
	int sig, code;			/* LIBOS_TRAP_FAULT: the host's siginfo */
	unsigned long address, error, trap_nr;	/* LIBOS_TRAP_FAULT: CR2, error code, vector */
	struct pt_regs *regs;		/* interrupted state; on return, where to go */
	unsigned int cpu;		/* out: whose host thread this is */
};

/* kernel -> runtime: nothing of these uses TLS, SIMD or much stack */
extern long rt_map(unsigned long va, unsigned long bytes, int prot, unsigned long ram_offset, int populate);
extern long rt_unmap(unsigned long va, unsigned long bytes);
extern long rt_protect(unsigned long va, unsigned long bytes, int prot);
extern void rt_idle_prepare(unsigned int cpu, unsigned long long timeout_ns);
extern void rt_idle_wait(unsigned int cpu);
extern void rt_idle_done(unsigned int cpu);
extern void rt_kick(unsigned int cpu);
extern int rt_start_cpu(unsigned int cpu, unsigned long gs_base, void (*entry)(void), unsigned long sp);
extern void rt_wait_add(int fd);
extern void rt_wait_del(int fd);
extern void rt_yield(void);
extern unsigned long long rt_realtime_ns(void);
extern void rt_exit(int code) __attribute__((noreturn));
extern unsigned int rt_take_signals(void);	/* bit n: host signal n arrived */

#define RT_PROT_READ	1
#define RT_PROT_WRITE	2
#define RT_PROT_EXEC	4

/* runtime -> kernel */
extern void libos_start(const struct rt_boot *boot, unsigned long host_fs, unsigned long host_sp) __attribute__((noreturn));
extern void libos_trap(struct libos_trap *trap);
extern void libos_set_host_thread(unsigned int cpu, unsigned long host_fs, unsigned long host_sp);

/* Counters for --stats. */
struct libos_stats {
	unsigned long syscalls, trapped, rewritten, faults, refills;
	unsigned long host_maps, host_unmaps, host_protects, slot_switches, full_flushes;
	unsigned long idle_waits, ticks;
};
extern struct libos_stats libos_stats;
#endif
