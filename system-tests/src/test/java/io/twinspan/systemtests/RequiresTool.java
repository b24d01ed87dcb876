package io.twinspan.systemtests;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Names the programs a test or test class runs. Where one is missing the test is skipped and {@code
 * ./verify} says so at its end; in CI (environment variable {@code CI}) the test fails instead, so
 * that nothing goes untested unnoticed. The Debian package of each program stands in {@code
 * debian-packages.txt}.
 */
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(ToolCondition.class)
@interface RequiresTool {
  /** Programs as found in PATH, for example {@code nbdcopy}. */
  String[] value();
}
