#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole guests, side by side: plain QEMU, an empty plugin ("floor"), QEMU's own C cache plugin
("reference") and libcache ("ours"). `make bench` installs what is needed and runs this.

How it measures
  - One run of each variant in turn (plain floor reference ours, plain floor ...), so that a change of the
    machine's speed falls on all of them. A ratio is taken within each turn; shown is the median of turns.
    Short guests have more turns, until those of a guest have taken a minute; the reference is left out of
    the rest once it has taken a minute of its own. The table has the number of both.
  - What else the host does only makes a run longer, but not all variants alike: where two processors are
    threads of one core, work on the other one halves the speed of code that keeps the core busy and leaves
    alone what waits. So the ratio of the least times is shown too, and how much a loop of additions was
    disturbed. The bars are held against the medians.
  - Time is CPU time, user and system, of the child and all its threads, as wait4(2) reports it; the bars are
    held against it. Wall time is shown beside it. Memory is the peak of resident memory from the same call.
  - The machine should be idle. xz's two threads above all need two free processors: where they seldom run at
    the same time, they seldom wait for the reference's locks, and it looks faster than it is.
  - A variant that fails, prints anything but what the guest prints under plain QEMU, or gives no report
    when it should, ends the benchmark. So does anything missing.

A complete run writes its tables to benches/results/YYYY-MM-DD.md and to stdout; a partial one (--quick,
--times, --levels, --only, --versions) to stdout only, unless --output names a file. Progress is on stderr.
"""

import argparse
import datetime
import json
import os
import platform
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Turns of a guest go on until they have taken that long, and the reference in them until it has.
GUEST_SECONDS = 60
MOST_TURNS = 15
# No guest here runs that long, however busy the machine: it hangs.
TIMEOUT_SECONDS = 3600
# At most that much memory for each translated guest instruction, over plain QEMU.
MEMORY_BAR_BYTES = 200
# What valgrind calls the geometry that both plugins have by default.
CACHEGRIND = ["valgrind", "--tool=cachegrind", "--cache-sim=yes", "--I1=16384,8,64", "--D1=16384,8,64",
              "--cachegrind-out-file=/dev/null"]

PYTHON_PROGRAM = """
import random
random.seed(1)
d = {}
for i in range(60000):
    d[random.random()] = i
print(sum(sorted(d)))
"""

SQL_PROGRAM = """
create table t(a int, b text);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 120000)
  insert into t select (x * 7919) % 20011, hex(x * x) from c;
create index i on t(a);
select count(*), sum(length(b)) from t where a between 100 and 9000;
select b from t order by b limit 3;
"""

XZ_INPUT_BYTES = 4_000_000
XZ = ["-k", "-c", "-1"]
# Blocks, for with a single one xz has work for one thread only.
XZ_TWO_THREADS = XZ + ["-T2", "--block-size=1MiB"]


class Failure(Exception):
    """What stops the benchmark; the message is for the user."""


@dataclass(frozen=True)
class Bar:
    """What a guest must reach; None in a guest stands for no bar."""

    reference: float  # reference ÷ ours, at least
    floor: float  # ours ÷ floor, at most

    def text(self):
        return f"≥ {self.reference:g}, ≤ {self.floor:g}"

    def verdict(self, reference_ratio, floor_ratio):
        missed = []
        if reference_ratio is not None and reference_ratio < self.reference:
            missed.append("reference ÷ ours")
        if floor_ratio > self.floor:
            missed.append("ours ÷ floor")
        if missed:
            return "**missed**: " + ", ".join(missed)
        return "met" if reference_ratio is not None else "met (floor only)"


@dataclass(frozen=True)
class Guest:
    """One row of the table for each of `versions`."""

    name: str
    what: str
    versions: tuple
    bar: Bar = None
    arch: str = "riscv64"
    options: str = ""  # of both plugins
    qemu_options: tuple = ()
    compares_reference: bool = True  # with a row in the table of times
    long_reference: bool = False  # left out by --quick
    measures_memory: bool = False
    measures_options: bool = False  # what the outputs of OPTIONS cost, on the first of the versions
    measures_levels: bool = False  # the same of LEVELS
    native: str = None  # the name in the cachegrind table

    @property
    def is_system(self):
        return self.name.startswith("boot-")

    @property
    def program(self):
        """What it runs: a row of another architecture has that in its name."""
        return self.name.removesuffix(f"-{self.arch}")


USER = ("7.2", "10.2")
SYSTEM = ("10.0",)
XZ_BAR = Bar(22, 1.35)
OTHER_BAR = Bar(7, 0.92)
BOOT_BAR = Bar(5.5, 1.25)

GUESTS = (
    Guest("matrix", "guests/matrix.c, 256 × 256", USER, Bar(6, 1.0), measures_levels=True,
          native="matrix"),
    Guest("python", "CPython: a dict of 60,000 floats, sorted", USER, Bar(5, 1.05), measures_memory=True,
          measures_options=True, measures_levels=True, native="python"),
    # The option exists in user mode since QEMU 10.0; 1 MiB of translated code makes QEMU flush often.
    Guest("python-tb-size-1", "the same with -tb-size 1", ("10.2",), qemu_options=("-tb-size", "1"),
          compares_reference=False, measures_memory=True),
    Guest("sqlite", "SQLite: 120,000 inserts, an index, scans", USER, Bar(7, 0.75), long_reference=True,
          measures_memory=True, measures_options=True, measures_levels=True, native="sqlite"),
    Guest("xz-t1", "xz -1 -T1, 4 MB", USER, long_reference=True, measures_levels=True, native="xz-t1"),
    Guest("xz-t2-cores-1", "xz -1 -T2, 4 MB in blocks of 1 MiB, cores=1", USER, XZ_BAR, long_reference=True,
          measures_options=True, native="xz-t2"),
    Guest("xz-t2-cores-2", "the same, cores=2", USER, XZ_BAR, options=",cores=2", long_reference=True,
          measures_levels=True),
    # The CPU that QEMU 10.2 takes by itself has Ztso: with two threads, locked instructions beside accesses.
    Guest("xz-t2-no-ztso", "cores=1 again, with -cpu max,ztso=off", ("10.2",), XZ_BAR,
          qemu_options=("-cpu", "max,ztso=off"), long_reference=True),
    *(Guest(f"{name}-{arch}", f"{what}, {arch}", USER, OTHER_BAR, arch=arch, long_reference=True)
      for arch in ("x86_64", "aarch64")
      for name, what in (("matrix", "guests/matrix.c"), ("python", "CPython"), ("sqlite", "SQLite"), ("xz-t1", "xz -T1"))),
    Guest("boot-x86_64", "Debian's cloud kernel and busybox, boot to power-off", SYSTEM, BOOT_BAR,
          long_reference=True, measures_memory=True),
    Guest("boot-riscv64", "Debian's kernel and busybox, boot to power-off", SYSTEM, BOOT_BAR,
          long_reference=True, measures_memory=True, measures_options=True),
)

# What is measured beside the table alone; FILE is a file for that.
OPTIONS = ("profile=on", "by=function", "json=FILE", "json=FILE,profile=on", "csv=FILE,profile=on", "callgrind=FILE",
           "cachegrind=FILE", "html=FILE", "workers=0", "workers=1")
# At most that much more time with all counts of every instruction.
OPTIONS_BARS = {"profile=on": 2}

# What is simulated beyond two first-level caches of LRU. Without levels, evict=lru is what the others are held against.
BOTH_LEVELS = "l2=on,l3=on"
# Of all policies the table's first is LRU.
POLICIES = re.findall(r'name: "(.+?)"', (ROOT / "crates/cachesim/src/policy/table.rs").read_text())[1:]
FOUR = ("rpi4", "zen3", "sifive-u74", "neoverse-n1")
LEVELS = ("l2=on", BOTH_LEVELS, "rw=on", f"{BOTH_LEVELS},rw=on", "dwrite=back", f"{BOTH_LEVELS},dwrite=back",
          f"{BOTH_LEVELS},rw=on,dwrite=back", f"{BOTH_LEVELS},inclusion=inclusive",
          f"{BOTH_LEVELS},inclusion=exclusive", "cpu=zen3,summary=on", "cpu=zen3,profile=on",
          # Beside the runs of each, four machines in one run.
          *(f"cpu={preset}" for preset in FOUR), "cpu={},compare={},compare={},compare={}".format(*FOUR),
          *(f"evict={policy}" for policy in POLICIES),
          *(f"{BOTH_LEVELS},evict={policy}" for policy in POLICIES))
LEVELS_BARS = {BOTH_LEVELS: 1.5}


def say(text):
    print(text, file=sys.stderr, flush=True)


# --- Running ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measurement:
    cpu: float  # s
    wall: float  # s
    rss: int  # bytes, peak


def tool(*command):
    """Runs a tool to its end in the project's directory; its messages go to stderr. Returns its stdout."""
    command = [str(word) for word in command]
    try:
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              check=False)
    except OSError as error:
        raise Failure(f"cannot run {command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise Failure(f"failed with status {done.returncode}: {' '.join(command)}")
    return done.stdout.strip()


def on_alarm(_signal, _frame):
    raise Failure(f"no end after {TIMEOUT_SECONDS} s")


def measure(command, scratch):
    """Runs `command`, which must succeed. Returns its Measurement and its stdout.

    The child leads a session of its own, so that all its processes can be killed together when we are
    interrupted."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(scratch), "LC_ALL": "C",
                   # Equal work in every run: no random seeds, no byte code left behind for the next one.
                   "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    with open(scratch / "stdout", "w+b") as stdout, open(scratch / "stderr", "w+b") as stderr:
        start = time.monotonic()
        child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=stdout,
                                 stderr=stderr, cwd=scratch, env=environment, start_new_session=True)
        try:
            signal.alarm(TIMEOUT_SECONDS)
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.monotonic() - start
            child.returncode = os.waitstatus_to_exitcode(status)
        finally:
            signal.alarm(0)
            if child.returncode is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        stdout.seek(0)
        stderr.seek(0)
        out, err = stdout.read(), stderr.read()
    if child.returncode != 0:
        raise Failure(f"status {child.returncode}: {' '.join(map(str, command))}\n"
                      + err.decode(errors="replace")[-2000:])
    return Measurement(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024), out


# --- What is measured ------------------------------------------------------------------------------------


def additions():
    """Seconds of CPU time that a loop takes which keeps the core busy, a few milliseconds each time."""
    def once():
        start = time.thread_time()
        for _ in range(100_000):
            pass
        return time.thread_time() - start

    return [once() for _ in range(200)]


class Bench:
    """The files that the benchmark needs, made by the project's own scripts."""

    def __init__(self, scratch, guests, versions, runs, quick):
        self.scratch = scratch
        self.runs = runs
        self.quick = quick
        self.additions = []  # seconds
        self.rows = [(guest, version) for guest in guests for version in guest.versions if version in versions]
        if not self.rows:
            raise Failure("no guest of --only runs on the QEMUs of --versions")
        self.check_tools()
        say("building libcache")
        tool("cargo", "build", "--release", "--locked", "--quiet")
        target = json.loads(tool("cargo", "metadata", "--format-version=1", "--no-deps", "--locked"))
        # A copy: what is measured stays the same whatever is built meanwhile.
        self.ours = scratch / "libcache.so"
        shutil.copy(Path(target["target_directory"]) / "release/libcache.so", self.ours)
        self.qemu, self.reference, self.floor, self.distinct = {}, {}, {}, {}
        for version in sorted({version for _, version in self.rows}, key=float):
            say(f"preparing QEMU {version}")
            self.qemu[version] = Path(tool("scripts/qemu.sh", version))
            self.reference[version] = Path(tool("scripts/reference.sh", version))
            self.floor[version] = self.compile("floor", version)
            self.distinct[version] = self.compile("distinct", version)
        self.guest_files()

    def check_tools(self):
        needed = ["cargo", "cc", "pkg-config", "git"]
        if any(guest.native for guest, _ in self.rows):
            needed.append("valgrind")
        missing = [name for name in needed if not shutil.which(name)]
        if "cargo" in missing:
            raise Failure("needs cargo, from Rust's installer (rustup)")
        if missing:
            raise Failure(f"needs {' '.join(missing)}; run scripts/install-packages.sh bench")

    def compile(self, name, version):
        """Compiles benches/NAME.c against the headers of that QEMU."""
        plugin = self.scratch / f"{name}-{version}.so"
        glib = tool("pkg-config", "--cflags", "--libs", "glib-2.0").split()
        tool("cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-I",
             self.reference[version].parent / "include/qemu", "-o", plugin, ROOT / f"benches/{name}.c", *glib)
        return plugin

    def guest_files(self):
        # `suites` has Debian's suites that guests are from.
        self.kernels, self.suites = {}, {}
        self.matrix, self.sysroots = {}, {}
        for guest in dict.fromkeys(guest for guest, _ in self.rows):
            if guest.is_system:
                kernel = Path(tool("scripts/kernel.sh", guest.name[5:]))
                self.kernels[guest.name] = (kernel / "args").read_text().splitlines()
                self.suites[guest.name] = suite_of(kernel)
            elif guest.program == "matrix":
                self.matrix[guest.arch] = tool("guests/build.sh", guest.arch, "matrix")
            elif guest.arch not in self.sysroots:
                self.sysroots[guest.arch] = Path(tool("scripts/sysroot.sh", guest.arch))
                self.suites[f"programs for {guest.arch}"] = suite_of(self.sysroots[guest.arch])
        if self.sysroots:
            self.xz_input = self.scratch / "input"
            self.write_source_text(next(iter(self.sysroots.values())), self.xz_input)

    def write_source_text(self, sysroot, destination):
        """Something real for xz to compress: the start of CPython's library, in the order of names."""
        missing = XZ_INPUT_BYTES
        with open(destination, "wb") as file:
            for path in sorted((sysroot / "usr/lib").glob("python3.*/**/*.py")):
                # Some are links to files of packages' configuration, which the sysroot leaves out.
                if path.is_file():
                    missing -= file.write(path.read_bytes()[:missing])
        if missing > 0:
            raise Failure(f"{sysroot} has less than {XZ_INPUT_BYTES} bytes of Python")

    def program(self, name, directory):
        """A program's command line, for the guest and for the host alike."""
        if name.startswith("python"):
            return [directory / "python3", "-c", PYTHON_PROGRAM]
        if name == "sqlite":
            return [directory / "sqlite3", ":memory:", SQL_PROGRAM]
        if name == "xz-t1":
            return [directory / "xz", *XZ, "-T1", self.xz_input]
        return [directory / "xz", *XZ_TWO_THREADS, self.xz_input]

    def command(self, guest, version, variant):
        """The command line of `guest` under `variant` of QEMU `version`, which may be one of OPTIONS or LEVELS."""
        with_options = variant in OPTIONS or variant in LEVELS
        more = f",{variant.replace('FILE', str(self.scratch / 'output'))}" if with_options else ""
        variant = "ours" if more else variant
        plugin = {"plain": [], "floor": ["-plugin", self.floor[version]],
                  # It prints nowhere but to QEMU's log.
                  "reference": ["-d", "plugin", "-D", self.scratch / "report",
                                "-plugin", f"{self.reference[version]}{guest.options}"],
                  # A file, since xz closes stderr, which in user mode is also QEMU's.
                  "ours": ["-plugin", f"{self.ours},out={self.scratch / 'report'}{guest.options}{more}"],
                  "distinct": ["-plugin", f"{self.distinct[version]},out={self.scratch / 'report'}"]}[variant]
        programs = self.qemu[version] / "bin"
        if guest.is_system:
            return [programs / f"qemu-system-{guest.name[5:]}", *self.kernels[guest.name], *plugin]
        start = [programs / f"qemu-{guest.arch}", *guest.qemu_options, *plugin]
        if guest.program == "matrix":
            return [*start, self.matrix[guest.arch]]
        sysroot = self.sysroots[guest.arch]
        return [*start, "-L", sysroot, *self.program(guest.program, sysroot / "usr/bin")]

    def run(self, guest, version, variant, expected=None):
        """One run, checked. Returns the Measurement and the guest's output."""
        report = self.scratch / "report"
        report.unlink(missing_ok=True)
        measurement, out = measure(self.command(guest, version, variant), self.scratch)
        where = f"{guest.name} on QEMU {version}, {variant}"
        if guest.is_system and b"GUEST-DONE" not in out:
            raise Failure(f"{where}: the guest did not come to its end:\n{out.decode(errors='replace')[-2000:]}")
        if not guest.is_system and not out:
            raise Failure(f"{where}: the guest printed nothing")
        if not guest.is_system and expected is not None and out != expected:
            raise Failure(f"{where}: the guest printed something else than under plain QEMU")
        reports = variant in ("reference", "ours", *OPTIONS, *LEVELS)
        if reports and not (report.exists() and b"core #" in report.read_bytes()):
            raise Failure(f"{where}: no report")
        return measurement, out

    def variants(self, guest):
        if not guest.compares_reference or self.quick and guest.long_reference:
            return ["plain", "floor", "ours"]
        return ["plain", "floor", "reference", "ours"]

    def row(self, guest, version):
        """All turns of one guest on one QEMU."""
        self.additions += additions()
        # Not measured: fills the page cache and says what the guest prints.
        warm_up, expected = self.run(guest, version, "plain")
        # Between fork and exec a child has our memory, and its peak counts that.
        if guest.measures_memory and warm_up.rss <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024:
            raise Failure(f"{guest.name} on QEMU {version}: needs no more memory than bench.py, which hides how much")
        row = Row(guest, version, {variant: [] for variant in self.variants(guest)})
        seconds = seconds_of_reference = turn = 0
        while turn < self.runs or not self.quick and seconds < GUEST_SECONDS and turn < MOST_TURNS:
            turn += 1
            for variant, done in row.runs.items():
                if variant == "reference" and seconds_of_reference >= GUEST_SECONDS:
                    continue
                measurement, _ = self.run(guest, version, variant, expected)
                done.append(measurement)
                if variant == "reference":
                    seconds_of_reference += measurement.wall
                else:
                    seconds += measurement.wall
                say(f"  {guest.name} {version} turn {turn} {variant:9} cpu {measurement.cpu:7.2f} s, "
                    f"wall {measurement.wall:7.2f} s, {measurement.rss / 2**20:6.1f} MiB")
        if guest.measures_memory:
            self.run(guest, version, "distinct", expected)
            try:
                row.distinct, row.translated = map(int, (self.scratch / "report").read_text().split())
            except (OSError, ValueError) as error:
                raise Failure(f"{guest.name} on QEMU {version}: no count of instructions: {error}") from error
        return row

    def options(self, guest, options):
        """All turns of one guest with each of `options`."""
        version = next(version for other, version in self.rows if other == guest)
        _, expected = self.run(guest, version, "plain")
        row = Row(guest, version, {variant: [] for variant in ("ours", *options)})
        for turn in range(self.runs):
            for variant, done in row.runs.items():
                output = self.scratch / "output"
                output.unlink(missing_ok=True)
                measurement, _ = self.run(guest, version, variant, expected)
                if "FILE" in variant and not (output.exists() and output.stat().st_size):
                    raise Failure(f"{guest.name} on QEMU {version}, {variant}: no file")
                done.append(measurement)
                say(f"  {guest.name} {version} {turn + 1}/{self.runs} {variant:26} cpu {measurement.cpu:7.2f} s")
        return row

    def landmark(self, guest):
        """The same program, native and under cachegrind; None where the host does not have it."""
        if guest.native == "matrix":
            command, version = [tool("guests/build.sh", platform.machine(), "matrix")], "guests/matrix.c"
        else:
            command = self.program(guest.name, Path("/usr/bin"))
            if not command[0].exists():
                return Landmark(guest.native, None, [], [])
            version = tool(command[0], "--version").splitlines()[0]
            version = f"sqlite {version.split()[0]}" if guest.native == "sqlite" else version
        landmark = Landmark(guest.native, version, [], [])
        measure(command, self.scratch)
        for turn in range(self.runs):
            landmark.plain.append(measure(command, self.scratch)[0])
            landmark.cachegrind.append(measure(CACHEGRIND + command, self.scratch)[0])
            say(f"  {guest.native} native {turn + 1}/{self.runs} cpu {landmark.plain[-1].cpu:.2f} s, "
                f"cachegrind {landmark.cachegrind[-1].cpu:.2f} s")
        return landmark


# --- Results ---------------------------------------------------------------------------------------------


@dataclass
class Row:
    guest: Guest
    version: str
    runs: dict  # variant -> list of Measurement, one a turn
    distinct: int = None  # instructions
    translated: int = None  # instructions, each retranslation counted

    def median(self, variant, quantity):
        return statistics.median(getattr(run, quantity) for run in self.runs[variant])

    def ratios(self, above, below, quantity):
        """One for each turn that has both; empty without the reference."""
        return [getattr(a, quantity) / getattr(b, quantity)
                for a, b in zip(self.runs.get(above, []), self.runs[below])]

    def ratio_of_least(self, above, below):
        """Of the turns that have both."""
        turns = [(a.cpu, b.cpu) for a, b in zip(self.runs[above], self.runs[below])]
        return min(a for a, _ in turns) / min(b for _, b in turns)

    def bytes_per_instruction(self):
        return statistics.median(ours.rss - plain.rss for ours, plain in zip(self.runs["ours"], self.runs["plain"])
                                 ) / self.distinct


@dataclass(frozen=True)
class Landmark:
    name: str
    version: str
    plain: list
    cachegrind: list


def median_or_none(values):
    return statistics.median(values) if values else None


def ratio_text(values, digits):
    """The median, and the range where there is one."""
    if not values:
        return "–"
    text = f"{statistics.median(values):.{digits}f}"
    if len(values) > 1:
        text += f" ({min(values):.{digits}f}–{max(values):.{digits}f})"
    return text


def markdown(header, rows):
    right = {name for name in header if name not in ("guest", "program", "option", "bar", "", "version")}
    lines = ["| " + " | ".join(header) + " |",
             "|" + "|".join("---:" if name in right else "---" for name in header) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def time_table(rows, quantity, with_bar):
    body = []
    for row in rows:
        reference, floor, plain = (row.ratios(*pair, quantity) for pair in (
            ("reference", "ours"), ("ours", "floor"), ("ours", "plain")))
        cells = [row.guest.name, row.version, f"{row.median('plain', quantity):.2f}",
                 f"{row.median('floor', quantity):.2f}",
                 f"{row.median('reference', quantity):.2f}" if reference else "–",
                 f"{row.median('ours', quantity):.2f}", ratio_text(reference, 1), ratio_text(floor, 3),
                 ratio_text(plain, 2)]
        if with_bar:
            bar = row.guest.bar
            cells += [f"{row.ratio_of_least('reference', 'ours'):.1f}" if reference else "–",
                      f"{row.ratio_of_least('ours', 'floor'):.3f}",
                      f"{len(row.runs['ours'])} ({len(reference)})"]
            cells += [bar.text(), bar.verdict(median_or_none(reference), statistics.median(floor))] if bar \
                else ["–", "–"]
        body.append(cells)
    header = ["guest", "QEMU", "plain", "floor", "reference", "ours", "reference ÷ ours", "ours ÷ floor",
              "ours ÷ plain"]
    if with_bar:
        header += ["reference ÷ ours, least", "ours ÷ floor, least", "turns (reference)", "bar", ""]
    return markdown(header, body)


def memory_table(rows):
    def mebibytes(row, variant):
        return f"{row.median(variant, 'rss') / 2**20:.1f}"

    header = ["guest", "QEMU", "plain MiB", "floor MiB", "ours MiB", "distinct instructions", "translated",
              "bytes per instruction", "bar", ""]
    return markdown(header, [
        [row.guest.name, row.version, mebibytes(row, "plain"), mebibytes(row, "floor"), mebibytes(row, "ours"),
         f"{row.distinct:,}", f"{row.translated:,}", f"{row.bytes_per_instruction():.0f}",
         f"≤ {MEMORY_BAR_BYTES}", "met" if row.bytes_per_instruction() <= MEMORY_BAR_BYTES else "**missed**"]
        for row in rows])


def growth(rows):
    """Does memory grow when QEMU flushes and retranslates? Needs CPython with and without -tb-size 1."""
    found = {row.guest.name: row for row in rows if row.version == "10.2"}
    if not {"python", "python-tb-size-1"} <= set(found):
        return []
    normal, small = found["python"], found["python-tb-size-1"]
    over = [row.bytes_per_instruction() * row.distinct / 2**20 for row in (normal, small)]
    return [f"With `-tb-size 1` every instruction of CPython is translated "
            f"{small.translated / small.distinct:.1f} times (else {normal.translated / normal.distinct:.1f}); over "
            f"plain QEMU ours then takes {over[1]:.1f} MiB, against {over[0]:.1f} MiB: no growth "
            f"{'(met)' if over[1] <= over[0] else '**missed**'}."]


def options_table(rows, options, bars):
    body = []
    for variant in options:
        ratios = [row.ratios(variant, "ours", "cpu") for row in rows]
        bar = bars.get(variant)
        worst = max(statistics.median(ratio) for ratio in ratios)
        verdict = ("–", "–") if bar is None else (f"≤ {bar:g}", "met" if worst <= bar else "**missed**")
        body.append([f"`{variant}`", *(ratio_text(ratio, 2) for ratio in ratios), *verdict])
    return markdown(["option", *(f"{row.guest.name}, {row.version}" for row in rows), "bar", ""], body)


def landmark_table(landmarks):
    body = []
    for landmark in landmarks:
        if landmark.version is None:
            body.append([landmark.name, "not installed on this host", "–", "–", "–"])
            continue
        plain, cachegrind = ([run.cpu for run in runs] for runs in (landmark.plain, landmark.cachegrind))
        body.append([landmark.name, landmark.version, f"{statistics.median(plain):.3f}",
                     f"{statistics.median(cachegrind):.2f}",
                     ratio_text([a / b for a, b in zip(cachegrind, plain)], 1)])
    return markdown(["program", "version", "native", "cachegrind", "cachegrind ÷ native"], body)


def suite_of(directory):
    return (directory / ".suite").read_text().strip()


def machine(bench):
    """What the numbers hold for, as list items."""
    def field(path, pattern):
        found = re.search(pattern, Path(path).read_text(), re.MULTILINE)
        return found.group(1) if found else "unknown"

    # A virtual machine's name of its processor seldom says which.
    name, family, model = (field("/proc/cpuinfo", rf"^{key}\s*: (.*)$")
                           for key in ("model name", "cpu family", "model"))
    memory = int(field("/proc/meminfo", r"^MemTotal:\s*(\d+)")) / 2**20
    changed = tool("git", "status", "--porcelain", "--", ".", ":!benches/results")
    lines = [f"CPU: {name} (family {family}, model {model}), {len(os.sched_getaffinity(0))} processors; "
             f"memory: {memory:.1f} GiB; kernel: {platform.release()}"]
    for version, directory in bench.qemu.items():
        program = next(path for path in sorted((directory / "bin").iterdir()) if "riscv64" in path.name)
        lines.append(f"QEMU {version}: {tool(program, '--version').splitlines()[0]}")
    if bench.suites:
        suites = ", ".join(f"{guest} {suite}" for guest, suite in bench.suites.items())
        lines.append(f"Guests of Debian's suites: {suites}")
    lines += [f"Compiler: {tool('rustc', '--version')}",
              f"Commit: {tool('git', 'rev-parse', '--short', 'HEAD')}{', with uncommitted changes' if changed else ''}"]
    if shutil.which("valgrind"):
        lines.append(f"Cachegrind: {tool('valgrind', '--version')}")
    return lines


def report(bench, command, rows, costs, levels, landmarks, description):
    timed = [row for row in rows if row.guest.compares_reference]
    turns = "one turn" if bench.runs == 1 else (
        "medians of the turns; ratios are taken in each turn, in brackets their range; beside them those of the "
        "least times of the same turns")
    parts = [f"# Whole guests, {datetime.date.today().isoformat()}",
             f"`{command}`; made by [bench.py](../bench.py), which says how.",
             "\n".join(f"- {line}" for line in description)]
    if timed:
        parts += [
            "## Time",
            f"Seconds of CPU time, {turns}. Bar: reference ÷ ours at least, ours ÷ floor at most.",
            time_table(timed, "cpu", with_bar=True)]
        guests = dict.fromkeys(row.guest for row in rows)
        parts += ["\n".join(f"- {guest.name}: {guest.what}" for guest in guests),
                  "Seconds of wall time in the same runs:",
                  time_table(timed, "wall", with_bar=False)]
    measured = [row for row in rows if row.guest.measures_memory]
    if measured:
        parts += ["## Memory",
                  "Peak of resident memory in the same runs. Bytes per instruction: ours less plain, divided by the "
                  "number of addresses at which an instruction was translated. \"Translated\" counts each "
                  "retranslation. The floor's memory is QEMU's own price of the callbacks.",
                  memory_table(measured), *growth(measured)]
    if costs:
        parts += ["## Options",
                  "CPU time with an option ÷ that of the table alone, in turn with it. What a file takes to write is "
                  "in it, which in runs as short as these weighs much.",
                  options_table(costs, OPTIONS, OPTIONS_BARS)]
    if levels:
        parts += ["## Levels, writes and policies",
                  "CPU time with an option ÷ that of the first level alone with LRU, in turn with it. Levels are of "
                  "their default sizes.",
                  options_table(levels, LEVELS, LEVELS_BARS)]
    if landmarks:
        parts += ["## Landmark: cachegrind",
                  "The host's own builds of the programs, natively and under cachegrind with the same two caches; "
                  "seconds of CPU time. To be compared with \"ours ÷ plain\".",
                  landmark_table(landmarks)]
    return "\n\n".join(parts) + "\n"


# --- Command line ----------------------------------------------------------------------------------------


def names(text):
    return [name for name in text.split(",") if name]


def arguments():
    parser = argparse.ArgumentParser(description="Whole guests under plain QEMU, an empty plugin, QEMU's own C "
                                     "cache plugin and libcache, side by side.")
    parser.add_argument("-n", type=int, metavar="RUNS", help="turns of each guest at least (default 3)")
    parser.add_argument("--quick", action="store_true",
                        help="one turn, and no reference where it takes long")
    parser.add_argument("--only", type=names, metavar="NAME,...",
                        help="these guests only; a name's first words stand for all that begin so (xz, boot): "
                        + " ".join(guest.name for guest in GUESTS))
    parser.add_argument("--versions", type=names, metavar="VERSION,...", help="these QEMUs only: 7.2 10.0 10.2")
    tables = parser.add_mutually_exclusive_group()
    tables.add_argument("--times", action="store_true", help="the tables of times, memory and cachegrind only")
    tables.add_argument("--levels", action="store_true", help="the table of levels, writes and policies only")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the tables here too")
    options = parser.parse_args()
    if options.quick and options.n is not None:
        parser.error("--quick is one turn; leave out -n")
    if options.n is not None and options.n < 1:
        parser.error("-n: at least 1")
    known = {version for guest in GUESTS for version in guest.versions}
    for version in options.versions or []:
        if version not in known:
            parser.error(f"--versions: unknown version '{version}'; known: {' '.join(sorted(known, key=float))}")
    chosen = set()
    for name in options.only or []:
        found = {guest.name for guest in GUESTS if guest.name == name or guest.name.startswith(name + "-")}
        if not found:
            parser.error(f"--only: unknown guest '{name}'; known: {' '.join(guest.name for guest in GUESTS)}")
        chosen |= found
    guests = [guest for guest in GUESTS if options.only is None or guest.name in chosen]
    return options, guests, options.versions or sorted(known, key=float)


def on_terminate(_signal, _frame):
    raise KeyboardInterrupt


def main():
    options, guests, versions = arguments()
    signal.signal(signal.SIGALRM, on_alarm)
    for stop in (signal.SIGTERM, signal.SIGHUP):
        # Ignored under nohup, and stays so.
        if signal.getsignal(stop) != signal.SIG_IGN:
            signal.signal(stop, on_terminate)
    partial = options.quick or options.times or options.levels or options.versions is not None
    complete = not partial and len(guests) == len(GUESTS)
    output = options.output
    if output is None and complete:
        output = ROOT / f"benches/results/{datetime.date.today().isoformat()}.md"
    start = time.monotonic()
    load_before = os.getloadavg()[0]
    if load_before > 0.5:
        say(f"warning: the machine is busy (load {load_before:.1f}); the results will be off")
    with tempfile.TemporaryDirectory(prefix="libcache-bench-") as scratch:
        bench = Bench(Path(scratch), guests, versions, 1 if options.quick else options.n or 3, options.quick)
        description = machine(bench)
        chosen = list(dict.fromkeys(guest for guest, _ in bench.rows))
        rows, costs, levels, landmarks = [], [], [], []
        if not options.levels:
            rows = [bench.row(guest, version) for guest, version in bench.rows]
        if not options.times and not options.levels:
            costs = [bench.options(guest, OPTIONS) for guest in chosen if guest.measures_options]
        if not options.levels:
            landmarks = [bench.landmark(guest) for guest in chosen if guest.native]
        if not options.times:
            levels = [bench.options(guest, LEVELS) for guest in chosen if guest.measures_levels]
        if options.levels and not levels:
            raise Failure("--levels: none of these guests is measured with levels")
        if bench.additions:
            least = min(bench.additions)
            slow = sum(seconds > 1.3 * least for seconds in bench.additions) / len(bench.additions)
            description.append(f"Disturbed: a loop of additions between the guests took more than 1.3 times its "
                               f"least time in {slow:.0%} of {len(bench.additions)} samples")
        description.append(f"Load (1 minute average) before: {load_before:.1f}, after: {os.getloadavg()[0]:.1f}; "
                           f"took {(time.monotonic() - start) / 60:.1f} min")
        text = report(bench, " ".join(["benches/bench.py", *sys.argv[1:]]), rows, costs, levels, landmarks, description)
    print(text, end="")
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text)
        say(f"written to {output}")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"bench.py: error: {failure}")
    except KeyboardInterrupt:
        sys.exit("bench.py: interrupted")
