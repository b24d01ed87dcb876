/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of the driver and what they share. main.c tells how it works. */
#ifndef TWINSPAN_NVME_DRIVER_H
#define TWINSPAN_NVME_DRIVER_H

#include <linux/eventfd.h>
#include <linux/interrupt.h>
#include <linux/iommu.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/nvme.h>
#include <linux/pci.h>
#include <linux/version.h>

#include "twinspan_nvme.h"

#define TSN_NAME		"twinspan-nvme"
#define TSN_PAGE		TWINSPAN_NVME_PAGE
#define TSN_ADMIN_ENTRIES	32
#define TSN_ADMIN_SLOTS		(TSN_ADMIN_ENTRIES - 1)
#define TSN_ADMIN_PAGES		(TWINSPAN_NVME_ADMIN_BYTES / TSN_PAGE)
#define TSN_MAX_ENTRIES		4096
#define TSN_MAX_QUEUES		1024

/* Whole pages of the kernel that the drive reaches through the IOMMU. */
struct tsn_pages {
	void *address;
	size_t bytes;
	dma_addr_t iova;
	enum dma_data_direction direction;
	bool mapped;
};

/* What the device reads of the admin queue: the submission queue and a PRP list per slot. */
struct tsn_admin_out {
	struct nvme_command sq[TSN_ADMIN_ENTRIES];
	__le64 prps[TSN_ADMIN_SLOTS][TSN_ADMIN_PAGES] __aligned(TSN_PAGE);
};

struct tsn_slot {
	struct completion done;
	int status;
	u32 result;
};

struct tsn_device {
	struct kref ref;
	struct pci_dev *pdev;
	struct iommu_domain *domain;
	void __iomem *bar;
	u64 cap;
	u32 stride;
	unsigned int queue_pairs;
	unsigned int vectors;
	struct miscdevice misc;
	char name[24];
	struct dentry *debugfs;

	struct rw_semaphore sem;
	bool removed;

	struct mutex lock;	/* files, ids, queue_count of the files */
	struct list_head files;
	DECLARE_BITMAP(ids, TSN_MAX_QUEUES);
	unsigned long resets;

	spinlock_t admin_lock;	/* what follows */
	int error;		/* 0 when admin commands are taken, else why not */
	struct tsn_pages out;
	struct tsn_pages in;
	u16 sq_tail;
	u16 cq_head;
	u16 phase;
	DECLARE_BITMAP(busy, TSN_ADMIN_SLOTS);
	struct tsn_slot slots[TSN_ADMIN_SLOTS];
	wait_queue_head_t slot_wait;
	struct work_struct reset;
};

/* One open file. */
struct tsn_file {
	struct list_head node;
	struct tsn_device *dev;
	struct address_space *mapping;
	struct pid *owner;
	kuid_t uid;
	struct mutex lock;	/* queues, memory */
	struct list_head queues;
	struct list_head memory;
	unsigned int queue_count;
	wait_queue_head_t wait;
	bool revoked;
	unsigned long commands;
	unsigned long refused;
};

struct tsn_queue {
	struct list_head node;
	struct tsn_file *file;
	refcount_t refs;
	u16 id;
	u16 entries;
	struct tsn_pages sq;
	struct tsn_pages cq;
	struct page *no_doorbell;	/* what a process finds there afterwards */
	struct eventfd_ctx *event;
	bool direct;
	bool created;			/* the controller knows of it */
	bool deleted;
	unsigned long rings;
	unsigned long interrupts;
};

/* Registered memory of a process. */
struct tsn_memory {
	struct list_head node;
	struct mm_struct *mm;
	struct page **pages;
	unsigned long count;
	struct sg_table sgt;
};

static inline void tsn_signal(struct eventfd_ctx *event)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(event);
#else
	eventfd_signal(event, 1);
#endif
}

static inline void __iomem *tsn_doorbell(struct tsn_device *d, u16 queue, bool completion)
{
	return d->bar + NVME_REG_DBS + (2 * queue + completion) * (size_t)d->stride;
}

/* controller.c: memory that the drive can reach, admin queue, life of the controller */
extern unsigned int admin_timeout;
void tsn_flush_iommu(struct tsn_device *d);
int tsn_pages_alloc(struct tsn_pages *p, size_t bytes);
int tsn_pages_map(struct tsn_device *d, struct tsn_pages *p, enum dma_data_direction direction);
void tsn_pages_unmap(struct tsn_device *d, struct tsn_pages *p);
void tsn_pages_free(struct tsn_pages *p);
void tsn_stop_admin(struct tsn_device *d, int error);
void tsn_fail(struct tsn_device *d, const char *why);
irqreturn_t tsn_admin_irq(int irq, void *data);
int tsn_admin(struct tsn_device *d, struct nvme_command *command, const struct tsn_pages *data,
	      u32 *result, unsigned long timeout);
int tsn_command(struct tsn_device *d, struct nvme_command *command, u32 *result);
int tsn_disable(struct tsn_device *d);
void tsn_shut_down(struct tsn_device *d);
int tsn_enable(struct tsn_device *d);

/* queue.c: queue pairs, their interrupts, doorbells and mappings */
extern unsigned int process_queue_pairs;
void tsn_forget_queue(struct tsn_queue *q);
void tsn_revoke_queue(struct tsn_queue *q);
void tsn_put_queue(struct tsn_queue *q);
bool tsn_direct(const struct tsn_device *d);
int tsn_create_queue(struct tsn_file *f, struct twinspan_nvme_queue *a);
int tsn_delete_queue(struct tsn_file *f, u32 id);
bool tsn_owns_queue(struct tsn_file *f, u16 id);
int tsn_ring(struct tsn_file *f, const struct twinspan_nvme_ring *a);
int tsn_mmap(struct file *file, struct vm_area_struct *vma);

/* memory.c: memory of processes */
int tsn_register(struct tsn_file *f, struct twinspan_nvme_memory *a);
int tsn_unregister(struct tsn_file *f, u64 iova);
void tsn_unmap_memory(struct tsn_device *d, struct tsn_memory *m);
void tsn_unpin_all(struct list_head *memory);

/* file.c: what processes call */
extern const struct file_operations tsn_fops;

/* main.c */
void tsn_free_device(struct kref *ref);

#endif /* TWINSPAN_NVME_DRIVER_H */
