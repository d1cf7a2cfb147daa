package io.github.simcse4j.kernels.ffm;

import io.github.simcse4j.kernels.Timeline;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Marks on the stream of a device's operations, by the device's clock: nobody waits at a mark. */
final class DeviceTimeline implements Timeline {

  private final NativeDevice device;
  private final List<MemorySegment> events = new ArrayList<>();
  private int marks;

  DeviceTimeline(NativeDevice device) {
    this.device = device;
  }

  @Override
  public void mark() {
    if (marks == events.size()) {
      events.add(device.openEvent());
    }
    device.record(events.get(marks++));
  }

  @Override
  public double[] seconds() {
    double[] seconds = new double[Math.max(0, marks - 1)];
    if (marks > 0) {
      device.synchronizeEvent(events.get(marks - 1));
    }
    for (int i = 0; i < seconds.length; i++) {
      seconds[i] = device.elapsed(events.get(i), events.get(i + 1));
    }
    marks = 0;
    return seconds;
  }

  @Override
  public void close() {
    events.forEach(device::closeEvent);
    events.clear();
    marks = 0;
  }
}
