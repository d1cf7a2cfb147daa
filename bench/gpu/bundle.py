"""The bundle that the scripts lie in: its programs, its Java, and the device that it finds."""
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import time

JVM = ["--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED",
       "--add-opens=java.base/java.nio=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"]
DEVICE = "cuda:0"


class Missing(Exception):
    """Something without which nothing can be run: one sentence with the remedy."""


def chosen(parts, only):
    """The parts that --only names, all where it is empty."""
    found = [part for part in parts if part.startswith(only)]
    if not found:
        raise Missing(f"--only {only} names no part; there are {', '.join(parts)}")
    return found


class Result:
    """How a program ended, and what it wrote."""

    def __init__(self, name, status, seconds, text):
        self.name, self.status, self.seconds, self.text = name, status, seconds, text
        self.passed, self.found, self.without = status == 0, 0, ""

    def failed(self, why):
        self.passed, self.text = False, f"{self.text}\n{why}".strip()
        return self

    def left_out(self, why):
        """Was not run, which is no failure where what it asks for is optional."""
        self.passed, self.without = True, why
        return self

    def record(self):
        it = {"name": self.name, "passed": self.passed, "seconds": round(self.seconds, 1)}
        if self.without:
            it["left out"] = self.without
        return it if self.passed else {**it, "text": self.text[-2000:]}

    def say(self):
        if self.without:
            print(f"left out {self.name}: {self.without}", flush=True)
            return
        print(f"{'ok    ' if self.passed else 'FAILED'} {self.name}  {self.seconds:.1f} s", flush=True)
        if not self.passed:
            print("       " + self.text[-2000:].replace("\n", "\n       "), flush=True)


class Bundle:
    def __init__(self, root, rehearsal=False, minutes=600.0):
        self.root, self.rehearsal = pathlib.Path(root).resolve(), rehearsal
        self.end = time.monotonic() + 60 * minutes
        self.gpu, self.library = self.root / "gpu", self.root / "lib"
        self.programs, self.tests, self.jcuda = (self.gpu / "programs", self.gpu / "java" / "tests",
                                                 self.gpu / "java" / "jcuda")
        if not (self.programs / "suite").exists():
            raise Missing(f"{self.programs} holds no programs; run this from the bundle that 'make dist-gpu' makes")
        self.build = build_of(root)
        self.environment = {**os.environ, "SIMCSE_JAVA_OPTIONS": f"-Dsimcse.library.path={self.library}",
                            **libraries_of_python()}
        self.device = self.find_device()

    def find_device(self):
        found = self.run("device", [self.programs / "suite", self.library / "libsimcse.so", "device"], 120)
        match = re.search(rf"^{DEVICE} is (\S+): (?:\1, )?(.*)$", found.text, re.MULTILINE)
        if not match:
            raise Missing("there is no GPU to run on: " + re.sub(r"^FAILED (device_open: )?", "", found.text.strip()))
        tier, description = match.groups()
        emulated = tier == "emulated"
        if emulated != self.rehearsal:
            raise Missing("cuda:0 is an emulation, which only --rehearsal takes" if emulated
                          else f"--rehearsal is for the emulated cuda:0, and here it is {description}")
        cuda = re.search(r"driver for CUDA ([0-9.]+)", description)
        return {"gpu": "emulator" if emulated else description.split(",")[0], "emulated": emulated, "tier": tier,
                "driver": "none" if emulated else driver(), "cuda": cuda.group(1) if cuda else "none",
                "device": description}

    def run(self, name, command, seconds, environment=None, input_text=None):
        """Runs a program of the bundle to its end, or for so many seconds, or until --minutes are over."""
        start = time.monotonic()
        seconds = round(min(seconds, self.end - start))
        if seconds <= 0:
            return Result(name, 124, 0, "not begun, since --minutes are over")
        try:
            done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=seconds, env={**self.environment, **(environment or {})}, input=input_text,
                                  text=True, errors="replace", cwd=self.root)
            status, text = done.returncode, done.stdout
        except subprocess.TimeoutExpired as late:
            status, text = 124, (late.stdout or b"").decode(errors="replace") + f"\nnot done after {seconds} s"
        except OSError as error:
            status, text = 127, str(error)
        return Result(name, status, time.monotonic() - start, text)

    def simcse(self, name, words, seconds):
        return self.run(name, [self.root / "bin" / "simcse", *words], seconds)

    def java(self, name, folders, words, seconds):
        """With these folders, or jars, before the libraries."""
        classes = f"{':'.join(map(str, folders))}:{self.gpu}/java/*:{self.library}/*"
        return self.run(name, [self.root / "runtime" / "bin" / "java", *JVM, f"-Dsimcse.library.path={self.library}",
                               "-cp", classes, *words], seconds)

    def record(self, what):
        """What every record starts with."""
        return {"what": what, **self.device, "toolkit": self.build["toolkit"], "commit": self.build["commit"],
                "time": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")}


def build_of(root):
    """What a bundle says of its build."""
    file = pathlib.Path(root) / "gpu" / "build.json"
    if not file.exists():
        raise Missing(f"there is no {file}; run this from the bundle that 'make dist-gpu' makes, or name the folder of "
                      "the kernels by --sources")
    return json.loads(file.read_text(encoding="utf-8"))


def libraries_of_python():
    """cuBLAS as PyTorch brought it, for where there is no other; so both sides of a benchmark have the same one."""
    folders = dict.fromkeys(str(file.parent) for entry in sys.path if entry
                            for file in sorted(pathlib.Path(entry).glob("nvidia/*/lib/libcublas*.so.1[23]")))
    return {"LD_LIBRARY_PATH": ":".join(filter(None, [os.environ.get("LD_LIBRARY_PATH"), *folders]))} if folders else {}


def driver():
    """The version of NVIDIA's driver."""
    try:
        text = pathlib.Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
        return re.search(r"\s(\d+\.\d+(?:\.\d+)?)\s", text).group(1)
    except (OSError, AttributeError):
        pass
    try:
        return subprocess.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
                              capture_output=True, text=True, timeout=60, check=True).stdout.split("\n")[0].strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
