// SPDX-License-Identifier: GPL-2.0
#include <linux/delay.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/module.h>

#include "driver.h"

#define TSN_PRP_OFFSET	(NVME_AQ_DEPTH * sizeof(struct nvme_command))

static unsigned int admin_timeout = 60;
module_param(admin_timeout, uint, 0644);
MODULE_PARM_DESC(admin_timeout, "seconds after which an unanswered admin command means a reset (60)");

int tsn_map(struct tsn_device *d, struct tsn_area *area)
{
	struct device *dev = &d->pdev->dev;
	dma_addr_t iova = dma_map_single(dev, area->address, area->bytes, area->direction);

	if (dma_mapping_error(dev, iova))
		return -ENOMEM;
	area->iova = iova;
	return 0;
}

void tsn_unmap(struct tsn_device *d, struct tsn_area *area)
{
	if (!area->iova)
		return;
	dma_unmap_single(&d->pdev->dev, area->iova, area->bytes, area->direction);
	area->iova = 0;
	/* Else the drive could go on for some time through what the IOMMU has cached. */
	iommu_flush_iotlb_all(d->domain);
}

/* Takes no more admin commands, and ends the one that waits. */
void tsn_stop_admin(struct tsn_device *d, int error)
{
	smp_store_mb(d->error, error);	/* tsn_admin does it the other way round */
	complete(&d->interrupt);
}

/* The controller does not do what it should. */
void tsn_fail(struct tsn_device *d, const char *why)
{
	if (cmpxchg(&d->error, 0, -EIO))
		return;
	dev_err(&d->pdev->dev, "%s; the controller will be reset\n", why);
	complete(&d->interrupt);
	schedule_work(&d->reset);
}

irqreturn_t tsn_admin_irq(int irq, void *data)
{
	struct tsn_device *d = data;

	complete(&d->interrupt);
	return IRQ_HANDLED;
}

/* A completion may hold anything, also because a process had it written there. */
static bool tsn_reap(struct tsn_device *d, u16 id, int *status, u32 *result)
{
	struct nvme_completion *cq = d->in.address;
	bool found = false;
	int i;

	for (i = 0; i < NVME_AQ_DEPTH && !found; i++) {
		struct nvme_completion *entry = &cq[d->cq_head];
		u16 flags = le16_to_cpu(READ_ONCE(entry->status));

		if ((flags & 1) != d->phase)
			break;
		dma_rmb();
		if (READ_ONCE(entry->command_id) == id) {
			*status = flags >> 1;
			*result = le32_to_cpu(READ_ONCE(entry->result.u32));
			found = true;
		}
		if (++d->cq_head == NVME_AQ_DEPTH) {
			d->cq_head = 0;
			d->phase ^= 1;
		}
		writel(d->cq_head, tsn_doorbell(d, 0, true));
	}
	return found;
}

static void tsn_set_data(struct tsn_device *d, struct nvme_command *command,
			 const struct tsn_area *data)
{
	__le64 *list = d->out.address + TSN_PRP_OFFSET;
	size_t at;

	command->common.dptr.prp1 = cpu_to_le64(data->iova);
	if (data->bytes <= 2 * PAGE_SIZE)
		command->common.dptr.prp2 = cpu_to_le64(data->iova + PAGE_SIZE);
	else
		command->common.dptr.prp2 = cpu_to_le64(d->out.iova + TSN_PRP_OFFSET);
	for (at = PAGE_SIZE; at < data->bytes; at += PAGE_SIZE)
		*list++ = cpu_to_le64(data->iova + at);
}

static int tsn_submit_and_wait(struct tsn_device *d, struct nvme_command *command, u32 *result)
{
	struct nvme_command *sq = d->out.address;
	unsigned long timeout = admin_timeout * HZ;
	int status;

	command->common.command_id = ++d->command_id;
	sq[d->sq_tail] = *command;
	d->sq_tail = (d->sq_tail + 1) % NVME_AQ_DEPTH;
	writel(d->sq_tail, tsn_doorbell(d, 0, false));
	do {
		timeout = wait_for_completion_timeout(&d->interrupt, timeout);
		if (READ_ONCE(d->error))
			return d->error;
		if (tsn_reap(d, d->command_id, &status, result))
			return status;	/* perhaps an interrupt was lost */
	} while (timeout);
	tsn_fail(d, "an admin command was not answered");
	return -ETIMEDOUT;
}

/* Carries out an admin command. Returns the status of its completion, or an errno. */
int tsn_admin(struct tsn_device *d, struct nvme_command *command, struct tsn_area *data,
	      u32 *result)
{
	int status;

	mutex_lock(&d->admin);
	reinit_completion(&d->interrupt);
	smp_mb();	/* tsn_stop_admin sets the error, then completes */
	status = READ_ONCE(d->error) ?: data ? tsn_map(d, data) : 0;
	if (!status && data)
		tsn_set_data(d, command, data);
	if (!status)
		status = tsn_submit_and_wait(d, command, result);
	if (data)
		tsn_unmap(d, data);
	mutex_unlock(&d->admin);
	return status;
}

/* A command of the driver itself, without data: a status other than success is -EIO. */
int tsn_command(struct tsn_device *d, struct nvme_command *command, u32 *result)
{
	int status = tsn_admin(d, command, NULL, result);

	return status > 0 ? -EIO : status;
}

static int tsn_wait_status(struct tsn_device *d, u32 mask, u32 wanted)
{
	unsigned long end = jiffies + (NVME_CAP_TIMEOUT(d->cap) + 1) * HZ / 2;

	for (;;) {
		bool last = time_after(jiffies, end);
		u32 csts = readl(d->bar + NVME_REG_CSTS);

		if (csts == ~0U)
			return -ENODEV;
		if ((csts & mask) == wanted)
			return 0;
		if (last)
			return -ETIMEDOUT;
		usleep_range(1000, 2000);
	}
}

/* When this returns 0 the controller has stopped and forgotten all its queues. */
int tsn_disable(struct tsn_device *d)
{
	u32 cc = readl(d->bar + NVME_REG_CC);

	if (cc & NVME_CC_ENABLE)	/* that is what it must finish before it may be disabled */
		tsn_wait_status(d, NVME_CSTS_RDY, NVME_CSTS_RDY);
	writel(cc & ~(NVME_CC_ENABLE | NVME_CC_SHN_MASK), d->bar + NVME_REG_CC);
	return tsn_wait_status(d, NVME_CSTS_RDY, 0);
}

/* Lets the drive write what it holds in caches, then stops it. */
void tsn_shut_down(struct tsn_device *d)
{
	u32 cc = readl(d->bar + NVME_REG_CC);

	if (cc & NVME_CC_ENABLE) {
		writel((cc & ~NVME_CC_SHN_MASK) | NVME_CC_SHN_NORMAL, d->bar + NVME_REG_CC);
		tsn_wait_status(d, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_CMPLT);
	}
	tsn_disable(d);
}

static int tsn_set_queue_count(struct tsn_device *d)
{
	u32 wanted = TSN_MAX_QUEUE_PAIRS - 1, granted;	/* 0 is one */
	size_t room = (pci_resource_len(d->pdev, 0) - NVME_REG_DBS) / (2 * d->stride);
	struct nvme_command command = {
		.features.opcode = nvme_admin_set_features,
		.features.fid = cpu_to_le32(NVME_FEAT_NUM_QUEUES),
		.features.dword11 = cpu_to_le32(wanted | wanted << 16),
	};
	int error = tsn_command(d, &command, &granted);

	if (!error)
		d->queue_pairs = min_t(size_t, room - 1,
				       min3(granted & 0xffff, granted >> 16, wanted) + 1);
	return error;
}

/* Brings a disabled controller up, with an empty admin queue. */
int tsn_enable(struct tsn_device *d)
{
	int error;

	mutex_lock(&d->admin);
	memset(d->in.address, 0, d->in.bytes);
	d->sq_tail = 0;
	d->cq_head = 0;
	d->phase = 1;
	writel((NVME_AQ_DEPTH - 1) | (NVME_AQ_DEPTH - 1) << 16, d->bar + NVME_REG_AQA);
	lo_hi_writeq(d->out.iova, d->bar + NVME_REG_ASQ);
	lo_hi_writeq(d->in.iova, d->bar + NVME_REG_ACQ);
	writel(NVME_CC_ENABLE | NVME_CC_IOSQES | NVME_CC_IOCQES, d->bar + NVME_REG_CC);
	error = tsn_wait_status(d, NVME_CSTS_RDY, NVME_CSTS_RDY);
	if (!error)
		WRITE_ONCE(d->error, 0);
	mutex_unlock(&d->admin);
	if (error)
		return error;
	error = tsn_set_queue_count(d);
	if (error)
		tsn_stop_admin(d, error);
	return error;
}
