// SPDX-License-Identifier: GPL-2.0
#include <linux/compat.h>
#include <linux/dma-mapping.h>
#include <linux/poll.h>
#include <linux/uaccess.h>

#include "driver.h"

/*
 * Queries are for all who may open the device, what changes the drive is for CAP_SYS_ADMIN. What
 * would touch the driver's own affairs is for nobody: queues, events, and what names addresses.
 */
static bool tsn_is_allowed(struct file *file, const struct twinspan_nvme_admin *a)
{
	struct tsn_file *f = file->private_data;
	u8 which = a->cdw10;

	switch (a->opcode) {
	case nvme_admin_create_cq:
	case nvme_admin_create_sq:
	case nvme_admin_delete_cq:
	case nvme_admin_delete_sq:
	case nvme_admin_async_event:
	case nvme_admin_dbbuf:
		return false;
	case nvme_admin_identify:
	case nvme_admin_get_features:
		return true;
	case nvme_admin_get_log_page:
		/* errors, SMART, firmware, namespaces, effects, self-test */
		if (which >= NVME_LOG_ERROR && which <= NVME_LOG_DEVICE_SELF_TEST)
			return true;
		break;
	case nvme_admin_abort_cmd:
		if (tsn_owns_queue(f, a->cdw10))
			return true;
		break;
	case nvme_admin_set_features:
		if (which == NVME_FEAT_NUM_QUEUES || which == NVME_FEAT_HOST_MEM_BUF)
			return false;
		break;
	}
	return file->f_mode & FMODE_WRITE && capable(CAP_SYS_ADMIN);
}

static int tsn_run_admin(struct tsn_device *d, struct twinspan_nvme_admin *a,
			 struct tsn_pages *data)
{
	static const enum dma_data_direction directions[] = {
		DMA_NONE, DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL,
	};
	struct nvme_command command = {
		.common.opcode = a->opcode,
		.common.nsid = cpu_to_le32(a->nsid),
		.common.cdw10 = cpu_to_le32(a->cdw10),
		.common.cdw11 = cpu_to_le32(a->cdw11),
		.common.cdw12 = cpu_to_le32(a->cdw12),
		.common.cdw13 = cpu_to_le32(a->cdw13),
		.common.cdw14 = cpu_to_le32(a->cdw14),
		.common.cdw15 = cpu_to_le32(a->cdw15),
	};
	unsigned long timeout = max(admin_timeout * HZ, msecs_to_jiffies(a->timeout_ms));
	int status;

	if (data->address) {
		status = tsn_pages_map(d, data, directions[a->opcode & 3]);
		if (status)
			return status;
	}
	status = tsn_admin(d, &command, data->address ? data : NULL, &a->result, timeout);
	tsn_pages_unmap(d, data);
	if (status < 0)
		return status;
	a->status = status;
	return 0;
}

static int tsn_user_admin(struct file *file, struct twinspan_nvme_admin *a)
{
	struct tsn_file *f = file->private_data;
	void __user *user = u64_to_user_ptr(a->data);
	struct tsn_pages data = {};
	int error;

	if (a->length > TWINSPAN_NVME_ADMIN_BYTES || (a->length && !(a->opcode & 3)))
		return -EINVAL;
	if (!tsn_is_allowed(file, a) ||
	    (a->timeout_ms > admin_timeout * 1000 && !capable(CAP_SYS_ADMIN))) {
		f->refused++;
		return -EPERM;
	}
	if (a->length) {
		error = tsn_pages_alloc(&data, a->length);
		if (error)
			return error;
		if (a->opcode & 1 && copy_from_user(data.address, user, a->length)) {
			tsn_pages_free(&data);
			return -EFAULT;
		}
	}
	down_read(&f->dev->sem);
	error = f->revoked ? -ENODEV : tsn_run_admin(f->dev, a, &data);
	up_read(&f->dev->sem);
	f->commands++;
	if (!error && !a->status && a->length && a->opcode & 2 &&
	    copy_to_user(user, data.address, a->length))
		error = -EFAULT;
	tsn_pages_free(&data);
	return error;
}

static int tsn_info(struct tsn_file *f, struct twinspan_nvme_info *a)
{
	struct tsn_device *d = f->dev;

	*a = (struct twinspan_nvme_info){
		.version = TWINSPAN_NVME_VERSION,
		.flags = tsn_direct(d) ? TWINSPAN_NVME_DIRECT_DOORBELLS : 0,
		.cap = d->cap,
		.vs = readl(d->bar + NVME_REG_VS),
		.csts = readl(d->bar + NVME_REG_CSTS),
		.queue_pairs = d->queue_pairs,
		.process_queue_pairs = process_queue_pairs,
		.interrupts = d->vectors,
	};
	return 0;
}

union tsn_argument {
	struct twinspan_nvme_info info;
	struct twinspan_nvme_admin admin;
	struct twinspan_nvme_queue queue;
	struct twinspan_nvme_ring ring;
	struct twinspan_nvme_memory memory;
	__u64 iova;
	__u32 id;
};

/* What neither touches memory of the process nor waits for its mmap_lock. */
static int tsn_locked_ioctl(struct tsn_file *f, unsigned int request, union tsn_argument *a)
{
	if (f->revoked)
		return -ENODEV;
	switch (request) {
	case TWINSPAN_NVME_INFO:
		return tsn_info(f, &a->info);
	case TWINSPAN_NVME_CREATE_QUEUE:
		return tsn_create_queue(f, &a->queue);
	case TWINSPAN_NVME_DELETE_QUEUE:
		return tsn_delete_queue(f, a->id);
	case TWINSPAN_NVME_RING:
		return tsn_ring(f, &a->ring);
	}
	return -ENOTTY;
}

static int tsn_do_ioctl(struct file *file, unsigned int request, union tsn_argument *a)
{
	struct tsn_file *f = file->private_data;
	int error;

	if (request == TWINSPAN_NVME_ADMIN)
		return tsn_user_admin(file, &a->admin);
	if (request != TWINSPAN_NVME_INFO && !(file->f_mode & FMODE_WRITE))
		return -EPERM;
	switch (request) {
	case TWINSPAN_NVME_REGISTER:
		return tsn_register(f, &a->memory);
	case TWINSPAN_NVME_UNREGISTER:
		return tsn_unregister(f, a->iova);
	}
	down_read(&f->dev->sem);
	error = tsn_locked_ioctl(f, request, a);
	up_read(&f->dev->sem);
	return error;
}

static long tsn_ioctl(struct file *file, unsigned int request, unsigned long address)
{
	void __user *user = (void __user *)address;
	union tsn_argument a = {};
	int error;

	if (_IOC_TYPE(request) != _IOC_TYPE(TWINSPAN_NVME_INFO) || _IOC_SIZE(request) > sizeof(a))
		return -ENOTTY;
	if (_IOC_DIR(request) & _IOC_WRITE && copy_from_user(&a, user, _IOC_SIZE(request)))
		return -EFAULT;
	error = tsn_do_ioctl(file, request, &a);
	if (!error && _IOC_DIR(request) & _IOC_READ && copy_to_user(user, &a, _IOC_SIZE(request)))
		error = -EFAULT;
	return error;
}

static __poll_t tsn_poll(struct file *file, poll_table *wait)
{
	struct tsn_file *f = file->private_data;

	poll_wait(file, &f->wait, wait);
	return READ_ONCE(f->revoked) ? EPOLLHUP | EPOLLERR : 0;
}

static int tsn_open(struct inode *inode, struct file *file)
{
	struct tsn_device *d = container_of(file->private_data, struct tsn_device, misc);
	struct tsn_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	int error;

	if (!f)
		return -ENOMEM;
	f->dev = d;
	f->mapping = file->f_mapping;
	f->uid = current_uid();
	mutex_init(&f->lock);
	INIT_LIST_HEAD(&f->queues);
	INIT_LIST_HEAD(&f->memory);
	init_waitqueue_head(&f->wait);
	down_read(&d->sem);
	error = d->removed ? -ENODEV : d->error;
	if (!error) {
		kref_get(&d->ref);
		f->owner = get_task_pid(current, PIDTYPE_TGID);
		mutex_lock(&d->lock);
		list_add(&f->node, &d->files);
		mutex_unlock(&d->lock);
	}
	up_read(&d->sem);
	if (error)
		kfree(f);
	else
		file->private_data = f;
	return error;
}

/* Also when a process dies. Its mappings are gone already, as each holds the file. */
static int tsn_release(struct inode *inode, struct file *file)
{
	struct tsn_file *f = file->private_data;
	struct tsn_device *d = f->dev;
	struct tsn_queue *q, *next;
	struct tsn_memory *m;

	down_read(&d->sem);
	list_for_each_entry(q, &f->queues, node) {
		tsn_forget_queue(q);
		tsn_revoke_queue(q);
	}
	list_for_each_entry(m, &f->memory, node)
		tsn_unmap_memory(d, m);
	mutex_lock(&d->lock);
	list_del(&f->node);
	mutex_unlock(&d->lock);
	up_read(&d->sem);
	list_for_each_entry_safe(q, next, &f->queues, node)
		tsn_put_queue(q);
	tsn_unpin_all(&f->memory);
	put_pid(f->owner);
	kfree(f);
	kref_put(&d->ref, tsn_free_device);
	return 0;
}

const struct file_operations tsn_fops = {
	.owner = THIS_MODULE,
	.open = tsn_open,
	.release = tsn_release,
	.unlocked_ioctl = tsn_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = tsn_mmap,
	.poll = tsn_poll,
};
