package io.twinspan.nvme;

import io.twinspan.linux.TwinspanException;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Drives as people name them on command lines:
 *
 * <table>
 *   <caption>Names</caption>
 *   <tr><td>{@code vfio-user:SOCKET}</td><td>a drive that another process emulates</td></tr>
 *   <tr><td>{@code vfio:0000:01:00.0}</td><td>a PCI function that is bound to vfio-pci</td></tr>
 *   <tr><td>{@code broker:SOCKET}</td><td>what a {@link Broker} lends</td></tr>
 *   <tr><td>{@code kernel:/dev/twinspan-nvme0}</td><td>what Twinspan's kernel driver lends</td></tr>
 * </table>
 *
 * <p>This process drives the first two itself, which nobody else may do at the same time; of the
 * others it has a share.
 */
public final class NvmeTarget {
  /** How a drive that another process emulates is named. */
  public static final String VFIO_USER = "vfio-user:";

  /** How a PCI function is named. */
  public static final String VFIO = "vfio:";

  /** How a drive that a broker lends is named. */
  public static final String BROKER = "broker:";

  /** All of it in one line, for messages. */
  public static final String SYNTAX =
      "vfio-user:SOCKET, vfio:PCI-ADDRESS, broker:SOCKET or kernel:/dev/twinspan-nvmeN";

  private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(10);

  private NvmeTarget() {}

  /**
   * Opens a drive or a share of one.
   *
   * @param target its name
   * @param options how to behave
   * @return the drive, READY; closed by the caller
   * @throws TwinspanException if it is not there, or not to be had; the message says why
   */
  public static QueueOwner open(String target, NvmeOptions options) {
    if (target.startsWith(BROKER)) {
      return BrokeredDrive.connect(rest(target, BROKER), options);
    }
    if (target.startsWith(KernelController.SCHEME)) {
      return KernelController.open(rest(target, KernelController.SCHEME), options);
    }
    return openController(target, options);
  }

  /**
   * Opens a drive whose controller is to be this process's alone.
   *
   * @param target its name, with {@value #VFIO_USER} or {@value #VFIO}
   * @param options how to behave
   * @return the driver, READY; closed by the caller
   * @throws TwinspanException if it is not there, not to be had, or shared with others; the message
   *     says why
   */
  public static NvmeController openController(String target, NvmeOptions options) {
    if (target.startsWith(VFIO_USER)) {
      Path socket = rest(target, VFIO_USER);
      return NvmeController.open(VfioUserDevice.connect(socket, CONNECT_TIMEOUT), options);
    }
    if (target.startsWith(VFIO)) {
      return NvmeController.open(VfioPciDevice.open(target.substring(VFIO.length())), options);
    }
    if (target.startsWith(BROKER) || target.startsWith(KernelController.SCHEME)) {
      throw new TwinspanException(
          target + " is shared with other processes: only its driver may do this to all of them");
    }
    throw new TwinspanException("\"%s\" is no drive: name it %s".formatted(target, SYNTAX));
  }

  private static Path rest(String target, String scheme) {
    return Path.of(target.substring(scheme.length()));
  }
}
