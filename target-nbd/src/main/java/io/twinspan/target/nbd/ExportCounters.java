package io.twinspan.target.nbd;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;

/** Counters of one export, over all its connections. Thread-safe. */
final class ExportCounters {
  final AtomicInteger connections = new AtomicInteger();
  final LongAdder requests = new LongAdder();
  final LongAdder readBytes = new LongAdder();
  final LongAdder writtenBytes = new LongAdder();
  final LongAdder errors = new LongAdder();

  NbdStatus.Export snapshot(String name) {
    return new NbdStatus.Export(
        name, connections.get(), requests.sum(), readBytes.sum(), writtenBytes.sum(), errors.sum());
  }
}
