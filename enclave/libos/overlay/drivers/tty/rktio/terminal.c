// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/hvc0: the host's terminal. The host has it in raw mode, so the line
 * discipline here does all editing, echo and signals from keys. Without a
 * terminal it takes no input and its output, which is what programs write to
 * /dev/console, goes to standard error.
 */
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/kfifo.h>
#include <linux/timer.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>
#include <linux/tty_flip.h>

#include <asm/poller.h>
#include <asm/runtime_console.h>

#include "rktio_console.h"

/* PID 1 (enclave/runtime/init_machine.c) learnt that the size has changed. */
#define RKTIO_TTY_RESIZE _IO('r', 1)

enum {
	HOST_STDIN = 0,
	HOST_STDOUT = 1,
	HOST_STDERR = 2,
	HVC_MAJOR_NUMBER = 229,		/* Documentation/admin-guide/devices.txt */
	RECEIVE_BYTES = 256,
	DRAIN_MS = 1000,		/* for a last line on a slow terminal */
};

static struct terminal {
	struct tty_port port;
	struct tty_driver *driver;
	struct libos_poller poller;
	struct rktio_pace pace;
	bool reading;			/* opened and not throttled */
	spinlock_t reading_lock;
	spinlock_t input_lock;		/* one CPU at a time reads the host */
	spinlock_t output_lock;		/* port.xmit_fifo */
	struct timer_list retry;	/* while the host takes no output */
	int host_output;
} terminal;

struct tty_driver *rktio_terminal_driver(void)
{
	return terminal.driver;
}

/* Give the host what it takes. output_lock is held; true when all has gone. */
static bool terminal_push(struct terminal *t)
{
	unsigned int count;
	u8 *data;
	long n;

	while ((count = kfifo_out_linear_ptr(&t->port.xmit_fifo, &data,
					     PAGE_SIZE))) {
		n = rt_console_write(t->host_output, data, count);
		if (n == -EAGAIN) {
			mod_timer(&t->retry, jiffies + 1);
			return false;
		}
		if (n <= 0)		/* the terminal is gone, and so is this */
			n = count;
		kfifo_skip_count(&t->port.xmit_fifo, n);
	}
	return true;
}

static bool terminal_flush(struct terminal *t)
{
	unsigned long flags;
	bool empty;

	spin_lock_irqsave(&t->output_lock, flags);
	empty = terminal_push(t);
	spin_unlock_irqrestore(&t->output_lock, flags);
	return empty;
}

static void terminal_retry(struct timer_list *timer)
{
	struct terminal *t = from_timer(t, timer, retry);

	terminal_flush(t);
	tty_port_tty_wakeup(&t->port);
}

static void terminal_read(struct terminal *t, bool reading)
{
	unsigned long flags;

	reading = reading && rt_console_has_terminal();
	spin_lock_irqsave(&t->reading_lock, flags);
	if (t->reading != reading) {
		WRITE_ONCE(t->reading, reading);
		rt_console_wait(reading);
	}
	spin_unlock_irqrestore(&t->reading_lock, flags);
}

/* Hand input to the line discipline; true if there was any. */
static bool terminal_receive(struct terminal *t)
{
	u8 buf[RECEIVE_BYTES];
	bool any = false;
	long n;

	while (tty_buffer_space_avail(&t->port) >= sizeof(buf)) {
		n = rt_console_read(HOST_STDIN, buf, sizeof(buf));
		if (n == -EAGAIN)
			break;
		any = true;
		if (n <= 0) {
			terminal_read(t, false);
			tty_port_tty_hangup(&t->port, false);
			break;
		}
		tty_insert_flip_string(&t->port, buf, n);
		if (n < sizeof(buf))
			break;
	}
	if (any)
		tty_flip_buffer_push(&t->port);
	return any;
}

static bool terminal_poll(struct libos_poller *poller)
{
	struct terminal *t = container_of(poller, struct terminal, poller);
	bool any = false;

	if (!READ_ONCE(t->reading) || !rktio_pace_due(&t->pace))
		return false;
	if (spin_trylock(&t->input_lock)) {
		any = terminal_receive(t);
		spin_unlock(&t->input_lock);
	}
	return any;
}

/* The host's descriptor wakes the sleeper: nothing to look at before. */
static bool terminal_arm(struct libos_poller *poller)
{
	struct terminal *t = container_of(poller, struct terminal, poller);

	rktio_pace_sleep(&t->pace);
	return false;
}

static int terminal_activate(struct tty_port *port, struct tty_struct *tty)
{
	terminal_read(container_of(port, struct terminal, port), true);
	return 0;
}

/* Also on hang-up, when the program that led the session has ended. */
static void terminal_shutdown(struct tty_port *port)
{
	struct terminal *t = container_of(port, struct terminal, port);
	int waited_ms;

	terminal_read(t, false);
	for (waited_ms = 0; waited_ms < DRAIN_MS; waited_ms += 20) {
		if (terminal_flush(t))
			break;
		msleep(20);
	}
	timer_delete_sync(&t->retry);
}

static const struct tty_port_operations terminal_port_ops = {
	.activate = terminal_activate,
	.shutdown = terminal_shutdown,
};

static int terminal_install(struct tty_driver *driver, struct tty_struct *tty)
{
	int err = tty_port_install(&terminal.port, driver, tty);

	if (!err)
		rt_console_size(&tty->winsize.ws_row, &tty->winsize.ws_col);
	return err;
}

static int terminal_open(struct tty_struct *tty, struct file *file)
{
	return tty_port_open(tty->port, tty, file);
}

static void terminal_close(struct tty_struct *tty, struct file *file)
{
	tty_port_close(tty->port, tty, file);
}

static void terminal_hangup(struct tty_struct *tty)
{
	tty_port_hangup(tty->port);
}

static ssize_t terminal_write(struct tty_struct *tty, const u8 *buf,
			      size_t count)
{
	struct terminal *t = container_of(tty->port, struct terminal, port);
	unsigned long flags;

	if (tty->flow.stopped)
		return 0;
	spin_lock_irqsave(&t->output_lock, flags);
	count = kfifo_in(&t->port.xmit_fifo, buf, count);
	terminal_push(t);
	spin_unlock_irqrestore(&t->output_lock, flags);
	return count;
}

/* The line discipline calls terminal_flush_chars() after a row of these. */
static int terminal_put_char(struct tty_struct *tty, u8 c)
{
	struct terminal *t = container_of(tty->port, struct terminal, port);
	unsigned long flags;
	int count;

	spin_lock_irqsave(&t->output_lock, flags);
	count = kfifo_in(&t->port.xmit_fifo, &c, 1);
	spin_unlock_irqrestore(&t->output_lock, flags);
	return count;
}

static void terminal_flush_chars(struct tty_struct *tty)
{
	terminal_flush(container_of(tty->port, struct terminal, port));
}

static unsigned int terminal_write_room(struct tty_struct *tty)
{
	return tty->flow.stopped ? 0 : kfifo_avail(&tty->port->xmit_fifo);
}

static unsigned int terminal_chars_in_buffer(struct tty_struct *tty)
{
	return kfifo_len(&tty->port->xmit_fifo);
}

static void terminal_flush_buffer(struct tty_struct *tty)
{
	struct terminal *t = container_of(tty->port, struct terminal, port);
	unsigned long flags;

	spin_lock_irqsave(&t->output_lock, flags);
	kfifo_reset(&t->port.xmit_fifo);
	spin_unlock_irqrestore(&t->output_lock, flags);
	tty_wakeup(tty);
}

static void terminal_throttle(struct tty_struct *tty)
{
	terminal_read(container_of(tty->port, struct terminal, port), false);
}

static void terminal_unthrottle(struct tty_struct *tty)
{
	terminal_read(container_of(tty->port, struct terminal, port), true);
}

static int terminal_ioctl(struct tty_struct *tty, unsigned int cmd,
			  unsigned long arg)
{
	struct winsize size = { 0 };

	if (cmd != RKTIO_TTY_RESIZE)
		return -ENOIOCTLCMD;
	rt_console_size(&size.ws_row, &size.ws_col);
	return tty_do_resize(tty, &size);
}

static const struct tty_operations terminal_ops = {
	.install	= terminal_install,
	.open		= terminal_open,
	.close		= terminal_close,
	.hangup		= terminal_hangup,
	.write		= terminal_write,
	.put_char	= terminal_put_char,
	.flush_chars	= terminal_flush_chars,
	.write_room	= terminal_write_room,
	.chars_in_buffer = terminal_chars_in_buffer,
	.flush_buffer	= terminal_flush_buffer,
	.throttle	= terminal_throttle,
	.unthrottle	= terminal_unthrottle,
	.ioctl		= terminal_ioctl,
};

static void __init terminal_init_termios(struct ktermios *termios)
{
	*termios = tty_std_termios;
	termios->c_cflag |= CLOCAL;
	if (rt_console_has_terminal()) {
		termios->c_iflag |= IUTF8;
	} else {
		termios->c_oflag = 0;
		termios->c_lflag = 0;
	}
}

static int __init terminal_start(void)
{
	struct terminal *t = &terminal;
	struct tty_driver *driver;
	int err;

	t->host_output = rt_console_has_terminal() ? HOST_STDOUT : HOST_STDERR;
	spin_lock_init(&t->reading_lock);
	spin_lock_init(&t->input_lock);
	spin_lock_init(&t->output_lock);
	timer_setup(&t->retry, terminal_retry, 0);
	tty_port_init(&t->port);
	t->port.ops = &terminal_port_ops;
	err = tty_port_alloc_xmit_buf(&t->port);
	if (err)
		goto destroy_port;

	driver = tty_alloc_driver(1, TTY_DRIVER_REAL_RAW |
				  TTY_DRIVER_RESET_TERMIOS);
	if (IS_ERR(driver)) {
		err = PTR_ERR(driver);
		goto free_buf;
	}
	driver->driver_name = "rktio_terminal";
	driver->name = "hvc";
	driver->major = HVC_MAJOR_NUMBER;
	driver->type = TTY_DRIVER_TYPE_SYSTEM;
	terminal_init_termios(&driver->init_termios);
	tty_set_operations(driver, &terminal_ops);
	tty_port_link_device(&t->port, driver, 0);
	err = tty_register_driver(driver);
	if (err)
		goto put_driver;
	t->driver = driver;

	t->poller.name = "terminal";
	t->poller.poll = terminal_poll;
	t->poller.arm = terminal_arm;
	if (rt_console_has_terminal())
		libos_poller_register(&t->poller);
	return 0;

put_driver:
	tty_driver_kref_put(driver);
free_buf:
	tty_port_free_xmit_buf(&t->port);
destroy_port:
	tty_port_destroy(&t->port);
	return err;
}
device_initcall(terminal_start);
