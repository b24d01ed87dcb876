package io.twinspan.nvme;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The payload of the vfio-user VERSION message: version, and the capabilities that matter to us.
 *
 * @param major major version, must be the same on both sides
 * @param minor minor version, the smaller of both counts
 * @param maxFds most descriptors that the sender takes with one message; 1 when not told
 * @param maxDataBytes most bytes that the sender takes in one REGION or DMA access; 1 MiB when not
 *     told
 * @param domains how many {@link QueueDomain domains} the sender can hold; 0 when not told, as by
 *     everybody but us
 */
public record VfioUserVersion(int major, int minor, int maxFds, int maxDataBytes, int domains) {
  /** What we say of ourselves. */
  public static final VfioUserVersion OURS =
      new VfioUserVersion(
          VfioUser.VERSION_MAJOR,
          VfioUser.VERSION_MINOR,
          VfioUser.MAX_FDS,
          VfioUser.MAX_DATA_BYTES,
          0);

  /** Beside the names of the specification, so nobody else's. */
  private static final String DOMAINS = "io.twinspan.domains";

  private static final int DEFAULT_FDS = 1;
  private static final int DEFAULT_DATA_BYTES = 1 << 20;

  /** {@return the JSON text with its terminating zero byte} */
  public byte[] json() {
    String text =
        "{\"capabilities\":{\"max_msg_fds\":%d,\"max_data_xfer_size\":%d,\"pgsizes\":4096%s}}\0"
            .formatted(
                maxFds, maxDataBytes, domains == 0 ? "" : ",\"%s\":%d".formatted(DOMAINS, domains));
    return text.getBytes(StandardCharsets.UTF_8);
  }

  /**
   * Writes the payload into a message, whose header the caller has written with {@link
   * #payloadBytes}.
   *
   * @param message where to
   */
  public void writeTo(VfioUserMessage message) {
    byte[] json = json();
    message.u16(VfioUser.Version.MAJOR, major).u16(VfioUser.Version.MINOR, minor);
    message.payload(VfioUser.Version.DATA, json.length).copyFrom(MemorySegment.ofArray(json));
  }

  /** {@return the size of the payload in bytes} */
  public int payloadBytes() {
    return VfioUser.Version.DATA + json().length;
  }

  /**
   * {@return the payload of a message}
   *
   * @param message a VERSION message of valid size, with at least 4 bytes of payload
   */
  public static VfioUserVersion readFrom(VfioUserMessage message) {
    byte[] bytes =
        message
            .payload(VfioUser.Version.DATA, message.payloadBytes() - VfioUser.Version.DATA)
            .toArray(LittleEndian.BYTE);
    String json = new String(bytes, StandardCharsets.UTF_8);
    return new VfioUserVersion(
        message.u16(VfioUser.Version.MAJOR),
        message.u16(VfioUser.Version.MINOR),
        number(json, "max_msg_fds", DEFAULT_FDS),
        number(json, "max_data_xfer_size", DEFAULT_DATA_BYTES),
        number(json, DOMAINS, 0));
  }

  /**
   * A whole JSON parser for two optional numbers would be more surface than use; nothing else is
   * looked at.
   */
  private static int number(String json, String name, int otherwise) {
    Matcher matcher =
        Pattern.compile('"' + Pattern.quote(name) + "\"\\s*:\\s*(\\d{1,9})(?!\\d)").matcher(json);
    return matcher.find() ? Integer.parseInt(matcher.group(1)) : otherwise;
  }
}
