package io.github.simcse4j.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WorkerPoolTest {

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5})
  void everyTaskRunsOnce(int threads) {
    try (WorkerPool pool = new WorkerPool(threads)) {
      for (int count : new int[] {0, 1, 2, 7, 100}) {
        for (int grain : new int[] {1, 3, 100}) {
          AtomicIntegerArray runs = new AtomicIntegerArray(count);
          pool.run(
              count,
              grain,
              (index, worker) -> {
                assertTrue(worker >= 0 && worker < threads, "worker " + worker);
                runs.incrementAndGet(index);
              });
          for (int i = 0; i < count; i++) {
            assertEquals(1, runs.get(i), count + " tasks, " + grain + " at a time, task " + i);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5})
  void whatATaskThrowsReachesTheCaller(int threads) {
    IllegalStateException failure = new IllegalStateException("task 37");
    try (WorkerPool pool = new WorkerPool(threads)) {
      IllegalStateException thrown =
          assertThrows(
              IllegalStateException.class,
              () ->
                  pool.run(
                      50,
                      (index, worker) -> {
                        if (index == 37) {
                          throw failure;
                        }
                      }));
      assertSame(failure, thrown);
      AtomicIntegerArray runs = new AtomicIntegerArray(50);
      pool.run(50, (index, worker) -> runs.incrementAndGet(index));
      assertEquals(1, runs.get(49), "the pool works on after a failure");
    }
  }

  @Test
  void workersThatSleptWakeUp() throws InterruptedException {
    try (WorkerPool pool = new WorkerPool(3)) {
      for (int round = 0; round < 5; round++) {
        Thread.sleep(5);
        AtomicIntegerArray runs = new AtomicIntegerArray(64);
        pool.run(64, (index, worker) -> runs.incrementAndGet(index));
        for (int i = 0; i < 64; i++) {
          assertEquals(1, runs.get(i));
        }
      }
    }
  }

  @Test
  void aClosedPoolRunsNothing() {
    WorkerPool pool = new WorkerPool(2);
    pool.close();
    assertThrows(IllegalStateException.class, () -> pool.run(2, (index, worker) -> {}));
    assertThrows(IllegalArgumentException.class, () -> new WorkerPool(0));
  }
}
