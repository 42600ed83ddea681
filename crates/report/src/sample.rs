//! A small profile that has one of everything, for the tests of the formats.

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::sync::Arc;

use cachesim::config::{
    Config, Directions, Inclusion, L2Kind, Level, LowerLevels, Parts, Straddle, WriteHit,
    WriteMiss, Writes,
};
use cachesim::geometry::CacheGeometry;
use cachesim::instructions::Code;
use cachesim::policy::PolicyKind;
use options::{GuestMode, Host, Latencies, Machine, Options, Request, parse};
use proptest::prelude::*;
use source::{Frame, Location};

use crate::{
    CacheCounts, CoreProfile, CoreSnapshot, Detail, Executed, HierarchyCounts, InstructionCounts,
    LowerCounts, LowerMisses, MissesByKind, Profile, ProfiledInstruction, RunDescription,
    SetMisses,
};

/// The settings that `options` make in user mode.
fn options(options: &[&str]) -> Options {
    let options: Vec<_> = options.iter().map(ToString::to_string).collect();
    let no_files = |_: &str| Err("no files here".to_owned());
    match parse(&options, &Host { mode: GuestMode::User, vcpus: 1 }, &no_files) {
        Ok(Request::Run(options)) => *options,
        other => panic!("{other:?}"),
    }
}

fn frame(function: &str, file: &str, line: u32) -> Frame {
    let text = |text: &str| (!text.is_empty()).then(|| Arc::from(text));
    Frame {
        function: text(function),
        file: text(file),
        line: NonZeroU32::new(line).map(NonZeroU32::get),
    }
}

/// What `write` writes, which has to be UTF-8.
pub(crate) fn written(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Executions, fetch misses, and loads and stores with their misses.
pub(crate) fn counts(
    executions: u64,
    fetch_misses: u64,
    [reads, read_misses]: [u64; 2],
    [writes, write_misses]: [u64; 2],
) -> InstructionCounts {
    InstructionCounts {
        fetch_misses,
        data_misses: read_misses + write_misses,
        lower: None,
        executed: Some(Executed { executions, reads, writes, write_misses }),
    }
}

/// Two cores; a program with an inlined function, a library without lines, code of no file, and names that
/// try to break out of every format. The totals of the cores are the sums of the instructions.
pub(crate) fn profile() -> Profile {
    let main = Some(Arc::from("/opt/matrix"));
    let library = Some(Arc::from("/usr/lib/libm, \"odd\".so.6"));
    let at = |object: &Option<Arc<str>>, frames: Vec<Frame>| {
        Arc::new(Location { object: object.clone(), frames })
    };
    let row_order = at(&main, vec![frame("row_order", "/src/matrix.c", 12)]);
    let inlined = at(
        &main,
        vec![frame("dot<T>", "/src/dot.h", 7), frame("column_order", "/src/matrix.c", 30)],
    );
    let column_order = at(&main, vec![frame("column_order", "/src/matrix.c", 31)]);
    let unnumbered = at(&library, vec![frame("sqrt", "", 0)]);
    let hostile = at(
        &Some(Arc::from("/tmp/a\nfn=evil")),
        vec![frame("</script><b>&\"'\n=1,2\u{1b}[31m", "/src/<i>&\n.c", 1)],
    );
    let instruction =
        |vaddr, code: &[u8], text: &str, location: &Arc<Location>, counts| ProfiledInstruction {
            vaddr,
            object_address: location.object.is_some().then_some(vaddr & 0xf_ffff),
            code: Code::new(code),
            disassembly: text.to_owned(),
            location: Arc::clone(location),
            counts,
        };
    Profile {
        run: run(),
        cores: cores(),
        detail: Detail::Full,
        compared: Vec::new(),
        instructions: vec![
            instruction(
                0x1_0782,
                &[0x1c, 0x63],
                "c.fld fa5, 0(a4)",
                &row_order,
                counts(1000, 1, [1000, 125], [0, 0]),
            ),
            instruction(
                0x1_0784,
                &[0x93, 0x06, 0x86, 0x00],
                "addi a3, a2, 8",
                &row_order,
                counts(1000, 0, [0, 0], [0, 0]),
            ),
            instruction(
                0x1_07d0,
                &[0x18, 0x63],
                "c.fld fa4, 0(a4)",
                &inlined,
                counts(500, 2, [500, 500], [0, 0]),
            ),
            instruction(
                0x1_07de,
                &[0x1c, 0xa1],
                "c.fsd fa5, 0(a0)",
                &column_order,
                counts(100, 3, [0, 0], [100, 100]),
            ),
            instruction(
                0x4000_1000,
                &[0x53, 0x75, 0x05, 0x5a],
                "fsqrt.d fa0, fa0",
                &unnumbered,
                counts(2_400, 1, [0, 0], [0, 0]),
            ),
            instruction(
                0x4000_2000,
                &[0x01, 0x00],
                "</td>\"nop\"\n, =cmd",
                &hostile,
                counts(20, 1, [50, 5], [0, 0]),
            ),
            instruction(
                0xffff_ffff_8000_0000,
                &[0x01, 0x00],
                "c.nop",
                &Arc::default(),
                counts(1, 1, [0, 0], [0, 0]),
            ),
        ],
    }
}

/// The same run without `profile=on`.
pub(crate) fn misses() -> Profile {
    without_executions(profile())
}

/// The same run with a second and a third level, stores modelled, and a summary.
pub(crate) fn levels() -> Profile {
    let mut profile = profile();
    let level = |size, ways| Level {
        geometry: CacheGeometry::new(size, 64, ways).unwrap(),
        policy: PolicyKind::Lru,
    };
    let parts = Parts {
        lower: Some(LowerLevels {
            l2: level(16 << 10, 8),
            l2_kind: L2Kind::Unified,
            l3: Some(Level { policy: PolicyKind::Random, ..level(64 << 10, 16) }),
            l2_inclusion: Inclusion::Nine,
            l3_inclusion: Inclusion::Exclusive,
        }),
        writes: Some(Writes { on_hit: WriteHit::Back, on_miss: WriteMiss::Allocate }),
        directions: Directions::Apart,
        straddle: Straddle::Split,
        ..profile.run.options.config.parts()
    };
    profile.run.options = Options {
        config: Config::new(parts).unwrap(),
        latencies: Latencies { l1: 4, l2: 12, l3: 40, memory: 200 },
        wants_summary: true,
        preset: Some("cortex-a72"),
        ..profile.run.options
    };
    let misses = |fetch, read, write| MissesByKind { fetch, read, write };
    let none = MissesByKind::default();
    let lower = [
        (misses(1, 25, 0), misses(1, 5, 0)),
        (none, none),
        (misses(2, 400, 0), misses(1, 100, 0)),
        (misses(1, 0, 60), misses(0, 0, 10)),
        (misses(1, 0, 0), misses(1, 0, 0)),
        (misses(0, 5, 0), misses(0, 5, 0)),
        (misses(1, 0, 0), misses(1, 0, 0)),
    ];
    for (instruction, (l2, l3)) in profile.instructions.iter_mut().zip(lower) {
        instruction.counts.lower = Some(LowerMisses { l2, l3 });
    }
    let counts = |accesses, misses| CacheCounts { accesses, misses };
    profile.cores[0].counts.hierarchy = Some(HierarchyCounts {
        stores: counts(100, 100),
        l2: Some(LowerCounts {
            fetch: counts(9, 6),
            read: counts(630, 430),
            write: counts(100, 60),
            write_back: counts(90, 0),
        }),
        l3: Some(LowerCounts {
            fetch: counts(6, 4),
            read: counts(430, 110),
            write: counts(60, 10),
            write_back: counts(40, 0),
        }),
        passed_stores: 0,
        write_backs: [90, 40, 8],
        memory_read_bytes: 124 * 64,
        memory_written_bytes: 8 * 64,
    });
    profile.cores[1].counts.hierarchy = Some(HierarchyCounts {
        l2: Some(LowerCounts::default()),
        l3: Some(LowerCounts::default()),
        ..HierarchyCounts::default()
    });
    profile
}

/// The same options for a machine of other parts.
pub(crate) fn with_parts(options: Options, change: impl FnOnce(&mut Parts)) -> Options {
    let mut parts = options.config.parts();
    change(&mut parts);
    Options { config: Config::new(parts).unwrap(), ..options }
}

/// [`levels`] without the third.
pub(crate) fn two_levels() -> Profile {
    let mut profile = levels();
    profile.run.options = with_parts(profile.run.options, |parts| {
        let lower = parts.lower.as_mut().unwrap();
        (lower.l3, lower.l3_inclusion) = (None, Inclusion::Nine);
    });
    for hierarchy in profile.cores.iter_mut().filter_map(|core| core.counts.hierarchy.as_mut()) {
        hierarchy.l3 = None;
        hierarchy.write_backs[2] = 0;
    }
    for lower in profile.instructions.iter_mut().filter_map(|one| one.counts.lower.as_mut()) {
        lower.l3 = MissesByKind::default();
    }
    profile
}

/// `own` of a run that compares its machine with those of the others, of these names.
pub(crate) fn comparing(mut own: Profile, others: Vec<(&str, Profile)>) -> Profile {
    for (name, profile) in &others {
        let Options { preset, config, latencies, .. } = profile.run.options;
        let name = (*name).to_owned();
        own.run.options.compared.push(Machine {
            name,
            preset,
            config,
            latencies,
            files: Vec::new(),
        });
    }
    let machines = own.run.options.compared.iter();
    let compared = machines.zip(others).map(|(machine, (_, profile))| {
        let options = own.run.options.of_machine(machine);
        Profile { run: RunDescription { options, ..own.run.clone() }, ..profile }
    });
    own.compared = compared.collect();
    own
}

/// [`levels`] beside a machine without the third and one with first-level caches only, which is called like a
/// file that tries to break out.
pub(crate) fn compared() -> Profile {
    let mut first = profile();
    first.run.options.latencies.memory = 90;
    comparing(levels(), vec![("two", two_levels()), ("a\n<b>, \"*", first)])
}

/// [`misses`] beside a machine with levels. No summary is asked for.
pub(crate) fn compared_misses() -> Profile {
    comparing(misses(), vec![("zen3", without_executions(levels()))])
}

/// `profile` as a run counts it without `profile=on`.
pub(crate) fn without_executions(mut profile: Profile) -> Profile {
    profile.detail = Detail::Misses;
    profile.instructions.retain(|instruction| instruction.counts.misses() > 0);
    for instruction in &mut profile.instructions {
        instruction.counts.executed = None;
    }
    profile
}

/// [`profile`] with any texts in the place of those that come from outside.
pub(crate) fn any_texts() -> impl Strategy<Value = Profile> {
    let evil = prop::sample::select(vec![
        "\n",
        "\r\n",
        "\r",
        "\0",
        " ",
        "\"",
        ",",
        "fn=",
        "fl=",
        "(1)",
        "(",
        ")",
        "desc: ",
        "cmd: ",
        "events: ",
        "summary: ",
        "0x1 1 1",
        "\u{2028}",
        "\u{85}",
        "\u{a0}",
        "=",
        "-",
        "ä",
        "#",
    ]);
    let evil = prop::collection::vec(evil, 0..6).prop_map(|parts| parts.concat());
    let text = prop_oneof![any::<String>(), evil];
    let texts = prop::collection::vec(prop::option::of(text), 40);
    texts.prop_map(|texts| {
        let mut profile = profile();
        let mut texts = texts.into_iter().cycle();
        let mut next = || texts.next().flatten();
        let command = std::iter::repeat_with(&mut next).take(4).flatten();
        profile.run.command = command.collect();
        for instruction in &mut profile.instructions {
            instruction.disassembly = next().unwrap_or_default();
            let mut location = (*instruction.location).clone();
            location.object = next().map(Arc::from);
            for frame in &mut location.frames {
                frame.function = next().map(Arc::from);
                frame.file = next().map(Arc::from);
            }
            instruction.location = Arc::new(location);
        }
        profile
    })
}

fn cores() -> Vec<CoreProfile> {
    vec![
        CoreProfile {
            counts: CoreSnapshot {
                data: CacheCounts { accesses: 1650, misses: 730 },
                fetch: CacheCounts { accesses: 5_021, misses: 9 },
                hierarchy: None,
            },
            sets: Some(SetMisses { data: vec![500, 200, 30, 0], fetch: vec![0, 4, 5, 0] }),
        },
        CoreProfile {
            counts: CoreSnapshot::default(),
            sets: Some(SetMisses { data: vec![0; 4], fetch: vec![0; 4] }),
        },
    ]
}

fn run() -> RunDescription {
    RunDescription {
        version: "0.1.0".into(),
        target: "riscv64".to_owned(),
        mode: GuestMode::User,
        vcpus: 1,
        plugin_api: 1,
        qemu_version: Some("7.2.22".to_owned()),
        command: ["qemu-riscv64", "-plugin", "libcache.so", "matrix", "two words"]
            .map(str::to_owned)
            .into(),
        process_id: 4711,
        options: options(&["cores=2", "dcachesize=1K", "icachesize=2K", "dassoc=4"]),
    }
}
