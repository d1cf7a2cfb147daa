"""Records of runs on a GPU, each as JSON to be read again and as Markdown, and what they say of the kernels now."""
import json
import os
import pathlib
import re
import tempfile


def write(folder, name, text):
    """A file that is there whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(part, 0o644)
    os.replace(part, folder / name)
    return folder / name


def name_of(record):
    """gpu-test_nvidia-h200_2026-11-22."""
    gpu = re.sub(r"[^a-z0-9]+", "-", record["gpu"].lower()).strip("-")
    return f"gpu-{record['what']}_{gpu}_{record['time'][:10]}"


def keep(folder, record, markdown):
    """Writes both files; a later record of the same day gets a number."""
    name, number = name_of(record), 1
    while (folder / f"{name}.json").exists():
        number += 1
        name = f"{name_of(record)}_{number}"
    write(folder, f"{name}.json", json.dumps(record, indent=1) + "\n")
    return write(folder, f"{name}.md", markdown)


def heading(record, title):
    lines = [f"# {title}, {record['gpu']}, {record['time'][:10]}", ""]
    if record["emulated"]:
        lines += ["A rehearsal over the emulator: no GPU took part, and no time here is one of a GPU.", ""]
    lines += [f"- GPU: {record['gpu']} ({record['tier']}), driver {record['driver']}, CUDA {record['cuda']}",
              f"- device: {record['device']}",
              f"- built with CUDA {record['toolkit']}, commit {record['commit']}", f"- time: {record['time']}", ""]
    return lines


def result_of(test):
    if "left out" in test:
        return f"left out: {test['left out']}"
    return "passed" if test["passed"] else "FAILED"


def counts(tests):
    out = sum("left out" in test for test in tests)
    failed = sum(not test["passed"] for test in tests)
    return f"{len(tests) - out} tests, {failed} failed" + (f", {out} left out" if out else "")


def markdown(record, title):
    """Of a record of tests."""
    lines = heading(record, title)
    failed = [test for test in record["tests"] if not test["passed"]]
    lines += [f"{counts(record['tests'])}.", "", "| test | result | seconds |", "|---|---|---:|"]
    lines += [f"| {test['name']} | {result_of(test)} | {test['seconds']} |" for test in record["tests"]]
    for test in failed:
        lines += ["", f"{test['name']}:", "", "```", test["text"].strip(), "```"]
    if "kernels" in record:
        lines += ["", "| kernel | result | SHA-256 of its sources |", "|---|---|---|"]
        lines += [f"| {name} | {'passed' if kernel['passed'] else 'FAILED'} | {kernel['sha256'][:16]} |"
                  for name, kernel in record["kernels"].items()]
    return "\n".join(lines) + "\n"


def on_gpus(folder):
    """The records of tests on real GPUs, oldest first."""
    all_of_them = []
    for file in sorted(pathlib.Path(folder).glob("gpu-test_*.json")):
        record = json.loads(file.read_text(encoding="utf-8"))
        if not record["emulated"]:
            all_of_them.append(record)
    return sorted(all_of_them, key=lambda record: record["time"])


def state(name, sha256, history):
    """Whether a kernel passed as it is, and the words for it."""
    runs = [record for record in history if name in record.get("kernels", {})]
    if not runs:
        return False, "never run on a GPU"
    last = runs[-1]
    where = f"{last['gpu']}, driver {last['driver']}, commit {last['commit']}, {last['time'][:10]}"
    if last["kernels"][name]["sha256"] != sha256:
        return False, f"changed since it ran on {where}"
    if not last["kernels"][name]["passed"]:
        return False, f"failed on {where}"
    return True, f"passed on {where}"


def status(kernels, folder):
    history = on_gpus(folder)
    open_ones = 0
    for name, sha256 in kernels.items():
        passed, words = state(name, sha256, history)
        open_ones += not passed
        print(f"{name:<40} {words}")
    print(f"{len(kernels) - open_ones} of {len(kernels)} kernels passed on a GPU as they are now")
    return 1 if open_ones else 0
