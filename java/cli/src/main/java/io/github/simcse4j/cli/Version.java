package io.github.simcse4j.cli;

import picocli.CommandLine.IVersionProvider;

/** The lines of {@code simcse --version}. */
final class Version implements IVersionProvider {

  @Override
  public String[] getVersion() {
    String platform =
        "Java %s, %s %s"
            .formatted(
                Runtime.version(), System.getProperty("os.name"), System.getProperty("os.arch"));
    return new String[] {"simcse " + BuildInfo.load(), platform};
  }
}
