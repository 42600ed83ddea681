//! The whole profile as JSON.
//!
//! `docs/report.schema.json` is the schema, and says what each field means. It is that of this version
//! of libcache exactly. A later one may have more fields; when one goes or means something else,
//! [`SCHEMA_VERSION`] rises.
//!
//! Counts are JSON integers, also above 2⁵³, which the standard allows (RFC 8259, section 6) though
//! readers that know only doubles round them. Addresses are strings, since there such numbers are
//! common.
//!
//! Every instruction, function and line is one line of text, so that the files can be compared and
//! searched with tools for lines.

use std::io::{self, Write};
use std::sync::Arc;

use cachesim::options::{
    self, Config, GuestMode, L2Kind, Latencies, Level, Output, Straddle, WriteHit, WriteMiss,
    Writes,
};
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;
use source::{Frame, Function};

use crate::settings::{self, Lower};
use crate::{
    CacheCounts, CacheSummary, CoreProfile, CoreSnapshot, Detail, FullProfile, FunctionRow,
    InstructionCounts, LineRow, LowerCounts, MemoryTraffic, MissesByKind, Profile,
    ProfiledInstruction, RunDescription, Summary, by_function, by_line, hex,
};

/// The version of the schema.
pub const SCHEMA_VERSION: u32 = 2;

/// The whole file. Without [`Detail::Full`] it has no fields for executions,
/// loads and stores, and only the instructions that missed.
#[allow(clippy::missing_panics_doc, reason = "it does not")]
pub fn render(profile: &Profile) -> String {
    let mut serializer = Serializer::with_formatter(Vec::new(), Rows::default());
    let report = Report::of(profile);
    report.serialize(&mut serializer).expect("memory takes all, and all keys are strings");
    let mut bytes = serializer.into_inner();
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("serde_json writes UTF-8")
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    schema_version: u32,
    libcache: Libcache<'a>,
    qemu: Qemu<'a>,
    guest: Guest<'a>,
    configuration: Configuration,
    detail: &'static str,
    cores: Vec<Core<'a>>,
    total: Total,
    instructions: Vec<Instruction<'a>>,
    functions: Vec<FunctionView>,
    lines: Vec<LineView>,
}

#[derive(Serialize)]
struct Libcache<'a> {
    version: &'a str,
}

#[derive(Serialize)]
struct Qemu<'a> {
    version: Option<&'a str>,
    plugin_api: i32,
    command: &'a [String],
    process_id: u32,
}

#[derive(Serialize)]
struct Guest<'a> {
    target: &'a str,
    mode: &'static str,
    vcpus: u32,
}

#[derive(Serialize)]
struct Configuration {
    preset: Option<&'static str>,
    instruction_cache: CacheSettings,
    data_cache: CacheSettings,
    l2: Option<L2Settings>,
    l3: Option<L3Settings>,
    writes: Option<WriteSettings>,
    straddle: &'static str,
    rw: bool,
    latencies: Option<LatencySettings>,
    seed: u64,
    cores: u32,
    limit: usize,
    output: String,
}

#[derive(Serialize)]
struct CacheSettings {
    size_bytes: u64,
    line_bytes: u64,
    ways: u32,
    sets: u64,
    policy: &'static str,
}

#[derive(Serialize)]
struct L2Settings {
    #[serde(flatten)]
    cache: CacheSettings,
    split: bool,
    inclusion: &'static str,
}

#[derive(Serialize)]
struct L3Settings {
    #[serde(flatten)]
    cache: CacheSettings,
    inclusion: &'static str,
}

#[derive(Serialize)]
struct WriteSettings {
    hit: &'static str,
    miss: &'static str,
}

#[derive(Serialize)]
struct LatencySettings {
    l1: u32,
    l2: u32,
    l3: u32,
    memory: u32,
}

#[derive(Serialize)]
struct Core<'a> {
    #[serde(rename = "core")]
    number: usize,
    #[serde(flatten)]
    total: Total,
    #[serde(skip_serializing_if = "Option::is_none")]
    sets: Option<Sets<'a>>,
}

#[derive(Serialize)]
struct Total {
    data: DataTotal,
    instruction: CacheTotal,
    #[serde(skip_serializing_if = "Option::is_none")]
    l2: Option<LowerTotal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    l3: Option<LowerTotal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stores: Option<StoresTotal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<MemoryTotal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<SummaryView>,
}

#[derive(Serialize)]
struct CacheTotal {
    accesses: u64,
    misses: u64,
    miss_rate: f64,
}

#[derive(Serialize)]
struct DataTotal {
    #[serde(flatten)]
    all: CacheTotal,
    #[serde(flatten)]
    directions: Option<Directions>,
}

#[derive(Serialize)]
struct Directions {
    reads: CacheTotal,
    writes: CacheTotal,
}

#[derive(Serialize)]
struct LowerTotal {
    #[serde(flatten)]
    all: CacheTotal,
    fetches: CacheTotal,
    #[serde(flatten)]
    directions: Directions,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<CacheTotal>,
}

#[derive(Serialize)]
struct StoresTotal {
    passed_on: u64,
    data_write_backs: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    l2_write_backs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    l3_write_backs: Option<u64>,
}

#[derive(Serialize)]
struct MemoryTotal {
    read_bytes: u64,
    written_bytes: Option<u64>,
}

#[derive(Serialize)]
struct SummaryView {
    data: CacheSummaryView,
    instruction: CacheSummaryView,
    #[serde(skip_serializing_if = "Option::is_none")]
    l2: Option<CacheSummaryView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    l3: Option<CacheSummaryView>,
    memory_read_bytes: u64,
    memory_read_bytes_per_instruction: f64,
    memory_written_bytes: Option<u64>,
    memory_written_bytes_per_instruction: Option<f64>,
    cycles_per_data_access: Option<f64>,
    cycles_per_fetch: Option<f64>,
    stall_cycles: u64,
    stall_cycles_per_instruction: f64,
}

#[derive(Serialize)]
struct CacheSummaryView {
    mpki: f64,
    hit_rate: Option<f64>,
    global_hit_rate: Option<f64>,
}

#[derive(Serialize)]
struct Sets<'a> {
    data_misses: &'a [u64],
    fetch_misses: &'a [u64],
}

#[derive(Serialize)]
struct Instruction<'a> {
    address: String,
    bytes: String,
    disassembly: &'a str,
    object: Option<&'a str>,
    object_address: Option<String>,
    frames: Vec<FrameView<'a>>,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Serialize)]
struct FrameView<'a> {
    function: Option<&'a str>,
    file: Option<&'a str>,
    line: Option<u32>,
}

#[derive(Serialize)]
struct FunctionView {
    #[serde(flatten)]
    function: FunctionName,
    file: Option<Text>,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Serialize)]
struct LineView {
    file: Option<Text>,
    line: Option<u32>,
    #[serde(flatten)]
    function: FunctionName,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Serialize)]
struct FunctionName {
    function: Option<Text>,
    inlined_into: Option<Text>,
    object: Option<Text>,
}

/// A text that the sums share with the instructions.
struct Text(Arc<str>);

#[derive(Serialize)]
struct Counts {
    #[serde(flatten)]
    executed: Option<ExecutedCounts>,
    data_misses: u64,
    fetch_misses: u64,
    #[serde(flatten)]
    l2: Option<L2Misses>,
    #[serde(flatten)]
    l3: Option<L3Misses>,
}

#[derive(Serialize)]
struct L2Misses {
    #[serde(rename = "l2_fetch_misses")]
    fetch: u64,
    #[serde(rename = "l2_read_misses")]
    read: u64,
    #[serde(rename = "l2_write_misses")]
    write: u64,
}

#[derive(Serialize)]
struct L3Misses {
    #[serde(rename = "l3_fetch_misses")]
    fetch: u64,
    #[serde(rename = "l3_read_misses")]
    read: u64,
    #[serde(rename = "l3_write_misses")]
    write: u64,
}

#[derive(Serialize)]
struct ExecutedCounts {
    executions: u64,
    reads: u64,
    read_misses: u64,
    writes: u64,
    write_misses: u64,
}

impl<'a> Report<'a> {
    fn of(profile: &'a Profile) -> Self {
        let detail =
            if FullProfile::new(profile).is_some() { Detail::Full } else { Detail::Misses };
        let config = &profile.run.config;
        let rows = RowFields { detail, levels: Lower::of(config).collect() };
        let total: CoreSnapshot = profile.cores.iter().map(|core| &core.counts).sum();
        let instructions = profile.instructions.iter();
        let functions = by_function(profile).into_iter();
        let lines = by_line(profile).into_iter();
        Self {
            schema: "libcache",
            schema_version: SCHEMA_VERSION,
            libcache: Libcache { version: profile.run.version },
            qemu: Qemu::of(&profile.run),
            guest: Guest::of(&profile.run),
            configuration: Configuration::of(config),
            detail: match detail {
                Detail::Misses => "misses",
                Detail::Full => "full",
            },
            cores: profile.cores.iter().enumerate().map(|core| Core::of(core, config)).collect(),
            total: Total::of(&total, config),
            instructions: instructions.map(|row| Instruction::of(row, &rows)).collect(),
            functions: functions.map(|row| FunctionView::of(row, &rows)).collect(),
            lines: lines.map(|row| LineView::of(row, &rows)).collect(),
        }
    }
}

impl<'a> Qemu<'a> {
    fn of(run: &'a RunDescription) -> Self {
        Self {
            version: run.qemu_version.as_deref(),
            plugin_api: run.plugin_api,
            command: &run.command,
            process_id: run.process_id,
        }
    }
}

impl<'a> Guest<'a> {
    fn of(run: &'a RunDescription) -> Self {
        Self {
            target: &run.target,
            mode: match run.mode {
                GuestMode::User => "user",
                GuestMode::System => "system",
            },
            vcpus: run.vcpus,
        }
    }
}

impl Configuration {
    fn of(config: &Config) -> Self {
        // What is written beside the report says itself what it is.
        let Config { icache, dcache, lower, seed, cores, limit, output, .. } = config;
        Self {
            preset: config.preset,
            instruction_cache: CacheSettings::of(icache),
            data_cache: CacheSettings::of(dcache),
            l2: lower.map(|lower| L2Settings {
                cache: CacheSettings::of(&lower.l2),
                split: lower.l2_kind == L2Kind::Split,
                inclusion: lower.l2_inclusion.name(),
            }),
            l3: lower.and_then(|lower| {
                let cache = CacheSettings::of(&lower.l3?);
                Some(L3Settings { cache, inclusion: lower.l3_inclusion.name() })
            }),
            writes: config.writes.map(WriteSettings::of),
            straddle: match config.straddle {
                Straddle::First => "first",
                Straddle::Split => "split",
            },
            rw: config.directions == options::Directions::Apart,
            latencies: config.summary.map(|Latencies { l1, l2, l3, memory }| LatencySettings {
                l1,
                l2,
                l3,
                memory,
            }),
            seed: *seed,
            cores: cores.get(),
            limit: *limit,
            output: match output {
                Output::Auto => "auto".to_owned(),
                Output::Log => "log".to_owned(),
                Output::Stderr => "stderr".to_owned(),
                Output::File(path) => path.to_string(),
            },
        }
    }
}

impl CacheSettings {
    fn of(level: &Level) -> Self {
        let Level { geometry, policy } = level;
        Self {
            size_bytes: geometry.size_bytes(),
            line_bytes: geometry.line_bytes(),
            ways: geometry.ways(),
            sets: geometry.sets(),
            policy: settings::policy(*policy).key,
        }
    }
}

impl WriteSettings {
    fn of(writes: Writes) -> Self {
        Self {
            hit: match writes.on_hit {
                WriteHit::Back => "back",
                WriteHit::Through => "through",
            },
            miss: match writes.on_miss {
                WriteMiss::Allocate => "allocate",
                WriteMiss::NoAllocate => "no-allocate",
            },
        }
    }
}

impl<'a> Core<'a> {
    fn of((number, profile): (usize, &'a CoreProfile), config: &Config) -> Self {
        Self {
            number,
            total: Total::of(&profile.counts, config),
            sets: profile
                .sets
                .as_ref()
                .map(|sets| Sets { data_misses: &sets.data, fetch_misses: &sets.fetch }),
        }
    }
}

impl Total {
    fn of(counts: &CoreSnapshot, config: &Config) -> Self {
        let levels = Lower::of(config);
        let find = |wanted| levels.clone().find(|level| *level == wanted);
        let lower = |wanted| find(wanted).map(|level| LowerTotal::of(level.counts(counts), config));
        let write_backs = |wanted| find(wanted).map(|level| level.write_backs(counts));
        let stores = counts.beyond.filter(|_| config.writes.is_some());
        Self {
            data: DataTotal {
                all: CacheTotal::of(counts.data),
                directions: counts.beyond.filter(|_| config.tells_stores()).map(|beyond| {
                    Directions {
                        reads: CacheTotal::of(counts.loads()),
                        writes: CacheTotal::of(beyond.stores),
                    }
                }),
            },
            instruction: CacheTotal::of(counts.fetch),
            l2: lower(Lower::L2),
            l3: lower(Lower::L3),
            stores: stores.map(|beyond| StoresTotal {
                passed_on: beyond.passed_stores,
                data_write_backs: beyond.write_backs[0],
                l2_write_backs: write_backs(Lower::L2),
                l3_write_backs: write_backs(Lower::L3),
            }),
            memory: counts.beyond.map(|beyond| MemoryTotal {
                read_bytes: beyond.memory_read_bytes,
                written_bytes: config.writes.map(|_| beyond.memory_written_bytes),
            }),
            summary: Summary::new(counts, config).as_ref().map(SummaryView::of),
        }
    }
}

impl CacheTotal {
    fn of(counts: CacheCounts) -> Self {
        Self { accesses: counts.accesses, misses: counts.misses, miss_rate: counts.miss_rate() }
    }
}

impl LowerTotal {
    fn of(counts: LowerCounts, config: &Config) -> Self {
        Self {
            all: CacheTotal::of(counts.total()),
            fetches: CacheTotal::of(counts.fetch),
            directions: Directions {
                reads: CacheTotal::of(counts.read),
                writes: CacheTotal::of(counts.write),
            },
            written: config.writes.map(|_| CacheTotal::of(counts.write_back)),
        }
    }
}

impl SummaryView {
    fn of(summary: &Summary) -> Self {
        let MemoryTraffic { read, written } = summary.memory;
        Self {
            data: CacheSummaryView::of(&summary.data),
            instruction: CacheSummaryView::of(&summary.fetch),
            l2: summary.l2.as_ref().map(CacheSummaryView::of),
            l3: summary.l3.as_ref().map(CacheSummaryView::of),
            memory_read_bytes: read.bytes,
            memory_read_bytes_per_instruction: read.per_instruction,
            memory_written_bytes: written.map(|written| written.bytes),
            memory_written_bytes_per_instruction: written.map(|written| written.per_instruction),
            cycles_per_data_access: summary.data_time.average(),
            cycles_per_fetch: summary.fetch_time.average(),
            stall_cycles: summary.stall_cycles(),
            stall_cycles_per_instruction: summary.stall_cycles_per_instruction(),
        }
    }
}

impl CacheSummaryView {
    fn of(cache: &CacheSummary) -> Self {
        let CacheSummary { mpki, hit_rate, global_hit_rate, .. } = *cache;
        Self { mpki, hit_rate, global_hit_rate }
    }
}

impl<'a> Instruction<'a> {
    fn of(instruction: &'a ProfiledInstruction, fields: &RowFields) -> Self {
        Self {
            address: hex::address(instruction.vaddr),
            bytes: hex::bytes(&instruction.code),
            disassembly: &instruction.disassembly,
            object: instruction.location.object.as_deref(),
            object_address: instruction.object_address.map(hex::address),
            frames: instruction.location.frames.iter().map(FrameView::of).collect(),
            counts: Counts::of(instruction.counts, fields),
        }
    }
}

impl<'a> FrameView<'a> {
    fn of(frame: &'a Frame) -> Self {
        Self { function: frame.function.as_deref(), file: frame.file.as_deref(), line: frame.line }
    }
}

impl FunctionView {
    fn of(row: FunctionRow, fields: &RowFields) -> Self {
        Self {
            function: FunctionName::of(row.function),
            file: row.file.map(Text),
            counts: Counts::of(row.counts, fields),
        }
    }
}

impl LineView {
    fn of(row: LineRow, fields: &RowFields) -> Self {
        let LineRow { line, counts } = row;
        Self {
            file: line.file.map(Text),
            line: line.line,
            function: FunctionName::of(line.function),
            counts: Counts::of(counts, fields),
        }
    }
}

impl FunctionName {
    fn of(function: Function) -> Self {
        Self {
            function: function.name.map(Text),
            inlined_into: function.inlined_into.map(Text),
            object: function.object.map(Text),
        }
    }
}

impl Serialize for Text {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// What a row has beside the misses of the first level.
struct RowFields {
    detail: Detail,
    levels: Vec<Lower>,
}

impl Counts {
    fn of(counts: InstructionCounts, fields: &RowFields) -> Self {
        let misses = |level: Lower| fields.levels.contains(&level).then(|| level.misses(&counts));
        Self {
            executed: match fields.detail {
                Detail::Misses => None,
                Detail::Full => ExecutedCounts::of(counts),
            },
            data_misses: counts.data_misses,
            fetch_misses: counts.fetch_misses,
            l2: misses(Lower::L2).map(|MissesByKind { fetch, read, write }| L2Misses {
                fetch,
                read,
                write,
            }),
            l3: misses(Lower::L3).map(|MissesByKind { fetch, read, write }| L3Misses {
                fetch,
                read,
                write,
            }),
        }
    }
}

impl ExecutedCounts {
    fn of(counts: InstructionCounts) -> Option<Self> {
        let executed = counts.executed?;
        Some(Self {
            executions: executed.executions,
            reads: executed.reads,
            read_misses: counts.read_misses()?,
            writes: executed.writes,
            write_misses: executed.write_misses,
        })
    }
}

/// Begins a line for each value of the report and of what is directly in it.
#[derive(Default)]
struct Rows {
    /// The arrays and objects that are open.
    depth: usize,
    /// Whether the innermost of them is empty so far.
    empty: bool,
}

/// The values of arrays and objects this deep have a line each.
const DEEPEST_ROWS: usize = 2;

impl Rows {
    fn open<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.empty = true;
        out.write_all(bracket)
    }

    fn close<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        let rows = self.depth <= DEEPEST_ROWS && !self.empty;
        self.depth -= 1;
        self.empty = false;
        if rows {
            self.begin_row(out)?;
        }
        out.write_all(bracket)
    }

    fn separate<W: ?Sized + Write>(&self, out: &mut W, first: bool) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        if self.depth <= DEEPEST_ROWS {
            self.begin_row(out)
        } else if first {
            Ok(())
        } else {
            out.write_all(b" ")
        }
    }

    fn begin_row<W: ?Sized + Write>(&self, out: &mut W) -> io::Result<()> {
        write!(out, "\n{:indent$}", "", indent = 2 * self.depth)
    }
}

impl Formatter for Rows {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.separate(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.empty = false;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.separate(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.empty = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use cachesim::options::PolicyKind;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn parsed(profile: &Profile) -> Value {
        serde_json::from_str(&render(profile)).unwrap()
    }

    fn schema() -> Value {
        serde_json::from_str(include_str!("../../../docs/report.schema.json")).unwrap()
    }

    fn assert_valid(report: &Value) {
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        let errors: Vec<_> = validator.iter_errors(report).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }

    fn sum(rows: &Value, field: &str) -> u64 {
        rows.as_array().unwrap().iter().map(|row| row[field].as_u64().unwrap()).sum()
    }

    #[test]
    fn the_sample() {
        insta::assert_snapshot!(render(&sample::profile()));
    }

    #[test]
    fn the_sample_with_misses_only() {
        insta::assert_snapshot!(render(&sample::misses()));
    }

    #[test]
    fn the_sample_with_levels() {
        insta::assert_snapshot!(render(&sample::levels()));
    }

    #[test]
    fn reports_follow_the_schema() {
        assert_valid(&parsed(&sample::profile()));
        assert_valid(&parsed(&sample::misses()));
        assert_valid(&parsed(&sample::levels()));
        assert_valid(&parsed(&sample::two_levels()));
        assert_valid(&parsed(&sample::without_executions(sample::levels())));
        let mut first_level = sample::profile();
        first_level.run.config.summary = sample::levels().run.config.summary;
        first_level.cores.clear();
        assert_valid(&parsed(&first_level));
        let mut through = sample::levels();
        through.run.config.writes =
            Some(Writes { on_hit: WriteHit::Through, on_miss: WriteMiss::NoAllocate });
        assert_valid(&parsed(&through));
        let mut bare = sample::misses();
        bare.run.qemu_version = None;
        bare.run.mode = GuestMode::System;
        bare.cores[0].sets = None;
        bare.instructions.clear();
        assert_valid(&parsed(&bare));
    }

    #[test]
    fn the_schema_refuses_what_is_not_a_report() {
        jsonschema::draft202012::meta::validate(&schema()).unwrap();
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        let spoilt = |spoil: fn(&mut Value)| {
            let mut report = parsed(&sample::levels());
            spoil(&mut report);
            report
        };
        for report in [
            json!({}),
            spoilt(|report| report["surprise"] = json!(1)),
            spoilt(|report| report["schema_version"] = json!(1)),
            spoilt(|report| report["instructions"][0]["surprise"] = json!(1)),
            spoilt(|report| report["instructions"][0]["address"] = json!(4096)),
            spoilt(|report| report["total"]["data"]["misses"] = json!(-1)),
            spoilt(|report| report["total"]["l2"]["surprise"] = json!(1)),
            spoilt(|report| report["total"]["summary"]["data"]["mpki"] = json!(-1)),
            spoilt(|report| report["configuration"]["l2"]["policy"] = json!("best")),
            spoilt(|report| report["configuration"]["l2"]["inclusion"] = json!("any")),
            spoilt(|report| report["configuration"]["l3"]["inclusion"] = json!("any")),
            spoilt(|report| {
                report["lines"][0].as_object_mut().unwrap().remove("l3_fetch_misses");
            }),
            spoilt(|report| {
                report["total"].as_object_mut().unwrap().remove("l3");
            }),
            spoilt(|report| report["configuration"]["l3"] = json!(null)),
            spoilt(|report| report["detail"] = json!("misses")),
            spoilt(|report| {
                report["functions"][0].as_object_mut().unwrap().remove("reads");
            }),
        ] {
            assert!(!validator.is_valid(&report), "{report:#}");
        }
    }

    #[test]
    fn the_schema_knows_every_policy() {
        let schema = schema();
        let known = schema["$defs"]["policy"]["enum"].as_array().unwrap();
        let keys = PolicyKind::ALL.map(|kind| json!(settings::policy(kind).key));
        assert_eq!(known[..], keys);
    }

    #[test]
    fn rows_add_up_to_the_total() {
        for profile in [sample::profile(), sample::misses()] {
            let report = parsed(&profile);
            for rows in ["instructions", "functions", "lines"] {
                let total = &report["total"];
                assert_eq!(sum(&report[rows], "data_misses"), total["data"]["misses"]);
                assert_eq!(sum(&report[rows], "fetch_misses"), total["instruction"]["misses"]);
            }
        }
        let report = parsed(&sample::profile());
        for rows in ["instructions", "functions", "lines"] {
            let sum = |field| sum(&report[rows], field);
            assert_eq!(sum("executions"), report["total"]["instruction"]["accesses"]);
            assert_eq!(sum("reads") + sum("writes"), report["total"]["data"]["accesses"]);
            assert_eq!(sum("read_misses") + sum("write_misses"), sum("data_misses"));
        }
    }

    #[test]
    fn rows_and_levels_add_up_to_the_level_before() {
        let report = parsed(&sample::levels());
        let total = &report["total"];
        for level in ["l2", "l3"] {
            let kinds = ["fetch", "read", "write"].map(|kind| format!("{level}_{kind}_misses"));
            for rows in ["instructions", "functions", "lines"] {
                let [fetch, read, write] = kinds.each_ref().map(|kind| sum(&report[rows], kind));
                assert_eq!(fetch, total[level]["fetches"]["misses"]);
                assert_eq!(read, total[level]["reads"]["misses"]);
                assert_eq!(write, total[level]["writes"]["misses"]);
                assert_eq!(fetch + read + write, total[level]["misses"]);
            }
        }
        assert_eq!(total["l3"]["accesses"], total["l2"]["misses"]);
        assert_eq!(total["l2"]["writes"]["accesses"], total["data"]["writes"]["misses"]);
        assert_eq!(total["memory"]["read_bytes"], 64 * 124);
    }

    #[test]
    fn the_largest_count_keeps_its_digits() {
        let mut profile = sample::profile();
        profile.cores[0].counts.data.accesses = u64::MAX;
        assert_eq!(parsed(&profile)["total"]["data"]["accesses"], u64::MAX);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn any_text_is_read_back(profile in sample::any_texts()) {
            let text = render(&profile);
            let report = parsed(&profile);
            prop_assert_eq!(&report["qemu"]["command"], &json!(profile.run.command));
            let rows = report["instructions"].as_array().unwrap();
            prop_assert_eq!(rows.len(), profile.instructions.len());
            for (row, instruction) in rows.iter().zip(&profile.instructions) {
                prop_assert_eq!(&row["disassembly"], &json!(instruction.disassembly));
                prop_assert_eq!(&row["object"], &json!(instruction.location.object.as_deref()));
                for (index, frame) in instruction.location.frames.iter().enumerate() {
                    let row = &row["frames"][index];
                    prop_assert_eq!(&row["function"], &json!(frame.function.as_deref()));
                    prop_assert_eq!(&row["file"], &json!(frame.file.as_deref()));
                }
            }
            let names = |field: &str| report[field].as_array().unwrap().len();
            let rows = rows.len() + names("functions") + names("lines") + profile.cores.len();
            let is_row = |line: &&str| line.starts_with("    {");
            prop_assert_eq!(text.split('\n').filter(is_row).count(), rows);
        }
    }
}
