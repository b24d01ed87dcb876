// SPDX-License-Identifier: GPL-2.0
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/module.h>

#include "driver.h"

unsigned int admin_timeout = 60;
module_param(admin_timeout, uint, 0644);
MODULE_PARM_DESC(admin_timeout, "seconds after which an unanswered admin command means a reset (60)");

/* Without this the drive could go on for some time through what the IOMMU has cached. */
void tsn_flush_iommu(struct tsn_device *d)
{
	iommu_flush_iotlb_all(d->domain);
}

int tsn_pages_alloc(struct tsn_pages *p, size_t bytes)
{
	p->bytes = PAGE_ALIGN(bytes);
	p->address = alloc_pages_exact(p->bytes, GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	return p->address ? 0 : -ENOMEM;
}

int tsn_pages_map(struct tsn_device *d, struct tsn_pages *p, enum dma_data_direction direction)
{
	struct device *dev = &d->pdev->dev;

	p->direction = direction;
	p->iova = dma_map_single(dev, p->address, p->bytes, direction);
	p->mapped = !dma_mapping_error(dev, p->iova);
	return p->mapped ? 0 : -ENOMEM;
}

void tsn_pages_unmap(struct tsn_device *d, struct tsn_pages *p)
{
	if (!p->mapped)
		return;
	dma_unmap_single(&d->pdev->dev, p->iova, p->bytes, p->direction);
	tsn_flush_iommu(d);
	p->mapped = false;
}

void tsn_pages_free(struct tsn_pages *p)
{
	if (p->address)
		free_pages_exact(p->address, p->bytes);
	p->address = NULL;
}

/* Takes no more admin commands, and ends those that wait. */
void tsn_stop_admin(struct tsn_device *d, int error)
{
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&d->admin_lock, flags);
	d->error = error;
	for_each_set_bit(i, d->busy, TSN_ADMIN_SLOTS) {
		d->slots[i].status = error;
		complete(&d->slots[i].done);
	}
	spin_unlock_irqrestore(&d->admin_lock, flags);
	wake_up_all(&d->slot_wait);
}

/* The controller does not do what it should. */
void tsn_fail(struct tsn_device *d, const char *why)
{
	dev_err(&d->pdev->dev, "%s; the controller will be reset\n", why);
	tsn_stop_admin(d, -EIO);
	schedule_work(&d->reset);
}

/* Under admin_lock. A completion may hold anything, also because a process had it written there. */
static void tsn_reap(struct tsn_device *d)
{
	struct nvme_completion *cq = d->in.address;
	bool any = false;

	for (;;) {
		struct nvme_completion *entry = &cq[d->cq_head];
		u16 status = le16_to_cpu(READ_ONCE(entry->status));
		u16 slot;

		if ((status & 1) != d->phase)
			break;
		dma_rmb();
		slot = READ_ONCE(entry->command_id);
		if (slot < TSN_ADMIN_SLOTS && test_bit(slot, d->busy)) {
			d->slots[slot].status = status >> 1;
			d->slots[slot].result = le32_to_cpu(READ_ONCE(entry->result.u32));
			complete(&d->slots[slot].done);
		}
		if (++d->cq_head == TSN_ADMIN_ENTRIES) {
			d->cq_head = 0;
			d->phase ^= 1;
		}
		any = true;
	}
	if (any)
		writel(d->cq_head, tsn_doorbell(d, 0, true));
}

irqreturn_t tsn_admin_irq(int irq, void *data)
{
	struct tsn_device *d = data;

	spin_lock(&d->admin_lock);
	if (!d->error)
		tsn_reap(d);
	spin_unlock(&d->admin_lock);
	return IRQ_HANDLED;
}

/* Whether there is no need to wait any more: a slot was taken, or there won't be any. */
static bool tsn_take_slot(struct tsn_device *d, int *slot)
{
	unsigned long free;

	spin_lock_irq(&d->admin_lock);
	free = find_first_zero_bit(d->busy, TSN_ADMIN_SLOTS);
	*slot = d->error;
	if (!d->error && free < TSN_ADMIN_SLOTS) {
		__set_bit(free, d->busy);
		reinit_completion(&d->slots[free].done);
		*slot = free;
	}
	spin_unlock_irq(&d->admin_lock);
	return *slot < 0 || free < TSN_ADMIN_SLOTS;
}

static void tsn_set_data(struct tsn_device *d, int slot, struct nvme_command *command,
			 const struct tsn_pages *data)
{
	struct tsn_admin_out *out = d->out.address;
	unsigned int i, pages = DIV_ROUND_UP(data->bytes, TSN_PAGE);

	command->common.dptr.prp1 = cpu_to_le64(data->iova);
	if (pages == 2)
		command->common.dptr.prp2 = cpu_to_le64(data->iova + TSN_PAGE);
	if (pages <= 2)
		return;
	for (i = 1; i < pages; i++)
		out->prps[slot][i - 1] = cpu_to_le64(data->iova + (size_t)i * TSN_PAGE);
	command->common.dptr.prp2 =
		cpu_to_le64(d->out.iova + offsetof(struct tsn_admin_out, prps[slot]));
}

/*
 * Carries out an admin command. Returns the status of its completion, or an errno. After -ETIMEDOUT
 * the device may still be at it; its slot stays taken until the reset.
 */
int tsn_admin(struct tsn_device *d, struct nvme_command *command, const struct tsn_pages *data,
	      u32 *result, unsigned long timeout)
{
	struct tsn_admin_out *out = d->out.address;
	struct tsn_slot *s;
	int slot, status;

	if (!wait_event_timeout(d->slot_wait, tsn_take_slot(d, &slot), timeout))
		return -EBUSY;
	if (slot < 0)
		return slot;
	s = &d->slots[slot];
	command->common.command_id = slot;
	if (data)
		tsn_set_data(d, slot, command, data);

	spin_lock_irq(&d->admin_lock);
	if (!d->error) {
		out->sq[d->sq_tail] = *command;
		d->sq_tail = (d->sq_tail + 1) % TSN_ADMIN_ENTRIES;
		writel(d->sq_tail, tsn_doorbell(d, 0, false));
	}
	spin_unlock_irq(&d->admin_lock);

	if (!wait_for_completion_timeout(&s->done, timeout)) {
		spin_lock_irq(&d->admin_lock);
		tsn_reap(d);	/* an interrupt may have been lost */
		spin_unlock_irq(&d->admin_lock);
		if (!try_wait_for_completion(&s->done)) {
			tsn_fail(d, "an admin command was not answered");
			return -ETIMEDOUT;
		}
	}
	spin_lock_irq(&d->admin_lock);
	status = s->status;
	if (result)
		*result = s->result;
	__clear_bit(slot, d->busy);
	spin_unlock_irq(&d->admin_lock);
	wake_up(&d->slot_wait);
	return status;
}

/* A command of the driver itself, without data: a status other than success is -EIO. */
int tsn_command(struct tsn_device *d, struct nvme_command *command, u32 *result)
{
	int status = tsn_admin(d, command, NULL, result, admin_timeout * HZ);

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
	u32 wanted = TSN_MAX_QUEUES - 2, granted;
	size_t room = (pci_resource_len(d->pdev, 0) - NVME_REG_DBS) / (2 * (size_t)d->stride);
	struct nvme_command command = {
		.features.opcode = nvme_admin_set_features,
		.features.fid = cpu_to_le32(NVME_FEAT_NUM_QUEUES),
		.features.dword11 = cpu_to_le32(wanted | wanted << 16),
	};
	int error = tsn_command(d, &command, &granted);

	if (error)
		return error;
	d->queue_pairs = min3(granted & 0xffff, granted >> 16, wanted) + 1;
	d->queue_pairs = min_t(size_t, d->queue_pairs, room - 1);
	return 0;
}

/* Brings a disabled controller up, with an empty admin queue. */
int tsn_enable(struct tsn_device *d)
{
	int error;

	memset(d->in.address, 0, d->in.bytes);
	d->sq_tail = 0;
	d->cq_head = 0;
	d->phase = 1;
	bitmap_zero(d->busy, TSN_ADMIN_SLOTS);
	writel((TSN_ADMIN_ENTRIES - 1) | (TSN_ADMIN_ENTRIES - 1) << 16, d->bar + NVME_REG_AQA);
	lo_hi_writeq(d->out.iova, d->bar + NVME_REG_ASQ);
	lo_hi_writeq(d->in.iova, d->bar + NVME_REG_ACQ);
	writel(NVME_CC_ENABLE | NVME_CC_IOSQES | NVME_CC_IOCQES, d->bar + NVME_REG_CC);
	error = tsn_wait_status(d, NVME_CSTS_RDY, NVME_CSTS_RDY);
	if (error)
		return error;
	d->error = 0;
	error = tsn_set_queue_count(d);
	if (error)
		tsn_stop_admin(d, error);
	return error;
}
