use std::sync::Arc;

use report::Profile;
use scraper::{Html, Selector};
use serde_json::Value;

use super::*;
use crate::change::Change;
use crate::metric::Metric;
use crate::sample;
use crate::{Saved, Subject};

fn saved(name: &str, profile: Profile) -> Saved {
    Saved { path: name.into(), modified: None, profile, notes: Vec::new() }
}

/// The sample with levels, of another build: elsewhere, at other addresses, with more and fewer misses, one
/// function gone and one new.
fn other_build() -> Profile {
    let mut profile = sample::levels();
    profile.instructions.remove(4);
    for one in &mut profile.instructions {
        one.vaddr += 0x40;
        one.object_address = one.object_address.map(|address| address + 0x40);
        let mut location = (*one.location).clone();
        if location.object.as_deref() == Some("/opt/matrix") {
            location.object = Some("/ci/build-7/matrix".into());
        }
        for frame in &mut location.frames {
            frame.file = frame.file.as_ref().map(|file| file.replace("/src/", "/ci/7/src/").into());
        }
        one.location = Arc::new(location);
    }
    let [row_order, _, dot, column_order, ..] = &mut profile.instructions[..] else { panic!() };
    row_order.counts.data_misses += 40;
    dot.counts.data_misses -= 490;
    column_order.counts.data_misses += 1;
    let mut new = column_order.clone();
    let mut location = (*new.location).clone();
    location.frames[0].function =
        Some("block_order<double, std::allocator<double>>(double*, long)".into());
    location.frames[0].line = Some(40);
    new.location = location.into();
    profile.instructions.push(new);
    let core = &mut profile.cores[0].counts;
    core.data.misses -= 449;
    core.fetch.accesses += 1_000_000;
    profile
}

fn question(budgets: &[&str]) -> Question {
    Question {
        by: vec![Subject::Function, Subject::Line],
        metrics: Vec::new(),
        budgets: budgets.iter().map(|budget| budget.parse().unwrap()).collect(),
    }
}

fn compared(budgets: &[&str]) -> Comparison {
    let (a, b) = (saved("old.json", sample::levels()), saved("new.json", other_build()));
    Comparison::new(&a, &b, &question(budgets)).unwrap()
}

const BUDGETS: [&str; 3] =
    ["l1d.misses > +2%", "instructions > +0", "function(column_order).l1d.misses > +0.5%"];

#[test]
fn the_table_of_two_builds() {
    insta::assert_snapshot!(text::render(&compared(&BUDGETS), 4));
}

#[test]
fn the_markdown_of_two_builds() {
    insta::assert_snapshot!(markdown::render(&compared(&BUDGETS), 3));
}

#[test]
fn the_lines_of_the_table_keep_to_80_columns() {
    let text = text::render(&compared(&[]), 10);
    let lists = text.split_once("\n\n").unwrap().1;
    assert!(lists.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_run_and_itself_differ_in_nothing() {
    for profile in [sample::profile(), sample::levels(), sample::misses()] {
        let a = saved("a", profile);
        let by = vec![Subject::Function, Subject::Line, Subject::Instruction];
        let comparison = Comparison::new(&a, &a, &Question { by, ..question(&[]) }).unwrap();
        assert!(comparison.differences.is_empty());
        assert!(comparison.totals.iter().all(|change| change.difference() == 0.0));
        assert!(comparison.lists.iter().all(|list| list.changes.is_empty() && list.same > 0));
    }
}

#[test]
fn what_changed_adds_up() {
    let comparison = compared(&[]);
    for list in comparison.lists.iter().filter(|list| list.metric == Metric::DATA_MISSES) {
        let sum: f64 = list.changes.iter().map(Change::difference).sum();
        assert_eq!(sum.to_string(), (40 - 490 + 1 + 101).to_string(), "{:?}", list.by);
    }
}

#[test]
fn other_caches_are_told() {
    let (a, b) = (saved("a", sample::profile()), saved("b", sample::levels()));
    let comparison = Comparison::new(&a, &b, &question(&[])).unwrap();
    assert_eq!(
        comparison.differences,
        [
            "L2: none → 16 KiB, 8 ways, lines of 64 bytes, LRU, nine",
            "L3: none → 64 KiB, 16 ways, lines of 64 bytes, random, exclusive",
            "stores: not modelled → write-back, write-allocate",
            "accesses to two lines: one → two",
            "latencies: none → 4, 12, 40, 200",
        ]
    );
    // Of levels that one run has only there are totals, but no lists.
    assert!(comparison.lists.iter().all(|list| list.metric == Metric::DATA_MISSES));
    assert!(comparison.totals.iter().any(|change| change.a.is_none() && change.b.is_some()));
}

#[test]
fn a_metric_that_rows_have_not_is_refused() {
    let (a, b) = (saved("a.json", sample::misses()), saved("b.json", sample::profile()));
    let error = |metric: &str| {
        let question = Question { metrics: vec![metric.parse().unwrap()], ..question(&[]) };
        Comparison::new(&a, &b, &question).unwrap_err().to_string()
    };
    for (metric, message) in [
        ("l2.misses", "--metric l2.misses: the run of a.json has no L2"),
        (
            "instructions",
            "--metric instructions: the run of a.json counted misses only (profile=on)",
        ),
        (
            "memory.read",
            "--metric memory.read: is of whole runs, which are always compared; name one of \
                         functions and lines, such as l1d.misses",
        ),
    ] {
        assert_eq!(error(metric), message);
    }
}

#[test]
fn the_page_has_all_that_the_table_has() {
    let comparison = compared(&BUDGETS);
    let mut bytes = Vec::new();
    html::write(&comparison, 10, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let page = Html::parse_document(&text);
    assert!(page.errors.is_empty(), "{:?}", page.errors);
    let count = |selector: &str| page.select(&Selector::parse(selector).unwrap()).count();
    let rows: usize = comparison.lists.iter().map(|list| list.changes.len()).sum();
    assert_eq!(count(".changes tbody tr"), rows);
    assert_eq!(count("#totals tbody tr"), comparison.totals.len());
    assert_eq!(count("#budgets li"), BUDGETS.len());
    assert_eq!(count("script, link[href^=http], img"), 0);
    // Names of the guest are text.
    assert_eq!(count("b"), 0);
    assert!(text.contains("block_order&#60;double"), "{text}");
}

#[test]
fn the_json_has_all_rows_and_budgets() {
    let comparison = compared(&BUDGETS);
    let mut bytes = Vec::new();
    json::write(&comparison, &mut bytes).unwrap();
    let document: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(document["totals"].as_array().unwrap().len(), comparison.totals.len());
    let lists = document["lists"].as_array().unwrap();
    let is_wanted = |list: &&Value| list["by"] == "function" && list["metric"] == "l1d.misses";
    let list = lists.iter().find(is_wanted).unwrap();
    assert_eq!(list["changed"][0]["function"], "dot<T>");
    assert_eq!(list["changed"][0]["change"], -490.0);
    let mut lists = comparison.lists.iter();
    let same = lists.find(|it| it.metric == Metric::DATA_MISSES).unwrap();
    assert_eq!(list["changed"].as_array().unwrap().len(), same.changes.len());
    let broken: Vec<_> =
        document["budgets"].as_array().unwrap().iter().map(|it| it["broken"].clone()).collect();
    assert_eq!(broken, [false, true, true]);
}

#[test]
fn what_has_no_miss_in_a_run_of_misses_only_is_not_gone() {
    let relative = |mut profile: Profile| {
        let a = saved("a", profile.clone());
        profile.instructions.remove(0);
        let comparison = Comparison::new(&a, &saved("b", profile), &question(&[])).unwrap();
        let [change] = &comparison.lists[0].changes[..] else { panic!("one function") };
        (format::value(change.b, change.unit), format::relative(change))
    };
    assert_eq!(relative(sample::misses()), ("0".to_owned(), "-100.00%".to_owned()));
    // The second of its instructions is still there.
    assert_eq!(relative(sample::profile()), ("0".to_owned(), "-100.00%".to_owned()));
    let mut one = sample::profile();
    one.instructions.remove(1);
    assert_eq!(relative(one), ("–".to_owned(), "gone".to_owned()));
}
