/** Twinspan: cli. */
@NullMarked
package io.twinspan.cli;

import org.jspecify.annotations.NullMarked;
