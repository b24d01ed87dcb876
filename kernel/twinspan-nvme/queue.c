// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>

#include "driver.h"

static bool shared_doorbells;
module_param(shared_doorbells, bool, 0644);
MODULE_PARM_DESC(shared_doorbells,
		 "map doorbells also where all queues' share a page (CAP.DSTRD < 9): every process can then ring those of others and of the admin queue");

bool tsn_direct(const struct tsn_device *d)
{
	return shared_doorbells || 2 * d->stride >= PAGE_SIZE;
}

static irqreturn_t tsn_queue_irq(int irq, void *data)
{
	struct tsn_file *f = data;

	f->interrupts++;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(f->event);
#else
	eventfd_signal(f->event, 1);
#endif
	return IRQ_HANDLED;
}

static int tsn_set_event(struct tsn_file *f, int fd)
{
	struct tsn_device *d = f->dev;
	int error;

	if (fd < 0)
		return 0;
	if (f->id >= d->vectors)
		return -ENOSPC;
	f->event = eventfd_ctx_fdget(fd);
	error = PTR_ERR_OR_ZERO(f->event);
	if (!error) {
		error = request_irq(pci_irq_vector(d->pdev, f->id), tsn_queue_irq, 0, d->name, f);
		if (error)
			eventfd_ctx_put(f->event);
	}
	if (error)
		f->event = NULL;
	return error;
}

/* Takes the queue pair from the device; what is mapped into the process stays. */
void tsn_detach_queue(struct tsn_file *f)
{
	f->live = false;
	if (f->event) {
		free_irq(pci_irq_vector(f->dev->pdev, f->id), f);
		tsn_queue_irq(0, f);	/* whoever waits shall look */
		eventfd_ctx_put(f->event);
		f->event = NULL;
	}
	tsn_unmap(f->dev, &f->sq);
	tsn_unmap(f->dev, &f->cq);
}

static int tsn_delete(struct tsn_file *f, u8 opcode)
{
	struct nvme_command command = {
		.delete_queue.opcode = opcode,
		.delete_queue.qid = cpu_to_le16(f->id),
	};
	u32 unused;
	int error = tsn_command(f->dev, &command, &unused);

	if (error)
		tsn_fail(f->dev, "a queue was not deleted");
	return error;
}

static int tsn_create(struct tsn_file *f)
{
	struct nvme_command cq = {
		.create_cq.opcode = nvme_admin_create_cq,
		.create_cq.prp1 = cpu_to_le64(f->cq.iova),
		.create_cq.cqid = cpu_to_le16(f->id),
		.create_cq.qsize = cpu_to_le16(f->entries - 1),
		.create_cq.cq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG |
						  (f->event ? NVME_CQ_IRQ_ENABLED : 0)),
		.create_cq.irq_vector = cpu_to_le16(f->event ? f->id : 0),
	};
	struct nvme_command sq = {
		.create_sq.opcode = nvme_admin_create_sq,
		.create_sq.prp1 = cpu_to_le64(f->sq.iova),
		.create_sq.sqid = cpu_to_le16(f->id),
		.create_sq.qsize = cpu_to_le16(f->entries - 1),
		.create_sq.sq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG),
		.create_sq.cqid = cpu_to_le16(f->id),
	};
	u32 unused;
	int error = tsn_command(f->dev, &cq, &unused);

	if (error)
		return error;
	error = tsn_command(f->dev, &sq, &unused);
	if (error)
		tsn_delete(f, nvme_admin_delete_cq);
	return error;
}

/* A page that stands for the doorbells when there are none; submission and completion queue. */
static int tsn_set_up(struct tsn_file *f, int event_fd)
{
	size_t sq = PAGE_ALIGN(f->entries * sizeof(struct nvme_command));
	size_t cq = PAGE_ALIGN(f->entries * sizeof(struct nvme_completion));

	f->bytes = TWINSPAN_NVME_SQ_OFFSET + sq + cq;
	f->pages = alloc_pages_exact(f->bytes, GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	if (!f->pages)
		return -ENOMEM;
	f->sq = (struct tsn_area){ f->pages + TWINSPAN_NVME_SQ_OFFSET, sq, DMA_TO_DEVICE };
	f->cq = (struct tsn_area){ f->sq.address + sq, cq, DMA_FROM_DEVICE };
	return tsn_set_event(f, event_fd) ?: tsn_map(f->dev, &f->sq) ?: tsn_map(f->dev, &f->cq) ?:
	       tsn_create(f);
}

int tsn_create_queue(struct tsn_file *f, struct twinspan_nvme_queue *a)
{
	struct tsn_device *d = f->dev;
	int id, error;

	if (a->entries < 2 || a->entries > min(NVME_CAP_MQES(d->cap) + 1, (u64)TSN_MAX_ENTRIES))
		return -EINVAL;
	if (f->pages)
		return -EBUSY;
	id = ida_alloc_range(&d->ids, 1, d->queue_pairs, GFP_KERNEL);
	if (id < 0)
		return id;
	f->id = id;
	f->entries = a->entries;
	f->direct = tsn_direct(d);
	error = tsn_set_up(f, a->event_fd);
	if (error) {
		tsn_detach_queue(f);
		if (f->pages)
			free_pages_exact(f->pages, f->bytes);
		f->pages = NULL;
		if (!READ_ONCE(d->error))	/* else it may be known until the reset */
			ida_free(&d->ids, id);
		return error;
	}
	f->live = true;
	a->flags = f->direct ? TWINSPAN_NVME_DIRECT_DOORBELLS : 0;
	a->id = id;
	a->cq_offset = f->cq.address - f->pages;
	a->bytes = f->bytes;
	a->sq_doorbell = offset_in_page(2 * id * d->stride);
	a->cq_doorbell = a->sq_doorbell + d->stride;
	return 0;
}

/*
 * Has the controller forget the queue pair, which ends the commands in it. If it does not, it is
 * reset, and the identifier is not given away before.
 */
int tsn_delete_queue(struct tsn_file *f)
{
	if (!f->live)
		return -EINVAL;
	f->live = false;
	unmap_mapping_range(f->mapping, 0, PAGE_SIZE, 1);	/* others' come back by a fault */
	if (!tsn_delete(f, nvme_admin_delete_sq) && !tsn_delete(f, nvme_admin_delete_cq))
		ida_free(&f->dev->ids, f->id);
	tsn_detach_queue(f);
	return 0;
}

/* The mediated doorbell. */
int tsn_ring(struct tsn_file *f, const struct twinspan_nvme_ring *a)
{
	if (!f->live || a->sq_tail < -1 || a->sq_tail >= f->entries ||
	    a->cq_head < -1 || a->cq_head >= f->entries)
		return -EINVAL;
	if (a->cq_head >= 0)	/* first, so that there is room for what the tail brings */
		writel(a->cq_head, tsn_doorbell(f->dev, f->id, true));
	if (a->sq_tail >= 0)
		writel(a->sq_tail, tsn_doorbell(f->dev, f->id, false));
	f->rings++;
	return 0;
}

static vm_fault_t tsn_fault(struct vm_fault *vmf)
{
	struct tsn_file *f = vmf->vma->vm_file->private_data;
	struct tsn_device *d = f->dev;
	pgprot_t protection = vmf->vma->vm_page_prot;
	unsigned long pfn = PHYS_PFN(virt_to_phys(f->pages)) + vmf->pgoff;
	vm_fault_t fault;

	mutex_lock(&f->lock);
	if (!vmf->pgoff && f->live && f->direct) {
		pfn = PHYS_PFN(pci_resource_start(d->pdev, 0) + NVME_REG_DBS +
			       2 * f->id * d->stride);
		protection = pgprot_noncached(protection);
	}
	fault = vmf_insert_pfn_prot(vmf->vma, vmf->address, pfn, protection);
	mutex_unlock(&f->lock);
	return fault;
}

static const struct vm_operations_struct tsn_vm_ops = {
	.fault = tsn_fault,
};

/* The mapping keeps the file, and the file the pages. */
int tsn_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned long flags = VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY;
	struct tsn_file *f = file->private_data;
	bool fits;

	mutex_lock(&f->lock);
	fits = f->live && vma->vm_pgoff + vma_pages(vma) <= f->bytes >> PAGE_SHIFT;
	mutex_unlock(&f->lock);
	if (!fits || !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
	vma->vm_ops = &tsn_vm_ops;
	return 0;
}
