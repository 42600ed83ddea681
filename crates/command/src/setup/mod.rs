//! `libcache setup`: which QEMUs there are, and one that loads plugins where none does.

mod script;

use super::failure::{Failure, Status};
use super::guest::{Target, all_targets};
use super::qemu::{self, Ability, Group, Kind};
use super::{places, streams};
use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// What `setup` is told.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Packages are for hosts with x86_64. They have all architectures for programs; \
                        those for machines are of QEMU 10.0, for RISC-V, x86, Arm and others. \
                        A build is for --targets (default: riscv64, aarch64 and x86_64).\n\n\
                        What it gets is kept in ~/.cache/libcache (LIBCACHE_CACHE names another \
                        directory) and changes nothing else; remove the directory to undo it. \
                        libcache run finds it there. It needs apt, as Debian and Ubuntu have it, \
                        and no root."
)]
pub struct Args {
    /// Only say which QEMUs there are
    #[arg(long)]
    list: bool,
    /// The architectures of programs that are needed, as QEMU calls them
    #[arg(long, value_name = "ARCH,...", value_delimiter = ',')]
    targets: Vec<String>,
    /// QEMUs for machines in place of programs
    #[arg(long, conflicts_with_all = ["targets", "build"])]
    machines: bool,
    #[command(flatten)]
    way: Way,
    /// The Debian mirror (default: that of the machine's apt sources)
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

/// How to get it, also if there is one already.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Way {
    /// Get the packages of Debian 12: seconds (the default)
    #[arg(long)]
    packages: bool,
    /// Compile QEMU 10.0 from Debian's source package: minutes
    #[arg(long)]
    build: bool,
}

/// Whether the packages are for this host.
const HAS_PACKAGES: bool = cfg!(target_arch = "x86_64");

/// What is to be got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted<'a> {
    ProgramPackages,
    MachinePackages,
    Build(&'a [String]),
}

/// Says what there is, and gets what is missing.
pub fn run(args: &Args) -> Result<ExitCode, Failure> {
    let known: BTreeSet<&str> = all_targets().map(Target::name).collect();
    if let Some(target) = args.targets.iter().find(|target| !known.contains(target.as_str())) {
        let known: Vec<&str> = known.into_iter().collect();
        return Err(Failure::new(
            Status::Usage,
            format!("--targets {target}: unknown; QEMU's names are {}", known.join(", ")),
        ));
    }
    let groups = qemu::survey();
    if groups.is_empty() {
        streams::print("There is no QEMU in PATH, and setup has got none.\n")?;
    } else {
        let plugin = places::plugin(None).ok();
        streams::print(qemu::describe(&groups, plugin.as_deref()))?;
    }
    if args.list {
        return Ok(ExitCode::SUCCESS);
    }
    let is_asked_for = args.way.packages || args.way.build;
    if !is_asked_for && suffices(&groups, args) {
        streams::print("\nThat is what libcache run needs.\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = if args.machines {
        Wanted::MachinePackages
    } else if args.way.build {
        Wanted::Build(&args.targets)
    } else {
        Wanted::ProgramPackages
    };
    let directory = get(wanted, args.mirror.as_deref())?;
    streams::print(format!("{} has what libcache run needs.\n", directory.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Whether some QEMU loads plugins, for each target that is named; for any if none is.
fn suffices(groups: &[Group], args: &Args) -> bool {
    let kind = if args.machines { Kind::Machines } else { Kind::Programs };
    let mut able = groups.iter().filter(|it| it.kind == kind && it.ability == Ability::Plugins);
    if args.targets.is_empty() {
        return able.next().is_some();
    }
    let known: Vec<&String> = able.flat_map(|group| &group.targets).collect();
    args.targets.iter().all(|target| known.contains(&target))
}

/// Asks a user at a terminal whether to get a QEMU for programs, and gets it. `what` is what is missing.
pub fn offer(what: &str) -> Result<bool, Failure> {
    let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !can_ask || !HAS_PACKAGES || script::refusal().is_some() {
        return Ok(false);
    }
    eprint!(
        "libcache: {what}.\nGet Debian's QEMU 7.2 now, into ~/.cache/libcache, without root (30 MB)? [y/N] "
    );
    let _ = io::stderr().flush();
    let mut answer = String::new();
    if io::stdin().read_line(&mut answer).is_err() || !answer.trim().eq_ignore_ascii_case("y") {
        return Ok(false);
    }
    get(Wanted::ProgramPackages, None)?;
    Ok(true)
}

/// The directory with the QEMUs that there are now.
fn get(wanted: Wanted, mirror: Option<&str>) -> Result<PathBuf, Failure> {
    if let Some(refusal) = script::refusal() {
        return Err(Failure::new(Status::Failed, refusal));
    }
    if !matches!(wanted, Wanted::Build(_)) && !HAS_PACKAGES {
        return Err(Failure::new(
            Status::Failed,
            "the packages are for x86_64 hosts; here, `libcache setup --build` compiles QEMU",
        ));
    }
    let args: Vec<&str> = match wanted {
        Wanted::ProgramPackages => vec!["7.2-user"],
        Wanted::MachinePackages => vec!["10.0"],
        Wanted::Build(targets) => {
            ["10.0-user"].into_iter().chain(targets.iter().map(String::as_str)).collect()
        }
    };
    Ok(script::run(&args, mirror)?.join("bin"))
}
