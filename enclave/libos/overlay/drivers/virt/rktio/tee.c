// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/rktio-tee: evidence for programs; uapi/linux/rktio_tee.h says how. An
 * enclave is one tenant, so any program of root may ask: evidence says what
 * the enclave is, not who in it asked.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/rktio_tee.h>

#include <asm/runtime_tee.h>

static_assert(RKTIO_TEE_REPORT_DATA_BYTES == (int)RT_TEE_REPORT_DATA_BYTES);
static_assert(RKTIO_TEE_BLOB_BYTES_MAX == (int)RT_TEE_BLOB_BYTES_MAX);

enum { ANSWER_SECONDS_MAX = 60 };

/* The runtime takes one question at a time. */
static DEFINE_MUTEX(tee_busy);

/* What one descriptor has asked for; without an answer, the kind alone. */
struct tee_file {
	struct mutex lock;
	struct rt_tee_evidence evidence;
};

/* TDX's quote comes from a service of the host's, which may take seconds. */
static int tee_await(struct rt_tee_evidence *evidence)
{
	unsigned long end = jiffies + ANSWER_SECONDS_MAX * HZ;
	int err;

	for (;;) {
		err = rt_tee_answer(evidence);
		if (err != -EAGAIN)
			return err;
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		if (fatal_signal_pending(current))
			return -EINTR;
		fsleep(1000);
	}
}

/* Nobody signs for a process: what it says of itself is for PID 1 to know. */
static int tee_ask(const u8 *report_data, struct rt_tee_evidence *evidence)
{
	int err = mutex_lock_killable(&tee_busy);

	if (err)
		return err;
	evidence->primary_bytes = 0;
	evidence->auxiliary_bytes = 0;
	err = rt_tee_ask(report_data);
	if (!err)
		err = tee_await(evidence);
	mutex_unlock(&tee_busy);
	if (err) {
		evidence->primary_bytes = 0;
		evidence->auxiliary_bytes = 0;
	}
	return err;
}

static int tee_open(struct inode *inode, struct file *file)
{
	struct tee_file *tee = kvzalloc(sizeof(*tee), GFP_KERNEL);

	if (!tee)
		return -ENOMEM;
	mutex_init(&tee->lock);
	file->private_data = tee;
	return stream_open(inode, file);
}

static int tee_release(struct inode *inode, struct file *file)
{
	kvfree(file->private_data);
	return 0;
}

static ssize_t tee_write(struct file *file, const char __user *data, size_t bytes, loff_t *at)
{
	struct tee_file *tee = file->private_data;
	u8 report_data[RKTIO_TEE_REPORT_DATA_BYTES];
	int err;

	if (bytes != sizeof(report_data))
		return -EINVAL;
	if (copy_from_user(report_data, data, sizeof(report_data)))
		return -EFAULT;
	err = mutex_lock_killable(&tee->lock);
	if (err)
		return err;
	err = tee_ask(report_data, &tee->evidence);
	mutex_unlock(&tee->lock);
	return err ?: bytes;
}

static ssize_t tee_read(struct file *file, char __user *data, size_t bytes, loff_t *at)
{
	struct rktio_tee_evidence head = { .tee = rt_tee_kind() };
	struct tee_file *tee = file->private_data;
	ssize_t whole;
	int err = mutex_lock_killable(&tee->lock);

	if (err)
		return err;
	head.primary_bytes = tee->evidence.primary_bytes;
	head.auxiliary_bytes = tee->evidence.auxiliary_bytes;
	whole = sizeof(head) + head.primary_bytes + head.auxiliary_bytes;
	if (bytes < whole)
		whole = -EMSGSIZE;
	else if (copy_to_user(data, &head, sizeof(head)) ||
		 copy_to_user(data + sizeof(head), tee->evidence.blobs, whole - sizeof(head)))
		whole = -EFAULT;
	mutex_unlock(&tee->lock);
	return whole;
}

static const struct file_operations tee_fops = {
	.owner		= THIS_MODULE,
	.open		= tee_open,
	.release	= tee_release,
	.write		= tee_write,
	.read		= tee_read,
};

static struct miscdevice tee_device = {
	.minor		= MISC_DYNAMIC_MINOR,
	.name		= "rktio-tee",
	.fops		= &tee_fops,
	.mode		= 0600,
};
builtin_misc_device(tee_device);
