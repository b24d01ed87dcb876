/** Twinspan: concurrent. */
@NullMarked
package io.twinspan.concurrent;

import org.jspecify.annotations.NullMarked;
