//! The misses of the sets of each cache.

use std::cmp::Reverse;

use super::Limits;
use super::charts::{Chart, heat_map};
use super::format::{self, Count, Percent};
use crate::{Profile, SetMisses};

/// The maps of one kind of cache.
pub(super) struct SetMaps {
    /// "Data cache".
    pub(super) title: &'static str,
    /// Which cores are shown, where there are several.
    pub(super) note: Option<String>,
    /// None if there were no misses.
    pub(super) maps: Vec<SetMap>,
}

/// The map of the caches of one core, or of the sums of all cores.
pub(super) struct SetMap {
    pub(super) title: String,
    pub(super) label: String,
    pub(super) chart: Chart,
    /// The busiest sets, and how even the rest is.
    pub(super) summary: String,
    /// Misses of the strongest square.
    pub(super) most: String,
    /// Sets of a square, if it is more than one.
    pub(super) sets_per_square: Option<usize>,
}

/// The maps of the data caches and of the instruction caches; nothing if no core counted its sets.
pub(super) fn set_maps(profile: &Profile, limits: Limits) -> Vec<SetMaps> {
    if profile.cores.iter().all(|core| core.sets.is_none()) {
        return Vec::new();
    }
    vec![
        maps_of(profile, limits, "Data cache", |sets| &sets.data),
        maps_of(profile, limits, "Instruction cache", |sets| &sets.fetch),
    ]
}

fn maps_of(
    profile: &Profile,
    limits: Limits,
    title: &'static str,
    of: fn(&SetMisses) -> &[u64],
) -> SetMaps {
    let Limits { cores_with_sets, squares, .. } = limits;
    let mut cores: Vec<(usize, &[u64], u64)> = Vec::new();
    for (number, core) in profile.cores.iter().enumerate() {
        let sets = core.sets.as_ref().map_or(&[][..], of);
        let misses = sets.iter().copied().fold(0, u64::saturating_add);
        if misses > 0 {
            cores.push((number, sets, misses));
        }
    }
    let with_misses = cores.len();
    let note = (profile.cores.len() > 1 && with_misses > 0).then(|| match with_misses {
        1 => "No other core had misses.".to_owned(),
        _ if cores_with_sets == 0 => "The sum of all cores.".to_owned(),
        few if few <= cores_with_sets => {
            format!("The sum of all cores, then each of the {few} that had misses.")
        }
        many => format!(
            "The sum of all cores, then the {cores_with_sets} with the most misses of the {many} that had any."
        ),
    });
    let sum = (with_misses > 1).then(|| sum_of(cores.iter().map(|core| core.1)));
    cores.sort_by_key(|core| Reverse(core.2));
    // Without a sum, it is the only one.
    cores.truncate(if sum.is_some() { cores_with_sets } else { 1 });
    let squares = squares / (cores.len() + usize::from(sum.is_some())).max(1);
    let all = sum.iter().map(|sets| ("All cores".to_owned(), &sets[..]));
    let each = cores.iter().map(|core| (format!("Core {}", core.0), core.1));
    SetMaps {
        title,
        note,
        maps: all.chain(each).map(|(core, sets)| set_map(title, core, sets, squares)).collect(),
    }
}

fn sum_of<'a>(cores: impl Iterator<Item = &'a [u64]>) -> Vec<u64> {
    let mut sum: Vec<u64> = Vec::new();
    for sets in cores {
        sum.resize(sum.len().max(sets.len()), 0);
        for (sum, misses) in sum.iter_mut().zip(sets) {
            *sum = sum.saturating_add(*misses);
        }
    }
    sum
}

fn set_map(cache: &str, core: String, sets: &[u64], max_squares: usize) -> SetMap {
    let sets_per_square = sets.len().div_ceil(max_squares).max(1);
    let squares: Vec<u64> = sets
        .chunks(sets_per_square)
        .map(|sets| sets.iter().copied().fold(0, u64::saturating_add))
        .collect();
    let summary = summary(sets);
    SetMap {
        label: format!("{cache}, {core}: misses of each set. {summary}"),
        title: core,
        chart: heat_map(&squares, sets_per_square),
        summary,
        most: format::misses(squares.iter().copied().max().unwrap_or(0)),
        sets_per_square: (sets_per_square > 1).then_some(sets_per_square),
    }
}

/// The busiest set, against an even spread over all sets.
fn summary(sets: &[u64]) -> String {
    let total = sets.iter().copied().fold(0, u64::saturating_add);
    // Of equals the first.
    let busiest = sets.iter().enumerate().max_by_key(|&(index, &misses)| (misses, Reverse(index)));
    let Some((index, &misses)) = busiest else {
        return "No sets.".to_owned();
    };
    let idle = sets.iter().filter(|&&misses| misses == 0).count();
    let idle = match idle {
        0 => String::new(),
        1 => " 1 set had none.".to_owned(),
        idle => format!(" {} sets had none.", Count(u64::try_from(idle).ok())),
    };
    format!(
        "Set {} has the most: {}, {} of all; spread evenly, each of the {} sets would have {}.{idle}",
        Count(u64::try_from(index).ok()),
        format::misses(misses),
        Percent::new(misses, total),
        Count(u64::try_from(sets.len()).ok()),
        Percent::new(1, u64::try_from(sets.len()).unwrap_or(u64::MAX)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::OWN;
    use crate::sample;

    #[test]
    fn the_sum_and_the_busiest_cores_are_shown() {
        let mut profile = sample::profile();
        let mut core = profile.cores[0].clone();
        profile.cores = (0..10)
            .map(|number| {
                core.sets = Some(SetMisses { data: vec![number, 1], fetch: vec![0, 0] });
                core.clone()
            })
            .collect();
        let [data, fetch] = &set_maps(&profile, OWN)[..] else { panic!("two caches") };
        let titles: Vec<_> = data.maps.iter().map(|map| &map.title[..]).collect();
        assert_eq!(titles, ["All cores", "Core 9", "Core 8", "Core 7"]);
        assert_eq!(data.maps[0].most, "45 misses");
        assert_eq!(
            data.note.as_deref(),
            Some("The sum of all cores, then the 3 with the most misses of the 10 that had any.")
        );
        assert!(fetch.maps.is_empty());
        assert_eq!(fetch.note, None);
    }

    #[test]
    fn a_core_that_is_the_only_one_with_misses_needs_no_sum() {
        let maps = set_maps(&sample::profile(), OWN);
        let titles: Vec<_> = maps[0].maps.iter().map(|map| &map.title[..]).collect();
        assert_eq!(titles, ["Core 0"]);
        assert_eq!(maps[0].note.as_deref(), Some("No other core had misses."));
        assert_eq!(
            maps[0].maps[0].summary,
            "Set 0 has the most: 500 misses, 68.49% of all; spread evenly, each of the 4 sets would have 25.00%. \
             1 set had none."
        );
    }

    #[test]
    fn neighbouring_sets_of_a_large_cache_share_a_square() {
        let map = set_map("Data cache", "Core 0".to_owned(), &vec![1; 10_000], 4096);
        assert_eq!(map.sets_per_square, Some(3));
        assert_eq!(map.most, "3 misses");
    }

    #[test]
    fn cores_without_counted_sets_have_no_maps() {
        let mut profile = sample::profile();
        profile.cores.iter_mut().for_each(|core| core.sets = None);
        assert!(set_maps(&profile, OWN).is_empty());
    }
}
