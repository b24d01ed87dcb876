package io.twinspan.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class AffinityTest {
  @Test
  void aThreadIsPinnedAndOthersAreNot() throws InterruptedException {
    List<Integer> before = Affinity.allowed();
    assertThat(before).isNotEmpty().isSorted();
    int last = before.getLast();
    List<Integer> pinned = new ArrayList<>();

    Thread thread =
        Thread.ofPlatform()
            .start(() -> {
              Affinity.pin(last);
              pinned.addAll(Affinity.allowed());
            });
    thread.join();

    assertThat(pinned).containsExactly(last);
    assertThat(Affinity.allowed()).isEqualTo(before);
  }

  @Test
  void aProcessorThatIsNotThereIsRefused() {
    assertThatThrownBy(() -> Affinity.pin(1023))
        .isInstanceOf(ErrnoException.class)
        .hasMessageContaining("processor 1023");
    assertThatThrownBy(() -> Affinity.pin(-1)).isInstanceOf(IllegalArgumentException.class);
  }
}
