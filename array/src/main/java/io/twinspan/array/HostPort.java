package io.twinspan.array;

import io.twinspan.pool.VolumeInfo;
import java.util.List;

/** What a front end sees of a controller. Thread-safe. */
public interface HostPort {
  /**
   * Hands a request to the array, which may not begin with it before {@link #submitted()}.
   *
   * @return false when the array's queue is full: stop reading from hosts and try again a little
   *     later
   */
  boolean submit(HostRequest request);

  /**
   * Says that there are requests of the calling thread to begin with; call it after one or several.
   * The calling thread may do the array's work, and so be told of answers, also of others'
   * requests, before this returns.
   */
  void submitted();

  /** The volumes of both pools that this controller knows, sorted by name. */
  List<VolumeInfo> volumes();

  /** Memory for requests' data. */
  IoBuffers buffers();
}
