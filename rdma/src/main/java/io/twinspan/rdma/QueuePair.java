package io.twinspan.rdma;

import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A reliable connected queue pair ({@code ibv_qp}, RC) and its connection ({@code rdma_cm_id}).
 *
 * <p>Its partner is the peer's queue pair of the same channel and index. After {@link #init} post
 * receives; then one side {@linkplain #connect connects} and the other one {@linkplain #accept
 * accepts}, or both connect. A request that fails takes the queue pair to {@link QpState#ERR} with
 * everything else outstanding, and the peer's partner too; after {@link #reset} both may begin anew
 * within the same life of the link. When the link goes down every queue pair that was not in RESET
 * goes to ERR.
 *
 * <p>Requests are carried out in order. Posting does not allocate; {@link #FULL} is back-pressure.
 */
public final class QueuePair {
  /** Taken. */
  public static final int OK = 0;

  /** Not taken: the queue is full. Poll completions, and try again. */
  public static final int FULL = -1;

  /** Not taken: the queue pair's state does not allow it. */
  public static final int BAD_STATE = -2;

  /** Not taken: the request can't be right (length, region, or this side may not send here). */
  public static final int INVALID = -3;

  private static final Logger LOG = LoggerFactory.getLogger(QueuePair.class);
  private static final int MAX_INDEX_BITS = 4;

  private final Channel channel;
  private final int number;
  private final SendQueue sendQueue;
  private final ReceiveQueue receiveQueue;
  private final Responder responder;
  private final Connector connector;
  private QpState state = QpState.RESET;
  private long receiverTimeoutNs = Long.MAX_VALUE;
  private @Nullable CmEvent pendingEvent;
  private String lastError = "";

  QueuePair(
      Channel channel,
      int index,
      CompletionQueue sends,
      CompletionQueue receives,
      @Nullable SharedReceiveQueue shared) {
    this.channel = channel;
    number = (channel.id() << MAX_INDEX_BITS) + index + 1;
    sendQueue = new SendQueue(this, channel, index, sends);
    receiveQueue = new ReceiveQueue(this, channel, index, receives, shared);
    responder = new Responder(this, channel, ChannelLayout.queuePair(channel.spec(), index));
    connector = new Connector(channel, index);
  }

  /** Its number, different from that of every other one of the link; its partner has the same. */
  public int number() {
    return number;
  }

  /** The channel it belongs to. */
  public Channel channel() {
    return channel;
  }

  /** Its state. */
  public QpState state() {
    return state;
  }

  /** Why it failed last, for people; empty if it never did. */
  public String lastError() {
    return lastError;
  }

  /** What the peer gave with its connect, accept or reject; at most 64 bytes, untrusted. */
  public byte[] peerPrivateData() {
    return connector.peerData();
  }

  /**
   * How long a send may wait for the peer to post a receive before it fails with {@link
   * WcStatus#RNR_RETRY_EXC_ERR}; for ever by default.
   *
   * @param timeout more than zero
   */
  public void receiverTimeout(Duration timeout) {
    receiverTimeoutNs = timeout.toNanos();
  }

  /**
   * To RESET from any state; what is outstanding is flushed first.
   *
   * @return this
   */
  public QueuePair reset() {
    if (state != QpState.RESET && state != QpState.ERR) {
      toError("reset");
    }
    pendingEvent = null;
    if (state == QpState.ERR) {
      state = state.transition(QpState.RESET);
    }
    return this;
  }

  /**
   * From RESET to INIT: from now on receives may be posted.
   *
   * @return this
   * @throws IllegalStateException if the link is down, or the state is another one
   */
  public QueuePair init() {
    if (!channel.isUp()) {
      throw new IllegalStateException("the link is down");
    }
    state = state.transition(QpState.INIT);
    return this;
  }

  /**
   * Asks the partner for a connection; {@link CmEvent#ESTABLISHED} or {@link CmEvent#REJECTED}
   * follows. If the partner asks too, each takes the other's for its answer.
   *
   * @param privateData at most 64 bytes
   * @throws IllegalStateException if the state is not INIT
   */
  public void connect(byte... privateData) {
    requireInit();
    sendQueue.announce(receiveQueue.isShared());
    connector.ask(receiveQueue.first(), privateData);
  }

  /**
   * Answers a {@link CmEvent#CONNECT_REQUEST}: connected, and in RTS, when this returns.
   *
   * @param privateData at most 64 bytes
   * @throws IllegalStateException if the state is not INIT, or nobody has asked
   */
  public void accept(byte... privateData) {
    requireInit();
    requireAsked();
    sendQueue.announce(receiveQueue.isShared());
    connector.accept(receiveQueue.first(), privateData);
    connected();
  }

  /**
   * Answers a {@link CmEvent#CONNECT_REQUEST} with no.
   *
   * @param privateData at most 64 bytes, for instance why
   * @throws IllegalStateException if nobody has asked
   */
  public void reject(byte... privateData) {
    requireAsked();
    connector.reject(privateData);
  }

  /**
   * Ends the connection: to ERR, here and at the partner, and everything outstanding is flushed.
   */
  public void disconnect() {
    if (state != QpState.RESET && state != QpState.ERR) {
      toError("disconnected by this side");
    }
  }

  /**
   * Posts a send or write ({@code ibv_post_send}). It is carried out before this returns if it can
   * be; the peer is woken, if it sleeps, by the next {@link Link#doWork} or {@link Link#ring}. The
   * completion of a short inline request comes with the next {@link Link#doWork}.
   *
   * @param request read, not kept
   * @return {@link #OK}, {@link #FULL}, {@link #BAD_STATE} or {@link #INVALID}
   */
  public int postSend(WorkRequest request) {
    if (!channel.maySend()) {
      return INVALID;
    }
    if (state != QpState.RTS && state != QpState.ERR) {
      return BAD_STATE;
    }
    int result = sendQueue.post(request, state == QpState.RTS);
    if (result != OK) {
      return result;
    }
    if (state == QpState.ERR) {
      sendQueue.flush();
    } else if (sendQueue.hasUnissued()) {
      int _ = sendQueue.progress();
    }
    return OK;
  }

  /**
   * Posts a receive ({@code ibv_post_recv}). The peer sees it before this returns if it has few
   * others; else when there are enough of them that it is worth a message.
   *
   * @param wrId returned in the completion
   * @param region registered on this channel with {@link Access#LOCAL_WRITE}
   * @param offset where in that region the buffer begins, in bytes
   * @param lengthBytes size of the buffer
   * @return {@link #OK}, {@link #FULL}, {@link #BAD_STATE} or {@link #INVALID}
   */
  public int postReceive(long wrId, MemoryRegion region, long offset, int lengthBytes) {
    return switch (state) {
      case RESET -> BAD_STATE;
      case ERR -> receiveQueue.postFlushed(wrId);
      case INIT, RTR, RTS, SQD, SQE -> receiveQueue.post(wrId, region, offset, lengthBytes);
    };
  }

  /**
   * Posts a receive with a list of buffers ({@code ibv_post_recv}).
   *
   * @param request read, not kept
   * @return {@link #OK}, {@link #FULL}, {@link #BAD_STATE} or {@link #INVALID}
   */
  public int postReceive(ReceiveRequest request) {
    return switch (state) {
      case RESET -> BAD_STATE;
      case ERR -> receiveQueue.postFlushed(request.wrId);
      case INIT, RTR, RTS, SQD, SQE -> receiveQueue.post(request);
    };
  }

  // --- for the channel and the queues

  void up() {
    connector.up();
    receiveQueue.publish();
  }

  void linkDown() {
    if (state != QpState.RESET && state != QpState.ERR) {
      toError("the link is down");
    }
    connector.forget();
    pendingEvent = null;
  }

  int doWork() {
    int work = deliverEvent(); // of a post that failed since
    if (state == QpState.RTS) {
      // Fills first: what came before the connection ended is delivered.
      work += receiveQueue.poll();
      work += responder.poll();
    }
    if (pendingEvent == null) {
      work += look();
    }
    if (state == QpState.RTS) {
      work += sendQueue.progress();
    }
    return work + deliverEvent();
  }

  /** Sends and answers what can be, and completes what is done. */
  void goOn() {
    int _ = responder.poll();
    if (state == QpState.RTS) {
      int _ = sendQueue.progress();
    }
  }

  long nextDeadlineNs() {
    return state == QpState.RTS ? sendQueue.nextDeadlineNs() : Long.MAX_VALUE;
  }

  long receiverDeadlineNs(long sinceNs) {
    return receiverTimeoutNs == Long.MAX_VALUE ? Long.MAX_VALUE : sinceNs + receiverTimeoutNs;
  }

  boolean peerIsConnected() {
    return connector.peerStands();
  }

  boolean peerTook(long receiveIndex) {
    return connector.peerTook(receiveIndex);
  }

  boolean takeShared() {
    return receiveQueue.takeShared();
  }

  boolean sharesReceives() {
    return receiveQueue.isShared();
  }

  boolean isConnected() {
    return state == QpState.RTS;
  }

  /** Takes what has arrived for a region before its right was taken back. */
  void settle() {
    if (state == QpState.RTS) {
      receiveQueue.settle();
    }
  }

  /** Now and then: shows the peer how far this side is, and compares with what it shows. */
  void audit() {
    if (state == QpState.RTS) {
      sendQueue.publishCounts();
      receiveQueue.audit();
    }
  }

  /** A request has failed. */
  void fail(String why) {
    if (state == QpState.RTS) {
      LOG.warn("channel {}, queue pair {}: {}", channel.spec().name(), number, why);
      toError(why);
      pendingEvent = CmEvent.DISCONNECTED;
    }
  }

  /** A request of the peer was refused. */
  void refuse(String why) {
    channel.counters().receiveError();
    fail(why);
  }

  /** The peer's memory says what can't be. */
  void breach(String what) {
    if (state == QpState.RTS) {
      channel.counters().receiveError();
      fail("the peer broke the protocol: " + what);
    }
  }

  private int look() {
    return switch (connector.look()) {
      case NOTHING -> 0;
      case ASKED -> {
        pendingEvent = CmEvent.CONNECT_REQUEST;
        yield 1;
      }
      case CONNECTED -> {
        connected();
        yield 1;
      }
      case REJECTED -> {
        pendingEvent = CmEvent.REJECTED;
        yield 1;
      }
      case DISCONNECTED -> {
        toError("disconnected by the peer");
        pendingEvent = CmEvent.DISCONNECTED;
        yield 1;
      }
    };
  }

  private void connected() {
    state = state.transition(QpState.RTR);
    sendQueue.connected(connector.peerFirstReceive());
    responder.begin();
    receiveQueue.begin();
    state = state.transition(QpState.RTS);
    pendingEvent = CmEvent.ESTABLISHED;
  }

  private void toError(String why) {
    boolean wasConnected = state == QpState.RTS;
    lastError = why;
    state = state.transition(QpState.ERR);
    if (wasConnected) {
      // What either side has seen of the other by now counts; the peer learns how much that is.
      int _ = receiveQueue.poll();
      sendQueue.complete();
    }
    connector.end(receiveQueue.taken());
    if (wasConnected) {
      // What the peer was told it delivered before it could see the end is delivered.
      int _ = receiveQueue.poll();
    }
    responder.end();
    channel.cancel(sendQueue);
    channel.cancel(responder);
    sendQueue.flush();
    receiveQueue.flush();
  }

  private int deliverEvent() {
    CmEvent event = pendingEvent;
    if (event == null) {
      return 0;
    }
    pendingEvent = null;
    channel.link().connectionEvent(this, event);
    return 1;
  }

  private void requireInit() {
    if (state != QpState.INIT) {
      throw new IllegalStateException("queue pair " + number + " is " + state + ", not INIT");
    }
  }

  private void requireAsked() {
    if (!connector.isAsked()) {
      throw new IllegalStateException("nobody asks queue pair " + number + " to connect");
    }
  }
}
