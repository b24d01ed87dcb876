package io.twinspan.array;

import java.util.ArrayDeque;
import java.util.Objects;

/** The requests of this controller's own hosts for one pool: a fixed number at a time. */
final class HostRequests implements Operation.Source {
  static final int CAPACITY = 256;

  private final ArrayDeque<Operation> free = new ArrayDeque<>(CAPACITY);
  private final PoolUnit unit;

  HostRequests(PoolUnit unit) {
    this.unit = unit;
    for (int i = 0; i < CAPACITY; i++) {
      free.add(new Operation(this, i));
    }
  }

  int inFlight() {
    return CAPACITY - free.size();
  }

  /** Takes a request; false when there is no room. */
  boolean submit(HostRequest request) {
    Operation operation = free.poll();
    if (operation == null) {
      return false;
    }
    operation.request = request;
    operation.kind = request.operation;
    operation.volume = request.volume;
    operation.offset = request.offset;
    operation.length = request.length;
    operation.forceUnitAccess = request.forceUnitAccess;
    operation.data = request.data;
    operation.dataOffset = 0;
    operation.cancelled = false;
    operation.forwardedAs = 0;
    unit.accept(operation);
    return true;
  }

  @Override
  public void ended(Operation operation, HostStatus status) {
    HostRequest request = Objects.requireNonNull(operation.request);
    operation.request = null;
    free.add(operation);
    request.completed(status);
  }

  @Override
  public void notOwner(Operation operation) {
    throw new IllegalStateException("a host's request can't be sent elsewhere");
  }
}
