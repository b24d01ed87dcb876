// SPDX-License-Identifier: GPL-2.0
/*
 * twinspan_nvme - an NVMe drive whose admin queue stays in the kernel, with private I/O queue pairs
 * for processes.
 *
 * A process opens /dev/twinspan-nvmeN, has administrative commands carried out as far as the policy
 * allows, and gets a queue pair whose memory and, where possible, doorbells are mapped into it: I/O
 * commands go from its memory to the drive without the kernel. It opens the device once more for
 * each further queue pair. When it closes the file or dies, the queues are deleted and its memory
 * is unpinned.
 *
 * What protects the machine is the IOMMU, so a device without a translating one is refused. Before
 * memory that the drive could reach is given back, its mapping is removed and the IOMMU's cache is
 * flushed: whatever commands a process has left behind, they end in an IOMMU fault. All queue pairs
 * of a drive share one IOMMU domain. Submission queues are mapped read-only into it, so no process
 * can have the drive write commands into a queue of the kernel or of somebody else.
 *
 * Locks, outer ones first:
 *   device lock  the list of files; opening, closing, reset and removal
 *   mmap_lock    of a process: is never taken under one of the following
 *   file lock    the file's queue pair and memory, and whether the device may be touched for it
 *   admin        the admin queue: one command at a time
 */
#include <linux/debugfs.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "driver.h"

void tsn_free_device(struct kref *ref)
{
	struct tsn_device *d = container_of(ref, struct tsn_device, ref);

	free_pages((unsigned long)d->out.address, 1);
	kfree(d);
}

/* With the device's lock, and the controller stopped or out of reach: takes everything from all. */
static void tsn_revoke_all(struct tsn_device *d)
{
	struct tsn_file *f;
	struct tsn_memory *m;
	unsigned long i;

	list_for_each_entry(f, &d->files, node) {
		mutex_lock(&f->lock);
		WRITE_ONCE(f->revoked, true);
		tsn_detach_queue(f);
		unmap_mapping_range(f->mapping, 0, PAGE_SIZE, 1);
		xa_for_each(&f->memory, i, m)
			tsn_unmap_memory(d, m);
		mutex_unlock(&f->lock);
		wake_up_all(&f->wait);
	}
	ida_destroy(&d->ids);
}

static void tsn_reset(struct work_struct *work)
{
	struct tsn_device *d = container_of(work, struct tsn_device, reset);
	int error;

	mutex_lock(&d->lock);
	if (READ_ONCE(d->error) == -EIO) {
		error = tsn_disable(d);
		if (error)
			error = pci_try_reset_function(d->pdev);
		tsn_revoke_all(d);
		pci_set_master(d->pdev);
		if (!error)
			error = tsn_enable(d);
		d->resets++;
		if (error)
			dev_err(&d->pdev->dev, "the controller can't be reset: %d\n", error);
		else
			dev_info(&d->pdev->dev, "the controller was reset\n");
	}
	mutex_unlock(&d->lock);
}

/* Ends everything for good. */
static void tsn_take_down(struct tsn_device *d)
{
	tsn_stop_admin(d, -ENODEV);	/* ends what waits for a device that may have gone */
	mutex_lock(&d->lock);
	tsn_stop_admin(d, -ENODEV);	/* a reset may have come between */
	mutex_lock(&d->admin);
	tsn_shut_down(d);
	mutex_unlock(&d->admin);
	pci_clear_master(d->pdev);
	tsn_revoke_all(d);
	mutex_unlock(&d->lock);
}

static int tsn_statistics_show(struct seq_file *seq, void *unused)
{
	struct tsn_device *d = seq->private;
	struct tsn_file *f;

	mutex_lock(&d->lock);
	seq_printf(seq, "queue_pairs %u interrupts %d resets %lu\n", d->queue_pairs, d->vectors,
		   d->resets);
	list_for_each_entry(f, &d->files, node) {
		mutex_lock(&f->lock);
		seq_printf(seq, "pid %d uid %u%s admin_commands %lu refused %lu memory_bytes %lu",
			   pid_nr(f->owner), from_kuid_munged(&init_user_ns, f->uid),
			   f->revoked ? " revoked" : "", f->commands, f->refused,
			   f->registered << PAGE_SHIFT);
		if (f->live)
			seq_printf(seq, " queue %u entries %u doorbells %s rings %lu interrupts %lu",
				   f->id, f->entries, f->direct ? "mapped" : "by ioctl", f->rings,
				   f->interrupts);
		seq_putc(seq, '\n');
		mutex_unlock(&f->lock);
	}
	mutex_unlock(&d->lock);
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
	iommu_group_put(group);
	return fault;
}

/* The opposite of tsn_start, wherever that ended; before the bus takes interrupts and BAR away. */
static void tsn_stop(void *data)
{
	struct tsn_device *d = data;

	tsn_take_down(d);
	cancel_work_sync(&d->reset);
	tsn_unmap(d, &d->out);
	tsn_unmap(d, &d->in);
	kref_put(&d->ref, tsn_free_device);
}

static int tsn_check_controller(struct tsn_device *d)
{
	d->cap = lo_hi_readq(d->bar + NVME_REG_CAP);
	if (d->cap == ~0ULL)
		return -ENODEV;
	d->stride = 4 << NVME_CAP_STRIDE(d->cap);
	if (!(NVME_CAP_CSS(d->cap) & NVME_CAP_CSS_NVM) || NVME_CAP_MPSMIN(d->cap) ||
	    pci_resource_len(d->pdev, 0) < NVME_REG_DBS + 4 * d->stride) {
		pci_err(d->pdev, "no NVM command set, no 4 KiB pages, or no doorbells\n");
		return -EINVAL;
	}
	return 0;
}

static int tsn_start(struct tsn_device *d)
{
	struct pci_dev *pdev = d->pdev;
	int error = tsn_check_controller(d) ?: tsn_disable(d) ?:
		    tsn_map(d, &d->out) ?: tsn_map(d, &d->in) ?:
		    devm_request_irq(&pdev->dev, pci_irq_vector(pdev, 0), tsn_admin_irq, 0,
				     d->name, d);

	if (error)
		return error;
	pci_set_master(pdev);
	return tsn_enable(d);
}

/* What lasts as long as the driver has the device. */
static int tsn_prepare(struct pci_dev *pdev)
{
	int error = pcim_enable_device(pdev) ?: pcim_iomap_regions(pdev, BIT(0), TSN_NAME) ?:
		    dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));

	if (error)
		return error;
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	dma_set_seg_boundary(&pdev->dev, ULONG_MAX);
	error = pci_alloc_irq_vectors(pdev, 1, TSN_MAX_QUEUE_PAIRS + 1, PCI_IRQ_MSIX);
	return min(error, 0);
}

static struct tsn_device *tsn_new_device(struct pci_dev *pdev)
{
	static atomic_t number = ATOMIC_INIT(-1);
	struct tsn_device *d = kzalloc(sizeof(*d), GFP_KERNEL);
	void *pages = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, 1);

	if (!d || !pages) {
		free_pages((unsigned long)pages, 1);
		kfree(d);
		return NULL;
	}
	kref_init(&d->ref);
	d->pdev = pdev;
	d->domain = iommu_get_domain_for_dev(&pdev->dev);
	d->bar = pcim_iomap_table(pdev)[0];
	d->vectors = pci_msix_vec_count(pdev);
	d->error = -ENODEV;
	ida_init(&d->ids);
	INIT_WORK(&d->reset, tsn_reset);
	mutex_init(&d->lock);
	INIT_LIST_HEAD(&d->files);
	mutex_init(&d->admin);
	init_completion(&d->interrupt);
	d->out = (struct tsn_area){ pages, PAGE_SIZE, DMA_TO_DEVICE };
	d->in = (struct tsn_area){ pages + PAGE_SIZE, PAGE_SIZE, DMA_FROM_DEVICE };
	snprintf(d->name, sizeof(d->name), TSN_NAME "%d", atomic_inc_return(&number));
	d->misc.minor = MISC_DYNAMIC_MINOR;
	d->misc.name = d->name;
	d->misc.fops = &tsn_fops;
	d->misc.parent = &pdev->dev;
	return d;
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
	error = tsn_prepare(pdev);
	if (error)
		return error;
	d = tsn_new_device(pdev);
	if (!d)
		return -ENOMEM;
	error = devm_add_action_or_reset(&pdev->dev, tsn_stop, d) ?: tsn_start(d) ?:
		misc_register(&d->misc);
	if (error)
		return error;
	d->debugfs = debugfs_create_file(d->name, 0400, NULL, d, &tsn_statistics_fops);
	pci_set_drvdata(pdev, d);
	pci_info(pdev, "%s: %u queue pairs, %u interrupts, doorbells %s\n", d->name, d->queue_pairs,
		 d->vectors, tsn_direct(d) ? "mapped" : "by ioctl");
	return 0;
}

static void tsn_remove(struct pci_dev *pdev)
{
	struct tsn_device *d = pci_get_drvdata(pdev);

	tsn_stop_admin(d, -ENODEV);
	misc_deregister(&d->misc);
	debugfs_remove(d->debugfs);
}

static void tsn_shutdown(struct pci_dev *pdev)
{
	tsn_take_down(pci_get_drvdata(pdev));
}

/* No identifiers: it gets devices by driver_override only, and does not compete with nvme. */
static struct pci_driver tsn_driver = {
	.name = TSN_NAME,
	.probe = tsn_probe,
	.remove = tsn_remove,
	.shutdown = tsn_shutdown,
};

static int __init tsn_init(void)
{
	BUILD_BUG_ON(PAGE_SIZE != TWINSPAN_NVME_SQ_OFFSET);
	return pci_register_driver(&tsn_driver);
}

static void __exit tsn_exit(void)
{
	pci_unregister_driver(&tsn_driver);
}

module_init(tsn_init);
module_exit(tsn_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("NVMe drives with private queue pairs for processes");
