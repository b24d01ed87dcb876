import com.google.googlejavaformat.java.Formatter;
import com.sun.source.tree.ClassTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.tree.ModifiersTree;
import com.sun.source.tree.Tree;
import com.sun.source.tree.VariableTree;
import com.sun.source.util.DocTrees;
import com.sun.source.util.JavacTask;
import com.sun.source.util.TreePath;
import com.sun.source.util.TreePathScanner;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import javax.lang.model.element.Modifier;
import javax.tools.ToolProvider;

/**
 * Looks at every Java source below a folder: formatted by google-java-format ({@code check} tells,
 * {@code fix} rewrites), and a comment on every public and protected name outside of the tests. The
 * build runs it as a single-file program, so that one JVM does all modules.
 */
final class Sources {
  private static final ConcurrentLinkedQueue<String> FAULTS = new ConcurrentLinkedQueue<>();

  public static void main(String[] args) throws IOException {
    boolean fix = args[0].equals("fix");
    Path root = Path.of(args[1]);
    List<Path> sources = sources(root);
    sources.parallelStream().forEach(file -> format(root, file, fix));
    if (!FAULTS.isEmpty()) {
      FAULTS.add("run ./verify --format to put the formatting right");
    }
    if (!fix) {
      String main = "/src/main/java/";
      checkComments(root, sources.stream().filter(file -> file.toString().contains(main)).toList());
    }
    FAULTS.forEach(System.err::println);
    System.exit(FAULTS.isEmpty() ? 0 : 1);
  }

  private static void format(Path root, Path file, boolean fix) {
    try {
      String before = Files.readString(file);
      String after = new Formatter().formatSourceAndFixImports(before);
      if (after.equals(before)) {
        return;
      }
      if (fix) {
        Files.writeString(file, after);
      } else {
        FAULTS.add("not formatted: " + root.relativize(file));
      }
    } catch (Exception e) {
      FAULTS.add(root.relativize(file) + ": " + e.getMessage());
    }
  }

  private static void checkComments(Path root, List<Path> sources) throws IOException {
    if (sources.isEmpty()) {
      return;
    }
    var compiler = ToolProvider.getSystemJavaCompiler();
    try (var files = compiler.getStandardFileManager(null, null, null)) {
      var units = files.getJavaFileObjectsFromPaths(sources);
      var task = (JavacTask) compiler.getTask(null, files, null, List.of(), null, units);
      DocTrees docs = DocTrees.instance(task);
      for (CompilationUnitTree unit : task.parse()) {
        new CommentScanner(root, unit, docs).scan(unit, null);
      }
    }
  }

  /** Goes through what other modules can see of one file; members of hidden types are skipped. */
  private static final class CommentScanner extends TreePathScanner<Void, Void> {
    private final Path root;
    private final CompilationUnitTree unit;
    private final DocTrees docs;

    CommentScanner(Path root, CompilationUnitTree unit, DocTrees docs) {
      this.root = root;
      this.unit = unit;
      this.docs = docs;
    }

    @Override
    public Void visitClass(ClassTree type, Void none) {
      if (!visible(type.getModifiers())) {
        return null;
      }
      require(type.getSimpleName());
      return super.visitClass(type, none);
    }

    @Override
    public Void visitMethod(MethodTree method, Void none) {
      boolean overrides =
          method.getModifiers().getAnnotations().stream()
              .anyMatch(annotation -> annotation.getAnnotationType().toString().equals("Override"));
      if (visible(method.getModifiers()) && !overrides && !isConstructor(method)) {
        require(method.getName());
      }
      return null;
    }

    @Override
    public Void visitVariable(VariableTree field, Void none) {
      boolean component = inside(Tree.Kind.RECORD) && !isStatic(field);
      if (visible(field.getModifiers()) && !component) {
        require(field.getName());
      }
      return null;
    }

    /** A constructor without comment does what its class says. */
    private static boolean isConstructor(MethodTree method) {
      return method.getReturnType() == null;
    }

    private static boolean isStatic(VariableTree field) {
      return field.getModifiers().getFlags().contains(Modifier.STATIC);
    }

    private boolean visible(ModifiersTree modifiers) {
      Set<Modifier> flags = modifiers.getFlags();
      return flags.contains(Modifier.PUBLIC)
          || flags.contains(Modifier.PROTECTED)
          || ((inside(Tree.Kind.INTERFACE) || inside(Tree.Kind.ANNOTATION_TYPE))
              && !flags.contains(Modifier.PRIVATE));
    }

    private boolean inside(Tree.Kind kind) {
      TreePath parent = getCurrentPath().getParentPath();
      return parent != null && parent.getLeaf().getKind() == kind;
    }

    private void require(CharSequence name) {
      if (docs.getDocComment(getCurrentPath()) == null) {
        long position =
            docs.getSourcePositions().getStartPosition(unit, getCurrentPath().getLeaf());
        Path file = Path.of(Objects.requireNonNull(unit.getSourceFile()).toUri());
        FAULTS.add(
            "no comment: %s:%d %s"
                .formatted(root.relativize(file), unit.getLineMap().getLineNumber(position), name));
      }
    }
  }

  private static List<Path> sources(Path root) throws IOException {
    List<Path> found = new ArrayList<>();
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) {
            String name = folder.getFileName().toString();
            // A module's build output lies beside its pom.xml; io.twinspan.target is a package.
            boolean output =
                name.equals("target") && Files.exists(folder.resolveSibling("pom.xml"));
            return output || name.equals(".git") || name.equals(".build")
                ? FileVisitResult.SKIP_SUBTREE
                : FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            if (file.toString().endsWith(".java")) {
              found.add(file);
            }
            return FileVisitResult.CONTINUE;
          }
        });
    return found;
  }
}
