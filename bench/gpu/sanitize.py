"""run sanitize: the kernels' tests under compute-sanitizer, each tool of which must first catch a planted fault."""
import concurrent.futures
import os
import pathlib
import re
import shutil

import records
from bundle import Missing
from checks import MINUTES, kernel_tests_files

# What a tool must catch, of the program `faults`.
TOOLS = {"memcheck": ["outside"], "racecheck": ["race"], "initcheck": ["unwritten"], "synccheck": ["divergent"]}
SUMMARY = re.compile(r"(?:ERROR SUMMARY: (\d+) error|RACECHECK SUMMARY: (\d+) hazard)")
CAUGHT = 86  # the status under which a tool ends that found something


def find():
    """The program, or a sentence."""
    homes = [os.environ[name] for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)] + ["/usr/local/cuda"]
    places = [shutil.which("compute-sanitizer"), *(f"{home}/bin/compute-sanitizer" for home in homes),
              *(f"{home}/compute-sanitizer/compute-sanitizer" for home in homes)]
    for place in places:
        if place and pathlib.Path(place).exists():
            return place
    raise Missing("compute-sanitizer is not installed; it is part of the CUDA toolkit: put it on the PATH, or set "
                  "CUDA_HOME")


def under(it, sanitizer, tool, name, command, seconds):
    # The copies of the tests bring back what nobody wrote; only reads by kernels count.
    options = ["--tool", tool, "--error-exitcode", CAUGHT, "--print-limit", 20]
    options += ["--check-api-memory-access", "no"] if tool == "initcheck" else []
    done = it.run(f"{tool}/{name}", [sanitizer, *options, *command], seconds,
                  {"SIMCSE_EXACT_TWINS": "1", "SIMCSE_TEST_SEEDS": "1"})
    counts = [int(first or second) for first, second in SUMMARY.findall(done.text)]
    done.found = sum(counts)
    if not counts:
        done.failed(f"{tool} came to no summary")
    return done


def planted(it, sanitizer, tool):
    """A kernel without a fault, then those with one."""
    results = [under(it, sanitizer, tool, "nothing-planted", [it.programs / "faults", "none"], 3 * MINUTES)]
    if results[0].passed and results[0].found > 0:
        results[0].failed("a fault where none was planted")
    for fault in TOOLS[tool]:
        done = under(it, sanitizer, tool, f"planted-{fault}", [it.programs / "faults", fault], 3 * MINUTES)
        done.passed = done.found > 0
        results.append(done if done.passed else done.failed("the planted fault was not caught"))
    return results


def run(it, folder, tools, jobs):
    unknown = [tool for tool in tools if tool not in TOOLS]
    if unknown:
        raise Missing(f"{unknown[0]} is no tool of compute-sanitizer; there are {', '.join(TOOLS)}")
    sanitizer = find()
    files = kernel_tests_files(it)
    results = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for tool in tools:
            caught = planted(it, sanitizer, tool)
            results += caught
            for result in caught:
                result.say()
            if not all(result.passed for result in caught):
                continue  # a tool that misses what is planted says nothing about the rest
            tests = [pool.submit(under, it, sanitizer, tool, file,
                                 [it.programs / "kernel-tests", "--file", file], 9 * MINUTES) for file in files]
            for test in concurrent.futures.as_completed(tests):
                done = test.result()
                results.append(done.failed(f"{done.found} faults") if done.found > 0 and done.passed else done)
                done.say()
    passed = bool(results) and all(result.passed for result in results)
    record = {**it.record("sanitize"), "passed": passed, "tools": tools,
              "tests": [result.record() for result in sorted(results, key=lambda result: result.name)]}
    kept = records.keep(folder, record, records.markdown(record, "compute-sanitizer"))
    print(f"{len(results)} runs of {', '.join(tools)}, {sum(not r.passed for r in results)} failed; {kept}")
    return 0 if passed else 1
