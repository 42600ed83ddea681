//! What lists by function and by line count, and in which order.

mod common;

use std::fs;
use std::path::PathBuf;

use common::artifacts::{Arch, Mode, qemus};
use common::process::{Finished, Run};
use common::profile::Profile;
use common::tools::{run, tool};
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
        let program = Self { directory: tempfile::tempdir().expect("a directory") };
        let headers = program.path("toolchain/include/c++/12");
        fs::create_dir_all(&headers).expect("a directory");
        fs::write(headers.join("library.h"), HEADER).expect("a header");
        fs::write(program.path("main.c"), MAIN).expect("a source");
        let mut command = tool("gcc-riscv64-linux-gnu", "riscv64-linux-gnu-gcc");
        command.args(["-O2", "-g", "-static", "-isystem"]).arg(headers);
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
    let (own, header) = (program.path("main.c"), program.path("toolchain/include/c++/12/library.h"));
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
            assert!(row.counts.data_misses >= 4096, "{row:?}");
        }
    }
}
