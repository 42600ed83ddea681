//! Translation: a block of instructions becomes line runs, segments and instruction records.
//!
//! A *run* is a row of instructions of the block in one line of the instruction cache. Only its first
//! fetch can miss and only that one is simulated: whatever follows hits the line accessed last.
//!
//! All of the run's fetches have to be counted, but a run may be left early by an instruction that
//! faults. So it is cut into *segments*, after every instruction that may not complete. The first
//! segment is counted by the run's callback, each further one by something that happens exactly when
//! the instruction before it has completed: its memory callback, if it makes one access, or else a
//! small callback of the segment's first instruction.

pub mod disassembly;
pub mod mapped_files;

use std::collections::HashMap;
use std::ffi::{CStr, c_void};
use std::ptr;
use std::slice;

use cachesim::address::LineAddr;
use cachesim::core::Lines;
use cachesim::instructions::{
    Code, Description, Identity, Instruction, InstructionTable, LineRun, MAX_CODE_BYTES, SymbolId,
};
use cachesim::policy::Repeats;
use cachesim::profile::{Completing, ProfileTable, Segment};
use isa::{Completion, Decoder, TranslationEffect};
use options::{Detail, Options};
use qemu_plugin::TranslationBlock;
use qemu_plugin_sys::qemu_plugin_cb_flags::QEMU_PLUGIN_CB_NO_REGS;
use qemu_plugin_sys::qemu_plugin_mem_rw::QEMU_PLUGIN_MEM_RW;
use qemu_plugin_sys::{
    qemu_plugin_insn, qemu_plugin_insn_symbol, qemu_plugin_register_vcpu_insn_exec_cb,
    qemu_plugin_register_vcpu_mem_cb, qemu_plugin_tb, qemu_plugin_tb_get_insn,
};

use crate::access::{AccessData, CallbackSet, InsnCallback, MemCallback, pack_count, pack_record};
use crate::architectures::Architecture;
use crate::process::syscalls::MappingChange;
use crate::qemu::{Block, Emulation, Qemu};
use crate::translate::disassembly::{Disassembler, Reader, tidied, x86_decoding};
use crate::translate::mapped_files::{MappedFiles, MappingCalls};

/// One instruction of the block at hand.
struct Translated {
    handle: *mut qemu_plugin_insn,
    record: &'static Instruction,
    line: LineAddr,
    completion: Completion,
    translation: TranslationEffect,
}

/// One instruction of the block at hand, as far as reading it goes.
struct Read {
    handle: *mut qemu_plugin_insn,
    identity: Identity,
    vaddr: u64,
}

/// Instruments blocks, and knows all instructions of the run.
pub struct Translator {
    decoder: Box<dyn Decoder>,
    lines: Lines,
    /// Whether the instruction cache's policy tells repeated fetches from a line.
    repeats: Repeats,
    /// Whether fetches that an access counts are looked at if it misses.
    refetches: bool,
    disassembler: Disassembler,
    /// Whether QEMU calls the memory callback of a block's last instruction for accesses that follow
    /// the block: those of an interrupt's delivery, in system mode up to QEMU 8.2. They count.
    last_has_stray_accesses: bool,
    instructions: InstructionTable,
    /// Tells which instructions cannot be disassembled later; `None` where none can.
    reader: Option<Reader>,
    /// Their texts, which QEMU made at translation.
    texts: HashMap<*const Instruction, Box<str>>,
    /// The blocks' symbols come from a few strings of QEMU's; the last one seen and its id here.
    last_symbol: (usize, SymbolId),
    records: Records,
    /// The files of a program, where they are asked for.
    files: Option<MappedFiles>,
    read: Vec<Read>,
    block: Vec<Translated>,
}

/// Instructions in words.
pub struct Texts<'a> {
    /// As QEMU told them.
    kept: &'a HashMap<*const Instruction, Box<str>>,
    /// From their bytes.
    reader: Option<Reader>,
}

impl Texts<'_> {
    /// An instruction's disassembly.
    pub fn text(&mut self, instruction: &'static Instruction) -> String {
        match (self.kept.get(&ptr::from_ref(instruction)), &mut self.reader) {
            (Some(kept), _) => kept.to_string(),
            (None, Some(reader)) => reader.text(instruction),
            (None, None) => String::new(),
        }
    }
}

/// What callbacks are told by.
enum Records {
    /// Instructions and runs, with a number.
    Numbered,
    /// Records that count in full.
    InFull(Box<ProfileTable>),
}

// SAFETY: the pointers in `read` and `block` are used while `translate` runs and forgotten at its
// end; `texts` and `last_symbol` use addresses as keys only.
unsafe impl Send for Translator {}

impl Translator {
    /// Nothing translated yet.
    pub fn new(
        qemu: &Qemu,
        decoder: Box<dyn Decoder>,
        options: &Options,
        calls: MappingCalls,
    ) -> Self {
        let machines = options.machines();
        let disassembler = Architecture::of_target(&qemu.target).disassembler;
        let has_files = options.needs_locations() && qemu.emulation == Emulation::User;
        Self {
            last_has_stray_accesses: qemu.api <= 1 && qemu.emulation != Emulation::User,
            decoder,
            lines: machines.lines(),
            repeats: machines.fetch_repeats(),
            refetches: machines.refetch(),
            disassembler,
            reader: disassembler.reader(),
            instructions: InstructionTable::new(machines),
            texts: HashMap::new(),
            last_symbol: (0, SymbolId::NONE),
            records: match options.detail {
                Detail::Misses => Records::Numbered,
                Detail::Full => Records::InFull(Box::default()),
            },
            files: has_files.then(|| MappedFiles::new(calls)),
            read: Vec::new(),
            block: Vec::new(),
        }
    }

    /// The records that count in full, if it is done.
    pub fn profile(&self) -> Option<&ProfileTable> {
        match &self.records {
            Records::Numbered => None,
            Records::InFull(table) => Some(table),
        }
    }

    /// All instructions of the run.
    pub fn instructions(&self) -> &InstructionTable {
        &self.instructions
    }

    /// The files that a program's code comes from, where they are asked for.
    pub fn files(&self) -> Option<&MappedFiles> {
        self.files.as_ref()
    }

    /// The program may change what is mapped.
    pub fn mappings_may_change(&mut self, change: MappingChange) {
        if let Some(files) = &mut self.files {
            files.may_change(change);
        }
    }

    /// What instructions are in words.
    pub fn texts(&self) -> Texts<'_> {
        Texts { kept: &self.texts, reader: self.disassembler.reader() }
    }

    /// Instruments the block that QEMU has just translated.
    pub fn translate(&mut self, qemu: &Qemu, block: Block<'_>, callbacks: &CallbackSet) {
        self.read_block(qemu, block.tb());
        self.find_records(block.tb());
        self.register(callbacks);
        self.read.clear();
        self.block.clear();
    }

    fn read_block(&mut self, qemu: &Qemu, tb: *mut qemu_plugin_tb) {
        let block = TranslationBlock::from(tb);
        let mut page = None;
        for (index, insn) in block.instructions().enumerate() {
            // SAFETY: the block is being translated and has an instruction of this index.
            let handle = unsafe { qemu_plugin_tb_get_insn(tb, index) };
            let vaddr = insn.vaddr();
            let fetch_address = match qemu.emulation {
                Emulation::User => vaddr,
                Emulation::System { .. } => {
                    physical(qemu, &mut page, vaddr).unwrap_or_else(|| insn.haddr())
                }
            };
            let mut bytes = [0; MAX_CODE_BYTES];
            // SAFETY: `handle` is of this block, and QEMU gives its size.
            let len = unsafe { qemu.insn_bytes(handle, insn.size(), &mut bytes) };
            let identity = Identity { fetch_address, code: Code::new(&bytes[..len]) };
            self.read.push(Read { handle, identity, vaddr });
        }
    }

    fn find_records(&mut self, tb: *mut qemu_plugin_tb) {
        let Self {
            decoder,
            lines,
            last_has_stray_accesses,
            instructions,
            reader,
            texts,
            last_symbol,
            files,
            read,
            block,
            ..
        } = self;
        decoder.begin(&mut read.iter().map(|insn| (insn.vaddr, insn.identity.code.as_bytes())));
        let decoding = decoder.x86_mode().map_or(0, x86_decoding);
        for (index, &Read { handle, identity, vaddr }) in read.iter().enumerate() {
            let effects = decoder.effects(identity.code.as_bytes());
            let mut is_new = false;
            let record = instructions.get_or_insert(identity, |symbols| {
                is_new = true;
                // SAFETY: `handle` is of the block being translated.
                let name = unsafe { qemu_plugin_insn_symbol(handle) };
                if name.addr() != last_symbol.0 {
                    let id = if name.is_null() {
                        SymbolId::NONE
                    } else {
                        // SAFETY: QEMU keeps its symbols' names, NUL-terminated, until it ends.
                        symbols.intern(&unsafe { CStr::from_ptr(name) }.to_string_lossy())
                    };
                    *last_symbol = (name.addr(), id);
                }
                Description { vaddr, decoding, symbol: last_symbol.1 }
            });
            if is_new && !reader.as_mut().is_some_and(|reader| reader.knows(record)) {
                let block = TranslationBlock::from(tb);
                if let Ok(text) = block.instruction(index).and_then(|insn| insn.disas()) {
                    let text = match reader {
                        Some(_) => tidied(&text, identity.code.as_bytes()),
                        None => text,
                    };
                    texts.insert(record, text.into());
                }
            }
            if is_new
                && let Some(files) = files
                && let Ok(host) = TranslationBlock::from(tb).instruction(index)
            {
                files.note(record, host.haddr());
            }
            let completion = match effects.completion {
                // It may be followed by what accesses memory in its name.
                Completion::NoAccess if *last_has_stray_accesses => Completion::Unknown,
                completion => completion,
            };
            block.push(Translated {
                handle,
                record,
                line: lines.fetch_line(identity.fetch_address),
                completion,
                translation: effects.may_change_translation,
            });
        }
    }

    fn register(&mut self, callbacks: &CallbackSet) {
        let Self { instructions, records, .. } = self;
        for row in self.block.chunk_by(|insn, next| insn.line == next.line) {
            let mut register =
                |row| register_row(row, callbacks, instructions, records, self.refetches);
            let mut segments = row.split_inclusive(|insn| insn.completion != Completion::Always);
            // What a callback stands for beside its own fetches is counted, but not simulated.
            match self.repeats {
                Repeats::ChangeNothing if self.refetches => {
                    let cut = |insn: &Translated| {
                        matches!(insn.completion, Completion::LoadThenStore | Completion::Unknown)
                    };
                    row.split_inclusive(cut).for_each(register);
                }
                Repeats::ChangeNothing => register(row),
                // A row's second fetch is the last that can matter.
                Repeats::ChangeFilled => match segments.next() {
                    Some([alone]) if row.len() > 1 => {
                        register(slice::from_ref(alone));
                        register(&row[1..]);
                    }
                    _ => register(row),
                },
                Repeats::Count => segments.for_each(register),
            }
        }
        if self.last_has_stray_accesses
            && let Some(last) = self.block.last()
            && last.completion == Completion::Always
        {
            // The others have one in any case: none is `NoAccess` here.
            on_memory(last, callbacks.access, self.records.access(last, &[]));
        }
    }
}

impl Records {
    /// Of a run that begins with `segment`.
    fn run(&mut self, run: &'static LineRun, segment: &[Translated]) -> *mut c_void {
        match self {
            Self::Numbered => pack_record(run),
            Self::InFull(table) => {
                let segment = segment_in(table, segment);
                pack_record(table.run(run, segment))
            }
        }
    }

    /// Of a segment that nothing else counts.
    fn segment(&mut self, segment: &[Translated]) -> *mut c_void {
        match self {
            Self::Numbered => pack_count(fetches(segment.len())),
            Self::InFull(table) => pack_record(segment_in(table, segment)),
        }
    }

    /// Of an instruction that accesses memory, whose access counts the segment `then`.
    fn access(&mut self, insn: &Translated, then: &[Translated]) -> *mut c_void {
        match self {
            Self::Numbered => packed(insn.record, then.len()),
            Self::InFull(table) => {
                let then = (!then.is_empty()).then(|| segment_in(table, then));
                let completing = match insn.completion {
                    Completion::LoadThenStore => Completing::Store,
                    _ => Completing::AnyAccess,
                };
                pack_record(table.access(insn.record, then, completing))
            }
        }
    }
}

fn segment_in(table: &mut ProfileTable, segment: &[Translated]) -> &'static Segment {
    table.segment(segment.iter().map(|insn| insn.record))
}

/// The offset within a stretch of addresses that no guest's page is smaller than.
const OFFSET: u64 = (1 << 8) - 1;

/// The guest-physical address of an instruction, where QEMU gives it. `page` keeps the answer for the
/// instructions that follow it.
fn physical(qemu: &Qemu, page: &mut Option<(u64, Option<u64>)>, vaddr: u64) -> Option<u64> {
    if !qemu.translates() {
        return None;
    }
    let base = vaddr & !OFFSET;
    let translated = match *page {
        Some((known, translated)) if known == base => translated,
        _ => qemu.translate_vaddr(base),
    };
    *page = Some((base, translated));
    Some(translated? | vaddr & OFFSET)
}

/// Registers the callbacks of instructions in one line, the first fetch of which is simulated.
fn register_row(
    row: &[Translated],
    callbacks: &CallbackSet,
    instructions: &mut InstructionTable,
    records: &mut Records,
    refetches: bool,
) {
    for insn in row {
        match insn.translation {
            TranslationEffect::None => {}
            TranslationEffect::ThisVcpu => {
                on_execution(insn, callbacks.translation_changes, ptr::null_mut());
            }
            TranslationEffect::AllVcpus => {
                on_execution(insn, callbacks.all_translations_change, ptr::null_mut());
            }
        }
    }
    let mut counted_by = CountedBy::Fetch;
    for segment in row.split_inclusive(|insn| insn.completion != Completion::Always) {
        counted_by.register(segment, callbacks, instructions, records);
        if refetches && let (CountedBy::Access(insn), Some(first)) = (&counted_by, segment.first())
        {
            let run = instructions.run(first.record, first.line, fetches(segment.len()));
            insn.record.set_then(run);
        }
        if let Some(last) = segment.last() {
            counted_by = CountedBy::after(last, callbacks, records);
        }
    }
    // The last instruction's access, after which nothing is counted.
    counted_by.register(&[], callbacks, instructions, records);
}

/// What counts a segment's fetches.
enum CountedBy<'a> {
    /// The callback that simulates the run's first fetch.
    Fetch,
    /// The memory callback of the instruction before it, which makes one access or, if it makes a load and
    /// a store, completes with the latter.
    Access(&'a Translated),
    /// A callback of its own.
    Itself,
}

impl<'a> CountedBy<'a> {
    /// What counts the segment that follows `insn`, the last one of a segment and the only one of it that
    /// may access memory.
    fn after(insn: &'a Translated, callbacks: &CallbackSet, records: &mut Records) -> Self {
        match insn.completion {
            Completion::Always | Completion::NoAccess => Self::Itself,
            Completion::OneAccess | Completion::LoadThenStore => Self::Access(insn),
            Completion::Unknown => {
                on_memory(insn, access_callback(insn, callbacks), records.access(insn, &[]));
                Self::Itself
            }
        }
    }

    /// Registers the callback for `segment`.
    fn register(
        &self,
        segment: &[Translated],
        callbacks: &CallbackSet,
        instructions: &mut InstructionTable,
        records: &mut Records,
    ) {
        match *self {
            Self::Fetch => {
                let Some(first) = segment.first() else { return };
                let fetched = fetches(segment.len());
                let run = instructions.run(first.record, first.line, fetched);
                on_execution(first, callbacks.fetch, records.run(run, segment));
            }
            Self::Access(insn) => {
                let callback = access_callback(insn, callbacks);
                on_memory(insn, callback, records.access(insn, segment));
            }
            Self::Itself => {
                let Some(first) = segment.first() else { return };
                on_execution(first, callbacks.count, records.segment(segment));
            }
        }
    }
}

/// The callback for the accesses of one instruction.
fn access_callback(insn: &Translated, callbacks: &CallbackSet) -> MemCallback {
    match (insn.completion, insn.translation) {
        // One callback that asks, not one for loads and one for stores: with two, QEMU 7.2 calls
        // both for some accesses.
        (Completion::LoadThenStore, _) => callbacks.access_of_two,
        (_, TranslationEffect::None) => callbacks.access,
        // What it accessed before the change must not be remembered after it.
        (_, TranslationEffect::ThisVcpu | TranslationEffect::AllVcpus) => callbacks.access_uncached,
    }
}

/// The user data of a callback.
fn packed(instruction: &'static Instruction, fetched: usize) -> *mut c_void {
    AccessData { instruction, fetches: fetches(fetched) }
        .pack()
        .expect("hosts give out addresses below 2^48")
}

/// A number of instructions of one block, of which QEMU puts at most a few hundred into one.
fn fetches(instructions: usize) -> u16 {
    u16::try_from(instructions).expect("a block is shorter than 65,536 instructions")
}

fn on_memory(insn: &Translated, callback: MemCallback, userdata: *mut c_void) {
    // SAFETY: the handle is of the block being translated; the callback has QEMU's type and finds in
    // the user data what it expects.
    unsafe {
        qemu_plugin_register_vcpu_mem_cb(
            insn.handle,
            Some(callback),
            QEMU_PLUGIN_CB_NO_REGS,
            QEMU_PLUGIN_MEM_RW,
            userdata,
        );
    }
}

fn on_execution(insn: &Translated, callback: InsnCallback, userdata: *mut c_void) {
    // SAFETY: as in `on_memory`.
    unsafe {
        qemu_plugin_register_vcpu_insn_exec_cb(
            insn.handle,
            Some(callback),
            QEMU_PLUGIN_CB_NO_REGS,
            userdata,
        );
    }
}
