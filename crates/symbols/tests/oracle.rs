//! Every instruction of small programs, beside addr2line of the GNU binutils.

mod common;

use std::path::Path;

use common::{AARCH64, HOST, PlainFrame, RISCV, compile, frames_at, instructions, oracle, run};
use symbols::{Files, Symbols};

/// Compares all of `.text`; `explained` is asked of each difference (ours, theirs).
fn compare(prefix: &str, file: &Path, explained: impl Fn(&[PlainFrame], &[PlainFrame]) -> bool) {
    let addresses = instructions(prefix, file);
    let files = Files::default();
    let mut symbols = Symbols::new(&files, None);
    let mut differences = Vec::new();
    let mut with_lines = 0;
    let mut with_names = 0;
    for (address, theirs) in oracle(prefix, file, &addresses) {
        let ours = frames_at(&mut symbols, file, address);
        with_lines += usize::from(ours.iter().any(|(_, _, line)| !line.is_empty()));
        with_names += usize::from(ours.iter().any(|(function, _, _)| !function.is_empty()));
        if ours != theirs && !explained(&ours, &theirs) {
            differences.push(format!("{address:#x}\n ours   {ours:?}\n theirs {theirs:?}"));
        }
    }
    println!("{}: {} instructions, {with_names} with names, {with_lines} with lines, {} differences", file.display(), addresses.len(), differences.len());
    for difference in differences.iter().take(3000) {println!("{difference}");}
    assert!(differences.is_empty(), "{}", differences.len());
    assert_eq!(symbols.warnings(), []);
}

fn nothing(_ours: &[PlainFrame], _theirs: &[PlainFrame]) -> bool {
    false
}

#[test]
fn c() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("program");
    for prefix in [HOST, RISCV, AARCH64] {
        for dwarf in ["-gdwarf-4", "-gdwarf-5"] {
            for kind in [&["-no-pie"][..], &["-pie", "-fPIE"], &["-shared", "-fPIC"], &["-static"]] {
                let flags = [&["-O2", "-g", dwarf], kind].concat();
                let sources = ["main.c", "shared.c"];
                compile(&format!("{prefix}gcc"), &sources, &flags, &file);
                compare(prefix, &file, nothing);
            }
        }
    }
}

#[test]
fn cpp() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("program");
    for flags in [&["-O2", "-g"][..], &["-O0", "-g"], &["-O2"], &["-O2","-static"]] {
        compile("g++", &["shapes.cpp"], flags, &file);
        compare(HOST, &file, nothing);
    }
}

#[test]
fn rust() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("program");
    for flags in [&["-O", "-g"][..], &["-O", "-g", "-Csymbol-mangling-version=v0"]] {
        compile("rustc", &["names.rs"], flags, &file);
        compare(HOST, &file, nothing);
    }
    run("true", ["x"]);
}
