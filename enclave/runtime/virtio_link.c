// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a shared-memory port's connection. A peer that dies takes no TCP
 * connection with it: frames are lost as on an unplugged wire until it, or
 * another, connects to the listening socket that the launcher made.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_log.h>

#include "console.h"
#include "control.h"
#include "hostcall.h"
#include "virtio_link.h"

enum {
	LOOKS_PER_SECOND = 10,
	/* While entries move the peer is alive; look all the same now and then. */
	LOOKS_SKIPPED = 50,
	STUCK_US = 50,
};

void virtio_log(const struct virtio_link *link, const char *format, ...)
{
	char line[200] = "rkt-io: network: ";
	size_t n = strlen(line);
	va_list args;
	int more;

	va_start(args, format);
	more = vsnprintf(line + n, sizeof(line) - n - 1, format, args);
	va_end(args);
	if (!link->started) {
		rte_log(RTE_LOG_ERR, RTE_LOGTYPE_PMD, "%s\n", line + n);
		return;
	}
	n += more < 0 ? 0 : (size_t)more;
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	rt_console_write_all(STDERR_FILENO, line, n);
}

static bool readable(int fd)
{
	struct pollfd host_fd = { .fd = fd, .events = POLLIN };
	struct timespec now = { 0 };

	return hostcall_ppoll(&host_fd, 1, &now) > 0;
}

static void disconnect(struct virtio_link *link)
{
	rte_spinlock_lock(&link->tx_lock);
	link->up = false;
	link->lie = NULL;
	rt_wait_del(link->socket);
	rt_control_close(link->socket);
	link->socket = -1;
	link->role->disconnected(link);
	rte_spinlock_unlock(&link->tx_lock);
}

static int connected(struct virtio_link *link)
{
	int err;

	rte_spinlock_lock(&link->tx_lock);
	err = link->role->connected(link);
	rte_spinlock_unlock(&link->tx_lock);
	if (err) {
		disconnect(link);
		return err;
	}
	rt_wait_add(link->socket);
	link->connects++;
	return 0;
}

static void look(struct virtio_link *link)
{
	link->checks++;
	if (link->lie) {
		virtio_log(link, "the other end lied: %s; its connection is closed", link->lie);
		disconnect(link);
	}
	if (link->socket < 0) {
		if (link->listener < 0 || !readable(link->listener))
			return;
		link->socket = (int)rt_control_accept(link->listener);
		if (link->socket >= 0)
			connected(link);
		return;
	}
	while (link->socket >= 0 && readable(link->socket)) {
		int err;

		rte_spinlock_lock(&link->tx_lock);
		err = link->role->readable(link);
		rte_spinlock_unlock(&link->tx_lock);
		if (!err)
			continue;
		virtio_log(link, "the other end is gone%s", link->listener < 0 ?
			   "" : "; waiting for it to come back");
		disconnect(link);
	}
}

void virtio_link_poll(struct virtio_link *link)
{
	uint64_t now = rte_rdtsc();

	if (now < link->due_tsc && !link->lie)
		return;
	link->due_tsc = now + rte_get_tsc_hz() / (link->up || link->socket < 0 ?
						  LOOKS_PER_SECOND : 10000);
	if (link->up && !link->lie && link->progress != link->seen_progress &&
	    now < link->quiet_tsc) {
		link->seen_progress = link->progress;
		return;
	}
	link->seen_progress = link->progress;
	link->quiet_tsc = now + rte_get_tsc_hz() * LOOKS_SKIPPED / LOOKS_PER_SECOND;
	look(link);
}

void virtio_link_sent(struct virtio_link *link, bool stuck)
{
	uint64_t now;

	if (!stuck || link->busy) {
		link->stuck_tsc = 0;
		return;
	}
	now = rte_rdtsc();
	if (!link->stuck_tsc) {
		link->stuck_tsc = now;
	} else if (now - link->stuck_tsc > rte_get_tsc_hz() / 1000000 * STUCK_US) {
		link->stuck_tsc = now;
		link->yields++;
		hostcall_sched_yield();
	}
}

void virtio_link_rouse(struct virtio_link *link)
{
	link->due_tsc = 0;
	link->quiet_tsc = 0;
}

int virtio_link_start(struct virtio_link *link)
{
	int err = 0;

	rte_spinlock_init(&link->tx_lock);
	if (link->listener >= 0)
		rt_wait_add(link->listener);
	else
		err = connected(link);
	link->started = true;
	return err;
}
