// SPDX-License-Identifier: GPL-2.0
/*
 * Calls /dev/twinspan-nvmeN with arguments that are wrong, or right at the wrong time: fuzz DEVICE
 * SEED CALLS. It ends well if the kernel does; what it does depends on the seed only, as far as the
 * kernel's answers do.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../twinspan-nvme/twinspan_nvme.h"

#define BUFFER (1 << 20)
#define MAPPINGS 16
#define NUMBERS 32

static uint64_t state;
static const char *path;
static int fd;
static int event;
static char *buffer;
static struct { void *address; size_t length; } mappings[MAPPINGS];
/* What the kernel has answered: identifiers, offsets, addresses, sizes. */
static uint64_t answers[NUMBERS];

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint64_t number(void)
{
	static const uint64_t edges[] = {
		0, 1, 2, 63, 64, 65, 4095, 4096, 4097, 131072, 131073, 0x7fffffff, 0x80000000,
		0xffffffff, 0x100000000, 1ULL << 40, 1ULL << 52, 1ULL << 63, ~0ULL, ~4095ULL,
	};

	switch (any() % 6) {
	case 0:
		return any();
	case 1:
		return edges[any() % (sizeof(edges) / sizeof(*edges))];
	case 2:
		return (uintptr_t)buffer + (any() % BUFFER & ~4095ULL);
	case 3:
		return any() % 16;
	case 4:
		return answers[any() % NUMBERS];
	default:
		return (any() % 64 + 1) * 4096;
	}
}

static void random_words(void *to, size_t bytes)
{
	for (size_t i = 0; i + 4 <= bytes; i += 4) {
		uint64_t value = number();

		memcpy((char *)to + i, &value, 4);
		if (i + 8 <= bytes && any() % 2) {
			memcpy((char *)to + i, &value, 8);
			i += 4;
		}
	}
}

/* Arguments that may well be accepted, so that there is something to break. */
static void plausible(unsigned int request, void *argument)
{
	struct twinspan_nvme_queue *queue = argument;
	struct twinspan_nvme_memory *memory = argument;
	struct twinspan_nvme_admin *admin = argument;

	if (request == TWINSPAN_NVME_CREATE_QUEUE) {
		queue->entries = 2 + any() % 100;
		queue->event_fd = any() % 2 ? event : -1;
	} else if (request == TWINSPAN_NVME_REGISTER) {
		memory->address = (uintptr_t)buffer + 4096 * (any() % 128);
		memory->length = 4096 * (1 + any() % 128);
	} else if (request == TWINSPAN_NVME_ADMIN) {
		admin->opcode = any() % 4 ? 6 : 2;
		admin->cdw10_15[0] = any() % 8;
		admin->nsid = any() % 3;
		admin->data = (uintptr_t)buffer;
		admin->length = any() % 20000;
	}
}

static void call(void)
{
	static const unsigned int requests[] = {
		TWINSPAN_NVME_INFO, TWINSPAN_NVME_ADMIN, TWINSPAN_NVME_CREATE_QUEUE,
		TWINSPAN_NVME_DELETE_QUEUE, TWINSPAN_NVME_RING, TWINSPAN_NVME_REGISTER,
		TWINSPAN_NVME_UNREGISTER,
	};
	unsigned int request = requests[any() % 7];
	char argument[4096] __attribute__((aligned(8)));
	void *where = argument;

	if (any() % 50 == 0)
		request ^= 1U << any() % 32;
	random_words(argument, 64);
	if (any() % 2)
		plausible(request, argument);
	if (any() % 50 == 0)
		where = (void *)(uintptr_t)number();
	if (ioctl(fd, request, where) == 0 && where == argument) {
		uint64_t answer;

		memcpy(&answer, argument + any() % 7 * 8, 8);
		answers[any() % NUMBERS] = answer;
		memcpy(&answer, argument + 16, 8);
		answers[any() % NUMBERS] = answer;
		answers[any() % NUMBERS] = (uint32_t)answer;
	}
}

static void map(void)
{
	int i = any() % MAPPINGS;
	uint64_t offset = any() % 2 ? number() : any() % 5 << 12;

	if (mappings[i].address) {
		size_t part = any() % 4 ? mappings[i].length : 4096;

		munmap(mappings[i].address, part);
		if (part < mappings[i].length)
			munmap((char *)mappings[i].address + part, mappings[i].length - part);
		mappings[i].address = NULL;
		return;
	}
	mappings[i].length = any() % 3 ? (any() % 3 + 1) * 4096 : number() % (1 << 20) + 1;
	mappings[i].address = mmap(NULL, mappings[i].length, PROT_READ | PROT_WRITE,
				   any() % 8 ? MAP_SHARED : MAP_PRIVATE, fd, offset & ~4095ULL);
	if (mappings[i].address == MAP_FAILED)
		mappings[i].address = NULL;
	else	/* submission entries that mean nothing, doorbells that ring */
		random_words(mappings[i].address, 4096);
}

static void reopen(void)
{
	close(fd);
	fd = open(path, any() % 8 ? O_RDWR : O_RDONLY);
	if (fd < 0 && errno != EIO && errno != ENODEV) {
		perror(path);
		exit(1);
	}
}

int main(int count, char **arguments)
{
	long calls;

	if (count != 4)
		return 2;
	path = arguments[1];
	state = strtoull(arguments[2], NULL, 0) * 0x9e3779b97f4a7c15ULL + 1;
	calls = atol(arguments[3]);
	fd = open(path, O_RDWR);
	event = eventfd(0, EFD_NONBLOCK);
	buffer = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || event < 0 || buffer == MAP_FAILED) {
		perror(path);
		return 1;
	}
	for (long i = 0; i < calls; i++) {
		unsigned int what = any() % 100;

		if (what < 80)
			call();
		else if (what < 99)
			map();
		else
			reopen();
	}
	printf("%ld calls from seed %s\n", calls, arguments[2]);
	return 0;
}
