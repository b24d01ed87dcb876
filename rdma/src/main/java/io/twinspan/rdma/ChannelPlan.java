package io.twinspan.rdma;

import io.twinspan.bridge.BridgeOptions;
import io.twinspan.bridge.Contract;
import io.twinspan.bridge.Side;
import io.twinspan.bridge.Window;
import io.twinspan.rdma.ChannelSpec.Direction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * How a link's windows are cut into logical channels; both sides must have the same one.
 *
 * <p>In a side's data window the channels' segments follow the header in the order of their
 * numbers. In a control window their control blocks ({@link ChannelLayout}) follow the bridge's
 * page likewise. A segment belongs to one channel: nothing that happens on another one reaches it.
 */
public final class ChannelPlan {
  /** The most channels a plan has. */
  public static final int MAX_CHANNELS = 16;

  /** Default channel 0: system management, tied to no storage request. Both directions. */
  public static final int MANAGEMENT = 0;

  /** Default channel 1: data from A to B. */
  public static final int DATA_A_TO_B = 1;

  /** Default channel 2: data from B to A. */
  public static final int DATA_B_TO_A = 2;

  /** Default channel 3: forwarded requests and their replies. Both directions. */
  public static final int FORWARD = 3;

  /** Default channel 4: mirrors of the commit logs. Both directions. */
  public static final int MIRROR = 4;

  private static final int VERSION = 3;
  private static final long MIB = 1 << 20;

  private final List<ChannelSpec> channels;

  /**
   * A plan.
   *
   * @param channels in the order of their numbers, which begin at 0 and have no gaps
   */
  public ChannelPlan(List<ChannelSpec> channels) {
    this.channels = List.copyOf(channels);
    if (channels.isEmpty() || channels.size() > MAX_CHANNELS) {
      throw new IllegalArgumentException("a plan of " + channels.size() + " channels");
    }
    for (int i = 0; i < channels.size(); i++) {
      if (channels.get(i).id() != i) {
        throw new IllegalArgumentException("channel " + channels.get(i).id() + " at " + i);
      }
    }
  }

  /**
   * The array's five channels, with about 25 MiB of window on either side. Management goes first;
   * the data of forwarded requests, of which there may be most, goes last.
   */
  public static ChannelPlan defaults() {
    return new ChannelPlan(
        List.of(
            new ChannelSpec(
                    MANAGEMENT, "management", Direction.BOTH, MIB / 4, MIB / 4, 1, 64, 64, 4096)
                .withPriority(0, 1),
            new ChannelSpec(DATA_A_TO_B, "data a-b", Direction.A_TO_B, 0, 8 * MIB, 1, 256, 16, 256)
                .withPriority(2, 1),
            new ChannelSpec(DATA_B_TO_A, "data b-a", Direction.B_TO_A, 8 * MIB, 0, 1, 256, 16, 256)
                .withPriority(2, 1),
            new ChannelSpec(FORWARD, "forward", Direction.BOTH, MIB, MIB, 1, 256, 256, 4096),
            new ChannelSpec(
                MIRROR, "mirror", Direction.BOTH, 16 * MIB, 16 * MIB, 1, 256, 16, 256)));
  }

  /** The same plan with another channel in the place of that with the same number. */
  public ChannelPlan with(ChannelSpec channel) {
    List<ChannelSpec> changed = new ArrayList<>(channels);
    changed.set(channel.id(), channel);
    return new ChannelPlan(changed);
  }

  /** The channels by number. */
  public List<ChannelSpec> channels() {
    return channels;
  }

  /** How long a side's data window is, in bytes. */
  public long windowBytes(Side side) {
    return segmentOffset(channels.size(), side);
  }

  /** How long a control window is, in bytes; the same for both sides. */
  public long controlBytes() {
    return Window.HEADER_BYTES + controlOffset(channels.size());
  }

  /**
   * Makes a bridge's options fit this plan.
   *
   * @param <T> the provider's options
   * @param options get the plan's contract and sizes
   * @return the same options
   */
  public <T extends BridgeOptions<T>> T fit(T options) {
    return options
        .contract(contract())
        .windowBytes(windowBytes(options.side()))
        .controlBytes(controlBytes());
  }

  /** What a bridge has to agree on with the peer: this plan, byte by byte. */
  public Contract contract() {
    return new Contract(encode(), this::difference);
  }

  /** Where a channel's segment begins in a side's data window, in bytes. */
  long segmentOffset(int id, Side side) {
    long offset = Window.HEADER_BYTES;
    for (int i = 0; i < id; i++) {
      offset += channels.get(i).segmentBytes(side);
    }
    return offset;
  }

  /** Where a channel's control block begins above the bridge's page, in bytes. */
  long controlOffset(int id) {
    long offset = 0;
    for (int i = 0; i < id; i++) {
      offset += ChannelLayout.bytes(channels.get(i));
    }
    return offset;
  }

  /** One line per channel: unequal lines tell people what is different. */
  private byte[] encode() {
    StringBuilder text = new StringBuilder("plan ").append(VERSION).append('\n');
    for (ChannelSpec c : channels) {
      text.append(
          "%d %s %s %d %d %d %d %d %d %d %d %d %s\n"
              .formatted(
                  c.id(),
                  c.name(),
                  c.direction(),
                  c.segmentBytesA(),
                  c.segmentBytesB(),
                  c.queuePairs(),
                  c.sendDepth(),
                  c.receiveDepth(),
                  c.maxInlineBytes(),
                  c.sharedReceiveDepth(),
                  c.priority(),
                  c.weight(),
                  c.crc() ? "crc" : "-"));
    }
    return text.toString().getBytes(StandardCharsets.US_ASCII);
  }

  private Optional<String> difference(byte[] peers) {
    byte[] own = encode();
    if (Arrays.equals(own, peers)) {
      return Optional.empty();
    }
    List<String> ours = new String(own, StandardCharsets.US_ASCII).lines().toList();
    List<String> theirs = new String(peers, StandardCharsets.US_ASCII).lines().toList();
    for (int i = 0; i < ours.size(); i++) {
      String line = i < theirs.size() ? theirs.get(i) : "nothing";
      if (!ours.get(i).equals(line)) {
        String printable = line.replaceAll("[^\\p{Graph} ]", "?");
        return Optional.of(
            "channel plans differ: '%s' here, '%s' there".formatted(ours.get(i), printable));
      }
    }
    return Optional.of(
        "channel plans differ: %d and %d lines".formatted(ours.size(), theirs.size()));
  }
}
