//! The caches of real cores, as options.
//!
//! A preset is what a user could have typed. So it says nothing that the options cannot say, and
//! whatever is typed beside it overrides single values. `docs/presets.md` has the source of every
//! value, and what of a real hierarchy has no option.

use std::fmt::Write;

/// A core whose caches are known by a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// What is typed: lower case, words joined by dashes.
    pub name: &'static str,
    /// Which silicon it is.
    pub description: &'static str,
    /// How well its options are known.
    pub sources: Sources,
    /// Names of options and their values, each name once.
    pub options: &'static [(&'static str, &'static str)],
}

/// Of a preset's options, how many have what kind of source in `docs/presets.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sources {
    /// The value was read in a public source.
    pub read: u8,
    /// A source is named for it that was not verified.
    pub cited: u8,
    /// It is not public, or not known to be.
    pub assumed: u8,
}

/// What `cpu` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// A core of the list.
    Preset(&'static Preset),
    /// The computer that runs QEMU.
    Host,
}

impl Base {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Preset(preset) => preset.name,
            Self::Host => HOST,
        }
    }
}

/// What is typed for [`Base::Host`].
pub(crate) const HOST: &str = "host";

impl Preset {
    /// The value that the preset gives an option, if it gives any.
    pub fn option(&self, name: &str) -> Option<&'static str> {
        self.options.iter().find(|(option, _)| *option == name).map(|(_, value)| *value)
    }
}

/// What `cpu=list` prints, of at most 80 columns: the presets, the sizes of their caches, and how well they are
/// known.
pub fn list_text() -> String {
    let mut text = String::from(
        "Presets, as in cpu=NAME (options given beside it override single values).\n\
         R, C, A: of its settings so many were read in a public source, are cited from a\n\
         source that was not verified, are assumed (docs/presets.md has each).\n\
         cpu=host: sizes, lines and ways of this computer's caches.\n\n",
    );
    push_row(&mut text, ["NAME", "L1I", "L1D", "L2", "L3", "R", "C", "A", "SILICON"]);
    for preset in PRESETS {
        let size = |option| preset.option(option).unwrap_or("-");
        let Sources { read, cited, assumed } = preset.sources;
        let [read, cited, assumed] = [read, cited, assumed].map(|count| count.to_string());
        push_row(
            &mut text,
            [
                preset.name,
                size("icachesize"),
                size("dcachesize"),
                size("l2cachesize"),
                size("l3cachesize"),
                &read,
                &cited,
                &assumed,
                preset.description,
            ],
        );
    }
    text
}

fn push_row(text: &mut String, cells: [&str; 9]) {
    let [name, l1i, l1d, l2, l3, read, cited, assumed, description] = cells;
    let sizes = format!("{l1i:>4} {l1d:>4} {l2:>5} {l3:>6}");
    let sources = format!("{read:>2} {cited:>2} {assumed:>2}");
    writeln!(text, "  {name:<15} {sizes} {sources}  {description}")
        .expect("writing to a String cannot fail");
}

/// All presets, in the order of the list.
pub static PRESETS: &[Preset] = &[
    Preset {
        name: "cortex-m7",
        description: "STM32H743",
        sources: Sources { read: 4, cited: 5, assumed: 3 },
        options: &[
            ("icachesize", "16K"),
            ("iblksize", "32"),
            ("iassoc", "2"),
            ("ievict", "rand"),
            ("dcachesize", "16K"),
            ("dblksize", "32"),
            ("dassoc", "4"),
            ("devict", "rand"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "2"),
            ("memlat", "20"),
        ],
    },
    Preset {
        name: "cortex-a53",
        description: "BCM2837, Raspberry Pi 3",
        sources: Sources { read: 13, cited: 0, assumed: 6 },
        options: &[
            ("icachesize", "32K"),
            ("iblksize", "64"),
            ("iassoc", "2"),
            ("ievict", "rand"),
            ("dcachesize", "32K"),
            ("dblksize", "64"),
            ("dassoc", "4"),
            ("devict", "rand"),
            ("l2", "on"),
            ("l2cachesize", "512K"),
            ("l2blksize", "64"),
            ("l2assoc", "16"),
            ("l2evict", "tree-plru"),
            ("inclusion", "nine"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "3"),
            ("l2lat", "17"),
            ("memlat", "209"),
        ],
    },
    Preset {
        name: "cortex-a55",
        description: "RK3588, the four little cores",
        sources: Sources { read: 18, cited: 1, assumed: 7 },
        options: &[
            ("icachesize", "32K"),
            ("iblksize", "64"),
            ("iassoc", "4"),
            ("ievict", "tree-plru"),
            ("dcachesize", "32K"),
            ("dblksize", "64"),
            ("dassoc", "4"),
            ("devict", "rand"),
            ("l2", "on"),
            ("l2cachesize", "128K"),
            ("l2blksize", "64"),
            ("l2assoc", "4"),
            ("l2evict", "tree-plru"),
            ("l2inclusion", "exclusive"),
            ("l3", "on"),
            ("l3cachesize", "3M"),
            ("l3blksize", "64"),
            ("l3assoc", "12"),
            ("l3evict", "lru"),
            ("l3inclusion", "exclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "2"),
            ("l2lat", "10"),
            ("l3lat", "29"),
            ("memlat", "231"),
        ],
    },
    Preset {
        name: "cortex-a57",
        description: "Tegra X1, Jetson Nano",
        sources: Sources { read: 14, cited: 0, assumed: 5 },
        options: &[
            ("icachesize", "48K"),
            ("iblksize", "64"),
            ("iassoc", "3"),
            ("ievict", "lru"),
            ("dcachesize", "32K"),
            ("dblksize", "64"),
            ("dassoc", "2"),
            ("devict", "lru"),
            ("l2", "on"),
            ("l2cachesize", "2M"),
            ("l2blksize", "64"),
            ("l2assoc", "16"),
            ("l2evict", "tree-plru"),
            ("inclusion", "inclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "4"),
            ("l2lat", "25"),
            ("memlat", "212"),
        ],
    },
    Preset {
        name: "cortex-a72",
        description: "RK3399, the two big cores",
        sources: Sources { read: 14, cited: 2, assumed: 3 },
        options: &[
            ("icachesize", "48K"),
            ("iblksize", "64"),
            ("iassoc", "3"),
            ("ievict", "lru"),
            ("dcachesize", "32K"),
            ("dblksize", "64"),
            ("dassoc", "2"),
            ("devict", "lru"),
            ("l2", "on"),
            ("l2cachesize", "1M"),
            ("l2blksize", "64"),
            ("l2assoc", "16"),
            ("l2evict", "tree-plru"),
            ("inclusion", "inclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "4"),
            ("l2lat", "20"),
            ("memlat", "378"),
        ],
    },
    Preset {
        name: "cortex-a76",
        description: "RK3588, the four big cores",
        sources: Sources { read: 20, cited: 0, assumed: 6 },
        options: &[
            ("icachesize", "64K"),
            ("iblksize", "64"),
            ("iassoc", "4"),
            ("ievict", "tree-plru"),
            ("dcachesize", "64K"),
            ("dblksize", "64"),
            ("dassoc", "4"),
            ("devict", "tree-plru"),
            ("l2", "on"),
            ("l2cachesize", "512K"),
            ("l2blksize", "64"),
            ("l2assoc", "8"),
            ("l2evict", "drrip"),
            ("l2inclusion", "inclusive"),
            ("l3", "on"),
            ("l3cachesize", "3M"),
            ("l3blksize", "64"),
            ("l3assoc", "12"),
            ("l3evict", "lru"),
            ("l3inclusion", "exclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "4"),
            ("l2lat", "12"),
            ("l3lat", "42"),
            ("memlat", "319"),
        ],
    },
    Preset {
        name: "neoverse-n1",
        description: "Ampere Altra, 80 cores",
        sources: Sources { read: 14, cited: 5, assumed: 7 },
        options: &[
            ("icachesize", "64K"),
            ("iblksize", "64"),
            ("iassoc", "4"),
            ("ievict", "tree-plru"),
            ("dcachesize", "64K"),
            ("dblksize", "64"),
            ("dassoc", "4"),
            ("devict", "tree-plru"),
            ("l2", "on"),
            ("l2cachesize", "1M"),
            ("l2blksize", "64"),
            ("l2assoc", "8"),
            ("l2evict", "drrip"),
            ("l2inclusion", "inclusive"),
            ("l3", "on"),
            ("l3cachesize", "32M"),
            ("l3blksize", "64"),
            ("l3assoc", "16"),
            ("l3evict", "lru"),
            ("l3inclusion", "exclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "4"),
            ("l2lat", "14"),
            ("l3lat", "94"),
            ("memlat", "334"),
        ],
    },
    Preset {
        name: "graviton2",
        description: "AWS Graviton2, 64 cores",
        sources: Sources { read: 13, cited: 5, assumed: 8 },
        options: &[
            ("icachesize", "64K"),
            ("iblksize", "64"),
            ("iassoc", "4"),
            ("ievict", "tree-plru"),
            ("dcachesize", "64K"),
            ("dblksize", "64"),
            ("dassoc", "4"),
            ("devict", "tree-plru"),
            ("l2", "on"),
            ("l2cachesize", "1M"),
            ("l2blksize", "64"),
            ("l2assoc", "8"),
            ("l2evict", "drrip"),
            ("l2inclusion", "inclusive"),
            ("l3", "on"),
            ("l3cachesize", "32M"),
            ("l3blksize", "64"),
            ("l3assoc", "16"),
            ("l3evict", "lru"),
            ("l3inclusion", "exclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "4"),
            ("l2lat", "14"),
            ("l3lat", "84"),
            ("memlat", "298"),
        ],
    },
    Preset {
        name: "neoverse-v1",
        description: "AWS Graviton3, 64 cores",
        sources: Sources { read: 0, cited: 12, assumed: 14 },
        options: &[
            ("icachesize", "64K"),
            ("iblksize", "64"),
            ("iassoc", "4"),
            ("ievict", "tree-plru"),
            ("dcachesize", "64K"),
            ("dblksize", "64"),
            ("dassoc", "4"),
            ("devict", "tree-plru"),
            ("l2", "on"),
            ("l2cachesize", "1M"),
            ("l2blksize", "64"),
            ("l2assoc", "8"),
            ("l2evict", "drrip"),
            ("l2inclusion", "inclusive"),
            ("l3", "on"),
            ("l3cachesize", "32M"),
            ("l3blksize", "64"),
            ("l3assoc", "16"),
            ("l3evict", "lru"),
            ("l3inclusion", "exclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "4"),
            ("l2lat", "14"),
            ("l3lat", "87"),
            ("memlat", "310"),
        ],
    },
    Preset {
        name: "neoverse-v2",
        description: "AWS Graviton4, 96 cores",
        sources: Sources { read: 4, cited: 8, assumed: 14 },
        options: &[
            ("icachesize", "64K"),
            ("iblksize", "64"),
            ("iassoc", "4"),
            ("ievict", "tree-plru"),
            ("dcachesize", "64K"),
            ("dblksize", "64"),
            ("dassoc", "4"),
            ("devict", "tree-plru"),
            ("l2", "on"),
            ("l2cachesize", "2M"),
            ("l2blksize", "64"),
            ("l2assoc", "8"),
            ("l2evict", "drrip"),
            ("l2inclusion", "inclusive"),
            ("l3", "on"),
            ("l3cachesize", "36M"),
            ("l3blksize", "64"),
            ("l3assoc", "16"),
            ("l3evict", "lru"),
            ("l3inclusion", "exclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "4"),
            ("l2lat", "14"),
            ("l3lat", "94"),
            ("memlat", "334"),
        ],
    },
    Preset {
        name: "rpi4",
        description: "Raspberry Pi 4, BCM2711",
        sources: Sources { read: 14, cited: 2, assumed: 3 },
        options: &[
            ("icachesize", "48K"),
            ("iblksize", "64"),
            ("iassoc", "3"),
            ("ievict", "lru"),
            ("dcachesize", "32K"),
            ("dblksize", "64"),
            ("dassoc", "2"),
            ("devict", "lru"),
            ("l2", "on"),
            ("l2cachesize", "1M"),
            ("l2blksize", "64"),
            ("l2assoc", "16"),
            ("l2evict", "tree-plru"),
            ("inclusion", "inclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "4"),
            ("l2lat", "21"),
            ("memlat", "230"),
        ],
    },
    Preset {
        name: "rpi5",
        description: "Raspberry Pi 5, BCM2712",
        sources: Sources { read: 20, cited: 0, assumed: 6 },
        options: &[
            ("icachesize", "64K"),
            ("iblksize", "64"),
            ("iassoc", "4"),
            ("ievict", "tree-plru"),
            ("dcachesize", "64K"),
            ("dblksize", "64"),
            ("dassoc", "4"),
            ("devict", "tree-plru"),
            ("l2", "on"),
            ("l2cachesize", "512K"),
            ("l2blksize", "64"),
            ("l2assoc", "8"),
            ("l2evict", "drrip"),
            ("l2inclusion", "inclusive"),
            ("l3", "on"),
            ("l3cachesize", "2M"),
            ("l3blksize", "64"),
            ("l3assoc", "16"),
            ("l3evict", "lru"),
            ("l3inclusion", "exclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "4"),
            ("l2lat", "12"),
            ("l3lat", "41"),
            ("memlat", "334"),
        ],
    },
    Preset {
        name: "a64fx",
        description: "Fujitsu A64FX",
        sources: Sources { read: 1, cited: 11, assumed: 7 },
        options: &[
            ("icachesize", "64K"),
            ("iblksize", "256"),
            ("iassoc", "4"),
            ("ievict", "lru"),
            ("dcachesize", "64K"),
            ("dblksize", "256"),
            ("dassoc", "4"),
            ("devict", "lru"),
            ("l2", "on"),
            ("l2cachesize", "8M"),
            ("l2blksize", "256"),
            ("l2assoc", "16"),
            ("l2evict", "lru"),
            ("inclusion", "inclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "5"),
            ("l2lat", "42"),
            ("memlat", "290"),
        ],
    },
    Preset {
        name: "sifive-u54",
        description: "FU540, HiFive Unleashed",
        sources: Sources { read: 6, cited: 5, assumed: 8 },
        options: &[
            ("icachesize", "32K"),
            ("iblksize", "64"),
            ("iassoc", "8"),
            ("ievict", "rand"),
            ("dcachesize", "32K"),
            ("dblksize", "64"),
            ("dassoc", "8"),
            ("devict", "rand"),
            ("l2", "on"),
            ("l2cachesize", "2M"),
            ("l2blksize", "64"),
            ("l2assoc", "16"),
            ("l2evict", "rand"),
            ("inclusion", "inclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "2"),
            ("l2lat", "20"),
            ("memlat", "200"),
        ],
    },
    Preset {
        name: "sifive-u74",
        description: "FU740, HiFive Unmatched",
        sources: Sources { read: 13, cited: 0, assumed: 6 },
        options: &[
            ("icachesize", "32K"),
            ("iblksize", "64"),
            ("iassoc", "4"),
            ("ievict", "rand"),
            ("dcachesize", "32K"),
            ("dblksize", "64"),
            ("dassoc", "8"),
            ("devict", "rand"),
            ("l2", "on"),
            ("l2cachesize", "2M"),
            ("l2blksize", "64"),
            ("l2assoc", "16"),
            ("l2evict", "rand"),
            ("inclusion", "inclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "3"),
            ("l2lat", "20"),
            ("memlat", "259"),
        ],
    },
    Preset {
        name: "sifive-p550",
        description: "EIC7700X, HiFive Premier P550",
        sources: Sources { read: 18, cited: 0, assumed: 8 },
        options: &[
            ("icachesize", "32K"),
            ("iblksize", "64"),
            ("iassoc", "4"),
            ("ievict", "rand"),
            ("dcachesize", "32K"),
            ("dblksize", "64"),
            ("dassoc", "4"),
            ("devict", "rand"),
            ("l2", "on"),
            ("l2cachesize", "256K"),
            ("l2blksize", "64"),
            ("l2assoc", "8"),
            ("l2evict", "rand"),
            ("l2inclusion", "nine"),
            ("l3", "on"),
            ("l3cachesize", "4M"),
            ("l3blksize", "64"),
            ("l3assoc", "16"),
            ("l3evict", "rand"),
            ("l3inclusion", "nine"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "3"),
            ("l2lat", "13"),
            ("l3lat", "48"),
            ("memlat", "291"),
        ],
    },
    Preset {
        name: "spacemit-k1",
        description: "SpacemiT K1, Banana Pi BPI-F3",
        sources: Sources { read: 13, cited: 0, assumed: 6 },
        options: &[
            ("icachesize", "32K"),
            ("iblksize", "64"),
            ("iassoc", "4"),
            ("ievict", "rand"),
            ("dcachesize", "32K"),
            ("dblksize", "64"),
            ("dassoc", "4"),
            ("devict", "rand"),
            ("l2", "on"),
            ("l2cachesize", "512K"),
            ("l2blksize", "64"),
            ("l2assoc", "16"),
            ("l2evict", "rand"),
            ("inclusion", "nine"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "2"),
            ("l2lat", "39"),
            ("memlat", "501"),
        ],
    },
    Preset {
        name: "rocket",
        description: "Rocket, generators' defaults",
        sources: Sources { read: 14, cited: 1, assumed: 4 },
        options: &[
            ("icachesize", "16K"),
            ("iblksize", "64"),
            ("iassoc", "4"),
            ("ievict", "rand"),
            ("dcachesize", "16K"),
            ("dblksize", "64"),
            ("dassoc", "4"),
            ("devict", "rand"),
            ("l2", "on"),
            ("l2cachesize", "512K"),
            ("l2blksize", "64"),
            ("l2assoc", "8"),
            ("l2evict", "rand"),
            ("inclusion", "inclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "2"),
            ("l2lat", "20"),
            ("memlat", "100"),
        ],
    },
    Preset {
        name: "thead-c906",
        description: "Allwinner D1, Nezha",
        sources: Sources { read: 8, cited: 2, assumed: 2 },
        options: &[
            ("icachesize", "32K"),
            ("iblksize", "64"),
            ("iassoc", "4"),
            ("ievict", "fifo"),
            ("dcachesize", "32K"),
            ("dblksize", "64"),
            ("dassoc", "2"),
            ("devict", "fifo"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "2"),
            ("memlat", "176"),
        ],
    },
    Preset {
        name: "thead-c908",
        description: "Kendryte K230",
        sources: Sources { read: 0, cited: 10, assumed: 9 },
        options: &[
            ("icachesize", "32K"),
            ("iblksize", "64"),
            ("iassoc", "4"),
            ("ievict", "fifo"),
            ("dcachesize", "32K"),
            ("dblksize", "64"),
            ("dassoc", "4"),
            ("devict", "fifo"),
            ("l2", "on"),
            ("l2cachesize", "256K"),
            ("l2blksize", "64"),
            ("l2assoc", "16"),
            ("l2evict", "fifo"),
            ("inclusion", "nine"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "3"),
            ("l2lat", "25"),
            ("memlat", "240"),
        ],
    },
    Preset {
        name: "thead-c910",
        description: "TH1520, Lichee Pi 4A",
        sources: Sources { read: 17, cited: 0, assumed: 2 },
        options: &[
            ("icachesize", "64K"),
            ("iblksize", "64"),
            ("iassoc", "2"),
            ("ievict", "fifo"),
            ("dcachesize", "64K"),
            ("dblksize", "64"),
            ("dassoc", "2"),
            ("devict", "fifo"),
            ("l2", "on"),
            ("l2cachesize", "1M"),
            ("l2blksize", "64"),
            ("l2assoc", "16"),
            ("l2evict", "fifo"),
            ("inclusion", "inclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "3"),
            ("l2lat", "54"),
            ("memlat", "324"),
        ],
    },
    Preset {
        name: "skylake-client",
        description: "Core i7-6700K",
        sources: Sources { read: 17, cited: 4, assumed: 5 },
        options: &[
            ("icachesize", "32K"),
            ("iblksize", "64"),
            ("iassoc", "8"),
            ("ievict", "tree-plru"),
            ("dcachesize", "32K"),
            ("dblksize", "64"),
            ("dassoc", "8"),
            ("devict", "tree-plru"),
            ("l2", "on"),
            ("l2cachesize", "256K"),
            ("l2blksize", "64"),
            ("l2assoc", "4"),
            ("l2evict", "srrip"),
            ("l2inclusion", "nine"),
            ("l3", "on"),
            ("l3cachesize", "8M"),
            ("l3blksize", "64"),
            ("l3assoc", "16"),
            ("l3evict", "srrip"),
            ("l3inclusion", "inclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "4"),
            ("l2lat", "12"),
            ("l3lat", "44"),
            ("memlat", "246"),
        ],
    },
    Preset {
        name: "skylake-server",
        description: "Xeon Platinum 8180, 28 cores",
        sources: Sources { read: 17, cited: 0, assumed: 9 },
        options: &[
            ("icachesize", "32K"),
            ("iblksize", "64"),
            ("iassoc", "8"),
            ("ievict", "tree-plru"),
            ("dcachesize", "32K"),
            ("dblksize", "64"),
            ("dassoc", "8"),
            ("devict", "tree-plru"),
            ("l2", "on"),
            ("l2cachesize", "1M"),
            ("l2blksize", "64"),
            ("l2assoc", "16"),
            ("l2evict", "srrip"),
            ("l2inclusion", "nine"),
            ("l3", "on"),
            ("l3cachesize", "39424K"),
            ("l3blksize", "64"),
            ("l3assoc", "11"),
            ("l3evict", "srrip"),
            ("l3inclusion", "exclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "4"),
            ("l2lat", "13"),
            ("l3lat", "77"),
            ("memlat", "260"),
        ],
    },
    Preset {
        name: "sapphire-rapids",
        description: "Xeon with 60 MiB of L3",
        sources: Sources { read: 15, cited: 0, assumed: 11 },
        options: &[
            ("icachesize", "32K"),
            ("iblksize", "64"),
            ("iassoc", "8"),
            ("ievict", "tree-plru"),
            ("dcachesize", "48K"),
            ("dblksize", "64"),
            ("dassoc", "12"),
            ("devict", "lru"),
            ("l2", "on"),
            ("l2cachesize", "2M"),
            ("l2blksize", "64"),
            ("l2assoc", "16"),
            ("l2evict", "srrip"),
            ("l2inclusion", "nine"),
            ("l3", "on"),
            ("l3cachesize", "60M"),
            ("l3blksize", "64"),
            ("l3assoc", "15"),
            ("l3evict", "srrip"),
            ("l3inclusion", "exclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "5"),
            ("l2lat", "16"),
            ("l3lat", "120"),
            ("memlat", "400"),
        ],
    },
    Preset {
        name: "icelake-client",
        description: "Core i5-1035G1",
        sources: Sources { read: 17, cited: 0, assumed: 9 },
        options: &[
            ("icachesize", "32K"),
            ("iblksize", "64"),
            ("iassoc", "8"),
            ("ievict", "tree-plru"),
            ("dcachesize", "48K"),
            ("dblksize", "64"),
            ("dassoc", "12"),
            ("devict", "lru"),
            ("l2", "on"),
            ("l2cachesize", "512K"),
            ("l2blksize", "64"),
            ("l2assoc", "8"),
            ("l2evict", "srrip"),
            ("l2inclusion", "nine"),
            ("l3", "on"),
            ("l3cachesize", "6M"),
            ("l3blksize", "64"),
            ("l3assoc", "12"),
            ("l3evict", "drrip"),
            ("l3inclusion", "inclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "5"),
            ("l2lat", "13"),
            ("l3lat", "41"),
            ("memlat", "290"),
        ],
    },
    Preset {
        name: "zen1",
        description: "Ryzen 7 1800X, one CCX",
        sources: Sources { read: 17, cited: 3, assumed: 6 },
        options: &[
            ("icachesize", "64K"),
            ("iblksize", "64"),
            ("iassoc", "4"),
            ("ievict", "tree-plru"),
            ("dcachesize", "32K"),
            ("dblksize", "64"),
            ("dassoc", "8"),
            ("devict", "tree-plru"),
            ("l2", "on"),
            ("l2cachesize", "512K"),
            ("l2blksize", "64"),
            ("l2assoc", "8"),
            ("l2evict", "tree-plru"),
            ("l2inclusion", "inclusive"),
            ("l3", "on"),
            ("l3cachesize", "8M"),
            ("l3blksize", "64"),
            ("l3assoc", "16"),
            ("l3evict", "lru"),
            ("l3inclusion", "exclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "4"),
            ("l2lat", "17"),
            ("l3lat", "40"),
            ("memlat", "269"),
        ],
    },
    Preset {
        name: "zen2",
        description: "Ryzen 7 3800X, one CCX",
        sources: Sources { read: 15, cited: 4, assumed: 7 },
        options: &[
            ("icachesize", "32K"),
            ("iblksize", "64"),
            ("iassoc", "8"),
            ("ievict", "tree-plru"),
            ("dcachesize", "32K"),
            ("dblksize", "64"),
            ("dassoc", "8"),
            ("devict", "tree-plru"),
            ("l2", "on"),
            ("l2cachesize", "512K"),
            ("l2blksize", "64"),
            ("l2assoc", "8"),
            ("l2evict", "tree-plru"),
            ("l2inclusion", "inclusive"),
            ("l3", "on"),
            ("l3cachesize", "16M"),
            ("l3blksize", "64"),
            ("l3assoc", "16"),
            ("l3evict", "lru"),
            ("l3inclusion", "exclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "4"),
            ("l2lat", "12"),
            ("l3lat", "39"),
            ("memlat", "315"),
        ],
    },
    Preset {
        name: "zen3",
        description: "Ryzen 7 5800X",
        sources: Sources { read: 3, cited: 17, assumed: 6 },
        options: &[
            ("icachesize", "32K"),
            ("iblksize", "64"),
            ("iassoc", "8"),
            ("ievict", "tree-plru"),
            ("dcachesize", "32K"),
            ("dblksize", "64"),
            ("dassoc", "8"),
            ("devict", "tree-plru"),
            ("l2", "on"),
            ("l2cachesize", "512K"),
            ("l2blksize", "64"),
            ("l2assoc", "8"),
            ("l2evict", "tree-plru"),
            ("l2inclusion", "inclusive"),
            ("l3", "on"),
            ("l3cachesize", "32M"),
            ("l3blksize", "64"),
            ("l3assoc", "16"),
            ("l3evict", "lru"),
            ("l3inclusion", "exclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "4"),
            ("l2lat", "12"),
            ("l3lat", "46"),
            ("memlat", "354"),
        ],
    },
    Preset {
        name: "zen4",
        description: "Ryzen 7 7700X",
        sources: Sources { read: 1, cited: 18, assumed: 7 },
        options: &[
            ("icachesize", "32K"),
            ("iblksize", "64"),
            ("iassoc", "8"),
            ("ievict", "tree-plru"),
            ("dcachesize", "32K"),
            ("dblksize", "64"),
            ("dassoc", "8"),
            ("devict", "tree-plru"),
            ("l2", "on"),
            ("l2cachesize", "1M"),
            ("l2blksize", "64"),
            ("l2assoc", "8"),
            ("l2evict", "tree-plru"),
            ("l2inclusion", "inclusive"),
            ("l3", "on"),
            ("l3cachesize", "32M"),
            ("l3blksize", "64"),
            ("l3assoc", "16"),
            ("l3evict", "lru"),
            ("l3inclusion", "exclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "4"),
            ("l2lat", "14"),
            ("l3lat", "50"),
            ("memlat", "380"),
        ],
    },
    Preset {
        name: "zen5",
        description: "Ryzen AI Max+ 395, one die",
        sources: Sources { read: 19, cited: 0, assumed: 7 },
        options: &[
            ("icachesize", "32K"),
            ("iblksize", "64"),
            ("iassoc", "8"),
            ("ievict", "tree-plru"),
            ("dcachesize", "48K"),
            ("dblksize", "64"),
            ("dassoc", "12"),
            ("devict", "lru"),
            ("l2", "on"),
            ("l2cachesize", "1M"),
            ("l2blksize", "64"),
            ("l2assoc", "16"),
            ("l2evict", "tree-plru"),
            ("l2inclusion", "inclusive"),
            ("l3", "on"),
            ("l3cachesize", "32M"),
            ("l3blksize", "64"),
            ("l3assoc", "16"),
            ("l3evict", "lru"),
            ("l3inclusion", "exclusive"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "4"),
            ("l2lat", "14"),
            ("l3lat", "57"),
            ("memlat", "656"),
        ],
    },
    Preset {
        name: "power10",
        description: "Power10, one SMT8 core",
        sources: Sources { read: 1, cited: 14, assumed: 11 },
        options: &[
            ("icachesize", "48K"),
            ("iblksize", "128"),
            ("iassoc", "6"),
            ("ievict", "lru"),
            ("dcachesize", "32K"),
            ("dblksize", "128"),
            ("dassoc", "8"),
            ("devict", "lru"),
            ("l2", "on"),
            ("l2cachesize", "2M"),
            ("l2blksize", "128"),
            ("l2assoc", "8"),
            ("l2evict", "lru"),
            ("l2inclusion", "inclusive"),
            ("l3", "on"),
            ("l3cachesize", "8M"),
            ("l3blksize", "128"),
            ("l3assoc", "16"),
            ("l3evict", "lru"),
            ("l3inclusion", "exclusive"),
            ("dwrite", "through"),
            ("dalloc", "off"),
            ("l1lat", "4"),
            ("l2lat", "14"),
            ("l3lat", "28"),
            ("memlat", "400"),
        ],
    },
    Preset {
        name: "loongson-3a5000",
        description: "Loongson 3A5000",
        sources: Sources { read: 14, cited: 4, assumed: 8 },
        options: &[
            ("icachesize", "64K"),
            ("iblksize", "64"),
            ("iassoc", "4"),
            ("ievict", "lru"),
            ("dcachesize", "64K"),
            ("dblksize", "64"),
            ("dassoc", "4"),
            ("devict", "lru"),
            ("l2", "on"),
            ("l2cachesize", "256K"),
            ("l2blksize", "64"),
            ("l2assoc", "16"),
            ("l2evict", "lru"),
            ("l2inclusion", "exclusive"),
            ("l3", "on"),
            ("l3cachesize", "16M"),
            ("l3blksize", "64"),
            ("l3assoc", "16"),
            ("l3evict", "lru"),
            ("l3inclusion", "nine"),
            ("dwrite", "back"),
            ("dalloc", "on"),
            ("l1lat", "4"),
            ("l2lat", "14"),
            ("l3lat", "44"),
            ("memlat", "300"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value;
    use cachesim::geometry::{CacheGeometry, MAX_LINES, MAX_SIZE_BYTES};
    use std::collections::{BTreeMap, HashSet};

    const DOCUMENTATION: &str = include_str!("../../../docs/presets.md");

    /// The names of the options of each cache: size, line, ways, policy.
    const CACHES: [[&str; 4]; 4] = [
        ["icachesize", "iblksize", "iassoc", "ievict"],
        ["dcachesize", "dblksize", "dassoc", "devict"],
        ["l2cachesize", "l2blksize", "l2assoc", "l2evict"],
        ["l3cachesize", "l3blksize", "l3assoc", "l3evict"],
    ];

    /// The caches that a preset has.
    fn caches(preset: &Preset) -> impl Iterator<Item = [&'static str; 4]> {
        let levels = match (preset.option("l2"), preset.option("l3")) {
            (None, None) => 2,
            (Some("on"), None) => 3,
            (Some("on"), Some("on")) => 4,
            other => panic!("{}: {other:?}", preset.name),
        };
        CACHES.into_iter().take(levels)
    }

    fn given(preset: &Preset, option: &str) -> &'static str {
        preset.option(option).unwrap_or_else(|| panic!("{} has no {option}", preset.name))
    }

    fn bytes(preset: &Preset, option: &str) -> u64 {
        value::bytes(given(preset, option), MAX_SIZE_BYTES).unwrap()
    }

    fn ways(preset: &Preset, option: &str) -> u32 {
        value::count(given(preset, option), MAX_LINES).unwrap()
    }

    #[test]
    fn names_are_unique_and_lower_case_with_dashes() {
        let mut seen = HashSet::new();
        for Preset { name, .. } in PRESETS {
            assert!(seen.insert(name), "{name} twice");
            assert!(
                name.split('-').all(|word| {
                    !word.is_empty()
                        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                }),
                "{name}"
            );
            assert_ne!(*name, "list", "that is the list of them");
        }
    }

    #[test]
    fn the_cores_that_were_promised_are_there() {
        for name in [
            "cortex-m7",
            "cortex-a53",
            "cortex-a72",
            "cortex-a76",
            "neoverse-n1",
            "sifive-u74",
            "thead-c910",
            "skylake-client",
            "icelake-client",
            "zen2",
            "zen3",
            "zen4",
            "rpi4",
            "rpi5",
            "graviton2",
            "neoverse-v1",
            "neoverse-v2",
            "cortex-a55",
            "cortex-a57",
            "a64fx",
            "sifive-u54",
            "spacemit-k1",
            "thead-c906",
            "thead-c908",
            "zen1",
            "zen5",
            "sapphire-rapids",
            "power10",
            "loongson-3a5000",
        ] {
            assert!(PRESETS.iter().any(|preset| preset.name == name), "{name}");
        }
    }

    #[test]
    fn every_preset_sets_all_of_its_levels_and_nothing_else() {
        for preset in PRESETS {
            let mut expected: HashSet<&str> = caches(preset).flatten().collect();
            expected.extend(["dwrite", "dalloc", "l1lat", "memlat"]);
            if preset.option("l2").is_some() {
                expected.extend(["l2", "l2lat"]);
            }
            if preset.option("l3").is_some() {
                expected.extend(["l3", "l3lat", "l2inclusion", "l3inclusion"]);
            } else if preset.option("l2").is_some() {
                expected.insert("inclusion");
            }
            let mut names = HashSet::new();
            for (option, _) in preset.options {
                assert!(names.insert(*option), "{}: {option} twice", preset.name);
            }
            assert_eq!(names, expected, "{}", preset.name);
        }
    }

    #[test]
    fn every_cache_is_a_whole_number_of_sets() {
        for preset in PRESETS {
            for [size, line, assoc, _] in caches(preset) {
                let (size, line, assoc) =
                    (bytes(preset, size), bytes(preset, line), ways(preset, assoc));
                let set = line * u64::from(assoc);
                assert_eq!(size % set, 0, "{}: {size} by {set}", preset.name);
                let geometry = CacheGeometry::new(size, line, assoc).unwrap();
                assert_eq!(geometry.lines() * line, size, "{}", preset.name);
            }
        }
    }

    /// What inclusion needs, and any hierarchy worth its name has.
    #[test]
    fn a_level_is_larger_and_slower_than_that_above_and_has_its_lines() {
        for preset in PRESETS {
            let data_side: Vec<_> = caches(preset).skip(1).collect();
            for pair in data_side.windows(2) {
                let [above, below] = [pair[0], pair[1]];
                assert!(bytes(preset, above[0]) < bytes(preset, below[0]), "{}", preset.name);
                assert_eq!(bytes(preset, above[1]), bytes(preset, below[1]), "{}", preset.name);
            }
            assert_eq!(bytes(preset, "iblksize"), bytes(preset, "dblksize"), "{}", preset.name);
            let latencies: Vec<u32> = ["l1lat", "l2lat", "l3lat", "memlat"]
                .into_iter()
                .filter(|option| preset.option(option).is_some())
                .map(|option| ways(preset, option))
                .collect();
            assert!(latencies.is_sorted_by(|faster, slower| faster < slower), "{}", preset.name);
        }
    }

    #[test]
    fn words_are_those_that_the_options_know() {
        for preset in PRESETS {
            for [_, _, assoc, evict] in caches(preset) {
                let policy = given(preset, evict);
                value::policy(policy).unwrap();
                if policy == "tree-plru" {
                    let ways = ways(preset, assoc);
                    assert!(ways.is_power_of_two(), "{}: a tree of {ways} ways", preset.name);
                }
            }
            for option in ["inclusion", "l2inclusion", "l3inclusion"] {
                if let Some(inclusion) = preset.option(option) {
                    value::inclusion(inclusion).unwrap();
                }
            }
            assert!(["back", "through"].contains(&given(preset, "dwrite")), "{}", preset.name);
            assert!(["on", "off"].contains(&given(preset, "dalloc")), "{}", preset.name);
        }
    }

    #[test]
    fn the_list_names_every_preset_within_80_columns() {
        let text = list_text();
        let lines: Vec<&str> = text.lines().collect();
        for line in &lines {
            assert!(line.chars().count() <= 80, "{line}");
            assert_eq!(*line, line.trim_end());
        }
        assert_eq!(lines.len(), PRESETS.len() + 6);
        for (preset, line) in PRESETS.iter().zip(&lines[6..]) {
            assert_eq!(line.split_whitespace().next(), Some(preset.name));
            assert!(line.ends_with(preset.description), "{line}");
        }
    }

    #[test]
    fn the_columns_of_the_list_stay_in_line() {
        let text = list_text();
        let column = text.lines().nth(5).unwrap().find("SILICON").unwrap();
        for (preset, line) in PRESETS.iter().zip(text.lines().skip(6)) {
            assert_eq!(&line[column..], preset.description);
        }
    }

    /// The rows of the tables of the documentation: preset, settings, values, source.
    fn documented_rows() -> Vec<(&'static str, Vec<&'static str>, Vec<&'static str>, &'static str)>
    {
        let mut rows = Vec::new();
        for section in DOCUMENTATION.split("\n## ").skip(1) {
            let (name, body) = section.split_once('\n').unwrap();
            if name == "Sources" {
                continue;
            }
            for line in body.lines().filter(|line| line.starts_with("| `")) {
                let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
                let [settings, values, source] = cells[..] else { panic!("{name}: {line}") };
                let settings = settings.split(", ").map(|setting| setting.trim_matches('`'));
                rows.push((name, settings.collect(), values.split(", ").collect(), source));
            }
        }
        rows
    }

    #[test]
    fn the_documentation_has_every_preset_with_every_value_and_its_source() {
        let mut documented: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        for (name, settings, values, source) in documented_rows() {
            assert_eq!(settings.len(), values.len(), "{name}: {settings:?}");
            assert!(!source.is_empty(), "{name}: {settings:?}");
            let options = documented.entry(name).or_default();
            for (setting, value) in settings.into_iter().zip(values) {
                assert_eq!(options.insert(setting, value), None, "{name}: {setting} twice");
            }
        }
        let implemented: BTreeMap<&str, BTreeMap<&str, &str>> = PRESETS
            .iter()
            .map(|preset| (preset.name, preset.options.iter().copied().collect()))
            .collect();
        assert_eq!(documented, implemented);
    }

    #[test]
    fn the_list_says_how_well_each_preset_is_known() {
        let mut documented: BTreeMap<&str, Sources> = BTreeMap::new();
        for (name, settings, _, source) in documented_rows() {
            let none = Sources { read: 0, cited: 0, assumed: 0 };
            let Sources { read, cited, assumed } = documented.entry(name).or_insert(none);
            let count = match source {
                _ if source.contains("assumed") => assumed,
                _ if source.contains("*cited*") => cited,
                _ => read,
            };
            *count += u8::try_from(settings.len()).unwrap();
        }
        let implemented = PRESETS.iter().map(|preset| (preset.name, preset.sources)).collect();
        assert_eq!(documented, implemented);
    }

    #[test]
    fn the_documentation_names_the_silicon_first() {
        for preset in PRESETS {
            let start = format!("\n## {}\n\n{}.", preset.name, preset.description);
            assert!(DOCUMENTATION.contains(&start), "{}", preset.name);
        }
    }

    /// An assumption has a reason, and a name in brackets is explained.
    #[test]
    fn the_documentation_explains_every_source() {
        let (_, sources) = DOCUMENTATION.split_once("\n## Sources\n").unwrap();
        let explained: HashSet<_> = sources
            .lines()
            .filter_map(|line| line.strip_prefix("| [")?.split_once("] |"))
            .map(|(key, _)| key)
            .collect();
        for (name, settings, _, source) in documented_rows() {
            assert!(!source.ends_with("assumed"), "{name}: {settings:?}");
            for bracket in source.split('[').skip(1) {
                let (key, _) = bracket.split_once(']').unwrap();
                assert!(explained.contains(key), "{name}: [{key}]");
            }
        }
    }
}
