/**
 * A DMA engine in software: descriptor rings, completion records and who carries them out.
 *
 * <p>Here live the layouts, which are those of the Intel Data Streaming Accelerator (DSA), so that
 * hardware could be handed the same slots, and an engine that copies with the processor. What an
 * address means, and who may reach it, does not live here: that is asked of an {@link
 * io.twinspan.dma.AddressSpace}.
 *
 * <p>One thread posts to a ring, and one thread, the same or another one, runs the ring's engine:
 * the poster itself (<em>inline</em>), or a {@link io.twinspan.dma.DmaWorker}, the only thing here
 * that has a thread. {@link io.twinspan.dma.EngineTurns} shares one thread among several rings. The
 * protocol of indices between poster and engine is {@link io.twinspan.dma.DescriptorRing} alone.
 */
@NullMarked
package io.twinspan.dma;

import org.jspecify.annotations.NullMarked;
