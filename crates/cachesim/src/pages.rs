//! A small cache of address translations, for what a look-up in QEMU costs.
//!
//! In system mode the address a data cache works with is the guest-physical one, and asking QEMU for
//! it costs more than simulating the access. A translation holds until the guest changes it, which
//! takes an instruction: a write of the page tables' base, TLB maintenance. Whoever sees such an
//! instruction raises a generation; an entry of an older generation no longer counts. Privileges that
//! translate differently are told apart by the access itself ([`Regime`]).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// log2 of the number of bytes that one translation covers, the smallest page of the guests whose
/// translation-changing instructions are known.
pub const PAGE_SHIFT: u32 = 12;

const ENTRIES: usize = 256;

/// What may make two accesses to one page at the same time translate differently, as bits to tell
/// them apart: the privilege or translation regime, and whether it is a store (a page may be read
/// from memory and written to a device, such as flash).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Regime(u32);

impl Regime {
    /// How many bits of it count. The highest ones also tell the places of a page's translations apart: so
    /// loads and stores, which alternate too often to share one, should differ there.
    pub const BITS: u32 = 18;

    /// The regime of these low bits; higher ones are dropped.
    #[inline(always)]
    pub const fn new(bits: u32) -> Self {
        Self(bits & ((1 << Self::BITS) - 1))
    }
}

/// By how much a generation rises: it shares a number with a regime, whose bits are below.
const RISE: u64 = 1 << Regime::BITS;

/// The generation of all vCPUs' translations, for instructions that act on other cores.
#[derive(Debug, Default)]
pub struct SharedGeneration(AtomicU64);

impl SharedGeneration {
    /// Generation zero.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Makes every vCPU's translations stale.
    #[inline]
    pub fn raise(&self) {
        self.0.fetch_add(RISE, Relaxed);
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    page: u64,
    /// The generation it is of, and the regime.
    holds_in: u64,
    /// What to add to a virtual address of the page to get the physical one.
    offset: u64,
}

/// One vCPU's recent translations: direct-mapped, virtual page and regime to physical page.
#[derive(Debug)]
pub struct PageCache {
    /// Raised by this vCPU's own instructions. Not zero, so that empty entries are stale.
    generation: u64,
    entries: [Entry; ENTRIES],
}

impl Default for PageCache {
    fn default() -> Self {
        let empty = Entry { page: 0, holds_in: 0, offset: 0 };
        Self { generation: RISE, entries: [empty; ENTRIES] }
    }
}

impl PageCache {
    /// Makes this vCPU's translations stale.
    #[inline(always)]
    pub fn raise_generation(&mut self) {
        self.generation += RISE;
    }

    /// The physical address of `vaddr`, if its page was translated in this generation.
    #[inline(always)]
    pub fn get(&self, shared: &SharedGeneration, vaddr: u64, regime: Regime) -> Option<u64> {
        let page = vaddr >> PAGE_SHIFT;
        let entry = &self.entries[slot(page, regime)];
        (entry.page == page && entry.holds_in == self.now(shared, regime))
            .then(|| vaddr.wrapping_add(entry.offset))
    }

    /// Remembers that `vaddr` translates to `paddr` in this generation.
    #[inline]
    pub fn insert(&mut self, shared: &SharedGeneration, vaddr: u64, regime: Regime, paddr: u64) {
        let page = vaddr >> PAGE_SHIFT;
        self.entries[slot(page, regime)] =
            Entry { page, holds_in: self.now(shared, regime), offset: paddr.wrapping_sub(vaddr) };
    }

    /// Both generations only ever grow, and by more than any regime: so the sum is the same again only if all
    /// three are.
    #[inline(always)]
    fn now(&self, shared: &SharedGeneration, regime: Regime) -> u64 {
        self.generation + shared.0.load(Relaxed) + u64::from(regime.0)
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a remainder of ENTRIES")]
fn slot(page: u64, regime: Regime) -> usize {
    let highest = regime.0 >> (Regime::BITS - ENTRIES.ilog2());
    (page as usize ^ highest as usize) % ENTRIES
}
