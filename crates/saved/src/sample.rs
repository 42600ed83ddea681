//! Profiles for the tests: those of the tests of `report`, read from the JSON that those keep.

use report::Profile;

use crate::read::{Extent, parse};

/// The JSON in a file of `insta`, which has lines of its own before it.
fn json(snapshot: &'static str) -> &'static str {
    snapshot.splitn(3, "---\n").nth(2).expect("a header comes first")
}

/// The text of [`profile`].
pub fn profile_json() -> &'static str {
    json(include_str!("../../report/src/json/snapshots/report__json__tests__the_sample.snap"))
}

/// The text of [`levels`].
pub fn levels_json() -> &'static str {
    json(include_str!(
        "../../report/src/json/snapshots/report__json__tests__the_sample_with_levels.snap"
    ))
}

/// The text of [`misses`].
pub fn misses_json() -> &'static str {
    json(include_str!(
        "../../report/src/json/snapshots/report__json__tests__the_sample_with_misses_only.snap"
    ))
}

/// The text of [`compared`].
pub fn compared_json() -> &'static str {
    json(include_str!(
        "../../report/src/json/snapshots/report__json__tests__the_sample_with_several_machines.snap"
    ))
}

fn read(text: &str) -> Profile {
    parse(text.as_bytes(), Extent::Whole).expect("it is a report").0
}

/// Two cores of first-level caches.
pub fn profile() -> Profile {
    read(profile_json())
}

/// With an L2, an L3, stores and a summary.
pub fn levels() -> Profile {
    read(levels_json())
}

/// Without executions.
pub fn misses() -> Profile {
    read(misses_json())
}

/// [`levels`], with two further machines.
pub fn compared() -> Profile {
    read(compared_json())
}
