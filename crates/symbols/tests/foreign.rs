//! Files of others, damaged at random where their formats say that it matters: no panic, and work and
//! memory within bounds. `make soak` runs this for longer.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use common::{AARCH64, HOST, RISCV, ask_all, compile, instructions, output, peak_bytes, run};
use object::{Object as _, ObjectSection as _};
use proptest::prelude::*;
use proptest::sample::Index;

/// A program and what belongs to it.
struct Program {
    /// The names of the files, which are in one directory, and their contents. The first is the program.
    files: Vec<(String, Vec<u8>)>,
    /// Which of them is damaged.
    damaged: usize,
    /// Where code is.
    addresses: Vec<u64>,
}

/// Real files, of several kinds.
static PROGRAMS: LazyLock<Vec<Program>> = LazyLock::new(|| {
    let mut programs = Vec::new();
    let tiny = |tool: &str, prefix: &str, flags: &[&str], programs: &mut Vec<Program>| {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("program");
        let fixed = ["-O2", "-nostdlib", "-static", "-ffreestanding"];
        compile(tool, &["tiny.c"], &[&fixed, flags].concat(), &file);
        programs.push(whole(prefix, &[&file], 0));
        directory
    };
    for flags in [["-gdwarf-4", "-gz=none"], ["-gdwarf-5", "-gz=none"], ["-gdwarf-5", "-gz"]] {
        tiny("gcc", HOST, &flags, &mut programs);
    }
    // Sections in another byte order, and of 32 bits.
    let big_endian = ["-g", "-mbig-endian", "-Wl,-EB"];
    tiny("aarch64-linux-gnu-gcc", AARCH64, &big_endian, &mut programs);
    let narrow = ["-g", "-march=rv32im", "-mabi=ilp32", "-Wl,-melf32lriscv", "-mcmodel=medany"];
    tiny("riscv64-linux-gnu-gcc", RISCV, &narrow, &mut programs);

    // C++, and without debug information the symbols of libraries.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("program");
    compile("g++", &["shapes.cpp"], &["-O2", "-g"], &file);
    programs.push(whole(HOST, &[&file], 0));
    compile("gcc", &["main.c", "shared.c"], &["-O2", "-g0", "-shared", "-fPIC"], &file);
    programs.push(whole(HOST, &[&file], 0));

    programs.extend([0, 1].map(with_debug_file));
    programs.extend([0, 1].map(with_shared_debug_file));
    programs.extend([0, 1].map(with_package));
    programs
});

fn whole(prefix: &str, files: &[&Path], damaged: usize) -> Program {
    let mut addresses = instructions(prefix, files[0]);
    let step = addresses.len().div_ceil(32);
    addresses = addresses.into_iter().step_by(step).collect();
    let content = |file: &&Path| {
        let name = file.file_name().unwrap().to_str().unwrap();
        (name.to_owned(), fs::read(file).unwrap())
    };
    Program { files: files.iter().map(content).collect(), damaged, addresses }
}

/// Debug information that is found by name and checksum.
fn with_debug_file(damaged: usize) -> Program {
    let directory = tempfile::tempdir().unwrap();
    let [file, debug] = ["program", "program.debug"].map(|name| directory.path().join(name));
    let flags = ["-O2", "-g", "-nostdlib", "-static", "-Wl,--build-id=none"];
    compile("gcc", &["tiny.c"], &flags, &file);
    run("objcopy", [Path::new("--only-keep-debug"), &file, &debug]);
    let link = format!("--add-gnu-debuglink={}", debug.display());
    run("objcopy", [Path::new("--strip-debug"), Path::new(&link), &file]);
    whole(HOST, &[&file, &debug], damaged)
}

/// Debug information that is shared with another program.
fn with_shared_debug_file(damaged: usize) -> Program {
    let directory = tempfile::tempdir().unwrap();
    let [file, other, shared] =
        ["program", "other", "shared.debug"].map(|name| directory.path().join(name));
    let sources = ["main.c", "shared.c"];
    compile("gcc", &sources, &["-O2", "-g"], &file);
    compile("gcc", &sources, &["-O2", "-g", "-DOTHER"], &other);
    let mut dwz = Command::new("dwz");
    dwz.args(["-M", "shared.debug", "-m"]).arg(&shared).arg(&file).arg(&other);
    output(dwz.current_dir(directory.path()));
    whole(HOST, &[&file, &shared], damaged)
}

/// Split debug information, in a package.
fn with_package(damaged: usize) -> Program {
    let directory = tempfile::tempdir().unwrap();
    let [file, package] = ["program", "program.dwp"].map(|name| directory.path().join(name));
    let flags = ["-O2", "-gsplit-dwarf", "-gdwarf-4", "-nostdlib", "-static"];
    compile("gcc", &["tiny.c"], &flags, &file);
    output(Command::new("dwp").arg("-e").arg(&file).arg("-o").arg(&package));
    whole(HOST, &[&file, &package], damaged)
}

impl Program {
    /// Writes the files, one of them damaged, and returns the program.
    fn write(&self, damaged: &[u8], directory: &Path) -> PathBuf {
        for (number, (name, content)) in self.files.iter().enumerate() {
            let content = if number == self.damaged { damaged } else { content };
            fs::write(directory.join(name), content).unwrap();
        }
        let program = directory.join(&self.files[0].0);
        if self.damaged == 1 {
            correct_checksum(&program, damaged);
        }
        program
    }
}

/// Lets a program find a file of debug information that has changed.
fn correct_checksum(program: &Path, debug: &[u8]) {
    let mut content = fs::read(program).unwrap();
    let file = object::File::parse(&*content).unwrap();
    let link = file.section_by_name(".gnu_debuglink").and_then(|section| section.file_range());
    if let Some((offset, size)) = link {
        let end = usize::try_from(offset + size).unwrap();
        content[end - 4..end].copy_from_slice(&crc32fast::hash(debug).to_le_bytes());
        fs::write(program, content).unwrap();
    }
}

/// The parts of a file that say different things: its headers, and each section.
fn parts(content: &[u8]) -> Vec<std::ops::Range<usize>> {
    let file = object::File::parse(content).unwrap();
    let mut parts = vec![0..content.len(), 0..64, 64..512.min(content.len())];
    for section in file.sections() {
        if let Some((offset, size @ 1..)) = section.file_range() {
            let start = usize::try_from(offset).unwrap();
            parts.push(start..start + usize::try_from(size).unwrap());
        }
    }
    // The table of sections is the last thing in a file; it has 64 bytes for each, or 40.
    let table_bytes = 64 * file.sections().count();
    parts.push(content.len().saturating_sub(table_bytes)..content.len());
    parts
}

/// What is done to a part.
#[derive(Debug, Clone)]
enum Damage {
    Byte {
        place: Index,
        value: u8,
    },
    Bit {
        place: Index,
        bit: u32,
    },
    /// A number: an offset, a size, a count.
    Number {
        place: Index,
        bytes: usize,
        value: u64,
        big_endian: bool,
    },
    /// A number of variable length (LEB128), of so many bytes.
    LongNumber {
        place: Index,
        bytes: usize,
    },
    /// Something from elsewhere in the same file.
    Splice {
        from: Index,
        to: Index,
        bytes: Index,
    },
    /// The part is all the same.
    Fill {
        from: Index,
        bytes: Index,
        value: u8,
    },
    /// The file ends in this part.
    End {
        place: Index,
    },
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<Index>;
    let extreme = prop_oneof![
        3 => Just(0),
        2 => Just(1),
        3 => Just(u64::MAX),
        1 => (0..64_u32).prop_map(|bit| 1 << bit),
        1 => (1..=64_u32).prop_map(|bits| u64::MAX >> (64 - bits)),
        // About as large as the files.
        3 => 0..0x8000_u64,
        1 => any::<u64>(),
        1 => (0..64_u64).prop_map(|less| u64::MAX - less),
    ];
    let bytes = prop::sample::select(vec![2_usize, 4, 8]);
    prop_oneof![
        8 => (index(), any::<u8>()).prop_map(|(place, value)| Damage::Byte { place, value }),
        8 => (index(), 0..8_u32).prop_map(|(place, bit)| Damage::Bit { place, bit }),
        8 => (index(), bytes, extreme, prop::bool::weighted(0.2)).prop_map(
            |(place, bytes, value, big_endian)| Damage::Number { place, bytes, value, big_endian }
        ),
        2 => (index(), 1..12_usize)
            .prop_map(|(place, bytes)| Damage::LongNumber { place, bytes }),
        4 => (index(), index(), index())
            .prop_map(|(from, to, bytes)| Damage::Splice { from, to, bytes }),
        1 => (index(), index(), prop::sample::select(vec![0, 0x7f, 0x80, 0xff]))
            .prop_map(|(from, bytes, value)| Damage::Fill { from, bytes, value }),
        1 => index().prop_map(|place| Damage::End { place }),
    ]
}

impl Damage {
    fn apply(&self, content: &mut Vec<u8>, part: std::ops::Range<usize>) {
        // It may have ended before.
        let part = part.start..part.end.min(content.len());
        if part.is_empty() {
            return;
        }
        let at = |place: &Index| part.start + place.index(part.len());
        match self {
            Self::Byte { place, value } => content[at(place)] = *value,
            Self::Bit { place, bit } => content[at(place)] ^= 1 << bit,
            Self::Number { place, bytes, value, big_endian } => {
                let number = if *big_endian {
                    value.to_be_bytes()[8 - bytes..].to_vec()
                } else {
                    value.to_le_bytes()[..*bytes].to_vec()
                };
                // Fields are aligned to their sizes.
                let place = (at(place) - part.start) / bytes * bytes + part.start;
                overwrite(content, place, &number);
            }
            Self::LongNumber { place, bytes } => {
                let mut number = vec![0xff; *bytes];
                number.push(0x7f);
                overwrite(content, at(place), &number);
            }
            Self::Splice { from, to, bytes } => {
                let start = from.index(content.len());
                let end = (start + 1 + bytes.index(part.len().min(256))).min(content.len());
                let copy = content[start..end].to_vec();
                overwrite(content, at(to), &copy);
            }
            Self::Fill { from, bytes, value } => {
                let fill = vec![*value; 1 + bytes.index(part.len())];
                overwrite(content, at(from), &fill);
            }
            Self::End { place } => content.truncate(at(place)),
        }
    }
}

fn overwrite(content: &mut [u8], place: usize, new: &[u8]) {
    let end = content.len().min(place + new.len());
    content[place..end].copy_from_slice(&new[..end - place]);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: common::cases(600),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn damaged_files_do_no_harm(
        program in any::<Index>(),
        damages in prop::collection::vec((any::<Index>(), damage()), 1..12),
    ) {
        let program = program.get(&PROGRAMS);
        let mut content = program.files[program.damaged].1.clone();
        let parts = parts(&content);
        for (part, damage) in &damages {
            damage.apply(&mut content, part.get(&parts).clone());
        }
        let directory = tempfile::tempdir().unwrap();
        let file = program.write(&content, directory.path());
        let mut addresses = program.addresses.clone();
        addresses.extend([0, 1, u64::from(u32::MAX), u64::MAX - 1, u64::MAX]);
        let warnings = common::within_bounds(|| ask_all(&file, &addresses));
        for warning in &warnings {
            prop_assert!(!warning.chars().any(char::is_control), "{:?}", warning);
            prop_assert!(warning.starts_with('/') && warning.contains(": "), "{:?}", warning);
        }
        prop_assert!(warnings.len() <= 2 + program.files.len(), "{:?}", warnings);
        prop_assert!(peak_bytes() < 1 << 30, "{} bytes", peak_bytes());
        // The same again: nothing depends on chance.
        prop_assert_eq!(ask_all(&file, &addresses), warnings);
    }
}

#[test]
fn without_damage_the_files_are_read_without_a_warning() {
    for program in PROGRAMS.iter() {
        let directory = tempfile::tempdir().unwrap();
        let file = program.write(&program.files[program.damaged].1, directory.path());
        let names: Vec<_> = program.files.iter().map(|(name, _)| name).collect();
        assert_eq!(ask_all(&file, &program.addresses), [""; 0], "{names:?}");
    }
}
