// SPDX-License-Identifier: GPL-2.0-only
/*
 * Controllers: their start, timeouts, resets and end, as Linux's NVMe core
 * asks of a transport (struct nvme_ctrl_ops). What namespaces, limits and
 * error codes mean is the core's, on private copies of what the device said.
 */
#define pr_fmt(fmt) "rktio_nvme: " fmt

#include <linux/init.h>
#include <linux/io.h>
#include <linux/reboot.h>
#include <linux/slab.h>

#include "rktio_nvme.h"

static struct rktio_nvme *controllers[RT_NVME_MAX];
static unsigned int controller_count;

/* ---- Registers ---- */

static volatile void *reg(const struct nvme_ctrl *ctrl, u32 offset)
{
	return container_of(ctrl, struct rktio_nvme, ctrl)->device->untrusted_bar + offset;
}

static int reg_read32(struct nvme_ctrl *ctrl, u32 offset, u32 *ret)
{
	*ret = *(volatile u32 *)reg(ctrl, offset);
	return 0;
}

static int reg_write32(struct nvme_ctrl *ctrl, u32 offset, u32 value)
{
	*(volatile u32 *)reg(ctrl, offset) = value;
	return 0;
}

static int reg_read64(struct nvme_ctrl *ctrl, u32 offset, u64 *ret)
{
	u32 low, high;

	reg_read32(ctrl, offset, &low);
	reg_read32(ctrl, offset + 4, &high);
	*ret = low | (u64)high << 32;
	return 0;
}

static void reg_write64(struct nvme_ctrl *ctrl, u32 offset, u64 value)
{
	reg_write32(ctrl, offset, lower_32_bits(value));
	reg_write32(ctrl, offset + 4, upper_32_bits(value));
}

static int get_address(struct nvme_ctrl *ctrl, char *buf, int size)
{
	return scnprintf(buf, size, "%s\n", to_rktio_nvme(ctrl)->device->address);
}

/* There as long as the enclave is. */
static void free_ctrl(struct nvme_ctrl *ctrl)
{
}

static const struct nvme_ctrl_ops ctrl_ops = {
	.name			= "rktio",
	.module			= THIS_MODULE,
	.reg_read32		= reg_read32,
	.reg_write32		= reg_write32,
	.reg_read64		= reg_read64,
	.free_ctrl		= free_ctrl,
	.submit_async_event	= queue_submit_event_request,
	.get_address		= get_address,
};

/* ---- From a dead controller to one that takes commands, and back ---- */

static int check_registers(struct rktio_nvme *nvme)
{
	const char *wrong;
	u64 cap;

	reg_read64(&nvme->ctrl, NVME_REG_CAP, &cap);
	wrong = ring_limits_read(cap, nvme->device->bar_bytes, &nvme->limits);
	if (wrong) {
		pr_err("%s: can't be used: %s (CAP %#llx)\n", nvme->device->address, wrong, cap);
		return -ENODEV;
	}
	nvme->ctrl.cap = cap;	/* has the timeout of the disabling */
	return 0;
}

static int enable(struct rktio_nvme *nvme)
{
	struct rktio_nvme_queue *admin;
	int err;

	err = check_registers(nvme);
	if (err)
		return err;
	if (!nvme->queues) {
		err = queue_memory(nvme);
		if (err)
			return err;
	}
	/* Whoever had it before may have left it running. */
	err = nvme_disable_ctrl(&nvme->ctrl, false);
	if (err)
		return err;
	admin = &nvme->queues[0];
	queue_start(admin, 0, NVME_AQ_DEPTH);
	reg_write32(&nvme->ctrl, NVME_REG_AQA, (NVME_AQ_DEPTH - 1) | (NVME_AQ_DEPTH - 1) << 16);
	reg_write64(&nvme->ctrl, NVME_REG_ASQ, admin->sq_iova);
	reg_write64(&nvme->ctrl, NVME_REG_ACQ, admin->cq_iova);
	err = nvme_enable_ctrl(&nvme->ctrl);
	if (err)
		return err;
	nvme->enabled = true;
	return 0;
}

static int create_queue(struct rktio_nvme *nvme, unsigned int id)
{
	struct rktio_nvme_queue *queue = &nvme->queues[id];
	struct nvme_command cmd = { };
	int err;

	queue_start(queue, id, nvme->entries);
	cmd.create_cq.opcode = nvme_admin_create_cq;
	cmd.create_cq.prp1 = cpu_to_le64(queue->cq_iova);
	cmd.create_cq.cqid = cpu_to_le16(id);
	cmd.create_cq.qsize = cpu_to_le16(nvme->entries - 1);
	cmd.create_cq.cq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG |
					     (queue->event >= 0 ? NVME_CQ_IRQ_ENABLED : 0));
	cmd.create_cq.irq_vector = cpu_to_le16(queue->event >= 0 ? id : 0);
	err = nvme_submit_sync_cmd(nvme->ctrl.admin_q, &cmd, NULL, 0);
	if (err)
		return err < 0 ? err : -EIO;
	memset(&cmd, 0, sizeof(cmd));
	cmd.create_sq.opcode = nvme_admin_create_sq;
	cmd.create_sq.prp1 = cpu_to_le64(queue->sq_iova);
	cmd.create_sq.sqid = cpu_to_le16(id);
	cmd.create_sq.qsize = cpu_to_le16(nvme->entries - 1);
	cmd.create_sq.sq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG);
	cmd.create_sq.cqid = cpu_to_le16(id);
	err = nvme_submit_sync_cmd(nvme->ctrl.admin_q, &cmd, NULL, 0);
	return err > 0 ? -EIO : err;
}

static unsigned int pair_count(const struct rktio_nvme *nvme)
{
	return nvme->ctrl.queue_count / 2;
}

/* After a reset the device must grant what blk-mq has built on since. */
static int create_queues(struct rktio_nvme *nvme)
{
	int count = pair_count(nvme) ?: nvme->queue_count - 1, wanted = count;
	int err, i;

	err = nvme_set_queue_count(&nvme->ctrl, &count);
	if (err)
		return err < 0 ? err : -EIO;
	if (!count || (pair_count(nvme) && count < wanted)) {
		pr_err("%s: it grants %d I/O queues; %d are needed\n",
		       nvme->device->address, count, pair_count(nvme) ?: 1);
		return -EIO;
	}
	for (i = 1; i <= count; i++) {
		err = create_queue(nvme, i);
		if (err)
			return err;
	}
	/* Each has a context for polling beside its own. */
	nvme->ctrl.queue_count = 2 * count + 1;
	return 0;
}

static bool is_dead(struct rktio_nvme *nvme)
{
	u32 csts;

	reg_read32(&nvme->ctrl, NVME_REG_CSTS, &csts);
	return csts == ~0U || csts & NVME_CSTS_CFS || !(csts & NVME_CSTS_RDY);
}

/* All that is in flight ends here; on a @shutdown what follows fails. */
static void disable(struct rktio_nvme *nvme, bool shutdown)
{
	DEFINE_IO_COMP_BATCH(iob);
	unsigned int i;

	mutex_lock(&nvme->disable_lock);
	nvme_quiesce_io_queues(&nvme->ctrl);
	if (nvme->enabled && !is_dead(nvme))
		nvme_disable_ctrl(&nvme->ctrl, shutdown);
	nvme_quiesce_admin_queue(&nvme->ctrl);
	nvme->enabled = false;
	for (i = 0; i < nvme->queue_count; i++) {
		queue_poll(&nvme->queues[i], &iob);
		queue_stop(&nvme->queues[i]);
	}
	if (!rq_list_empty(&iob.req_list))
		iob.complete(&iob);
	nvme_cancel_tagset(&nvme->ctrl);
	nvme_cancel_admin_tagset(&nvme->ctrl);
	if (shutdown) {
		nvme_unquiesce_io_queues(&nvme->ctrl);
		nvme_unquiesce_admin_queue(&nvme->ctrl);
	}
	mutex_unlock(&nvme->disable_lock);
}

/* For good: each I/O fails from now on. */
static void give_up(struct rktio_nvme *nvme)
{
	pr_err("%s: the controller is given up; its I/O fails\n", nvme->device->address);
	nvme_change_ctrl_state(&nvme->ctrl, NVME_CTRL_DELETING);
	disable(nvme, true);
	nvme_mark_namespaces_dead(&nvme->ctrl);
	nvme_unquiesce_io_queues(&nvme->ctrl);
	nvme_change_ctrl_state(&nvme->ctrl, NVME_CTRL_DEAD);
}

static void lie_work(struct work_struct *work)
{
	give_up(container_of(work, struct rktio_nvme, lie_work));
}

/* The admin queue works: let the core identify the controller, and make the I/O queues. */
static int connect(struct rktio_nvme *nvme)
{
	int err;

	if (!nvme_change_ctrl_state(&nvme->ctrl, NVME_CTRL_CONNECTING))
		return -EBUSY;
	err = nvme_init_ctrl_finish(&nvme->ctrl, false);
	return err ? err : create_queues(nvme);
}

static int restart(struct rktio_nvme *nvme)
{
	int err;

	if (nvme->enabled)
		disable(nvme, false);
	nvme_sync_queues(&nvme->ctrl);
	err = enable(nvme);
	if (err)
		return err;
	nvme_unquiesce_admin_queue(&nvme->ctrl);
	err = connect(nvme);
	if (err)
		return err;
	nvme_unquiesce_io_queues(&nvme->ctrl);
	return nvme_change_ctrl_state(&nvme->ctrl, NVME_CTRL_LIVE) ? 0 : -ENODEV;
}

static void reset_work(struct work_struct *work)
{
	struct rktio_nvme *nvme = container_of(work, struct rktio_nvme, ctrl.reset_work);
	int err;

	if (nvme_ctrl_state(&nvme->ctrl) != NVME_CTRL_RESETTING)
		return;
	err = restart(nvme);
	if (err) {
		pr_err("%s: it does not come back from a reset: %d\n",
		       nvme->device->address, err);
		give_up(nvme);
		return;
	}
	pr_warn("%s: the controller was reset\n", nvme->device->address);
	nvme_start_ctrl(&nvme->ctrl);
}

/* ---- Commands without an answer ---- */

static enum rq_end_io_ret abort_done(struct request *rq, blk_status_t status)
{
	atomic_inc(&nvme_req(rq)->ctrl->abort_limit);
	blk_mq_free_request(rq);
	return RQ_END_IO_NONE;
}

static void send_abort(struct rktio_nvme *nvme, const struct rktio_nvme_command *command,
		       u16 queue_id)
{
	struct nvme_command cmd = { };
	struct request *rq;

	cmd.abort.opcode = nvme_admin_abort_cmd;
	cmd.abort.cid = command->id;
	cmd.abort.sqid = cpu_to_le16(queue_id);
	rq = blk_mq_alloc_request(nvme->ctrl.admin_q, nvme_req_op(&cmd), BLK_MQ_REQ_NOWAIT);
	if (IS_ERR(rq)) {
		atomic_inc(&nvme->ctrl.abort_limit);
		return;
	}
	nvme_init_request(rq, &cmd);
	rq->end_io = abort_done;
	blk_execute_rq_nowait(rq, false);
}

static enum blk_eh_timer_return reset_for(struct rktio_nvme *nvme)
{
	if (!nvme_change_ctrl_state(&nvme->ctrl, NVME_CTRL_RESETTING)) {
		if (nvme_state_terminal(&nvme->ctrl))
			disable(nvme, true);
		return BLK_EH_DONE;
	}
	disable(nvme, false);
	if (nvme_try_sched_reset(&nvme->ctrl))
		nvme_unquiesce_io_queues(&nvme->ctrl);
	return BLK_EH_DONE;
}

static enum blk_eh_timer_return abort_or_reset(struct rktio_nvme *nvme, struct request *rq,
					       u16 queue_id)
{
	struct rktio_nvme_command *command = blk_mq_rq_to_pdu(rq);

	if (!queue_id || command->aborted) {
		pr_warn("%s: command %#x of queue %u is lost; resetting the controller\n",
			nvme->device->address, command->id, queue_id);
		nvme_req(rq)->flags |= NVME_REQ_CANCELLED;
		return reset_for(nvme);
	}
	if (atomic_dec_return(&nvme->ctrl.abort_limit) < 0) {
		atomic_inc(&nvme->ctrl.abort_limit);
		return BLK_EH_RESET_TIMER;
	}
	pr_warn("%s: no answer to command %#x of queue %u; aborting it\n",
		nvme->device->address, command->id, queue_id);
	command->aborted = true;
	send_abort(nvme, command, queue_id);
	return BLK_EH_RESET_TIMER;
}

enum blk_eh_timer_return rktio_nvme_timeout(struct request *rq)
{
	struct rktio_nvme_queue *queue = rq->mq_hctx->driver_data;
	struct rktio_nvme *nvme = queue->nvme;
	DEFINE_IO_COMP_BATCH(iob);

	if (nvme_state_terminal(&nvme->ctrl) || is_dead(nvme))
		return reset_for(nvme);
	queue_poll(queue, &iob);
	if (!rq_list_empty(&iob.req_list))
		iob.complete(&iob);
	if (blk_mq_rq_state(rq) != MQ_RQ_IN_FLIGHT)
		return BLK_EH_DONE;
	switch (nvme_ctrl_state(&nvme->ctrl)) {
	case NVME_CTRL_CONNECTING:	/* its start waits for this very command */
		nvme_change_ctrl_state(&nvme->ctrl, NVME_CTRL_DELETING);
		fallthrough;
	case NVME_CTRL_DELETING:
		nvme_req(rq)->flags |= NVME_REQ_CANCELLED;
		disable(nvme, true);
		return BLK_EH_DONE;
	case NVME_CTRL_RESETTING:
		return BLK_EH_RESET_TIMER;
	default:
		return abort_or_reset(nvme, rq, queue->ring.id);
	}
}

/* ---- Boot and end ---- */

static int create(unsigned int index)
{
	struct rktio_nvme *nvme = kzalloc(sizeof(*nvme), GFP_KERNEL);
	int err;

	if (!nvme)
		return -ENOMEM;
	nvme->device = rt_nvme_device(index);
	mutex_init(&nvme->disable_lock);
	INIT_WORK(&nvme->lie_work, lie_work);
	INIT_WORK(&nvme->ctrl.reset_work, reset_work);
	nvme->platform = platform_device_register_simple("rktio_nvme", index, NULL, 0);
	if (IS_ERR(nvme->platform))
		return PTR_ERR(nvme->platform);
	err = nvme_init_ctrl(&nvme->ctrl, &nvme->platform->dev, &ctrl_ops, 0);
	if (!err)
		err = nvme_add_ctrl(&nvme->ctrl);
	if (!err)
		err = enable(nvme);
	if (err)
		return err;
	nvme->entries = nvme->limits.entries;
	nvme->ctrl.max_hw_sectors = TRANSFER_BYTES >> SECTOR_SHIFT;
	nvme->ctrl.max_segments = TRANSFER_PAGES + 1;
	/* Two sets of tags share a ring, of which one entry stays free. */
	nvme->ctrl.sqsize = (nvme->entries - 1) / 2;
	controllers[controller_count++] = nvme;
	return 0;
}

static int start(struct rktio_nvme *nvme)
{
	int err;

	err = nvme_alloc_admin_tag_set(&nvme->ctrl, &nvme->admin_tags, &rktio_nvme_admin_ops,
				       sizeof(struct rktio_nvme_command));
	if (err)
		return err;
	err = connect(nvme);
	if (err)
		return err;
	err = nvme_alloc_io_tag_set(&nvme->ctrl, &nvme->io_tags, &rktio_nvme_io_ops,
				    HCTX_MAX_TYPES, sizeof(struct rktio_nvme_command));
	if (err)
		return err;
	if (!nvme_change_ctrl_state(&nvme->ctrl, NVME_CTRL_LIVE))
		return -ENODEV;
	nvme_start_ctrl(&nvme->ctrl);
	flush_work(&nvme->ctrl.scan_work);	/* init mounts its disks */
	return 0;
}

/* Tell the device that its power may go (3.6): it writes back what it caches. */
static int shut_down(struct notifier_block *block, unsigned long event, void *unused)
{
	unsigned int i;

	for (i = 0; i < controller_count; i++)
		if (controllers[i]->enabled)
			disable(controllers[i], true);
	return NOTIFY_DONE;
}

static struct notifier_block at_shut_down = { .notifier_call = shut_down };

static int __init rktio_nvme_init(void)
{
	unsigned int i, count = rt_nvme_count();
	int err;

	if (!count)
		return 0;
	for (i = 0; i < count; i++) {
		err = create(i);
		if (err)
			pr_err("%s: cannot be started: %d\n", rt_nvme_device(i)->address, err);
	}
	queues_register_poller(controllers, controller_count);
	register_reboot_notifier(&at_shut_down);
	for (i = 0; i < controller_count; i++) {
		err = start(controllers[i]);
		if (!err)
			continue;
		pr_err("%s: cannot be started: %d\n", controllers[i]->device->address, err);
		nvme_change_ctrl_state(&controllers[i]->ctrl, NVME_CTRL_DELETING);
		disable(controllers[i], true);
	}
	return 0;
}
late_initcall(rktio_nvme_init);
