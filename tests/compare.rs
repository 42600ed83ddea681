//! Several machines in one run: each counts what it counts alone. Where that is to be seen to the last miss, both
//! runs are one: a copy of the plugin for each machine alone is loaded beside that which compares them, so that
//! they see the same addresses.

mod common;

use std::fs;
use std::path::PathBuf;

use common::artifacts::{Arch, Mode, Qemu, bare_guest, guest, plugin, qemus};
use common::process::{Finished, Run};
use serde_json::Value;

/// Machines of one level, two and three; of lines of 32, 64 and 256 bytes; inclusive, exclusive and neither.
const PRESETS: [&str; 5] = ["cortex-m7", "zen3", "rpi4", "a64fx", "skylake-server"];

/// Policies that want to know of every hit, or of the second one, and stores that are passed on.
const FILE: &str = "cpu = \"sifive-u74\"\ndevict = \"lfu\"\nievict = \"srrip\"\ndwrite = \"through\"\ndalloc = false\n";

/// The threads of the guest themselves, a worker, and more of them than the queue has room for.
const WORKERS: [&str; 3] = ["workers=0", "workers=1", "workers=3,queue=64K"];

fn riscv64(qemu: &Qemu, name: &str, args: &[&str]) -> Run {
    qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, name)).guest_args(args)
}

/// A copy of the plugin in the run's directory, which QEMU takes for another one.
fn copy(run: &Run, name: &str) -> PathBuf {
    let path = run.directory().join(format!("{name}.so"));
    fs::copy(plugin(), &path).expect("the plugin is built, and there is room for a copy");
    path
}

/// Loads a copy of the plugin for each machine alone, and one that compares all. Each writes its CSV and its JSON.
fn with_each_alone(mut run: Run, common: &str) -> Run {
    fs::write(run.directory().join("file.toml"), FILE).expect("a file is written");
    for name in PRESETS {
        let alone = copy(&run, name);
        let options = format!("cpu={name},out={name}.txt,csv={name}.csv,json={name}.json,{common}");
        run = run.load(&alone, &options);
    }
    let alone = copy(&run, "file");
    let options = format!("config=file.toml,out=file.txt,csv=file.csv,json=file.json,{common}");
    let run = run.load(&alone, &options);
    let own = copy(&run, "own");
    let run = run.load(&own, &format!("out=own.txt,csv=own.csv,json=own.json,{common}"));
    let compared = PRESETS.map(|name| format!(",compare={name}")).concat();
    run.plugin(&format!(
        "out=all.txt,csv=all.csv,json=all.json{compared},compare=./file.toml,{common}"
    ))
}

fn json(finished: &Finished, name: &str) -> Value {
    let text = finished.file(name).unwrap_or_else(|| panic!("{name}: {}", finished.describe()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// That each machine of the run has counted what its copy has.
fn check_each(finished: &Finished) {
    let all = json(finished, "all.json");
    let compared = all["compared"].as_array().expect("machines are compared");
    let names: Vec<_> = compared.iter().map(|machine| machine["name"].as_str()).collect();
    let expected = PRESETS.into_iter().chain(["file"]);
    assert_eq!(names, expected.map(Some).collect::<Vec<_>>());
    let machines = names.into_iter().flatten().zip(compared);
    for (name, machine) in [("own", &all)].into_iter().chain(machines) {
        let alone = json(finished, &format!("{name}.json"));
        for part in ["cores", "total", "instructions", "functions", "lines"] {
            assert!(machine[part] == alone[part], "{name}: {part}: {}", finished.describe());
        }
        let csv = match name {
            "own" => "all.csv".to_owned(),
            _ => format!("all.{name}.csv"),
        };
        let [csv, alone] = [csv, format!("{name}.csv")].map(|name| finished.file(&name));
        assert!(csv.is_some() && csv == alone, "{name}: {}", finished.describe());
    }
    // What the table has of a machine is what it has alone, heading and comparison aside.
    let all = finished.file("all.txt").expect("it is written");
    for name in PRESETS.into_iter().chain(["file", "own"]) {
        let alone = finished.file(&format!("{name}.txt")).expect("it is written");
        assert!(all.contains(alone.trim_end()), "{name}:\n{all}\nalone:\n{alone}");
    }
}

#[test]
fn each_machine_of_a_program_counts_what_it_counts_alone() {
    for qemu in qemus(Mode::User) {
        for common in WORKERS {
            for (name, args) in [("list", &["2000", "3"][..]), ("straddler", &["walk", "50"])] {
                let run =
                    with_each_alone(riscv64(&qemu, name, args), &format!("limit=10,{common}"));
                check_each(&run.succeed());
            }
        }
        let run =
            with_each_alone(riscv64(&qemu, "list", &["2000", "3"]), "profile=on,rw=on,summary=on");
        check_each(&run.succeed());
    }
}

#[test]
fn each_machine_of_a_whole_machine_counts_what_it_counts_alone() {
    for qemu in qemus(Mode::System) {
        let run = with_each_alone(qemu.bare(&bare_guest("matrix"), 1), "profile=on,workers=1");
        check_each(&run.succeed());
    }
}

/// That all machines in `a.json` have the same accesses.
fn check_accesses(finished: &Finished) {
    let all = json(finished, "a.json");
    let accesses = |machine: &Value| {
        ["data", "instruction"].map(|cache| machine["total"][cache]["accesses"].clone())
    };
    for machine in all["compared"].as_array().expect("machines are compared") {
        assert_eq!(accesses(machine), accesses(&all), "{}", finished.describe());
    }
}

#[test]
fn threads_lose_no_access_in_any_machine() {
    for qemu in qemus(Mode::User) {
        for common in WORKERS {
            for cores in ["", "cores=3,"] {
                let run = riscv64(&qemu, "threads", &["12", "4"]);
                let options = format!("json=a.json,compare=zen3,compare=cortex-m7,{cores}{common}");
                check_accesses(&run.plugin_to_file(&options).succeed());
            }
        }
    }
}

/// Its threads run on while the report is made.
#[test]
fn machines_of_a_program_that_a_signal_ends_are_of_one_moment() {
    for qemu in qemus(Mode::User) {
        for common in WORKERS {
            for (threads, cores) in [("1", "1"), ("6", "4")] {
                let run = riscv64(&qemu, "spin", &["default", threads]);
                let options = format!(
                    "json=a.json,limit=0,cores={cores},compare=zen3,compare=rpi4,compare=a64fx,{common}"
                );
                check_accesses(
                    &run.plugin_to_file(&options).signal_after("ready", "TERM").finish(),
                );
            }
        }
    }
}

#[test]
fn forked_children_report_every_machine() {
    for qemu in qemus(Mode::User) {
        for common in WORKERS {
            let options = format!("limit=5,out=%p.txt,csv=%p.csv,compare=zen3,{common}");
            let finished = riscv64(&qemu, "forker", &["threads", "8"]).plugin(&options).succeed();
            assert_eq!(finished.stdout, "forker: ok threads 8\n");
            // Of each process the report, and of each machine a CSV.
            assert_eq!(finished.files().len(), 9 * 3, "{:?}", finished.files());
        }
    }
}

#[test]
fn a_machine_that_cannot_be_compared_ends_the_run_before_the_guest() {
    for qemu in qemus(Mode::User) {
        for (options, message) in [
            ("compare=zen33", "cache: compare=zen33: no preset of this name; did you mean zen3"),
            ("compare=./none.toml", "cache: compare=./none.toml: No such file or directory"),
            ("compare=zen3,csv=-", "cache: csv=-: is a file for each machine with compare"),
        ] {
            let finished = riscv64(&qemu, "list", &["2000", "3"]).plugin(options).finish();
            assert_eq!(finished.stdout, "", "{}", finished.describe());
            assert!(finished.stderr.starts_with(message), "{}", finished.describe());
        }
    }
}
