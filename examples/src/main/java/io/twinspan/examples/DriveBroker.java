package io.twinspan.examples;

import io.twinspan.nvme.Broker;
import io.twinspan.nvme.BrokerOptions;
import io.twinspan.nvme.NvmeController;
import io.twinspan.nvme.NvmeOptions;
import io.twinspan.nvme.NvmeTarget;
import java.io.IOException;
import java.nio.file.Path;

/** Takes a drive and lends it to other processes of this machine, until its input ends. */
public final class DriveBroker {
  private DriveBroker() {}

  /** Usage: vfio:PCI-ADDRESS|vfio-user:SOCKET SOCKET. */
  public static void main(String[] args) throws IOException {
    BrokerOptions options = BrokerOptions.DEFAULTS.withSocketMode(0666); // everybody may connect
    try (NvmeController drive = NvmeTarget.openController(args[0], NvmeOptions.DEFAULTS);
        Broker broker = Broker.start(drive, Path.of(args[1]), options)) {
      System.out.println("lending " + drive.identifyController().modelNumber());
      System.out.println(broker.isDirect() ? "past this process" : "through this process");
      while (System.in.read() >= 0) {
        // until the input ends
      }
    }
  }
}
