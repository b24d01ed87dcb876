package io.twinspan.nvme;

/**
 * A range of a device's DMA address space that memory of this process is mapped to.
 *
 * @param iova first DMA address, a multiple of 4096
 * @param lengthBytes size, a multiple of 4096
 */
public record DmaRegion(long iova, long lengthBytes) {}
