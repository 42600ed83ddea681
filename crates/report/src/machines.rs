//! The tables of all machines of a run, and their comparison, in one text.

use std::iter;

use cachesim::escape::escape;
use options::Options;

use crate::comparison::options_of_machines;
use crate::table::{By, render, render_by};
use crate::{Comparison, Profile, Snapshot};

/// The whole report of a run with these options: of its own machine, whose snapshot is the first, of those that it
/// compares, in their order, and at the end the [`Comparison`]. A run that compares nothing has [`render`]'s.
pub fn render_all(snapshots: &[Snapshot], options: &Options) -> String {
    let tables = options_of_machines(options).zip(snapshots);
    let tables = tables.map(|(options, snapshot)| render(snapshot, &options)).collect();
    let totals: Vec<_> = snapshots.iter().map(|snapshot| snapshot.cores.iter().sum()).collect();
    together(tables, Comparison::new(options, &totals))
}

/// The same with lists by function or by line, of as many rows as each machine's options say.
pub fn render_profile(profile: &Profile, by: By) -> String {
    let profiles = iter::once(profile).chain(&profile.compared);
    let tables = profiles.map(|profile| {
        let cores = profile.cores.iter().map(|core| core.counts).collect();
        let options = &profile.run.options;
        let table = render(&Snapshot { cores, lists: None }, options);
        table + &render_by(profile, by, options.limit)
    });
    together(tables.collect(), Comparison::of_profile(profile))
}

fn together(tables: Vec<String>, comparison: Option<Comparison>) -> String {
    let Some(comparison) = comparison else {
        return tables.into_iter().next().unwrap_or_default();
    };
    let machines = &comparison.machines;
    let blocks = (1..).zip(machines.iter().zip(tables)).map(|(number, (machine, table))| {
        let name = escape(&machine.name);
        let own = if number == 1 { ", the run's own" } else { "" };
        // A table without lists ends in an empty line.
        let end = if table.ends_with("\n\n") { "" } else { "\n" };
        format!("machine {name} ({number} of {}{own})\n{table}{end}", machines.len())
    });
    blocks.chain([comparison.to_string()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn snapshots(profile: &Profile) -> Vec<Snapshot> {
        let profiles = iter::once(profile).chain(&profile.compared);
        let cores = |profile: &Profile| profile.cores.iter().map(|core| core.counts).collect();
        profiles.map(|profile| Snapshot { cores: cores(profile), lists: None }).collect()
    }

    #[test]
    fn a_run_that_compares_nothing_has_its_table_alone() {
        for profile in [sample::profile(), sample::levels()] {
            let options = &profile.run.options;
            let snapshots = snapshots(&profile);
            let table = render(&snapshots[0], options);
            assert_eq!(render_all(&snapshots, options), table);
            for by in [By::Function, By::Line] {
                let lists = render_by(&profile, by, options.limit);
                assert_eq!(render_profile(&profile, by), table.clone() + &lists);
            }
        }
    }

    #[test]
    fn every_machine_has_the_table_of_a_run_of_its_own() {
        let profile = sample::compared();
        let profiles = || iter::once(&profile).chain(&profile.compared);
        let text = render_all(&snapshots(&profile), &profile.run.options);
        for (snapshot, profile) in snapshots(&profile).iter().zip(profiles()) {
            let table = render(snapshot, &profile.run.options);
            assert!(text.contains(&format!("\n{table}")), "{table}");
        }
        let text = render_profile(&profile, By::Function);
        for profile in profiles() {
            let lists = render_by(profile, By::Function, profile.run.options.limit);
            assert!(text.contains(&format!("\n\n{lists}\n")), "{lists}");
        }
    }

    #[test]
    fn the_sample() {
        let mut other = sample::misses();
        other.run.options.latencies.memory = 90;
        let profile = sample::comparing(sample::misses(), vec![("rpi4", other)]);
        insta::assert_snapshot!(render_profile(&profile, By::Line), @r#"
        machine own (1 of 2, the run's own)
        core #, data accesses, data misses, dmiss rate, insn accesses, insn misses, imiss rate
        0       1650           730            44.2424%  5021           9               0.1792%
        1       0              0               0.0000%  0              0               0.0000%
        sum     1650           730            44.2424%  5021           9               0.1792%

        data misses, share, line
        500           68.49%  /src/dot.h:7 (dot<T> inlined in column_order)
        125           17.12%  /src/matrix.c:12 (row_order)
        100           13.70%  /src/matrix.c:31 (column_order)
        5              0.68%  /src/<i>&\n.c:1 (</script><b>&"'\n=1,2\u{1b}[31m)

        fetch misses, share, line
        3             33.33%  /src/matrix.c:31 (column_order)
        2             22.22%  /src/dot.h:7 (dot<T> inlined in column_order)
        4 more with one miss each

        machine rpi4 (2 of 2)
        core #, data accesses, data misses, dmiss rate, insn accesses, insn misses, imiss rate
        0       1650           730            44.2424%  5021           9               0.1792%
        1       0              0               0.0000%  0              0               0.0000%
        sum     1650           730            44.2424%  5021           9               0.1792%

        data misses, share, line
        500           68.49%  /src/dot.h:7 (dot<T> inlined in column_order)
        125           17.12%  /src/matrix.c:12 (row_order)
        100           13.70%  /src/matrix.c:31 (column_order)
        5              0.68%  /src/<i>&\n.c:1 (</script><b>&"'\n=1,2\u{1b}[31m)

        fetch misses, share, line
        3             33.33%  /src/matrix.c:31 (column_order)
        2             22.22%  /src/dot.h:7 (dot<T> inlined in column_order)
        4 more with one miss each

        comparison of 2 machines, the run's own first

        machine, size/ways of L1d, L1i, L2, L3, latencies
        own  1K/4       2K/8       -          -          4/200
        rpi4 1K/4       2K/8       -          -          4/90

        machine, miss rates of L1d, L1i, L2, L3
        own     44.2424%     0.1792%           -           -
        rpi4    44.2424%     0.1792%           -           -

        machine, MPKI of L1d, L1i, L2, L3
        own     145.3894      1.7925           -           -
        rpi4    145.3894      1.7925           -           -

        machine, bytes from memory, bytes to memory, stalls, per instruction
        own  47296           -               144844            28.8476
        rpi4 47296           -               63554             12.6576 *

        stalls: cycles, by estimate from each machine's latencies, without overlap or
        prefetching; machines may have different clocks; * has the fewest stalls
        "#);
    }
}
