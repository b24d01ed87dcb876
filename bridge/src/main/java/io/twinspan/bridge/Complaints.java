package io.twinspan.bridge;

import java.util.LinkedHashMap;
import java.util.Map;
import org.slf4j.Logger;

/** Logs a complaint once, and again only after seconds: whoever knocks all day fills no disk. */
final class Complaints {
  private static final long AGAIN_NS = 10_000_000_000L;
  private static final int MAX_KINDS = 32;
  private static final int MAX_LINES = 50;

  private record Seen(long atNs, int suppressed) {}

  private final Logger log;
  private final Map<String, Seen> seen =
      new LinkedHashMap<>() {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Seen> eldest) {
          return size() > MAX_KINDS;
        }
      };

  private long windowStartNs;
  private int lines;

  Complaints(Logger log) {
    this.log = log;
  }

  /** Logs {@code text} as a warning unless that was done in the last seconds. */
  void warn(long nowNs, String text) {
    warn(nowNs, text, text);
  }

  /** Logs {@code text} as a warning unless one of this kind was logged in the last seconds. */
  void warn(long nowNs, String kind, String text) {
    Seen before = seen.get(kind);
    if (before != null && nowNs - before.atNs() < AGAIN_NS) {
      seen.put(kind, new Seen(before.atNs(), before.suppressed() + 1));
      return;
    }
    seen.put(kind, new Seen(nowNs, 0));
    if (nowNs - windowStartNs >= AGAIN_NS) {
      windowStartNs = nowNs;
      lines = 0;
    }
    if (++lines > MAX_LINES) {
      return; // whoever finds ever new ways to be refused is not worth more
    }
    if (before == null || before.suppressed() == 0) {
      log.warn("{}", text);
    } else {
      log.warn("{} ({} times more since it was last said)", text, before.suppressed());
    }
  }
}
