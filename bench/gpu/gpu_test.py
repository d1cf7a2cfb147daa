"""Tests of these scripts over a made-up bundle and made-up records; they need neither a GPU nor a build."""
import contextlib
import io
import json
import os
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import bench
import bundle
import checks
import kernels
import records
import sanitize

DEVICE = {"gpu": "Made-up GPU", "emulated": False, "tier": "sm_90", "driver": "1.2", "cuda": "13.0", "toolkit": "13.0",
          "device": "Made-up GPU, driver for CUDA 13.0", "commit": "abc"}
# What stands in for a tool: it finds what its second-last word, the program, or its last, the fault, tells it to.
SANITIZER = """#!/bin/sh
for last; do :; done
count=0
case "$last" in outside|race|unwritten|divergent) count={found};; adamw_test) count={own};; esac
echo "========= ERROR SUMMARY: $count errors"
[ "$count" = 0 ] || exit 86
"""


class Folder(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def write(self, name, text, executable=False):
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        if executable:
            file.chmod(0o755)
        return file

    def quietly(self, call, *arguments):
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
            return call(*arguments), out.getvalue()

    def bundle(self, tier="sm_90", rehearsal=False):
        self.write("gpu/build.json", json.dumps({"commit": "abc", "toolkit": "13.0", "kernels": {
            "adamw": "1", "attention_whole": "2", "partial_sums": "3"}}))
        told = f"cuda:0 is {tier}: {tier}, Made-up GPU, driver for CUDA 13.0"
        self.write("gpu/programs/suite", f'#!/bin/sh\necho "{told}"\n', True)
        self.write("gpu/programs/kernel-tests",
                   '#!/bin/sh\n[ "$1" != --files ] || { echo adamw_test; echo attention_test; }\n', True)
        self.write("gpu/programs/faults", "#!/bin/sh\n", True)
        return bundle.Bundle(self.folder, rehearsal)


class Hashes(Folder):
    def test_what_a_kernel_includes_counts(self):
        self.write("cuda/a.cu", '#include "b.hpp"\n')
        self.write("cuda/b.hpp", '#include "../native/c.h"\n#include "emulator/e.hpp"\n#include <math.h>\n')
        self.write("cuda/emulator/e.hpp", "1\n")
        self.write("native/c.h", "1\n")
        self.write("cuda/other.cu", "1\n")
        before = kernels.hashes(self.folder / "cuda")
        self.assertEqual(["a", "other"], list(before))
        self.write("cuda/emulator/e.hpp", "2\n")
        self.assertEqual(before, kernels.hashes(self.folder / "cuda"))
        self.write("native/c.h", "2\n")
        after = kernels.hashes(self.folder / "cuda")
        self.assertNotEqual(before["a"], after["a"])
        self.assertEqual(before["other"], after["other"])


class Status(Folder):
    def keep(self, time, of_kernels, **changes):
        record = {"what": "test", **DEVICE, "time": time, "passed": True, "tests": [], "kernels": of_kernels, **changes}
        return records.keep(self.folder, record, records.markdown(record, "Tests"))

    def status(self, **of_kernels):
        return self.quietly(records.status, of_kernels, self.folder)

    def test_nothing_has_run_at_first(self):
        self.assertEqual(1, self.status(a="1")[0])
        self.assertIn("never run on a GPU", self.status(a="1")[1])

    def test_a_kernel_passes_as_it_was(self):
        self.keep("2026-01-01T00:00:00Z", {"a": {"sha256": "1", "passed": True}})
        status, text = self.status(a="1")
        self.assertEqual(0, status)
        self.assertIn("passed on Made-up GPU, driver 1.2, commit abc, 2026-01-01", text)
        status, text = self.status(a="2")
        self.assertEqual(1, status)
        self.assertIn("changed since it ran on Made-up GPU", text)

    def test_the_newest_record_counts(self):
        self.keep("2026-01-01T00:00:00Z", {"a": {"sha256": "1", "passed": True}})
        self.keep("2026-01-02T00:00:00Z", {"a": {"sha256": "1", "passed": False}})
        self.assertIn("failed on", self.status(a="1")[1])
        self.keep("2026-01-02T01:00:00Z", {"a": {"sha256": "1", "passed": True}})
        self.assertEqual(0, self.status(a="1")[0])
        self.keep("2026-01-03T00:00:00Z", {})
        self.assertEqual(0, self.status(a="1")[0])

    def test_an_emulator_is_no_gpu(self):
        self.keep("2026-01-01T00:00:00Z", {"a": {"sha256": "1", "passed": True}}, emulated=True, gpu="emulator")
        self.assertIn("never run on a GPU", self.status(a="1")[1])

    def test_records_do_not_replace_each_other(self):
        names = [self.keep("2026-01-01T00:00:00Z", {}).name for _ in range(2)]
        self.assertEqual(["gpu-test_made-up-gpu_2026-01-01.md", "gpu-test_made-up-gpu_2026-01-01_2.md"], names)


class Device(Folder):
    def test_an_emulation_is_a_rehearsal_and_nothing_else_is(self):
        self.assertEqual("Made-up GPU", self.bundle().device["gpu"])
        self.assertEqual("13.0", self.bundle().device["cuda"])
        self.assertEqual("emulator", self.bundle("emulated", True).device["gpu"])
        for tier, rehearsal in (("emulated", False), ("sm_90", True)):
            with self.assertRaises(bundle.Missing):
                self.bundle(tier, rehearsal)

    def test_no_gpu_is_said_in_the_words_of_the_library(self):
        self.bundle()
        self.write("gpu/programs/suite", '#!/bin/sh\necho "FAILED device_open: no CUDA driver"; exit 1\n', True)
        with self.assertRaisesRegex(bundle.Missing, "no GPU to run on: no CUDA driver"):
            bundle.Bundle(self.folder)


    def test_without_a_bundle_or_sources_there_is_a_sentence(self):
        with self.assertRaisesRegex(bundle.Missing, "build.json; run this from the bundle"):
            bundle.build_of(self.folder)
        with self.assertRaisesRegex(bundle.Missing, "holds no kernels; --sources"):
            kernels.describe(self.folder)

    def test_cublas_of_pytorch_is_found(self):
        place = self.write("site/nvidia/cu13/lib/libcublasLt.so.13", "").parent
        with mock.patch.object(sys, "path", [str(self.folder / "site")]), mock.patch.dict(os.environ, clear=True):
            self.assertEqual({"LD_LIBRARY_PATH": str(place)}, bundle.libraries_of_python())
            os.environ["LD_LIBRARY_PATH"] = "/own"
            self.assertEqual({"LD_LIBRARY_PATH": f"/own:{place}"}, bundle.libraries_of_python())

    def test_when_the_minutes_are_over_nothing_is_begun(self):
        it = self.bundle()
        self.assertEqual(124, bundle.Bundle(self.folder, minutes=1).run("late", ["sleep", "9"], 1).status)
        it.end = 0
        self.assertIn("not begun", it.run("late", ["sleep", "9"], 9).text)


class Tests(Folder):
    def test_a_kernel_passes_by_the_tests_of_its_name(self):
        it = self.bundle()
        results = [bundle.Result("kernels/adamw_test", 0, 1, ""), bundle.Result("kernels/attention_test", 1, 1, "wrong")]
        passed = {name: kernel["passed"] for name, kernel in checks.kernels_of(it, results).items()}
        self.assertEqual({"adamw": True, "attention_whole": False, "partial_sums": False}, passed)

    def test_a_part_that_there_is_not_is_refused(self):
        for run in (lambda: checks.run(self.bundle(), self.folder, 1, "loss"),
                    lambda: bench.run(self.bundle(), self.folder, None, True, "java")):
            with self.assertRaisesRegex(bundle.Missing, "--only .* names no part; there are kernels, "):
                self.quietly(run)

    def test_a_failure_is_recorded_with_its_text(self):
        it = self.bundle()
        self.write("gpu/programs/kernel-tests", '#!/bin/sh\n[ "$1" = --files ] && echo adamw_test && exit\n'
                   'echo "wrong on row 3"; exit 1\n', True)
        status, _ = self.quietly(checks.run, it, self.folder / "kept", 2, "kernels")
        self.assertEqual(1, status)
        text = next((self.folder / "kept").glob("*.md")).read_text(encoding="utf-8")
        self.assertIn("| kernels/adamw_test | FAILED |", text)
        self.assertIn("wrong on row 3", text)


    def doctor(self, told):
        self.write("bin/simcse", f'#!/bin/sh\necho "kernels jcuda      {told}"\n', True)
        return self.bundle()

    def test_jcuda_is_left_out_where_cuda_12_is_missing_alone(self):
        why = "libcublas.so.12 is not found; install cuBLAS of CUDA 12"
        result = checks.jcuda(self.doctor(f"not usable: {why}"))
        self.assertEqual((True, why), (result.passed, result.record()["left out"]))
        self.assertEqual("1 tests, 0 failed, 1 left out", records.counts(
            [result.record(), bundle.Result("other", 0, 1, "").record()]))
        for told in ("not usable: JCuda's native libraries cannot be loaded", "usable on cuda:0"):
            result = checks.jcuda(self.doctor(told))
            self.assertFalse(result.passed)
            self.assertNotIn("left out", result.record())


class Sanitizers(Folder):
    def run_with(self, found, own):
        place = self.write("bin/compute-sanitizer", SANITIZER.format(found=found, own=own), True).parent
        with mock.patch.dict(os.environ, {"PATH": f"{place}:{os.environ['PATH']}"}):
            status, _ = self.quietly(sanitize.run, self.bundle(), self.folder / "kept", ["memcheck", "initcheck"], 2)
        record = json.loads(next((self.folder / "kept").glob("*.json")).read_text(encoding="utf-8"))
        return status, {test["name"]: test["passed"] for test in record["tests"]}

    def test_all_is_well(self):
        status, tests = self.run_with(found=1, own=0)
        self.assertEqual(0, status)
        self.assertEqual(8, len(tests))

    def test_a_tool_must_catch_what_is_planted(self):
        status, tests = self.run_with(found=0, own=0)
        self.assertEqual(1, status)
        self.assertFalse(tests["memcheck/planted-outside"])
        self.assertNotIn("memcheck/adamw_test", tests)

    def test_a_fault_of_a_kernel_is_a_failure(self):
        status, tests = self.run_with(found=1, own=2)
        self.assertEqual(1, status)
        self.assertFalse(tests["initcheck/adamw_test"])
        self.assertTrue(tests["initcheck/attention_test"])


class Benchmarks(Folder):
    LINES = [
        {"operation": "ceiling", "version": "copy", "shape": "bytes=1", "microseconds": 1.0, "bytes": 4e6, "flops": 0,
         "floor": None},
        {"operation": "ceiling", "version": "product", "shape": "bf16 m=1", "microseconds": 1.0, "bytes": 0,
         "flops": 8e8, "floor": None},
        {"operation": "attention_forward", "version": "product", "shape": "bf16 B=2 L=32 A=1 D=64", "microseconds": 10.0,
         "bytes": 36e6, "flops": 1e6, "floor": 9.0},
        {"operation": "attention_forward", "version": "plain", "shape": "bf16 B=2 L=32 A=1 D=64", "microseconds": 90.0,
         "bytes": 36e6, "flops": 1e6, "floor": 9.0},
        {"operation": "convert_to_bf16", "version": "product", "shape": "P=10", "microseconds": 40.0, "bytes": 144e6,
         "flops": 0, "floor": 36.0},
        {"operation": "convert_to_bf16", "version": "product", "shape": "P=1", "microseconds": 40.0, "bytes": 4e6,
         "flops": 0, "floor": 1.0}]
    PEERS = [{"operation": "attention_forward", "version": "SDPA", "shape": "bf16 B=2 L=32 A=1 D=64",
              "microseconds": 25.0}]

    def made_up(self):
        it = bench.Bench(self.bundle(), self.folder, None, True)
        it.kernels, it.peers = self.LINES, self.PEERS
        it.steps = [{"batch": "64", "sentences/s": "9,000"}, {"batch": "512", "sentences/s": "12,000"}]
        it.peer_steps = [{"batch": 64, "cached": False, "steps": 3, "rate": 3600.0}]
        it.loss = [{"N": "65,536", "ms": "100", "of gemm": "51 %"}]
        it.peer_losses = [{"n": 65536, "version": f"{name}", "ms": ms, "peakMB": 1.0}
                          for name, ms in (("PyTorch, in one piece", 90.0), ("sentence-transformers, 1", 500.0),
                                           ("sentence-transformers, 2", 400.0))]
        return it

    def test_targets_are_met_or_missed_or_not_measured(self):
        rows = {name: bench.outcome(reached, wanted, False) for name, reached, wanted in bench.targets(self.made_up())}
        self.assertEqual("met", rows["sentences/s at batch 64"])
        self.assertEqual("missed", rows["sentences/s at batch 512"])
        self.assertEqual("missed", rows["sentences/s beside sentence-transformers, batch 64"])
        self.assertEqual("met", rows["attention beside the best peer, up to 64 tokens"])
        reached = {name: reached for name, reached, _ in bench.targets(self.made_up())}
        self.assertEqual(0.9, reached["least share of the copy bandwidth of a kernel bound by memory"])
        self.assertEqual("not measured", rows["dropout mask beside PyTorch"])
        self.assertEqual("met", rows["loss of N = 65,536, percent of the rate of a product"])
        self.assertEqual("missed", rows["loss of N = 65,536 beside PyTorch in one piece"])
        self.assertEqual("met", rows["loss of N = 65,536 beside sentence-transformers' cached loss"])
        self.assertEqual("not measured", rows["loss of N = 1,048,576 runs"])
        self.assertEqual("not measured", bench.outcome(9.0, 1, True))

    def test_the_peer_stands_beside_the_version_in_use(self):
        table = "\n".join(bench.kernel_table(self.made_up()))
        self.assertIn("Copy 4.00 TB/s, bf16 product by cuBLASLt 800 TFLOP/s.", table)
        self.assertIn("| 10.0 | 3600 | 0.1 | 9.0 | 90% | SDPA | 25.0 | 2.50 |", table)
        self.assertIn("| 90.0 | 400 | 0.0 | 9.0 | 10% | | | |", table)


if __name__ == "__main__":
    unittest.main()
