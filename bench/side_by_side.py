"""What the scripts that time simcse4j beside its peers share: running commands, and the head of a record."""
import datetime
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent


def run(command):
    """Standard output, standard error and peak memory in GB of a command."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen([str(part) for part in command], stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        if child.returncode:
            sys.exit(f"{command}: exit {child.returncode}\n{err.read().decode()[-2000:]}")
        return out.read().decode(), err.read().decode(), usage.ru_maxrss / 1e6


def warm(seconds):
    """The steps after the warm-up: a third of the run, at least two steps."""
    return seconds[max(2, len(seconds) // 3):]


def kernels(err):
    """The line in which simcse says what it computes with."""
    return next(line for line in err.splitlines() if line.startswith("kernels:"))


def cpu():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def flags():
    words = next(line for line in open("/proc/cpuinfo") if line.startswith("flags")).split()
    return " ".join(f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in words)


def commit():
    out = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return out.stdout.strip() or "unknown"


def head(title, ours, settings):
    """The lines above the tables of a record."""
    return [f"# {title}", "",
            f"* date: {datetime.date.today()}, commit {commit()}",
            f"* machine: {cpu()}, {os.cpu_count()} cores, {flags()}",
            f"* ours: {ours}",
            f"* {settings}", ""]
