package io.github.simcse4j.jcuda;

import java.util.List;

/** A program that loads classes of JCuda, for tests that need a JVM without any yet. */
final class LoadProbe {

  private LoadProbe() {}

  /**
   * Prints what came of it.
   *
   * @param arguments {@code private} or {@code plain}, how to load, and the classes
   */
  public static void main(String[] arguments) {
    List<String> classes = List.of(arguments).subList(1, arguments.length);
    if (arguments[0].equals("private")) {
      System.out.println(JCudaNatives.load(classes).orElse("loaded"));
    } else {
      for (String name : classes) {
        try {
          Class.forName(name);
          System.out.println("loaded");
        } catch (ClassNotFoundException | LinkageError e) {
          System.out.println(e.getMessage());
        }
      }
    }
    System.out.println(System.getProperty(JCudaNatives.TEMPORARY));
  }
}
