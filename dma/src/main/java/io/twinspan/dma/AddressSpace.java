package io.twinspan.dma;

/**
 * What addresses in descriptors mean, and who may reach them: the place of an IOMMU.
 *
 * <p>The engine's thread asks for every transfer: it resolves, copies, and asks again whether the
 * right still {@linkplain #stillGranted holds}, with a full fence between, which may be the same
 * for several transfers. So an owner who takes a right back, with a full fence after, knows that
 * every transfer which reports success was visible to him before. Implementations allocate nothing
 * and answer with a status.
 */
public interface AddressSpace {
  /**
   * Resolves an address to read from.
   *
   * @param address {@link DmaAddress}
   * @param lengthBytes how much will be read, at least 1
   * @param into takes the answer
   * @return whether the whole range may be read
   */
  boolean resolveSource(long address, int lengthBytes, Translation into);

  /**
   * Resolves an address to write to.
   *
   * @param address {@link DmaAddress}
   * @param lengthBytes how much will be written, at least 1
   * @param into takes the answer
   * @return whether the whole range may be written
   */
  boolean resolveDestination(long address, int lengthBytes, Translation into);

  /**
   * Whether a destination that was resolved may still be written. The engine calls it after a full
   * fence, once a transfer is carried out.
   *
   * @param slot what {@link #resolveDestination} noted
   * @param witness what {@link #resolveDestination} noted
   */
  boolean stillGranted(long slot, long witness);
}
