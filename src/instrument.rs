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
//!
//! Accesses at fixed distances from each other may be a *group* (see [`cachesim::groups`]): then the first
//! one's callback stands for all of them and counts the segments after each.

use std::collections::HashMap;
use std::ffi::{CStr, c_void};
use std::iter::Peekable;
use std::ptr;

use cachesim::address::LineAddr;
use cachesim::core::Lines;
use cachesim::groups::{AccessGroup, Extent, GroupTable, GroupedAccess};
use cachesim::instructions::{
    Code, Description, Identity, Instruction, InstructionTable, MAX_CODE_BYTES, Run, SymbolId,
};
use cachesim::options::{Config, Detail};
use cachesim::policy::Repeats;
use cachesim::profile::{Completing, ProfileTable, Segment};
use isa::{Completion, Isa, Operand, TranslationEffect};
use qemu_plugin::TranslationBlock;
use qemu_plugin_sys::qemu_plugin_cb_flags::QEMU_PLUGIN_CB_NO_REGS;
use qemu_plugin_sys::qemu_plugin_mem_rw::QEMU_PLUGIN_MEM_RW;
use qemu_plugin_sys::{
    qemu_plugin_insn, qemu_plugin_insn_symbol, qemu_plugin_register_vcpu_insn_exec_cb,
    qemu_plugin_register_vcpu_mem_cb, qemu_plugin_tb, qemu_plugin_tb_get_insn,
};

use crate::api::{Emulation, Qemu};
use crate::callbacks::{CallbackSet, InsnCallback, MemCallback};
use crate::disassembly::{Disassembler, Reader, tidied, x86_decoding};
use crate::places::{MappedFiles, MappingCalls};
use crate::probe;
use crate::rounding::RoundingTable;
use crate::process::syscalls::MappingChange;
use crate::userdata::{UserData, pack_count, pack_record};

/// One instruction of the block at hand.
struct Translated {
    handle: *mut qemu_plugin_insn,
    record: &'static Instruction,
    line: LineAddr,
    completion: Completion,
    translation: TranslationEffect,
    operand: Option<Operand>,
    may_spoil_rounding: bool,
}

/// One instruction of the block at hand, as far as reading it goes.
struct Read {
    handle: *mut qemu_plugin_insn,
    identity: Identity,
    vaddr: u64,
}

/// Instruments blocks, and knows all instructions of the run.
pub struct Translator {
    isa: Isa,
    lines: Lines,
    /// Whether the instruction cache's policy tells repeated fetches from a line.
    repeats: Repeats,
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
    /// Instructions, runs and groups of accesses, with a number.
    Numbered {
        groups: GroupTable,
        roundings: RoundingTable,
        /// What a group is made up of while it is collected.
        accesses: Vec<GroupedAccess>,
        /// The most bytes that a group may extend over: those of a line of the data cache.
        group_bytes: u64,
    },
    /// Records that count in full.
    InFull(Box<ProfileTable>),
}

// SAFETY: the pointers in `read` and `block` are used while `translate` runs and forgotten at its
// end; `texts` and `last_symbol` use addresses as keys only.
unsafe impl Send for Translator {}

impl Translator {
    /// Nothing translated yet.
    pub fn new(qemu: &Qemu, isa: Isa, config: &Config, calls: MappingCalls) -> Self {
        let disassembler = Disassembler::for_target(&qemu.target);
        let has_files = config.needs_locations() && qemu.emulation == Emulation::User;
        Self {
            last_has_stray_accesses: qemu.api <= 1 && qemu.emulation != Emulation::User,
            isa,
            lines: Lines::new(config),
            repeats: config.repeats(&config.icache),
            disassembler,
            reader: disassembler.reader(),
            instructions: match config.lower {
                None => InstructionTable::default(),
                Some(_) => InstructionTable::with_lower_levels(),
            },
            texts: HashMap::new(),
            last_symbol: (0, SymbolId::NONE),
            records: match config.detail {
                Detail::Misses => Records::Numbered {
                    groups: GroupTable::default(),
                    roundings: RoundingTable::default(),
                    accesses: Vec::new(),
                    group_bytes: Lines::new(config).data_line_bytes(),
                },
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
            Records::Numbered { .. } => None,
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
    pub fn translate(&mut self, qemu: &Qemu, tb: *mut qemu_plugin_tb, callbacks: &CallbackSet) {
        self.read_block(qemu, tb);
        self.find_records(tb);
        if callbacks.access_group.is_some()
            && let Ok(first) = TranslationBlock::from(tb).instruction(0)
            && first.haddr() != 0
        {
            probe::note_place(first.vaddr(), first.haddr());
        }
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
            let place = match qemu.emulation {
                Emulation::User => vaddr,
                Emulation::System { .. } => {
                    physical(qemu, &mut page, vaddr).unwrap_or_else(|| insn.haddr())
                }
            };
            let mut bytes = [0; MAX_CODE_BYTES];
            // SAFETY: `handle` is of this block, and QEMU gives its size.
            let len = unsafe { qemu.insn_bytes(handle, insn.size(), &mut bytes) };
            let identity = Identity { place, code: Code::new(&bytes[..len]) };
            self.read.push(Read { handle, identity, vaddr });
        }
    }

    fn find_records(&mut self, tb: *mut qemu_plugin_tb) {
        let Self {
            isa,
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
        let mut classes =
            isa.block(read.iter().map(|insn| (insn.vaddr, insn.identity.code.as_bytes())));
        let decoding = classes.x86_mode().map_or(0, x86_decoding);
        for (index, &Read { handle, identity, vaddr }) in read.iter().enumerate() {
            let effects = classes.effects(identity.code.as_bytes());
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
                Completion::NoAccess | Completion::ValidRounding if *last_has_stray_accesses => {
                    Completion::Unknown
                }
                completion => completion,
            };
            block.push(Translated {
                handle,
                record,
                line: lines.fetch_line(identity.place),
                completion,
                translation: effects.may_change_translation,
                operand: effects.operand,
                may_spoil_rounding: effects.may_spoil_rounding,
            });
        }
    }

    fn register(&mut self, callbacks: &CallbackSet) {
        let Self { instructions, records, .. } = self;
        for row in self.block.chunk_by(|insn, next| insn.line == next.line) {
            match self.repeats {
                Repeats::ChangeNothing => register_row(row, callbacks, instructions, records),
                // What a callback stands for beside its own fetch would be counted, but not simulated.
                Repeats::Count => {
                    let segments =
                        row.split_inclusive(|insn| insn.completion != Completion::Always);
                    segments.for_each(|segment| {
                        register_row(segment, callbacks, instructions, records);
                    });
                }
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

/// Registers the callbacks of instructions in one line, the first fetch of which is simulated.
fn register_row(
    row: &[Translated],
    callbacks: &CallbackSet,
    instructions: &mut InstructionTable,
    records: &mut Records,
) {
    register_run(row, callbacks, instructions, records);
}

impl Records {
    /// Of a run that begins with `segment`.
    fn run(&mut self, run: &'static Run, segment: &[Translated]) -> *mut c_void {
        match self {
            Self::Numbered { .. } => pack_record(run),
            Self::InFull(table) => {
                let segment = segment_in(table, segment);
                pack_record(table.run(run, segment))
            }
        }
    }

    /// The same, where a segment follows that is late.
    fn rounding_run(&mut self, run: &'static Run, late: &[Translated]) -> *mut c_void {
        pack_record(self.roundings().run(run, fetches(late.len())))
    }

    /// Of a segment that nothing else counts.
    fn segment(&mut self, segment: &[Translated]) -> *mut c_void {
        match self {
            Self::Numbered { .. } => pack_count(fetches(segment.len())),
            Self::InFull(table) => pack_record(segment_in(table, segment)),
        }
    }

    /// A group that begins with the access of `first`, if the next `segments` end in accesses that belong
    /// to it. The segments that it counts are taken from `segments`, but for
    /// the last one, whose end is none of the group's.
    fn group<'a>(
        &mut self,
        first: &Translated,
        segments: &mut Peekable<impl Iterator<Item = &'a [Translated]>>,
    ) -> Option<&'static AccessGroup> {
        let Self::Numbered { groups, accesses, group_bytes, .. } = self else { return None };
        let first_operand = first.operand?;
        let grouped = |insn: &Translated, operand: Operand| GroupedAccess {
            distance: operand.displacement - first_operand.displacement,
            bytes: operand.bytes,
            fetches: 0,
            instruction: insn.record,
        };
        accesses.clear();
        accesses.push(grouped(first, first_operand));
        while let Some(segment) = segments.peek() {
            // Whatever else it is, it is counted when the access before it has completed.
            if let Some(before) = accesses.last_mut() {
                before.fetches = fetches(segment.len());
            }
            let Some(insn) = segment.last() else { break };
            let Some(operand) = insn.operand else { break };
            if operand.base != first_operand.base || operand.is_store != first_operand.is_store {
                break;
            }
            accesses.push(grouped(insn, operand));
            if Extent::of(accesses).bytes() > *group_bytes {
                accesses.pop();
                break;
            }
            segments.next();
        }
        groups.group(accesses)
    }

    /// Of an instruction that accesses memory, whose access counts the segment `then`.
    fn access(&mut self, insn: &Translated, then: &[Translated]) -> *mut c_void {
        match self {
            Self::Numbered { .. } => packed(insn.record, then.len()),
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

    /// The same, where the segment is followed by one that is late.
    fn rounding_access(
        &mut self,
        insn: &Translated,
        then: &[Translated],
        late: &[Translated],
    ) -> *mut c_void {
        let fetched = then.len() + late.len();
        packed(self.roundings().access(insn.record, fetches(late.len())), fetched)
    }

    fn roundings(&mut self) -> &mut RoundingTable {
        match self {
            Self::Numbered { roundings, .. } => roundings,
            Self::InFull(_) => unreachable!("its callbacks do not rely on the rounding mode"),
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

/// Registers the callbacks of the instructions of one line.
fn register_run(
    row: &[Translated],
    callbacks: &CallbackSet,
    instructions: &mut InstructionTable,
    records: &mut Records,
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
    let mut segments = row.split_inclusive(|insn| insn.completion != Completion::Always).peekable();
    let mut counted_by = CountedBy::Fetch;
    loop {
        let segment = segments.next().unwrap_or_default();
        let is_followed_if_valid =
            segment.last().is_some_and(|last| last.completion == Completion::ValidRounding);
        let late = if callbacks.rounding.is_some()
            && is_followed_if_valid
            && counted_by.may_count_late_fetches()
        {
            segments.next_if(|late| is_told_from_rounding(late)).unwrap_or_default()
        } else {
            &[]
        };
        counted_by.register(segment, late, callbacks, instructions, records);
        let Some(last) = late.last().or(segment.last()) else { break };
        counted_by = if let Some(callback) = callbacks.access_group
            && let Some(group) = records.group(last, &mut segments)
        {
            on_memory(last, callback, pack_record(group));
            CountedBy::Group
        } else {
            CountedBy::after(last, callbacks, records)
        };
    }
    if let Some(callback) = callbacks.rounding_may_be_spoilt {
        // After the fetch, by which the vCPU is seen to go on.
        for insn in row.iter().filter(|insn| insn.may_spoil_rounding) {
            on_execution(insn, callback, ptr::null_mut());
        }
    }
}

/// Whether what may end a segment is not what ends the one before it, the exception of an illegal
/// instruction, as far as is known.
fn is_told_from_rounding(segment: &[Translated]) -> bool {
    segment.last().is_some_and(|last| last.completion != Completion::Unknown)
}

/// What counts a segment's fetches.
enum CountedBy<'a> {
    /// The callback that simulates the run's first fetch.
    Fetch,
    /// The memory callback of the instruction before it, which makes one access or, if it makes a load and
    /// a store, completes with the latter.
    Access(&'a Translated),
    /// That of a group, which is registered.
    Group,
    /// A callback of its own.
    Itself,
}

impl<'a> CountedBy<'a> {
    /// What counts the segment that follows `insn`, the last one of a segment and the only one of it that
    /// may access memory.
    fn after(insn: &'a Translated, callbacks: &CallbackSet, records: &mut Records) -> Self {
        match insn.completion {
            Completion::Always | Completion::ValidRounding | Completion::NoAccess => Self::Itself,
            Completion::OneAccess | Completion::LoadThenStore => Self::Access(insn),
            Completion::Unknown => {
                on_memory(insn, access_callback(insn, callbacks), records.access(insn, &[]));
                Self::Itself
            }
        }
    }

    /// Whether it can count a second segment, which is executed if the rounding mode is valid.
    fn may_count_late_fetches(&self) -> bool {
        match self {
            Self::Fetch => true,
            Self::Access(insn) => {
                insn.completion == Completion::OneAccess
                    && insn.translation == TranslationEffect::None
            }
            Self::Group | Self::Itself => false,
        }
    }

    /// Registers the callback for `segment`, and for `late` if that is not empty.
    fn register(
        &self,
        segment: &[Translated],
        late: &[Translated],
        callbacks: &CallbackSet,
        instructions: &mut InstructionTable,
        records: &mut Records,
    ) {
        let rounding = callbacks.rounding.filter(|_| !late.is_empty());
        match *self {
            Self::Fetch => {
                let Some(first) = segment.first() else { return };
                let fetched = fetches(segment.len() + late.len());
                let run = instructions.run(first.record, first.line, fetched.into());
                if let Some(rounding) = rounding {
                    on_execution(first, rounding.fetch, records.rounding_run(run, late));
                } else {
                    on_execution(first, callbacks.fetch, records.run(run, segment));
                }
            }
            Self::Access(insn) => {
                if let Some(rounding) = rounding {
                    let userdata = records.rounding_access(insn, segment, late);
                    on_memory(insn, rounding.access, userdata);
                } else {
                    let callback = access_callback(insn, callbacks);
                    on_memory(insn, callback, records.access(insn, segment));
                }
            }
            Self::Itself => {
                let Some(first) = segment.first() else { return };
                on_execution(first, callbacks.count, records.segment(segment));
            }
            Self::Group => {}
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
fn packed<T>(subject: &'static T, fetched: usize) -> *mut c_void {
    UserData { subject, fetches: fetches(fetched) }
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
