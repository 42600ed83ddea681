//! The command `libcache` on real QEMUs: what it finds by itself, what it passes on, how it ends.

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use common::artifacts::{
    Arch, Mode, bare_guest, command, command_file, guest, mips_guest, newest, plugin,
    qemu_of_every_target, qemus, run_of, sysroot,
};
use common::launch::End;
use common::process::{Finished, Run};
use common::report::only_report;

const SIGABRT: i32 = 6;
const SIGTERM: i32 = 15;

/// `libcache run` with these options, before the program.
fn run(options: &[&str]) -> Run {
    command().qemu_args([&["run"], options].concat())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of the tests are in UTF-8")
}

/// A script that stands for a program, in the run's directory or below.
fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("it is in a directory")).expect("a directory");
    fs::write(path, format!("#!/bin/sh\n{text}\n")).expect("a script");
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("an executable");
}

/// What an emulator without plugins says of itself.
const STATIC_QEMU: &str = "case $1 in -help) echo 'usage: qemu-riscv64 [options] program'; echo '-L path';; \
                           --version) echo 'qemu-riscv64 version 10.0.2 (Debian)';; esac";

/// A run that failed with this status and one line, without a word of any other program.
fn one_line(finished: &Finished, status: i32) -> String {
    assert_eq!(finished.status.code(), Some(status), "{}", finished.describe());
    assert_eq!(finished.stdout, "", "{}", finished.describe());
    let line = finished.stderr.strip_prefix("libcache: ").and_then(|text| text.strip_suffix('\n'));
    let line = line.unwrap_or_else(|| panic!("not one line: {}", finished.describe()));
    assert!(!line.contains('\n'), "{}", finished.describe());
    line.to_owned()
}

/// Compiles a dynamic program for riscv64.
fn dynamic(run: &Run, linker_options: &[&str]) {
    let source = run.directory().join("hello.c");
    fs::write(&source, "#include <stdio.h>\nint main(void) { return puts(\"hello\") < 0; }\n")
        .expect("a source");
    let status = Command::new("riscv64-linux-gnu-gcc")
        .args(["-O2", "-g", "-o", "hello", "hello.c"])
        .args(linker_options)
        .current_dir(run.directory())
        .status()
        .expect("riscv64-linux-gnu-gcc is there; run scripts/install-packages.sh test");
    assert!(status.success());
}

#[test]
fn the_qemu_of_the_programs_architecture_runs_it_with_the_options_given() {
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            let program = guest(arch, "matrix");
            let finished = run(&[
                "--qemu",
                text(&qemu.executables()),
                "--limit",
                "3",
                "--dcachesize=8K",
                "--rw",
            ])
            .qemu_args([text(&program), "8"])
            .succeed();
            // A program's own accesses depend on its environment.
            let direct = qemu
                .user(arch, &program)
                .guest_args(["8"])
                .env("LIBCACHE_PLUGIN", text(plugin()))
                .plugin("limit=3,dcachesize=8K,rw=on")
                .succeed();
            assert_eq!(finished.stdout, direct.stdout);
            let (ours, plain) = (finished.parse(&finished.stderr), direct.parse(&direct.stderr));
            // The addresses of a newer QEMU's guest differ from run to run.
            assert_eq!(
                ours.cores[0].fetch.accesses,
                plain.cores[0].fetch.accesses,
                "{}",
                finished.describe()
            );
            assert_eq!(finished.stderr.lines().next(), direct.stderr.lines().next());
        }
    }
}

#[test]
fn mips_programs_of_both_byte_orders_and_widths_find_their_qemu() {
    let qemu = qemu_of_every_target();
    for triplet in
        ["mips-linux-gnu", "mipsel-linux-gnu", "mips64-linux-gnuabi64", "mips64el-linux-gnuabi64"]
    {
        let run = run(&["--qemu", text(&qemu.executables()), "--limit", "0"]);
        let program = mips_guest(triplet, "guests/list.c", run.directory());
        let finished = run.qemu_args([text(&program)]).succeed();
        finished.parse(&finished.stderr);
    }
}

#[test]
fn the_guests_status_and_its_signals_are_the_commands_own() {
    let qemu = newest(Mode::User);
    let executables = qemu.executables();
    for options in [&["--limit", "0"][..], &["--limit", "0", "--open"]] {
        let options = [&["--qemu", text(&executables)], options].concat();
        let hotexit = guest(Arch::Riscv64, "hotexit");
        let finished = run(&options).qemu_args([text(&hotexit), "10", "42"]).finish();
        assert_eq!(End::Status(42).check(finished.status), Ok(()), "{}", finished.describe());

        let aborter = guest(Arch::Riscv64, "aborter");
        let finished = run(&options).qemu_args([text(&aborter), "abort"]).finish();
        assert_eq!(End::Signal(SIGABRT).check(finished.status), Ok(()), "{}", finished.describe());

        let spin = guest(Arch::Riscv64, "spin");
        let finished = run(&options)
            .qemu_args([text(&spin), "default", "1", "60"])
            .signal_after("ready", "TERM")
            .finish();
        assert_eq!(End::Signal(SIGTERM).check(finished.status), Ok(()), "{}", finished.describe());
    }
}

#[test]
fn words_after_the_program_are_the_programs_with_and_without_two_hyphens() {
    let qemu = newest(Mode::User);
    let matrix = guest(Arch::Riscv64, "matrix");
    for hyphens in [&[][..], &["--"]] {
        let finished = run(&["--qemu", text(&qemu.executables()), "--print"])
            .qemu_args(hyphens)
            .qemu_args([text(&matrix), "--limit", "0", "-L", "x y"])
            .succeed();
        let end = format!("{} --limit 0 -L 'x y'\n", text(&matrix));
        assert!(finished.stdout.ends_with(&end), "{}", finished.describe());
    }
}

#[test]
fn what_is_printed_can_be_pasted() {
    let qemu = newest(Mode::User);
    let printed = run(&[
        "--qemu",
        text(&qemu.executables()),
        "--print",
        "--html",
        "a, b.html",
        "--limit",
        "1",
    ])
    .qemu_args([text(&guest(Arch::Riscv64, "matrix")), "8"])
    .succeed();
    let status = Command::new("sh")
        .args(["-c", &printed.stdout])
        .current_dir(printed.directory())
        .output()
        .expect("sh runs");
    assert!(status.status.success(), "{}", printed.describe());
    only_report(&String::from_utf8_lossy(&status.stderr)).unwrap_or_else(|why| panic!("{why}"));
    assert!(printed.files().contains(&"a, b.html".to_owned()), "{:?}", printed.files());
}

#[test]
fn the_page_is_opened_after_the_run() {
    let qemu = newest(Mode::User);
    for html in [&[][..], &["--html", "page-%p.html"], &["--config", "page.toml"]] {
        let run = run(&["--qemu", text(&qemu.executables()), "--open"]);
        fs::write(run.directory().join("page.toml"), "html = \"of-a-file.html\"\n")
            .expect("a file");
        script(&run.directory().join("bin/xdg-open"), "test -s \"$1\" && echo \"$1\" >opened");
        let path = format!("{}:/usr/bin:/bin", text(&run.directory().join("bin")));
        let temporary = text(run.directory()).to_owned();
        let finished = run
            .env("PATH", &path)
            .env("TMPDIR", &temporary)
            .qemu_args(html)
            .qemu_args([text(&guest(Arch::Riscv64, "matrix")), "8"])
            .succeed();
        let opened = finished.file("opened").unwrap_or_else(|| panic!("{}", finished.describe()));
        assert!(opened.ends_with(".html\n") && !opened.contains('%'), "{opened}");
        assert_eq!(html.contains(&"page.toml"), opened == "of-a-file.html\n", "{opened}");
        assert!(
            finished.stderr.ends_with(&format!("libcache: the page is {opened}")),
            "{}",
            finished.describe()
        );
    }
}

#[test]
fn a_dynamic_program_finds_the_libraries_of_the_cross_compiler() {
    let qemu = newest(Mode::User);
    let run = run(&["--qemu", text(&qemu.executables()), "--limit", "0", "./hello"]);
    dynamic(&run, &[]);
    let finished = run.succeed();
    assert_eq!(finished.stdout, "hello\n", "{}", finished.describe());
}

#[test]
fn a_directory_with_libraries_can_be_named() {
    let qemu = newest(Mode::User);
    let root = sysroot();
    let python = root.join("usr/bin/python3");
    let finished = run(&[
        "--qemu",
        text(&qemu.executables()),
        "--limit",
        "0",
        "-L",
        text(&root),
        text(&python),
    ])
    .qemu_args(["-S", "-c", "print(6 * 7)"])
    .succeed();
    assert_eq!(finished.stdout, "42\n", "{}", finished.describe());
}

#[test]
fn a_loader_that_is_nowhere_is_told_with_its_package() {
    let qemu = newest(Mode::User);
    let run = run(&["--qemu", text(&qemu.executables()), "./hello"]);
    dynamic(&run, &["-Wl,--dynamic-linker=/absent/ld-linux-riscv64-lp64d.so.1"]);
    let line = one_line(&run.finish(), 125);
    assert!(line.contains("install libc6-riscv64-cross") && line.contains("--sysroot"), "{line}");
}

#[test]
fn a_static_qemu_in_path_is_passed_over_for_one_that_loads_plugins() {
    let run = run(&["--limit", "0", text(&guest(Arch::Riscv64, "matrix")), "8"]);
    let directory = run.directory().to_owned();
    script(&directory.join("bin/qemu-riscv64"), STATIC_QEMU);
    // One that is not finished is no candidate, new as it is.
    script(&directory.join("cache/qemu/99.9/bin/qemu-riscv64"), "echo -plugin; exit 3");
    let qemu = qemu_of_every_target();
    let real = qemu.executables();
    symlink(real.parent().expect("bin is in a directory"), directory.join("cache/qemu/7.2"))
        .expect("a link");
    let path = format!("{}:/nowhere", text(&directory.join("bin")));
    let finished =
        run.env("PATH", &path).env("LIBCACHE_CACHE", text(&directory.join("cache"))).succeed();
    finished.parse(&finished.stderr);
}

#[test]
fn where_no_qemu_loads_plugins_a_line_says_how_to_get_one() {
    for options in [&[][..], &["--system"]] {
        let run = run(options);
        let directory = run.directory().to_owned();
        script(&directory.join("bin/qemu-riscv64"), STATIC_QEMU);
        let run = run
            .env("PATH", text(&directory.join("bin")))
            .env("LIBCACHE_CACHE", text(&directory.join("cache")));
        let run = match options {
            [] => run.qemu_args([text(&guest(Arch::Riscv64, "matrix"))]),
            _ => run.qemu_args(["--", "qemu-system-riscv64", "-M", "virt"]),
        };
        let line = one_line(&run.finish(), 125);
        let remedy = match options {
            [] => "`libcache setup --targets riscv64` gets one",
            _ => "`libcache setup --machines`",
        };
        assert!(line.contains("qemu-") && line.ends_with(remedy), "{line}");
    }
}

#[test]
fn every_wrong_use_gets_one_line_and_a_status_of_its_own() {
    let matrix = guest(Arch::Riscv64, "matrix");
    let matrix = text(&matrix);
    let cases: &[(&[&str], i32, &str)] = &[
        (&["run"], 2, "no program; write libcache run"),
        (
            &["run", "--dcachsize", "1K", matrix],
            2,
            "unexpected argument '--dcachsize' found; a similar",
        ),
        (&["run", "--dcachesize", "16000", matrix], 2, "dcachesize=16000: not a multiple of"),
        (&["run", "--evict", "plru", matrix], 2, "evict=plru: unknown policy"),
        (&["run", "--summary=maybe", matrix], 2, "summary=maybe: neither on nor off"),
        (&["run", "--config", "none.toml", matrix], 2, "config=none.toml: "),
        (&["run", "--cpu", "zen9", matrix], 2, "cpu=zen9: unknown"),
        (&["run", "qemu-riscv64", matrix], 2, "qemu-riscv64 is found by itself"),
        (
            &["run", "qemu-system-arm", "-M", "virt"],
            2,
            "qemu-system-arm runs a machine; write libcache run --system",
        ),
        (&["run", "--system"], 2, "no machine; write"),
        (&["run", "--system", "-L", "/", "--", "qemu-system-arm"], 2, "--sysroot is for programs"),
        (&["run", "--plugin", "none.so", matrix], 125, "none.so: no such plugin"),
        (&["run", "--qemu", "/nowhere", matrix], 125, "/nowhere: no such QEMU"),
        (&["run", "--qemu", "/etc/passwd", matrix], 125, "/etc/passwd: cannot be executed"),
        (&["run", "--qemu", "/bin/true", matrix], 125, "/bin/true: this QEMU cannot load plugins"),
        (&["run", "--sysroot", "/nowhere", matrix], 125, "--sysroot /nowhere: no such directory"),
        (&["run", "--system", "./script"], 2, "./script is no qemu-system-ARCH"),
        (
            &["run", "dcachesize=32K", matrix],
            2,
            "dcachesize=32K is no program; write --dcachesize=32K",
        ),
        (&["run", "--l3", "off", matrix], 2, "l3=on: an L3 needs an L2"),
        (&["run", "--l2", "off", matrix], 2, "off is no program; write --l2=off"),
        (
            &["run", "--l2size", "1M", matrix],
            2,
            "unexpected argument '--l2size' found; did you mean",
        ),
        (&["run", "./unexecutable"], 126, "./unexecutable: not executable; write chmod +x"),
        (&["run", "--elf", "none.elf", matrix], 2, "elf=none.elf: no such file"),
        (&["run", "--elf", "./", matrix], 2, "elf=./: not a file; name an ELF file"),
        (&["run", "--json", "./", matrix], 2, "json=./: a directory; name a file"),
        (
            &["run", "--html", "no/such/x.html", matrix],
            2,
            "html=no/such/x.html: its directory does",
        ),
        (&["run", "--out", "/", matrix], 2, "out=/: a directory; name a file"),
        (&["run", "./pipe"], 126, "./pipe: not a file"),
        (&["run", "./two\nlines\u{1b}[31m"], 127, "./two\\nlines\\u{1b}[31m: no such program"),
        (&["sweep", "--jobs", "0", "plan.toml"], 2, "invalid value '0' for '--jobs <N>'"),
        (&["run", "./text"], 126, "./text: not an ELF program"),
        (&["run", "./empty"], 126, "./empty: not an ELF program"),
        (&["run", "./"], 126, "./: not a file"),
        (&["run", "./script"], 126, "./script: a script for /bin/sh; run that program"),
        (&["run", "./damaged"], 126, "./damaged: "),
        (&["run", "./absent"], 127, "./absent: no such program"),
        (&["run", "text"], 127, "text: not in PATH; write ./text"),
        (&["run", "no-such-program"], 127, "no-such-program: no such program in PATH"),
        (&["setup", "--targets", "risc64"], 2, "--targets risc64: unknown; QEMU's names are"),
        (
            &["setup", "--machines", "--build"],
            2,
            "the argument '--machines' cannot be used with '--build'",
        ),
        (&["rum"], 2, "unrecognized subcommand 'rum'; a similar subcommand exists: 'run'"),
        (&["doctor", "x"], 2, "unexpected argument 'x' found"),
        (&["completions"], 2, "the following required arguments were not provided: <SHELL>"),
        (&["completions", "ksh"], 2, "invalid value 'ksh' for '<SHELL>'"),
    ];
    for (words, status, start) in cases {
        let run = command().qemu_args(*words);
        let directory = run.directory();
        fs::write(directory.join("text"), "no program\n").expect("a file");
        fs::write(directory.join("empty"), "").expect("a file");
        let made = Command::new("mkfifo").arg(directory.join("pipe")).status();
        assert!(made.is_ok_and(|made| made.success()));
        fs::write(directory.join("script"), "#!/bin/sh\n").expect("a file");
        let program = fs::read(matrix).expect("a program");
        fs::write(directory.join("unexecutable"), &program).expect("a file");
        fs::write(directory.join("damaged"), &program[..40]).expect("a file");
        let line = one_line(&run.finish(), *status);
        assert!(line.starts_with(start), "{words:?}: {line}");
    }
}

#[test]
fn a_machine_runs_with_the_plugin_beside_what_was_typed() {
    for qemu in qemus(Mode::System) {
        let kernel = bare_guest("matrix");
        let machine = ["-M", "virt", "-bios", "none", "-nographic", "-kernel", text(&kernel)];
        let name = "qemu-system-riscv64";
        let executables = qemu.executables();
        let named =
            [&["--qemu", text(&executables), "--system", "--limit", "2", "--", name], &machine[..]];
        let finished = run(&named.concat()).succeed();
        let report = finished.parse(&finished.stderr);
        assert!(report.cores[0].fetch.accesses > 0);
        let path = qemu.executables().join(name);
        let finished =
            run(&[&["--system", "--limit", "2", "--", text(&path)], &machine[..]].concat())
                .succeed();
        // Not the fetches: the last few come while QEMU powers off, now one more, now one less.
        assert_eq!(finished.parse(&finished.stderr).cores[0].data, report.cores[0].data);
    }
}

#[test]
fn the_presets_are_listed_without_a_program() {
    let finished = run(&["--cpu", "list"]).succeed();
    assert!(
        finished.stdout.contains("zen3") && finished.stdout.contains("cortex-a72"),
        "{}",
        finished.stdout
    );
}

#[test]
fn setup_says_what_each_qemu_can() {
    let run = command().qemu_args(["setup", "--list"]);
    let directory = run.directory().to_owned();
    script(&directory.join("bin/qemu-riscv64"), STATIC_QEMU);
    script(&directory.join("bin/qemu-img"), "echo no emulator");
    let cache = directory.join("cache/qemu");
    fs::create_dir_all(&cache).expect("a directory");
    let real = qemu_of_every_target().executables();
    symlink(real.parent().expect("bin is in a directory"), cache.join("7.2")).expect("a link");
    let finished = run
        .env("PATH", text(&directory.join("bin")))
        .env("LIBCACHE_CACHE", text(&directory.join("cache")))
        .succeed();
    let text = &finished.stdout;
    assert!(text.contains("programs, QEMU 10.0.2, cannot load plugins:\n    riscv64\n"), "{text}");
    assert!(text.contains("programs, QEMU 7.2"), "{text}");
    assert!(!text.contains("img"), "{text}");
    assert!(text.lines().all(|line| line.len() <= 80 || line.starts_with('/')), "{text}");
}

#[test]
fn setup_gets_a_qemu_that_loads_the_plugin_and_says_where() {
    let finished = command()
        .qemu_args(["setup", "--packages"])
        .timeout(std::time::Duration::from_mins(10))
        .succeed();
    let line = finished.stdout.lines().last().unwrap_or_default();
    let directory = line.strip_suffix(" has what libcache run needs.");
    let directory = directory.unwrap_or_else(|| panic!("{}", finished.describe()));
    let finished =
        run(&["--qemu", directory, "--limit", "0", text(&guest(Arch::Aarch64, "matrix")), "8"])
            .succeed();
    finished.parse(&finished.stderr);
}

#[test]
fn doctor_says_whether_the_plugin_loads() {
    let run = command().qemu_args(["doctor"]);
    let directory = run.directory().to_owned();
    fs::create_dir_all(directory.join("cache/qemu")).expect("a directory");
    let real = qemu_of_every_target().executables();
    symlink(real.parent().expect("bin is in a directory"), directory.join("cache/qemu/7.2"))
        .expect("a link");
    let finished = run
        .env("PATH", "/nowhere")
        .env("LIBCACHE_CACHE", text(&directory.join("cache")))
        .env("QEMU_LD_PREFIX", "/somewhere")
        .succeed();
    let told = &finished.stdout;
    for part in [
        "libcache   0.",
        "kernel     Linux ",
        "loads the plugin",
        "QEMU_LD_PREFIX=/somewhere",
        "libraries  ",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let finished = command()
        .qemu_args(["doctor", "--plugin", "/bin/true"])
        .env("PATH", "/nowhere")
        .env("LIBCACHE_CACHE", text(&directory.join("cache")))
        .succeed();
    assert!(finished.stdout.contains("does not load the plugin: "), "{}", finished.stdout);
}

#[test]
fn completions_and_manual_pages_have_the_plugins_options() {
    for (shell, option) in [("bash", "--l2evict"), ("zsh", "--l2evict"), ("fish", "-l l2evict")] {
        let finished = command().qemu_args(["completions", shell]).succeed();
        assert!(finished.stdout.contains(option) && finished.stdout.contains("zen3"), "{shell}");
    }
    let finished = command().qemu_args(["man", "pages"]).succeed();
    let page =
        finished.file("pages/libcache-run.1").unwrap_or_else(|| panic!("{}", finished.describe()));
    assert!(page.contains("l2evict") && page.contains("Exit status"), "{page}");
    assert!(finished.file("pages/libcache.1").is_some());
}

#[test]
fn help_fits_into_80_columns_and_has_no_colours_in_a_file() {
    for words in [&["--help"][..], &["run", "--help"], &["setup", "--help"], &["doctor", "-h"]] {
        let finished = command().qemu_args(words).succeed();
        assert!(
            finished.stdout.lines().all(|line| line.chars().count() <= 80),
            "{}",
            finished.stdout
        );
        assert!(!finished.stdout.contains('\u{1b}'), "{}", finished.stdout);
    }
}

#[test]
fn what_make_installs_finds_its_plugin_and_its_qemu() {
    let qemu = newest(Mode::User);
    let run = run_of(Path::new("/usr/bin/make"));
    let built = run.directory().join("built/release");
    fs::create_dir_all(&built).expect("a directory");
    fs::copy(command_file(), built.join("libcache")).expect("the command");
    fs::copy(plugin(), built.join("libcache.so")).expect("the plugin");
    let root = run.directory().join("root");
    let installed = run
        .qemu_args(["-C", env!("CARGO_MANIFEST_DIR"), "install-files", "PREFIX=/opt/cache"])
        .qemu_args([format!("TARGET={}", text(built.parent().expect("built")))])
        .qemu_args([format!("DESTDIR={}", text(&root))])
        .succeed();
    let root = root.join("opt/cache");
    for file in [
        "share/man/man1/libcache-run.1",
        "share/bash-completion/completions/libcache",
        "share/zsh/site-functions/_libcache",
        "share/fish/vendor_completions.d/libcache.fish",
    ] {
        assert!(root.join(file).is_file(), "{file}: {}", installed.describe());
    }
    fs::remove_dir_all(&built).expect("it is there");
    let finished = run_of(&root.join("bin/libcache"))
        .qemu_args(["run", "--qemu", text(&qemu.executables()), "--limit", "0"])
        .qemu_args([text(&guest(Arch::Riscv64, "matrix")), "8"])
        .succeed();
    finished.parse(&finished.stderr);
}

/// It gave 101, which is a panic's, in place of the guest's.
#[test]
fn a_standard_error_that_nobody_reads_costs_no_status() {
    let finished = run_of(Path::new("/bin/bash"))
        .env("LIBCACHE_PLUGIN", text(plugin()))
        .qemu_args([
            "-c",
            "{ \"$0\" run --open --html page.html \"$1\" 8 2>&1 >/dev/null; echo $? >&3; } 3>status | true; cat status",
            text(command_file()),
            text(&guest(Arch::Riscv64, "matrix")),
        ])
        .succeed();
    assert_eq!(finished.stdout.trim(), "0", "{}", finished.describe());
}

#[test]
fn a_reader_that_has_seen_enough_costs_no_panic() {
    let finished = run_of(Path::new("/bin/sh"))
        .env("LIBCACHE_PLUGIN", text(plugin()))
        .qemu_args([
            "-c",
            "\"$0\" run --cpu list | head -n 1; \"$0\" doctor | true",
            text(command_file()),
        ])
        .succeed();
    assert_eq!(finished.stderr, "", "{}", finished.describe());
}

#[test]
fn a_rust_that_is_missing_or_old_is_told_in_one_line() {
    let script_file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/check-toolchain.sh");
    for (version, found) in [(None, "none"), (Some("1.85.0"), "1.85.0"), (Some("1.195.0"), "")] {
        let run = run_of(&script_file);
        let bin = run.directory().join("bin");
        fs::create_dir(&bin).expect("a directory");
        // Beside a Rust of the machine's own.
        for tool in ["bash", "sed", "sort", "dirname"] {
            symlink(Path::new("/usr/bin").join(tool), bin.join(tool)).expect("a link");
        }
        if let Some(version) = version {
            script(&bin.join("cargo"), "exit 9");
            script(&bin.join("rustc"), &format!("echo 'rustc {version} (of a test)'"));
        }
        let finished = run.env("PATH", text(&bin)).finish();
        if found.is_empty() {
            assert_eq!(finished.stderr, "", "{}", finished.describe());
            finished.expect_status(0);
        } else {
            let line = one_line(&finished, 1);
            assert!(
                line.starts_with("needs Rust 1.") && line.contains(&format!("found {found};")),
                "{line}"
            );
        }
    }
}
