//! The policies by name.

/// The replacement policy: which line of a full set is the victim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// The line used least recently.
    Lru,
    /// The line filled first.
    Fifo,
    /// Any line, each as likely as the others.
    Random,
    /// About the line used least recently, as a tree of bits tells.
    TreePlru,
    /// A line not used since all others were, as a bit for each line tells.
    BitPlru,
    /// The line whose next use is the farthest, where a hit says soon and a fill says later.
    Srrip,
    /// The same, where most fills say farthest.
    Brrip,
    /// One of these two, whichever misses less.
    Drrip,
    /// The line used least often.
    Lfu,
    /// The line used least recently, or one that was filled and not used since.
    Lip,
    /// The same, where one fill in 32 counts as a use.
    Bip,
}

impl PolicyKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Lru,
        Self::Fifo,
        Self::Random,
        Self::TreePlru,
        Self::BitPlru,
        Self::Srrip,
        Self::Brrip,
        Self::Drrip,
        Self::Lfu,
        Self::Lip,
        Self::Bip,
    ];

    /// The name, as users type it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lru => "lru",
            Self::Fifo => "fifo",
            Self::Random => "rand",
            Self::TreePlru => "tree-plru",
            Self::BitPlru => "bit-plru",
            Self::Srrip => "srrip",
            Self::Brrip => "brrip",
            Self::Drrip => "drrip",
            Self::Lfu => "lfu",
            Self::Lip => "lip",
            Self::Bip => "bip",
        }
    }

    /// What a miss in a full set replaces, in a few words.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Lru => "the line used least recently (LRU)",
            Self::Fifo => "the line filled first (FIFO)",
            Self::Random => "a random line",
            Self::TreePlru => "a line not used lately, by a tree of bits (tree-PLRU)",
            Self::BitPlru => "a line not used lately, by a bit for each line (bit-PLRU)",
            Self::Srrip => "the line predicted to be used last (SRRIP)",
            Self::Brrip => "the line predicted to be used last, mostly the newest (BRRIP)",
            Self::Drrip => "the line predicted to be used last, as SRRIP or BRRIP does (DRRIP)",
            Self::Lfu => "the line used least often (LFU)",
            Self::Lip => {
                "the newest line unless it was used again, else the line used least recently (LIP)"
            }
            Self::Bip => {
                "mostly the newest line unless it was used again, else the line used least recently (BIP)"
            }
        }
    }

    /// Whether there are random choices in it, which start from the seed.
    pub const fn is_random(self) -> bool {
        match self {
            Self::Random | Self::Brrip | Self::Drrip | Self::Bip => true,
            Self::Lru
            | Self::Fifo
            | Self::TreePlru
            | Self::BitPlru
            | Self::Srrip
            | Self::Lfu
            | Self::Lip => false,
        }
    }
}
