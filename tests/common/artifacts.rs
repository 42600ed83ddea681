//! Where everything that a test runs comes from.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use super::process::Run;

const DEFAULT_QEMUS: &str = "7.2 10.0";

/// What a QEMU emulates: the words of `scripts/qemu.sh --list`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// A program: `qemu-ARCH`.
    User,
    /// A machine: `qemu-system-ARCH`.
    System,
}

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::System => "system",
        }
    }
}

/// A guest architecture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arch {
    Riscv64,
    X86_64,
    Aarch64,
}

impl Arch {
    pub const ALL: [Self; 3] = [Self::Riscv64, Self::X86_64, Self::Aarch64];
}

impl Display for Arch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Riscv64 => "riscv64",
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        })
    }
}

/// One release of QEMU.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Qemu {
    version: String,
    directory: PathBuf,
}

/// The QEMUs to test that have `mode`, as `LIBCACHE_QEMUS` lists them.
///
/// # Panics
/// If none has, if one is unknown, or if one cannot be set up.
pub fn qemus(mode: Mode) -> Vec<Qemu> {
    let wanted = std::env::var("LIBCACHE_QEMUS").unwrap_or_else(|_| DEFAULT_QEMUS.to_owned());
    let list = script("qemu.sh", &["--list"]);
    let modes: HashMap<&str, Vec<&str>> = list
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.collect()))
        })
        .collect();
    let versions = wanted.split_whitespace().filter(|&version| {
        modes
            .get(version)
            .unwrap_or_else(|| panic!("LIBCACHE_QEMUS={wanted}: no QEMU {version}; known:\n{list}"))
            .contains(&mode.word())
    });
    let qemus: Vec<Qemu> = versions
        .map(|version| Qemu {
            version: version.to_owned(),
            directory: script("qemu.sh", &[version]).into(),
        })
        .collect();
    assert!(
        !qemus.is_empty(),
        "this test needs a QEMU with {} mode and LIBCACHE_QEMUS={wanted} names none; name one of\n{list}",
        mode.word(),
    );
    qemus
}

/// The QEMU that emulates the programs of every architecture: Debian's newest user mode that loads plugins.
pub fn qemu_of_every_target() -> Qemu {
    let version = "7.2";
    Qemu { version: version.to_owned(), directory: script("qemu.sh", &[version]).into() }
}

/// The newest of the QEMUs.
pub fn newest(mode: Mode) -> Qemu {
    qemus(mode).into_iter().max_by_key(Qemu::release).expect("qemus gives at least one")
}

impl Qemu {
    /// The release, such as `10.0`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The release as numbers.
    pub fn release(&self) -> (u32, u32) {
        let (major, minor) = self.version.split_once('.').expect("a version has a point");
        let number = |text: &str| text.parse().expect("a version is of numbers");
        (number(major), number(minor))
    }

    /// The directory of its executables.
    pub fn executables(&self) -> PathBuf {
        self.directory.join("bin")
    }

    /// QEMU's own C plugin for this release.
    pub fn reference(&self) -> PathBuf {
        script("reference.sh", &[&self.version]).into()
    }

    /// A run of `program` in user mode.
    pub fn user(&self, arch: Arch, program: &Path) -> Run {
        self.user_of(&arch.to_string(), program)
    }

    /// A run of `program` in user mode, of the architecture that QEMU calls `target`.
    pub fn user_of(&self, target: &str, program: &Path) -> Run {
        Run::new(&self.directory.join(format!("bin/qemu-{target}"))).program(program)
    }

    /// A run of a bare-metal guest with `harts` harts; see [`bare_guest`].
    pub fn bare(&self, kernel: &Path, harts: u32) -> Run {
        self.machine_of_riscv64(harts).qemu_args([OsStr::new("-kernel"), kernel.as_os_str()])
    }

    /// A run of a riscv64 machine in which there is nothing yet.
    pub fn machine_of_riscv64(&self, harts: u32) -> Run {
        let harts = harts.to_string();
        self.machine(Arch::Riscv64).qemu_args([
            "-M",
            "virt",
            "-nographic",
            "-bios",
            "none",
            "-smp",
            &harts,
        ])
    }

    /// A boot of Linux with `vcpus` vCPUs, which ends by itself.
    pub fn boot(&self, arch: Arch, vcpus: u32) -> Run {
        let directory = PathBuf::from(script("kernel.sh", &[&arch.to_string()]));
        let file = directory.join("args");
        let args = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut args: Vec<String> = args.lines().map(str::to_owned).collect();
        let append = args.iter().position(|arg| arg == "-append").expect("a kernel command line");
        // The tests of its ciphers are a third to a half of all that a kernel does in a boot.
        args[append + 1].push_str(" cryptomgr.notests");
        if arch == Arch::X86_64 && self.release() < (8, 0) {
            // CMPXCHG16B leaves rubbish in the flags there (`CC_OP` is stale in its helper). If an
            // interrupt comes at once, the kernel dies: the more often, the slower the plugins.
            args.extend(["-cpu", "qemu64,-cx16"].map(str::to_owned));
        }
        if arch == Arch::X86_64 && vcpus > 1 && self.release() < (10, 1) {
            // A kernel that sizes the registers of PCI devices remaps memory over and over. If another
            // vCPU accesses a device meanwhile, it may use a map of memory that has been freed
            // (`CPUAddressSpace::memory_dispatch`), and QEMU fails an assertion in `iotlb_to_section`.
            args[append + 1].push_str(" pci=off");
        }
        self.machine(arch).qemu_args(args).qemu_args(["-smp", &vcpus.to_string()])
    }

    fn machine(&self, arch: Arch) -> Run {
        Run::new(&self.directory.join(format!("bin/qemu-system-{arch}")))
    }
}

/// The user-mode guest `guests/NAME.c`, compiled.
pub fn guest(arch: Arch, name: &str) -> PathBuf {
    built("guests/build.sh", &[&arch.to_string(), name]).into()
}

/// `SOURCE`, a path in the project, compiled for MIPS by the C compiler of `triplet`, in `directory`.
pub fn mips_guest(triplet: &str, source: &str, directory: &Path) -> PathBuf {
    let program = directory.join(triplet);
    let compiler = format!("{triplet}-gcc");
    let output = Command::new(&compiler)
        .args(["-std=gnu11", "-O2", "-g", "-static", "-pthread", "-o"])
        .arg(&program)
        .arg(root().join(source))
        .output()
        .unwrap_or_else(|error| {
            panic!("{compiler}: {error}; run scripts/install-packages.sh test")
        });
    assert!(output.status.success(), "{source}:\n{}", String::from_utf8_lossy(&output.stderr));
    program
}

/// Where the libraries of dynamic riscv64 programs are.
pub fn sysroot() -> PathBuf {
    script("sysroot.sh", &["riscv64"]).into()
}

/// A Python that has pycachesim.
pub fn pycachesim() -> PathBuf {
    script("pycachesim.sh", &[]).into()
}

/// The bare-metal riscv64 guest `guests/bare/NAME.c`, compiled.
pub fn bare_guest(name: &str) -> PathBuf {
    guest(Arch::Riscv64, &format!("bare/{name}"))
}

/// `tests/guests/NAME.S`, assembled for riscv64 and linked for `address`, its data 64 KiB above: the same
/// bytes whatever the compiler's release. The file lies in `directory`.
pub fn assembled(name: &str, address: u64, directory: &Path) -> PathBuf {
    let program = directory.join(name);
    let output = Command::new("riscv64-linux-gnu-gcc")
        .args(["-nostdlib", "-static", "-Wl,--build-id=none", "-Wl,--no-relax"])
        .arg(format!("-Wl,-Ttext={address:#x}"))
        .arg(format!("-Wl,-Tbss={:#x}", address + 0x10000))
        .arg("-o")
        .arg(&program)
        .arg(root().join(format!("tests/guests/{name}.S")))
        .output()
        .unwrap_or_else(|error| {
            panic!("riscv64-linux-gnu-gcc: {error}; run scripts/install-packages.sh test")
        });
    assert!(output.status.success(), "{name}.S:\n{}", String::from_utf8_lossy(&output.stderr));
    program
}

/// The plugin under test.
pub fn plugin() -> &'static Path {
    static PLUGIN: OnceLock<PathBuf> = OnceLock::new();
    PLUGIN.get_or_init(|| match std::env::var_os("LIBCACHE_PLUGIN") {
        Some(file) => std::path::absolute(file).expect("LIBCACHE_PLUGIN is a path"),
        None => built_release().join("libcache.so"),
    })
}

/// A run of the command `libcache`, which is told of the plugin under test.
pub fn command() -> Run {
    Run::new(command_file()).env("LIBCACHE_PLUGIN", &plugin().to_string_lossy())
}

/// The command under test.
pub fn command_file() -> &'static Path {
    static COMMAND: LazyLock<PathBuf> = LazyLock::new(|| built_release().join("libcache"));
    &COMMAND
}

/// A run of an executable that is no QEMU.
pub fn run_of(executable: &Path) -> Run {
    Run::new(executable)
}

/// Plugin and command as users build them, both at once (else cargo may make one anew for the other's features),
/// beside what cargo builds the tests in: so no test ever runs on stale ones.
fn built_release() -> &'static Path {
    static RELEASE: LazyLock<PathBuf> = LazyLock::new(|| {
        let test = std::env::current_exe().expect("a test knows its own file");
        // TARGET/PROFILE/deps/TEST
        let target = test.ancestors().nth(3).expect("cargo runs tests from its target directory");
        let output = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--release", "--target-dir"])
            .arg(target)
            .current_dir(root())
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", env!("CARGO")));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "libcache does not build:\n{said}");
        target.join("release")
    });
    &RELEASE
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn script(name: &str, args: &[&str]) -> String {
    built(&format!("scripts/{name}"), args)
}

/// What a script of the project prints, without the last line's end. Each is run once.
///
/// # Panics
/// With the script's message, if it fails.
fn built(script: &str, args: &[&str]) -> String {
    type Answers = HashMap<Vec<String>, String>;
    static ANSWERS: LazyLock<Mutex<Answers>> = LazyLock::new(Mutex::default);
    let key: Vec<String> = [&[script], args].concat().into_iter().map(str::to_owned).collect();
    // A script that failed for another test is run again: there is its message.
    let mut answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(answer) = answers.get(&key) {
        return answer.clone();
    }
    let output = Command::new("bash")
        .arg(root().join(script))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("bash: {error}"));
    assert!(
        output.status.success(),
        "{} failed:\n{}",
        key.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    let answer = String::from_utf8(output.stdout).expect("scripts print paths in UTF-8");
    let answer = answer.trim_end().to_owned();
    answers.insert(key, answer.clone());
    answer
}
