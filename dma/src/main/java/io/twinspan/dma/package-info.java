/** Twinspan: dma. */
@NullMarked
package io.twinspan.dma;

import org.jspecify.annotations.NullMarked;
