/** Twinspan: bridge. */
@NullMarked
package io.twinspan.bridge;

import org.jspecify.annotations.NullMarked;
