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
//!
//! A run that compares machines has, beside what its own machine's run would have alone, what each of the others
//! has counted, in `compared`.

mod comparison;
mod configuration;
mod layout;
#[cfg(test)]
mod tests;
mod totals;

use std::cell::Cell;
use std::io::{self, Write};

use options::GuestMode;
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap as _, SerializeSeq as _},
};
use source::{Frame, Function};

use self::configuration::{Configuration, Latencies};
use self::layout::{DEEPEST_ROWS, Layout};
use self::totals::{Core, Total};
use crate::settings::Lower;
use crate::{
    Comparison, CoreSnapshot, Costs, Detail, FullProfile, FunctionRow, InstructionCounts, LineRow,
    MissesByKind, Profile, ProfiledInstruction, RunDescription, by_function, by_line, hex,
};

/// The version of the schema.
pub const SCHEMA_VERSION: u32 = 3;

/// Writes the whole file. Without [`Detail::Full`] it has no fields for executions,
/// loads and stores, and only the instructions that missed.
///
/// # Errors
/// Those of `out`.
pub fn write(profile: &Profile, out: &mut dyn Write) -> io::Result<()> {
    let comparison = Comparison::of_profile(profile);
    let deepest_rows = Cell::new(DEEPEST_ROWS);
    let fields = Fields::of(profile);
    let report = Report {
        schema: "libcache",
        schema_version: SCHEMA_VERSION,
        libcache: Libcache { version: &profile.run.version },
        qemu: Qemu::of(&profile.run),
        guest: Guest::of(&profile.run),
        comparison: comparison.as_ref().map(comparison::rows),
        machine: match &comparison {
            Some(_) => Machine::compared(profile.run.options.name(), profile, &fields),
            None => Machine::of(profile, &fields, Latencies::OfCosts),
        },
        compared: comparison.as_ref().map(|_| Others { profile, deepest_rows: &deepest_rows }),
    };
    let layout = Layout::new(&deepest_rows);
    report.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, layout))?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    schema_version: u32,
    libcache: Libcache<'a>,
    qemu: Qemu<'a>,
    guest: Guest<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Vec<comparison::Row<'a>>>,
    #[serde(flatten)]
    machine: Machine<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<Others<'a>>,
}

/// What one machine has counted.
#[derive(Serialize)]
struct Machine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    configuration: Configuration,
    detail: &'static str,
    cores: Vec<Core<'a>>,
    total: Total,
    #[serde(serialize_with = "Rows::instructions")]
    instructions: Rows<'a>,
    #[serde(serialize_with = "Rows::functions")]
    functions: Rows<'a>,
    #[serde(serialize_with = "Rows::lines")]
    lines: Rows<'a>,
}

/// The machines that the run compares.
struct Others<'a> {
    profile: &'a Profile,
    /// That of the [`Layout`].
    deepest_rows: &'a Cell<usize>,
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

/// The rows of a profile. Each is made when it is written: there may be millions.
#[derive(Clone, Copy)]
struct Rows<'a> {
    profile: &'a Profile,
    fields: &'a Fields,
}

/// What a row has beside the misses of the first level.
struct Fields {
    detail: Detail,
    levels: Vec<Lower>,
    costs: Option<Costs>,
}

#[derive(Serialize)]
struct InstructionView<'a> {
    address: String,
    bytes: String,
    disassembly: &'a str,
    object: Option<&'a str>,
    object_address: Option<String>,
    frames: Vec<FrameView<'a>>,
    #[serde(flatten)]
    counts: Counts<'a>,
}

#[derive(Serialize)]
struct FrameView<'a> {
    function: Option<&'a str>,
    file: Option<&'a str>,
    line: Option<u32>,
}

#[derive(Serialize)]
struct FunctionView<'a> {
    #[serde(flatten)]
    function: FunctionName<'a>,
    file: Option<&'a str>,
    #[serde(flatten)]
    counts: Counts<'a>,
}

#[derive(Serialize)]
struct LineView<'a> {
    file: Option<&'a str>,
    line: Option<u32>,
    #[serde(flatten)]
    function: FunctionName<'a>,
    #[serde(flatten)]
    counts: Counts<'a>,
}

#[derive(Serialize)]
struct FunctionName<'a> {
    function: Option<&'a str>,
    inlined_into: Option<&'a str>,
    object: Option<&'a str>,
}

struct Counts<'a> {
    counts: InstructionCounts,
    fields: &'a Fields,
}

impl<'a> Machine<'a> {
    /// One of several, called `name`.
    fn compared(name: &'a str, profile: &'a Profile, fields: &'a Fields) -> Self {
        Self { name: Some(name), ..Self::of(profile, fields, Latencies::Always) }
    }

    fn of(profile: &'a Profile, fields: &'a Fields, latencies: Latencies) -> Self {
        let options = &profile.run.options;
        let total: CoreSnapshot = profile.cores.iter().map(|core| &core.counts).sum();
        let rows = Rows { profile, fields };
        Self {
            name: None,
            configuration: Configuration::of(options, latencies),
            detail: match fields.detail {
                Detail::Misses => "misses",
                Detail::Full => "full",
            },
            cores: profile.cores.iter().enumerate().map(|core| Core::of(core, options)).collect(),
            total: Total::of(&total, options),
            instructions: rows,
            functions: rows,
            lines: rows,
        }
    }
}

impl Serialize for Others<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Profile { run, compared, .. } = self.profile;
        let names = run.options.compared.iter().map(|machine| &*machine.name);
        let mut sequence = serializer.serialize_seq(None)?;
        for (name, profile) in names.zip(compared) {
            // Its rows are two deeper than the run's own.
            self.deepest_rows.set(DEEPEST_ROWS + 2);
            let result =
                sequence.serialize_element(&Machine::compared(name, profile, &Fields::of(profile)));
            self.deepest_rows.set(DEEPEST_ROWS);
            result?;
        }
        sequence.end()
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

impl Rows<'_> {
    fn instructions<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = self.profile.instructions.iter();
        serializer.collect_seq(rows.map(|row| InstructionView::of(row, self.fields)))
    }

    fn functions<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = by_function(self.profile);
        serializer.collect_seq(rows.iter().map(|row| FunctionView::of(row, self.fields)))
    }

    fn lines<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = by_line(self.profile);
        serializer.collect_seq(rows.iter().map(|row| LineView::of(row, self.fields)))
    }
}

impl Fields {
    fn of(profile: &Profile) -> Self {
        let detail =
            if FullProfile::new(profile).is_some() { Detail::Full } else { Detail::Misses };
        let options = &profile.run.options;
        Self { detail, levels: Lower::of(&options.config).collect(), costs: Costs::of(options) }
    }
}

impl<'a> InstructionView<'a> {
    fn of(instruction: &'a ProfiledInstruction, fields: &'a Fields) -> Self {
        Self {
            address: hex::address(instruction.vaddr),
            bytes: hex::bytes(&instruction.code),
            disassembly: &instruction.disassembly,
            object: instruction.location.object.as_deref(),
            object_address: instruction.object_address.map(hex::address),
            frames: instruction.location.frames.iter().map(FrameView::of).collect(),
            counts: Counts { counts: instruction.counts, fields },
        }
    }
}

impl<'a> FrameView<'a> {
    fn of(frame: &'a Frame) -> Self {
        Self { function: frame.function.as_deref(), file: frame.file.as_deref(), line: frame.line }
    }
}

impl<'a> FunctionView<'a> {
    fn of(row: &'a FunctionRow, fields: &'a Fields) -> Self {
        Self {
            function: FunctionName::of(&row.function),
            file: row.file.as_deref(),
            counts: Counts { counts: row.counts, fields },
        }
    }
}

impl<'a> LineView<'a> {
    fn of(row: &'a LineRow, fields: &'a Fields) -> Self {
        Self {
            file: row.line.file.as_deref(),
            line: row.line.line,
            function: FunctionName::of(&row.line.function),
            counts: Counts { counts: row.counts, fields },
        }
    }
}

impl<'a> FunctionName<'a> {
    fn of(function: &'a Function) -> Self {
        Self {
            function: function.name.as_deref(),
            inlined_into: function.inlined_into.as_deref(),
            object: function.object.as_deref(),
        }
    }
}

impl Serialize for Counts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { counts, fields } = self;
        let mut map = serializer.serialize_map(None)?;
        if fields.detail == Detail::Full
            && let (Some(executed), Some(read_misses)) = (counts.executed, counts.read_misses())
        {
            map.serialize_entry("executions", &executed.executions)?;
            map.serialize_entry("reads", &executed.reads)?;
            map.serialize_entry("read_misses", &read_misses)?;
            map.serialize_entry("writes", &executed.writes)?;
            map.serialize_entry("write_misses", &executed.write_misses)?;
        }
        map.serialize_entry("data_misses", &counts.data_misses)?;
        map.serialize_entry("fetch_misses", &counts.fetch_misses)?;
        for level in &fields.levels {
            let MissesByKind { fetch, read, write } = level.misses(counts);
            for (name, misses) in level.miss_fields().into_iter().zip([fetch, read, write]) {
                map.serialize_entry(name, &misses)?;
            }
        }
        if let Some(costs) = &fields.costs {
            map.serialize_entry("stall_cycles", &costs.total(counts))?;
        }
        map.end()
    }
}
