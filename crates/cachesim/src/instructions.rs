//! The guest's instructions and the misses each of them caused.
//!
//! An instruction is known by where its code is and by its bytes. The reference knows it by the address
//! alone, so that code rewritten at the same address is counted under the text of what was there
//! first; here it becomes another instruction. Translating the same code again finds the same record,
//! so memory grows with distinct code only.
//!
//! Records are never freed or moved while the table lives: translated code holds their addresses.

use std::hash::{BuildHasher, Hash, Hasher};
use std::mem::MaybeUninit;
use std::sync::{Arc, OnceLock};

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};

use crate::address::LineAddr;
use crate::config::Config;
use crate::machines::Machines;
use crate::model::{Access, Kind, Misses};
use crate::stats::Counter;

/// The longest instruction of any guest, in bytes (x86).
pub const MAX_CODE_BYTES: usize = 15;

/// The bytes of one instruction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Code {
    bytes: [u8; MAX_CODE_BYTES],
    len: u8,
}

impl Code {
    /// The first [`MAX_CODE_BYTES`] bytes of `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        let len = bytes.len().min(MAX_CODE_BYTES);
        let mut code = Self::default();
        code.bytes[..len].copy_from_slice(&bytes[..len]);
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_CODE_BYTES")]
        {
            code.len = len as u8;
        }
        code
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// What is known of an instruction when it is translated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The address the instruction cache sees.
    pub fetch_address: u64,
    /// The instruction's bytes.
    pub code: Code,
}

impl Identity {
    fn hash(&self, state: &FixedState) -> u64 {
        let mut hasher = state.build_hasher();
        self.fetch_address.hash(&mut hasher);
        self.code.hash(&mut hasher);
        hasher.finish()
    }
}

/// A symbol's name, by its number in the table that gave it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SymbolId(u32);

impl SymbolId {
    /// No symbol.
    pub const NONE: Self = Self(0);
}

/// One instruction.
#[derive(Debug)]
pub struct Instruction {
    /// Where it is, and its bytes.
    pub identity: Identity,
    /// How to decode the bytes again; the meaning is the guest architecture's.
    pub decoding: u8,
    /// The symbol it belongs to.
    pub symbol: SymbolId,
    /// Its guest-virtual address when it was first translated.
    pub vaddr: u64,
    /// Its misses in the run's own machine.
    pub misses: MissCounters,
    /// The same of the machines that this is compared with.
    compared: &'static [MissCounters],
    run: OnceLock<&'static LineRun>,
    /// See [`Instruction::then`].
    then: OnceLock<&'static LineRun>,
}

impl Instruction {
    /// Its misses in a machine of the run, by its number: 0 is the run's own.
    #[inline]
    pub fn misses_in(&self, machine: usize) -> &MissCounters {
        match machine {
            0 => &self.misses,
            _ => &self.compared[machine - 1],
        }
    }

    /// The fetches of the same line that follow this instruction, where they are looked at:
    /// [`Machines::refetch`].
    pub fn then(&self) -> Option<&'static LineRun> {
        self.then.get().copied()
    }

    /// These fetches follow it. What was said first stays: it is of the same line.
    pub fn set_then(&self, run: &'static LineRun) {
        self.then.get_or_init(|| run);
    }
}

/// One instruction's misses in one machine.
#[derive(Debug, Default)]
pub struct MissCounters {
    /// Loads and stores that missed.
    pub data: Counter,
    /// Those of them that are stores.
    pub write: Counter,
    /// Fetches that missed.
    pub fetch: Counter,
    /// Misses of what is beyond the first level, in a machine that has any.
    pub lower: Option<&'static LowerCounters>,
}

impl MissCounters {
    fn new(config: &Config) -> Self {
        Self { lower: config.lower().map(|_| &*Box::leak(Box::default())), ..Self::default() }
    }
}

/// One instruction's misses of the second and the third level: fetches, loads, stores.
#[derive(Debug, Default)]
pub struct LowerCounters([[Counter; 3]; 2]);

impl LowerCounters {
    /// The counters of an access that these levels missed.
    #[inline(always)]
    pub fn missed(&self, misses: Misses) -> impl Iterator<Item = &Counter> {
        let levels = self.0.iter().take(misses.levels().saturating_sub(1));
        levels.filter_map(move |level| level.get(misses.purpose() as usize))
    }

    /// The misses of the second and of the third level.
    pub fn get(&self) -> [[u64; 3]; 2] {
        self.0.each_ref().map(|level| level.each_ref().map(Counter::get))
    }
}

/// An instruction that begins a row of fetches from one line, with what its callback needs at every
/// execution. Runs lie closer together than instructions, of which only the first of a row has one.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct LineRun {
    /// The line the instruction is in.
    pub line: LineAddr,
    /// The instruction.
    pub instruction: &'static Instruction,
    /// The fetches that the row's callback stands for: 1 to 65,535.
    pub fetches: u64,
}

impl LineRun {
    /// The fetches, as the model wants to know them.
    #[inline(always)]
    pub fn access(&self) -> Access {
        let Self { line, instruction, fetches } = *self;
        #[expect(clippy::cast_possible_truncation, reason = "see `fetches`")]
        let extent = fetches as u16;
        Access { kind: Kind::Fetch, line, address: instruction.identity.fetch_address, extent }
    }
}

/// All instructions translated so far.
#[derive(Debug)]
pub struct InstructionTable {
    hasher: FixedState,
    index: HashTable<&'static Instruction>,
    /// Where misses are counted.
    machines: Machines,
    /// The part of the newest chunk that has not been handed out.
    chunk: Chunk<Instruction>,
    runs: Chunk<LineRun>,
    /// Rows that begin with an instruction whose own row stands for another number of fetches, by that
    /// instruction's address.
    other_line_runs: HashMap<(usize, u64), &'static LineRun, FixedState>,
    symbols: Vec<Arc<str>>,
    symbol_ids: HashMap<Arc<str>, SymbolId, FixedState>,
}

/// The length of a chunk. The C library maps memory for so much at once, as it does for QEMU's translated
/// code: near that an address takes three bytes less there.
const CHUNK_BYTES: usize = 256 << 10;

/// Memory that is handed out piece by piece, and never given back.
type Chunk<T> = std::slice::IterMut<'static, MaybeUninit<T>>;

/// Puts `value` into the chunk, or into a new one if it is used up.
fn keep<T>(chunk: &mut Chunk<T>, value: T) -> &'static T {
    let room = chunk.next().unwrap_or_else(|| {
        let fresh = Box::leak(Box::new_uninit_slice(CHUNK_BYTES / size_of::<T>()));
        let (first, rest) = fresh.split_first_mut().expect("a chunk is not empty");
        *chunk = rest.iter_mut();
        first
    });
    room.write(value)
}

impl InstructionTable {
    /// An empty one, of a run of these machines.
    pub fn new(machines: Machines) -> Self {
        Self {
            hasher: FixedState::default(),
            index: HashTable::new(),
            machines,
            chunk: [].iter_mut(),
            runs: [].iter_mut(),
            other_line_runs: HashMap::with_hasher(FixedState::default()),
            symbols: Vec::new(),
            symbol_ids: HashMap::with_hasher(FixedState::default()),
        }
    }

    /// The record of the instruction `identity`. Where there is none yet, `describe` gives its
    /// address, decoding and symbol.
    pub fn get_or_insert(
        &mut self,
        identity: Identity,
        describe: impl FnOnce(&mut Symbols<'_>) -> Description,
    ) -> &'static Instruction {
        let hash = identity.hash(&self.hasher);
        if let Some(known) = self.index.find(hash, |other| other.identity == identity) {
            return known;
        }
        let Description { vaddr, decoding, symbol } =
            describe(&mut Symbols { names: &mut self.symbols, ids: &mut self.symbol_ids });
        let compared = self.machines.compared();
        let instruction = keep(
            &mut self.chunk,
            Instruction {
                identity,
                decoding,
                symbol,
                vaddr,
                misses: MissCounters::new(self.machines.own()),
                compared: Box::leak(compared.iter().map(MissCounters::new).collect()),
                run: OnceLock::new(),
                then: OnceLock::new(),
            },
        );
        let hasher = &self.hasher;
        self.index.insert_unique(hash, instruction, |other| other.identity.hash(hasher));
        instruction
    }

    /// The row of `fetches` from `line` that `instruction` begins.
    pub fn run(
        &mut self,
        instruction: &'static Instruction,
        line: LineAddr,
        fetches: u16,
    ) -> &'static LineRun {
        let Self { runs, other_line_runs, .. } = self;
        let fetches = u64::from(fetches);
        let mut new = || keep(runs, LineRun { line, instruction, fetches });
        let run = *instruction.run.get_or_init(&mut new);
        if run.fetches == fetches {
            return run;
        }
        let key = (std::ptr::from_ref(instruction).addr(), fetches);
        other_line_runs.entry(key).or_insert_with(new)
    }

    /// All instructions, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &'static Instruction> + '_ {
        self.index.iter().copied()
    }

    /// How many distinct instructions there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether nothing has been translated yet.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The name behind an id of this table.
    pub fn symbol(&self, id: SymbolId) -> Option<&Arc<str>> {
        self.symbols.get((id.0 as usize).checked_sub(1)?)
    }
}

/// What a new record says of its instruction.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// See [`Instruction::vaddr`].
    pub vaddr: u64,
    /// See [`Instruction::decoding`].
    pub decoding: u8,
    /// See [`Instruction::symbol`].
    pub symbol: SymbolId,
}

/// The table's symbol names, each stored once.
#[derive(Debug)]
pub struct Symbols<'table> {
    names: &'table mut Vec<Arc<str>>,
    ids: &'table mut HashMap<Arc<str>, SymbolId, FixedState>,
}

impl Symbols<'_> {
    /// The id of `name`.
    pub fn intern(&mut self, name: &str) -> SymbolId {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let Ok(number) = u32::try_from(self.names.len() + 1) else {
            return SymbolId::NONE;
        };
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.ids.insert(name, SymbolId(number));
        SymbolId(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(fetch_address: u64, code: &[u8]) -> Identity {
        Identity { fetch_address, code: Code::new(code) }
    }

    fn describe(vaddr: u64) -> impl FnOnce(&mut Symbols<'_>) -> Description {
        move |symbols| Description { vaddr, decoding: 0, symbol: symbols.intern("f") }
    }

    #[test]
    fn the_same_code_translated_again_is_the_same_instruction() {
        let mut table = InstructionTable::new(Machines::from(&Config::default()));
        let first = table.get_or_insert(identity(0x1000, &[1, 2]), describe(0x1000));
        let again = table.get_or_insert(identity(0x1000, &[1, 2]), |_| panic!("known"));
        assert!(std::ptr::eq(first, again));
        assert_eq!(table.len(), 1);
        assert_eq!(table.symbol(first.symbol).map(AsRef::as_ref), Some("f"));
        assert_eq!(table.symbol(SymbolId::NONE), None);
    }

    #[test]
    fn code_rewritten_at_the_same_address_is_another_instruction() {
        let mut table = InstructionTable::new(Machines::from(&Config::default()));
        let first = table.get_or_insert(identity(0x1000, &[1, 2]), describe(0x1000));
        let other = table.get_or_insert(identity(0x1000, &[1, 2, 0]), describe(0x1000));
        assert!(!std::ptr::eq(first, other));
        assert_eq!(first.symbol, other.symbol);
    }

    #[test]
    fn records_stay_where_they_are_while_the_table_grows() {
        let mut table = InstructionTable::new(Machines::from(&Config::default()));
        let first = table.get_or_insert(identity(0, &[0]), describe(0));
        first.misses.data.add(1);
        let several_chunks = 2 * CHUNK_BYTES / size_of::<Instruction>();
        for fetch_address in 1..=several_chunks as u64 {
            table.get_or_insert(identity(fetch_address, &[0]), describe(fetch_address));
        }
        let found = table.get_or_insert(identity(0, &[0]), |_| panic!("known"));
        assert_eq!(found.misses.data.get(), 1);
        assert_eq!(table.iter().count(), several_chunks + 1);
    }
}
