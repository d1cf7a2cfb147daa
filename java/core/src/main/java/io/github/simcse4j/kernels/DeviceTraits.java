package io.github.simcse4j.kernels;

import java.util.List;

/**
 * What code above a backend may take into account of where it computes.
 *
 * @param runsAhead whether calls return before their work is done, so that whoever asks for a
 *     result in every step makes the device wait
 * @param headSizes channels of a head that attention is computed for; empty for any
 */
public record DeviceTraits(boolean runsAhead, List<Integer> headSizes) {

  /** Of the host's processors. */
  public static final DeviceTraits HOST = new DeviceTraits(false, List.of());
}
