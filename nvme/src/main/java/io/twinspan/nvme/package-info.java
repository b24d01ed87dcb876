/** Twinspan: nvme. */
@NullMarked
package io.twinspan.nvme;

import org.jspecify.annotations.NullMarked;
