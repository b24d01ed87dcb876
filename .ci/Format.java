import com.google.googlejavaformat.java.Formatter;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Checks ({@code check}) or rewrites ({@code fix}) every Java source below a folder with
 * google-java-format. Run by the build as a single-file program, so that one JVM does all modules.
 */
final class Format {
  public static void main(String[] args) throws IOException {
    boolean fix = args[0].equals("fix");
    Path root = Path.of(args[1]);
    AtomicBoolean failed = new AtomicBoolean();
    sources(root).parallelStream()
        .forEach(file -> {
          if (!format(file, fix)) {
            failed.set(true);
            System.err.println("not formatted: " + root.relativize(file));
          }
        });
    if (failed.get()) {
      System.err.println("run ./verify --format to put it right");
      System.exit(1);
    }
  }

  private static boolean format(Path file, boolean fix) {
    try {
      String before = Files.readString(file);
      String after = new Formatter().formatSourceAndFixImports(before);
      if (after.equals(before)) {
        return true;
      }
      if (fix) {
        Files.writeString(file, after);
      }
      return fix;
    } catch (Exception e) {
      System.err.println(file + ": " + e.getMessage());
      return false;
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
            return name.equals("target") || name.equals(".git")
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
