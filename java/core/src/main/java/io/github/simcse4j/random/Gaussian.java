package io.github.simcse4j.random;

/**
 * Normally distributed numbers by index: the Box-Muller transform of Philox words, so that weights
 * drawn at random depend on the seed and the stream alone.
 */
public final class Gaussian {

  /** Sets these draws apart from dropout masks; it spells "init". */
  private static final int DOMAIN = 0x696e6974;

  private static final double UNIT = 0x1p-32;

  private Gaussian() {}

  /**
   * Draws {@code count} numbers of mean 0.
   *
   * @param stream which sequence, such as the number of a parameter
   * @param deviation standard deviation
   */
  public static float[] draw(long seed, int stream, int count, double deviation) {
    float[] out = new float[count];
    int[] words = new int[4];
    for (int i = 0; i < count; i += 4) {
      Philox.words(i / 4, stream, DOMAIN, 0, (int) seed, (int) (seed >>> 32), words);
      for (int pair = 0; pair < 2; pair++) {
        double u = ((words[2 * pair] & 0xFFFFFFFFL) + 0.5) * UNIT;
        double angle = 2 * Math.PI * (words[2 * pair + 1] & 0xFFFFFFFFL) * UNIT;
        double radius = deviation * StrictMath.sqrt(-2 * StrictMath.log(u));
        put(out, i + 2 * pair, radius * StrictMath.cos(angle));
        put(out, i + 2 * pair + 1, radius * StrictMath.sin(angle));
      }
    }
    return out;
  }

  private static void put(float[] out, int index, double value) {
    if (index < out.length) {
      out[index] = (float) value;
    }
  }
}
