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
 * accepts} (or {@linkplain #listen lets a policy answer}), or both connect. A request that fails
 * takes the queue pair to {@link QpState#ERR} with everything else outstanding, and the peer's
 * partner too; after {@link #reset} both may begin anew within the same life of the link. When the
 * link goes down every queue pair that was not in RESET goes to ERR.
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
  private static final long NEVER = Long.MAX_VALUE;

  private final Channel channel;
  private final ProtectionDomain domain;
  private final int number;
  private final SendQueue sendQueue;
  private final ReceiveQueue receiveQueue;
  private final Responder responder;
  private final Connector connector;
  private final LinkEvents events;
  private QpState state = QpState.RESET;
  private QpAttributes attributes = QpAttributes.DEFAULTS;
  private @Nullable ConnectPolicy policy;

  /** What the partner connected with; when it ends the connection, the connector reads others. */
  private ConnectionTerms partnerTerms = ConnectionTerms.NONE;

  private long connectDeadlineNs = NEVER;
  private boolean draining;
  private boolean ending;
  private int endReason;
  private boolean hasHeard;
  private byte[] peerData = {};
  private String lastError = "";

  QueuePair(
      Channel channel,
      ProtectionDomain domain,
      int index,
      CompletionQueue sends,
      CompletionQueue receives,
      @Nullable SharedReceiveQueue shared) {
    this.channel = channel;
    this.domain = domain;
    number = (channel.id() << MAX_INDEX_BITS) + index + 1;
    sendQueue = new SendQueue(this, channel, index, sends);
    receiveQueue = new ReceiveQueue(this, channel, index, receives, shared);
    long block = ChannelLayout.queuePair(channel.spec(), index);
    responder = new Responder(this, channel, block);
    connector = new Connector(channel, block, receiveQueue);
    events = channel.link().events();
  }

  /** Its number, different from that of every other one of the link; its partner has the same. */
  public int number() {
    return number;
  }

  /** The channel it belongs to. */
  public Channel channel() {
    return channel;
  }

  /** The protection domain it belongs to. */
  public ProtectionDomain protectionDomain() {
    return domain;
  }

  /** Its state. */
  public QpState state() {
    return state;
  }

  /** Why it failed last, for people; empty if it never did. */
  public String lastError() {
    return lastError;
  }

  /**
   * What the peer gave with its connect, accept or reject, of which the latest {@link CmEvent}
   * told; at most 64 bytes, untrusted.
   */
  public byte[] peerPrivateData() {
    return peerData.clone();
  }

  /** What was set with {@link #modify} last ({@code ibv_query_qp}). */
  public QpAttributes attributes() {
    return attributes;
  }

  /**
   * As {@link #modify(QpState, QpAttributes)} with the attributes it has.
   *
   * @return this
   */
  public QueuePair modify(QpState next) {
    return modify(next, attributes);
  }

  /**
   * Takes a step of the table in {@link QpState}, and sets attributes ({@code ibv_modify_qp}).
   *
   * <ul>
   *   <li>RESET: what is outstanding is flushed first.
   *   <li>INIT: from now on receives may be posted. The attributes count from the next connection.
   *   <li>RTS from RTS or SQD: sending goes on. Only the retry count and this side's own limit of
   *       reads and atomic operations may differ, because the partner knows the rest.
   *   <li>SQD: likewise; {@link AsyncEvent.Type#SQ_DRAINED} follows.
   *   <li>ERR: as {@link #disconnect}.
   * </ul>
   *
   * @return this
   * @throws IllegalStateException if the table does not allow it; if it is INIT and the link is
   *     down; or if it is RTR or RTS of a queue pair that is not connected, which {@link #connect}
   *     and {@link #accept} do, as {@code rdma_connect} does
   * @throws IllegalArgumentException if an attribute can't change now
   */
  public QueuePair modify(QpState next, QpAttributes wanted) {
    boolean made = next == QpState.RTR || (next == QpState.RTS && !state.isConnected());
    if (!state.mayBecome(next) || made) {
      throw new IllegalStateException(
          "queue pair %d is %s and can't become %s%s"
              .formatted(number, state, next, made ? " but by connecting" : ""));
    }
    switch (next) {
      case RESET -> toReset();
      case INIT -> toInit(wanted);
      case RTS, SQD -> {
        set(wanted, true);
        draining = next == QpState.SQD;
        state = state.transition(next);
      }
      default -> disconnect(); // ERR: the table has no step to SQE from here
    }
    return this;
  }

  /**
   * To RESET from any state; what is outstanding is flushed first.
   *
   * @return this
   */
  public QueuePair reset() {
    return modify(QpState.RESET);
  }

  /**
   * From RESET to INIT: from now on receives may be posted.
   *
   * @return this
   * @throws IllegalStateException if the link is down, or the state is neither RESET nor INIT
   */
  public QueuePair init() {
    return modify(QpState.INIT);
  }

  /**
   * Lets a policy answer what the partner asks, whenever this queue pair is in INIT; {@link
   * CmEvent#CONNECT_REQUEST} does not come any more. For as long as this object lives.
   */
  public void listen(ConnectPolicy answers) {
    policy = answers;
  }

  /**
   * Asks the partner for a connection, and waits for its answer for ever; {@link
   * CmEvent#ESTABLISHED} or {@link CmEvent#REJECTED} follows. If the partner asks too, each takes
   * the other's for its answer.
   *
   * @param privateData at most 64 bytes
   * @throws IllegalStateException if the state is not INIT
   */
  public void connect(byte... privateData) {
    requireInit();
    sendQueue.announce(receiveQueue.isShared());
    connector.ask(terms(), privateData);
    connectDeadlineNs = NEVER;
  }

  /**
   * As {@link #connect(byte...)}, but {@link CmEvent#UNREACHABLE} follows if the partner does not
   * answer in time.
   *
   * @param timeout from the last {@link Link#doWork} on
   * @param privateData at most 64 bytes
   * @throws IllegalStateException if the state is not INIT
   */
  public void connect(Duration timeout, byte... privateData) {
    connect(privateData);
    connectDeadlineNs = channel.link().nowNs() + timeout.toNanos();
  }

  /**
   * Answers a {@link CmEvent#CONNECT_REQUEST}: connected, and in RTS, when this returns.
   *
   * @param privateData at most 64 bytes
   * @throws IllegalStateException if the state is not INIT, or nobody asks (any more)
   */
  public void accept(byte... privateData) {
    requireInit();
    requireAsked();
    sendQueue.announce(receiveQueue.isShared());
    connector.accept(terms(), privateData);
    connected();
  }

  /**
   * Answers a {@link CmEvent#CONNECT_REQUEST} with no.
   *
   * @param privateData at most 64 bytes, for instance why
   * @throws IllegalStateException if nobody asks (any more)
   */
  public void reject(byte... privateData) {
    requireAsked();
    connector.reject(privateData);
  }

  /**
   * Ends the connection, or the attempt to make one: to ERR, here and at the partner, and
   * everything outstanding is flushed. {@link CmEvent#DISCONNECTED} follows if there was a
   * connection. Does nothing in RESET and ERR.
   */
  public void disconnect() {
    boolean wasConnected = state.isConnected();
    if (state != QpState.RESET && state != QpState.ERR) {
      toError("disconnected by this side");
    }
    if (wasConnected) {
      events.add(this, CmEvent.DISCONNECTED);
    }
  }

  /**
   * Posts a send or write ({@code ibv_post_send}). It is carried out before this returns if it can
   * be; the peer is woken, if it sleeps, by the next {@link Link#doWork} or {@link Link#ring}. The
   * completion comes with the next {@link Link#doWork} that finds it done, or before, with a later
   * post.
   *
   * @param request read, not kept
   * @return {@link #OK}, {@link #FULL}, {@link #BAD_STATE} or {@link #INVALID}
   */
  public int postSend(WorkRequest request) {
    if (!channel.maySend()) {
      return INVALID;
    }
    if (!state.isConnected() && state != QpState.ERR) {
      return BAD_STATE;
    }
    int result = sendQueue.post(request, state == QpState.RTS);
    if (result != OK) {
      return result;
    }
    if (state == QpState.ERR) {
      sendQueue.flush();
    } else if (state == QpState.RTS && sendQueue.hasUnissued()) {
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

  /**
   * Makes a way for other threads to post to this queue pair.
   *
   * @param depth how many sends, and how many receives, it keeps until the link's thread comes to
   *     post them; a power of two from 2 to 65536; each send holds so much inline data as the
   *     channel allows
   */
  public Submitter createSubmitter(int depth) {
    return channel.link().add(new Submitter(this, depth, channel.link().wakeSignal()));
  }

  // --- for the channel and the queues

  /** Posts what another thread submitted; false if it must wait for room. */
  boolean takeSend(WorkRequest request) {
    int result = postSend(request);
    if (result == INVALID) {
      fail("a submitted request can't be right");
    }
    return result == OK || (result != FULL && sendQueue.refuse(request, refusal(result)));
  }

  /** Posts what another thread submitted; false if it must wait for room. */
  boolean takeReceive(long wrId, MemoryRegion region, long offset, int lengthBytes) {
    int result = postReceive(wrId, region, offset, lengthBytes);
    if (result == INVALID) {
      fail("a submitted receive can't be right");
    }
    return result == OK || (result != FULL && receiveQueue.refuse(wrId, refusal(result)));
  }

  private static WcStatus refusal(int result) {
    return result == INVALID ? WcStatus.LOC_QP_OP_ERR : WcStatus.WR_FLUSH_ERR;
  }

  /** Is told of something that the peer gave this with. */
  void hear(byte[] data) {
    peerData = data;
  }

  void up() {
    connector.up();
    receiveQueue.publish();
  }

  /**
   * The link is down, or the channel.
   *
   * @param why for people
   */
  void linkDown(String why) {
    boolean wasUsed = state != QpState.RESET;
    if (wasUsed && state != QpState.ERR) {
      toError(why);
    }
    connector.forget();
    if (wasUsed) {
      events.add(this, CmEvent.DEVICE_REMOVAL);
    }
  }

  /** Looks at everything. */
  int lookAround() {
    // Fills first: what came before the connection ended is delivered.
    int work = state.isConnected() ? receive() : 0;
    work += responder.poll();
    work += look();
    work += send();
    return state == QpState.INIT ? work + answerOrGiveUp() : work;
  }

  /** Looks at what the connection brings; a look at its end comes soon. */
  int poll() {
    if (!state.isConnected()) {
      return 0;
    }
    int work = receive();
    work += responder.poll();
    return work + send();
  }

  private int send() {
    return switch (state) {
      case RTS -> sendQueue.progress();
      case SQD -> drain();
      case RESET, INIT, RTR, SQE, ERR -> 0;
    };
  }

  ChannelSnapshot.Pair snapshot(int index) {
    return new ChannelSnapshot.Pair(
        index,
        number,
        state,
        sendQueue.postedCount(),
        sendQueue.issuedCount(),
        sendQueue.completedCount(),
        receiveQueue.postedCount(),
        receiveQueue.completedCount(),
        sendQueue.credit(),
        lastError);
  }

  /** Sends and answers what can be, and completes what is done. */
  void goOn() {
    int _ = responder.poll();
    if (state == QpState.RTS) {
      int _ = sendQueue.progress();
    }
  }

  long nextDeadlineNs() {
    return switch (state) {
      case INIT -> connectDeadlineNs;
      case RTS -> sendQueue.nextDeadlineNs();
      case RESET, RTR, SQD, SQE, ERR -> NEVER;
    };
  }

  /** When a send that waits for a receive since then has failed. */
  long receiverDeadlineNs(long sinceNs) {
    int retries = attributes.rnrRetry();
    return retries == QpAttributes.RNR_FOR_EVER
        ? NEVER
        : sinceNs + retries * 1000L * partnerTerms.rnrTimerUs();
  }

  boolean isConnected() {
    return state.isConnected();
  }

  /**
   * Whether a message of that attempt belongs to this connection. Other queue pairs may find it in
   * the shared receives before this one has seen that its attempt has succeeded.
   */
  boolean isConnectedBy(int attempt) {
    if (attempt != ChannelLayout.attemptOf(connector.serial())) {
      return false;
    }
    if (connector.isAsking()) {
      int _ = look();
    }
    return (ending || state.isConnected())
        && attempt == ChannelLayout.attemptOf(connector.serial());
  }

  boolean peerIsConnected() {
    return connector.peerStands();
  }

  /** Whether the peer may still take what was sent: it did not end the connection for good. */
  boolean peerMayTake() {
    return connector.peerStands() || connector.peerIsWriting();
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

  /** Takes what has arrived for a region before its right was taken back. */
  void settle() {
    if (state.isConnected()) {
      receiveQueue.settle();
      if (channel.crc() != null) {
        int _ = responder.poll(); // checks of what was written to it
      }
    }
  }

  /** Now and then: shows the peer how far this side is, and compares with what it shows. */
  void audit() {
    if (state.isConnected()) {
      sendQueue.publishCounts();
      receiveQueue.audit();
    }
  }

  /** Whether this side lets the partner do that to its regions over this queue pair. */
  boolean allowsPartner(Access purpose) {
    return attributes.remoteAccess().contains(purpose);
  }

  /** How many reads and atomic operations of this side may be outstanding. */
  int readsAndAtomics() {
    return Math.min(attributes.maxRdAtomic(), partnerTerms.maxDestRdAtomic());
  }

  /** A request has failed, and its completion says why. */
  void fail(String why) {
    fail(why, null);
  }

  /** The peer's memory says what can't be. */
  void breach(String what) {
    if (state.isConnected()) {
      channel.counters().receiveError();
      fail("the peer broke the protocol: " + what, AsyncEvent.Type.QP_FATAL);
    }
  }

  /** The peer asked for memory of this side to which it has no right. */
  void accessViolation(String what) {
    channel.counters().receiveError();
    fail("the peer has no right to " + what, AsyncEvent.Type.QP_ACCESS_ERR);
  }

  /** What was to be received is not what was sent; its receive's completion says so. */
  void badMessage(String why) {
    endReason = ChannelLayout.END_BAD_MESSAGE;
    channel.counters().crcError();
    fail(why);
  }

  /** What the peer wrote or asked for is not what was sent; it gets that as an answer. */
  void badCrc(String why) {
    channel.counters().crcError();
    fail(why, AsyncEvent.Type.QP_FATAL);
  }

  /** A request failed for a CRC; whether this side has found that, and the peer does not know. */
  void badRequest(String why, boolean foundHere) {
    endReason = foundHere ? ChannelLayout.END_BAD_ANSWER : 0;
    lastError = why;
    channel.counters().crcError();
  }

  /** Whether the peer ended the connection because of a message. */
  boolean peerFoundBadMessage() {
    return connector.peerEndReason() == ChannelLayout.END_BAD_MESSAGE;
  }

  private void fail(String why, AsyncEvent.@Nullable Type reason) {
    if (!state.isConnected()) {
      return;
    }
    LOG.warn("channel {}, queue pair {}: {}", channel.spec().name(), number, why);
    toError(why);
    if (reason != null) {
      events.add(reason, channel, this);
    }
    events.add(this, CmEvent.DISCONNECTED);
  }

  private void toReset() {
    if (state != QpState.RESET && state != QpState.ERR) {
      toError("reset");
    }
    events.forget(this);
    state = state.transition(QpState.RESET);
  }

  private void toInit(QpAttributes wanted) {
    if (!channel.isUp()) {
      throw new IllegalStateException("the link or the channel is down");
    }
    set(wanted, connector.isAsking());
    state = state.transition(QpState.INIT);
  }

  private void set(QpAttributes wanted, boolean partnerKnows) {
    if (partnerKnows && !wanted.isLocalChangeOf(attributes)) {
      throw new IllegalArgumentException(
          "queue pair %d is %s: of %s the partner was told %s"
              .formatted(number, state, wanted, attributes));
    }
    attributes = wanted;
  }

  private int receive() {
    int received = receiveQueue.poll();
    if (received > 0 && !hasHeard && state.isConnected()) {
      hasHeard = true;
      events.add(AsyncEvent.Type.COMM_EST, channel, this);
    }
    return received;
  }

  private int drain() {
    int work = sendQueue.drain();
    if (draining && state == QpState.SQD && sendQueue.isDrained()) {
      draining = false;
      events.add(AsyncEvent.Type.SQ_DRAINED, channel, this);
    }
    return work;
  }

  private int answerOrGiveUp() {
    ConnectPolicy answers = policy;
    if (answers != null && connector.isAsked()) {
      ConnectPolicy.Answer answer = answers.answer(connector.peerData());
      if (answer.isAccepted()) {
        accept(answer.privateData());
      } else {
        reject(answer.privateData());
      }
      return 1;
    }
    if (connector.isAsking() && channel.link().nowNs() >= connectDeadlineNs) {
      connectDeadlineNs = NEVER;
      connector.end(receiveQueue.first(), 0);
      events.add(this, CmEvent.UNREACHABLE);
      return 1;
    }
    return 0;
  }

  private int look() {
    switch (connector.look()) {
      case NOTHING -> {
        return 0;
      }
      case ASKED -> {
        if (policy == null) {
          events.add(this, CmEvent.CONNECT_REQUEST, connector.peerData());
        }
      }
      case CONNECTED -> connected();
      case REJECTED -> {
        connectDeadlineNs = NEVER;
        events.add(this, CmEvent.REJECTED, connector.peerData());
      }
      case DISCONNECTED -> {
        toError(whyPeerEnded());
        events.add(this, CmEvent.DISCONNECTED);
      }
    }
    return 1;
  }

  private ConnectionTerms terms() {
    return ConnectionTerms.of(attributes, domain.number());
  }

  private void connected() {
    connectDeadlineNs = NEVER;
    hasHeard = false;
    endReason = 0;
    state = state.transition(QpState.RTR);
    partnerTerms = connector.peerTerms();
    sendQueue.connected(partnerTerms, connector.serial());
    responder.begin();
    state = state.transition(QpState.RTS);
    channel.connectionsChanged();
    events.add(this, CmEvent.ESTABLISHED, connector.peerData());
  }

  private void toError(String why) {
    boolean wasConnected = state.isConnected();
    connectDeadlineNs = NEVER;
    lastError = why;
    state = state.transition(QpState.ERR);
    ending = wasConnected;
    if (wasConnected) {
      channel.connectionsChanged();
      // What either side has seen of the other by now counts; the peer learns how much that is.
      int _ = receiveQueue.poll();
      sendQueue.complete();
    }
    connector.end(receiveQueue.taken(), endReason);
    if (wasConnected) {
      // What the peer was told it delivered before it could see the end is delivered.
      int _ = receiveQueue.poll();
    }
    ending = false;
    responder.end();
    channel.cancel(sendQueue);
    channel.cancel(responder);
    sendQueue.flush();
    receiveQueue.flush();
    if (wasConnected && receiveQueue.isShared()) {
      events.add(AsyncEvent.Type.QP_LAST_WQE_REACHED, channel, this);
    }
  }

  private String whyPeerEnded() {
    if (peerFoundBadMessage()) {
      return "the peer found the CRC of a message to be wrong";
    }
    if (connector.peerEndReason() != ChannelLayout.END_BAD_ANSWER) {
      return "disconnected by the peer";
    }
    channel.counters().crcError();
    events.add(AsyncEvent.Type.QP_FATAL, channel, this);
    return "the peer found the CRC of an answer to be wrong";
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
