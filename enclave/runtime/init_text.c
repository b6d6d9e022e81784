// SPDX-License-Identifier: GPL-2.0-only
/* Strings for PID 1, and the lines it prints. */
#include "init.h"
#include "init_sys.h"

#include <asm/errno.h>
#include <stdarg.h>

/* The compiler may call these four for plain C. */
void *memcpy(void *dst, const void *src, size_t n)
{
	unsigned char *d = dst;
	const unsigned char *s = src;

	while (n--)
		*d++ = *s++;
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	unsigned char *d = dst;
	const unsigned char *s = src;

	if (d <= s)
		return memcpy(dst, src, n);
	while (n--)
		d[n] = s[n];
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	unsigned char *d = dst;

	while (n--)
		*d++ = c;
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t text_len(const char *s)
{
	size_t len = 0;

	while (s[len])
		len++;
	return len;
}

bool text_equal(const char *a, const char *b)
{
	const char *rest = text_after(a, b);

	return rest && !*rest;
}

const char *text_after(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return NULL;
	return s;
}

bool text_append(char *dst, size_t size, const char *s)
{
	size_t used = text_len(dst);
	size_t len = text_len(s);

	if (len >= size - used)
		return false;
	memcpy(dst + used, s, len + 1);
	return true;
}

bool text_field(const char **s, char separator, char *dst, size_t size)
{
	size_t len = 0;

	while ((*s)[len] && (*s)[len] != separator)
		len++;
	if (!len || len >= size)
		return false;
	memcpy(dst, *s, len);
	dst[len] = '\0';
	*s += len;
	if (**s)
		(*s)++;
	return true;
}

long text_number(const char *s)
{
	long n = 0;

	if (!*s)
		return -1;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || n > 100000000)
			return -1;
		n = n * 10 + *s - '0';
	}
	return n;
}

const char *number_text(unsigned long n, char buf[24])
{
	char *p = buf + 23;

	*p = '\0';
	do {
		*--p = '0' + n % 10;
		n /= 10;
	} while (n);
	return p;
}

const char *errno_text(int err)
{
	switch (err) {
	case EPERM: return "operation not permitted";
	case ENOENT: return "no such file or directory";
	case EIO: return "I/O error";
	case E2BIG: return "arguments and environment too long";
	case ENOEXEC: return "not a program for this machine";
	case ENOMEM: return "out of memory; give the enclave more (--memory)";
	case EACCES: return "permission denied";
	case EBUSY: return "busy";
	case EEXIST: return "exists already";
	case ENODEV: return "not supported by the library OS";
	case ENOTDIR: return "not a directory";
	case EISDIR: return "is a directory";
	case EINVAL: return "invalid";
	case EROFS: return "read-only";
	case ELOOP: return "too many symbolic links";
	case ELIBBAD: return "its interpreter is broken";
	case EOPNOTSUPP: return "not supported by the library OS";
	case EADDRNOTAVAIL: return "address not available";
	case ENETUNREACH: return "network unreachable";
	case EHOSTUNREACH: return "no route";
	case EUCLEAN: return "file system is damaged; run e2fsck on the image";
	default: return NULL;
	}
}

void say(const char *part, ...)
{
	/* Longer parts are cut, so that the newline always fits. */
	char line[1024] = "rkt-io: ";
	va_list parts;
	size_t len;
	int fd;

	va_start(parts, part);
	for (; part; part = va_arg(parts, const char *)) {
		len = text_len(line);
		if (!text_append(line, sizeof(line) - 1, part)) {
			memcpy(line + len, part, sizeof(line) - 2 - len);
			line[sizeof(line) - 2] = '\0';
			break;
		}
	}
	va_end(parts);
	len = text_len(line);
	line[len++] = '\n';
	fd = machine_error_fd();
	sys_write(fd, line, len);
	if (fd > 2)
		sys_close(fd);
}
