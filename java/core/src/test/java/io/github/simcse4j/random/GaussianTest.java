package io.github.simcse4j.random;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class GaussianTest {

  private static final int COUNT = 400_000;

  @Test
  void hasTheMomentsOfANormalDistribution() {
    float[] draws = Gaussian.draw(5, 2, COUNT, 0.02);
    double[] moments = new double[5];
    for (float draw : draws) {
      for (int power = 1; power <= 4; power++) {
        moments[power] += Math.pow(draw / 0.02, power) / COUNT;
      }
    }
    // The deviation of the mean of x^k is sqrt((E x^2k - (E x^k)^2) / n).
    assertEquals(0, moments[1], 5 * Math.sqrt(1.0 / COUNT));
    assertEquals(1, moments[2], 5 * Math.sqrt(2.0 / COUNT));
    assertEquals(0, moments[3], 5 * Math.sqrt(15.0 / COUNT));
    assertEquals(3, moments[4], 5 * Math.sqrt(96.0 / COUNT));
  }

  @Test
  void dependsOnSeedAndStreamAlone() {
    float[] draws = Gaussian.draw(5, 2, 1001, 1);
    assertArrayEquals(draws, Gaussian.draw(5, 2, 1001, 1));
    assertArrayEquals(Arrays.copyOf(draws, 7), Gaussian.draw(5, 2, 7, 1));
    assertFalse(Arrays.equals(draws, Gaussian.draw(6, 2, 1001, 1)));
    assertFalse(Arrays.equals(draws, Gaussian.draw(5, 3, 1001, 1)));
  }
}
