// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/hostin, /dev/hostout, /dev/hosterr: the host process's standard
 * descriptors where they are no terminal. Byte streams without any buffer of
 * our own: what a program doesn't read stays in the host's pipe for the next,
 * and a full pipe makes the writer sleep.
 */
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/uio.h>
#include <linux/wait.h>

#include <asm/poller.h>
#include <asm/runtime_console.h>

#include "rktio_console.h"

enum { COPY_BYTES = SZ_16K };

/* The host has no event for "takes output again" in an idle CPU's sleep. */
static const u64 retry_min_ns = 200 * NSEC_PER_USEC;
static const u64 retry_max_ns = 10 * NSEC_PER_MSEC;

struct stdio {
	struct miscdevice misc;
	int host_fd;
	wait_queue_head_t wait;

	/* Input: whether somebody waits for it, so that it ends a sleep. */
	spinlock_t lock;
	bool wanted;
	struct libos_poller poller;
	struct rktio_pace pace;

	/* Output: while somebody waits for room. */
	struct hrtimer retry;
	u64 retry_ns;
};

static struct stdio stdios[3] = {
	{ .host_fd = 0, .misc.name = "hostin" },
	{ .host_fd = 1, .misc.name = "hostout" },
	{ .host_fd = 2, .misc.name = "hosterr" },
};

static struct stdio *stdio_of(struct file *file)
{
	/* misc_open() has put the miscdevice there. */
	return container_of(file->private_data, struct stdio, misc);
}

static void stdio_want(struct stdio *s, bool wanted)
{
	unsigned long flags;

	spin_lock_irqsave(&s->lock, flags);
	if (s->wanted != wanted) {
		s->wanted = wanted;
		rt_console_wait(wanted);
	}
	spin_unlock_irqrestore(&s->lock, flags);
}

/* The end of input is as good as input. If there is neither, wait for it. */
static bool stdio_readable(struct stdio *s)
{
	if (rt_console_poll(s->host_fd) &
	    (RT_CONSOLE_IN | RT_CONSOLE_HUP | RT_CONSOLE_ERR))
		return true;
	stdio_want(s, true);
	return false;
}

static bool stdio_writable(struct stdio *s)
{
	if (rt_console_poll(s->host_fd) &
	    (RT_CONSOLE_OUT | RT_CONSOLE_HUP | RT_CONSOLE_ERR))
		return true;
	if (!hrtimer_active(&s->retry)) {
		s->retry_ns = retry_min_ns;
		hrtimer_start(&s->retry, ns_to_ktime(retry_min_ns),
			      HRTIMER_MODE_REL);
	}
	return false;
}

static enum hrtimer_restart stdio_retry(struct hrtimer *timer)
{
	struct stdio *s = container_of(timer, struct stdio, retry);

	if (!wq_has_sleeper(&s->wait))
		return HRTIMER_NORESTART;
	if (rt_console_poll(s->host_fd) &
	    (RT_CONSOLE_OUT | RT_CONSOLE_HUP | RT_CONSOLE_ERR)) {
		wake_up_poll(&s->wait, EPOLLOUT | EPOLLWRNORM | EPOLLERR);
		return HRTIMER_NORESTART;
	}
	s->retry_ns = min(2 * s->retry_ns, retry_max_ns);
	hrtimer_forward_now(timer, ns_to_ktime(s->retry_ns));
	return HRTIMER_RESTART;
}

/* Wake those who wait; who still wants input then says so again. */
static bool stdio_poll_input(struct libos_poller *poller)
{
	struct stdio *s = container_of(poller, struct stdio, poller);

	if (!READ_ONCE(s->wanted) || !rktio_pace_due(&s->pace))
		return false;
	if (!(rt_console_poll(s->host_fd) &
	      (RT_CONSOLE_IN | RT_CONSOLE_HUP | RT_CONSOLE_ERR)))
		return false;
	stdio_want(s, false);
	wake_up_poll(&s->wait, EPOLLIN | EPOLLRDNORM | EPOLLHUP);
	return true;
}

/* The host's descriptor wakes the sleeper: nothing to look at before. */
static bool stdio_arm_input(struct libos_poller *poller)
{
	struct stdio *s = container_of(poller, struct stdio, poller);

	rktio_pace_sleep(&s->pace);
	return false;
}

static bool nonblocking(struct kiocb *iocb)
{
	return iocb->ki_filp->f_flags & O_NONBLOCK ||
	       iocb->ki_flags & IOCB_NOWAIT;
}

static ssize_t stdio_read_host(struct stdio *s, void *buf, size_t len,
			       bool nonblock)
{
	ssize_t n;

	for (;;) {
		n = rt_console_read(s->host_fd, buf, len);
		if (n != -EAGAIN)
			return n;
		if (nonblock) {
			/* An edge-triggered epoll doesn't ask again. */
			if (wq_has_sleeper(&s->wait))
				stdio_want(s, true);
			return n;
		}
		if (wait_event_interruptible(s->wait, stdio_readable(s)))
			return -ERESTARTSYS;
	}
}

static ssize_t stdio_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct stdio *s = stdio_of(iocb->ki_filp);
	size_t len = min_t(size_t, iov_iter_count(to), COPY_BYTES);
	size_t bad;
	ssize_t n;
	void *buf;

	if (s->host_fd != 0)
		return -EBADF;
	if (!len)
		return 0;
	/* What has been read from the host can't be given back. */
	bad = fault_in_iov_iter_writeable(to, len);
	if (bad == len)
		return -EFAULT;
	len -= bad;
	buf = kmalloc(len, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	n = stdio_read_host(s, buf, len, nonblocking(iocb));
	if (n > 0 && copy_to_iter(buf, n, to) != n)
		n = -EFAULT;
	kfree(buf);
	return n;
}

/* All of @buf unless an error, a signal or @nonblock ends it early. */
static ssize_t stdio_write_host(struct stdio *s, const void *buf, size_t len,
				bool nonblock, int *err)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = rt_console_write(s->host_fd, buf + done, len - done);
		if (n > 0) {
			done += n;
			continue;
		}
		*err = n;
		if (n != -EAGAIN || nonblock)
			break;
		*err = wait_event_interruptible(s->wait, stdio_writable(s));
		if (*err)
			break;
	}
	return done;
}

static ssize_t stdio_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct stdio *s = stdio_of(iocb->ki_filp);
	size_t len = min_t(size_t, iov_iter_count(from), COPY_BYTES);
	size_t chunk, done, total = 0;
	int err = 0;
	void *buf;

	if (s->host_fd == 0)
		return -EBADF;
	if (!len)
		return 0;
	buf = kmalloc(len, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	while (!err && iov_iter_count(from)) {
		chunk = copy_from_iter(buf, len, from);
		if (!chunk) {
			err = -EFAULT;
			break;
		}
		done = stdio_write_host(s, buf, chunk, nonblocking(iocb), &err);
		iov_iter_revert(from, chunk - done);
		total += done;
	}
	kfree(buf);
	if (err == -EPIPE)
		send_sig(SIGPIPE, current, 0);
	return total ?: err;
}

static __poll_t stdio_poll(struct file *file, poll_table *wait)
{
	struct stdio *s = stdio_of(file);
	unsigned int host;
	__poll_t mask = 0;

	poll_wait(file, &s->wait, wait);
	if (s->host_fd == 0)
		stdio_readable(s);
	else
		stdio_writable(s);
	host = rt_console_poll(s->host_fd);
	if (host & RT_CONSOLE_IN)
		mask |= EPOLLIN | EPOLLRDNORM;
	if (host & RT_CONSOLE_OUT)
		mask |= EPOLLOUT | EPOLLWRNORM;
	if (host & RT_CONSOLE_HUP)
		mask |= EPOLLHUP;
	if (host & RT_CONSOLE_ERR)
		mask |= EPOLLERR;
	return mask;
}

static const struct file_operations stdio_fops = {
	.open		= stream_open,
	.read_iter	= stdio_read_iter,
	.write_iter	= stdio_write_iter,
	.splice_read	= copy_splice_read,
	.splice_write	= iter_file_splice_write,
	.poll		= stdio_poll,
};

static int __init stdio_register(struct stdio *s)
{
	s->misc.minor = MISC_DYNAMIC_MINOR;
	s->misc.fops = &stdio_fops;
	s->misc.mode = 0666;
	spin_lock_init(&s->lock);
	init_waitqueue_head(&s->wait);
	hrtimer_init(&s->retry, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	s->retry.function = stdio_retry;
	if (s->host_fd == 0) {
		s->poller.name = "stdin";
		s->poller.poll = stdio_poll_input;
		s->poller.arm = stdio_arm_input;
		libos_poller_register(&s->poller);
	}
	return misc_register(&s->misc);
}

/* PID 1 takes /dev/hvc0 for what is missing here. */
static int __init stdio_start(void)
{
	bool terminal = rt_console_has_terminal();
	int i, err = 0;

	for (i = terminal ? 2 : 0; i < 3 && !err; i++)
		if (!terminal || !rt_console_error_on_terminal())
			err = stdio_register(&stdios[i]);
	return err;
}
device_initcall(stdio_start);
