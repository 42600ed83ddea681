mod bounds;
mod machines;

use std::collections::{BTreeSet, HashSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use cachesim::config::Config;
use cachesim::policy::PolicyKind;
use options::GuestMode;
use proptest::prelude::*;
use scraper::{ElementRef, Html, Selector};
use source::{Frame, Location};

use super::charts::PALETTE;
use super::{Source, SourceState, write};
use crate::{
    Detail, Executed, InstructionCounts, LowerMisses, MissesByKind, Profile, ProfiledInstruction,
    SetMisses, sample,
};

fn render(profile: &Profile, source: &dyn Fn(&str) -> Option<Source>) -> String {
    sample::written(|out| write(profile, source, out))
}

fn no_source(_: &str) -> Option<Source> {
    None
}

/// A file for the sample, whose hot lines are 12 and 31.
fn matrix_source(path: &str) -> Option<Source> {
    let lines = (1..=40).map(|line| format!("\tline({line}); // <b>&amp;\u{202e}\n"));
    (path == "/src/matrix.c").then(|| lines.collect::<String>().into())
}

/// The page as a browser understands it; it may not find anything to complain of.
fn parse(page: &str) -> Html {
    let html = Html::parse_document(page);
    assert_eq!(html.errors, Vec::<String>::new());
    html
}

fn select<'a>(html: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    html.select(&Selector::parse(selector).unwrap()).collect()
}

fn text(element: ElementRef<'_>) -> String {
    let text: String = element.text().collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The tables within `selector`, a line for each row and ` | ` between cells.
fn tables(html: &Html, selector: &str) -> String {
    let cells = Selector::parse("th, td").unwrap();
    let rows = select(html, &format!("{selector} tr")).into_iter().map(|row| {
        let cells = row.select(&cells).map(text).filter(|cell| !cell.is_empty());
        cells.collect::<Vec<_>>().join(" | ") + "\n"
    });
    rows.collect()
}

/// The elements and their attributes, in their order, without any text.
fn skeleton(html: &Html) -> Vec<String> {
    let elements = html.root_element().descendants().filter_map(ElementRef::wrap);
    elements
        .map(|element| {
            let mut attributes: Vec<_> = element.value().attrs().map(|(name, _)| name).collect();
            attributes.sort_unstable();
            format!("{} {attributes:?}", element.value().name())
        })
        .collect()
}

#[test]
fn the_rows_of_the_sample() {
    let html = parse(&render(&sample::profile(), &matrix_source));
    let sections = ["#caches", "#cores", "#functions", "#lines", "#instructions"];
    insta::assert_snapshot!(sections.map(|section| tables(&html, section)).join("\n"), @r#"
        Cache | Size | Line | Ways | Sets | Lines | Policy
        Data cache | 1 KiB | 64 bytes | 4 | 4 | 16 | LRU
        Instruction cache | 2 KiB | 64 bytes | 8 | 4 | 32 | LRU

        Data cache | Instruction cache
        Core | Accesses | Misses | Miss rate | Fetches | Misses | Miss rate
        0 | 1,650 | 730 | 44.24% | 5,021 | 9 | 0.18%
        1 | 0 | 0 | 0.00% | 0 | 0 | 0.00%
        All | 1,650 | 730 | 44.24% | 5,021 | 9 | 0.18%

        Function | Data misses | Share | Data accesses | Miss rate
        dot<T> inlined in column_order · dot.h · matrix | 500 | 68.49% | 500 | 100.00%
        row_order matrix.c · matrix | 125 | 17.12% | 1,000 | 12.50%
        column_order matrix.c · matrix | 100 | 13.70% | 100 | 100.00%
        </script><b>&"'\n=1,2\u{1b}[31m <i>&\n.c · a\nfn=evil | 5 | 0.68% | 50 | 10.00%
        Function | Fetch misses | Share | Fetches | Miss rate
        column_order matrix.c · matrix | 3 | 33.33% | 100 | 3.00%
        dot<T> inlined in column_order · dot.h · matrix | 2 | 22.22% | 500 | 0.40%
        name not known | 1 | 11.11% | 1 | 100.00%
        </script><b>&"'\n=1,2\u{1b}[31m <i>&\n.c · a\nfn=evil | 1 | 11.11% | 20 | 5.00%
        row_order matrix.c · matrix | 1 | 11.11% | 2,000 | 0.05%
        sqrt libm, "odd".so.6 | 1 | 11.11% | 2,400 | 0.04%

        Line | Data misses | Share | Data accesses | Miss rate
        dot.h:7 in dot<T> · inlined in column_order | 500 | 68.49% | 500 | 100.00%
        matrix.c:12 line(12); // <b>&amp;\u{202e} in row_order | 125 | 17.12% | 1,000 | 12.50%
        matrix.c:31 line(31); // <b>&amp;\u{202e} in column_order | 100 | 13.70% | 100 | 100.00%
        <i>&\n.c:1 in </script><b>&"'\n=1,2\u{1b}[31m | 5 | 0.68% | 50 | 10.00%
        Line | Fetch misses | Share | Fetches | Miss rate
        matrix.c:31 line(31); // <b>&amp;\u{202e} in column_order | 3 | 33.33% | 100 | 3.00%
        dot.h:7 in dot<T> · inlined in column_order | 2 | 22.22% | 500 | 0.40%
        <i>&\n.c:1 in </script><b>&"'\n=1,2\u{1b}[31m | 1 | 11.11% | 20 | 5.00%
        matrix.c:12 line(12); // <b>&amp;\u{202e} in row_order | 1 | 11.11% | 2,000 | 0.05%

        Address | Instruction | Function and line | Executions | Data accesses | Data misses | Miss rate | Fetch misses
        0x107d0 | c.fld fa4, 0(a4) | dot<T> dot.h:7 | 500 | 500 | 500 | 100.00% | 2
        0x10782 | c.fld fa5, 0(a4) | row_order matrix.c:12 | 1,000 | 1,000 | 125 | 12.50% | 1
        0x107de | c.fsd fa5, 0(a0) | column_order matrix.c:31 | 100 | 100 | 100 | 100.00% | 3
        0x40002000 | </td>"nop"\n, =cmd | </script><b>&"'\n=1,2\u{1b}[31m <i>&\n.c:1 | 20 | 50 | 5 | 10.00% | 1
        0x40001000 | fsqrt.d fa0, fa0 | sqrt libm, "odd".so.6 | 2,400 | 0 | 0 | 0.00% | 1
        0xffffffff80000000 | c.nop | name not known | 1 | 0 | 0 | 0.00% | 1
    "#);
}

#[test]
fn the_source_of_the_sample() {
    let html = parse(&render(&sample::profile(), &matrix_source));
    insta::assert_snapshot!(tables(&html, "#source"), @r"
        Line | Executions | Reads | Writes | Data misses | Fetch misses | Source
        lines 1 to 8 not shown
        9 | line(9); // <b>&amp;\u{202e}
        10 | line(10); // <b>&amp;\u{202e}
        11 | line(11); // <b>&amp;\u{202e}
        12 | 2,000 | 1,000 | 0 | 125 | 1 | line(12); // <b>&amp;\u{202e}
        13 | line(13); // <b>&amp;\u{202e}
        14 | line(14); // <b>&amp;\u{202e}
        15 | line(15); // <b>&amp;\u{202e}
        lines 16 to 27 not shown
        28 | line(28); // <b>&amp;\u{202e}
        29 | line(29); // <b>&amp;\u{202e}
        30 | line(30); // <b>&amp;\u{202e}
        31 | 100 | 0 | 100 | 100 | 3 | line(31); // <b>&amp;\u{202e}
        32 | line(32); // <b>&amp;\u{202e}
        33 | line(33); // <b>&amp;\u{202e}
        34 | line(34); // <b>&amp;\u{202e}
        lines 35 to 40 not shown
        File | Misses | Share
        /src/dot.h | 502 | 67.93%
        /src/<i>&\n.c | 6 | 0.81%
    ");
}

#[test]
fn the_rows_of_the_sample_with_levels() {
    let html = parse(&render(&sample::levels(), &matrix_source));
    let sections = ["#caches", "#cores", "#summary", "#lines", "#source", "#instructions"];
    insta::assert_snapshot!(sections.map(|section| tables(&html, section)).join("\n"), @r#"
        Cache | Size | Line | Ways | Sets | Lines | Policy
        Data cache | 1 KiB | 64 bytes | 4 | 4 | 16 | LRU
        Instruction cache | 2 KiB | 64 bytes | 8 | 4 | 32 | LRU
        L2 | 16 KiB | 64 bytes | 8 | 32 | 256 | LRU
        L3, shared by all cores | 64 KiB | 64 bytes | 16 | 64 | 1,024 | random

        Data cache | Instruction cache | L2 | L3
        Core | Accesses | Misses | Miss rate | Fetches | Misses | Miss rate | Accesses | Misses | Miss rate | Accesses | Misses | Miss rate
        0 | 1,650 | 730 | 44.24% | 5,021 | 9 | 0.18% | 739 | 496 | 67.12% | 496 | 124 | 25.00%
        1 | 0 | 0 | 0.00% | 0 | 0 | 0.00% | 0 | 0 | 0.00% | 0 | 0 | 0.00%
        All | 1,650 | 730 | 44.24% | 5,021 | 9 | 0.18% | 739 | 496 | 67.12% | 496 | 124 | 25.00%
        Cache | Kind | Accesses | Misses | Miss rate
        Data cache | reads | 1,550 | 630 | 40.65%
        Data cache | writes | 100 | 100 | 100.00%
        L2 | fetches | 9 | 6 | 66.67%
        L2 | reads | 630 | 430 | 68.25%
        L2 | writes | 100 | 60 | 60.00%
        L2 | written from the level before | 90 | 0 | 0.00%
        L3 | fetches | 6 | 4 | 66.67%
        L3 | reads | 430 | 110 | 25.58%
        L3 | writes | 60 | 10 | 16.67%
        L3 | written from the level before | 40 | 0 | 0.00%
        Count
        Write-backs of the data cache | 90
        Write-backs of L2 | 40
        Write-backs of L3 | 8
        Stores passed on by the data cache | 0
        Bytes from memory | 7,936
        Bytes to memory | 512

        Cache | Misses | MPKI | Hit rate | Global hit rate
        L1d | 730 | 145.39 | 55.76% | 55.76%
        L1i | 9 | 1.79 | 99.82% | 99.82%
        L2 | 496 | 98.79 | 32.88% | 92.56%
        L3 | 124 | 24.70 | 75.00% | 98.14%
        Bytes
        Read | 7,936
        Read, per instruction | 1.58
        Written | 512
        Written, per instruction | 0.10
        Cycles
        Per data access | 27.49
        Per fetch | 4.18
        Stalls | 39,640
        Stalls, per instruction | 7.89

        Line | Stall cycles | Share | Data misses | Data accesses | Miss rate | L2 misses | L3 misses
        dot.h:7 in dot<T> · inlined in column_order | 31,200 | 78.71% | 500 | 500 | 100.00% | 400 | 100
        matrix.c:31 line(31); // <b>&amp;\u{202e} in column_order | 4,080 | 10.29% | 100 | 100 | 100.00% | 60 | 10
        matrix.c:12 line(12); // <b>&amp;\u{202e} in row_order | 2,500 | 6.31% | 125 | 1,000 | 12.50% | 25 | 5
        <i>&\n.c:1 in </script><b>&"'\n=1,2\u{1b}[31m | 980 | 2.47% | 5 | 50 | 10.00% | 5 | 5
        Line | Stall cycles | Share | Fetch misses | Fetches | Miss rate | L2 misses | L3 misses
        dot.h:7 in dot<T> · inlined in column_order | 232 | 0.59% | 2 | 500 | 0.40% | 2 | 1
        matrix.c:12 line(12); // <b>&amp;\u{202e} in row_order | 196 | 0.49% | 1 | 2,000 | 0.05% | 1 | 1
        matrix.c:31 line(31); // <b>&amp;\u{202e} in column_order | 52 | 0.13% | 3 | 100 | 3.00% | 1 | 0
        <i>&\n.c:1 in </script><b>&"'\n=1,2\u{1b}[31m | 8 | 0.02% | 1 | 20 | 5.00% | 0 | 0

        Line | Executions | Reads | Writes | Data misses | Fetch misses | L2 misses | L3 misses | Stall cycles | Source
        lines 1 to 8 not shown
        9 | line(9); // <b>&amp;\u{202e}
        10 | line(10); // <b>&amp;\u{202e}
        11 | line(11); // <b>&amp;\u{202e}
        12 | 2,000 | 1,000 | 0 | 125 | 1 | 26 | 6 | 2,696 | line(12); // <b>&amp;\u{202e}
        13 | line(13); // <b>&amp;\u{202e}
        14 | line(14); // <b>&amp;\u{202e}
        15 | line(15); // <b>&amp;\u{202e}
        lines 16 to 27 not shown
        28 | line(28); // <b>&amp;\u{202e}
        29 | line(29); // <b>&amp;\u{202e}
        30 | line(30); // <b>&amp;\u{202e}
        31 | 100 | 0 | 100 | 100 | 3 | 61 | 10 | 4,132 | line(31); // <b>&amp;\u{202e}
        32 | line(32); // <b>&amp;\u{202e}
        33 | line(33); // <b>&amp;\u{202e}
        34 | line(34); // <b>&amp;\u{202e}
        lines 35 to 40 not shown
        File | Stall cycles | Share
        /src/dot.h | 31,432 | 79.29%
        /src/<i>&\n.c | 988 | 2.49%

        Address | Instruction | Function and line | Stall cycles | Executions | Data accesses | Data misses | Miss rate | Fetch misses | L2 misses | L3 misses
        0x107d0 | c.fld fa4, 0(a4) | dot<T> dot.h:7 | 31,432 | 500 | 500 | 500 | 100.00% | 2 | 402 | 101
        0x107de | c.fsd fa5, 0(a0) | column_order matrix.c:31 | 4,132 | 100 | 100 | 100 | 100.00% | 3 | 61 | 10
        0x10782 | c.fld fa5, 0(a4) | row_order matrix.c:12 | 2,696 | 1,000 | 1,000 | 125 | 12.50% | 1 | 26 | 6
        0x40002000 | </td>"nop"\n, =cmd | </script><b>&"'\n=1,2\u{1b}[31m <i>&\n.c:1 | 988 | 20 | 50 | 5 | 10.00% | 1 | 5 | 5
        0x40001000 | fsqrt.d fa0, fa0 | sqrt libm, "odd".so.6 | 196 | 2,400 | 0 | 0 | 0.00% | 1 | 1 | 1
        0xffffffff80000000 | c.nop | name not known | 196 | 1 | 0 | 0 | 0.00% | 1 | 1 | 1
    "#);
}

#[test]
fn levels_and_what_was_asked_for_are_told() {
    let html = parse(&render(&sample::levels(), &no_source));
    let settings = text(select(&html, "#caches > p")[0]);
    assert_eq!(
        settings,
        "The settings began with those of the core cortex-a72. 2 cores, each with caches of its own. \
         Each cache replaces lines by its own policy (seed 1). The L2 is neither inclusive nor \
         exclusive. The L3 is exclusive: it has what the level before it evicted. A store makes its \
         line dirty (write-back); one that misses its line fills it first (write-allocate). An access \
         to two lines counts as one to each. What one core or thread writes takes no line from another: \
         false sharing is not modelled."
    );
    let tiles: Vec<_> = select(&html, ".tiles dt").into_iter().map(text).collect();
    let rates = ["Data miss rate", "Fetch miss rate", "L2 miss rate", "L3 miss rate"];
    assert_eq!(tiles, [&rates[..], &["Data accesses", "Instructions"]].concat());
    let latencies = text(select(&html, "#summary .note")[0]);
    assert!(latencies.contains("(L1 4, L2 12, L3 40, memory 200 cycles)"), "{latencies}");
    assert!(!text(select(&html, "nav")[0]).is_empty());
    let two = parse(&render(&sample::two_levels(), &matrix_source));
    assert!(!text(two.root_element()).contains("L3 misses"));
    let one = parse(&render(&sample::profile(), &matrix_source));
    assert!(select(&one, "#summary").is_empty());
    assert!(!text(one.root_element()).contains("L2"));
}

#[test]
fn a_policy_that_all_caches_share_is_told_with_its_seed_if_it_has_one() {
    for (policy, sentence) in [
        (PolicyKind::Fifo, "replaces the line filled first (FIFO)."),
        (PolicyKind::Random, "replaces a random line (seed 1)."),
        (
            PolicyKind::Brrip,
            "replaces the line predicted to be used last, mostly the newest (BRRIP, seed 1).",
        ),
    ] {
        let mut profile = sample::profile();
        profile.run.options = sample::with_parts(profile.run.options, |parts| {
            (parts.icache.policy, parts.dcache.policy) = (policy, policy);
        });
        let html = parse(&render(&profile, &no_source));
        let settings = text(select(&html, "#caches > p")[0]);
        assert!(settings.contains(sentence), "{settings}");
    }
}

/// Of every row of every table, the cells are as many as its heading has.
#[test]
fn rows_have_as_many_cells_as_their_headings() {
    let (rows, cells) = (Selector::parse("tr").unwrap(), Selector::parse("th, td").unwrap());
    let columns = |row: ElementRef<'_>| -> usize {
        let spans = row.select(&cells).map(|cell| cell.attr("colspan").unwrap_or("1"));
        spans.map(|span| span.parse::<usize>().unwrap()).sum()
    };
    for profile in [sample::profile(), sample::two_levels(), sample::levels(), sample::compared()] {
        let html = parse(&render(&profile, &matrix_source));
        let tables = select(&html, "table");
        assert!(tables.len() > 8, "{}", tables.len());
        for table in tables {
            let widths: BTreeSet<_> = table.select(&rows).map(columns).collect();
            assert_eq!(widths.len(), 1, "{widths:?}: {}", text(table));
        }
    }
}

#[test]
fn the_header_tells_what_ran() {
    let html = parse(&render(&sample::profile(), &no_source));
    assert_eq!(text(select(&html, "h1")[0]), "Cache misses of matrix");
    assert_eq!(
        text(select(&html, "header .command")[0]),
        "qemu-riscv64 -plugin libcache.so matrix 'two words'"
    );
    let values: Vec<_> = select(&html, ".tiles .value").into_iter().map(text).collect();
    assert_eq!(values, ["44.24%", "0.18%", "1,650", "5,021"]);
}

#[test]
fn the_page_needs_nothing_else() {
    let html = parse(&render(&sample::profile(), &matrix_source));
    for selector in ["script", "iframe", "object", "img", "base", "form", "[onclick]"] {
        assert!(select(&html, selector).is_empty(), "{selector}");
    }
    for link in select(&html, "[href]") {
        let target = link.attr("href").unwrap();
        assert!(target.starts_with('#') || target == "data:,", "{target}");
    }
    let policy = select(&html, "meta[http-equiv='Content-Security-Policy']")[0];
    assert!(policy.attr("content").unwrap().starts_with("default-src 'none';"));
    assert!(select(&html, "[src]").is_empty());
}

#[test]
fn links_lead_somewhere() {
    let html = parse(&render(&sample::profile(), &matrix_source));
    let ids: Vec<_> =
        select(&html, "[id]").into_iter().map(|one| one.attr("id").unwrap()).collect();
    let unique: HashSet<_> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len());
    assert!(unique.contains("file-0-line-12"));
    for link in select(&html, "a[href], [aria-labelledby]") {
        let target = link.attr("href").or(link.attr("aria-labelledby")).unwrap();
        assert!(unique.contains(target.trim_start_matches('#')), "{target}");
    }
}

#[test]
fn readers_of_all_kinds_find_their_way() {
    let mut profile = sample::profile();
    profile.cores[1] = profile.cores[0].clone();
    let html = parse(&render(&profile, &matrix_source));
    let levels: Vec<u8> = select(&html, "h1, h2, h3, h4, h5, h6")
        .into_iter()
        .map(|heading| heading.value().name().as_bytes()[1] - b'0')
        .collect();
    assert_eq!(levels[0], 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1 && pair[1] > 1), "{levels:?}");
    assert!(select(&html, "th:not([scope])").is_empty());
    assert!(select(&html, "svg:not([aria-label])").is_empty());
    assert_eq!(select(&html, "svg").len(), 8);
    assert_eq!(select(&html, "svg > title").len(), 8);
    assert_eq!(select(&html, "html")[0].attr("lang"), Some("en"));
}

#[test]
fn every_colour_of_the_charts_has_one_for_each_theme() {
    let page = render(&sample::profile(), &no_source);
    for colour in PALETTE {
        let variable = format!(" --{}: #", colour.variable);
        assert_eq!(page.matches(&variable).count(), 2, "{variable}");
        let rule = format!("[fill=\"{}\"] {{ fill: var(--{})", colour.attribute(), colour.variable);
        assert!(page.contains(&rule), "{rule}");
    }
}

#[test]
fn hostile_names_are_text() {
    let html = parse(&render(&sample::profile(), &matrix_source));
    for name in ["b", "i"] {
        let elements = select(&html, name);
        assert!(elements.iter().all(|one| text(*one).is_empty()), "{name}");
    }
    let name = r#"</script><b>&"'\n=1,2\u{1b}[31m"#;
    let functions = tables(&html, "#functions");
    assert!(functions.contains(name), "{functions}");
    assert!(tables(&html, "#lines").contains(r"<i>&\n.c:1"));
    assert!(tables(&html, "#source").contains(r"line(12); // <b>&amp;\u{202e}"));
    assert!(tables(&html, "#instructions").contains(r#"</td>"nop"\n, =cmd"#));
}

#[test]
fn inlined_functions_say_where() {
    let html = parse(&render(&sample::profile(), &no_source));
    let functions = tables(&html, "#functions");
    assert!(functions.contains("dot<T> inlined in column_order · dot.h · matrix | 500 |"));
}

#[test]
fn misses_of_unknown_lines_are_owned_up_to() {
    let html = parse(&render(&sample::profile(), &no_source));
    let note = |section| select(&html, section).first().map(|one| text(*one));
    assert_eq!(
        note("#lines > .note").as_deref(),
        Some("Lines are known for 100.00% of the data misses and 77.78% of the fetch misses.")
    );
    let mut profile = sample::profile();
    profile.instructions.truncate(4);
    profile.cores.truncate(1);
    profile.cores[0].counts.data.misses = 725;
    profile.cores[0].counts.fetch.misses = 6;
    let html = parse(&render(&profile, &no_source));
    assert!(select(&html, "#lines > .note, #functions > .note").is_empty());
}

#[test]
fn a_run_without_anything_is_a_page_too() {
    let mut profile = sample::profile();
    profile.instructions.clear();
    profile.cores.clear();
    profile.run.command.clear();
    let html = parse(&render(&profile, &no_source));
    assert_eq!(text(select(&html, "h1")[0]), "Cache misses of a guest");
    for section in ["#functions", "#lines", "#source", "#instructions", "#sets"] {
        assert_eq!(tables(&html, section), "");
    }
    assert!(text(select(&html, "#sets")[0]).contains("This run did not count them."));
    let source = text(select(&html, "#source")[0]);
    assert!(source.contains("No line of a source file is known"), "{source}");
    assert!(source.contains("if they are compiled with -g") && !source.contains("elf"), "{source}");
    profile.run.mode = GuestMode::System;
    let html = parse(&render(&profile, &no_source));
    assert!(text(select(&html, "#source")[0]).contains("the files that elf names"));
}

#[test]
fn a_run_of_several_threads_is_told_as_one() {
    let mut profile = sample::profile();
    profile.run.options.config = {
        let mut parts = profile.run.options.config.parts();
        parts.cores = NonZeroU32::MIN;
        Config::new(parts).unwrap()
    };
    profile.run.vcpus = 4;
    let html = parse(&render(&profile, &no_source));
    let facts = text(select(&html, "header .muted")[0]);
    assert!(facts.starts_with("A program of 4 threads for riscv64, run by QEMU"), "{facts}");
    let settings = text(select(&html, "#caches > p")[0]);
    assert!(settings.starts_with("One core, which 4 threads shared."), "{settings}");
    assert!(settings.ends_with("false sharing is not modelled."), "{settings}");
}

#[test]
fn counts_that_are_missing_are_dashes() {
    let mut profile = sample::profile();
    profile.detail = Detail::Misses;
    profile.instructions.iter_mut().for_each(|one| one.counts.executed = None);
    let html = parse(&render(&profile, &matrix_source));
    assert!(text(select(&html, "main")[0]).starts_with("This run counted misses only"));
    assert!(tables(&html, "#functions").contains("| 500 | 68.49% | – | –\n"));
    assert!(tables(&html, "#source").contains("31 | – | – | – | 100 | 3 |"));
}

#[test]
fn the_largest_counts_do_not_overflow() {
    let mut profile = sample::levels();
    let largest = u64::MAX;
    let all = MissesByKind { fetch: largest, read: largest, write: largest };
    for core in &mut profile.cores {
        for cache in [&mut core.counts.data, &mut core.counts.fetch] {
            (cache.accesses, cache.misses) = (largest, largest);
        }
        core.sets = Some(SetMisses { data: vec![largest; 4], fetch: vec![largest; 4] });
    }
    for instruction in &mut profile.instructions {
        instruction.counts = InstructionCounts {
            fetch_misses: largest,
            data_misses: largest,
            lower: Some(LowerMisses { l2: all, l3: all }),
            executed: Some(Executed {
                executions: largest,
                reads: largest,
                writes: largest,
                write_misses: largest,
            }),
        };
    }
    let html = parse(&render(&profile, &matrix_source));
    assert!(tables(&html, "#cores").contains("All | 18,446,744,073,709,551,615 |"));
    assert_eq!(select(&html, "#sets svg").len(), 6);
}

#[test]
fn a_source_file_that_may_not_be_what_was_compiled_is_noticed() {
    let with = |state| {
        let source = |path: &str| matrix_source(path).map(|source| Source { state, ..source });
        let html = parse(&render(&sample::profile(), &source));
        let text = text(select(&html, "#source")[0]);
        [
            "This file is newer than the program: its",
            "This file was changed after it was compiled: its",
        ]
        .map(|note| text.contains(note))
    };
    assert_eq!(with(SourceState::AsCompiled), [false, false]);
    assert_eq!(with(SourceState::Newer), [true, false]);
    assert_eq!(with(SourceState::Changed), [false, true]);
}

#[test]
fn a_long_name_is_folded_and_whole_on_hover() {
    let mut profile = sample::profile();
    let mut location = (*profile.instructions[0].location).clone();
    let name = format!("std::vector<{}>::push_back", ["std::pair<long, long>"; 5].join(", "));
    location.frames[0].function = Some(name.as_str().into());
    profile.instructions[0].location = location.into();
    let html = parse(&render(&profile, &no_source));
    for table in ["#functions", "#lines", "#instructions"] {
        let labels = select(&html, &format!("{table} [title]"));
        assert!(!labels.is_empty(), "{table}");
        for label in labels {
            assert_eq!(label.value().attr("title"), Some(&*name));
            assert!(text(label).ends_with("std::vector<…>::push_back"));
        }
    }
}

#[test]
fn a_source_file_that_has_changed_is_noticed() {
    let source = |path: &str| (path == "/src/matrix.c").then(|| Source::from("one line\n"));
    let html = parse(&render(&sample::profile(), &source));
    assert!(text(select(&html, "#source")[0]).contains("has a line 31 of this file"));
}
