// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-mapping.h>
#include <linux/sched/mm.h>

#include "driver.h"

/* Without locks: counts and pins the memory. */
static struct tsn_memory *tsn_pin(const struct twinspan_nvme_memory *a)
{
	struct tsn_memory *m;
	int error = -EINVAL;
	long pinned;

	if (!a->length || (a->address | a->length) % PAGE_SIZE || a->length >> PAGE_SHIFT > INT_MAX)
		return ERR_PTR(-EINVAL);
	m = kzalloc(sizeof(*m), GFP_KERNEL_ACCOUNT);
	if (!m)
		return ERR_PTR(-ENOMEM);
	m->count = a->length >> PAGE_SHIFT;
	m->mm = current->mm;
	mmgrab(m->mm);
	error = account_locked_vm(m->mm, m->count, true);
	if (error)
		goto free;
	error = -ENOMEM;
	m->pages = kvmalloc_array(m->count, sizeof(*m->pages), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!m->pages)
		goto uncount;
	pinned = pin_user_pages_fast(a->address, m->count, FOLL_WRITE | FOLL_LONGTERM, m->pages);
	if (pinned != m->count) {
		error = pinned < 0 ? pinned : -EFAULT;
		if (pinned > 0)
			unpin_user_pages(m->pages, pinned);
		goto uncount;
	}
	error = sg_alloc_table_from_pages(&m->sgt, m->pages, m->count, 0, a->length,
					  GFP_KERNEL_ACCOUNT);
	if (!error)
		return m;
	unpin_user_pages(m->pages, m->count);
uncount:
	kvfree(m->pages);
	account_locked_vm(m->mm, m->count, false);
free:
	mmdrop(m->mm);
	kfree(m);
	return ERR_PTR(error);
}

/* Without locks, and when the device can't reach the memory. */
static void tsn_unpin(struct tsn_memory *m)
{
	unpin_user_pages_dirty_lock(m->pages, m->count, true);
	sg_free_table(&m->sgt);
	kvfree(m->pages);
	account_locked_vm(m->mm, m->count, false);
	mmdrop(m->mm);
	kfree(m);
}

void tsn_unpin_all(struct list_head *memory)
{
	struct tsn_memory *m, *next;

	list_for_each_entry_safe(m, next, memory, node)
		tsn_unpin(m);
}

void tsn_unmap_memory(struct tsn_device *d, struct tsn_memory *m)
{
	dma_unmap_sgtable(&d->pdev->dev, &m->sgt, DMA_BIDIRECTIONAL, 0);
	tsn_flush_iommu(d);
}

/* By construction: the DMA layer takes one range of IOVA for a whole list. */
static bool tsn_is_one_piece(struct tsn_memory *m)
{
	dma_addr_t next = sg_dma_address(m->sgt.sgl);
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(&m->sgt, sg, i) {
		if (sg_dma_address(sg) != next)
			return false;
		next += sg_dma_len(sg);
	}
	return true;
}

static int tsn_map_memory(struct tsn_file *f, struct tsn_memory *m, u64 *iova)
{
	int error = dma_map_sgtable(&f->dev->pdev->dev, &m->sgt, DMA_BIDIRECTIONAL, 0);

	if (error)
		return error;
	if (!tsn_is_one_piece(m)) {
		tsn_unmap_memory(f->dev, m);
		return -ENOMEM;
	}
	*iova = sg_dma_address(m->sgt.sgl);
	mutex_lock(&f->lock);
	list_add(&m->node, &f->memory);
	mutex_unlock(&f->lock);
	return 0;
}

int tsn_register(struct tsn_file *f, struct twinspan_nvme_memory *a)
{
	struct tsn_memory *m = tsn_pin(a);
	int error;

	if (IS_ERR(m))
		return PTR_ERR(m);
	down_read(&f->dev->sem);
	error = f->revoked ? -ENODEV : tsn_map_memory(f, m, &a->iova);
	up_read(&f->dev->sem);
	if (error)
		tsn_unpin(m);
	return error;
}

static struct tsn_memory *tsn_take_memory(struct tsn_file *f, u64 iova)
{
	struct tsn_memory *m, *found = NULL;

	mutex_lock(&f->lock);
	list_for_each_entry(m, &f->memory, node) {
		if (sg_dma_address(m->sgt.sgl) == iova) {
			found = m;
			list_del(&m->node);
			break;
		}
	}
	mutex_unlock(&f->lock);
	return found;
}

int tsn_unregister(struct tsn_file *f, u64 iova)
{
	struct tsn_memory *m = NULL;
	bool revoked;

	down_read(&f->dev->sem);
	revoked = f->revoked;
	if (!revoked)
		m = tsn_take_memory(f, iova);
	if (m)
		tsn_unmap_memory(f->dev, m);
	up_read(&f->dev->sem);
	if (!m)
		return revoked ? -ENODEV : -EINVAL;
	tsn_unpin(m);
	return 0;
}
