package io.github.simcse4j.kernels.reference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.simcse4j.kernels.AdamWStep;
import io.github.simcse4j.kernels.Batches;
import io.github.simcse4j.kernels.Contrast;
import io.github.simcse4j.kernels.ContrastPairs;
import io.github.simcse4j.kernels.ContrastStatistics;
import io.github.simcse4j.kernels.KernelsFixture;
import io.github.simcse4j.kernels.LayerNorm;
import io.github.simcse4j.kernels.PackedBatch;
import io.github.simcse4j.kernels.RowStatistics;
import io.github.simcse4j.random.Dropout;
import io.github.simcse4j.tensor.DType;
import io.github.simcse4j.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The reference against numbers that PyTorch 2.13 computed in double on the same inputs. */
class ReferenceGoldenTest {

  private static final double TOLERANCE = 1e-12;

  private final ReferenceKernels kernels = new ReferenceKernels();
  private final KernelsFixture fixture = new KernelsFixture(kernels, DType.F64, 1);

  @AfterEach
  void close() {
    fixture.close();
  }

  @Test
  void gelu() {
    double[] points = {-6, -2.5, -1, -0.1, 0.3, 1.7, 4};
    double[] ones = new double[7];
    Arrays.fill(ones, 1);
    Tensor x = fixture.inOut(DType.F64, points, 7);
    Tensor gradient = fixture.inOut(DType.F64, ones, 7);
    kernels.geluBackward(x, gradient);
    assertArrayEquals(
        new double[] {
          -5.919525869479969e-09,
          -0.015524163314440398,
          -0.15865525393145702,
          -0.0460172162722971,
          0.1853734266566858,
          1.6242387133104768,
          3.9998733150326675
        },
        fixture.values(x),
        TOLERANCE);
    assertArrayEquals(
        new double[] {
          -3.546870945402639e-08,
          -0.03761108590814519,
          -0.08331547058768635,
          0.4204769079752698,
          0.7323277668271099,
          1.1153179687821648,
          1.0005036496612265
        },
        fixture.values(gradient),
        TOLERANCE);
  }

  @Test
  void normalCdf() {
    assertEquals(0.5, GemmReference.normalCdf(0));
    assertEquals(0.9750021048517795, GemmReference.normalCdf(1.96), TOLERANCE);
    assertEquals(2.866515718791939e-07, GemmReference.normalCdf(-5), 1e-15);
    assertEquals(0, GemmReference.normalCdf(-1e300));
    assertEquals(1, GemmReference.normalCdf(Double.MAX_VALUE));
  }

  @Test
  void layerNorm() {
    PackedBatch batch = Batches.random(fixture, 1, 0, 1);
    Tensor sum = matrix(1, 4, 1, -2, 0.5, 4);
    Tensor x = fixture.inOut(DType.F64, new double[4], 1, 4);
    LayerNorm norm = new LayerNorm(vector(1, 2, -0.5, 0.25), vector(0, 1, -1, 0.5), 1e-5f);
    RowStatistics statistics = fixture.rowStatistics(1);
    Tensor out = fixture.output(1, 4);
    kernels.dropoutResidualLayerNormForward(batch, x, sum, norm, Dropout.NONE, out, statistics);
    // PyTorch's epsilon is the double 1e-5, and ours the nearest float.
    assertArrayEquals(
        new double[] {
          0.05862097371316394, -1.696564790805541, -0.9120685394302541, 0.8663810857072747
        },
        fixture.values(out),
        1e-11);
    Tensor dX = fixture.output(1, 4);
    Tensor dGamma = fixture.inOut(DType.F64, new double[4], 4);
    Tensor dBeta = fixture.inOut(DType.F64, new double[4], 4);
    kernels.dropoutResidualLayerNormBackward(
        batch,
        matrix(1, 4, 1, -1, 2, 0.5),
        x,
        statistics,
        norm,
        Dropout.NONE,
        fixture.output(1, 4),
        dX,
        dGamma,
        dBeta);
    assertArrayEquals(
        new double[] {
          0.6673927821651335, -0.2258227718017758, -0.1849281613873186, -0.25664184897603914
        },
        fixture.values(dX),
        1e-11);
    assertArrayEquals(
        new double[] {
          0.05862097371316394, 1.3482823954027705, -0.3517258422789836, 0.7327621714145492
        },
        fixture.values(dGamma),
        1e-11);
    assertArrayEquals(new double[] {1, -1, 2, 0.5}, fixture.values(dBeta), TOLERANCE);
  }

  @Test
  void attention() {
    double[] values = new double[36];
    double[] upstream = new double[12];
    Arrays.setAll(values, e -> (e / 12 * 7 + e % 12 * 5) % 11 / 4.0 - 1.25);
    Arrays.setAll(upstream, e -> e / 6.0 - 1);
    PackedBatch batch = Batches.random(fixture, 1, 0, 3);
    Tensor qkv = fixture.input(DType.F64, values, 3, 12);
    Tensor out = fixture.output(3, 4);
    Tensor lse = fixture.output(3, 2);
    kernels.attentionForward(batch, 2, qkv, Dropout.NONE, out, lse);
    assertArrayEquals(
        new double[] {
          0.7126567972463116, -0.06997482010676082, 0.11845724396099745, -0.8075290290098801,
          0.5092856683265905, -0.6156832890544298, 0.31036238674133737, -0.8710788949592526,
          0.32438389605289175, 0.12428161296841865, 0.20818171144987732, -0.19633290036595943
        },
        fixture.values(out),
        TOLERANCE);
    Tensor dQkv = fixture.output(3, 12);
    kernels.attentionBackward(
        batch, 2, qkv, out, lse, fixture.input(DType.F64, upstream, 3, 4), Dropout.NONE, dQkv);
    assertArrayEquals(
        new double[] {
          0.2481888458916374, 0.04118576893282683, 0.11895855764798974, -0.05978829082523226,
          -0.054838019800517446, -0.0668274757056751, 0.13092571925889973, -0.017959863885327505,
          -0.2871812880950054, -0.13578068149205125, -0.37472895114852234, -0.1307576299013143,
          0.0740615276195438, -0.013344954660340913, -0.039266186883449974, 0.04046168820635252,
          -0.12316624794925413, -0.0009510852149223429, 0.0032414799111546277, -0.02887802343024956,
          -0.14875617862354376, -0.0037684730367901487, 0.126417372401222, 0.24690572594744598,
          -0.0807260120089717, 0.0477660892053241, -0.16828169078643918, 0.040443824070757306,
          0.17800426774977154, 0.06777856092059746, -0.13416719917005432, 0.046837887315577045,
          -0.564062533281451, -0.3604508454711587, 0.24831157874730037, 0.38385190395386837
        },
        fixture.values(dQkv),
        TOLERANCE);
  }

  /** The temperature and the weight are floats in our contract and doubles in PyTorch. */
  @Test
  void similaritySoftmax() {
    double tolerance = 1e-6;
    Tensor queries = matrix(2, 3, 1, 2, -1, 0.5, -0.25, 3);
    Tensor keys = matrix(4, 3, 0.75, 1.5, -2, -1, 0.5, 2.5, 2, 2, 1, 0.1, -3, 0.4);
    Tensor targets = Batches.integers(fixture, 0, 1);
    Contrast contrast = Contrast.inBatch(0.05f).withOwnNegatives(2, 0.7f);
    Tensor loss = fixture.output(1);
    ContrastStatistics statistics =
        new ContrastStatistics(fixture.output(2), fixture.output(2), fixture.output(4));
    kernels.similaritySoftmaxForward(
        new ContrastPairs(queries, keys, targets), contrast, loss, statistics);
    assertEquals(0.012545887332256974, fixture.values(loss)[0], tolerance);
    Tensor dQueries = fixture.output(2, 3);
    Tensor dKeys = fixture.output(4, 3);
    kernels.similaritySoftmaxBackward(
        new ContrastPairs(queries, keys, targets), contrast, statistics, 3f, dQueries, dKeys);
    assertArrayEquals(
        new double[] {
          0.14134714802736725,
          0.08164911856809813,
          0.30464538516356354,
          0.0016782880564507948,
          0.0005280577345724585,
          -0.00023570986486076107
        },
        fixture.values(dQueries),
        tolerance);
    assertArrayEquals(
        new double[] {
          -0.042399931524712706,
          -0.08479986304952188,
          -0.0794998716089086,
          -0.0008169343550428868,
          0.0004084672749640486,
          -0.0004084671970099642,
          -0.011305457794066978,
          0.08884917159159822,
          -0.1550874275950625,
          1.6961287121724537e-05,
          1.4340700568528443e-05,
          0.00010331493248353214
        },
        fixture.values(dKeys),
        tolerance);
  }

  @Test
  void adamw() {
    double[][] gradients = {{3, -4, 0.5}, {0.1, 0.2, -0.3}, {-1, 0, 2}};
    double[] norms = {5.024937810560445, 0.37416573867739417, 2.23606797749979};
    Tensor parameters = fixture.inOut(DType.F64, new double[] {0.5, -1.25, 2}, 3);
    Tensor first = fixture.inOut(DType.F64, new double[3], 3);
    Tensor second = fixture.inOut(DType.F64, new double[3], 3);
    for (int t = 0; t < 3; t++) {
      Tensor gradient = vector(gradients[t]);
      Tensor norm = fixture.output(1);
      kernels.gradientNorm(gradient, norm);
      assertEquals(norms[t], fixture.values(norm)[0], TOLERANCE);
      AdamWStep step = new AdamWStep(t + 1, 0.01, 0.9, 0.98, 1e-6, 0.1, 1);
      kernels.adamw(step, parameters, gradient, first, second, norm, null);
    }
    assertArrayEquals(
        new double[] {0.4795790892952736, -1.227920172048887, 1.9842486751032116},
        fixture.values(parameters),
        TOLERANCE);
    assertArrayEquals(
        new double[] {0.012637458270440277, -0.04647839709392667, 0.0705024787367503},
        fixture.values(first),
        TOLERANCE);
    assertArrayEquals(
        new double[] {0.011042409538903265, 0.01295540109619489, 0.017954163831302602},
        fixture.values(second),
        TOLERANCE);
  }

  private Tensor vector(double... values) {
    return fixture.input(DType.F64, values, values.length);
  }

  private Tensor matrix(int rows, int columns, double... values) {
    return fixture.input(DType.F64, values, rows, columns);
  }
}
