package io.twinspan.target.nbd;

import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.UnpooledDirectByteBuf;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * An I/O buffer of the array as Netty sees it, made once per buffer: sockets are read into it and
 * written from it without a copy. Released to zero (Netty does that after sending), it tells its
 * piece and is whole again.
 */
final class DataView extends UnpooledDirectByteBuf {
  /** The piece that has the buffer now. */
  @Nullable NbdPiece piece;

  DataView(MemorySegment segment) {
    super(ByteBufAllocator.DEFAULT, segment.asByteBuffer(), (int) segment.byteSize());
  }

  /** Sets both indices. */
  DataView setIndexes(int readerIndex, int writerIndex) {
    setIndex(readerIndex, writerIndex);
    return this;
  }

  @Override
  protected void deallocate() {
    resetRefCnt();
    NbdPiece sent = piece;
    if (sent != null) {
      sent.transmission.sent(sent);
    }
  }
}
