package io.twinspan.systemtests;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaMethodCall;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import com.tngtech.archunit.lang.ArchRule;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Holds the modules to their order and the core to doing no I/O of its own. */
class ModuleRulesTest {
  /** Every module with the modules it may use; whatever is not named here it may not know. */
  private static final Map<String, Set<String>> MAY_USE =
      Map.ofEntries(
          Map.entry("linux", Set.of()),
          Map.entry("concurrent", Set.of("linux")),
          Map.entry("bridge", Set.of("concurrent", "linux")),
          Map.entry("dma", Set.of("concurrent", "linux")),
          Map.entry("rdma", Set.of("bridge", "dma", "concurrent", "linux")),
          Map.entry("perf", Set.of("rdma", "dma", "bridge", "concurrent", "linux")),
          Map.entry("nvme", Set.of("concurrent", "linux")),
          Map.entry("shelf", Set.of("nvme", "concurrent", "linux")),
          Map.entry("pool", Set.of("concurrent", "linux")),
          Map.entry("array", Set.of("pool", "concurrent", "linux")),
          Map.entry("simulator", Set.of("array", "pool", "concurrent", "linux")),
          Map.entry("target", Set.of("array", "pool", "concurrent", "linux")),
          Map.entry(
              "controller",
              Set.of(
                  "target",
                  "array",
                  "pool",
                  "nvme",
                  "rdma",
                  "dma",
                  "bridge",
                  "concurrent",
                  "linux")),
          Map.entry(
              "cli",
              Set.of(
                  "controller",
                  "shelf",
                  "simulator",
                  "perf",
                  "target",
                  "array",
                  "pool",
                  "nvme",
                  "rdma",
                  "dma",
                  "bridge",
                  "concurrent",
                  "linux")));

  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(new DoNotIncludeTests())
          .importPackages("io.twinspan");

  static Stream<String> modules() {
    return MAY_USE.keySet().stream().sorted();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("modules")
  void usesOnlyModulesBelowItself(String module) {
    List<String> known = new ArrayList<>(List.of(packageOf(module)));
    MAY_USE.get(module).forEach(lower -> known.add(packageOf(lower)));
    check(
        noClasses()
            .that()
            .resideInAPackage(packageOf(module))
            .should()
            .dependOnClassesThat(
                resideInAPackage("io.twinspan..")
                    .and(not(resideInAnyPackage(known.toArray(String[]::new))))));
  }

  @Test
  void knowsEveryPackage() {
    Set<String> found =
        CLASSES.stream()
            .map(type -> type.getPackageName().split("\\.")[2])
            .collect(Collectors.toCollection(TreeSet::new));
    assertThat(found)
        .contains("linux", "pool", "cli")
        .isSubsetOf(Stream.concat(modules(), Stream.of("systemtests")).toList());
  }

  @Test
  void hasNoCycles() {
    check(slices().matching("io.twinspan.(*)..").should().beFreeOfCycles());
  }

  @Test
  void poolAndArrayTakeTimeThreadsAndFilesFromOutside() {
    check(
        noClasses()
            .that()
            .resideInAnyPackage("io.twinspan.pool..", "io.twinspan.array..")
            .should()
            .dependOnClassesThat(
                resideInAnyPackage(
                        "java.net..",
                        "java.nio.file..",
                        "java.nio.channels..",
                        "java.util.concurrent")
                    .and(not(named("java.util.concurrent.TimeUnit"))))
            .orShould()
            .dependOnClassesThat(
                resideInAPackage("io.twinspan.linux..")
                    .and(not(named("io.twinspan.linux.TwinspanException"))))
            .orShould()
            .dependOnClassesThat(named("java.lang.Thread", "java.io.File", "java.util.Timer"))
            .orShould()
            .callMethodWhere(calls("java.lang.System", "nanoTime", "currentTimeMillis"))
            .orShould()
            .callMethodWhere(calls("java.time.Instant", "now"))
            .orShould()
            .callMethodWhere(calls("java.lang.Math", "random"))
            .orShould()
            .callMethodWhere(calls("java.util.UUID", "randomUUID")));
  }

  @Test
  void onlyLinuxLinksNativeSymbols() {
    check(
        noClasses()
            .that()
            .resideOutsideOfPackage("io.twinspan.linux..")
            .should()
            .dependOnClassesThat(
                named("java.lang.foreign.Linker", "java.lang.foreign.SymbolLookup")));
  }

  @Test
  void nobodyReachesIntoTheJdk() {
    check(
        noClasses()
            .should()
            .dependOnClassesThat(
                resideInAnyPackage("sun..", "jdk.internal..", "java.util.logging..")));
  }

  private static String packageOf(String module) {
    return "io.twinspan." + module + "..";
  }

  private static void check(ArchRule rule) {
    rule.allowEmptyShould(true).check(CLASSES);
  }

  private static DescribedPredicate<JavaClass> named(String... names) {
    return DescribedPredicate.describe(
        "are " + String.join(" or ", names), type -> Set.of(names).contains(type.getFullName()));
  }

  private static DescribedPredicate<JavaMethodCall> calls(String owner, String... methods) {
    return DescribedPredicate.describe(
        owner + "." + String.join("/", methods),
        call ->
            call.getTargetOwner().getFullName().equals(owner)
                && Set.of(methods).contains(call.getTarget().getName()));
  }
}
