package io.twinspan.target.nbd;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.DefaultMaxMessagesRecvByteBufAllocator;
import java.io.IOException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Moves bytes between one Netty channel and the protocol's state machines. Confined to the
 * channel's event loop, except for {@link #leave} and {@link #disconnectSoon}.
 *
 * <p>Bytes are read into one fixed buffer and taken from there; the bulk of a WRITE is read from
 * the socket straight into the array's buffer. While the state machine wants nothing, or the client
 * doesn't take its replies, nothing is read.
 */
@SuppressWarnings("FutureReturnValueIgnored") // failures reach exceptionCaught, by the void promise
final class NbdConnection extends ChannelInboundHandlerAdapter implements NbdTransmission.Output {
  private static final Logger LOG = LoggerFactory.getLogger(NbdConnection.class);

  private static final int INBOUND_BYTES = 64 << 10;

  /** Payload shorter than this is copied: a system call of its own would cost more. */
  private static final int DIRECT_READ_BYTES = 16 << 10;

  /** Simple replies that are gathered into one buffer. */
  private static final int REPLY_BATCH_BYTES = 64 * NbdProtocol.SIMPLE_REPLY_BYTES;

  /** How soon to try again when the array had no room. */
  private static final long RETRY_MICROS = 1000;

  private final NbdServer server;
  private final NbdLoop loop;
  private final NbdHandshake handshake;
  private final ByteBuf inbound = Unpooled.directBuffer(INBOUND_BYTES, INBOUND_BYTES);
  private final Runnable resume = this::resumed;
  private final Runnable retry = this::retried;

  private @Nullable ChannelHandlerContext context;
  private @Nullable NbdTransmission transmission;
  private @Nullable ExportCounters counters;
  private @Nullable ByteBuf replies;
  private @Nullable Future<?> deadline;
  private boolean resumeScheduled;
  private boolean retryScheduled;
  private boolean closed;

  /** Bytes moved, ever; and at the last look for a stall. */
  private long movedBytes;

  private long movedBytesBefore;
  private long unsentBytesBefore;

  NbdConnection(NbdServer server, NbdLoop loop) {
    this.server = server;
    this.loop = loop;
    this.handshake = new NbdHandshake(() -> server.port().volumes());
  }

  // ---- events of the channel

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    context = ctx;
    ctx.channel().config().setRecvByteBufAllocator(new Inflow());
  }

  @Override
  public void channelActive(ChannelHandlerContext ctx) {
    if (!server.admit(this)) {
      LOG.warn("{}: turned away, there are {} connections", this, server.limits().maxConnections());
      ctx.close();
      return;
    }
    ByteBuf greeting = ctx.alloc().buffer(18);
    handshake.greet(greeting);
    ctx.writeAndFlush(greeting, ctx.voidPromise());
    deadline =
        ctx.executor()
            .schedule(
                () -> disconnect("no export was chosen in time"),
                server.limits().handshakeDeadline().toMillis(),
                TimeUnit.MILLISECONDS);
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    ByteBuf bytes = (ByteBuf) message;
    NbdTransmission running = transmission;
    if (bytes instanceof DataView && running != null) {
      int count = bytes.writerIndex() - bytes.readerIndex();
      movedBytes += count;
      running.payloadRead(count);
    } else {
      movedBytes += bytes.readableBytes();
    }
    bytes.release();
    pump();
  }

  @Override
  public void channelReadComplete(ChannelHandlerContext ctx) {
    flush();
  }

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext ctx) {
    if (ctx.channel().isWritable()) {
      resume();
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    closed = true;
    server.leave(this);
    Future<?> pending = deadline;
    if (pending != null) {
      pending.cancel(false);
    }
    if (transmission != null) {
      transmission.closed();
    }
    if (counters != null) {
      counters.connections.decrementAndGet();
    }
    if (replies != null) {
      replies.release();
      replies = null;
    }
    inbound.release();
    LOG.debug("{}: closed", this);
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (cause instanceof IOException) {
      LOG.debug("{}: {}", this, cause.toString());
    } else {
      LOG.error("{}: closing it, because of", this, cause);
    }
    ctx.close();
  }

  // ---- what the transmission wants

  @Override
  public void reply(long cookie, int error) {
    ByteBuf batch = replies;
    if (batch != null && batch.writableBytes() < NbdProtocol.SIMPLE_REPLY_BYTES) {
      writeReplies();
      batch = null;
    }
    if (batch == null) {
      batch = context().alloc().directBuffer(REPLY_BATCH_BYTES, REPLY_BATCH_BYTES);
      replies = batch;
    }
    batch.writeInt(NbdProtocol.SIMPLE_REPLY_MAGIC).writeInt(error).writeLong(cookie);
  }

  @Override
  public void data(NbdPiece piece) {
    writeReplies();
    DataView view = piece.dataView().setIndexes(0, (int) piece.length);
    context().write(view, context().voidPromise());
  }

  @Override
  public void finish() {
    writeReplies();
    context().writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(ChannelFutureListener.CLOSE);
  }

  @Override
  public void disconnect(String reason) {
    if (!closed) {
      LOG.warn("{}: disconnected, {}", this, reason);
      context().close();
    }
  }

  @Override
  public void settle() {
    pump();
    flush();
  }

  @Override
  public void resume() {
    if (!resumeScheduled && !closed) {
      resumeScheduled = true;
      context().executor().execute(resume);
    }
  }

  // ---- what the server wants, from any thread

  /** Takes no further commands and closes once those in flight are answered. */
  void leave() {
    context()
        .executor()
        .execute(() -> {
          if (transmission != null) {
            transmission.leave();
          } else {
            context().close();
          }
        });
  }

  /** Closes as soon as the event loop gets to it. */
  void disconnectSoon(String reason) {
    context().executor().execute(() -> disconnect(reason));
  }

  /** Closes if its volume is not one of these ids any more. */
  void volumesChanged() {
    context()
        .executor()
        .execute(() -> {
          NbdTransmission running = transmission;
          if (running != null && !server.serves(running.export())) {
            disconnect("volume '" + running.export().name() + "' was deleted");
          }
        });
  }

  @Override
  public String toString() {
    NbdTransmission running = transmission;
    ChannelHandlerContext ctx = context;
    String peer = ctx == null ? "new" : String.valueOf(ctx.channel().remoteAddress());
    return "NBD " + peer + (running == null ? "" : " on " + running.export().name());
  }

  // ---- inside

  /** Goes on as far as possible, and reads from the socket only if that is of use. */
  private void pump() {
    if (closed) {
      return;
    }
    boolean wantsMore = false;
    if (context().channel().isWritable()) {
      NbdTransmission running = transmission;
      if (running == null) {
        running = negotiate();
      }
      wantsMore =
          running == null
              ? handshake.state() == NbdHandshake.State.OPTION
                  || handshake.state() == NbdHandshake.State.SKIP
                  || handshake.state() == NbdHandshake.State.CLIENT_FLAGS
              : transmit(running);
    }
    if (closed) {
      return;
    }
    inbound.discardReadBytes();
    context().channel().config().setAutoRead(wantsMore && inbound.isWritable());
  }

  private boolean transmit(NbdTransmission running) {
    return switch (running.advance(inbound)) {
      case READ_MORE -> true;
      case WAIT -> false;
      case RETRY -> {
        if (!retryScheduled) {
          retryScheduled = true;
          context().executor().schedule(retry, RETRY_MICROS, TimeUnit.MICROSECONDS);
        }
        yield false;
      }
    };
  }

  /**
   * Takes options while their answers can leave; the transmission when one was chosen, else null.
   */
  private @Nullable NbdTransmission negotiate() {
    ChannelHandlerContext ctx = context();
    boolean advanced = true;
    while (advanced && ctx.channel().isWritable()) {
      ByteBuf out = ctx.alloc().buffer();
      advanced = handshake.advance(inbound, out);
      if (out.isReadable()) {
        ctx.writeAndFlush(out, ctx.voidPromise());
      } else {
        out.release();
      }
    }
    switch (handshake.state()) {
      case CLIENT_FLAGS, OPTION, SKIP -> {}
      case ABORTED -> finish();
      case REFUSED -> disconnect(handshake.refusal());
      case READY -> {
        return begin(ctx);
      }
    }
    return null;
  }

  private NbdTransmission begin(ChannelHandlerContext ctx) {
    Future<?> pending = deadline;
    if (pending != null) {
      pending.cancel(false);
    }
    ExportCounters ofExport = server.counters(handshake.export());
    ofExport.connections.incrementAndGet();
    counters = ofExport;
    NbdTransmission running =
        new NbdTransmission(
            server.port(), handshake.export(), server.limits(), loop, ofExport, this);
    transmission = running;
    long stallMillis = server.limits().stallDeadline().toMillis();
    deadline =
        ctx.executor()
            .scheduleWithFixedDelay(
                () -> checkStall(ctx, running), stallMillis, stallMillis, TimeUnit.MILLISECONDS);
    LOG.debug("{}: connected", this);
    return running;
  }

  /**
   * Closes a client that owed bytes, or was owed some, at the last look, and has moved none since.
   */
  private void checkStall(ChannelHandlerContext ctx, NbdTransmission running) {
    long unsent = ctx.channel().unsafe().outboundBuffer() == null ? 0 : unsentBytes(ctx);
    boolean owes = running.expectsPayload() && ctx.channel().config().isAutoRead();
    boolean takesNothing = unsent > 0 && unsent == unsentBytesBefore;
    boolean sendsNothing = owes && movedBytes == movedBytesBefore;
    if (takesNothing || sendsNothing) {
      disconnect(takesNothing ? "it takes no replies" : "it stopped in the middle of a command");
    }
    unsentBytesBefore = unsent;
    movedBytesBefore = movedBytes;
  }

  private static long unsentBytes(ChannelHandlerContext ctx) {
    var outbound = ctx.channel().unsafe().outboundBuffer();
    return outbound == null ? 0 : outbound.totalPendingWriteBytes();
  }

  private void resumed() {
    resumeScheduled = false;
    settle();
  }

  private void retried() {
    retryScheduled = false;
    settle();
  }

  private void flush() {
    if (!closed) {
      writeReplies();
      context().flush();
    }
  }

  private void writeReplies() {
    ByteBuf batch = replies;
    if (batch != null) {
      replies = null;
      context().write(batch, context().voidPromise());
    }
  }

  private ChannelHandlerContext context() {
    ChannelHandlerContext ctx = context;
    if (ctx == null) {
      throw new IllegalStateException("not on a channel yet");
    }
    return ctx;
  }

  /** Makes Netty read into the connection's own buffer, or into the array's. */
  private final class Inflow extends DefaultMaxMessagesRecvByteBufAllocator {
    @Override
    public ExtendedHandle newHandle() {
      return new MaxMessageHandle() {
        private int limit;

        @Override
        public int guess() {
          return INBOUND_BYTES;
        }

        @Override
        public ByteBuf allocate(ByteBufAllocator unused) {
          NbdTransmission running = transmission;
          if (running != null && !inbound.isReadable()) {
            int wanted = running.payloadBytes();
            DataView view = running.payloadView();
            if (wanted >= DIRECT_READ_BYTES && view != null) {
              limit = wanted;
              view.readerIndex(
                  view.writerIndex()); // so that what is readable afterwards is what came
              return view.retain();
            }
          }
          limit = INBOUND_BYTES;
          return inbound.retain();
        }

        @Override
        public void attemptedBytesRead(int bytes) {
          super.attemptedBytesRead(
              Math.min(bytes, limit)); // the array's buffer may be longer than the piece
        }
      };
    }
  }
}
