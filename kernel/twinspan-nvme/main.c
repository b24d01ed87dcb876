// SPDX-License-Identifier: GPL-2.0
/*
 * twinspan_nvme - an NVMe drive whose admin queue stays in the kernel, with private I/O queue pairs
 * for processes.
 *
 * A process opens /dev/twinspan-nvmeN, has administrative commands carried out as far as the policy
 * allows, and gets queue pairs whose memory and, where possible, doorbells are mapped into it: I/O
 * commands go from its memory to the drive without the kernel. When the process closes the file or
 * dies, its queues are deleted and its memory is unpinned.
 *
 * What protects the machine is the IOMMU, so a device without a translating one is refused. Before
 * memory that the drive could reach is given back, its mapping is removed and the IOMMU's cache is
 * flushed: whatever commands a process has left behind, they end in an IOMMU fault. All queue pairs
 * of a drive share one IOMMU domain. Submission queues are mapped read-only into it, so no process
 * can have the drive write commands into a queue of the kernel or of somebody else.
 *
 * Locks, outer ones first:
 *   mmap_lock    is never taken under one of the following, so user memory is not touched there
 *   sem          of the device; shared: the device works, and is used; exclusive: reset and removal
 *   lock         of the device: its list of files, the queue identifiers
 *   file lock    the file's lists of queue pairs and memory; held for moments only
 *   admin_lock   admin queue, and whether it may be used
 */
#include <linux/bitmap.h>
#include <linux/debugfs.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "driver.h"

static struct dentry *tsn_debugfs;

void tsn_free_device(struct kref *ref)
{
	kfree(container_of(ref, struct tsn_device, ref));
}

/*
 * With sem held exclusively, and the device stopped or out of reach: takes everything from all
 * files. The memory is left in a list, to be unpinned without locks.
 */
static void tsn_revoke_all(struct tsn_device *d, struct list_head *memory)
{
	struct tsn_file *f;
	struct tsn_queue *q;
	struct tsn_memory *m;

	list_for_each_entry(f, &d->files, node) {
		WRITE_ONCE(f->revoked, true);
		list_for_each_entry(q, &f->queues, node) {
			q->created = false;
			tsn_revoke_queue(q);
		}
		list_for_each_entry(m, &f->memory, node)
			tsn_unmap_memory(d, m);
		list_splice_init(&f->memory, memory);
		unmap_mapping_range(f->mapping, 0, 0, 1);
		wake_up_all(&f->wait);
	}
	bitmap_zero(d->ids, TSN_MAX_QUEUES);
}

static void tsn_reset(struct work_struct *work)
{
	struct tsn_device *d = container_of(work, struct tsn_device, reset);
	LIST_HEAD(memory);
	int error;

	down_write(&d->sem);
	if (!d->removed && d->error) {
		error = tsn_disable(d);
		if (error)
			error = pci_try_reset_function(d->pdev);
		tsn_revoke_all(d, &memory);
		pci_set_master(d->pdev);
		if (!error)
			error = tsn_enable(d);
		d->resets++;
		if (error)
			dev_err(&d->pdev->dev, "the controller can't be reset: %d\n", error);
		else
			dev_info(&d->pdev->dev, "the controller was reset\n");
	}
	up_write(&d->sem);
	tsn_unpin_all(&memory);
}

static void tsn_show_file(struct seq_file *seq, struct tsn_file *f)
{
	struct tsn_memory *m;
	struct tsn_queue *q;
	unsigned long pages = 0;

	mutex_lock(&f->lock);
	list_for_each_entry(m, &f->memory, node)
		pages += m->count;
	seq_printf(seq, "pid %d uid %u memory_bytes %lu admin_commands %lu refused %lu%s\n",
		   pid_nr(f->owner), from_kuid_munged(&init_user_ns, f->uid), pages << PAGE_SHIFT,
		   f->commands, f->refused, f->revoked ? " revoked" : "");
	list_for_each_entry(q, &f->queues, node)
		seq_printf(seq, "  queue %u entries %u doorbells %s rings %lu interrupts %lu\n",
			   q->id, q->entries, q->direct ? "mapped" : "by ioctl", q->rings,
			   q->interrupts);
	mutex_unlock(&f->lock);
}

static int tsn_statistics_show(struct seq_file *seq, void *unused)
{
	struct tsn_device *d = seq->private;
	struct tsn_file *f;

	down_read(&d->sem);
	mutex_lock(&d->lock);
	seq_printf(seq, "queue_pairs %u used %u interrupts %u resets %lu\n", d->queue_pairs,
		   bitmap_weight(d->ids, TSN_MAX_QUEUES), d->vectors, d->resets);
	list_for_each_entry(f, &d->files, node)
		tsn_show_file(seq, f);
	mutex_unlock(&d->lock);
	up_read(&d->sem);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(tsn_statistics);

static int tsn_is_other(struct device *dev, void *self)
{
	return dev != self && !(dev_is_pci(dev) && pci_is_bridge(to_pci_dev(dev)));
}

/* Whether the IOMMU keeps the drive to memory that was mapped for it, and to its own interrupts. */
static const char *tsn_isolation_fault(struct device *dev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);
	struct iommu_group *group = iommu_group_get(dev);
	const char *fault = NULL;
	bool isolated_msi;

	if (!group || !domain || !iommu_is_dma_domain(domain)) {
		iommu_group_put(group);
		return "no IOMMU translates its accesses (its group's type is not DMA or DMA-FQ)";
	}
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	isolated_msi = iommu_group_has_isolated_msi(group);
#else
	isolated_msi = device_iommu_capable(dev, IOMMU_CAP_INTR_REMAP);
#endif
	if (iommu_group_for_each_dev(group, dev, tsn_is_other))
		fault = "there are other devices in its IOMMU group";
	else if (!isolated_msi)
		fault = "interrupts are not remapped";
	else if (!dev_is_dma_coherent(dev))
		fault = "its accesses are not coherent with the processors' caches";
	iommu_group_put(group);
	return fault;
}

static int tsn_check_controller(struct tsn_device *d)
{
	d->cap = lo_hi_readq(d->bar + NVME_REG_CAP);
	if (d->cap == ~0ULL)
		return -ENODEV;
	d->stride = 4 << NVME_CAP_STRIDE(d->cap);
	if (!(NVME_CAP_CSS(d->cap) & NVME_CAP_CSS_NVM) || NVME_CAP_MPSMIN(d->cap) ||
	    pci_resource_len(d->pdev, 0) < NVME_REG_DBS + 4 * (size_t)d->stride) {
		dev_err(&d->pdev->dev, "no NVM command set, no 4 KiB pages, or no doorbells\n");
		return -EINVAL;
	}
	return 0;
}

static int tsn_start(struct tsn_device *d)
{
	struct pci_dev *pdev = d->pdev;
	int error;

	error = pcim_enable_device(pdev);
	if (!error)
		error = pcim_iomap_regions(pdev, BIT(0), TSN_NAME);
	if (!error)
		error = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (error)
		return error;
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	dma_set_seg_boundary(&pdev->dev, ULONG_MAX);
	d->bar = pcim_iomap_table(pdev)[0];
	error = tsn_check_controller(d);
	if (!error)
		error = tsn_disable(d);
	if (!error)
		error = tsn_pages_alloc(&d->out, sizeof(struct tsn_admin_out));
	if (!error)
		error = tsn_pages_map(d, &d->out, DMA_TO_DEVICE);
	if (!error)
		error = tsn_pages_alloc(&d->in, TSN_ADMIN_ENTRIES * sizeof(struct nvme_completion));
	if (!error)
		error = tsn_pages_map(d, &d->in, DMA_FROM_DEVICE);
	if (error)
		return error;
	error = pci_alloc_irq_vectors(pdev, 1, TSN_MAX_QUEUES, PCI_IRQ_MSIX);
	if (error < 0)
		return error;
	error = request_irq(pci_irq_vector(pdev, 0), tsn_admin_irq, 0, d->name, d);
	if (error)
		return error;
	d->vectors = pci_msix_vec_count(pdev);
	pci_set_master(pdev);
	return tsn_enable(d);
}

/* The opposite of tsn_start, wherever that ended. */
static void tsn_stop(struct tsn_device *d)
{
	pci_clear_master(d->pdev);
	if (d->vectors)
		free_irq(pci_irq_vector(d->pdev, 0), d);
	pci_free_irq_vectors(d->pdev);
	tsn_pages_unmap(d, &d->out);
	tsn_pages_unmap(d, &d->in);
	tsn_pages_free(&d->out);
	tsn_pages_free(&d->in);
}

static struct tsn_device *tsn_new_device(struct pci_dev *pdev)
{
	static atomic_t number = ATOMIC_INIT(-1);
	struct tsn_device *d = kzalloc(sizeof(*d), GFP_KERNEL);
	unsigned int i;

	if (!d)
		return NULL;
	kref_init(&d->ref);
	d->pdev = pdev;
	d->domain = iommu_get_domain_for_dev(&pdev->dev);
	d->error = -ENODEV;
	init_rwsem(&d->sem);
	mutex_init(&d->lock);
	INIT_LIST_HEAD(&d->files);
	spin_lock_init(&d->admin_lock);
	init_waitqueue_head(&d->slot_wait);
	for (i = 0; i < TSN_ADMIN_SLOTS; i++)
		init_completion(&d->slots[i].done);
	INIT_WORK(&d->reset, tsn_reset);
	snprintf(d->name, sizeof(d->name), TSN_NAME "%d", atomic_inc_return(&number));
	d->misc.minor = MISC_DYNAMIC_MINOR;
	d->misc.name = d->name;
	d->misc.fops = &tsn_fops;
	d->misc.parent = &pdev->dev;
	return d;
}

static void tsn_remove(struct pci_dev *pdev)
{
	struct tsn_device *d = pci_get_drvdata(pdev);
	LIST_HEAD(memory);

	misc_deregister(&d->misc);
	debugfs_remove_recursive(d->debugfs);
	tsn_stop_admin(d, -ENODEV);	/* ends what waits for a device that may have gone */
	down_write(&d->sem);
	d->removed = true;
	tsn_shut_down(d);
	pci_clear_master(pdev);
	tsn_revoke_all(d, &memory);
	tsn_stop_admin(d, -ENODEV);	/* a reset may have come between */
	up_write(&d->sem);
	cancel_work_sync(&d->reset);
	tsn_unpin_all(&memory);
	tsn_stop(d);
	kref_put(&d->ref, tsn_free_device);
}

static int tsn_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	const char *fault = tsn_isolation_fault(&pdev->dev);
	struct tsn_device *d;
	int error;

	if (pdev->class != PCI_CLASS_STORAGE_EXPRESS)
		return -ENODEV;
	if (fault) {
		pci_err(pdev, "not for processes: %s\n", fault);
		return -EPERM;
	}
	d = tsn_new_device(pdev);
	if (!d)
		return -ENOMEM;
	pci_set_drvdata(pdev, d);
	error = tsn_start(d);
	if (!error)
		error = misc_register(&d->misc);
	if (error) {
		if (d->bar)
			tsn_disable(d);
		cancel_work_sync(&d->reset);
		tsn_stop(d);
		kref_put(&d->ref, tsn_free_device);
		return error;
	}
	d->debugfs = debugfs_create_dir(d->name, tsn_debugfs);
	debugfs_create_file("queues", 0400, d->debugfs, d, &tsn_statistics_fops);
	pci_info(pdev, "%s: %u queue pairs, %u interrupts, doorbells %s\n", d->name, d->queue_pairs,
		 d->vectors, tsn_direct(d) ? "mapped" : "by ioctl");
	return 0;
}

/* Processes must open the file anew after the machine slept. */
static int tsn_suspend(struct device *dev)
{
	struct tsn_device *d = dev_get_drvdata(dev);
	LIST_HEAD(memory);

	tsn_stop_admin(d, -EIO);
	down_write(&d->sem);
	tsn_shut_down(d);
	tsn_revoke_all(d, &memory);
	tsn_stop_admin(d, -EIO);
	up_write(&d->sem);
	tsn_unpin_all(&memory);
	return 0;
}

static int tsn_resume(struct device *dev)
{
	struct tsn_device *d = dev_get_drvdata(dev);
	int error;

	down_write(&d->sem);
	error = tsn_disable(d);
	if (!error)
		error = tsn_enable(d);
	up_write(&d->sem);
	return error;
}

static void tsn_shutdown(struct pci_dev *pdev)
{
	tsn_suspend(&pdev->dev);
}

static DEFINE_SIMPLE_DEV_PM_OPS(tsn_pm, tsn_suspend, tsn_resume);

/* No identifiers: it gets devices by driver_override only, and does not compete with nvme. */
static struct pci_driver tsn_driver = {
	.name = TSN_NAME,
	.probe = tsn_probe,
	.remove = tsn_remove,
	.shutdown = tsn_shutdown,
	.driver.pm = pm_sleep_ptr(&tsn_pm),
};

static int __init tsn_init(void)
{
	int error;

	BUILD_BUG_ON(PAGE_SIZE != TSN_PAGE);
	tsn_debugfs = debugfs_create_dir(TSN_NAME, NULL);
	error = pci_register_driver(&tsn_driver);
	if (error)
		debugfs_remove_recursive(tsn_debugfs);
	return error;
}

static void __exit tsn_exit(void)
{
	pci_unregister_driver(&tsn_driver);
	debugfs_remove_recursive(tsn_debugfs);
}

module_init(tsn_init);
module_exit(tsn_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("NVMe drives with private queue pairs for processes");
