/** Twinspan: linux. */
@NullMarked
package io.twinspan.linux;

import org.jspecify.annotations.NullMarked;
