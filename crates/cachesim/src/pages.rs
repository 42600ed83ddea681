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
pub struct Regime(u8);

impl Regime {
    /// How many bits of it count.
    pub const BITS: u32 = 6;

    /// The regime of these low bits; higher ones are dropped.
    #[inline(always)]
    pub const fn new(bits: u8) -> Self {
        Self(bits & ((1 << Self::BITS) - 1))
    }
}

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
        self.0.fetch_add(1, Relaxed);
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Page number and regime.
    key: u64,
    generation: u64,
    /// What to add to a virtual address of the page to get the physical one.
    offset: u64,
}

/// One vCPU's recent translations: direct-mapped, virtual page and regime to physical page.
#[derive(Debug)]
pub struct PageCache {
    /// Raised by this vCPU's own instructions. Starts at one, so that empty entries are stale.
    generation: u64,
    entries: [Entry; ENTRIES],
}

impl Default for PageCache {
    fn default() -> Self {
        Self { generation: 1, entries: [Entry { key: 0, generation: 0, offset: 0 }; ENTRIES] }
    }
}

impl PageCache {
    /// Makes this vCPU's translations stale.
    #[inline(always)]
    pub fn raise_generation(&mut self) {
        self.generation += 1;
    }

    /// The physical address of `vaddr`, if its page was translated in this generation.
    #[inline(always)]
    pub fn get(&self, shared: &SharedGeneration, vaddr: u64, regime: Regime) -> Option<u64> {
        let key = Self::key(vaddr, regime);
        let entry = &self.entries[Self::slot(vaddr, regime)];
        (entry.key == key && entry.generation == self.now(shared))
            .then(|| vaddr.wrapping_add(entry.offset))
    }

    /// Remembers that `vaddr` translates to `paddr` in this generation.
    #[inline]
    pub fn insert(&mut self, shared: &SharedGeneration, vaddr: u64, regime: Regime, paddr: u64) {
        self.entries[Self::slot(vaddr, regime)] = Entry {
            key: Self::key(vaddr, regime),
            generation: self.now(shared),
            offset: paddr.wrapping_sub(vaddr),
        };
    }

    /// Both generations only ever grow, so their sum is the same again only if both are.
    #[inline(always)]
    fn now(&self, shared: &SharedGeneration) -> u64 {
        self.generation + shared.0.load(Relaxed)
    }

    #[inline(always)]
    fn key(vaddr: u64, regime: Regime) -> u64 {
        (vaddr >> PAGE_SHIFT) << Regime::BITS | u64::from(regime.0)
    }

    #[inline(always)]
    fn slot(vaddr: u64, regime: Regime) -> usize {
        // Loads and stores of a page, which the lowest bit of a regime tells apart, alternate too often
        // to share a place.
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of ENTRIES")]
        let slot =
            (((vaddr >> PAGE_SHIFT) << 1 | u64::from(regime.0 & 1)) % ENTRIES as u64) as usize;
        slot
    }
}
