// SPDX-License-Identifier: GPL-2.0
#include <linux/bitmap.h>
#include <linux/dma-mapping.h>
#include <linux/module.h>

#include "driver.h"

/* A mapping's page offset is queue << 12 | kind << 10 | page. */
#define TSN_KIND_SHIFT		10
#define TSN_QUEUE_SHIFT		12
enum tsn_kind { TSN_SQ, TSN_CQ, TSN_DOORBELL, TSN_KINDS };

static bool shared_doorbells;
module_param(shared_doorbells, bool, 0644);
MODULE_PARM_DESC(shared_doorbells,
		 "map doorbells also where all queues' share a page (CAP.DSTRD < 9): every process can then ring those of others and of the admin queue");

unsigned int process_queue_pairs = 8;
module_param(process_queue_pairs, uint, 0644);
MODULE_PARM_DESC(process_queue_pairs, "most queue pairs of one process on one drive (8)");

static irqreturn_t tsn_queue_irq(int irq, void *data)
{
	struct tsn_queue *q = data;

	q->interrupts++;
	tsn_signal(q->event);
	return IRQ_HANDLED;
}

static int tsn_delete(struct tsn_device *d, u8 opcode, u16 id)
{
	struct nvme_command command = {
		.delete_queue.opcode = opcode,
		.delete_queue.qid = cpu_to_le16(id),
	};

	return tsn_command(d, &command, NULL);
}

/* Takes everything from the device; what is mapped into the process stays. */
void tsn_revoke_queue(struct tsn_queue *q)
{
	if (q->event) {
		free_irq(pci_irq_vector(q->file->dev->pdev, q->id), q);
		tsn_signal(q->event);
		eventfd_ctx_put(q->event);
		q->event = NULL;
	}
	tsn_pages_unmap(q->file->dev, &q->sq);
	tsn_pages_unmap(q->file->dev, &q->cq);
}

/*
 * After tsn_revoke_queue. Each mapping has a reference beside the file's own: what a process sees of
 * a queue pair stays as long as it can see it, and counts as long.
 */
void tsn_put_queue(struct tsn_queue *q)
{
	struct tsn_device *d = q->file->dev;

	if (!refcount_dec_and_test(&q->refs))
		return;
	mutex_lock(&d->lock);
	q->file->queue_count--;
	mutex_unlock(&d->lock);
	tsn_pages_free(&q->sq);
	tsn_pages_free(&q->cq);
	if (q->no_doorbell)
		__free_page(q->no_doorbell);
	kfree(q);
}

/* Takes an identifier, if the process may have one more. */
static int tsn_take_id(struct tsn_file *f)
{
	struct tsn_device *d = f->dev;
	struct tsn_file *other;
	unsigned int owned = 0;
	int id;

	mutex_lock(&d->lock);
	list_for_each_entry(other, &d->files, node)
		if (other->owner == f->owner)
			owned += other->queue_count;
	id = find_next_zero_bit(d->ids, d->queue_pairs + 1, 1);
	if (owned >= process_queue_pairs) {
		id = -EDQUOT;
	} else if (id > d->queue_pairs) {
		id = -EBUSY;
	} else {
		__set_bit(id, d->ids);
		f->queue_count++;
	}
	mutex_unlock(&d->lock);
	return id;
}

static void tsn_return_id(struct tsn_queue *q)
{
	struct tsn_device *d = q->file->dev;

	mutex_lock(&d->lock);
	__clear_bit(q->id, d->ids);
	mutex_unlock(&d->lock);
}

/*
 * Has the controller forget a queue pair, which ends the commands in it. If it does not, it is
 * reset, and the identifier is not given away before.
 */
void tsn_forget_queue(struct tsn_queue *q)
{
	struct tsn_device *d = q->file->dev;

	if (!q->created)
		return;
	q->created = false;
	if (tsn_delete(d, nvme_admin_delete_sq, q->id) ||
	    tsn_delete(d, nvme_admin_delete_cq, q->id)) {
		if (!d->error)
			tsn_fail(d, "a queue pair was not deleted");
		return;
	}
	tsn_return_id(q);
}

static int tsn_create_commands(struct tsn_queue *q)
{
	struct tsn_device *d = q->file->dev;
	struct nvme_command cq = {
		.create_cq.opcode = nvme_admin_create_cq,
		.create_cq.prp1 = cpu_to_le64(q->cq.iova),
		.create_cq.cqid = cpu_to_le16(q->id),
		.create_cq.qsize = cpu_to_le16(q->entries - 1),
		.create_cq.cq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG |
						  (q->event ? NVME_CQ_IRQ_ENABLED : 0)),
		.create_cq.irq_vector = cpu_to_le16(q->event ? q->id : 0),
	};
	struct nvme_command sq = {
		.create_sq.opcode = nvme_admin_create_sq,
		.create_sq.prp1 = cpu_to_le64(q->sq.iova),
		.create_sq.sqid = cpu_to_le16(q->id),
		.create_sq.qsize = cpu_to_le16(q->entries - 1),
		.create_sq.sq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG),
		.create_sq.cqid = cpu_to_le16(q->id),
	};
	int error = tsn_command(d, &cq, NULL);

	if (error)
		return error;
	error = tsn_command(d, &sq, NULL);
	if (error && !d->error && tsn_delete(d, nvme_admin_delete_cq, q->id) && !d->error)
		tsn_fail(d, "a completion queue was not deleted");
	q->created = !error;
	return error;
}

static int tsn_set_event(struct tsn_queue *q, int fd)
{
	struct tsn_device *d = q->file->dev;
	struct eventfd_ctx *event;
	int error;

	if (fd < 0)
		return 0;
	if (q->id >= d->vectors)
		return -ENOSPC;
	event = eventfd_ctx_fdget(fd);
	if (IS_ERR(event))
		return PTR_ERR(event);
	q->event = event;
	error = request_irq(pci_irq_vector(d->pdev, q->id), tsn_queue_irq, 0, d->name, q);
	if (error) {
		q->event = NULL;
		eventfd_ctx_put(event);
	}
	return error;
}

static int tsn_set_up_queue(struct tsn_queue *q, int event_fd)
{
	int error;

	error = tsn_pages_alloc(&q->sq, q->entries * sizeof(struct nvme_command));
	if (error)
		return error;
	error = tsn_pages_alloc(&q->cq, q->entries * sizeof(struct nvme_completion));
	if (error)
		return error;
	q->no_doorbell = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!q->no_doorbell)
		return -ENOMEM;
	error = tsn_pages_map(q->file->dev, &q->sq, DMA_TO_DEVICE);
	if (error)
		return error;
	error = tsn_pages_map(q->file->dev, &q->cq, DMA_FROM_DEVICE);
	if (error)
		return error;
	error = tsn_set_event(q, event_fd);
	if (error)
		return error;
	return tsn_create_commands(q);
}

static u64 tsn_offset(const struct tsn_queue *q, enum tsn_kind kind)
{
	return ((u64)q->id << TSN_QUEUE_SHIFT | kind << TSN_KIND_SHIFT) << PAGE_SHIFT;
}

static void tsn_describe_queue(const struct tsn_queue *q, struct twinspan_nvme_queue *a)
{
	size_t doorbells = 2 * q->id * (size_t)q->file->dev->stride;

	a->id = q->id;
	a->sq_bytes = q->sq.bytes;
	a->cq_bytes = q->cq.bytes;
	a->doorbell_bytes = q->direct ? TSN_PAGE : 0;
	a->sq_doorbell = offset_in_page(doorbells);
	a->cq_doorbell = a->sq_doorbell + q->file->dev->stride;
	a->sq_offset = tsn_offset(q, TSN_SQ);
	a->cq_offset = tsn_offset(q, TSN_CQ);
	a->doorbell_offset = tsn_offset(q, TSN_DOORBELL);
}

bool tsn_direct(const struct tsn_device *d)
{
	return shared_doorbells || 2 * (size_t)d->stride >= TSN_PAGE;
}

int tsn_create_queue(struct tsn_file *f, struct twinspan_nvme_queue *a)
{
	struct tsn_device *d = f->dev;
	struct tsn_queue *q;
	int id, error;

	if (a->entries < 2 || a->entries > min(NVME_CAP_MQES(d->cap) + 1, (u64)TSN_MAX_ENTRIES))
		return -EINVAL;
	q = kzalloc(sizeof(*q), GFP_KERNEL_ACCOUNT);
	if (!q)
		return -ENOMEM;
	id = tsn_take_id(f);
	if (id < 0) {
		kfree(q);
		return id;
	}
	q->file = f;
	q->id = id;
	q->entries = a->entries;
	q->direct = tsn_direct(d);
	refcount_set(&q->refs, 1);
	error = tsn_set_up_queue(q, a->event_fd);
	if (error) {
		tsn_revoke_queue(q);
		if (!d->error)	/* else the controller may know of it until it is reset */
			tsn_return_id(q);
		tsn_put_queue(q);
		return error;
	}
	mutex_lock(&f->lock);
	list_add(&q->node, &f->queues);
	mutex_unlock(&f->lock);
	tsn_describe_queue(q, a);
	return 0;
}

/* Under the file's lock. */
static struct tsn_queue *tsn_find_queue(struct tsn_file *f, u32 id)
{
	struct tsn_queue *q;

	list_for_each_entry(q, &f->queues, node)
		if (q->id == id)
			return q;
	return NULL;
}

bool tsn_owns_queue(struct tsn_file *f, u16 id)
{
	bool owns;

	mutex_lock(&f->lock);
	owns = tsn_find_queue(f, id);
	mutex_unlock(&f->lock);
	return owns;
}

int tsn_delete_queue(struct tsn_file *f, u32 id)
{
	struct tsn_queue *q;

	mutex_lock(&f->lock);
	q = tsn_find_queue(f, id);
	if (q) {
		list_del(&q->node);
		q->deleted = true;
	}
	mutex_unlock(&f->lock);
	if (!q)
		return -EINVAL;
	unmap_mapping_range(f->mapping, tsn_offset(q, TSN_DOORBELL), TSN_PAGE, 1);
	tsn_forget_queue(q);
	tsn_revoke_queue(q);
	tsn_put_queue(q);
	return 0;
}

/* The mediated doorbell. */
int tsn_ring(struct tsn_file *f, const struct twinspan_nvme_ring *a)
{
	struct tsn_queue *q;
	int error = -EINVAL;

	mutex_lock(&f->lock);
	q = tsn_find_queue(f, a->id);
	if (q && a->sq_tail >= -1 && a->sq_tail < q->entries &&
	    a->cq_head >= -1 && a->cq_head < q->entries) {
		if (a->sq_tail >= 0)
			writel(a->sq_tail, tsn_doorbell(f->dev, q->id, false));
		if (a->cq_head >= 0)
			writel(a->cq_head, tsn_doorbell(f->dev, q->id, true));
		q->rings++;
		error = 0;
	}
	mutex_unlock(&f->lock);
	return error;
}

static void tsn_vma_open(struct vm_area_struct *vma)
{
	struct tsn_queue *q = vma->vm_private_data;

	refcount_inc(&q->refs);
}

static void tsn_vma_close(struct vm_area_struct *vma)
{
	tsn_put_queue(vma->vm_private_data);
}

/* When a queue pair has gone, its doorbells are a page that nobody reads; the rings stay. */
static vm_fault_t tsn_vma_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct tsn_file *f = vma->vm_file->private_data;
	struct tsn_device *d = f->dev;
	struct tsn_queue *q = vma->vm_private_data;
	unsigned int kind = vmf->pgoff >> TSN_KIND_SHIFT & 3;
	unsigned long page = vmf->pgoff & ((1 << TSN_KIND_SHIFT) - 1);
	resource_size_t address;
	vm_fault_t fault;

	down_read(&d->sem);
	mutex_lock(&f->lock);
	if (kind == TSN_SQ)
		address = virt_to_phys(q->sq.address);
	else if (kind == TSN_CQ)
		address = virt_to_phys(q->cq.address);
	else if (f->revoked || q->deleted)
		address = page_to_phys(q->no_doorbell);
	else
		address = pci_resource_start(d->pdev, 0) + NVME_REG_DBS +
			  ((2 * q->id * (size_t)d->stride) & PAGE_MASK);
	fault = vmf_insert_pfn(vma, vmf->address, PHYS_PFN(address) + page);
	mutex_unlock(&f->lock);
	up_read(&d->sem);
	return fault;
}

static const struct vm_operations_struct tsn_vma_ops = {
	.open = tsn_vma_open,
	.close = tsn_vma_close,
	.fault = tsn_vma_fault,
};

static int tsn_map_queue(struct tsn_file *f, struct vm_area_struct *vma)
{
	unsigned long flags = VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY;
	unsigned int kind = vma->vm_pgoff >> TSN_KIND_SHIFT & 3;
	size_t bytes[TSN_KINDS];
	struct tsn_queue *q = tsn_find_queue(f, vma->vm_pgoff >> TSN_QUEUE_SHIFT);

	if (!q || kind >= TSN_KINDS || !(vma->vm_flags & VM_SHARED) ||
	    vma->vm_pgoff & ((1 << TSN_KIND_SHIFT) - 1))
		return -EINVAL;
	bytes[TSN_SQ] = q->sq.bytes;
	bytes[TSN_CQ] = q->cq.bytes;
	bytes[TSN_DOORBELL] = q->direct ? TSN_PAGE : 0;
	if (vma->vm_end - vma->vm_start != bytes[kind])
		return -EINVAL;
	if (kind == TSN_DOORBELL)
		vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
	vma->vm_private_data = q;
	vma->vm_ops = &tsn_vma_ops;
	refcount_inc(&q->refs);
	return 0;
}

int tsn_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct tsn_file *f = file->private_data;
	int error;

	down_read(&f->dev->sem);
	mutex_lock(&f->lock);
	error = f->revoked ? -ENODEV : tsn_map_queue(f, vma);
	mutex_unlock(&f->lock);
	up_read(&f->dev->sem);
	return error;
}
