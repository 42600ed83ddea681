//! Of a run with several machines.

use options::{Machine, Options};

use super::*;
use crate::html::MAX_MACHINES;

#[test]
fn machines_are_side_by_side_before_all_else() {
    let html = parse(&render(&sample::compared(), &matrix_source));
    let first = &select(&html, "main > section")[0];
    assert_eq!(first.attr("id"), Some("comparison"));
    insta::assert_snapshot!(tables(&html, "#comparison"), @r#"
        Machine | Stalls per instruction | Stall cycles | L1d MPKI | L1i MPKI | L2 MPKI | L3 MPKI | Bytes from memory | Bytes to memory
        own fewest stalls the run’s own 4, 12, 40, 200 cycles | 7.89 | 39,640 | 145.39 44.24% · 1K/4 | 1.79 0.18% · 2K/8 | 98.79 67.12% · 16K/8 | 24.70 25.00% · 64K/16 | 7,936 | 512
        two 4, 12, 200 cycles | 19.75 | 99,160 | 145.39 44.24% · 1K/4 | 1.79 0.18% · 2K/8 | 98.79 67.12% · 16K/8 | – | 7,936 | 512
        a\n<b>, "* 4, 90 cycles | 12.66 | 63,554 | 145.39 44.24% · 1K/4 | 1.79 0.18% · 2K/8 | – | – | 47,296 | –
        "#);
    let best: Vec<_> = select(&html, "#comparison .best .name").into_iter().map(text).collect();
    assert_eq!(best, ["own"]);
}

#[test]
fn every_machine_has_its_part_of_the_page() {
    let profile = sample::compared();
    let html = parse(&render(&profile, &matrix_source));
    let parts = select(&html, "#machines > details");
    let names: Vec<_> = select(&html, "#machines > details h3").into_iter().map(text).collect();
    assert_eq!(names, ["two", "a\\n<b>, \"*"]);
    assert_eq!(parts.len(), profile.compared.len());
    let tiles = |selector: &str| -> Vec<String> {
        select(&html, &format!("{selector} .tiles > div")).into_iter().map(text).collect()
    };
    for (index, machine) in (1..).zip(&profile.compared) {
        let alone = parse(&render(machine, &no_source));
        let tiles_alone: Vec<_> = select(&alone, ".tiles > div").into_iter().map(text).collect();
        let part = format!("#machine-{index}");
        assert_eq!(tiles(&part), tiles_alone);
        let sections = ["#functions", "#lines", "#instructions", "#caches"];
        assert_eq!(tables(&html, &part), sections.map(|part| tables(&alone, part)).concat());
        assert_eq!(select(&html, &format!("{part} svg")).len(), 2);
    }
}

#[test]
fn no_two_elements_have_one_id_and_every_link_leads_somewhere() {
    let html = parse(&render(&sample::compared(), &matrix_source));
    let ids: Vec<_> = select(&html, "[id]").iter().filter_map(|it| it.attr("id")).collect();
    let known: HashSet<_> = ids.iter().copied().collect();
    assert_eq!(ids.len(), known.len());
    for link in select(&html, "a") {
        let target = link.attr("href").and_then(|target| target.strip_prefix('#'));
        assert!(known.contains(target.unwrap()), "{target:?}");
    }
}

#[test]
fn a_page_of_one_machine_compares_nothing() {
    let page = render(&sample::levels(), &matrix_source);
    let html = parse(&page);
    assert!(select(&html, "#comparison, #machines").is_empty());
    assert!(!text(select(&html, "body")[0]).contains("Machines compared"));
}

#[test]
fn without_accesses_no_machine_is_the_best() {
    let mut profile = sample::compared();
    profile.cores.clear();
    profile.compared.iter_mut().for_each(|machine| machine.cores.clear());
    let html = parse(&render(&profile, &no_source));
    assert!(select(&html, ".best").is_empty());
    assert!(tables(&html, "#comparison").contains("| 0.00 | 0 | 0.00 0.00% · 1K/4 |"));
}

/// `count` machines, with names and lists as large as they get, and sets that no two squares are alike in.
fn many(count: usize) -> Profile {
    let mut profile = bounds::large_profile(4, 1 << 14);
    // As many as the lists have room for.
    profile.instructions.truncate(100);
    let machine = profile.clone();
    let Options { preset, config, latencies, .. } = profile.run.options;
    for number in 0..count {
        let name = format!("{number}{}", "<&>".repeat(80));
        profile.run.options.compared.push(Machine {
            name,
            preset,
            config,
            latencies,
            files: Vec::new(),
        });
        profile.compared.push(machine.clone());
    }
    profile
}

#[test]
fn the_page_is_bounded_with_many_machines() {
    for (count, shown) in [(32, 32), (MAX_MACHINES + 1, MAX_MACHINES)] {
        let page = render(&many(count), &no_source);
        assert!(page.len() < 5_500_000, "{count}: {} bytes", page.len());
        let number = |text: &str| page.matches(text).count();
        assert_eq!(number("<details class=\"file machine\""), shown);
        assert_eq!(number("fewest stalls"), 0);
        assert_eq!(
            number("<th scope=\"row\" class=\"text\"><a class=\"name\" href=\"#machine-"),
            shown
        );
        let left_out = number("The first 41 of 42 machines; the JSON report has all.");
        assert_eq!(left_out, usize::from(shown < count));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_name_of_a_machine_adds_an_element(
        name in prop_oneof![any::<String>(), Just("--></style></title></svg><script>".to_owned())],
    ) {
        let page = |name: &str| {
            let other = (name, sample::two_levels());
            skeleton(&parse(&render(&sample::comparing(sample::levels(), vec![other]), &no_source)))
        };
        prop_assert_eq!(page(&name), page("plain"));
    }
}
