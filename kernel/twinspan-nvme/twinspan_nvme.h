/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What /dev/twinspan-nvmeN offers to processes. An open file has at most one queue pair, and
 * registered memory; the drive's queue pairs can all use the memory of all files.
 *
 * All sizes are in bytes. Calls return 0, or -1 with errno:
 *   EPERM   not allowed: by the policy for admin commands, or the file was opened for reading only
 *   EINVAL  an argument that can't be right
 *   EBUSY   the file has, or had, a queue pair: open another one
 *   EDQUOT  from open: the process has as many files open as it may
 *   ENOMEM  also: RLIMIT_MEMLOCK does not allow so much registered memory
 *   ENOSPC  the drive has no queue pair left, or the queue pair no interrupt vector
 *   EIO     the controller refused the queue pair, or is being reset
 *   ENODEV  the drive is gone, or was reset since the file was opened: open it anew
 */
#ifndef _UAPI_TWINSPAN_NVME_H
#define _UAPI_TWINSPAN_NVME_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define TWINSPAN_NVME_VERSION		2

/* The most data of an admin command. */
#define TWINSPAN_NVME_ADMIN_BYTES	131072

/* Doorbells can be mapped; otherwise they are rung by TWINSPAN_NVME_RING. */
#define TWINSPAN_NVME_DIRECT_DOORBELLS	1

struct twinspan_nvme_info {
	__u32 version;
	__u32 flags;
	__u64 cap;			/* the controller's registers CAP and CSTS */
	__u32 csts;
	__u32 queue_pairs;		/* of the drive, for all processes */
	__u32 process_queue_pairs;	/* the most for one process */
	__u32 interrupts;		/* queue pairs with an identifier below have an interrupt */
};

/*
 * The driver puts in the data pointer; opcode bits 0 and 1 tell which way the data goes. Metadata,
 * SGLs and fused commands are not possible. One command at a time is carried out for all processes.
 */
struct twinspan_nvme_admin {
	__u8 opcode;
	__u8 reserved[3];
	__u32 nsid;
	__le32 cdw10_15[6];
	__u64 data;		/* address */
	__u32 length;
	__u32 reserved2;
	__u32 status;		/* out: SC, SCT, CRD, M and DNR of the completion, 0 for success */
	__u32 result;		/* out: dword 0 of the completion */
};

/*
 * Any part of the file's first so many bytes can be mapped then, with MAP_SHARED: a page with the
 * doorbells, 32 bits wide, if flags says so; the submission queue; the completion queue. Forked
 * processes do not inherit the mappings.
 */
#define TWINSPAN_NVME_SQ_OFFSET		4096

struct twinspan_nvme_queue {
	__u32 entries;		/* in: of each queue, 2 to 4096 or what CAP.MQES allows */
	__s32 event_fd;		/* in: an eventfd to be signalled for completions, or -1 */
	__u32 flags;
	__u32 id;
	__u32 cq_offset;
	__u32 bytes;
	__u32 sq_doorbell;
	__u32 cq_doorbell;
};

/* A value of -1 leaves that doorbell alone. */
struct twinspan_nvme_ring {
	__s32 sq_tail;
	__s32 cq_head;
};

/* The memory stays pinned; the drive finds it in one piece at iova. */
struct twinspan_nvme_memory {
	__u64 address;		/* multiples of 4096; less than 4 GiB */
	__u64 length;
	__u64 iova;
};

#define TWINSPAN_NVME_INFO		_IOR(0xbc, 0, struct twinspan_nvme_info)
#define TWINSPAN_NVME_ADMIN		_IOWR(0xbc, 1, struct twinspan_nvme_admin)
#define TWINSPAN_NVME_CREATE_QUEUE	_IOWR(0xbc, 2, struct twinspan_nvme_queue)

/* When this returns the drive carries out no command of the queue pair any more. */
#define TWINSPAN_NVME_DELETE_QUEUE	_IO(0xbc, 3)
#define TWINSPAN_NVME_RING		_IOW(0xbc, 4, struct twinspan_nvme_ring)
#define TWINSPAN_NVME_REGISTER		_IOWR(0xbc, 5, struct twinspan_nvme_memory)

/*
 * By iova. When this returns the drive can't reach the memory any more: commands that still name it
 * fail.
 */
#define TWINSPAN_NVME_UNREGISTER	_IOW(0xbc, 6, __u64)

#endif /* _UAPI_TWINSPAN_NVME_H */
