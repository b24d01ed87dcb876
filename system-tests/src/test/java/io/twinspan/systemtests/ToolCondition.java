package io.twinspan.systemtests;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.platform.commons.support.AnnotationSupport;

/**
 * Decides for {@link RequiresTool} whether a test runs, is skipped, or fails for want of a tool.
 */
final class ToolCondition implements ExecutionCondition {
  private final Predicate<String> installed;
  private final boolean ci;

  ToolCondition() {
    this(ToolCondition::isInPath, System.getenv().containsKey("CI"));
  }

  ToolCondition(Predicate<String> installed, boolean ci) {
    this.installed = installed;
    this.ci = ci;
  }

  @Override
  public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
    return AnnotationSupport.findAnnotation(context.getElement(), RequiresTool.class)
        .map(annotation -> evaluate(annotation.value()))
        .orElse(ConditionEvaluationResult.enabled("needs no tool"));
  }

  ConditionEvaluationResult evaluate(String... tools) {
    Map<String, String> packages = packages();
    String missing =
        Stream.of(tools)
            .filter(installed.negate())
            .map(tool -> tool + " (Debian: " + packageOf(tool, packages) + ")")
            .collect(Collectors.joining(", "));
    if (missing.isEmpty()) {
      return ConditionEvaluationResult.enabled("every tool is installed");
    }
    if (ci) {
      throw new IllegalStateException("not installed, and CI leaves no test out: " + missing);
    }
    return ConditionEvaluationResult.disabled("not installed: " + missing);
  }

  private static String packageOf(String tool, Map<String, String> packages) {
    return Objects.requireNonNull(
        packages.get(tool), () -> tool + " is not listed in debian-packages.txt");
  }

  private static Map<String, String> packages() {
    try (InputStream list = ToolCondition.class.getResourceAsStream("/debian-packages.txt")) {
      return new String(Objects.requireNonNull(list).readAllBytes(), UTF_8)
          .lines()
          .filter(line -> !line.startsWith("#"))
          .map(line -> line.split(" ", 2))
          .collect(Collectors.toMap(words -> words[0], words -> words[1]));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Users' PATH often lacks the system folders, where mkfs and its like are. */
  private static boolean isInPath(String tool) {
    return Stream.concat(
            Stream.of(System.getenv().getOrDefault("PATH", "").split(":", -1)),
            Stream.of("/usr/sbin", "/sbin"))
        .anyMatch(folder -> Files.isExecutable(Path.of(folder, tool)));
  }
}
