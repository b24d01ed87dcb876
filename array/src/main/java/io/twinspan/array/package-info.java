/** Twinspan: array. */
@NullMarked
package io.twinspan.array;

import org.jspecify.annotations.NullMarked;
