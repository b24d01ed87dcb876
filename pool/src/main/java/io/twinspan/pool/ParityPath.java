package io.twinspan.pool;

/** Stripes with two parities: any two drives may be lost. */
final class ParityPath implements DataPath, StripeKnowledge {
  final OpenPool pool;
  final StripeMap space;
  final CellOwners owners;
  final StripeRecovery recovery;
  private final StripeWriter writer;
  private final Cleaner cleaner;

  ParityPath(OpenPool pool, StripeMap space) {
    this.pool = pool;
    this.space = space;
    this.owners = new CellOwners(pool.volumes, space);
    this.recovery = new StripeRecovery(pool.drives, pool.memory, pool.layout, pool.checksums, this);
    this.cleaner = new Cleaner(this);
    this.writer = new StripeWriter(this, cleaner);
  }

  @Override
  public long checksumOf(int cell) {
    return owners.checksumOf(cell);
  }

  @Override
  public boolean isDoubtful(int drive) {
    return pool.isRebuilding(drive);
  }

  @Override
  public void write(Operation operation) {
    writer.add(operation);
  }

  @Override
  public int firstCopy(Operation operation, int physical) {
    return 0;
  }

  @Override
  public void readAgain(Operation operation) {
    PoolRequest request = operation.request();
    int wanted = operation.badBlocks;
    operation.pendingIos += Integer.bitCount(wanted);
    for (int rest = wanted; rest != 0; rest &= rest - 1) {
      int index = Integer.numberOfTrailingZeros(rest);
      int cell = Reader.physical(operation, index);
      long offset = Reader.offset(operation, index);
      recovery.request(cell, request.checksums[index], request.data, offset, operation, index);
    }
  }

  @Override
  public void drivesChanged() {}

  @Override
  public boolean isDispensable(int drive) {
    int missing = 0;
    for (int i = 0; i < pool.drives.count(); i++) {
      missing += i != drive && (!pool.drives.isLive(i) || pool.isRebuilding(i)) ? 1 : 0;
    }
    return missing < Layout.PARITIES;
  }

  @Override
  public boolean isBroken() {
    return pool.drives.count() - pool.drives.liveCount() > Layout.PARITIES;
  }

  @Override
  public boolean hasRoom(long grantedBlocks, int count) {
    long stripes = space.freeStripes() - (long) cleaner.keptStripes();
    return stripes * pool.layout.dataColumns() - grantedBlocks >= count;
  }

  @Override
  public boolean makesRoom() {
    return cleaner.makesRoom() || writer.isBusy();
  }

  @Override
  public Sweep sweep(Sweeper sweeper) {
    return new StripeSweep(this, sweeper);
  }

  @Override
  public void pause() {
    cleaner.pause();
  }

  @Override
  public long movedBlocks() {
    return cleaner.movedBlocks();
  }

  @Override
  public void journaling(Operation operation, MetadataPage page) {
    cleaner.journaling(operation, page);
  }

  @Override
  public void journaled(Operation operation) {
    cleaner.journaled(operation);
  }

  @Override
  public int work() {
    return writer.work() + cleaner.work(writer.isStalled());
  }
}
