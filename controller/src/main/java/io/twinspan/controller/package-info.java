/** Twinspan: controller. */
@NullMarked
package io.twinspan.controller;

import org.jspecify.annotations.NullMarked;
