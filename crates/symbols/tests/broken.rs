//! Files that are made to harm: no panic, and work and memory within bounds. What is broken by chance is in
//! `foreign.rs`.

mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use common::{HOST, ask_all, compile, instructions, peak_bytes, within_bounds};

/// DWARF 4 of one unit for 64-bit programs, with the entries in `entries`.
///
/// Abbreviation 1 is the unit, 2 a function with an address, 3 an inlined function, 4 a function with
/// ranges, each with children; 5 an inlined function with ranges and 6 a unit with lines, without.
/// `ranges` goes into `.debug_ranges`, or begins with another section.
fn assemble(entries: &str, ranges: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let text = format!(
        r#"
        .text
        .globl _start
_start: nop
        nop
        nop
        nop
.Lend:
        .section .debug_abbrev,"",@progbits
.Labbreviations:
        .macro abbreviation code, tag, children
        .uleb128 \code, \tag
        .byte \children
        .endm
        abbreviation 1, 0x11, 1
        .uleb128 0x11, 1, 0x12, 7, 0, 0
        abbreviation 2, 0x2e, 1
        .uleb128 0x11, 1, 0x12, 7, 0, 0
        abbreviation 3, 0x1d, 1
        .uleb128 0, 0
        abbreviation 4, 0x2e, 1
        .uleb128 0x55, 0x17, 0, 0
        abbreviation 5, 0x1d, 0
        .uleb128 0x55, 0x17, 0, 0
        abbreviation 6, 0x11, 0
        .uleb128 0x10, 0x17, 0, 0
        .uleb128 0
        .section .debug_info,"",@progbits
        .long .Lunit_end - .Lunit
.Lunit: .2byte 4
        .long 0
        .byte 8
        .uleb128 1
        .quad _start
        .quad .Lend - _start
        {entries}
.Lunit_end:
        .section .debug_ranges,"",@progbits
        {ranges}
        .quad 0, 0
        "#
    );
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("program.s");
    let file = directory.path().join("program");
    fs::write(&source, text).unwrap();
    compile("gcc", &[source.to_str().unwrap()], &["-nostdlib", "-static"], &file);
    (directory, file)
}

/// Asks for the four instructions, with a small stack; returns the warnings.
fn ask(file: &Path) -> Vec<String> {
    let addresses = instructions(HOST, file);
    assert_eq!(addresses.len(), 4);
    let file = file.to_owned();
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let ask = move || within_bounds(|| ask_all(&file, &addresses));
    let warnings = thread.spawn(ask).unwrap().join().unwrap();
    assert!(peak_bytes() < 1 << 30, "{} bytes", peak_bytes());
    warnings
}

const FUNCTION: &str = "
    .uleb128 2
    .quad _start
    .quad .Lend - _start
";

#[test]
fn inlined_functions_nested_without_end_are_refused() {
    let nested = |depth: u32| {
        format!("{FUNCTION} .rept {depth}\n .uleb128 3\n .endr\n .fill {depth} + 2, 1, 0")
    };
    let (_directory, file) = assemble(&nested(200), "");
    assert_eq!(ask(&file), [""; 0]);
    let (_directory, file) = assemble(&nested(1_000_000), "");
    let reason = "debug information with inlined functions nested too deep";
    assert_eq!(ask(&file), [format!("{}: {reason}", file.display())]);
}

#[test]
fn functions_that_share_long_lists_are_refused() {
    let mut entries = String::new();
    for (abbreviation, count) in [(4, 100_000), (5, 100_000)] {
        write!(entries, ".rept {count}\n .uleb128 {abbreviation}\n .long 0\n .endr\n").unwrap();
    }
    let (_directory, file) = assemble(&entries, ".rept 100000\n .quad 0, 1\n .endr");
    let reason = "debug information that refers to itself too often";
    assert_eq!(ask(&file), [format!("{}: {reason}", file.display())]);
}

#[test]
fn functions_nested_without_end_are_refused() {
    let nested = format!(".rept 60000\n {FUNCTION} .endr\n");
    let (_directory, file) = assemble(&nested, "");
    let reason = "debug information that refers to itself too often";
    assert_eq!(ask(&file), [format!("{}: {reason}", file.display())]);
}

#[test]
fn units_that_share_long_tables_are_refused() {
    // Each unit begins one abbreviation later in a table of 50,000.
    let mut abbreviations = String::from(".section .debug_info\n");
    for unit in 0..20_000 {
        writeln!(abbreviations, ".long 8\n .2byte 4\n .long .Ltable + {}", unit * 5).unwrap();
        abbreviations += ".byte 8, 0\n";
    }
    abbreviations += ".section .debug_abbrev\n .set .Ltable, . - .Labbreviations\n";
    for code in 0..50_000 {
        writeln!(abbreviations, ".uleb128 {}, 0x2e\n .byte 0, 0, 0", 10 + code % 100).unwrap();
    }
    // Each unit has one line table, with 50,000 files.
    let mut lines = String::from(".section .debug_info\n");
    for _ in 0..20_000 {
        lines += ".long 12\n .2byte 4\n .long 0\n .byte 8\n .uleb128 6\n .long 0\n";
    }
    lines += r#"
        .section .debug_line,"",@progbits
        .long .Llines_end - .Llines
.Llines: .2byte 4
        .long .Lprogram - .Lheader
.Lheader: .byte 1, 1, 1, -5, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0
        .rept 50000
        .asciz "f"
        .byte 0, 0, 0
        .endr
        .byte 0
.Lprogram:
.Llines_end:
    "#;
    for more in [&abbreviations, &lines] {
        let (_directory, file) = assemble(".byte 0", more);
        let reason = "debug information that refers to itself too often";
        assert_eq!(ask(&file), [format!("{}: {reason}", file.display())]);
    }
}

#[test]
fn symbols_that_share_a_long_name_are_refused() {
    let name = "x".repeat(20_000);
    let mut symbols = String::new();
    for length in 18_000..20_000 {
        // The linker keeps one text for names that end alike.
        writeln!(symbols, ".set {}, _start", &name[..length]).unwrap();
    }
    let (_directory, file) = assemble(".byte 0", &symbols);
    let content = fs::read(&file).unwrap();
    assert!(content.len() < 1 << 20, "{}", content.len());
    let reason = "a symbol table with names that are too long";
    assert_eq!(ask(&file), [format!("{}: {reason}", file.display())]);
}

#[test]
fn a_section_that_claims_to_decompress_to_more_than_can_be_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("program");
    compile("gcc", &["main.c", "shared.c"], &["-O2", "-g", "-gz"], &file);
    let addresses = instructions(HOST, &file);
    let mut content = fs::read(&file).unwrap();
    // The header of a compressed section: type zlib, no flags, then the size.
    let header: Vec<_> = (0..content.len() - 24)
        .filter(|at| {
            content[*at..].starts_with(&[1, 0, 0, 0, 0, 0, 0, 0]) && content[at + 24] == 0x78
        })
        .collect();
    assert!(!header.is_empty());
    for at in header {
        content[at + 8..at + 16].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    }
    fs::write(&file, content).unwrap();
    let [warning] = &ask_all(&file, &addresses)[..] else { panic!() };
    assert!(warning.ends_with("claims to be 1099511627776 bytes"), "{warning}");
}

#[test]
fn a_file_that_claims_to_be_huge_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sparse");
    fs::write(&path, b"\x7fELF").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(1 << 42).unwrap();
    assert_eq!(ask_all(&path, &[0]), [format!("{}: too large, more than 4 GiB", path.display())]);
}
