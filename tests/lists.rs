//! What lists by function and by line count, and in which order.

mod common;

use std::fs;
use std::path::PathBuf;

use common::artifacts::{Arch, Mode, bare_guest, guest, qemus};
use common::profile::Profile;
use common::tools::{run, tool};
use serde_json::Value;
use tempfile::TempDir;

/// A program that has the template of a library's header inlined.
struct Program {
    directory: TempDir,
}

/// The header is where those of C++ are. Each element is in a line of its own: each load misses.
const HEADER: &str = "\
static inline __attribute__((always_inline)) long library_sum(const volatile char *bytes, long n)
{
    long sum = 0;
    for (long i = 0; i < n; i++)
        sum += bytes[64 * i];
    return sum;
}
";

const MAIN: &str = "\
#include <library.h>
static char bytes[64 * 4096];
__attribute__((noipa)) long user(void)
{
    return library_sum(bytes, 4096);
}
int main(void) { return user(); }
";

/// The line of `MAIN` that the header's code is inlined in.
const CALL: u32 = 5;

impl Program {
    fn new() -> Self {
        Self::compiled("-g")
    }

    fn compiled(debug: &str) -> Self {
        let program = Self { directory: tempfile::tempdir().expect("a directory") };
        let headers = program.path("toolchain/include/c++/12");
        fs::create_dir_all(&headers).expect("a directory");
        fs::write(headers.join("library.h"), HEADER).expect("a header");
        fs::write(program.path("main.c"), MAIN).expect("a source");
        let mut command = tool("gcc-riscv64-linux-gnu", "riscv64-linux-gnu-gcc");
        command.args(["-O2", debug, "-static", "-isystem"]).arg(headers);
        run(command.arg(program.path("main.c")).arg("-o").arg(program.path("main")));
        program
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

#[test]
fn a_line_of_the_users_own_is_in_front_where_a_librarys_template_is_inlined() {
    let program = Program::new();
    let (own, header) =
        (program.path("main.c"), program.path("toolchain/include/c++/12/library.h"));
    for qemu in qemus(Mode::User) {
        for (attribution, file, line, function) in [
            ("own", &own, CALL, "user"),
            ("innermost", &header, 5, "library_sum"),
            ("outermost", &own, CALL, "user"),
        ] {
            let options = format!("json=a.json,attribution={attribution}");
            let finished =
                qemu.user(Arch::Riscv64, &program.path("main")).plugin(&options).succeed();
            let profile = Profile::of(&finished, "a.json");
            let row = profile.line(&file.display().to_string(), line);
            assert_eq!(row.function.as_deref(), Some(function), "{row:?}");
            assert!(row.counts.data_misses > 4000, "{row:?}");
        }
    }
}

// Costs.

#[test]
fn the_stall_cycles_of_all_instructions_are_those_of_the_summary() {
    for qemu in qemus(Mode::User) {
        for options in ["cpu=zen3,summary=on", "cpu=cortex-a72,l1lat=5", "summary=on"] {
            let options = format!("{options},json=a.json,limit=1000000");
            let run = qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, "matrix")).guest_args(["32"]);
            let finished = run.plugin(&options).succeed();
            // The list of instructions adds up to the summary too.
            finished.parse(&finished.stderr).check_sums();
            let json = finished.file("a.json").expect("a JSON");
            let json: Value = serde_json::from_str(&json).expect("JSON");
            let all = json["total"]["summary"]["stall_cycles"].as_u64().expect("a number");
            assert!(all > 0, "{}", finished.describe());
            for rows in ["instructions", "functions", "lines"] {
                let rows = json[rows].as_array().expect("rows");
                let sum: u64 = rows.iter().filter_map(|row| row["stall_cycles"].as_u64()).sum();
                assert_eq!(sum, all, "{}", finished.describe());
            }
        }
    }
}

#[test]
fn with_levels_lists_are_in_the_order_of_stall_cycles() {
    for qemu in qemus(Mode::User) {
        let run = || qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, "matrix")).guest_args(["64"]);
        let finished = run().plugin("cpu=zen3,by=function").succeed();
        let heading = "data stall cycles, share, data misses, L2 misses, L3 misses, function\n";
        let (_, list) = finished.stderr.split_once(heading).expect(heading);
        let counts: Vec<u64> =
            list.lines().map_while(|row| row.split(' ').next()?.parse().ok()).collect();
        assert!(counts.len() > 4, "{}", finished.describe());
        assert!(
            finished.stderr.lines().all(|line| line.chars().count() <= 86),
            "{}",
            finished.describe()
        );
        // QEMU's own plugin has an L2 too, and its own lists.
        let report = run().plugin("l2=on").succeed();
        assert_eq!(report.parse(&report.stderr).stalls, None);
        let report = run().plugin("l2=on,l3=on").succeed();
        assert!(report.parse(&report.stderr).stalls.is_some());
    }
}

// What is said.

/// The lines of libcache's own on standard error.
fn said(stderr: &str) -> Vec<&str> {
    stderr.lines().filter(|line| line.starts_with("cache: ")).collect()
}

#[test]
fn a_program_without_line_numbers_is_told_of_g() {
    let program = Program::compiled("-g0");
    for qemu in qemus(Mode::User) {
        let run = |options: &str| {
            qemu.user(Arch::Riscv64, &program.path("main")).plugin(options).succeed().stderr
        };
        let stderr = run("by=line");
        let [line] = said(&stderr)[..] else { panic!("{stderr}") };
        assert!(line.contains("/main, with ") && line.contains("compile it with -g"), "{line}");
        assert_eq!(said(&run("by=function")), [""; 0]);
    }
}

#[test]
fn a_machine_is_told_which_files_to_name() {
    let kernel = bare_guest("matrix");
    let name = kernel.display();
    for qemu in qemus(Mode::System) {
        let stderr = |options: &str| qemu.bare(&kernel, 1).plugin(options).succeed().stderr;
        let told = stderr("by=line");
        let [line] = said(&told)[..] else { panic!("{told}") };
        assert!(line.ends_with("such as elf=vmlinux"), "{line}");
        // A bias that does not fit.
        let told = stderr(&format!("by=line,elf={name}@0x10000000"));
        let [line] = said(&told)[..] else { panic!("{told}") };
        assert!(line.contains("no code that missed is at its addresses"), "{line}");
        for options in [format!("by=line,elf={name}"), "limit=3".to_owned()] {
            assert_eq!(said(&stderr(&options)), [""; 0], "{options}");
        }
    }
}

#[test]
fn threads_on_one_core_are_told_of_cores() {
    for qemu in qemus(Mode::User) {
        let run = |options: &str| {
            let run = qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, "threads"));
            run.guest_args(["12", "4"]).plugin(options).succeed()
        };
        let finished = run("json=a.json");
        let [line] = said(&finished.stderr)[..] else { panic!("{}", finished.describe()) };
        assert!(line.contains(" threads ran on one simulated core; cores="), "{line}");
        assert!(line.contains("false sharing is not modelled"), "{line}");
        let json: Value =
            serde_json::from_str(&finished.file("a.json").expect("a JSON")).expect("JSON");
        let threads = json["guest"]["vcpus"].as_u64().expect("a number");
        assert!((2..=13).contains(&threads), "{threads}");
        assert!(line.starts_with(&format!("cache: {threads} threads")), "{line}");
        assert_eq!(said(&run("cores=4").stderr), [""; 0]);
    }
}
