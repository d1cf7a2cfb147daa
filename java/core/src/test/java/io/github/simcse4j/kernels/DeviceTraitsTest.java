package io.github.simcse4j.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.simcse4j.tensor.DType;
import java.util.List;
import org.junit.jupiter.api.Test;

final class DeviceTraitsTest {

  @Test
  void headsAreThoseThatAttentionIsComputedFor() {
    DeviceTraits three = new DeviceTraits(true, true, List.of(32, 64, 128));
    assertTrue(three.takesHeadsOf(64));
    assertFalse(three.takesHeadsOf(63));
    assertEquals("32, 64 or 128", three.headSizesInWords());
    DeviceTraits one = new DeviceTraits(true, true, List.of(64));
    assertFalse(one.takesHeadsOf(32));
    assertEquals("64", one.headSizesInWords());
    assertTrue(DeviceTraits.HOST.takesHeadsOf(1));
  }

  @Test
  void theLossTakesWhatIsMultipliedOrWhatIsSummed() {
    DeviceTraits rounding = new DeviceTraits(false, true, List.of());
    assertEquals(DType.BF16, rounding.lossType(DType.BF16));
    assertEquals(DType.F32, rounding.lossType(DType.F32));
    assertEquals(DType.F32, DeviceTraits.HOST.lossType(DType.BF16));
    assertEquals(DType.F64, DeviceTraits.HOST.lossType(DType.F64));
  }
}
