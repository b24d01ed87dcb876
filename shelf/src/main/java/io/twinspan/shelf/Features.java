package io.twinspan.shelf;

import io.twinspan.nvme.Feature;
import io.twinspan.nvme.Status;
import java.util.Arrays;

/**
 * The features of one controller (NVM Express 1.4, section 5.21.1); a controller reset makes them
 * new.
 */
final class Features {
  private static final int CACHE_ENABLED = 1;

  private final int controllerId;
  private final int[] values = new int[256];
  private HostIdentity host;
  private boolean extendedHostId;

  Features(int controllerId) {
    this.controllerId = controllerId;
    host = HostIdentity.unnamed(controllerId);
    reset();
  }

  /** Sets everything to its default. */
  void reset() {
    Arrays.fill(values, 0);
    values[Feature.TEMPERATURE_THRESHOLD] = 0x157; // 70 °C in kelvin
    values[Feature.VOLATILE_WRITE_CACHE] = CACHE_ENABLED;
    int queues = NvmeController.IO_QUEUES - 1;
    values[Feature.NUMBER_OF_QUEUES] = queues | (queues << 16);
    host = HostIdentity.unnamed(controllerId);
    extendedHostId = false;
  }

  /** Who stands behind the controller. */
  HostIdentity host() {
    return host;
  }

  /** Whether the host gave its identifier with 128 bits. */
  boolean extendedHostId() {
    return extendedHostId;
  }

  void host(long low, long high, boolean extended) {
    host = HostIdentity.of(low, high, controllerId);
    extendedHostId = extended;
  }

  /** Whether a write may complete before it is stable. */
  boolean writeCache() {
    return (values[Feature.VOLATILE_WRITE_CACHE] & CACHE_ENABLED) != 0;
  }

  /** Whether the controller has the feature; the host identifier and those of namespaces aside. */
  static boolean has(int feature) {
    return switch (feature) {
      case Feature.ARBITRATION,
          Feature.POWER_MANAGEMENT,
          Feature.TEMPERATURE_THRESHOLD,
          Feature.ERROR_RECOVERY,
          Feature.VOLATILE_WRITE_CACHE,
          Feature.NUMBER_OF_QUEUES,
          Feature.INTERRUPT_COALESCING,
          Feature.INTERRUPT_VECTOR,
          Feature.WRITE_ATOMICITY,
          Feature.ASYNC_EVENT,
          Feature.RESERVATION_NOTIFICATION_MASK ->
          true;
      default -> false;
    };
  }

  /** The current value; for the interrupt vector configuration the vector asked for is returned. */
  int get(int feature, int cdw11) {
    return feature == Feature.INTERRUPT_VECTOR ? cdw11 & 0xffff : values[feature];
  }

  /** Sets a value that {@link #has} knows; returns the status. */
  int set(int feature, int cdw11, boolean queuesExist) {
    switch (feature) {
      case Feature.NUMBER_OF_QUEUES:
        if (queuesExist) {
          return Status.COMMAND_SEQUENCE_ERROR;
        }
        boolean invalid = (cdw11 & 0xffff) == 0xffff || cdw11 >>> 16 == 0xffff;
        return invalid ? Status.INVALID_FIELD : Status.SUCCESS; // all there are, always
      case Feature.POWER_MANAGEMENT:
        return (cdw11 & 0x1f) != 0 ? Status.INVALID_FIELD : Status.SUCCESS;
      case Feature.INTERRUPT_VECTOR:
        return (cdw11 & 0xffff) >= NvmeController.VECTORS ? Status.INVALID_FIELD : Status.SUCCESS;
      case Feature.VOLATILE_WRITE_CACHE:
        values[feature] = cdw11 & CACHE_ENABLED;
        return Status.SUCCESS;
      default:
        values[feature] = cdw11;
        return Status.SUCCESS;
    }
  }
}
