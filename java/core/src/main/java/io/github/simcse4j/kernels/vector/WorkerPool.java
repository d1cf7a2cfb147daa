package io.github.simcse4j.kernels.vector;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;

/**
 * The threads of one backend. A job is a number of tasks; the caller and the workers take the next
 * one until none is left, so that a late or slow worker holds nobody up. Which thread runs a task
 * is chance: a task must write nothing but its own part of the result.
 */
final class WorkerPool implements AutoCloseable {

  /** Part {@code index} of a job, run by thread {@code worker} in 0 .. threads - 1. */
  interface Task {
    void run(int index, int worker);
  }

  /** Some 20 microseconds, about what lies between two operations of a step. */
  private static final int SPINS = 1000;

  private final Worker[] workers;
  private volatile Job job;
  private volatile boolean closed;

  WorkerPool(int threads) {
    if (threads < 1) {
      throw new IllegalArgumentException("threads must be at least 1, found " + threads);
    }
    workers = new Worker[threads - 1];
    for (int i = 0; i < workers.length; i++) {
      workers[i] = new Worker(i + 1);
      workers[i].start();
    }
  }

  int threads() {
    return workers.length + 1;
  }

  /** Runs tasks 0 .. count - 1 and returns when all are done; what a task throws is thrown here. */
  void run(int count, Task task) {
    run(count, 1, task);
  }

  /** The same, taking {@code grain} neighbouring tasks at a time, for tasks of a microsecond. */
  void run(int count, int grain, Task task) {
    if (closed) {
      throw new IllegalStateException("the backend is closed");
    }
    if (count <= grain || workers.length == 0) {
      for (int index = 0; index < count; index++) {
        task.run(index, 0);
      }
      return;
    }
    Job next = new Job(task, count, grain, Thread.currentThread());
    job = next;
    for (Worker worker : workers) {
      if (worker.parked) {
        LockSupport.unpark(worker);
      }
    }
    next.work(0);
    next.await();
  }

  @Override
  public void close() {
    closed = true;
    for (Worker worker : workers) {
      LockSupport.unpark(worker);
    }
  }

  private static final class Job {

    private final Task task;
    private final int count;
    private final int grain;
    private final Thread caller;
    private final AtomicInteger next = new AtomicInteger();
    private final AtomicInteger done = new AtomicInteger();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();

    Job(Task task, int count, int grain, Thread caller) {
      this.task = task;
      this.count = count;
      this.grain = grain;
      this.caller = caller;
    }

    void work(int worker) {
      int from;
      while (next.get() < count && (from = next.getAndAdd(grain)) < count) {
        int to = Math.min(from + grain, count);
        try {
          for (int index = from; index < to; index++) {
            task.run(index, worker);
          }
        } catch (RuntimeException | Error e) {
          failure.compareAndSet(null, e);
        }
        if (done.addAndGet(to - from) == count) {
          LockSupport.unpark(caller);
        }
      }
    }

    void await() {
      for (int spin = 0; done.get() < count; spin++) {
        if (spin < SPINS) {
          Thread.onSpinWait();
        } else {
          LockSupport.park(this);
        }
      }
      switch (failure.get()) {
        case RuntimeException e -> throw e;
        case Error e -> throw e;
        case null, default -> {}
      }
    }
  }

  private final class Worker extends Thread {

    private final int number;
    private volatile boolean parked;

    Worker(int number) {
      super("simcse-kernels-" + number);
      this.number = number;
      setDaemon(true);
    }

    @Override
    public void run() {
      Job last = null;
      for (int spin = 0; !closed; spin++) {
        Job current = job;
        if (current != last) {
          current.work(number);
          last = current;
          spin = 0;
        } else if (spin < SPINS) {
          Thread.onSpinWait();
        } else {
          parked = true;
          if (job == last && !closed) {
            LockSupport.park(WorkerPool.this);
          }
          parked = false;
          spin = 0;
        }
      }
    }
  }
}
