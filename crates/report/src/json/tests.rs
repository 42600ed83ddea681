use cachesim::config::{WriteHit, WriteMiss, Writes};
use cachesim::policy::PolicyKind;
use options::GuestMode;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Profile, sample};

fn render(profile: &Profile) -> String {
    sample::written(|out| super::write(profile, out))
}

fn parsed(profile: &Profile) -> Value {
    serde_json::from_str(&render(profile)).unwrap()
}

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../docs/report.schema.json")).unwrap()
}

fn assert_valid(report: &Value) {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let errors: Vec<_> = validator.iter_errors(report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

fn sum(rows: &Value, field: &str) -> u64 {
    rows.as_array().unwrap().iter().map(|row| row[field].as_u64().unwrap()).sum()
}

#[test]
fn the_sample() {
    insta::assert_snapshot!(render(&sample::profile()));
}

#[test]
fn the_sample_with_misses_only() {
    insta::assert_snapshot!(render(&sample::misses()));
}

#[test]
fn the_sample_with_levels() {
    insta::assert_snapshot!(render(&sample::levels()));
}

#[test]
fn the_sample_with_several_machines() {
    insta::assert_snapshot!(render(&sample::compared()));
}

#[test]
fn every_machine_has_what_a_run_of_its_own_would_have() {
    for profile in [sample::compared(), sample::compared_misses()] {
        let report = parsed(&profile);
        let fields =
            ["configuration", "detail", "cores", "total", "instructions", "functions", "lines"];
        let alone = |profile: &Profile, report: &Value| {
            let mut alone = profile.clone();
            alone.run.options.compared.clear();
            alone.compared.clear();
            let mut alone = parsed(&alone);
            let has_latencies = report["configuration"]["latencies"].is_object();
            assert!(has_latencies, "the comparison has stalls");
            alone["configuration"]["latencies"] = report["configuration"]["latencies"].clone();
            for field in fields {
                assert_eq!(alone[field], report[field], "{field}");
            }
        };
        alone(&profile, &report);
        for (index, machine) in profile.compared.iter().enumerate() {
            let report = &report["compared"][index];
            assert_eq!(report["name"], profile.run.options.compared[index].name);
            alone(machine, report);
        }
    }
}

#[test]
fn the_comparison_is_of_the_machines_totals() {
    let report = parsed(&sample::compared());
    let machines = [&report].into_iter().chain(report["compared"].as_array().unwrap());
    let rows = report["comparison"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for (row, machine) in rows.iter().zip(machines) {
        assert_eq!(row["name"], machine["name"]);
        for level in ["data", "instruction", "l2", "l3"] {
            let total = &machine["total"][level];
            assert_eq!(row[level]["misses"], total["misses"], "{level}");
            assert_eq!(row[level]["miss_rate"], total["miss_rate"], "{level}");
        }
        let summary = &machine["total"]["summary"];
        for field in ["memory_read_bytes", "memory_written_bytes", "stall_cycles"] {
            assert_eq!(row[field], summary[field], "{field}");
        }
    }
}

#[test]
fn rows_of_every_machine_have_lines_of_their_own() {
    let text = render(&sample::compared());
    let rows = |indent: &str| text.lines().filter(|line| line.starts_with(indent)).count();
    let of_one = 2 + 7 + 6 + 6;
    // The comparison, and where each of the two others begins.
    assert_eq!(rows("    {"), of_one + 3 + 2);
    assert_eq!(rows("        {"), 2 * of_one);
}

#[test]
fn reports_follow_the_schema() {
    assert_valid(&parsed(&sample::compared()));
    assert_valid(&parsed(&sample::compared_misses()));
    let mut without_accesses = sample::compared_misses();
    without_accesses.cores.clear();
    for core in &mut without_accesses.compared[0].cores {
        (core.counts.data, core.counts.fetch) = Default::default();
    }
    assert_valid(&parsed(&without_accesses));
    assert_valid(&parsed(&sample::profile()));
    assert_valid(&parsed(&sample::misses()));
    assert_valid(&parsed(&sample::levels()));
    assert_valid(&parsed(&sample::two_levels()));
    assert_valid(&parsed(&sample::without_executions(sample::levels())));
    let mut first_level = sample::profile();
    first_level.run.options.wants_summary = true;
    first_level.cores.clear();
    assert_valid(&parsed(&first_level));
    let mut through = sample::levels();
    through.run.options = sample::with_parts(through.run.options, |parts| {
        parts.writes = Some(Writes { on_hit: WriteHit::Through, on_miss: WriteMiss::NoAllocate });
    });
    assert_valid(&parsed(&through));
    let mut without_summary = sample::levels();
    without_summary.run.options.wants_summary = false;
    assert_valid(&parsed(&without_summary));
    let mut bare = sample::misses();
    bare.run.qemu_version = None;
    bare.run.mode = GuestMode::System;
    bare.cores[0].sets = None;
    bare.instructions.clear();
    assert_valid(&parsed(&bare));
}

#[test]
fn the_schema_refuses_what_is_not_a_report() {
    jsonschema::draft202012::meta::validate(&schema()).unwrap();
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let spoilt = |spoil: fn(&mut Value)| {
        let mut report = parsed(&sample::levels());
        spoil(&mut report);
        report
    };
    let spoilt_comparison = |spoil: fn(&mut Value)| {
        let mut report = parsed(&sample::compared_misses());
        spoil(&mut report);
        report
    };
    for report in [
        json!({}),
        spoilt_comparison(|report| {
            report.as_object_mut().unwrap().remove("name");
        }),
        spoilt_comparison(|report| {
            report.as_object_mut().unwrap().remove("comparison");
        }),
        spoilt_comparison(|report| report["configuration"]["latencies"] = json!(null)),
        spoilt_comparison(|report| {
            report["compared"][0]["configuration"]["latencies"] = json!(null);
        }),
        spoilt_comparison(|report| report["compared"][0]["instructions"][0]["surprise"] = json!(1)),
        spoilt_comparison(|report| report["compared"][0]["compared"] = json!([])),
        spoilt_comparison(|report| report["compared"][0]["configuration"]["l3"] = json!(null)),
        spoilt_comparison(|report| report["comparison"][0]["data"] = json!(null)),
        spoilt_comparison(|report| report["comparison"][0]["stall_cycles"] = json!(null)),
        spoilt(|report| report["surprise"] = json!(1)),
        spoilt(|report| report["schema_version"] = json!(1)),
        spoilt(|report| report["instructions"][0]["surprise"] = json!(1)),
        spoilt(|report| report["instructions"][0]["address"] = json!(4096)),
        spoilt(|report| report["total"]["data"]["misses"] = json!(-1)),
        spoilt(|report| report["total"]["l2"]["surprise"] = json!(1)),
        spoilt(|report| report["total"]["summary"]["data"]["mpki"] = json!(-1)),
        spoilt(|report| report["configuration"]["l2"]["policy"] = json!("best")),
        spoilt(|report| report["configuration"]["l2"]["inclusion"] = json!("any")),
        spoilt(|report| report["configuration"]["l3"]["inclusion"] = json!("any")),
        spoilt(|report| {
            report["lines"][0].as_object_mut().unwrap().remove("l3_fetch_misses");
        }),
        spoilt(|report| {
            report["total"].as_object_mut().unwrap().remove("l3");
        }),
        spoilt(|report| report["configuration"]["l3"] = json!(null)),
        spoilt(|report| report["detail"] = json!("misses")),
        spoilt(|report| report["configuration"]["summary"] = json!(false)),
        spoilt(|report| report["configuration"]["latencies"] = json!(null)),
        spoilt(|report| {
            report["lines"][0].as_object_mut().unwrap().remove("stall_cycles");
        }),
        spoilt(|report| {
            report["functions"][0].as_object_mut().unwrap().remove("reads");
        }),
    ] {
        assert!(!validator.is_valid(&report), "{report:#}");
    }
}

#[test]
fn the_schema_knows_every_policy() {
    let schema = schema();
    let known = schema["$defs"]["policy"]["enum"].as_array().unwrap();
    let keys = PolicyKind::ALL.map(|kind| json!(super::configuration::policy_key(kind)));
    assert_eq!(known[..], keys);
}

#[test]
fn rows_add_up_to_the_total() {
    for profile in [sample::profile(), sample::misses()] {
        let report = parsed(&profile);
        for rows in ["instructions", "functions", "lines"] {
            let total = &report["total"];
            assert_eq!(sum(&report[rows], "data_misses"), total["data"]["misses"]);
            assert_eq!(sum(&report[rows], "fetch_misses"), total["instruction"]["misses"]);
        }
    }
    let report = parsed(&sample::profile());
    for rows in ["instructions", "functions", "lines"] {
        let sum = |field| sum(&report[rows], field);
        assert_eq!(sum("executions"), report["total"]["instruction"]["accesses"]);
        assert_eq!(sum("reads") + sum("writes"), report["total"]["data"]["accesses"]);
        assert_eq!(sum("read_misses") + sum("write_misses"), sum("data_misses"));
    }
}

#[test]
fn rows_and_levels_add_up_to_the_level_before() {
    let report = parsed(&sample::levels());
    let total = &report["total"];
    for level in ["l2", "l3"] {
        let kinds = ["fetch", "read", "write"].map(|kind| format!("{level}_{kind}_misses"));
        for rows in ["instructions", "functions", "lines"] {
            let [fetch, read, write] = kinds.each_ref().map(|kind| sum(&report[rows], kind));
            assert_eq!(fetch, total[level]["fetches"]["misses"]);
            assert_eq!(read, total[level]["reads"]["misses"]);
            assert_eq!(write, total[level]["writes"]["misses"]);
            assert_eq!(fetch + read + write, total[level]["misses"]);
        }
    }
    for rows in ["instructions", "functions", "lines"] {
        assert_eq!(sum(&report[rows], "stall_cycles"), total["summary"]["stall_cycles"]);
    }
    assert_eq!(total["l3"]["accesses"], total["l2"]["misses"]);
    assert_eq!(total["l2"]["writes"]["accesses"], total["data"]["writes"]["misses"]);
    assert_eq!(total["memory"]["read_bytes"], 64 * 124);
}

#[test]
fn the_largest_count_keeps_its_digits() {
    let mut profile = sample::profile();
    profile.cores[0].counts.data.accesses = u64::MAX;
    assert_eq!(parsed(&profile)["total"]["data"]["accesses"], u64::MAX);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_text_is_read_back(profile in sample::any_texts()) {
        let text = render(&profile);
        let report = parsed(&profile);
        prop_assert_eq!(&report["qemu"]["command"], &json!(profile.run.command));
        let rows = report["instructions"].as_array().unwrap();
        prop_assert_eq!(rows.len(), profile.instructions.len());
        for (row, instruction) in rows.iter().zip(&profile.instructions) {
            prop_assert_eq!(&row["disassembly"], &json!(instruction.disassembly));
            prop_assert_eq!(&row["object"], &json!(instruction.location.object.as_deref()));
            for (index, frame) in instruction.location.frames.iter().enumerate() {
                let row = &row["frames"][index];
                prop_assert_eq!(&row["function"], &json!(frame.function.as_deref()));
                prop_assert_eq!(&row["file"], &json!(frame.file.as_deref()));
            }
        }
        let names = |field: &str| report[field].as_array().unwrap().len();
        let rows = rows.len() + names("functions") + names("lines") + profile.cores.len();
        let is_row = |line: &&str| line.starts_with("    {");
        prop_assert_eq!(text.split('\n').filter(is_row).count(), rows);
    }
}
