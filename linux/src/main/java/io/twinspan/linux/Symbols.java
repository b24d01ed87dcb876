package io.twinspan.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Locale;
import java.util.Optional;

/** Finds functions of the C library and links them so that a call leaves its errno behind. */
final class Symbols {
  private static final Linker LINKER = Linker.nativeLinker();
  private static final StructLayout CAPTURE = Linker.Option.captureStateLayout();
  private static final VarHandle ERRNO =
      CAPTURE.varHandle(MemoryLayout.PathElement.groupElement("errno"));

  /** Where the linker leaves errno; per thread, because calls overlap. */
  private static final ThreadLocal<MemorySegment> STATE =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(CAPTURE));

  static {
    String os = System.getProperty("os.name", "unknown").toLowerCase(Locale.ROOT);
    if (!os.equals("linux")
        || ADDRESS.byteSize() != Long.BYTES
        || ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
      throw new TwinspanException("Twinspan needs 64-bit little-endian Linux, and this is " + os);
    }
  }

  private Symbols() {}

  /** Where a linked function of this thread leaves errno: its first argument. */
  static MemorySegment state() {
    return STATE.get();
  }

  /** What the last call has left, if it failed. */
  static int errno(MemorySegment state) {
    return (int) ERRNO.get(state, 0L);
  }

  /** Links a function. */
  static MethodHandle link(String name, MemoryLayout result, MemoryLayout... arguments) {
    return link(found(name), FunctionDescriptor.of(result, arguments), capture());
  }

  /** Links a function that older C libraries lack. */
  static Optional<MethodHandle> linkIfPresent(
      String name, MemoryLayout result, MemoryLayout... arguments) {
    FunctionDescriptor descriptor = FunctionDescriptor.of(result, arguments);
    return LINKER.defaultLookup().find(name).map(s -> link(s, descriptor, capture()));
  }

  /** Links a function whose arguments from index {@code firstVariadic} on are variadic. */
  static MethodHandle variadic(
      int firstVariadic, String name, MemoryLayout result, MemoryLayout... arguments) {
    return link(
        found(name),
        FunctionDescriptor.of(result, arguments),
        capture(),
        Linker.Option.firstVariadicArg(firstVariadic));
  }

  private static MethodHandle link(
      MemorySegment symbol, FunctionDescriptor descriptor, Linker.Option... options) {
    return LINKER.downcallHandle(symbol, descriptor, options);
  }

  private static MemorySegment found(String name) {
    return LINKER
        .defaultLookup()
        .find(name)
        .orElseThrow(() ->
            new TwinspanException(
                "the C library has no function " + name + "; glibc 2.28 or later has"));
  }

  private static Linker.Option capture() {
    return Linker.Option.captureCallState("errno");
  }

  /** What invokeExact throws is either unchecked (a closed arena, say) or a bug of the caller. */
  static RuntimeException propagate(Throwable e) {
    if (e instanceof RuntimeException unchecked) {
      return unchecked;
    }
    if (e instanceof Error error) {
      throw error;
    }
    return new IllegalStateException(e);
  }
}
