package io.twinspan.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ParityCodeTest {
  private static final int LENGTH = 2 * Drive.BLOCK_BYTES;
  private static final String ISAL = "libisal.so.2";

  private final ParityCode code = new ParityCode();

  @Test
  void agreesWithTheDefinition() {
    for (int data = 1; data <= 14; data++) {
      byte[][] columns = random(data, 100 + data);
      MemorySegment stripe = store(columns);
      code.encode(stripe, 0, LENGTH, data, LENGTH);
      byte[] q = new byte[LENGTH];
      byte[] p = new byte[LENGTH];
      int power = 1;
      for (byte[] column : columns) {
        for (int i = 0; i < LENGTH; i++) {
          p[i] ^= column[i];
          q[i] ^= (byte) product(power, column[i] & 0xff);
        }
        power = product(power, 2);
      }
      assertThat(column(stripe, data)).as("P of " + data).isEqualTo(p);
      assertThat(column(stripe, data + 1)).as("Q of " + data).isEqualTo(q);
    }
  }

  @Test
  void makesAnyOneOrTwoColumnsAgain() {
    for (int data = 1; data <= 14; data++) {
      MemorySegment stripe = store(random(data, 200 + data));
      code.encode(stripe, 0, LENGTH, data, LENGTH);
      byte[] all = stripe.toArray(ValueLayout.JAVA_BYTE);
      for (int first = 0; first < data + 2; first++) {
        for (int second = ParityCode.NONE; second < data + 2; second++) {
          if (first != second) {
            damage(stripe, first);
            damage(stripe, second);
            code.recover(stripe, 0, LENGTH, data, LENGTH, first, second);
            assertThat(stripe.toArray(ValueLayout.JAVA_BYTE))
                .as("columns %d and %d of %d + 2", first, second, data)
                .isEqualTo(all);
          }
        }
      }
    }
  }

  @Test
  void worksInAPartOfASegmentAndTouchesNothingElse() {
    int data = 4;
    MemorySegment stripe = store(random(data, 7));
    code.encode(stripe, 0, LENGTH, data, LENGTH);
    byte[] all = stripe.toArray(ValueLayout.JAVA_BYTE);
    MemorySegment second = stripe.asSlice(Drive.BLOCK_BYTES);
    second.asSlice(LENGTH, Drive.BLOCK_BYTES).fill((byte) 1);
    code.recover(stripe, Drive.BLOCK_BYTES, LENGTH, data, Drive.BLOCK_BYTES, 1, ParityCode.NONE);
    assertThat(stripe.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(all);
  }

  @Test
  void refusesColumnsThatThereAreNot() {
    MemorySegment stripe = store(random(2, 1));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> code.recover(stripe, 0, LENGTH, 2, LENGTH, 4, 0));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> code.recover(stripe, 0, LENGTH, 2, LENGTH, 1, 1));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> code.recover(stripe, 0, LENGTH, 2, 512, 1, 0));
  }

  /**
   * Both ways: ISA-L's parities are ours, and ISA-L takes ours for right, and a changed one not.
   */
  @Test
  void agreesWithIsal() throws Throwable {
    SymbolLookup isal = isal();
    MethodHandle generate = function(isal, "pq_gen");
    MethodHandle check = function(isal, "pq_check");
    for (int data = 2; data <= 14; data++) {
      MemorySegment stripe = store(random(data, 300 + data));
      MemorySegment pointers =
          Arena.ofAuto().allocate(ValueLayout.ADDRESS, data + 2L); // one for each column
      for (int column = 0; column < data + 2; column++) {
        pointers.setAtIndex(
            ValueLayout.ADDRESS, column, stripe.asSlice((long) column * LENGTH, LENGTH));
      }
      assertThat((int) generate.invokeExact(data + 2, LENGTH, pointers)).isZero();
      byte[] theirs = stripe.toArray(ValueLayout.JAVA_BYTE);
      damage(stripe, data);
      damage(stripe, data + 1);
      code.encode(stripe, 0, LENGTH, data, LENGTH);
      assertThat(stripe.toArray(ValueLayout.JAVA_BYTE)).as("%d + 2", data).isEqualTo(theirs);
      damage(stripe, 0);
      damage(stripe, data - 1);
      code.recover(stripe, 0, LENGTH, data, LENGTH, 0, data - 1);
      assertThat((int) check.invokeExact(data + 2, LENGTH, pointers)).isZero();
      damage(stripe, data + 1);
      assertThat((int) check.invokeExact(data + 2, LENGTH, pointers)).isNotZero();
    }
  }

  private static SymbolLookup isal() {
    try {
      return SymbolLookup.libraryLookup(ISAL, Arena.global());
    } catch (IllegalArgumentException e) {
      String reason = "not installed: " + ISAL + " (Debian: libisal2)";
      return System.getenv().containsKey("CI") ? fail(reason) : abort(reason);
    }
  }

  private static MethodHandle function(SymbolLookup library, String name) {
    return Linker.nativeLinker()
        .downcallHandle(
            library.find(name).orElseThrow(),
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS));
  }

  private static int product(int a, int b) {
    int sum = 0;
    for (int bit = 0; bit < 8; bit++) {
      sum ^= (b >> bit & 1) != 0 ? a << bit : 0;
    }
    for (int bit = 14; bit >= 8; bit--) {
      sum ^= (sum >> bit & 1) != 0 ? 0x11d << (bit - 8) : 0;
    }
    return sum;
  }

  private static byte[][] random(int columns, long seed) {
    byte[][] bytes = new byte[columns][LENGTH];
    Random random = new Random(seed);
    for (byte[] column : bytes) {
      random.nextBytes(column);
    }
    return bytes;
  }

  private static MemorySegment store(byte[][] columns) {
    MemorySegment stripe = Arena.ofAuto().allocate((columns.length + 2L) * LENGTH, 64);
    for (int i = 0; i < columns.length; i++) {
      MemorySegment.copy(columns[i], 0, stripe, ValueLayout.JAVA_BYTE, (long) i * LENGTH, LENGTH);
    }
    return stripe;
  }

  private static byte[] column(MemorySegment stripe, int index) {
    return stripe.asSlice((long) index * LENGTH, LENGTH).toArray(ValueLayout.JAVA_BYTE);
  }

  private static void damage(MemorySegment stripe, int column) {
    if (column >= 0) {
      stripe.asSlice((long) column * LENGTH, LENGTH).fill((byte) 0xdb);
    }
  }
}
