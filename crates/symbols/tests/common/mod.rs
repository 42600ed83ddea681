//! Programs made for a test, by the tools of the host.

#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use proptest::test_runner::Config;
use source::Location;
use symbols::{Files, GuestFile, LoadedElf, Mapping, Symbols};

/// The guests: what the names of their tools begin with.
pub const HOST: &str = "";
pub const RISCV: &str = "riscv64-linux-gnu-";
pub const AARCH64: &str = "aarch64-linux-gnu-";

/// A source file of the tests.
pub fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(name)
}

/// Runs a tool; it must succeed.
pub fn run<I: AsRef<std::ffi::OsStr>>(
    tool: &str,
    arguments: impl IntoIterator<Item = I>,
) -> String {
    let output = output(Command::new(tool).args(arguments));
    String::from_utf8(output.stdout).expect("a tool writes text")
}

/// Runs a command; it must succeed.
pub fn output(command: &mut Command) -> Output {
    let tool = format!("{command:?}");
    let output = command.output().unwrap_or_else(|error| {
        panic!("{tool}: {error}; scripts/install-packages.sh test installs the tools")
    });
    assert!(
        output.status.success(),
        "{tool}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Compiles and links `sources` to `target`.
pub fn compile(tool: &str, sources: &[&str], flags: &[&str], target: &Path) {
    let mut command = Command::new(tool);
    command.args(flags).args(sources.iter().map(|name| source(name))).arg("-o").arg(target);
    // The directory that DWARF names, so that relative names would show.
    output(command.current_dir(target.parent().unwrap()));
}

/// The addresses of all instructions in `.text`.
pub fn instructions(prefix: &str, file: &Path) -> Vec<u64> {
    let listing = run(
        &format!("{prefix}objdump"),
        ["-d", "-j", ".text", "--no-show-raw-insn"].map(Path::new).into_iter().chain([file]),
    );
    let address = |line: &str| {
        let (address, instruction) = line.split_once(":\t")?;
        (!instruction.is_empty()).then(|| u64::from_str_radix(address.trim(), 16).ok())?
    };
    let addresses: Vec<u64> = listing.lines().filter_map(address).collect();
    assert!(!addresses.is_empty(), "no instructions in {}", file.display());
    addresses
}

/// A frame, as both sides can write it: function, file, line.
pub type PlainFrame = (String, String, String);

/// What addr2line of the GNU binutils says of each address.
pub fn oracle(prefix: &str, file: &Path, addresses: &[u64]) -> BTreeMap<u64, Vec<PlainFrame>> {
    let mut child = Command::new(format!("{prefix}addr2line"))
        .args(["-a", "-f", "-i", "-C", "-e"])
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("addr2line of the binutils");
    let mut stdin = child.stdin.take().unwrap();
    let lines: Vec<_> = addresses.iter().map(|address| format!("{address:#x}\n")).collect();
    let lines = lines.concat();
    let writer =
        std::thread::spawn(move || std::io::Write::write_all(&mut stdin, lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut answers: BTreeMap<u64, Vec<PlainFrame>> = BTreeMap::new();
    let mut address = 0;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(number) = line.strip_prefix("0x") {
            address = u64::from_str_radix(number, 16).unwrap();
            continue;
        }
        let place = lines.next().unwrap();
        let place = place.split(" (discriminator").next().unwrap();
        let (file, number) = place.rsplit_once(':').unwrap();
        let known =
            |text: &str| if text.starts_with('?') { String::new() } else { text.to_owned() };
        let number = if number == "0" { "" } else { number };
        let file = without_dots(&known(file));
        answers.entry(address).or_default().push((known(line), file, known(number)));
    }
    for frames in answers.values_mut() {
        if let [(_, file, line)] = &mut frames[..]
            && line.is_empty()
            && !file.contains('/')
        {
            // Not from DWARF, but the file symbol before the function in the symbol table.
            file.clear();
        }
        frames.retain(|frame| *frame != PlainFrame::default());
    }
    assert_eq!(answers.len(), addresses.len());
    answers
}

/// A path as we write it: the binutils leave `.` and `..` in it.
fn without_dots(path: &str) -> String {
    let mut path = path.replace("/./", "/");
    while let Some(dots) = path.find("/../")
        && let Some(start) = path[..dots].rfind('/')
    {
        path.replace_range(start..dots + "/..".len(), "");
    }
    path
}

/// The frames as texts.
pub fn plain(location: &Location) -> Vec<PlainFrame> {
    let text = |text: &Option<Arc<str>>| text.as_deref().unwrap_or_default().to_owned();
    let frame = |frame: &source::Frame| {
        let line = frame.line.map(|line| line.to_string()).unwrap_or_default();
        (text(&frame.function), text(&frame.file), line)
    };
    location.frames.iter().map(frame).collect()
}

/// What [`Symbols`] says of a file's addresses.
pub fn frames_at(symbols: &mut Symbols, file: &Path, address: u64) -> Vec<PlainFrame> {
    let elf = LoadedElf { file: GuestFile::at(file).into(), bias: 0 };
    let location = symbols
        .in_elf(&elf, address)
        .unwrap_or_else(|| panic!("{address:#x} is not in {}", file.display()))
        .location;
    assert_eq!(location.object.as_deref(), file.to_str());
    plain(&location)
}

/// The address of a symbol, by `nm`.
pub fn address_of(prefix: &str, file: &Path, symbol: &str) -> u64 {
    let listing = run(&format!("{prefix}nm"), [file]);
    let line = listing.lines().find(|line| line.split(' ').nth(2) == Some(symbol));
    let line = line.unwrap_or_else(|| panic!("no {symbol} in {}", file.display()));
    u64::from_str_radix(line.split(' ').next().unwrap(), 16).unwrap()
}

/// Copies a file into a directory, which is made if need be.
pub fn copy_into(file: &Path, directory: &Path) -> PathBuf {
    fs::create_dir_all(directory).unwrap();
    let target = directory.join(file.file_name().unwrap());
    fs::copy(file, &target).unwrap();
    target
}

/// The cases of a property, as many as proptest's own variable says if it is set.
pub fn cases(default: u32) -> u32 {
    let is_set = std::env::var_os("PROPTEST_CASES").is_some();
    if is_set { Config::default().cases } else { default }
}

/// Asks for every address, by segments and by file; returns the warnings.
pub fn ask_all(file: &Path, addresses: &[u64]) -> Vec<String> {
    let files = Files::default();
    let mut symbols = Symbols::new(&files, None);
    let loaded = LoadedElf { file: GuestFile::at(file).into(), bias: 0 };
    let mapping =
        Mapping { start: 0, end: u64::MAX, file_offset: 0, file: GuestFile::at(file).into() };
    for address in addresses {
        symbols.in_elf(&loaded, *address);
        symbols.in_mapping(&mapping, *address);
        // Where a loader puts what is at this address is seldom there in the file.
        symbols.in_mapping(&mapping, *address & 0xffff);
    }
    symbols.warnings().iter().map(ToString::to_string).collect()
}

/// The largest size that this process had in memory.
pub fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Does the work, which must not be more than any file may take.
///
/// It is measured by what the processor does for this thread, and in what it takes for a checksum of
/// 1 MiB: so neither a slow host nor a busy one matters.
pub fn within_bounds<T>(work: impl FnOnce() -> T) -> T {
    /// About 20 s on a processor of 3 GHz.
    const MOST: f64 = 10_000.;
    static UNIT: LazyLock<f64> = LazyLock::new(|| {
        let block = vec![0x5a; 16 << 20];
        let start = processor_seconds();
        std::hint::black_box(checksum(&block));
        (processor_seconds() - start) / 16.
    });
    let unit = *UNIT;
    let start = processor_seconds();
    let answer = work();
    let units = (processor_seconds() - start) / unit;
    assert!(units < MOST, "took as long as a checksum of {units} MiB");
    answer
}

/// One byte after the other: no compiler can take several at once.
fn checksum(block: &[u8]) -> u32 {
    let mut sum = 0_u32;
    for byte in block {
        sum = (sum.rotate_left(5) ^ u32::from(*byte)).wrapping_mul(0x9e37_79b9);
    }
    sum
}

/// What the processor has done for this thread so far.
fn processor_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("it begins at 0").as_secs_f64()
}
