package io.twinspan.controller;

import io.twinspan.linux.TwinspanException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The control socket of a process: a Unix socket (0600) on which local tools ask one question per
 * connection. A question is one line of JSON, {@code {"command": NAME, …}}; the answer is one line,
 * {@code {"ok": true, "result": …}} or {@code {"ok": false, "error": TEXT}}.
 *
 * <p>A question is at most {@value #MAX_REQUEST_BYTES} bytes and must come within {@link
 * #READ_DEADLINE}; more than {@value #MAX_CONNECTIONS} connections at a time are closed at once.
 * Each connection has a virtual thread. Thread-safe.
 */
public final class ControlServer implements AutoCloseable {
  /** Longest question in bytes, its line end included. */
  public static final int MAX_REQUEST_BYTES = 64 * 1024;

  private static final int MAX_CONNECTIONS = 16;
  private static final Duration READ_DEADLINE = Duration.ofSeconds(5);
  private static final Logger LOG = LoggerFactory.getLogger(ControlServer.class);
  private static final JsonMapper JSON = new JsonMapper();

  /** The process behind a control socket does not answer. */
  public static final class UnreachableException extends TwinspanException {
    private UnreachableException(String message, Throwable cause) {
      super(message, cause);
    }
  }

  /** Answers questions, on a thread of its own for each; may block. */
  @FunctionalInterface
  public interface Handler {
    /**
     * Answers one question.
     *
     * @return the result, as JSON
     * @throws TwinspanException what to tell the asker
     */
    JsonNode handle(String command, JsonNode request);
  }

  private final Path path;
  private final Handler handler;
  private final ServerSocketChannel server;
  private final Duration readDeadline;
  private final Set<SocketChannel> connections = ConcurrentHashMap.newKeySet();
  private final ScheduledExecutorService deadlines =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("control-deadlines").factory());

  private ControlServer(
      Path path, Handler handler, ServerSocketChannel server, Duration readDeadline) {
    this.path = path;
    this.handler = handler;
    this.server = server;
    this.readDeadline = readDeadline;
  }

  /**
   * Opens the socket at a path, in place of one that a dead process left there, and answers from
   * now on.
   */
  public static ControlServer start(Path path, Handler handler) {
    return start(path, handler, READ_DEADLINE);
  }

  static ControlServer start(Path path, Handler handler, Duration readDeadline) {
    try {
      Files.deleteIfExists(path); // the process lock says that nobody else uses it
      ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
      server.bind(UnixDomainSocketAddress.of(path), MAX_CONNECTIONS);
      Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-------"));
      ControlServer started = new ControlServer(path, handler, server, readDeadline);
      Thread.ofPlatform().daemon().name("control").start(started::accept);
      return started;
    } catch (IOException e) {
      throw new TwinspanException(
          "can't open the control socket " + path + ": " + e.getMessage(), e);
    }
  }

  private void accept() {
    while (server.isOpen()) {
      try {
        SocketChannel channel = server.accept();
        if (connections.size() >= MAX_CONNECTIONS) {
          LOG.warn("control: more than {} connections, one more refused", MAX_CONNECTIONS);
          channel.close();
        } else {
          connections.add(channel);
          Thread.ofVirtual().name("control-connection").start(() -> serve(channel));
        }
      } catch (IOException e) {
        if (server.isOpen()) {
          LOG.warn("control: {}", e.toString());
        }
      }
    }
  }

  private void serve(SocketChannel channel) {
    try (channel) {
      ScheduledFuture<?> deadline =
          deadlines.schedule(
              () -> tooSlow(channel), readDeadline.toMillis(), TimeUnit.MILLISECONDS);
      byte[] line;
      try {
        line = readLine(channel);
      } finally {
        deadline.cancel(false);
      }
      if (line.length > 0) {
        byte[] answer = JSON.writeValueAsBytes(answer(line));
        ByteBuffer out = ByteBuffer.allocate(answer.length + 1).put(answer).put((byte) '\n').flip();
        while (out.hasRemaining()) {
          channel.write(out);
        }
      }
    } catch (IOException e) {
      LOG.debug("control: connection lost: {}", e.toString());
    } catch (RejectedExecutionException e) {
      LOG.debug("control: a connection came while the server closed");
    } finally {
      connections.remove(channel);
    }
  }

  private ObjectNode answer(byte[] line) {
    ObjectNode answer = JsonNodeFactory.instance.objectNode();
    try {
      JsonNode request = JSON.readTree(line);
      JsonNode command = request.get("command");
      if (command == null || !command.isString()) {
        throw new TwinspanException("a request is an object with a \"command\"");
      }
      answer.put("ok", true);
      answer.set("result", handler.handle(command.stringValue(), request));
    } catch (JacksonException e) {
      LOG.warn("control: refused {} bytes that are no JSON", line.length);
      answer.removeAll().put("ok", false).put("error", "the request is no JSON");
    } catch (TwinspanException e) {
      answer.removeAll().put("ok", false).put("error", String.valueOf(e.getMessage()));
    } catch (RuntimeException e) {
      LOG.error("control: request failed", e);
      answer.removeAll().put("ok", false).put("error", "internal error, see the log: " + e);
    }
    return answer;
  }

  private static byte[] readLine(SocketChannel channel) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(MAX_REQUEST_BYTES);
    while (buffer.hasRemaining() && channel.read(buffer) >= 0) {
      for (int i = buffer.position() - 1; i >= 0; i--) {
        if (buffer.get(i) == '\n') {
          byte[] line = new byte[i];
          buffer.get(0, line);
          return line;
        }
      }
    }
    if (buffer.position() > 0) {
      LOG.warn("control: refused {} bytes without a line end", buffer.position());
    }
    return new byte[0];
  }

  private void tooSlow(SocketChannel channel) {
    LOG.warn(
        "control: closed a connection that sent no whole question within {} ms",
        readDeadline.toMillis());
    close(channel);
  }

  private static void close(SocketChannel channel) {
    try {
      channel.close();
    } catch (IOException e) {
      LOG.debug("control: {}", e.toString());
    }
  }

  /**
   * Asks the process behind a control socket.
   *
   * @throws UnreachableException when nobody answers in time
   * @throws TwinspanException with the process's own words when it refuses
   */
  public static JsonNode ask(Path socket, ObjectNode request, Duration timeout) {
    try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
        ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(Thread.ofVirtual().factory())) {
      ScheduledFuture<?> deadline =
          timer.schedule(() -> close(channel), timeout.toMillis(), TimeUnit.MILLISECONDS);
      channel.write(ByteBuffer.wrap((request + "\n").getBytes(StandardCharsets.UTF_8)));
      JsonNode answer = JSON.readTree(Channels.newInputStream(channel).readAllBytes());
      deadline.cancel(false);
      timer.shutdownNow();
      if (answer.path("ok").asBoolean(false)) {
        return answer.path("result");
      }
      throw new TwinspanException(answer.path("error").asString("no answer"));
    } catch (java.nio.channels.AsynchronousCloseException e) {
      throw new UnreachableException(
          "no answer from " + socket + " within " + timeout.toMillis() + " ms", e);
    } catch (IOException | JacksonException e) {
      throw new UnreachableException("can't ask " + socket + ": " + e.getMessage(), e);
    }
  }

  @Override
  public void close() {
    try {
      server.close();
      connections.forEach(ControlServer::close);
      deadlines.shutdownNow();
      Files.deleteIfExists(path);
    } catch (IOException e) {
      LOG.warn("control: {}", e.toString());
    }
  }
}
