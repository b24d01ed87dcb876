/** Twinspan: pool. */
@NullMarked
package io.twinspan.pool;

import org.jspecify.annotations.NullMarked;
