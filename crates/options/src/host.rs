//! The caches of the computer that runs QEMU, as options (`cpu=host`).
//!
//! Source: Linux, `Documentation/ABI/testing/sysfs-devices-system-cpu`. Each cache that CPU 0 uses is a
//! directory there. The kernel does not tell replacement policies, inclusion and latencies: these are left to
//! the options and their defaults.

use super::Problem;

const DIRECTORY: &str = "/sys/devices/system/cpu/cpu0/cache";

/// More caches than any CPU has.
const MAX_CACHES: u32 = 16;

/// The options that make a cache: its size, the length of its lines, its ways.
const ICACHE: [&str; 3] = ["icachesize", "iblksize", "iassoc"];
const DCACHE: [&str; 3] = ["dcachesize", "dblksize", "dassoc"];
const L2: [&str; 3] = ["l2cachesize", "l2blksize", "l2assoc"];
const L3: [&str; 3] = ["l3cachesize", "l3blksize", "l3assoc"];

/// The options that CPU 0's caches are.
///
/// # Errors
/// Where the computer does not tell them.
pub(super) fn options(
    read_file: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Vec<(&'static str, String)>, Problem> {
    let mut options = Vec::new();
    for index in 0..MAX_CACHES {
        let read = |name: &str| {
            let path = format!("{DIRECTORY}/index{index}/{name}");
            match read_file(&path).map(|text| text.trim().to_owned()) {
                Ok(text) if text.is_empty() || text == "0" => {
                    Err(Problem::HostUnknown { path, why: "nothing in it".to_owned() })
                }
                Ok(text) => Ok(text),
                Err(why) => Err(Problem::HostUnknown { path, why }),
            }
        };
        let level = match read("level") {
            Ok(level) => level,
            // The one before was the last.
            Err(_) if index > 0 => break,
            Err(problem) => return Err(problem),
        };
        let names = match (level.as_str(), read("type")?.as_str()) {
            ("1", "Instruction") => vec![ICACHE],
            ("1", "Data") => vec![DCACHE],
            ("1", _) => vec![ICACHE, DCACHE],
            ("2", "Data" | "Unified") => vec![L2],
            ("3", "Data" | "Unified") => vec![L3],
            _ => continue,
        };
        let values = [read("size")?, read("coherency_line_size")?, read("ways_of_associativity")?];
        for names in names {
            options.extend(names.into_iter().zip(values.clone()));
        }
    }
    Ok(options)
}
