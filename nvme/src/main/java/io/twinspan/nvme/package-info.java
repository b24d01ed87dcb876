/**
 * NVM Express from user space: the specification's structures as flyweights, a driver for whole
 * controllers with private I/O queue pairs, and the two ways to reach one: VFIO for those of this
 * machine, vfio-user for emulated ones; and a broker that lends a drive to other processes.
 *
 * <p>Nothing here emulates a drive (that is {@code shelf}), and nothing but {@link
 * io.twinspan.nvme.Broker} keeps a thread: {@link io.twinspan.nvme.NvmeController} is control
 * plane, may be called from any thread and blocks, always with a deadline; {@link
 * io.twinspan.nvme.QueuePair} is data path, belongs to one thread, never blocks and allocates
 * nothing.
 */
@NullMarked
package io.twinspan.nvme;

import org.jspecify.annotations.NullMarked;
