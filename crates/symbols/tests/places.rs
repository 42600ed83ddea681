//! Where code and its debug information are: mappings, biases, files beside files.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{
    AARCH64, HOST, PlainFrame, RISCV, address_of, compile, copy_into, frames_at, instructions,
    output, plain, run,
};
use symbols::{Files, GuestFile, LoadedElf, Mapping, Symbols};

const SOURCES: [&str; 2] = ["main.c", "shared.c"];

/// A program with debug information, and what is known of all its instructions.
struct Program {
    directory: tempfile::TempDir,
    file: PathBuf,
    frames: Vec<(u64, Vec<PlainFrame>)>,
}

impl Program {
    fn new(prefix: &str, flags: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bin/program");
        fs::create_dir(directory.path().join("bin")).unwrap();
        compile(&format!("{prefix}gcc"), &SOURCES, &[&["-O2", "-g"], flags].concat(), &file);
        let frames = all_frames(prefix, &file, None);
        assert!(frames.iter().any(|(_, frames)| frames.len() > 1 && !frames[0].2.is_empty()));
        Self { directory, file, frames }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts the debug information into a file of its own, with a link to it.
    fn split_off(&self, name: &str) -> PathBuf {
        let debug = self.path(name);
        run("objcopy", [Path::new("--only-keep-debug"), &self.file, &debug]);
        run("strip", [&self.file]);
        let link = format!("--add-gnu-debuglink={}", debug.display());
        run("objcopy", [Path::new(&link), &self.file]);
        debug
    }

    /// Where the build-id says that debug information is.
    fn build_id_path(&self) -> PathBuf {
        let notes = run("readelf", [Path::new("-n"), &self.file]);
        let id = notes.lines().find_map(|line| line.trim().strip_prefix("Build ID: ")).unwrap();
        format!(".build-id/{}/{}.debug", &id[..2], &id[2..]).into()
    }

    fn assert_known(&self, sysroot: Option<&Path>) {
        let files = Files::default();
        let mut symbols = Symbols::new(&files, sysroot);
        for (address, frames) in &self.frames {
            assert_eq!(frames_at(&mut symbols, &self.file, *address), *frames, "{address:#x}");
        }
        assert_eq!(symbols.warnings(), []);
    }

    /// Nothing but dynamic symbols; returns the warnings.
    fn assert_unknown(&self, sysroot: Option<&Path>) -> Vec<String> {
        let files = Files::default();
        let mut symbols = Symbols::new(&files, sysroot);
        for (address, _) in &self.frames {
            for (_, file, line) in frames_at(&mut symbols, &self.file, *address) {
                assert_eq!((&*file, &*line), ("", ""));
            }
        }
        symbols.warnings().iter().map(ToString::to_string).collect()
    }
}

fn all_frames(prefix: &str, file: &Path, sysroot: Option<&Path>) -> Vec<(u64, Vec<PlainFrame>)> {
    let files = Files::default();
    let mut symbols = Symbols::new(&files, sysroot);
    let frames = instructions(prefix, file)
        .into_iter()
        .map(|address| (address, frames_at(&mut symbols, file, address)))
        .collect();
    assert_eq!(symbols.warnings(), []);
    frames
}

/// A line of `/proc/self/maps`.
fn mapping(line: &str) -> Option<(Mapping, &str)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let permissions = fields.next()?;
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let mapping = Mapping {
        start: number(start)?,
        end: number(end)?,
        file_offset: number(fields.next()?)?,
        file: GuestFile::at(fields.nth(2)?).into(),
    };
    Some((mapping, permissions))
}

#[test]
fn functions_are_found_where_the_kernel_mapped_them() {
    for flags in ["-pie", "-no-pie", "-pie -Wl,-z,noseparate-code", "-pie -fuse-ld=gold"] {
        let directory = tempfile::tempdir().unwrap();
        let library = directory.path().join("libshared.so");
        compile("gcc", &["shared.c"], &["-O2", "-g", "-fPIC", "-shared"], &library);
        let program = directory.path().join("program");
        let search = format!("-Wl,-rpath,{}", directory.path().display());
        let mut all = vec!["-O2", "-g", &search];
        all.extend(flags.split(' '));
        compile("gcc", &["main.c", library.to_str().unwrap()], &all, &program);
        let text = String::from_utf8(Command::new(&program).output().unwrap().stdout).unwrap();
        let (addresses, maps) = text.split_once('\n').unwrap();
        let mappings: Vec<_> = maps.lines().filter_map(mapping).collect();
        let files = Files::default();
        let mut symbols = Symbols::new(&files, None);
        let expected = [
            ("main", "main.c", &program),
            ("program_function", "main.c", &program),
            ("library_function", "shared.c", &library),
        ];
        for (address, (function, file, object)) in addresses.split(' ').zip(expected) {
            let address = u64::from_str_radix(address.strip_prefix("0x").unwrap(), 16).unwrap();
            let found: Vec<_> = mappings
                .iter()
                .filter_map(|(mapping, _)| symbols.in_mapping(mapping, address))
                .map(|found| found.location)
                .collect();
            let [location] = &found[..] else { panic!("{flags}: {found:?}") };
            // The program of a fixed address names its own entry for the library's function.
            let frames = plain(location);
            if flags == "-no-pie" && function == "library_function" {
                continue;
            }
            assert_eq!(location.object.as_deref(), object.to_str());
            assert_eq!(frames.last().unwrap().0, function, "{flags}");
            assert!(frames.last().unwrap().1.ends_with(file), "{frames:?}");
        }
        assert_eq!(symbols.warnings(), []);
    }
}

#[test]
fn a_mapping_may_begin_and_end_anywhere_in_a_segment() {
    for prefix in [HOST, RISCV, AARCH64] {
        let program = Program::new(prefix, &["-pie", "-fPIE"]);
        let files = Files::default();
        let mut symbols = Symbols::new(&files, None);
        let function = address_of(prefix, &program.file, "program_function");
        let (_, frames) = program.frames.iter().find(|(at, _)| *at == function).unwrap();
        // In these programs what is at an address is at the same place in the file.
        for (from, to) in [(0, 0x2000), (function & !0xfff, function + 4), (function, 0x2000)] {
            let start = 0x7f00_0000_0000 + from;
            let path = program.file.clone();
            let mapping = Mapping {
                start,
                end: start + (to - from),
                file_offset: from,
                file: GuestFile::at(path).into(),
            };
            let address = 0x7f00_0000_0000 + function;
            assert_eq!(plain(&symbols.in_mapping(&mapping, address).unwrap().location), *frames);
            assert_eq!(symbols.in_mapping(&mapping, mapping.end), None);
            assert_eq!(symbols.in_mapping(&mapping, mapping.start - 1), None);
        }
        let path = program.file.clone();
        let beyond = Mapping {
            start: 0,
            end: u64::MAX,
            file_offset: 1 << 40,
            file: GuestFile::at(path).into(),
        };
        let location = symbols.in_mapping(&beyond, u64::MAX - 1).unwrap().location;
        assert_eq!(
            (location.object.as_deref(), &location.frames[..]),
            (program.file.to_str(), &[][..])
        );
    }
}

#[test]
fn a_loaded_file_has_the_addresses_of_its_code_plus_a_bias() {
    let program = Program::new(HOST, &["-no-pie"]);
    let files = Files::default();
    let mut symbols = Symbols::new(&files, None);
    let function = address_of(HOST, &program.file, "program_function");
    let (_, frames) = program.frames.iter().find(|(at, _)| *at == function).unwrap();
    for bias in [0, 0x1000, 0xffff_ffff_8000_0000] {
        let elf = LoadedElf { file: GuestFile::at(&program.file).into(), bias };
        let found = symbols.in_elf(&elf, function.wrapping_add(bias)).unwrap();
        assert_eq!(found.object_address, Some(function));
        let location = found.location;
        assert_eq!(plain(&location), *frames);
        assert_eq!(symbols.in_elf(&elf, function.wrapping_add(bias) ^ (1 << 40)), None);
        // Data is no code.
        let data = address_of(HOST, &program.file, "_edata").wrapping_add(bias);
        assert_eq!(symbols.in_elf(&elf, data - 1), None);
    }
}

#[test]
fn a_file_without_program_headers_has_the_addresses_of_its_sections() {
    let program = Program::new(HOST, &["-no-pie"]);
    let mut content = fs::read(&program.file).unwrap();
    // e_phoff and e_phnum of a 64-bit file.
    content[0x20..0x28].fill(0);
    content[0x38..0x3a].fill(0);
    fs::write(&program.file, content).unwrap();
    program.assert_known(None);
}

#[test]
fn debug_information_is_found_by_its_link() {
    for place in ["bin/program.debug", "bin/.debug/program.debug"] {
        let program = Program::new(HOST, &["-Wl,--build-id=none"]);
        fs::create_dir(program.path("bin/.debug")).unwrap();
        let debug = program.split_off(place);
        program.assert_known(None);
        // Another file of that name is not taken.
        let mut content = fs::read(&debug).unwrap();
        content.push(0);
        fs::write(&debug, content).unwrap();
        let warnings = program.assert_unknown(None);
        let reason = "debug information of another file: the checksum differs";
        assert_eq!(warnings, [format!("{}: {reason}", debug.display())]);
        fs::remove_file(&debug).unwrap();
        assert_eq!(program.assert_unknown(None), [""; 0]);
    }
}

#[test]
fn debug_information_is_found_by_its_link_below_a_sysroot() {
    let program = Program::new(HOST, &["-Wl,--build-id=none"]);
    let debug = program.split_off("program.debug");
    let target = program.path("usr/lib/debug/bin");
    copy_into(&debug, &target);
    fs::remove_file(debug).unwrap();
    assert_eq!(program.assert_unknown(None), [""; 0]);
    program.assert_known(Some(program.directory.path()));
}

#[test]
fn debug_information_is_found_by_build_id_below_a_sysroot() {
    let program = Program::new(HOST, &["-Wl,--build-id"]);
    let target = program.path("usr/lib/debug").join(program.build_id_path());
    let debug = program.split_off("program.debug");
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::rename(&debug, &target).unwrap();
    assert_eq!(program.assert_unknown(None), [""; 0]);
    program.assert_known(Some(program.directory.path()));
    // The sysroot by another name.
    let link = program.path("link");
    std::os::unix::fs::symlink(program.directory.path(), &link).unwrap();
    program.assert_known(Some(&link));
    // Another program's file is not taken.
    let other = Program::new(HOST, &["-Wl,--build-id", "-DOTHER", "-static"]);
    fs::copy(&other.file, &target).unwrap();
    let [warning] = &program.assert_unknown(Some(program.directory.path()))[..] else { panic!() };
    assert!(warning.ends_with("the build-id differs"), "{warning}");
}

#[test]
fn a_program_with_a_symbol_table_finds_its_debug_information_too() {
    let program = Program::new(HOST, &[]);
    let debug = program.path("bin/program.debug");
    run("objcopy", [Path::new("--only-keep-debug"), &program.file, &debug]);
    run("strip", [Path::new("--strip-debug"), &program.file]);
    let link = format!("--add-gnu-debuglink={}", debug.display());
    run("objcopy", [Path::new(&link), &program.file]);
    program.assert_known(None);
}

#[test]
fn a_stripped_program_has_its_dynamic_symbols() {
    let program = Program::new(HOST, &["-shared", "-fPIC"]);
    let function = address_of(HOST, &program.file, "library_function");
    let hidden = address_of(HOST, &program.file, "hidden");
    run("strip", [&program.file]);
    let files = Files::default();
    let mut symbols = Symbols::new(&files, None);
    let name = |name: &str| vec![(name.to_owned(), String::new(), String::new())];
    assert_eq!(frames_at(&mut symbols, &program.file, function), name("library_function"));
    assert_eq!(frames_at(&mut symbols, &program.file, hidden), []);
    assert_eq!(symbols.warnings(), []);
}

#[test]
fn debug_information_may_be_compressed() {
    let program = Program::new(HOST, &[]);
    for format in ["zlib", "zlib-gnu", "zstd"] {
        run("objcopy", [Path::new(&format!("--compress-debug-sections={format}")), &program.file]);
        let sections = run("readelf", [Path::new("-S"), &program.file]);
        assert_eq!(sections.contains(".zdebug_info"), format == "zlib-gnu", "{sections}");
        program.assert_known(None);
    }
    for flags in ["-gz=zlib", "-gz=zlib-gnu"] {
        Program::new(HOST, &[flags]);
    }
}

#[test]
fn debug_information_may_be_shared_with_other_programs() {
    let program = Program::new(HOST, &["-static"]);
    // dwz moves out only what is large enough and in both.
    let other = program.path("bin/other");
    compile("gcc", &SOURCES, &["-O2", "-g", "-static", "-DOTHER"], &other);
    let shared = program.path("bin/shared.debug");
    output(Command::new("dwz").arg("-m").arg(&shared).arg(&program.file).arg(&other));
    let notes = run("readelf", [Path::new("-S"), &program.file]);
    assert!(notes.contains(".gnu_debugaltlink"), "dwz found nothing to share");
    program.assert_known(None);
    fs::remove_file(&shared).unwrap();
    let files = Files::default();
    let mut symbols = Symbols::new(&files, None);
    for (address, frames) in &program.frames {
        let left = frames_at(&mut symbols, &program.file, *address);
        // The line stays, and the function around it.
        let lines = |frames: &[PlainFrame]| {
            frames.first().map(|(_, file, line)| (file.clone(), line.clone()))
        };
        assert_eq!(lines(&left), lines(frames), "{address:#x}");
    }
    assert!(symbols.warnings()[0].to_string().contains("shared.debug"), "{:?}", symbols.warnings());
}

#[test]
fn debug_information_may_be_split() {
    for dwarf in ["-gdwarf-4", "-gdwarf-5"] {
        let flags = ["-gsplit-dwarf", dwarf, "-Wl,--build-id=none"];
        let program = Program::new(HOST, &flags);
        let parts: Vec<_> = fs::read_dir(program.path("bin"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "dwo"))
            .collect();
        assert_eq!(parts.len(), 2, "{parts:?}");
        let package = program.path("bin/program.dwp");
        // The dwp of the binutils makes packages of DWARF 4 only.
        if dwarf == "-gdwarf-4" {
            output(Command::new("dwp").arg("-e").arg(&program.file).arg("-o").arg(&package));
        }
        for part in &parts {
            fs::remove_file(part).unwrap();
        }
        if dwarf == "-gdwarf-4" {
            program.assert_known(None);
            fs::remove_file(&package).unwrap();
        }
        let files = Files::default();
        let mut symbols = Symbols::new(&files, None);
        for (address, frames) in &program.frames {
            let left = frames_at(&mut symbols, &program.file, *address);
            assert_eq!(left.first().map(|frame| &frame.2), frames.first().map(|frame| &frame.2));
        }
        let [warning] = symbols.warnings() else { panic!("{:?}", symbols.warnings()) };
        assert!(warning.reason.contains(".dwo: No such file"), "{warning}");
    }
}

#[test]
fn what_cannot_be_read_is_a_warning_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("text"), "no ELF\n").unwrap();
    fs::write(path("short\n"), b"\x7fELF").unwrap();
    compile("gcc", &["shared.c"], &["-c"], &path("object.o"));
    run("mkfifo", [&path("pipe")]);
    let files = Files::default();
    let mut symbols = Symbols::new(&files, None);
    for (name, reason) in [
        ("absent", "No such file or directory (os error 2)"),
        ("text", "not an ELF file"),
        ("short\n", "Could not read file magic"),
        ("object.o", "not linked: a relocatable file has no addresses"),
        ("pipe", "not a regular file"),
        ("", "not a regular file"),
    ] {
        let path = path(name);
        let mapping =
            Mapping { start: 0, end: 9, file_offset: 0, file: GuestFile::at(&path).into() };
        for address in 0..2 {
            let location = symbols.in_mapping(&mapping, address).unwrap().location;
            assert_eq!(location.object.as_deref(), path.to_str());
            assert_eq!(location.frames, []);
            assert_eq!(
                symbols.in_elf(&LoadedElf { file: GuestFile::at(&path).into(), bias: 0 }, address),
                None
            );
        }
        let warning = symbols.warnings().last().unwrap().to_string();
        let shown = path.to_str().unwrap().replace('\n', "\\n");
        assert_eq!(warning, format!("{shown}: {reason}"));
    }
    assert_eq!(symbols.warnings().len(), 6);
}

#[test]
fn a_source_that_is_not_what_was_compiled_is_known_by_its_sum() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    // As `clang -gdwarf-5` writes it; GCC 12 writes no sums. It is the sum of nothing, in both orders.
    let [sum, backwards] = ["d41d8cd98f00b204e9800998ecf8427e", "7e42f8ec980980e904b2008fd98c1dd4"]
        .map(|digits| format!("md5 0x{digits}"));
    let told = [Some(true), Some(false)];
    for (sums, expected) in [(&*sum, told), (&*backwards, told), ("", [None, None])] {
        let source = format!(
            ".file 0 \"{0}\" \"a.c\" {sums}\n.file 1 \"sub/b.c\" {sums}\n.text\n.globl _start\n\
             _start: .loc 0 1\nnop\n.loc 1 1\nnop\n",
            directory.path().display()
        );
        fs::write(path("a.s"), source).unwrap();
        let args = ["-nostdlib", "-static", "-Wa,--gdwarf-5", "a.s", "-o", "a"];
        output(Command::new("gcc").args(args).current_dir(directory.path()));
        let files = Files::default();
        let mut symbols = Symbols::new(&files, None);
        let elf = LoadedElf { file: GuestFile::at(path("a")).into(), bias: 0 };
        let start = address_of(HOST, &path("a"), "_start");
        for (address, name) in [(start, "a.c"), (start + 1, "sub/b.c")] {
            let found = symbols.in_elf(&elf, address).unwrap();
            let file = found.location.frames[0].file.as_deref().unwrap();
            assert_eq!(Path::new(file), path(name));
            let sources = symbols.sources();
            let said = [&b""[..], b"else"].map(|text| sources.is_compiled(file, text));
            assert_eq!(said, expected, "{file}");
        }
        assert_eq!(symbols.sources().is_compiled("other.c", b""), None);
    }
}
