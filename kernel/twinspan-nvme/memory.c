// SPDX-License-Identifier: GPL-2.0
#include <linux/sched/mm.h>

#include "driver.h"

void tsn_unmap_memory(struct tsn_device *d, struct tsn_memory *m)
{
	if (!m->mapped)
		return;
	dma_unmap_sgtable(&d->pdev->dev, &m->sgt, DMA_BIDIRECTIONAL, 0);
	iommu_flush_iotlb_all(d->domain);	/* see tsn_unmap */
	m->mapped = false;
}

/* When the device can't reach the memory. Without locks: takes mmap_lock. */
void tsn_free_memory(struct tsn_memory *m)
{
	sg_free_table(&m->sgt);
	if (m->pinned > 0)
		unpin_user_pages_dirty_lock(m->pages, m->pinned, true);
	kvfree(m->pages);
	account_locked_vm(m->mm, m->count, false);
	mmdrop(m->mm);
	kfree(m);
}

static int tsn_pin(struct tsn_memory *m, const struct twinspan_nvme_memory *a)
{
	unsigned long count = a->length >> PAGE_SHIFT;
	int error = account_locked_vm(m->mm, count, true);

	if (error)
		return error;
	m->count = count;
	m->pages = kvmalloc_array(count, sizeof(*m->pages), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!m->pages)
		return -ENOMEM;
	m->pinned = pin_user_pages_fast(a->address, count, FOLL_WRITE | FOLL_LONGTERM, m->pages);
	if (m->pinned != count)
		return m->pinned < 0 ? m->pinned : -EFAULT;
	return sg_alloc_table_from_pages(&m->sgt, m->pages, count, 0, a->length,
					 GFP_KERNEL_ACCOUNT);
}

static int tsn_map_memory(struct tsn_file *f, struct tsn_memory *m, u64 *iova)
{
	int error = dma_map_sgtable(&f->dev->pdev->dev, &m->sgt, DMA_BIDIRECTIONAL, 0);

	if (error)
		return error;
	m->mapped = true;
	*iova = sg_dma_address(m->sgt.sgl);
	/* One piece, as the DMA layer takes one range of IOVA for a list, if it does not copy. */
	error = m->sgt.nents == 1 ? xa_insert(&f->memory, *iova >> PAGE_SHIFT, m,
					      GFP_KERNEL_ACCOUNT) : -ENOMEM;
	if (error)
		tsn_unmap_memory(f->dev, m);
	else
		f->registered += m->count;
	return error;
}

int tsn_register(struct tsn_file *f, struct twinspan_nvme_memory *a)
{
	struct tsn_memory *m;
	int error;

	if (!a->length || a->length > UINT_MAX || !PAGE_ALIGNED(a->address | a->length))
		return -EINVAL;
	m = kzalloc(sizeof(*m), GFP_KERNEL_ACCOUNT);
	if (!m)
		return -ENOMEM;
	m->mm = current->mm;
	mmgrab(m->mm);
	error = tsn_pin(m, a);
	if (!error) {
		mutex_lock(&f->lock);
		error = f->revoked ? -ENODEV : tsn_map_memory(f, m, &a->iova);
		mutex_unlock(&f->lock);
	}
	if (error)
		tsn_free_memory(m);
	return error;
}

int tsn_unregister(struct tsn_file *f, u64 iova)
{
	struct tsn_memory *m;

	if (!PAGE_ALIGNED(iova))
		return -EINVAL;
	mutex_lock(&f->lock);
	m = xa_erase(&f->memory, iova >> PAGE_SHIFT);
	if (m) {
		tsn_unmap_memory(f->dev, m);
		f->registered -= m->count;
	}
	mutex_unlock(&f->lock);
	if (!m)
		return -EINVAL;
	tsn_free_memory(m);
	return 0;
}
