/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of the driver and what they share. main.c tells how it works. */
#ifndef TWINSPAN_NVME_DRIVER_H
#define TWINSPAN_NVME_DRIVER_H

#include <linux/dma-mapping.h>
#include <linux/eventfd.h>
#include <linux/idr.h>
#include <linux/interrupt.h>
#include <linux/iommu.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/nvme.h>
#include <linux/pci.h>
#include <linux/version.h>
#include <linux/xarray.h>

#include "twinspan_nvme.h"

#define TSN_NAME		"twinspan-nvme"
#define TSN_MAX_ENTRIES		4096
#define TSN_MAX_QUEUE_PAIRS	1023

/* Whole pages of the kernel that the drive reaches through the IOMMU. */
struct tsn_area {
	void *address;
	size_t bytes;
	enum dma_data_direction direction;
	dma_addr_t iova;		/* 0 while the drive can't reach it */
};

struct tsn_device {
	struct kref ref;
	struct pci_dev *pdev;
	struct iommu_domain *domain;
	void __iomem *bar;
	u64 cap;
	size_t stride;
	unsigned int queue_pairs;
	int vectors;
	struct miscdevice misc;
	char name[24];
	struct dentry *debugfs;
	struct ida ids;			/* of queue pairs, 0 is the admin queue */
	struct work_struct reset;
	unsigned long resets;
	int error;			/* 0 while admin commands are taken, else why not */

	struct mutex lock;		/* the list, and the controller's life */
	struct list_head files;

	struct mutex admin;		/* what follows: one command at a time */
	struct tsn_area out;		/* submission queue, a PRP list behind it */
	struct tsn_area in;		/* completion queue */
	struct completion interrupt;
	u16 command_id;
	u16 sq_tail;
	u16 cq_head;
	u16 phase;
};

/* One open file: at most one queue pair, and memory of a process. */
struct tsn_file {
	struct list_head node;
	struct tsn_device *dev;
	struct address_space *mapping;
	struct pid *owner;
	kuid_t uid;
	wait_queue_head_t wait;
	unsigned long commands;
	unsigned long refused;

	struct mutex lock;		/* what follows */
	bool revoked;			/* the drive has gone, or was reset */
	struct xarray memory;		/* struct tsn_memory by page of its IOVA */
	unsigned long registered;	/* pages in it */
	u16 id;
	u16 entries;
	bool live;			/* the controller has the queue pair */
	bool direct;
	void *pages;			/* what is mapped: no doorbells, SQ, CQ */
	size_t bytes;
	struct tsn_area sq;
	struct tsn_area cq;
	struct eventfd_ctx *event;
	unsigned long rings;
	unsigned long interrupts;
};

/* Registered memory of a process. */
struct tsn_memory {
	struct mm_struct *mm;
	unsigned long count;		/* pages that count for RLIMIT_MEMLOCK */
	long pinned;
	struct page **pages;
	struct sg_table sgt;
	bool mapped;
};

static inline void __iomem *tsn_doorbell(struct tsn_device *d, u16 queue, bool completion)
{
	return d->bar + NVME_REG_DBS + (2 * queue + completion) * d->stride;
}

/* controller.c: admin queue, state of the controller */
int tsn_map(struct tsn_device *d, struct tsn_area *area);
void tsn_unmap(struct tsn_device *d, struct tsn_area *area);
void tsn_stop_admin(struct tsn_device *d, int error);
void tsn_fail(struct tsn_device *d, const char *why);
irqreturn_t tsn_admin_irq(int irq, void *data);
int tsn_admin(struct tsn_device *d, struct nvme_command *command, struct tsn_area *data,
	      u32 *result);
int tsn_command(struct tsn_device *d, struct nvme_command *command, u32 *result);
int tsn_disable(struct tsn_device *d);
void tsn_shut_down(struct tsn_device *d);
int tsn_enable(struct tsn_device *d);

/* queue.c: the queue pair of a file, its interrupt, doorbells and mapping */
bool tsn_direct(const struct tsn_device *d);
int tsn_create_queue(struct tsn_file *f, struct twinspan_nvme_queue *a);
int tsn_delete_queue(struct tsn_file *f);
void tsn_detach_queue(struct tsn_file *f);
int tsn_ring(struct tsn_file *f, const struct twinspan_nvme_ring *a);
int tsn_mmap(struct file *file, struct vm_area_struct *vma);

/* memory.c: memory of processes */
int tsn_register(struct tsn_file *f, struct twinspan_nvme_memory *a);
int tsn_unregister(struct tsn_file *f, u64 iova);
void tsn_unmap_memory(struct tsn_device *d, struct tsn_memory *m);
void tsn_free_memory(struct tsn_memory *m);

/* file.c: what processes call */
extern unsigned int process_queue_pairs;
extern const struct file_operations tsn_fops;

/* main.c */
void tsn_free_device(struct kref *ref);

#endif /* TWINSPAN_NVME_DRIVER_H */
