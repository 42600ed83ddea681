//! Functions by address, from the symbol tables of an ELF file.
//!
//! A symbol names the addresses within its size. One without a size, as assembly code has them, names
//! those up to the next symbol of its section; in a symbol with a size it is a label in that function and
//! names nothing. Where several symbols have an address, the one that begins last names it. Of those
//! that begin together, functions come before symbols without a type, then symbols for other files before
//! local ones, names with fewer underscores in front (`open` before `__libc_open`), and strong before weak
//! ones; last decides the alphabet.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use object::{Object as _, ObjectSection as _, ObjectSymbol, SectionIndex, SymbolKind};

use crate::elf::Elf;

/// The names of a symbol table may share bytes, but not more than so many times the file's size.
const NAME_BYTES_PER_BYTE: usize = 32;

/// The functions of a symbol table.
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
    visible: bool,
    underscores: Reverse<usize>,
    strong: bool,
}

impl<'data> SymbolTable<'data> {
    /// The symbols of `.symtab`.
    ///
    /// # Errors
    /// The reason, for a message.
    pub(crate) fn of_static(elf: &Elf<'data>) -> Result<Self, String> {
        Self::new(elf, elf.file.symbols())
    }

    /// The symbols of `.dynsym`.
    ///
    /// # Errors
    /// The reason, for a message.
    pub(crate) fn of_dynamic(elf: &Elf<'data>) -> Result<Self, String> {
        Self::new(elf, elf.file.dynamic_symbols())
    }

    fn new<'file>(
        elf: &'file Elf<'data>,
        all: impl Iterator<Item = object::Symbol<'data, 'file>>,
    ) -> Result<Self, String> {
        let machine = elf.file.architecture();
        // Many symbols of a hostile file could have one and the same long name.
        let mut name_bytes = elf.size_bytes.saturating_mul(NAME_BYTES_PER_BYTE);
        let mut symbols = Vec::new();
        for symbol in all.filter_map(|symbol| code_symbol(machine, &symbol)) {
            name_bytes = name_bytes
                .checked_sub(symbol.name.len())
                .ok_or("a symbol table with names that are too long")?;
            symbols.push(symbol);
        }
        let section_ends = elf
            .file
            .sections()
            .map(|section| (section.index(), section.address().saturating_add(section.size())))
            .collect();
        Ok(Self::from_symbols(symbols, &section_ends))
    }

    fn from_symbols(
        mut symbols: Vec<Symbol<'data>>,
        section_ends: &HashMap<SectionIndex, u64>,
    ) -> Self {
        symbols
            .sort_unstable_by_key(|symbol| (symbol.section.0, symbol.start, Reverse(symbol.size)));
        let mut covered = (SectionIndex(0), 0);
        symbols.retain(|symbol| {
            if symbol.section != covered.0 {
                covered = (symbol.section, 0);
            }
            covered.1 = covered.1.max(symbol.start.saturating_add(symbol.size));
            symbol.size > 0 || symbol.start == covered.1
        });
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
                candidates.push(Candidate {
                    sized: size > 0,
                    start,
                    rank,
                    name: Reverse(name),
                    end,
                });
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
    let underscores = Reverse(name.iter().take_while(|byte| **byte == b'_').count());
    let (visible, strong) = (!symbol.is_local(), !symbol.is_weak());
    let rank = Rank { function, visible, underscores, strong };
    Some(Symbol { name, start, size: symbol.size(), section, rank })
}

/// Labels that assemblers make: for jumps (`.L`), and for where Arm, `AArch64` and RISC-V code and data
/// begin ("mapping symbols": `$a`, `$t`, `$d`, `$x`, with more behind a dot or an ISA's name).
fn is_internal(name: &[u8]) -> bool {
    matches!(name, [b'.', b'L', ..] | [b'$', b'a' | b't' | b'd' | b'x'])
        || matches!(name, [b'$', b'a' | b't' | b'd' | b'x', b'.', ..])
        || name.starts_with(b"$xrv")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Rank =
        Rank { function: true, visible: true, underscores: Reverse(0), strong: true };
    const LABEL: Rank = Rank { function: false, ..PLAIN };

    fn symbol(name: &str, start: u64, size: u64, rank: Rank) -> Symbol<'_> {
        Symbol { name: name.as_bytes(), start, size, section: SectionIndex(1), rank }
    }

    /// The names of the addresses from 0 to 19, a dot for none; the section ends at 16.
    fn names(symbols: &[Symbol]) -> String {
        let ends = HashMap::from([(SectionIndex(1), 16), (SectionIndex(2), 20)]);
        let table = SymbolTable::from_symbols(symbols.to_vec(), &ends);
        (0..20).map(|address| table.find(address).map_or('.', |name| char::from(name[0]))).collect()
    }

    #[test]
    fn a_symbol_names_what_is_within_its_size() {
        assert_eq!(names(&[]), "....................");
        let symbols = [symbol("a", 2, 3, PLAIN), symbol("b", 7, 1, PLAIN)];
        assert_eq!(names(&symbols), "..aaa..b............");
        assert_eq!(names(&[symbol("a", 18, u64::MAX, PLAIN)]), "..................aa");
    }

    #[test]
    fn a_symbol_without_size_names_what_is_up_to_the_next_one_of_its_section() {
        let symbols = [symbol("a", 2, 0, LABEL), symbol("b", 7, 1, PLAIN)];
        assert_eq!(names(&symbols), "..aaaaab............");
        let other = Symbol { section: SectionIndex(2), ..symbol("c", 5, 2, PLAIN) };
        assert_eq!(names(&[symbols[0], other]), "..aaaccaaaaaaaaa....");
        assert_eq!(names(&symbols[..1]), "..aaaaaaaaaaaaaa....");
        let twins = [symbol("a", 2, 0, LABEL), symbol("b", 2, 0, LABEL), symbol("c", 4, 0, LABEL)];
        assert_eq!(names(&twins), "..aacccccccccccc....");
    }

    #[test]
    fn labels_in_a_function_do_not_cut_it() {
        let symbols = [symbol("f", 2, 6, PLAIN), symbol("l", 4, 0, LABEL)];
        assert_eq!(names(&symbols), "..ffffff............");
        let symbols = [symbol("f", 2, 6, PLAIN), symbol("l", 8, 0, LABEL)];
        assert_eq!(names(&symbols), "..ffffffllllllll....");
    }

    #[test]
    fn the_symbol_that_begins_last_names_an_address() {
        let symbols = [symbol("o", 2, 10, PLAIN), symbol("i", 4, 3, PLAIN)];
        assert_eq!(names(&symbols), "..ooiiiooooo........");
        let symbols = [symbol("o", 2, 4, PLAIN), symbol("i", 4, 6, PLAIN)];
        assert_eq!(names(&symbols), "..ooiiiiii..........");
    }

    #[test]
    fn of_several_names_the_one_that_people_use() {
        let best = |ranks: &[Rank]| {
            let symbols: Vec<_> =
                ranks.iter().zip(["a", "b", "c"]).map(|(r, name)| symbol(name, 0, 1, *r)).collect();
            names(&symbols).remove(0)
        };
        assert_eq!(best(&[PLAIN, PLAIN]), 'a');
        assert_eq!(best(&[LABEL, PLAIN]), 'b');
        let local = Rank { visible: false, ..PLAIN };
        assert_eq!(best(&[local, PLAIN]), 'b');
        let (internal, weak) =
            (Rank { underscores: Reverse(2), ..PLAIN }, Rank { strong: false, ..PLAIN });
        assert_eq!(best(&[internal, weak, PLAIN]), 'c');
        assert_eq!(best(&[internal, weak]), 'b');
    }

    #[test]
    fn labels_of_assemblers_are_no_names() {
        for name in [".L1", "$x", "$a.7", "$xrv64i2p1_m2p0", "$d"] {
            assert!(is_internal(name.as_bytes()), "{name}");
        }
        for name in ["loop", "$", "$xyz", "L1", "$start"] {
            assert!(!is_internal(name.as_bytes()), "{name}");
        }
    }
}
