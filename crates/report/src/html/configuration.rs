//! How the caches are set up, as the page says it.

use cachesim::config::{
    Config, Inclusion, L2Kind, Level, LowerLevels, Straddle, WriteHit, WriteMiss, Writes,
};
use cachesim::policy::PolicyKind;
use options::GuestMode;

use super::format::{Count, size};
use crate::{RunDescription, settings};

/// The shape of a cache.
pub(super) struct Cache {
    pub(super) name: String,
    pub(super) size: String,
    pub(super) line: String,
    pub(super) ways: Count,
    pub(super) sets: Count,
    pub(super) lines: Count,
    pub(super) policy: &'static str,
}

pub(super) fn caches(config: &Config) -> Vec<Cache> {
    let cache = |name: &str, level: &Level| {
        let geometry = level.geometry;
        Cache {
            name: name.to_owned(),
            size: size(geometry.size_bytes()),
            line: size(geometry.line_bytes()),
            ways: u64::from(geometry.ways()).into(),
            sets: geometry.sets().into(),
            lines: geometry.lines().into(),
            policy: level.policy.title(),
        }
    };
    let mut caches =
        vec![cache("Data cache", &config.dcache()), cache("Instruction cache", &config.icache())];
    if let Some(LowerLevels { l2, l2_kind, l3, .. }) = &config.lower() {
        caches.push(match l2_kind {
            L2Kind::Unified => cache("L2", l2),
            L2Kind::Split => cache("L2, one for data and one for instructions", l2),
        });
        caches.extend(l3.as_ref().map(|l3| cache("L3, shared by all cores", l3)));
    }
    caches
}

/// The settings beside the shapes of the caches, a sentence or two each.
pub(super) fn settings_of(run: &RunDescription) -> String {
    let RunDescription { options, mode, vcpus, .. } = run;
    let config = &options.config;
    let mut said = Vec::new();
    if let Some(preset) = options.preset {
        said.push(match preset {
            "host" => {
                "The settings began with the caches of the computer that ran this.".to_owned()
            }
            core => format!("The settings began with those of the core {core}."),
        });
    }
    let of_each = if config.lower().is_some() { "caches of its own" } else { "both caches" };
    let is_shared = *mode == GuestMode::User && *vcpus > 1;
    said.push(match config.cores().get() {
        1 if is_shared => format!("One core, which {vcpus} threads shared."),
        1 => "One core.".to_owned(),
        cores => format!("{} cores, each with {of_each}.", Count::from(u64::from(cores))),
    });
    let caches = settings::caches(config);
    let is_random = caches.iter().any(|cache| cache.level.policy.is_random());
    let seed = is_random.then(|| format!("seed {}", config.seed()));
    if let Some(kind) = settings::common_policy(config) {
        // Its title says no more than "a random line" does.
        let title = (kind != PolicyKind::Random).then(|| kind.title().to_owned());
        let notes: Vec<String> = title.into_iter().chain(seed).collect();
        said.push(format!(
            "A miss in a full set replaces {} ({}).",
            kind.victim(),
            notes.join(", ")
        ));
    } else {
        let seed = seed.map(|seed| format!(" ({seed})")).unwrap_or_default();
        said.push(format!("Each cache replaces lines by its own policy{seed}."));
    }
    if let Some(lower) = &config.lower() {
        let of_level = |name, inclusion| match inclusion {
            Inclusion::Nine => format!("The {name} is neither inclusive nor exclusive."),
            Inclusion::Inclusive => {
                format!("The {name} is inclusive: it has the lines of the levels before it.")
            }
            Inclusion::Exclusive => {
                format!("The {name} is exclusive: it has what the level before it evicted.")
            }
        };
        said.push(of_level("L2", lower.l2_inclusion));
        said.extend(lower.l3.map(|_| of_level("L3", lower.l3_inclusion)));
    }
    if let Some(Writes { on_hit, on_miss }) = config.writes() {
        let on_hit = match on_hit {
            WriteHit::Back => "makes its line dirty (write-back)",
            WriteHit::Through => "goes on to the next level (write-through)",
        };
        let on_miss = match on_miss {
            WriteMiss::Allocate => "fills it first (write-allocate)",
            WriteMiss::NoAllocate => "goes on without it (no write-allocate)",
        };
        said.push(format!("A store {on_hit}; one that misses its line {on_miss}."));
    }
    if config.straddle() == Straddle::Split {
        said.push("An access to two lines counts as one to each.".to_owned());
    }
    if is_shared || config.cores().get() > 1 {
        said.push("What one core or thread writes takes no line from another: false sharing is not modelled.".to_owned());
    }
    said.join(" ")
}
