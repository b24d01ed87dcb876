package io.twinspan.nvme;

/** A broker whose drive can't keep processes apart, so that it must check every command itself. */
class MediatedBrokerProcessesTest extends BrokerProcessesTest {
  @Override
  PciDevice device(VfioUserDevice shelfs) {
    return new PlainDevice(shelfs);
  }

  @Override
  boolean isDirect() {
    return false;
  }
}
