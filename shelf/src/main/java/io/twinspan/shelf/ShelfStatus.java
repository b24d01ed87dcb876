package io.twinspan.shelf;

import java.util.List;

/**
 * What a shelf and its drives are doing, at one moment for each drive.
 *
 * @param drives in the order of their numbers
 */
public record ShelfStatus(List<Drive> drives) {
  /** Copies the list. */
  public ShelfStatus {
    drives = List.copyOf(drives);
  }

  /**
   * One drive.
   *
   * @param number its number, from 0
   * @param state {@code running}, {@code busy} if it did not answer in time, or {@code stopped}
   * @param model model number
   * @param serial serial number
   * @param firmware firmware revision
   * @param sizeBytes capacity, all namespaces together
   * @param namespaces the parts that it has
   * @param reservations type and number of registrants of each namespace
   * @param ports its ports; empty unless running
   */
  public record Drive(
      int number,
      String state,
      String model,
      String serial,
      String firmware,
      long sizeBytes,
      List<NamespaceSize> namespaces,
      List<Reservation> reservations,
      List<Port> ports) {
    /** Copies the lists. */
    public Drive {
      namespaces = List.copyOf(namespaces);
      reservations = List.copyOf(reservations);
      ports = List.copyOf(ports);
    }
  }

  /**
   * One namespace.
   *
   * @param nsid its identifier
   * @param sizeBytes its size
   * @param blockBytes size of a block
   */
  public record NamespaceSize(int nsid, long sizeBytes, int blockBytes) {}

  /**
   * The reservation of one namespace.
   *
   * @param nsid the namespace
   * @param type RTYPE, 0 for none
   * @param registrants how many hosts are registered
   * @param generation counts changes of registrations
   */
  public record Reservation(int nsid, int type, int registrants, int generation) {}

  /**
   * One port.
   *
   * @param name its name
   * @param socket path of its vfio-user socket
   * @param clientPid the process that is connected, 0 if none is
   * @param state of its controller: {@code disabled}, {@code ready}, {@code shutting_down}, {@code
   *     shut_down} or {@code failed}
   * @param queues submission queues, the admin queue (0) among them
   */
  public record Port(String name, String socket, int clientPid, String state, List<Queue> queues) {
    /** Copies the list. */
    public Port {
      queues = List.copyOf(queues);
    }
  }

  /**
   * One submission queue, counted since it was created.
   *
   * @param id queue identifier, 0 for the admin queue
   * @param depth entries
   * @param commands commands fetched
   * @param bytes bytes read and written
   * @param errors commands that did not succeed
   */
  public record Queue(int id, int depth, long commands, long bytes, long errors) {}
}
