package io.github.simcse4j.bench;

import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** What an operation did, which JMH divides by the time that it took. */
@State(Scope.Thread)
@AuxCounters(AuxCounters.Type.OPERATIONS)
public class Rate {

  /** 10^9 floating-point operations. */
  public double gflop;

  /** 10^9 bytes read and written, each array counted once. */
  public double gigabyte;

  /**
   * Parts of what the machine could have done at its peak, which a second turns into the share of
   * it.
   */
  public double shareOfPeak;

  /** Counts one call of so many floating-point operations. */
  void flops(double count, Peak peak) {
    gflop += count * 1e-9;
    shareOfPeak += count / peak.flops();
  }

  /** Counts one call that reads and writes so many bytes. */
  void bytes(double count, Peak peak) {
    gigabyte += count * 1e-9;
    shareOfPeak += count / peak.bytes();
  }
}
