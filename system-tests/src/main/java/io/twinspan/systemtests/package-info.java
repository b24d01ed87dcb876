/** Twinspan: system-tests. */
@NullMarked
package io.twinspan.systemtests;

import org.jspecify.annotations.NullMarked;
