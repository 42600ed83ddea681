#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random guests with random options that end in random ways, for a while, and before that a while of damaged files for
all that reads what others wrote. `make soak` runs this.

Checked of every run:
  - QEMU's exit status is the guest's own, or it died of exactly the signal that was sent.
  - There is one well-formed report for each process, where it was asked for, and no line of anything else.
  - Where a run ends by itself and its accesses do not depend on timing, QEMU's own C plugin is often loaded
    beside ours and must have counted the same. Where that one crashes, the run is repeated without it.
  - A wrong option is refused with status 1 and one line of ours, before the guest runs.
  - Files in other formats are whole, whatever ended the run; the JSON's counts add up to the table's.
  - Nothing hangs.

Case number I of seed S is always the same run, up to the moment at which a signal arrives. Every failure shows
how to repeat it: the case alone, and QEMU's command line. A signal that arrives before QEMU catches it kills an
emulator in which there is no plugin yet; then a report is allowed, not demanded. Linux only: it adopts orphans,
so that each process a guest leaves behind is waited for, and its report counted.
"""

import argparse
import ctypes
import itertools
import json
import multiprocessing
import os
import queue
import random
import re
import resource
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

USER_VERSIONS = ("7.2", "10.2")
SYSTEM_VERSIONS = ("10.0", "11.1")
ARCHITECTURES = ("riscv64", "x86_64", "aarch64")
USER_GUESTS = ("matrix", "list", "faults", "smc", "threads", "hotexit", "spin", "forker", "execer", "aborter",
               "atomics", "straddler", "rounding")
RISCV_GUESTS = ("rounding",)
BARE_GUESTS = ("matrix", "jit", "semihost", "vm")

# No run takes that long, however busy the machine: it hangs.
TIMEOUT_SECONDS = 90
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
WAIT_FOR_ALL = 0x40000000  # __WALL, linux/wait.h: also children that end without SIGCHLD
SET_CHILD_SUBREAPER = 36  # linux/prctl.h

HEADING = "core #, data accesses, data misses, dmiss rate, insn accesses, insn misses, imiss rate"
LEVEL_HEADING = ", {0} accesses, {0} misses, {0} miss rate"
# With two levels they are in a block of their own.
LEVELS_HEADING = "core #, cache, accesses, misses, miss rate"
LIST_HEADING = "address, {} misses, instruction"
STALLS_HEADING = "address, stall cycles, instruction"
ROW = re.compile(r"0x([0-9a-f]+)(?: \(.*?\))?, (\d+), .+")
# What QEMU itself says of a signal, and the plugin of threads.
OTHER_LINES = re.compile(r"qemu: uncaught target signal \d+ \(.*\) - (core dumped|exiting)|"
                         r"qemu-system-\w+: terminating on signal \d+.*|"
                         r"cache: \d+ threads ran on one simulated core; .*")


class Wrong(Exception):
    """What a run did that it must not do."""


def say(text):
    print(text, file=sys.stderr, flush=True)


# --- Reports ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counts:
    """A line of the core table."""

    accesses: int
    misses: int
    fetches: int
    fetch_misses: int
    levels: tuple  # of (accesses, misses), of L2 and L3 where they are


@dataclass(frozen=True)
class Report:
    cores: list  # of Counts
    sum: Counts


def rate(misses, accesses):
    return f"{misses / accesses * 100 if accesses else 0:.4f}%"


def core_line(line, levels):
    """The label and Counts of a line, which must be laid out as the reference lays it out."""
    words = line.split()
    if len(words) != 7 + 3 * len(levels):
        raise Wrong(f"bad core line {line!r}")
    label, *numbers = words
    try:
        pairs = tuple((int(numbers[place]), int(numbers[place + 1])) for place in range(0, len(numbers), 3))
    except ValueError as error:
        raise Wrong(f"bad core line {line!r}") from error
    widths = [(14, 12, 10)] * 2 + [(12, 11, 11)] * len(levels)
    laid_out = f"{label:<8}" + "  ".join(f"{accesses:<{a}} {misses:<{m}} {rate(misses, accesses):>{r}}"
                                         for (accesses, misses), (a, m, r) in zip(pairs, widths))
    if line != laid_out:
        raise Wrong(f"core line {line!r}, not {laid_out!r}")
    if any(misses > accesses for accesses, misses in pairs):
        raise Wrong(f"more misses than accesses: {line!r}")
    data, fetch, *rest = pairs
    return label, Counts(*data, *fetch, tuple(rest))


def level_line(line):
    """The label, the level and its (accesses, misses) of a line."""
    words = line.split()
    if len(words) != 5 or not (words[2] + words[3]).isdigit():
        raise Wrong(f"bad line of levels {line!r}")
    label, level, accesses, misses = words[0], words[1], int(words[2]), int(words[3])
    laid_out = f"{label:<8}{level:<7}{accesses:<14} {misses:<12} {rate(misses, accesses):>10}"
    if line != laid_out or misses > accesses:
        raise Wrong(f"line of levels {line!r}, not {laid_out!r}")
    return label, level, (accesses, misses)


def with_levels(rows, lines):
    """The rows with L2 and L3 from the block that the lines begin with, and the lines after it."""
    end = lines.index("") if "" in lines else len(lines)
    block = [level_line(line) for line in lines[1:end]]
    labels = [(label, level) for label, _ in rows for level in ("L2", "L3")]
    if lines[:1] != [LEVELS_HEADING] or [line[:2] for line in block] != labels:
        raise Wrong(f"levels {lines[:end]}")
    counts = iter(line[2] for line in block)
    return [(label, replace(core, levels=(next(counts), next(counts)))) for label, core in rows], lines[end + 1:]


def sum_of(cores):
    """What the cores add up to."""
    firsts = (sum(getattr(core, name) for core in cores) for name in ("accesses", "misses", "fetches", "fetch_misses"))
    levels = zip(*(core.levels for core in cores))
    return Counts(*firsts, tuple(tuple(map(sum, zip(*level))) for level in levels))


def core_table(text, levels=()):
    """The Report in the lines up to the first empty one, and the other lines. `levels`: of l2 and l3, those that
    there are."""
    if not text.endswith("\n"):
        raise Wrong("the report breaks off in a line")
    lines = text[:-1].split("\n")
    in_table = levels if len(levels) < 2 else ()
    if lines[0] != HEADING + "".join(map(LEVEL_HEADING.format, in_table)):
        raise Wrong("the report does not begin with its heading")
    end = lines.index("") if "" in lines else len(lines)
    rows = [core_line(line, in_table) for line in lines[1:end]]
    rest = lines[end + 1:]
    if in_table != levels:
        rows, rest = with_levels(rows, rest)
    cores = [counts for label, counts in rows if label != "sum"]
    labels = [str(index) for index in range(len(cores))] + (["sum"] if len(cores) > 1 else [])
    if not cores or [label for label, _ in rows] != labels:
        raise Wrong(f"core labels {[label for label, _ in rows]}")
    total = sum_of(cores)
    if rows[-1][1] != total:
        raise Wrong("the sum is not that of the cores")
    if end == len(lines):
        raise Wrong("no empty line after the core table")
    return Report(cores, total), rest


def check_list(rows, limit, misses, what):
    """Most misses first, of equals the lower address first, no row without a miss. `misses` is what they add up to
    where all are listed; None where that is not known."""
    parsed = [ROW.fullmatch(row) for row in rows]
    for row, match in zip(rows, parsed):
        if not match:
            raise Wrong(f"bad row {row!r} of {what}")
    order = [(-int(match[2]), int(match[1], 16)) for match in parsed]
    if order != sorted(order) or any(key[0] == 0 for key in order):
        raise Wrong(f"{what} are out of order or have a row without a miss")
    listed = -sum(key[0] for key in order)
    if len(rows) > limit:
        raise Wrong(f"{what}: {len(rows)} rows with limit={limit}")
    if misses is not None and (listed > misses or len(rows) < limit and listed != misses):
        raise Wrong(f"{what}: {len(rows)} rows of at most {limit} have {listed} of {misses} misses")


def parse(text, case):
    """Our report in `text`, which holds nothing else."""
    report, lines = core_table(without_compared(text), case.levels)
    if len(report.cores) != case.cores:
        raise Wrong(f"{len(report.cores)} cores, not {case.cores}")
    blocks = [list(block) for is_block, block in itertools.groupby(lines, key=bool) if is_block]
    lists = [block for block in blocks if block[0].startswith("address, ")]
    if lists and case.levels and lists[0][0] == STALLS_HEADING:
        stalls = lists.pop(0)
        check_list(stalls[1:], case.limit, None, "stall cycles")
        blocks.remove(stalls)
    total = report.sum
    misses = {"data": total.misses, "fetch": total.fetch_misses}
    misses |= {name.upper(): level[1] for name, level in zip(case.levels, total.levels)}
    if [block[0] for block in lists] != [LIST_HEADING.format(name) for name in misses] * (case.limit > 0):
        raise Wrong(f"lists {[block[0] for block in lists]} with limit={case.limit}")
    if blocks[len(blocks) - len(lists):] != lists or len(blocks) - len(lists) > 0 and not case.has_blocks:
        raise Wrong(f"blocks {[block[0] for block in blocks]}")
    for (name, count), block in zip(misses.items(), lists):
        # The instructions are read before the cores: vCPUs that go on meanwhile miss more.
        check_list(block[1:], case.limit, count if case.is_still else None, f"{name} misses")
    return report


def without_compared(text):
    """The same reports without the machines that are compared with the run's own."""
    text = re.sub(r"^machine [^\n]* the run's own\)\n", "", text, flags=re.M)
    return re.sub(r"^machine .*?; machines may have different clocks[^\n]*\n", "", text, flags=re.M | re.S)


def split_reports(text):
    """The reports in `text`, one after the other."""
    text = without_compared(text)
    # Where several processes may report to one place, each says who it is.
    text = re.sub(rf"^cache: process \d+ \([^\n]*\)\n(?={re.escape(HEADING)})", "", text, flags=re.M)
    start = text.find(HEADING)
    if start != 0:
        raise Wrong(f"before the report: {text[:start if start > 0 else 300]!r}")
    return [HEADING + part for part in text.split(HEADING)[1:]]


# --- What is run -----------------------------------------------------------------------------------------


@dataclass
class Artifacts:
    """Files made by the project's own scripts."""

    plugin: Path
    qemu: dict
    reference: dict
    guests: dict  # (architecture, name) -> path


@dataclass
class Case:
    """One run before it is started."""

    kind: str
    version: str
    arch: str
    name: str
    arguments: list
    status: int = None  # at a natural end; negative for a signal, None if it has none
    out: str = None  # the first word the guest prints at a natural end
    processes: int = 1  # that report, at a natural end
    deterministic: bool = False  # its accesses depend on no timing
    equal_misses: bool = False  # nor do its misses
    harts: int = None  # of a machine
    cores: int = 1
    limit: int = 32
    levels: tuple = ()  # of l2 and l3
    has_blocks: bool = False  # maybe, between the core table and the lists
    options: list = field(default_factory=list)  # of both plugins
    extra: list = field(default_factory=list)  # of ours
    destination: str = "stderr"
    is_bad: bool = False
    with_reference: bool = False
    reference_first: bool = True
    signal: int = None
    to_group: bool = False
    quits: bool = False
    delay: float = 0.0  # s, of the signal or of "quit"

    @property
    def is_system(self):
        return self.harts is not None

    @property
    def is_still(self):
        """Whether no vCPU runs any more when the report is made."""
        if self.is_system:
            return self.name != "bare/semihost" or self.harts == 1
        return self.signal is None and self.name not in ("hotexit", "spin") \
            and not {"threads", "calls"} & set(self.arguments)


def architectures(name):
    """Those for which there is this guest."""
    return ("riscv64",) if name in RISCV_GUESTS else ARCHITECTURES


def pick_guest(rng):
    """A guest of a program or a machine, without options and end."""
    if rng.random() < 0.3:
        name = rng.choice(BARE_GUESTS)
        harts = rng.randint(1, 4)
        # Above one hart the reference frees what other harts still use.
        return Case("system", rng.choice(SYSTEM_VERSIONS), "riscv64", f"bare/{name}", [], status=0, out=f"{name}: ok",
                    harts=harts, cores=harts, deterministic=harts == 1, equal_misses=harts == 1)
    name, threads = rng.choice(USER_GUESTS), rng.randint(1, 6)
    case = Case("user", rng.choice(USER_VERSIONS), rng.choice(architectures(name)), name, [], status=0,
                out=f"{name}: ok")
    # No other thread may run when these end.
    case.deterministic = name in ("matrix", "list", "faults", "smc", "threads", "forker", "execer", "atomics",
                                  "straddler", "rounding")
    case.equal_misses = case.deterministic and name != "threads"
    if name == "matrix":
        case.arguments = [rng.randint(4, 140)]
    elif name == "list":
        case.arguments = [rng.randint(10, 9000), rng.randint(1, 12)]
    elif name == "faults":
        case.arguments = [rng.randint(1, 20000)]
    elif name == "smc":
        case.arguments = [rng.randint(1, 8000)]
    elif name == "threads":
        case.arguments = [rng.randint(1, 60), rng.randint(1, 8)]
    elif name == "hotexit":
        case.status = rng.randint(0, 125)
        case.arguments = [rng.randint(0, 120), case.status, rng.choice(("_exit", "exit", "thread"))]
    elif name == "spin":
        mode = rng.choice(("default", "handle", "ignore", "blocked", "unblock"))
        case.arguments, case.out = [mode, threads], "ready"
        if mode in ("default", "handle"):
            case.status = None
    elif name == "forker":
        shape, children = rng.choice(("row", "nested", "threads", "calls")), rng.randint(1, 6)
        case.arguments, case.processes = [shape, children], 1 + children
        if shape in ("threads", "calls"):
            case.deterministic = case.equal_misses = False
    elif name == "execer":
        if rng.random() < 0.5:
            case.arguments = ["fail", rng.randint(1, 100)]
        else:
            case.status, case.out = rng.randint(0, 125), "replaced"
            case.arguments = ["ok", "/bin/sh", "-c", f"echo replaced; exit {case.status}"]
            # The reference reports no program that is replaced.
            case.deterministic = case.equal_misses = False
    elif name == "aborter":
        how, case.status = rng.choice((("abort", -signal.SIGABRT), ("segv", -signal.SIGSEGV),
                                       ("illegal", -signal.SIGILL)))
        case.arguments, case.out = [how], f"aborter: {how}"
    elif name == "atomics":
        parallel = rng.random() < 0.4
        case.arguments = [rng.randint(1, 12)] + ["parallel"] * parallel
        if parallel:
            case.equal_misses = False
    elif name == "rounding":
        case.arguments = [rng.randint(1, 3)]
    elif name == "straddler":
        how, last = rng.choice((("walk", None), ("escape", None), ("resume", None), ("die", 7), ("die-storing", 7)))
        case.arguments = [how, rng.randint(1, 3) if last is None else rng.randint(0, last)]
        if last is not None:
            case.status = -signal.SIGSEGV
            case.out = f"{name}: {how}"
            # Not every reference reports such an end.
            case.deterministic = case.equal_misses = False
    return case


def pick_cache(rng, case, which):
    """Options of one cache."""
    line = 1 << rng.choice((0, 2, 4, 5, 6, 6, 6, 7, 8, 12))
    ways = rng.choice((1, 2, 3, 4, 5, 7, 8, 8, 12, 16))
    sets = rng.choice((1, 2, 8, 32, 64, 256, rng.randint(3, 300)))
    # The reference has a wrong index where the number of sets is not a power of two.
    if sets & (sets - 1):
        case.equal_misses = False
    case.options += [f"{which}cachesize={line * ways * sets}", f"{which}blksize={line}", f"{which}assoc={ways}"]


# As the table has them.
POLICIES = re.findall(r'name: "(.+?)"', (ROOT / "crates/cachesim/src/policy/table.rs").read_text())
# With their levels beyond the first.
PRESETS = {"cortex-m7": (), "cortex-a53": ("l2",), "sifive-u74": ("l2",), "neoverse-n1": ("l2", "l3"),
           "skylake-client": ("l2", "l3"), "zen3": ("l2", "l3"), "rpi5": ("l2", "l3")}


def pick_levels(rng, case):
    """Options of levels, policies and writes, which are only ours. What they change of the first level is not
    compared with the reference."""
    case.kind = f"{case.kind}, levels"
    # All levels have lines of 64 bytes then, as inclusion demands.
    lines_are_alike = not any("blksize" in option for option in case.options)
    if lines_are_alike and rng.random() < 0.2:
        preset, case.levels = rng.choice(list(PRESETS.items()))
        case.extra.append(f"cpu={preset}")
        case.has_blocks = True
        case.equal_misses = False
    elif rng.random() < 0.8:
        case.levels = ("l2", "l3") if rng.random() < 0.5 else ("l2",)
        case.extra += [f"{level}=on" for level in case.levels]
        for level in case.levels:
            if rng.random() < 0.6:
                ways, sets = rng.choice((1, 3, 4, 8, 16)), rng.choice((1, 16, 64, 100, 512))
                case.extra += [f"{level}cachesize={64 * ways * sets}", f"{level}assoc={ways}"]
            if rng.random() < 0.5:
                case.extra.append(f"{level}evict={rng.choice(POLICIES)}")
        if rng.random() < 0.3:
            case.extra.append("l2split=on")
        if lines_are_alike and rng.random() < 0.5:
            names = ["inclusion", *(f"{level}inclusion" for level in case.levels)]
            case.extra.append(f"{rng.choice(names)}={rng.choice(('inclusive', 'exclusive'))}")
            case.equal_misses = False
    if rng.random() < 0.3:
        case.extra.append(f"{rng.choice('di')}evict={rng.choice(POLICIES)}")
        case.equal_misses = False
    if rng.random() < 0.3:
        case.extra.append("rw=on")
        case.has_blocks = True
    if rng.random() < 0.3:
        case.extra.append(f"dwrite={rng.choice(('back', 'through'))}")
        case.has_blocks = True
    if rng.random() < 0.15:
        case.extra.append(f"dalloc={rng.choice(('on', 'off'))}")
        case.has_blocks = True
        case.equal_misses = False
    if rng.random() < 0.2:
        case.extra.append("straddle=split")
        case.deterministic = case.equal_misses = False
    if rng.random() < 0.4:
        case.extra.append(f"summary={rng.choice(('on', 'off'))}")
        case.has_blocks = True


def pick_options(rng, case):
    for which in "di":
        if rng.random() < 0.6:
            pick_cache(rng, case, which)
    if rng.random() < 0.4:
        pick_levels(rng, case)
    policy = rng.choice(("", "lru", "fifo", "rand"))
    if policy:
        case.options.append(f"evict={policy}")
    if policy == "rand":
        case.equal_misses = False
    if rng.random() < 0.6:
        case.cores = rng.randint(1, 4)
        case.options.append(f"cores={case.cores}")
    if rng.random() < 0.7:
        case.limit = rng.randint(0, 50)
        case.options.append(f"limit={case.limit}")
    rng.shuffle(case.options)
    if rng.random() < 0.3:
        case.extra.append(f"workers={rng.choice((0, 1, 3))}")
    if rng.random() < 0.2 and "straddle=split" not in case.extra:
        case.extra += [f"compare={preset}" for preset in rng.sample(list(PRESETS), rng.randint(1, 3))
                       if f"cpu={preset}" not in case.extra]
        case.kind = f"{case.kind}, compare"
    if rng.random() < 0.3:
        formats = rng.sample(("json", "csv", "callgrind", "cachegrind", "html"), rng.randint(1, 3))
        case.extra += [f"{format}=profile.%p.{format}" for format in formats]
        case.extra += ["profile=on"] * (rng.random() < 0.5)
        case.kind = f"{case.kind}, files"
    # One file each where several processes may report at the same time.
    if case.processes > 1:
        case.destination = "%p" if case.signal else rng.choice(("%p", "stderr", "auto"))
    else:
        case.destination = rng.choice(("%p", "stderr", "auto", "file", "log"))


def pick_bad_option(rng):
    """One wrong option."""
    number = rng.choice(("icachesize", "iblksize", "iassoc", "dcachesize", "dblksize", "dassoc", "cores"))
    odd = rng.randint(1, 10**rng.randint(1, 9)) * 2 + 1
    return rng.choice((
        f"{number}=0", f"{number}=-{odd}", f"{number}={odd}x", f"{number}={odd}.5", f"{number}=",
        f"{number}={odd}{'0' * 20}", f"limit=-{odd}", "limit=many",
        f"dblksize={odd * 2 + 4}", f"iblksize={odd}", f"icachesize={16384 + odd}",
        f"dcachesize={16384 + odd}", f"evict={rng.choice(('lur', 'LRU', 'plru', 'random', ''))}",
        f"{''.join(rng.sample('abcdefghij', 5))}={odd}", "seed=abc", "out=", "out=on", "out=no/such/directory",
        "out=%d", "help=me", f"cores={5000 + odd}"))


def pick_end(rng, case):
    """How it ends: by itself, by a signal, by the monitor's "quit"."""
    kinds = ["natural"] * 4 if case.status is not None else []
    kinds += ["signal"] * 3 + ["kill"] + ["quit"] * (2 * case.is_system)
    kind = rng.choice(kinds)
    # From the start of QEMU to the ends of most guests.
    case.delay = rng.choice((rng.uniform(0, 0.08), rng.uniform(0, 0.2), rng.uniform(0, 0.8)))
    if kind == "signal":
        case.signal = rng.choice(SIGNALS)
        case.to_group = rng.random() < 0.4
    elif kind == "kill":
        case.signal, case.to_group = signal.SIGKILL, case.processes > 1
    case.quits = kind == "quit"
    end = "natural" if kind == "natural" else "quit" if case.quits else signal.Signals(case.signal).name
    case.kind = f"{case.kind}, {end}"


def pick(rng):
    case = pick_guest(rng)
    if rng.random() < 0.1:
        case.kind, case.is_bad = f"{case.kind}, wrong option", True
        case.options, case.destination = [pick_bad_option(rng)], "auto"
        return case
    pick_end(rng, case)
    pick_options(rng, case)
    case.with_reference = case.deterministic and ", natural" in case.kind and rng.random() < 0.6
    case.reference_first = rng.random() < 0.5
    # The reference has the log for itself.
    if case.with_reference and case.destination in ("log", "auto"):
        case.destination = "file" if case.processes == 1 else "%p"
    return case


# --- Running ---------------------------------------------------------------------------------------------


@dataclass
class Done:
    """A run that has ended: what each process that was ours to wait for ended with."""

    pid: int
    status: int
    others: dict
    stdout: str
    stderr: str
    files: dict  # of reports and the log
    sent: str  # what was sent and when; empty if the run was over by then, or nothing was to be sent
    was_caught: bool  # QEMU caught the signal when it was sent
    was_replaced: bool  # another program had taken its place
    was_ready: bool  # the guest had said so


def command_line(case, artifacts):
    binary = f"qemu-system-{case.arch}" if case.is_system else f"qemu-{case.arch}"
    command = [artifacts.qemu[case.version] / "bin" / binary]
    ours = [artifacts.plugin, *case.options, *case.extra]
    ours += {"file": ["out=report"], "%p": ["out=report.%p"], "stderr": ["out=stderr"], "log": [], "auto": []}[
        case.destination]
    plugins = [["-plugin", ",".join(map(str, ours))]]
    if case.with_reference:
        reference = ",".join(map(str, [artifacts.reference[case.version], *case.options]))
        plugins.insert(0 if case.reference_first else 1, ["-plugin", reference])
    if case.with_reference or case.destination == "log":
        plugins.append(["-d", "plugin", "-D", "qemu.log"])
    command += [word for plugin in plugins for word in plugin]
    program = artifacts.guests[case.arch, case.name]
    if not case.is_system:
        return [str(word) for word in [*command, program, *case.arguments]]
    command += ["-M", "virt", "-bios", "none", "-smp", case.harts, "-display", "none", "-kernel", program]
    serial, monitor = ("file:serial", "stdio") if case.quits else ("stdio", "none")
    command += ["-serial", serial, "-monitor", monitor]
    command += ["-semihosting"] * (case.name == "bare/semihost")
    return [str(word) for word in command]


def catches(pid, number):
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    found = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(found and int(found[1], 16) >> (number - 1) & 1)


def is_qemu(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")).startswith("qemu-")
    except OSError:
        return False


def threads_of(pid):
    """What the threads of a process that hangs do."""
    lines = []
    for task in sorted(Path(f"/proc/{pid}/task").glob("*")):
        try:
            state = re.search(r"^State:\s*(.*)$", (task / "status").read_text(), re.MULTILINE)[1]
            name, place = (task / "comm").read_text().strip(), (task / "wchan").read_text()
            lines.append(f"  {task.name} {name}: {state}, in {place}")
        except OSError:
            continue
    return "\n".join(lines)


def text_of(path):
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""


def run(case, command, scratch):
    """Runs a command in the empty directory `scratch` until it and all that it leaves behind have ended."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(scratch), "LC_ALL": "C"}
    console = scratch / "stdout"
    with open(console, "ab") as stdout, open(scratch / "stderr", "ab") as stderr:
        child = subprocess.Popen(command, stdin=subprocess.PIPE if case.quits else subprocess.DEVNULL, stdout=stdout,
                                 stderr=stderr, cwd=scratch, env=environment, start_new_session=True)
    start = time.monotonic()
    status, others, sent = None, {}, ""
    was_caught = was_replaced = was_ready = False
    is_due = case.signal is not None or case.quits
    was_qemu = all_ended = False
    try:
        while True:
            try:
                pid, ended = os.waitpid(-1, os.WNOHANG | WAIT_FOR_ALL)
            except ChildProcessError:
                all_ended = True
                break
            elapsed = time.monotonic() - start
            if pid == child.pid:
                status = child.returncode = os.waitstatus_to_exitcode(ended)
            elif pid:
                others[pid] = os.waitstatus_to_exitcode(ended)
            elif elapsed > TIMEOUT_SECONDS:
                raise Wrong(f"no end after {TIMEOUT_SECONDS} s\n{threads_of(child.pid)}")
            elif is_due and status is None and elapsed >= case.delay:
                is_due = False
                if case.quits:
                    try:
                        os.write(child.stdin.fileno(), b"quit\n")
                        sent = f"quit after {elapsed:.4f} s"
                    except BrokenPipeError:
                        # It has just ended.
                        pass
                    continue
                sent = f"{signal.Signals(case.signal).name} after {elapsed:.4f} s"
                sent += " to the whole group" if case.to_group else ""
                was_ready = text_of(console).startswith("ready\n")
                was_replaced = was_qemu and not is_qemu(child.pid)
                # What the guest prints it prints long after that.
                was_caught = is_qemu(child.pid) and (catches(child.pid, case.signal) or bool(text_of(console)))
                (os.killpg if case.to_group else os.kill)(child.pid, case.signal)
            else:
                was_qemu = was_qemu or is_due and is_qemu(child.pid)
                time.sleep(0.001 if elapsed < 2 else 0.02)
    finally:
        if not all_ended:
            os.killpg(child.pid, signal.SIGKILL)
        while not all_ended:
            try:
                os.waitpid(-1, WAIT_FOR_ALL)
            except ChildProcessError:
                all_ended = True
        child.returncode = child.returncode or 0
        if child.stdin:
            child.stdin.close()
    serial = text_of(scratch / "serial") if case.quits else text_of(console)
    files = {path.name: text_of(path) for path in scratch.glob("*")
             if path.name not in ("stdout", "stderr", "serial")}
    return Done(child.pid, status, others, serial, text_of(scratch / "stderr"), files, sent, was_caught, was_replaced,
                was_ready)


# --- Checking --------------------------------------------------------------------------------------------


def check_refused(done, case):
    lines = done.stderr.splitlines()
    ours = [line for line in lines if line.startswith("cache: ")]
    theirs = [line for line in lines if not line.startswith(("cache: ", "qemu-", "Please use "))]
    if done.status != 1:
        raise Wrong(f"status {done.status} for a wrong option, not 1")
    if len(ours) != 1 or theirs:
        raise Wrong(f"{len(ours)} lines of ours for a wrong option, and {theirs}")
    if done.stdout or done.files:
        raise Wrong("the guest ran")
    # It may be a default that does not fit, so the size of a cache.
    name = case.options[0].partition("=")[0]
    if not ours[0].startswith((f"cache: {name}", "cache: dcachesize", "cache: icachesize")):
        raise Wrong(f"{name} is not named: {ours[0]}")


def statuses(case, done):
    """What QEMU may end with."""
    allowed = {case.status} - {None}
    if case.quits:
        return {0}
    if not done.sent or case.signal is None:
        return allowed
    if case.is_system and case.signal != signal.SIGKILL:
        # A machine is switched off; before QEMU can do that, it is killed.
        return {0} if done.was_caught else {0, -case.signal}
    if case.name == "spin" and case.signal in (signal.SIGTERM, signal.SIGINT):
        mode = case.arguments[0]
        if mode == "handle":
            return {7} if done.was_ready else {7, -case.signal}
        if mode in ("ignore", "blocked") and done.was_ready:
            return {0}
    return allowed | {-case.signal}


def check_end(case, done):
    if done.status not in statuses(case, done):
        raise Wrong(f"ended with {done.status}, not with one of {sorted(statuses(case, done))}")
    if done.status == case.status and case.out and not case.quits and not (case.is_system and done.sent) \
            and case.out not in done.stdout:
        raise Wrong(f"the guest did not print {case.out!r}")
    if HEADING in done.stdout:
        raise Wrong("a report among the guest's output")


def own_text(stderr):
    """What is left of stderr without other lines."""
    return "".join(line for line in stderr.splitlines(keepends=True) if not OTHER_LINES.fullmatch(line.rstrip("\n")))


def check_reports(case, done):
    """Checks the reports. Returns how many must be there, how many may be, and ours if there is one."""
    stderr = own_text(done.stderr)
    if case.destination in ("stderr", "auto"):
        texts = split_reports(stderr) if stderr else []
    elif stderr:
        raise Wrong(f"on stderr: {stderr[:500]!r}")
    elif case.destination == "log":
        texts = split_reports(done.files["qemu.log"]) if done.files.get("qemu.log") else []
    else:
        texts = [text for name, text in sorted(done.files.items()) if name.startswith("report")]
    if case.signal == signal.SIGKILL and done.status == -signal.SIGKILL:
        # It may have come when the end had begun, in the middle of a report.
        if len(texts) > case.processes:
            raise Wrong(f"{len(texts)} reports")
        return 0, len(texts), len(texts), None
    reports = [parse(text, case) for text in texts]
    natural = not done.sent or case.status is not None and done.status == case.status and case.signal is None
    must = may = case.processes if natural else 1
    if case.destination == "file":
        must = may = 1
    if done.sent and not natural:
        if case.processes > 1:
            # Children that live, or died while QEMU forked them, are as many as there was time for.
            may = case.processes
            for pid, status in done.others.items():
                if status in (-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP) and done.was_caught \
                        and f"report.{pid}" not in done.files:
                    raise Wrong(f"child {pid} died of signal {-status} and did not report")
        if done.status < 0 and not done.was_caught and not done.was_replaced:
            must = 0
        if case.processes > 1 and must and f"report.{done.pid}" not in done.files:
            raise Wrong(f"process {done.pid} did not report")
    if not must <= len(reports) <= may:
        raise Wrong(f"{len(reports)} reports, not {must}" + (f" to {may}" if may > must else ""))
    if case.destination == "%p" and case.processes == 1 and reports and f"report.{done.pid}" not in done.files:
        raise Wrong(f"%p is not {done.pid}: {sorted(done.files)}")
    if not done.sent and any(report.sum.fetches == 0 for report in reports):
        raise Wrong("a report without a fetch")
    mine = f"report.{done.pid}"
    ours = parse(done.files[mine], case) if mine in done.files else reports[-1] if reports else None
    return must, may, len(reports), ours


def check_files(case, done, ours):
    """Checks the files beside the report: each is whole, whatever has ended the run, and all are there."""
    # Or before QEMU caught the signal: a file may just be tried.
    killed = done.status == -signal.SIGKILL or done.status < 0 and not done.was_caught
    for name, text in done.files.items():
        if name.startswith(".libcache-") and not killed:
            raise Wrong(f"{name} is left behind")
        if name.startswith("profile.") and name.endswith(".json"):
            check_json(case, text)
    for option in case.extra:
        name = option.partition("=")[2].replace("%p", str(done.pid))
        if name.startswith("profile.") and f"report.{done.pid}" in done.files and not killed and not done.files.get(name):
            raise Wrong(f"no {name}, or an empty one")
    mine = done.files.get(f"profile.{done.pid}.json")
    if mine and ours:
        cores = json.loads(mine)["cores"]
        counts = [(core["data"]["accesses"], core["data"]["misses"], core["instruction"]["accesses"],
                   core["instruction"]["misses"]) for core in cores]
        table = [(core.accesses, core.misses, core.fetches, core.fetch_misses) for core in ours.cores]
        if counts != table:
            raise Wrong(f"the JSON counts {counts}, the table {table}")


def check_json(case, text):
    profile = json.loads(text)
    for machine in profile.get("compared", ()):
        for cache in ("data", "instruction"):
            accesses = [of["total"][cache]["accesses"] for of in (machine, profile)]
            if case.is_still and accesses[0] != accesses[1]:
                raise Wrong(f"{machine['name']} has {accesses[0]} accesses, the run's own machine {accesses[1]}")
    if case.is_still and profile["detail"] == "full":
        total, rows = profile["total"], profile["instructions"]
        sums = {name: sum(row[name] for row in rows)
                for name in ("executions", "reads", "writes", "data_misses", "fetch_misses")}
        if (sums["reads"] + sums["writes"], sums["data_misses"]) != (total["data"]["accesses"], total["data"]["misses"]) \
                or (sums["executions"], sums["fetch_misses"]) != tuple(total["instruction"][name]
                                                                       for name in ("accesses", "misses")):
            raise Wrong(f"the instructions' sums {sums} are not the cores' {total}")


def compare(case, done, ours):
    """Compares with the reference, which reports to the log; children report before their parent."""
    log = done.files.get("qemu.log")
    if not log:
        raise Wrong("the reference gave no report")
    theirs = core_table(split_reports(log)[-1])[0]
    names = ("accesses", "fetches") if not case.equal_misses else ("accesses", "misses", "fetches", "fetch_misses")
    for index, (mine, other) in enumerate(zip(ours.cores, theirs.cores, strict=True)):
        for name in names:
            if getattr(mine, name) != getattr(other, name):
                raise Wrong(f"core {index}: {getattr(mine, name)} {name}, the reference has {getattr(other, name)}")


def attempt(case, artifacts):
    """Runs and checks a case. Returns what it counted, and the run if it failed, described."""
    counted = Counter(runs=1)
    command = command_line(case, artifacts)
    with tempfile.TemporaryDirectory(prefix="libcache-soak-") as scratch:
        done = None
        try:
            done = run(case, command, Path(scratch))
            if case.with_reference and done.status != case.status and done.status < 0:
                counted["reference died"] += 1
                case.with_reference = False
                more, failure = attempt(case, artifacts)
                more.update(counted - Counter(runs=1))
                return more, failure
            if case.is_bad:
                check_refused(done, case)
                counted["refused"] += 1
                return counted, None
            check_end(case, done)
            must, may, arrived, ours = check_reports(case, done)
            check_files(case, done, ours)
            counted["hit"] += bool(done.sent)
            counted.update({"due": must, "allowed": may - must, "arrived": arrived})
            if case.with_reference:
                compare(case, done, ours)
                counted["compared"] += 1
        except Wrong as wrong:
            counted["failed"] += 1
            shown = [f"{case.kind}: {wrong}", shlex.join(command)]
            if done:
                shown += [f"sent: {done.sent or 'nothing'}; QEMU was {done.pid}, ended with {done.status}, its orphans "
                          f"with {done.others}", f"stdout: {done.stdout[-500:]!r}", f"stderr: {done.stderr[-3000:]!r}"]
                shown += [f"{name}: {text[:400]!r}" for name, text in sorted(done.files.items())]
            return counted, "\n  ".join(shown)
    return counted, None


# --- What others wrote ------------------------------------------------------------------------------------

# The tests of what reads ELF, DWARF, the kernel's list of mappings, mangled names and files of options, and their
# share of the time.
PROPERTIES = (
    ("--package", "symbols", "--test", "foreign", "--test", "maps"),
    ("--package", "symbols", "--package", "options", "--package", "report", "--lib", "foreign"),
)
PROPERTIES_SHARE = 0.2
PROPERTIES_CASES = 4000
# Many times what that many cases take on a slow host.
PROPERTIES_TIMEOUT_SECONDS = 1800


def soak_properties(seconds, seed):
    """Runs the tests with ever other cases, at least once. Returns how many failed."""
    for tests in PROPERTIES:
        tool("cargo", "test", "--release", "--locked", "--quiet", "--no-run", *tests)
    deadline = time.monotonic() + seconds
    failed = rounds = 0
    while rounds == 0 or time.monotonic() < deadline:
        variables = {"PROPTEST_CASES": str(PROPERTIES_CASES),
                     "PROPTEST_RNG_SEED": str(random.Random(f"{seed} properties {rounds}").getrandbits(63))}
        for tests in PROPERTIES:
            command = ("cargo", "test", "--release", "--locked", "--quiet", *tests)
            # It ends what cargo has started, too, with status 124.
            done = subprocess.run(("timeout", str(PROPERTIES_TIMEOUT_SECONDS), *command), cwd=ROOT,
                                  env=os.environ | variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
            if done.returncode != 0:
                failed += 1
                setting = " ".join(f"{name}={value}" for name, value in variables.items())
                say(f"FAILED with status {done.returncode} (repeat: {setting} {shlex.join(command)})\n"
                    f"{done.stdout[-5000:]}")
        rounds += 1
    say(f"properties of what reads foreign data: {rounds * PROPERTIES_CASES} cases each, {failed} runs failed")
    return failed


# --- All of it -------------------------------------------------------------------------------------------


def tool(*command):
    command = [str(word) for word in command]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"soak.py: failed with status {done.returncode}: {' '.join(command)}")
    return done.stdout.strip()


def prepare(scratch):
    plugin = os.environ.get("LIBCACHE_PLUGIN")
    if not plugin:
        say("building libcache")
        tool("cargo", "build", "--release", "--locked", "--quiet")
        target = json.loads(tool("cargo", "metadata", "--format-version=1", "--no-deps", "--locked"))
        plugin = Path(target["target_directory"]) / "release/libcache.so"
    # A copy: what runs stays the same whatever is built meanwhile.
    ours = scratch / "libcache.so"
    shutil.copy(plugin, ours)
    versions = sorted({*USER_VERSIONS, *SYSTEM_VERSIONS}, key=float)
    say(f"preparing QEMU {', '.join(versions)} and the guests")
    qemu = {version: Path(tool("scripts/qemu.sh", version)) for version in versions}
    reference = {version: Path(tool("scripts/reference.sh", version)) for version in versions}
    wanted = [(arch, name) for name in USER_GUESTS for arch in architectures(name)]
    wanted += [("riscv64", f"bare/{name}") for name in BARE_GUESTS]
    guests = {}
    for arch, name in wanted:
        guests[arch, name] = scratch / f"{arch}-{name.replace('/', '-')}"
        shutil.copy(tool("guests/build.sh", arch, name), guests[arch, name])
    return Artifacts(ours, qemu, reference, guests)


def work(numbers, seed, deadline, artifacts, results):
    """One worker: the cases of these numbers, until it is time."""
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in numbers:
        if time.monotonic() >= deadline:
            break
        case = pick(random.Random(f"{seed} {number}"))
        results.put((number, case.kind, *attempt(case, artifacts)))
    results.put(None)


COLUMNS = ("runs", "hit", "compared", "reference died", "refused", "due", "allowed", "arrived", "failed")


def table(totals):
    width = max(map(len, totals), default=0) + 2
    lines = ["".ljust(width) + "".join(name.rjust(len(name) + 2) for name in COLUMNS)]
    everything = sum(totals.values(), Counter())
    for name, counted in [*sorted(totals.items()), ("sum", everything)]:
        lines.append(name.ljust(width) + "".join(str(counted[column]).rjust(len(column) + 2) for column in COLUMNS))
    return "\n".join([*lines, "", "hit: ended from outside, not by themselves before; due: reports that must arrive;",
                      "allowed: more that may, of processes that a signal met before the plugin was there, that",
                      "were being forked, or that SIGKILL met when they had begun to end"])


def main():
    parser = argparse.ArgumentParser(description="Random guests, options and ends.")
    parser.add_argument("--seconds", type=float, default=300, help="how long to go on (default: 300)")
    parser.add_argument("--seed", help="default: a random one, which is printed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at once (default: the processors)")
    parser.add_argument("--case", type=int, help="run this case of the seed, once")
    arguments = parser.parse_args()
    seed = arguments.seed or secrets.token_hex(4)
    # A shell may have us ignore these, and what is ignored stays ignored in QEMU.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

    with tempfile.TemporaryDirectory(prefix="libcache-soak-") as scratch:
        artifacts = prepare(Path(scratch))
        say(f"SOAK_SEED={seed}, {arguments.seconds:g} s")
        failed_properties, share = 0, PROPERTIES_SHARE
        if arguments.case is None:
            failed_properties = soak_properties(arguments.seconds * share, seed)
        deadline = time.monotonic() + arguments.seconds * (1 - share)
        shares = [itertools.count(index, arguments.jobs) for index in range(arguments.jobs)]
        if arguments.case is not None:
            shares = [[arguments.case]]
        results = multiprocessing.Queue()
        workers = [multiprocessing.Process(target=work, args=(share, seed, deadline, artifacts, results))
                   for share in shares]
        totals, running = {}, len(workers)
        try:
            for worker in workers:
                worker.start()
            while running:
                try:
                    result = results.get(timeout=5)
                except queue.Empty:
                    if all(worker.exitcode is not None for worker in workers) and results.empty():
                        sys.exit("soak.py: a worker died")
                    continue
                if result is None:
                    running -= 1
                    continue
                number, kind, counted, failure = result
                totals.setdefault(kind, Counter()).update(counted)
                if failure:
                    say(f"FAILED (repeat: scripts/soak.py --seed {seed} --case {number})\n  {failure}")
        finally:
            for worker in workers:
                worker.join(TIMEOUT_SECONDS)
    print(f"SOAK_SEED={seed}")
    print(table(totals))
    failed = sum(counted["failed"] for counted in totals.values())
    if not totals or failed or failed_properties:
        sys.exit(f"soak.py: {failed} of {sum(c['runs'] for c in totals.values())} runs failed, and {failed_properties} "
                 "runs of properties")


if __name__ == "__main__":
    main()
