package io.twinspan.shelf;

import io.twinspan.nvme.LendableDoorbells;

/**
 * A queue pair that was lent to another process. The drive's agent thread owns its doorbells, whose
 * bell hangs up when the queue pair is taken away.
 *
 * @param domain whose memory and blocks its commands may name
 * @param doorbells of its own
 */
record LentQueue(QueueDomain domain, LendableDoorbells doorbells) {}
