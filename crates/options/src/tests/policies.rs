//! Texts that list the policies have all of them.

use cachesim::policy::{PolicyKind, Repeats};

const README: &str = include_str!("../../../../README.md");
const MODEL: &str = include_str!("../../../../docs/model.md");

/// The names of those that are asked for, as a sentence has them.
fn listed(is_asked_for: fn(&PolicyKind) -> bool) -> String {
    let names = PolicyKind::ALL.into_iter().filter(is_asked_for);
    let names: Vec<String> = names.map(|kind| format!("`{}`", kind.name())).collect();
    let (last, others) = names.split_last().unwrap();
    format!("{} and {last}", others.join(", "))
}

#[test]
fn the_readme_lists_every_policy() {
    let sentence = format!("POLICY is one of {}.\n", listed(|_| true));
    assert!(README.contains(&sentence), "{sentence}");
}

/// A row of the table and a paragraph.
#[test]
fn the_model_explains_every_policy() {
    let begin = |what: &str| {
        let words = MODEL.lines().filter_map(|line| line.strip_prefix(what)?.split('`').next());
        let known = |word: &&str| PolicyKind::ALL.iter().any(|kind| kind.name() == *word);
        words.filter(known).collect::<Vec<_>>()
    };
    let all = PolicyKind::ALL.map(PolicyKind::name);
    assert_eq!(begin("| `"), all);
    assert_eq!(begin("**`"), all);
}

#[test]
fn the_model_says_which_policies_are_random_and_which_count_repeats() {
    for sentence in [
        format!("\n{} draw from a small generator", listed(|kind| kind.is_random())),
        format!(
            "\nWith {} as the instruction cache's policy",
            listed(|kind| kind.repeats() != Repeats::ChangeNothing)
        ),
    ] {
        assert!(MODEL.contains(&sentence), "{sentence}");
    }
}
