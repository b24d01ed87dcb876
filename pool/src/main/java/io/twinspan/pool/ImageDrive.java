package io.twinspan.pool;

import java.util.ArrayDeque;

/**
 * A drive of {@link PoolImages} for the classes that read drives: what is written to it is
 * forgotten.
 */
final class ImageDrive implements Drive {
  private static final int MEDIA_ERROR = 0x281;

  private final PoolImages images;
  private final int index;
  private final ArrayDeque<DriveRequest> submitted = new ArrayDeque<>();

  ImageDrive(PoolImages images, int index) {
    this.images = images;
    this.index = index;
  }

  @Override
  public String name() {
    return images.name(index);
  }

  @Override
  public long blockCount() {
    return images.blockCount(index);
  }

  @Override
  public int maxTransferBlocks() {
    return Pool.MAX_IO_BLOCKS;
  }

  @Override
  public boolean isPresent() {
    return blockCount() > 0;
  }

  @Override
  public boolean submit(DriveRequest request) {
    submitted.add(request);
    return true;
  }

  /** Carries out what was submitted. */
  void work() {
    for (int i = submitted.size(); i > 0; i--) {
      DriveRequest request = submitted.remove();
      boolean done =
          request.operation != DriveOperation.READ
              || images.read(
                  index, request.block, request.blockCount, request.data, request.dataOffset);
      request.completed(done ? OK : MEDIA_ERROR);
    }
  }
}
