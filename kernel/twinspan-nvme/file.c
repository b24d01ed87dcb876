// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/uaccess.h>

#include "driver.h"

unsigned int process_queue_pairs = 8;
module_param(process_queue_pairs, uint, 0644);
MODULE_PARM_DESC(process_queue_pairs, "most queue pairs of one process on one drive (8)");

/*
 * Queries are for all who may open the device, what changes the drive is for CAP_SYS_ADMIN. What
 * would touch the driver's own affairs is for nobody: queues, events, and what names addresses.
 */
static bool tsn_is_allowed(struct file *file, const struct twinspan_nvme_admin *a)
{
	struct tsn_file *f = file->private_data;
	u32 cdw10 = le32_to_cpu(a->cdw10_15[0]);
	u8 which = cdw10;

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
		if (READ_ONCE(f->live) && (u16)cdw10 == f->id)
			return true;
		break;
	case nvme_admin_set_features:
		if (which == NVME_FEAT_NUM_QUEUES || which == NVME_FEAT_HOST_MEM_BUF)
			return false;
		break;
	}
	return file->f_mode & FMODE_WRITE && capable(CAP_SYS_ADMIN);
}

static int tsn_user_admin(struct file *file, struct twinspan_nvme_admin *a)
{
	struct nvme_command command = {
		.common.opcode = a->opcode,
		.common.nsid = cpu_to_le32(a->nsid),
	};
	struct tsn_area data = {
		.bytes = PAGE_ALIGN(a->length),
		.direction = (a->opcode & 3) % 3,	/* numbered alike, but for both ways */
	};
	struct tsn_file *f = file->private_data;
	void __user *user = u64_to_user_ptr(a->data);
	int status;

	if (a->length > TWINSPAN_NVME_ADMIN_BYTES || (a->length && !(a->opcode & 3)))
		return -EINVAL;
	f->commands++;
	if (!tsn_is_allowed(file, a)) {
		f->refused++;
		return -EPERM;
	}
	memcpy(&command.common.cdws, a->cdw10_15, sizeof(a->cdw10_15));
	if (a->length) {
		data.address = alloc_pages_exact(data.bytes,
						 GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
		if (!data.address)
			return -ENOMEM;
	}
	status = READ_ONCE(f->revoked) ? -ENODEV : 0;
	if (!status && a->opcode & 1 && copy_from_user(data.address, user, a->length))
		status = -EFAULT;
	if (!status)
		status = tsn_admin(f->dev, &command, a->length ? &data : NULL, &a->result);
	if (!status && a->opcode & 2 && copy_to_user(user, data.address, a->length))
		status = -EFAULT;
	if (a->length)
		free_pages_exact(data.address, data.bytes);
	a->status = status;
	return min(status, 0);
}

static int tsn_info(struct tsn_device *d, struct twinspan_nvme_info *a)
{
	*a = (struct twinspan_nvme_info){
		.version = TWINSPAN_NVME_VERSION,
		.flags = tsn_direct(d) ? TWINSPAN_NVME_DIRECT_DOORBELLS : 0,
		.cap = d->cap,
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
};

/* Under the file's lock. */
static int tsn_locked_ioctl(struct tsn_file *f, unsigned int request, union tsn_argument *a)
{
	if (f->revoked)
		return -ENODEV;
	switch (request) {
	case TWINSPAN_NVME_INFO:
		return tsn_info(f->dev, &a->info);
	case TWINSPAN_NVME_CREATE_QUEUE:
		return tsn_create_queue(f, &a->queue);
	case TWINSPAN_NVME_DELETE_QUEUE:
		return tsn_delete_queue(f);
	case TWINSPAN_NVME_RING:
		return tsn_ring(f, &a->ring);
	}
	return -ENOTTY;
}

static long tsn_ioctl(struct file *file, unsigned int request, unsigned long address)
{
	bool query = request == TWINSPAN_NVME_ADMIN || request == TWINSPAN_NVME_INFO;
	void __user *user = (void __user *)address;
	struct tsn_file *f = file->private_data;
	union tsn_argument a = {};
	int error;

	if (_IOC_SIZE(request) > sizeof(a))
		return -ENOTTY;
	if (!query && !(file->f_mode & FMODE_WRITE))
		return -EPERM;
	if (_IOC_DIR(request) & _IOC_WRITE && copy_from_user(&a, user, _IOC_SIZE(request)))
		return -EFAULT;
	if (request == TWINSPAN_NVME_ADMIN) {
		error = tsn_user_admin(file, &a.admin);
	} else if (request == TWINSPAN_NVME_REGISTER) {
		error = tsn_register(f, &a.memory);
	} else if (request == TWINSPAN_NVME_UNREGISTER) {
		error = tsn_unregister(f, a.iova);
	} else {
		mutex_lock(&f->lock);
		error = tsn_locked_ioctl(f, request, &a);
		mutex_unlock(&f->lock);
	}
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

/* A process may have a file for each of its queue pairs, and one more for admin commands. */
static int tsn_admit(struct tsn_device *d, struct tsn_file *f)
{
	struct tsn_file *other;
	unsigned int count = 0;
	int error;

	mutex_lock(&d->lock);
	list_for_each_entry(other, &d->files, node)
		count += other->owner == f->owner && !other->revoked;
	error = READ_ONCE(d->error) ?: count > process_queue_pairs ? -EDQUOT : 0;
	if (!error) {
		kref_get(&d->ref);
		list_add(&f->node, &d->files);
	}
	mutex_unlock(&d->lock);
	return error;
}

static int tsn_open(struct inode *inode, struct file *file)
{
	struct tsn_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	int error;

	if (!f)
		return -ENOMEM;
	f->dev = container_of(file->private_data, struct tsn_device, misc);
	f->mapping = file->f_mapping;
	f->owner = get_task_pid(current, PIDTYPE_TGID);
	f->uid = current_uid();
	mutex_init(&f->lock);
	xa_init(&f->memory);
	init_waitqueue_head(&f->wait);
	file->private_data = f;
	error = tsn_admit(f->dev, f);
	if (error) {
		put_pid(f->owner);
		kfree(f);
	}
	return error;
}

/* Also when a process dies. Its mappings are gone already, as each holds the file. */
static int tsn_release(struct inode *inode, struct file *file)
{
	struct tsn_file *f = file->private_data;
	struct tsn_device *d = f->dev;
	struct tsn_memory *m;
	unsigned long i;

	mutex_lock(&d->lock);	/* the device stays until the file has left the list */
	tsn_delete_queue(f);
	xa_for_each(&f->memory, i, m)
		tsn_unmap_memory(d, m);
	list_del(&f->node);
	mutex_unlock(&d->lock);
	xa_for_each(&f->memory, i, m)
		tsn_free_memory(m);
	xa_destroy(&f->memory);
	if (f->pages)
		free_pages_exact(f->pages, f->bytes);
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
