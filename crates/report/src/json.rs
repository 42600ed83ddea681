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

use cachesim::geometry::CacheGeometry;
use cachesim::options::{Config, GuestMode, Output, PolicyKind};
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use crate::{
    CacheCounts, CoreProfile, CoreSnapshot, Detail, Frame, FullProfile, Function, FunctionRow,
    InstructionCounts, LineRow, Profile, ProfiledInstruction, RunDescription, by_function, by_line,
    hex,
};

/// The version of the schema.
pub const SCHEMA_VERSION: u32 = 1;

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
    instruction_cache: Geometry,
    data_cache: Geometry,
    policy: &'static str,
    seed: u64,
    cores: u32,
    limit: usize,
    output: String,
}

#[derive(Serialize)]
struct Geometry {
    size_bytes: u64,
    line_bytes: u64,
    ways: u32,
    sets: u64,
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
    data: CacheTotal,
    instruction: CacheTotal,
}

#[derive(Serialize)]
struct CacheTotal {
    accesses: u64,
    misses: u64,
    miss_rate: f64,
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
            configuration: Configuration::of(&profile.run.config),
            detail: match detail {
                Detail::Misses => "misses",
                Detail::Full => "full",
            },
            cores: profile.cores.iter().enumerate().map(Core::of).collect(),
            total: Total::of(&total),
            instructions: instructions.map(|row| Instruction::of(row, detail)).collect(),
            functions: functions.map(|row| FunctionView::of(row, detail)).collect(),
            lines: lines.map(|row| LineView::of(row, detail)).collect(),
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
        let Config { icache, dcache, seed, cores, limit, output, .. } = config;
        Self {
            instruction_cache: Geometry::of(&icache.geometry),
            data_cache: Geometry::of(&dcache.geometry),
            policy: match dcache.policy {
                PolicyKind::Random => "random",
                other => other.name(),
            },
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

impl Geometry {
    fn of(geometry: &CacheGeometry) -> Self {
        Self {
            size_bytes: geometry.size_bytes(),
            line_bytes: geometry.line_bytes(),
            ways: geometry.ways(),
            sets: geometry.sets(),
        }
    }
}

impl<'a> Core<'a> {
    fn of((number, profile): (usize, &'a CoreProfile)) -> Self {
        Self {
            number,
            total: Total::of(&profile.counts),
            sets: profile
                .sets
                .as_ref()
                .map(|sets| Sets { data_misses: &sets.data, fetch_misses: &sets.fetch }),
        }
    }
}

impl Total {
    fn of(counts: &CoreSnapshot) -> Self {
        Self { data: CacheTotal::of(counts.data), instruction: CacheTotal::of(counts.fetch) }
    }
}

impl CacheTotal {
    fn of(counts: CacheCounts) -> Self {
        Self { accesses: counts.accesses, misses: counts.misses, miss_rate: counts.miss_rate() }
    }
}

impl<'a> Instruction<'a> {
    fn of(instruction: &'a ProfiledInstruction, detail: Detail) -> Self {
        Self {
            address: hex::address(instruction.vaddr),
            bytes: hex::bytes(&instruction.code),
            disassembly: &instruction.disassembly,
            object: instruction.location.object.as_deref(),
            object_address: instruction.object_address.map(hex::address),
            frames: instruction.location.frames.iter().map(FrameView::of).collect(),
            counts: Counts::of(instruction.counts, detail),
        }
    }
}

impl<'a> FrameView<'a> {
    fn of(frame: &'a Frame) -> Self {
        Self { function: frame.function.as_deref(), file: frame.file.as_deref(), line: frame.line }
    }
}

impl FunctionView {
    fn of(row: FunctionRow, detail: Detail) -> Self {
        Self {
            function: FunctionName::of(row.function),
            file: row.file.map(Text),
            counts: Counts::of(row.counts, detail),
        }
    }
}

impl LineView {
    fn of(row: LineRow, detail: Detail) -> Self {
        let LineRow { line, counts } = row;
        Self {
            file: line.file.map(Text),
            line: line.line,
            function: FunctionName::of(line.function),
            counts: Counts::of(counts, detail),
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

impl Counts {
    fn of(counts: InstructionCounts, detail: Detail) -> Self {
        Self {
            executed: match detail {
                Detail::Misses => None,
                Detail::Full => ExecutedCounts::of(counts),
            },
            data_misses: counts.data_misses,
            fetch_misses: counts.fetch_misses,
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
    fn reports_follow_the_schema() {
        assert_valid(&parsed(&sample::profile()));
        assert_valid(&parsed(&sample::misses()));
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
            let mut report = parsed(&sample::profile());
            spoil(&mut report);
            report
        };
        for report in [
            json!({}),
            spoilt(|report| report["surprise"] = json!(1)),
            spoilt(|report| report["schema_version"] = json!(2)),
            spoilt(|report| report["instructions"][0]["surprise"] = json!(1)),
            spoilt(|report| report["instructions"][0]["address"] = json!(4096)),
            spoilt(|report| report["total"]["data"]["misses"] = json!(-1)),
            spoilt(|report| report["detail"] = json!("misses")),
            spoilt(|report| {
                report["functions"][0].as_object_mut().unwrap().remove("reads");
            }),
        ] {
            assert!(!validator.is_valid(&report), "{report:#}");
        }
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
