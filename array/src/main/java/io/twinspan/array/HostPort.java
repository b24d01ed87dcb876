package io.twinspan.array;

import io.twinspan.pool.VolumeInfo;
import java.util.List;

/** What a front end sees of a controller. Thread-safe. */
public interface HostPort {
  /**
   * Hands a request to the array.
   *
   * @return false when the array's queue is full: stop reading from hosts and try again a little
   *     later
   */
  boolean submit(HostRequest request);

  /** The volumes of both pools that this controller knows, sorted by name. */
  List<VolumeInfo> volumes();

  /** Memory for requests' data. */
  IoBuffers buffers();
}
