#!/usr/bin/env python3
"""Runs the build script of OSS-Fuzz and ClusterFuzzLite without their image, and checks what it makes as they do.

Each target is there, is instrumented, starts, and takes its own seeds, dictionary and options, from another folder than
it was built into. Needs cargo-fuzz, a nightly toolchain and zip. Usage: fuzz/oss_fuzz_check.py
"""

import configparser
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = {"dict", "max_len", "rss_limit_mb", "timeout"}
# What OSS-Fuzz takes for too few, so that a target without instrumentation is told from one with it.
LEAST_EDGES = 100
STARTS = 4


def main():
    scratch = Path(tempfile.mkdtemp(prefix="oss-fuzz-"))
    try:
        built = build(scratch)
        targets = sorted(source.stem for source in (ROOT / "fuzz/fuzz_targets").glob("*.rs"))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            checked = pool.map(lambda target: check(built, scratch, target), targets)
            complaints = [complaint for found in checked for complaint in found]
        complaints += left_over(built, targets)
        complaints += projects()
    finally:
        shutil.rmtree(scratch)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    print(f"{len(targets)} targets, {len(complaints)} complaints")
    return 1 if complaints else 0


def build(scratch):
    """What the script makes, in a folder that it does not know."""
    for folder in ("src", "out", "work"):
        (scratch / folder).mkdir()
    (scratch / "src/volact").symlink_to(ROOT)
    environment = {
        "RUSTUP_TOOLCHAIN": "nightly",
        "SANITIZER": "address",
        "FUZZING_ENGINE": "libfuzzer",
        **os.environ,
        "SRC": str(scratch / "src"),
        "OUT": str(scratch / "out"),
        "WORK": str(scratch / "work"),
    }
    subprocess.run(["bash", "-eu", ROOT / ".clusterfuzzlite/build.sh"], env=environment, check=True)
    return (scratch / "out").rename(scratch / "elsewhere")


def check(built, scratch, target):
    """What is wrong with a target, a line each."""
    program = built / target
    if not os.access(program, os.X_OK):
        return [f"{target}: the program is not there"]
    code = program.read_bytes()
    complaints = [
        f"{target}: the program lacks {symbol}"
        for symbol in ("LLVMFuzzerTestOneInput", "LLVMFuzzerCustomMutator", "__asan_init")
        if symbol.encode() not in code
    ]

    parser = configparser.ConfigParser()
    parser.read(built / f"{target}.options")
    options = dict(parser["libfuzzer"]) if parser.sections() == ["libfuzzer"] else {}
    if set(options) - {"dict"} != OPTIONS - {"dict"}:
        complaints.append(f"{target}: its options are {sorted(options)}")
    arguments = [f"-{name}={value}" for name, value in options.items()]

    said, code = run(built, [f"./{target}", *arguments, "-seed=1337", f"-runs={STARTS}"])
    edges = [int(count) for count in re.findall(r"INFO: Loaded \d+ modules? +\((\d+) inline 8-bit counters\)", said)]
    if code != 0 or f"Done {STARTS} runs" not in said:
        complaints.append(f"{target}: it does not start: {said[-2000:]}")
    if sum(edges) < LEAST_EDGES or "ERROR: no interesting inputs" in said:
        complaints.append(f"{target}: it has {sum(edges)} edges that are instrumented")
    dictionary = ROOT / f"fuzz/dictionaries/{target}.dict"
    words = [int(count) for count in re.findall(r"Dictionary: (\d+) entries", said)]
    if dictionary.exists() and (options.get("dict") != f"{target}.dict" or not sum(words)):
        complaints.append(f"{target}: its dictionary is not taken")

    folders = [ROOT / "corpus" / target, ROOT / "corpus/regressions" / target]
    expected = sum(len(list(folder.iterdir())) for folder in folders if folder.is_dir())
    seeds = scratch / "seeds" / target
    with zipfile.ZipFile(built / f"{target}_seed_corpus.zip") as archive:
        archive.extractall(seeds)
        names = archive.namelist()
    if len(names) != expected or any("/" in name for name in names):
        complaints.append(f"{target}: {len(names)} seeds in its archive, {expected} in the repository")
    longest = max((seed.stat().st_size for seed in seeds.iterdir()), default=0)
    if longest > int(options.get("max_len", 0)):
        complaints.append(f"{target}: a seed of {longest} bytes would be cut")
    said, code = run(built, [f"./{target}", *arguments, "-runs=0", str(seeds)])
    if code != 0:
        complaints.append(f"{target}: a seed fails: {said[-2000:]}")
    return complaints


def run(built, command):
    done = subprocess.run(command, cwd=built, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode(errors="replace"), done.returncode


def left_over(built, targets):
    """Files that belong to no target."""
    endings = ("", ".dict", ".options", "_seed_corpus.zip")
    known = {target + ending for target in targets for ending in endings}
    return [f"{path.name} belongs to no target" for path in built.iterdir() if path.name not in known]


def projects():
    """Both projects do the same, and what they build with is new enough for the package."""
    folders = [ROOT / ".clusterfuzzlite", ROOT / "oss-fuzz"]
    complaints = []
    scripts = {(folder / "build.sh").read_text().splitlines()[-1] for folder in folders}
    if len(scripts) != 1:
        complaints.append(f"the two build.sh end differently: {scripts}")
    for what in (r"^FROM (.+)$", r"^ENV RUSTUP_TOOLCHAIN=(nightly-.+)$", r"^(RUN rustup .+)$", r"^WORKDIR (.+)$"):
        found = {tuple(re.findall(what, (folder / "Dockerfile").read_text(), re.M)) for folder in folders}
        if len(found) != 1 or () in found:
            complaints.append(f"the two Dockerfiles differ in {what}: {found}")
    for what in (r"^language: (.+)$", r"^sanitizers:\n((?: +- .+\n)+)", r"^fuzzing_engines:\n((?: +- .+\n)+)"):
        found = {tuple(re.findall(what, (folder / "project.yaml").read_text(), re.M)) for folder in folders}
        if len(found) != 1 or () in found:
            complaints.append(f"the two project.yaml differ in {what}: {found}")
    return complaints


if __name__ == "__main__":
    sys.exit(main())
