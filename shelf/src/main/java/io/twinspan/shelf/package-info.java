/**
 * An emulated NVMe subsystem: drives with two ports and shared namespaces in files, served over
 * vfio-user to any client that speaks it.
 *
 * <p>Here live the controller's registers, queues, admin and I/O commands, reservations, the media
 * behind the namespaces and the vfio-user server. Structures and constants of the NVM Express and
 * vfio-user specifications live in {@code nvme}, together with the driver for the other side.
 *
 * <p>Each drive has one agent thread, which owns everything of that drive (both ports, both
 * namespaces, all connections), and one flush thread, which only calls {@code fdatasync}. Drives
 * share nothing.
 *
 * <p>Data is as durable as the host's file system makes it: written to the page cache, which the
 * death of the shelf does not harm, and stable after a Flush. To hosts the end of the shelf is a
 * loss of the drives' power: features are lost, and reservations that were not to persist; health
 * and blocks that can't be read are kept in a file beside the images.
 *
 * <p>Everything a client sends or leaves in shared memory is untrusted: read once, bounded, then
 * used.
 */
@NullMarked
package io.twinspan.shelf;

import org.jspecify.annotations.NullMarked;
