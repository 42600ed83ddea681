//! The summary of a report, taken apart.

use std::iter::Peekable;

use super::{check_layout, next_block, number};

const MEMORY_HEADING: &str = "memory, bytes, bytes per instruction";
const ESTIMATE_HEADING: &str = "estimate without overlap or prefetching, cycles";

/// The derived numbers. A number that is not there is `-` in the report.
#[derive(Clone, PartialEq, Debug)]
pub struct Summary {
    pub caches: Vec<CacheSummary>,
    pub memory_read: Traffic,
    pub memory_written: Option<Traffic>,
    pub cycles_per_data_access: Option<f64>,
    pub cycles_per_fetch: Option<f64>,
    pub stall_cycles_per_instruction: f64,
    pub stall_cycles: u64,
    /// As the report has them: `L1 4, L2 12, memory 200`.
    pub latencies: String,
}

/// A line of the summary. Rates are in percent.
#[derive(Clone, PartialEq, Debug)]
pub struct CacheSummary {
    /// `L1d`, `L1i`, `L2` or `L3`.
    pub cache: String,
    pub misses: u64,
    pub mpki: f64,
    pub hit_rate: Option<f64>,
    pub global_hit_rate: Option<f64>,
}

/// Bytes one way.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Traffic {
    pub bytes: u64,
    pub per_instruction: f64,
}

pub(super) fn cache_summary(line: &str) -> Result<CacheSummary, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let &[cache, misses, mpki, hit_rate, global_hit_rate] = &words[..] else {
        return Err(format!("bad line of the summary {line:?}"));
    };
    check_layout(
        line,
        &format!("{cache:<8}{misses:<14} {mpki:>10} {hit_rate:>12} {global_hit_rate:>12}"),
    )?;
    Ok(CacheSummary {
        cache: cache.to_owned(),
        misses: number(misses)?,
        mpki: decimal(mpki)?.ok_or("no MPKI")?,
        hit_rate: percent(hit_rate)?,
        global_hit_rate: percent(global_hit_rate)?,
    })
}

/// The rest of the summary that begins with `caches`.
pub(super) fn summary<'text>(
    caches: Vec<CacheSummary>,
    lines: &mut Peekable<impl Iterator<Item = &'text str>>,
    levels: usize,
) -> Result<Summary, String> {
    let names: Vec<&str> = caches.iter().map(|row| row.cache.as_str()).collect();
    if names != ["L1d", "L1i", "L2", "L3"][..levels + 2] {
        return Err(format!("wrong caches in the summary {names:?}"));
    }
    let memory = next_block(lines, MEMORY_HEADING, |line| Ok(line.to_owned()))?;
    let [read, written] = &memory.ok_or("a summary without memory")?[..] else {
        return Err("wrong lines of memory".to_owned());
    };
    let memory = |line: &str, name: &str| -> Result<Option<Traffic>, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let &[first, bytes, each] = &words[..] else {
            return Err(format!("bad line of memory {line:?}"));
        };
        check_layout(line, &format!("{name:<8}{bytes:<14} {each:>10}"))?;
        match (first == name, bytes, decimal(each)?) {
            (true, "-", None) => Ok(None),
            (true, bytes, Some(per_instruction)) => {
                Ok(Some(Traffic { bytes: number(bytes)?, per_instruction }))
            }
            _ => Err(format!("bad line of memory {line:?}")),
        }
    };
    let estimate = next_block(lines, ESTIMATE_HEADING, |line| Ok(line.to_owned()))?;
    let [data, fetch, each, stalls, latencies] =
        &estimate.ok_or("a summary without an estimate")?[..]
    else {
        return Err("wrong lines of the estimate".to_owned());
    };
    let value = |line: &str, name: &str| -> Result<String, String> {
        let value = line.strip_prefix(&format!("{name:<23}"));
        value.map(str::to_owned).ok_or_else(|| format!("{line:?} is not about {name}"))
    };
    let cycles = |line: &str, name: &str| -> Result<Option<f64>, String> {
        let value = value(line, name)?;
        check_layout(&value, &format!("{:>10}", value.trim_start()))?;
        decimal(value.trim_start())
    };
    let all_stalls = value(stalls, "stalls")?;
    check_layout(&all_stalls, &format!("{:>5}", all_stalls.trim_start()))?;
    Ok(Summary {
        caches,
        memory_read: memory(read, "read")?.ok_or("no bytes from memory")?,
        memory_written: memory(written, "written")?,
        cycles_per_data_access: cycles(data, "per data access")?,
        cycles_per_fetch: cycles(fetch, "per fetch")?,
        stall_cycles_per_instruction: cycles(each, "stalls per instruction")?.ok_or("no stalls")?,
        stall_cycles: number(all_stalls.trim_start())?,
        latencies: value(latencies, "latencies")?,
    })
}

/// A number with four decimals, or what is not there.
fn decimal(word: &str) -> Result<Option<f64>, String> {
    let is_known = word.split_once('.').is_some_and(|(_, decimals)| decimals.len() == 4);
    match word {
        "-" => Ok(None),
        word if is_known => word.parse().map(Some).map_err(|_| format!("{word:?} is no number")),
        _ => Err(format!("{word:?} has not four decimals")),
    }
}

fn percent(word: &str) -> Result<Option<f64>, String> {
    let percent = decimal(word.strip_suffix('%').unwrap_or("-"))?;
    if percent.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
        return Err(format!("{word:?} is no rate"));
    }
    Ok(percent)
}
