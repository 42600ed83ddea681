//! Every instruction of small programs, beside addr2line of the GNU binutils.

mod common;

use std::path::Path;

use common::{AARCH64, HOST, PlainFrame, RISCV, compile, frames_at, instructions, oracle, run};
use symbols::{Files, Symbols};

/// Compares all of `.text`. What may differ:
///
/// - Behind the end of a function the binutils name it nevertheless; no name is right.
/// - Of several symbols at one address (identical code, folded) they name another one.
/// - They may name an inlined function of C++ that has no mangled name (`atof`) by the symbol at the
///   address, which is that of the function around it.
fn compare(prefix: &str, file: &Path) {
    let addresses = instructions(prefix, file);
    let known = Functions::read(prefix, file);
    let files = Files::default();
    let mut symbols = Symbols::new(&files, None);
    let mut differences = Vec::new();
    let (mut named, mut equal) = (0, 0);
    for (address, theirs) in oracle(prefix, file, &addresses) {
        let ours = frames_at(&mut symbols, file, address);
        named += usize::from(ours.iter().any(|(function, _, _)| !function.is_empty()));
        equal += usize::from(ours == theirs);
        if ours != theirs && !known.explain(address, &ours, &theirs) {
            differences.push(format!("{address:#x}\n ours   {ours:?}\n theirs {theirs:?}"));
        }
    }
    let name = file.display();
    let total = addresses.len();
    println!("{name}: {total} instructions, {named} with names, {equal} as addr2line says");
    assert!(differences.is_empty(), "{}\n{name}: {}", differences.join("\n"), differences.len());
    assert!(named * 5 > total * 4);
    assert_eq!(symbols.warnings(), []);
}

/// The symbols with sizes.
struct Functions(Vec<(std::ops::Range<u64>, String)>);

impl Functions {
    fn read(prefix: &str, file: &Path) -> Self {
        let arguments = ["-C", "-S", "--defined-only"].map(Path::new).into_iter().chain([file]);
        let listing = run(&format!("{prefix}nm"), arguments);
        let symbol = |line: &str| {
            let mut fields = line.splitn(4, ' ');
            let mut number = || u64::from_str_radix(fields.next()?, 16).ok();
            let (start, size) = (number()?, number()?);
            Some((start..start + size, fields.nth(1)?.to_owned()))
        };
        Self(listing.lines().filter_map(symbol).collect())
    }

    fn explain(&self, address: u64, ours: &[PlainFrame], theirs: &[PlainFrame]) -> bool {
        let here: Vec<_> = self.0.iter().filter(|(range, _)| range.contains(&address)).collect();
        if here.is_empty() {
            let nameless: Vec<_> = theirs
                .iter()
                .map(|(_, file, line)| (String::new(), file.clone(), line.clone()))
                .filter(|frame| *frame != PlainFrame::default())
                .collect();
            return ours == nameless;
        }
        let ([ours, around @ ..], [theirs, their_around @ ..]) = (ours, theirs) else {
            return false;
        };
        let has = |name: &str| here.iter().any(|(_, symbol)| symbol == name);
        let same_line = ours.1 == theirs.1 && ours.2 == theirs.2;
        around == their_around
            && same_line
            && has(&theirs.0)
            && (has(&ours.0) || around.last().is_some_and(|(function, _, _)| *function == theirs.0))
    }
}

#[test]
fn c() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("program");
    for prefix in [HOST, RISCV, AARCH64] {
        for dwarf in ["-gdwarf-4", "-gdwarf-5"] {
            for kind in [&["-no-pie"][..], &["-pie", "-fPIE"], &["-shared", "-fPIC"], &["-static"]]
            {
                let flags = [&["-O2", "-g", dwarf], kind].concat();
                let sources = ["main.c", "shared.c"];
                compile(&format!("{prefix}gcc"), &sources, &flags, &file);
                compare(prefix, &file);
            }
        }
    }
}

#[test]
fn c_for_32_bits_and_in_big_endian() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("program");
    for (prefix, kind) in
        [(RISCV, "-march=rv32imac -mabi=ilp32 -Wl,-melf32lriscv"), (AARCH64, "-mbig-endian")]
    {
        for dwarf in ["-gdwarf-4", "-gdwarf-5"] {
            let mut flags = vec!["-O2", "-g", dwarf, "-nostdlib", "-static"];
            flags.extend(kind.split(' '));
            compile(&format!("{prefix}gcc"), &["shared.c"], &flags, &file);
            compare(prefix, &file);
        }
    }
}

#[test]
fn cpp() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("program");
    for flags in ["-O2 -g", "-O0 -g", "-O2", "-O2 -g -static"] {
        let flags: Vec<_> = flags.split(' ').collect();
        compile("g++", &["shapes.cpp"], &flags, &file);
        compare(HOST, &file);
    }
}

#[test]
fn rust() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("program");
    for flags in ["-O -g", "-O -g -Csymbol-mangling-version=v0"] {
        let flags: Vec<_> = flags.split(' ').collect();
        compile("rustc", &["names.rs"], &flags, &file);
        compare(HOST, &file);
    }
}
