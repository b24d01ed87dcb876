/** Twinspan: rdma. */
@NullMarked
package io.twinspan.rdma;

import org.jspecify.annotations.NullMarked;
