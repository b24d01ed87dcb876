/**
 * Small programs on the link, each of one file. Start one as side {@code b}, then as side {@code
 * a}, with the same path for the socket; docs/link.md shows how.
 */
@NullMarked
package io.twinspan.examples;

import org.jspecify.annotations.NullMarked;
