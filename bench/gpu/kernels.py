"""The kernels and what they are made of: for each .cu file the SHA-256 of itself and all that it includes."""
import hashlib
import pathlib
import re
import subprocess

from bundle import Missing

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
# What only g++ and the tests compile.
NOT_ON_A_GPU = {"emulator", "tests"}


def closure(source):
    """The file and all files of this repository that it includes, directly or not."""
    found, waiting = set(), [source.resolve()]
    while waiting:
        file = waiting.pop()
        if file in found or NOT_ON_A_GPU & {file.parent.name}:
            continue
        found.add(file)
        for name in INCLUDE.findall(file.read_text(encoding="utf-8")):
            included = (file.parent / name).resolve()
            if included.exists():
                waiting.append(included)
    return sorted(found)


def hash_of(source):
    total = hashlib.sha256()
    for file in closure(source):
        total.update(f"{file.parent.name}/{file.name}\0".encode())
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def hashes(folder):
    """By kernel, which is a .cu file of this folder."""
    return {source.stem: hash_of(source) for source in sorted(pathlib.Path(folder).glob("*.cu"))}


def output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def describe(folder):
    """What a bundle has to know of its build."""
    found = hashes(folder)
    if not found:
        raise Missing(f"{folder} holds no kernels; --sources names the folder of the .cu files")
    told = output("nvcc", "--version") or output("/usr/local/cuda/bin/nvcc", "--version")
    nvcc = re.search(r"release ([0-9.]+)", told)
    return {
        "commit": output("git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"),
        "toolkit": nvcc.group(1) if nvcc else "",
        "kernels": found,
    }
