/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PID 1 of the library OS: what its files share. Freestanding C; position
 * independent without relocations, so no static pointers to data.
 */
#ifndef INIT_H
#define INIT_H

#include "../../abi/launch.h"

#include <stdbool.h>
#include <stddef.h>

/* init_text.c: strings, and lines for the user. */
void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
size_t text_len(const char *s);
bool text_equal(const char *a, const char *b);
/* What follows @prefix in @s, or NULL. */
const char *text_after(const char *s, const char *prefix);
/* Append @s to the string in @dst; false when it does not fit. */
bool text_append(char *dst, size_t size, const char *s);
/* Copy up to @separator and step over it; false when it is empty or too long. */
bool text_field(const char **s, char separator, char *dst, size_t size);
/* A decimal number and nothing else, or -1. */
long text_number(const char *s);
/* @n in decimal, at the end of @buf. */
const char *number_text(unsigned long n, char buf[24]);
/* What an errno (positive) means. */
const char *errno_text(int err);
/* One line on the enclave's standard error: "rkt-io: ", the parts, newline. */
void say(const char *part, ...) __attribute__((sentinel));
/* say(), then finish with LAUNCH_STATUS_FAILED. */
#define fail(...) (say(__VA_ARGS__, NULL), finish(LAUNCH_STATUS_FAILED))

/* init_record.c: the launch record. */
void record_open(const char *path);
/* The first value of @key, or NULL. */
const char *record_get(const char *key);
/* The value after @previous (NULL: the first), or NULL. */
const char *record_next(const char *key, const char *previous);
size_t record_count(const char *key);
/* The key=value after @previous (NULL: the first), or NULL. */
const char *record_entry(const char *previous);
/* From now on these bytes are the record. The old one stays mapped. */
void record_replace(const char *start, size_t len);

/* init_mount.c: from the initramfs to the image's root. */
void mount_devices(void);
void mount_all(void);
/* Make what is missing of @path; a read-only root may not let us. */
void make_directories(const char *path);
void unmount_all(void);

/* init_sealed.c: mount the sealed image on @target, or stop; may it be written to? */
bool sealed_mount(const char *target);
/* Nobody reads the root any more: forget its key. */
void sealed_close(void);

/*
 * init_nvme.c: turn /dev/nvmeXnY, Y the namespace's id, into the name that the
 * kernel gave it; other names stay as they are.
 */
void nvme_find(char *device, size_t size);

/* init_net.c, init_addr.c: lo, eth0, routes. */
struct address {
	unsigned char bytes[16];
	unsigned int len;	/* 4 or 16 */
};

bool address_parse(const char *text, struct address *ret);
void net_all(void);

/* init_setting.c: sysctls, host name, name servers, limits. */
void setting_all(void);
/* Our line names a check that failed; the kernel's would come beside it. */
void kernel_messages(bool shown);
/* Write @value to the file; -errno. */
int setting_write(const char *path, const char *value);

/* init_lookup.c: which file the program is, and whether it can run. */
void lookup_program(const char *name, char *path, size_t size);

/* init_spawn.c: start the program; returns its PID. */
int spawn_program(void);
/*
 * Run a program of the initramfs to its end, with @output as its descriptor 3.
 * 0, LAUNCH_STATUS_FAILED where its status was another, 128 and the signal that
 * killed it, or -errno where it could not be started.
 */
int spawn_helper(const char **argv, const char **envp, int output);

/*
 * init_machine.c: what only the library OS has. Tests link their own version
 * and so run PID 1 in a plain namespace.
 */
__attribute__((noreturn)) void machine_end(int status);
int machine_error_fd(void);
int machine_mount(const char *source, const char *target, const char *fstype,
		  unsigned long flags, const char *data);
/* Make the program's descriptors 0, 1 and 2; -errno. */
int machine_stdio(bool tty);
/* Take over the size of the host's terminal. */
void machine_resize(void);

/* init.c: kill and reap all, make the disks clean, leave with @status. */
__attribute__((noreturn)) void finish(int status);

#endif /* INIT_H */
