package io.twinspan.shelf;

import io.twinspan.nvme.DoorbellPage;

/** Doorbells in a page of their own, which the client maps. */
final class PageDoorbells implements Doorbells {
  private final DoorbellPage page;

  PageDoorbells(DoorbellPage page) {
    this.page = page;
  }

  @Override
  public int sqTail() {
    return page.sqTail();
  }

  @Override
  public int cqHead() {
    return page.cqHead();
  }

  @Override
  public void beginSubmissions() {
    page.sqTail(0);
    page.sleeping(false);
  }

  @Override
  public void beginCompletions() {
    page.cqHead(0);
    page.forgetSleeps();
  }

  @Override
  public void sawTail(int tail, int entries) {}

  @Override
  public void sawHead(int head, int entries) {}

  @Override
  public void sleeping(boolean sleeping, int tail, int entries) {
    page.sleeping(sleeping);
  }

  @Override
  public boolean takesInterrupt() {
    return page.takesInterrupt();
  }

  @Override
  public void clear() {
    page.clear();
  }
}
