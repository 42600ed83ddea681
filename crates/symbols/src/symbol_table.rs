//! Functions by address, from the symbol tables of an ELF file.
//!
//! A symbol names the addresses within its size. One without a size, as assembly code has them, names
//! those up to the next symbol of its section, but takes none from a symbol with a size: it is a label
//! in that function. Where several symbols have an address, the one that begins last names it, then
//! functions come before symbols without a type, global before weak before local ones, and last the
//! first by name.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use object::elf;
use object::{Object as _, ObjectSection as _, ObjectSymbol, SectionIndex, SymbolKind};

/// Whose symbols these are.
pub(crate) struct SymbolTable<'data> {
    /// Ascending and disjoint.
    ranges: Vec<NamedRange<'data>>,
}

struct NamedRange<'data> {
    start: u64,
    end: u64,
    name: &'data [u8],
}

#[derive(Debug, Clone, Copy)]
struct Symbol<'data> {
    name: &'data [u8],
    start: u64,
    size: u64,
    section: SectionIndex,
    rank: Rank,
}

/// Whose name is the better one, of those that begin at one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    function: bool,
    binding: Binding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Local,
    Weak,
    Global,
}

impl<'data> SymbolTable<'data> {
    /// The symbols of `.symtab`.
    pub(crate) fn of_static(file: &object::File<'data>) -> Self {
        Self::new(file, file.symbols())
    }

    /// The symbols of `.dynsym`.
    pub(crate) fn of_dynamic(file: &object::File<'data>) -> Self {
        Self::new(file, file.dynamic_symbols())
    }

    fn new<'file>(
        file: &'file object::File<'data>,
        symbols: impl Iterator<Item = object::Symbol<'data, 'file>>,
    ) -> Self {
        let machine = file.architecture();
        let symbols = symbols.filter_map(|symbol| code_symbol(machine, &symbol)).collect();
        let section_ends = file
            .sections()
            .map(|section| (section.index(), section.address().saturating_add(section.size())))
            .collect();
        Self::from_symbols(symbols, &section_ends)
    }

    fn from_symbols(
        mut symbols: Vec<Symbol<'data>>,
        section_ends: &HashMap<SectionIndex, u64>,
    ) -> Self {
        symbols.sort_unstable_by_key(|symbol| (symbol.section.0, symbol.start));
        // From the last to the first, so that the next symbol is known.
        let mut candidates = Vec::with_capacity(symbols.len());
        let mut next: Option<(Symbol, u64)> = None;
        for symbol in symbols.iter().rev() {
            let bound = match next {
                Some((next, bound)) if next.section == symbol.section => {
                    if next.start == symbol.start { bound } else { next.start }
                }
                _ => section_ends.get(&symbol.section).copied().unwrap_or(symbol.start),
            };
            next = Some((*symbol, bound));
            let end =
                if symbol.size == 0 { bound } else { symbol.start.saturating_add(symbol.size) };
            if symbol.start < end {
                let Symbol { name, start, size, rank, .. } = *symbol;
                candidates.push(Candidate { sized: size > 0, start, rank, name: Reverse(name), end });
            }
        }
        Self { ranges: disjoint(candidates) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The name of what is at `address`.
    pub(crate) fn find(&self, address: u64) -> Option<&'data [u8]> {
        let after = self.ranges.partition_point(|range| range.start <= address);
        let range = self.ranges[..after].last()?;
        (address < range.end).then_some(range.name)
    }
}

/// Ordered by preference; the best is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate<'data> {
    sized: bool,
    start: u64,
    rank: Rank,
    name: Reverse<&'data [u8]>,
    end: u64,
}

/// For every address the best of the candidates that have it.
fn disjoint(mut candidates: Vec<Candidate<'_>>) -> Vec<NamedRange<'_>> {
    candidates.sort_unstable_by_key(|candidate| Reverse(candidate.start));
    let mut ranges: Vec<NamedRange> = Vec::with_capacity(candidates.len());
    let mut active: BinaryHeap<Candidate> = BinaryHeap::new();
    let mut at = 0;
    loop {
        while active.peek().is_some_and(|best| best.end <= at) {
            active.pop();
        }
        if active.is_empty() {
            let Some(next) = candidates.last() else { return ranges };
            at = at.max(next.start);
        }
        while let Some(next) = candidates.pop_if(|next| next.start <= at) {
            if next.end > at {
                active.push(next);
            }
        }
        let Some(best) = active.peek() else { continue };
        let end = candidates.last().map_or(best.end, |next| next.start.min(best.end));
        match ranges.last_mut() {
            Some(last) if last.end == at && last.name == best.name.0 => last.end = end,
            _ => ranges.push(NamedRange { start: at, end, name: best.name.0 }),
        }
        at = end;
    }
}

/// The symbol, if it can name code.
fn code_symbol<'data>(
    machine: object::Architecture,
    symbol: &object::Symbol<'data, '_>,
) -> Option<Symbol<'data>> {
    let function = match symbol.kind() {
        SymbolKind::Text => true,
        SymbolKind::Label | SymbolKind::Unknown => false,
        _ => return None,
    };
    let section = symbol.section_index()?;
    let name = symbol.name_bytes().ok()?;
    if name.is_empty() || !function && is_internal(name) {
        return None;
    }
    let mut start = symbol.address();
    if machine == object::Architecture::Arm && function {
        // Says that the function is Thumb code.
        start &= !1;
    }
    let binding = match symbol.flags() {
        object::SymbolFlags::Elf { st_info, .. } => match st_info.st_bind() {
            elf::STB_LOCAL => Binding::Local,
            elf::STB_WEAK => Binding::Weak,
            _ => Binding::Global,
        },
        _ => Binding::Local,
    };
    Some(Symbol { name, start, size: symbol.size(), section, rank: Rank { function, binding } })
}

/// Labels that assemblers make: for jumps (`.L`), and for where Arm, `AArch64` and RISC-V code and data
/// begin ("mapping symbols": `$a`, `$t`, `$d`, `$x`, with more behind a dot or an ISA's name).
fn is_internal(name: &[u8]) -> bool {
    matches!(name, [b'.', b'L', ..] | [b'$', b'a' | b't' | b'd' | b'x'])
        || matches!(name, [b'$', b'a' | b't' | b'd' | b'x', b'.', ..])
        || name.starts_with(b"$xrv")
}
