/** Twinspan: shelf. */
@NullMarked
package io.twinspan.shelf;

import org.jspecify.annotations.NullMarked;
