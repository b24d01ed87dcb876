/**
 * What is measured outside of the tools of the product: hot paths under JMH, and other software
 * beside which the link is measured. Nothing depends on this.
 */
@NullMarked
package io.twinspan.benchmarks;

import org.jspecify.annotations.NullMarked;
