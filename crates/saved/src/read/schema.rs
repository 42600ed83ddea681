//! The fields of the file that are read. All others are ignored: a later libcache may write more.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// What says whether this is a report at all.
#[derive(Deserialize)]
pub(super) struct Head {
    pub schema: Option<String>,
    pub schema_version: Option<u64>,
    pub libcache: Option<Libcache>,
}

/// The whole file; `R` are the instructions of a machine.
#[derive(Deserialize)]
pub(super) struct Report<R> {
    pub libcache: Libcache,
    pub qemu: Qemu,
    pub guest: Guest,
    pub name: Option<String>,
    pub configuration: Configuration,
    pub detail: Detail,
    pub cores: Vec<Core>,
    pub instructions: R,
    #[serde(default = "Vec::new")]
    pub compared: Vec<Machine<R>>,
}

/// A machine that the run compares.
#[derive(Deserialize)]
pub(super) struct Machine<R> {
    pub name: String,
    pub configuration: Configuration,
    pub detail: Detail,
    pub cores: Vec<Core>,
    pub instructions: R,
    /// Nothing that can be: it compares no machines itself.
    pub compared: Option<IgnoredAny>,
}

#[derive(Deserialize)]
pub(super) struct Libcache {
    pub version: String,
}

#[derive(Deserialize)]
pub(super) struct Qemu {
    pub version: Option<String>,
    pub plugin_api: i32,
    pub command: Vec<String>,
    pub process_id: u32,
}

#[derive(Deserialize)]
pub(super) struct Guest {
    pub target: String,
    pub mode: Mode,
    pub vcpus: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    User,
    System,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(super) enum Detail {
    Misses,
    Full,
}

#[derive(Deserialize)]
pub(super) struct Configuration {
    pub preset: Option<String>,
    pub instruction_cache: Cache,
    pub data_cache: Cache,
    pub l2: Option<L2>,
    pub l3: Option<L3>,
    pub writes: Option<Writes>,
    pub straddle: Straddle,
    pub rw: bool,
    pub summary: bool,
    pub latencies: Option<Latencies>,
    pub seed: u64,
    pub cores: u32,
    pub limit: usize,
    pub attribution: Attribution,
    pub output: String,
}

#[derive(Deserialize)]
pub(super) struct Cache {
    pub size_bytes: u64,
    pub line_bytes: u64,
    pub ways: u32,
    pub policy: String,
}

#[derive(Deserialize)]
pub(super) struct L2 {
    pub size_bytes: u64,
    pub line_bytes: u64,
    pub ways: u32,
    pub policy: String,
    pub split: bool,
    pub inclusion: Inclusion,
}

#[derive(Deserialize)]
pub(super) struct L3 {
    pub size_bytes: u64,
    pub line_bytes: u64,
    pub ways: u32,
    pub policy: String,
    pub inclusion: Inclusion,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Inclusion {
    Nine,
    Inclusive,
    Exclusive,
}

#[derive(Deserialize)]
pub(super) struct Writes {
    pub hit: Hit,
    pub miss: Miss,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Hit {
    Back,
    Through,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Miss {
    Allocate,
    NoAllocate,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Straddle {
    First,
    Split,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Attribution {
    Own,
    Innermost,
    Outermost,
}

#[derive(Deserialize)]
pub(super) struct Latencies {
    pub l1: u32,
    pub l2: u32,
    pub l3: u32,
    pub memory: u32,
}

#[derive(Deserialize)]
pub(super) struct Core {
    #[serde(rename = "core")]
    pub number: usize,
    pub data: Data,
    pub instruction: Counts,
    pub l2: Option<Level>,
    pub l3: Option<Level>,
    pub stores: Option<Stores>,
    pub memory: Option<Memory>,
    pub sets: Option<Sets>,
}

#[derive(Deserialize, Clone, Copy)]
pub(super) struct Counts {
    pub accesses: u64,
    pub misses: u64,
}

#[derive(Deserialize)]
pub(super) struct Data {
    pub accesses: u64,
    pub misses: u64,
    pub writes: Option<Counts>,
}

#[derive(Deserialize)]
pub(super) struct Level {
    pub fetches: Counts,
    pub reads: Counts,
    pub writes: Counts,
    pub written: Option<Counts>,
}

#[derive(Deserialize)]
pub(super) struct Stores {
    pub passed_on: u64,
    pub data_write_backs: u64,
    pub l2_write_backs: Option<u64>,
    pub l3_write_backs: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Memory {
    pub read_bytes: u64,
    pub written_bytes: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Sets {
    pub data_misses: Vec<u64>,
    pub fetch_misses: Vec<u64>,
}

/// One of millions: its texts are those of the file where they have no escapes in them.
#[derive(Deserialize)]
pub(super) struct Instruction<'a> {
    #[serde(borrow)]
    pub address: Text<'a>,
    #[serde(borrow)]
    pub bytes: Text<'a>,
    #[serde(borrow)]
    pub disassembly: Text<'a>,
    #[serde(borrow)]
    pub object: Option<Text<'a>>,
    #[serde(borrow)]
    pub object_address: Option<Text<'a>>,
    #[serde(borrow)]
    pub frames: Vec<Frame<'a>>,
    pub executions: Option<u64>,
    pub reads: Option<u64>,
    pub writes: Option<u64>,
    pub write_misses: Option<u64>,
    pub data_misses: u64,
    pub fetch_misses: u64,
    pub l2_fetch_misses: Option<u64>,
    pub l2_read_misses: Option<u64>,
    pub l2_write_misses: Option<u64>,
    pub l3_fetch_misses: Option<u64>,
    pub l3_read_misses: Option<u64>,
    pub l3_write_misses: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Frame<'a> {
    #[serde(borrow)]
    pub function: Option<Text<'a>>,
    #[serde(borrow)]
    pub file: Option<Text<'a>>,
    pub line: Option<u32>,
}

/// A text that is borrowed where it can be, also in an `Option`.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);
