"""run test: the kernels' own tests, libsimcse's operations, the Java suites, and whole trainings, on cuda:0."""
import concurrent.futures
import hashlib
import json
import math
import pathlib
import re
import statistics
import tempfile

import records
from bundle import DEVICE, Missing, Result, chosen

FAMILIES = ["gemm", "elementwise", "layer_norm", "embedding", "attention", "pooling", "similarity", "optimiser", "masks",
            "convert"]
JAVA_TESTS = r".*\.(Cuda\w+|train\.LargeBatch)Test"
JCUDA_TESTS = r".*\.JCuda(F32Kernels|Bf16Kernels|Lending)Test"
JCUDNN_TESTS = r".*\.JCudnnTest"
MINUTES = 60
# The training of the quickstart: 64 sentences a step. An emulation has time for little.
STEPS = {False: 200, True: 4}
COMPARED = {False: 20, True: 2}
# Losses of a training, relative to those of the CPU in fp32.
TOLERANCE = {"fp32": 1e-3, "bf16": 3e-2}


def kernel_tests_files(it):
    """The files of the kernels' tests."""
    listed = it.run("kernel tests", [it.programs / "kernel-tests", "--files"], MINUTES)
    if not listed.passed or not listed.text.split():
        raise Missing(f"the kernels' tests cannot be listed: {listed.text.strip()}")
    return listed.text.split()


def kernel_tests(it):
    return [lambda file=file: it.run(f"kernels/{file}", [it.programs / "kernel-tests", "--file", file], 5 * MINUTES)
            for file in kernel_tests_files(it)]


def operations(it):
    library = it.library / "libsimcse.so"
    return [lambda family=family: it.run(f"operations/{family}", [it.programs / "suite", library, family],
                                         5 * MINUTES) for family in FAMILIES]


def ladders(it):
    return [lambda program=program: it.run(f"ladder/{program.name}", [program, "--check"], 5 * MINUTES)
            for program in sorted(it.programs.glob("dev/*"))]


def junit(it, name, folders, pattern, details="summary"):
    """Test classes in these folders, by JUnit's console; the jars among them are only looked into."""
    device = "emulated" if it.rehearsal else "cuda"
    scanned = ":".join(str(folder) for folder in folders if folder.name != "*")
    words = [f"-Dsimcse.test.device={device}", f"-Dsimcse.jcuda.fakes={it.programs / 'fakes'}", "-ea",
             "org.junit.platform.console.ConsoleLauncher", "execute", f"--details={details}", "--disable-banner",
             "--disable-ansi-colors", "--fail-if-no-tests", f"--include-classname={pattern}",
             f"--scan-classpath={scanned}"]
    return it.java(name, folders, words, 20 * MINUTES)


def none_left_out(done):
    for number, what in re.findall(r"\[\s*(\d+) (?:tests|containers) (skipped|aborted)", done.text):
        if done.passed and int(number) > 0:
            done.failed(f"{number} tests were {what}: on a GPU none may be")
    return done


def core(it):
    return none_left_out(junit(it, "java/core", [it.tests / "core", it.tests / "cli"], JAVA_TESTS))


def without_jcuda(it):
    """Why JCuda finds no CUDA 12 here, in the product's words; empty where it does."""
    told = it.run("doctor", [it.root / "bin" / "simcse", "doctor"], MINUTES, {"SIMCSE_CLASSPATH": f"{it.jcuda}/*"})
    found = re.search(r"kernels jcuda\s+not usable: (libcublas\.so\.12 is not found.*)", told.text)
    return found.group(1) if found and not it.rehearsal else ""


def jcuda(it):
    """The optional kernels inside JCuda, which is of CUDA 12 and can do nothing where only CUDA 13 is."""
    why = without_jcuda(it)
    if why:
        return Result("java/jcuda", 0, 0, "").left_out(why)
    folders = [it.tests / "jcuda", it.tests / "core", it.jcuda / "*"]
    return none_left_out(junit(it, "java/jcuda", folders, JCUDA_TESTS))


def jcudnn(it):
    why = without_jcuda(it)
    if why:
        return Result("java/jcudnn", 0, 0, "").left_out(why)
    done = junit(it, "java/jcudnn", [it.tests / "jcuda", it.tests / "core", it.jcuda / "*"], JCUDNN_TESTS, "tree")
    missing = re.search(r"JCudnn: (libcudnn\.so\.9 is not found.*)", done.text)
    return done.left_out(missing.group(1)) if missing and done.passed and not it.rehearsal else none_left_out(done)


def java_tests(it):
    return [lambda group=group: group(it) for group in (core, jcuda, jcudnn)]


class Trainings:
    """Trainings of the quickstart's model, on its sentences."""

    def __init__(self, it, folder):
        self.it, self.folder = it, pathlib.Path(folder)
        self.steps, self.compared = STEPS[it.rehearsal], COMPARED[it.rehearsal]

    def quickstart(self):
        """Makes model and sentences, and trains on the CPU."""
        return self.it.simcse("training/data", ["quickstart", "--out", self.folder, "--device", "cpu"], 10 * MINUTES)

    def train(self, name, device, precision, steps):
        out, metrics = self.folder / name.replace("/", "-"), self.folder / f"{name.replace('/', '-')}.jsonl"
        done = self.it.simcse(name, ["train", "--recipe", "quickstart", "--model", self.folder / "start", "--train",
                                     self.folder / "sentences.txt", "--out", out, "--metrics", metrics,
                                     "--max-steps", steps, "--device", device, "--precision", precision],
                              20 * MINUTES)
        losses = []
        if done.passed:
            lines = map(json.loads, metrics.read_text(encoding="utf-8").splitlines())
            losses = [line["loss"] for line in lines if line["event"] == "step"]
            if len(losses) != steps or not all(map(math.isfinite, losses)):
                done.failed(f"{len(losses)} losses of {steps} steps: {losses}")
        return done, losses, out / "model.safetensors"

    def falling(self):
        """A whole run, whose loss falls by a tenth at least."""
        done, losses, _ = self.train("training/200-steps", DEVICE, "bf16", self.steps)
        tenth = max(1, self.steps // 10)
        if done.passed:
            first, last = statistics.mean(losses[:tenth]), statistics.mean(losses[-tenth:])
            done.text += f"\nloss {first:.4f} at the start, {last:.4f} at the end"
            if not self.it.rehearsal and last > 0.9 * first:
                done.failed("the loss does not fall")
        return done

    def repeatable(self):
        """Two runs give the same bytes."""
        digests = []
        for number in (1, 2):
            done, _, model = self.train(f"training/repeated-{number}", DEVICE, "bf16", self.compared)
            done.name = "training/repeatable"
            if not done.passed:
                return done
            digests.append(hashlib.sha256(model.read_bytes()).hexdigest())
        return done if digests[0] == digests[1] else done.failed(f"other bytes the second time: {digests}")

    def near_the_cpu(self, precision):
        """The losses of the first steps beside those of the CPU in fp32."""
        reference, expected, _ = self.train(f"training/cpu-for-{precision}", "cpu", "fp32", self.compared)
        done, losses, _ = self.train(f"training/{precision}", DEVICE, precision, self.compared)
        if not reference.passed or not done.passed:
            return done.failed(reference.text)
        apart = max(abs(loss - wanted) / abs(wanted) for loss, wanted in zip(losses, expected))
        done.text += f"\nlosses are within {apart:.2g} of those of the CPU"
        return done if apart <= TOLERANCE[precision] else done.failed(f"allowed are {TOLERANCE[precision]}")

    def all(self):
        made = self.quickstart()
        if not made.passed:
            return [made]
        return [self.falling(), self.repeatable(), self.near_the_cpu("fp32"), self.near_the_cpu("bf16")]


def first_word(name):
    return name.split("_")[0]


def kernels_of(it, results):
    """A kernel passed where all tests did in files whose names start with the same word; with no such file, where all
    of the kernels' tests did."""
    own = {result.name.removeprefix("kernels/"): result.passed for result in results
           if result.name.startswith("kernels/")}
    everything = bool(own) and all(own.values())
    found = {}
    for name, sha256 in it.build["kernels"].items():
        tests = [passed for test, passed in own.items() if first_word(test) == first_word(name)]
        found[name] = {"sha256": sha256, "passed": all(tests) if tests else everything}
    return found


def run(it, folder, jobs, only=""):
    print(f"{DEVICE}: {it.device['gpu']} ({it.device['tier']}), driver {it.device['driver']}", flush=True)
    groups = {"kernels": kernel_tests, "operations": operations, "ladder": ladders, "java": java_tests}
    parts, results = chosen([*groups, "training"], only), []
    with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        tasks = [task for name, group in groups.items() if name in parts for task in group(it)]
        for done in concurrent.futures.as_completed([pool.submit(task) for task in tasks]):
            results.append(done.result())
            results[-1].say()
        if "training" in parts:
            for result in Trainings(it, work).all():
                results.append(result)
                result.say()
    passed = bool(results) and all(result.passed for result in results)
    record = {**it.record("test"), "passed": passed, "whole": not only,
              "tests": [result.record() for result in sorted(results, key=lambda result: result.name)],
              "kernels": kernels_of(it, results) if "kernels" in parts else {}}
    kept = records.keep(folder, record, records.markdown(record, "Tests"))
    print(f"{it.device['gpu']}: {records.counts(record['tests'])}; {kept}")
    return 0 if passed else 1
