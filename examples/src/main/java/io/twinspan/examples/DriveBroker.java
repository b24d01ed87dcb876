package io.twinspan.examples;

import io.twinspan.nvme.Broker;
import io.twinspan.nvme.BrokerOptions;
import io.twinspan.nvme.NvmeController;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.PciDevice;
import io.twinspan.nvme.VfioPciDevice;
import io.twinspan.nvme.VfioUserDevice;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;

/** Takes a drive and lends it to other processes of this machine, until its input ends. */
public final class DriveBroker {
  private static final String VFIO_USER = "vfio-user:";
  private static final String VFIO = "vfio:";

  private DriveBroker() {}

  /** Usage: vfio:PCI-ADDRESS|vfio-user:SOCKET SOCKET. */
  public static void main(String[] args) throws IOException {
    BrokerOptions options = BrokerOptions.DEFAULTS.withSocketMode(0666); // everybody may connect
    try (NvmeController drive = NvmeController.open(device(args[0]), NvmeOptions.DEFAULTS);
        Broker _ = Broker.start(drive, Path.of(args[1]), options)) {
      System.out.println("lending " + drive.identifyController().modelNumber());
      while (System.in.read() >= 0) {
        // until the input ends
      }
    }
  }

  private static PciDevice device(String name) {
    if (name.startsWith(VFIO_USER)) {
      Path socket = Path.of(name.substring(VFIO_USER.length()));
      return VfioUserDevice.connect(socket, Duration.ofSeconds(10));
    }
    if (name.startsWith(VFIO)) {
      return VfioPciDevice.open(name.substring(VFIO.length()));
    }
    throw new IllegalArgumentException(name + " is neither vfio:… nor vfio-user:…");
  }
}
