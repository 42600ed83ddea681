//! Sweeps by a real Snakemake (`scripts/snakemake.sh`): that everything is done once, that what was killed is done
//! again and nothing else, that what changed is done again. The runs themselves are those of a script that writes
//! reports as `libcache run` does, and counts how often it was called.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio, exit};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use sweep::SweepArgs;
use tempfile::TempDir;

/// Notes its options, and takes the report's file from them. `kill` in the program's words ends it, as a cluster ends
/// a job, but the first time only; `wait` has it wait while there is a file of this name.
const LIBCACHE: &str = r#"#!/bin/bash
set -eu
for word; do
    case $word in
    --json=*) json=${word#--json=} ;;
    esac
done
echo "$*" >>calls
case "$*" in
*kill*) if [ ! -e killed ]; then touch killed; kill -KILL $$; fi ;;
*fail*) exit 3 ;;
*wait*) while [ -e wait ]; do sleep 0.1; done ;;
esac
sed 's/"misses": 730/"misses": '$((700 + $(wc -l <calls)))'/' report.json >"$json"
"#;

const PLAN: &str = r#"
[programs.sort]
command = "./sort {input}"
[inputs]
small = "small"
large = "two words"
[machines]
zen3 = { cpu = "zen3" }
tiny = { dcachesize = "4K", dassoc = 2, dblksize = 64 }
[resources]
mem_mb = 500
"#;

/// The words of a command that this very program is to carry out, a line each.
const WORDS: &str = "LIBCACHE_SWEEP_WORDS";

#[derive(Parser)]
struct Libcache {
    #[command(flatten)]
    sweep: SweepArgs,
}

/// No test: what [`Sweep::command`] starts.
#[test]
fn the_command() {
    let Ok(words) = std::env::var(WORDS) else { return };
    let status = match Libcache::parse_from(words.split('\n')).sweep.execute() {
        Ok(status) if format!("{status:?}") == format!("{:?}", ExitCode::SUCCESS) => 0,
        Ok(_) => 1,
        Err(error) => {
            eprintln!("libcache: {error:#}");
            2
        }
    };
    exit(status);
}

/// Where Snakemake is.
static SNAKEMAKE: LazyLock<String> = LazyLock::new(|| {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/snakemake.sh");
    let output = Command::new(script).stderr(Stdio::inherit()).output().expect("the script runs");
    assert!(output.status.success(), "scripts/snakemake.sh failed");
    String::from_utf8(output.stdout).expect("a path").trim().to_owned()
});

/// A plan with all it needs.
struct Sweep {
    folder: TempDir,
}

impl Sweep {
    fn new(plan: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sweep = Self { folder };
        let snapshot = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../report/src/json/snapshots/report__json__tests__the_sample_with_levels.snap");
        let report = fs::read_to_string(snapshot).unwrap();
        sweep.write("report.json", report.splitn(3, "---\n").nth(2).unwrap());
        sweep.write("libcache", LIBCACHE);
        sweep.write("sort", "#!/bin/sh\n");
        sweep.write("plan.toml", plan);
        for program in ["libcache", "sort"] {
            fs::set_permissions(sweep.path(program), fs::Permissions::from_mode(0o755)).unwrap();
        }
        sweep
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// `libcache sweep plan.toml` with these options.
    fn command(&self, options: &str) -> Command {
        let words =
            ["libcache".to_owned(), self.path("plan.toml").display().to_string()].into_iter();
        let words =
            words.chain(["--libcache".to_owned(), self.path("libcache").display().to_string()]);
        let words = words.chain(options.split_whitespace().map(str::to_owned));
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "the_command", "--nocapture"])
            .env(WORDS, words.collect::<Vec<_>>().join("\n"))
            .env("PATH", format!("{}:{}", *SNAKEMAKE, std::env::var("PATH").unwrap()))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, options: &str) -> Output {
        self.command(options).output().unwrap()
    }

    fn succeed(&self, options: &str) -> String {
        let output = self.run(options);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{text}");
        text
    }

    /// How often the script was called.
    fn calls(&self) -> usize {
        self.read("calls").lines().count()
    }
}

#[test]
fn every_run_is_done_once_and_again_if_its_options_or_files_change() {
    let sweep = Sweep::new(PLAN);
    let text = sweep.succeed("");
    assert!(text.contains("libcache: 4 of 4 runs; results.csv and results.html are in "), "{text}");
    assert_eq!(sweep.calls(), 4);
    let calls = sweep.read("calls");
    assert!(
        calls.contains(
            "run --cpu=zen3 --json=plan.sweep/runs/sort/large/zen3/-.json -- ./sort two words\n"
        ),
        "{calls}"
    );

    let table = sweep.read("plan.sweep/results.csv");
    assert!(
        table.starts_with("program,input,machine,options,instructions,l1d.accesses,"),
        "{table}"
    );
    let rows: Vec<_> =
        table.lines().skip(1).map(|row| row.split(",5021,").next().unwrap()).collect();
    assert_eq!(
        rows,
        ["sort,small,zen3,", "sort,small,tiny,", "sort,large,zen3,", "sort,large,tiny,"]
    );
    let page = sweep.read("plan.sweep/results.html");
    assert!(
        page.contains("sort, small") && page.contains("tiny") && page.contains("<strong>"),
        "{page}"
    );

    sweep.succeed("");
    assert_eq!(sweep.calls(), 4, "all is done");
    // A machine that becomes another.
    sweep.write("plan.toml", &PLAN.replace("\"4K\"", "\"8K\""));
    sweep.succeed("");
    assert_eq!(sweep.calls(), 6);
    // A program that is built anew.
    thread::sleep(Duration::from_millis(20));
    sweep.write("sort", "#!/bin/sh\n# better\n");
    sweep.succeed("");
    assert_eq!(sweep.calls(), 10);
}

#[test]
fn a_worker_that_is_killed_is_done_again_and_nothing_else() {
    let sweep = Sweep::new(&PLAN.replace("\"small\"", "\"kill\""));
    let output = sweep.run("--jobs 1");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("libcache: 3 of 4 runs; "), "{text}");
    assert!(text.contains("plan.sweep/logs/sort/small/"), "{text}");
    assert!(sweep.read("plan.sweep/results.html").contains("Without a report, 1:"));
    assert_eq!(sweep.calls(), 4);
    sweep.succeed("");
    assert_eq!(sweep.calls(), 5);
    assert_eq!(sweep.read("plan.sweep/results.csv").lines().count(), 5);
}

#[test]
fn a_sweep_that_is_killed_goes_on_where_it_was() {
    let sweep = Sweep::new(&PLAN.replace("\"two words\"", "\"wait\""));
    sweep.write("wait", "");
    let mut running =
        sweep.command("--jobs 2").process_group(0).stderr(Stdio::null()).spawn().unwrap();
    let reports = ["zen3", "tiny"]
        .map(|machine| sweep.path(&format!("plan.sweep/runs/sort/small/{machine}/-.json")));
    let start = Instant::now();
    while sweep.calls() < 4 || !reports.iter().all(|report| report.exists()) {
        assert!(start.elapsed() < Duration::from_mins(2), "{}", sweep.read("calls"));
        thread::sleep(Duration::from_millis(50));
    }
    // Another may not meddle.
    let output = sweep.run("");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("plan.sweep: this sweep is being done by another process"), "{text}");

    // With all that it has begun, as a machine that is switched off does it.
    let group = format!("-{}", running.id());
    assert!(Command::new("kill").args(["-KILL", "--", &group]).status().unwrap().success());
    running.wait().unwrap();
    fs::remove_file(sweep.path("wait")).unwrap();
    let start = Instant::now();
    loop {
        // The last of its processes may be about to end.
        let output = sweep.run("");
        let text = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            break;
        }
        assert!(
            text.contains("by another process") && start.elapsed() < Duration::from_secs(20),
            "{text}"
        );
        thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(sweep.calls(), 6, "{}", sweep.read("calls"));
}

#[test]
fn a_program_that_fails_does_not_take_the_others_along() {
    let sweep = Sweep::new(&PLAN.replace("\"small\"", "\"fail\""));
    let output = sweep.run("");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("libcache: 2 of 4 runs; "), "{text}");
}

#[test]
fn a_dry_run_does_nothing_also_for_slurm() {
    let sweep = Sweep::new(PLAN);
    for options in ["--dry-run", "--dry-run --executor slurm --jobs 40", "-n -- --quiet"] {
        let output = sweep.run(options);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{options}: {text}");
        let text = text + &String::from_utf8_lossy(&output.stdout);
        assert!(text.contains('4'), "{options}: {text}");
        assert_eq!(sweep.calls(), 0, "{options}");
        assert!(!sweep.path("plan.sweep/results.csv").exists(), "{options}");
    }
}

#[test]
fn what_is_wrong_is_one_line() {
    let sweep = Sweep::new("[programs.a]\ncommand = './a'\n[machines]\nm = { cpu = 'zen33' }\n");
    let output = sweep.run("");
    let text = String::from_utf8_lossy(&output.stderr);
    let expected = format!(
        "libcache: {}: machine m, options -: cpu=zen33: ",
        sweep.path("plan.toml").display()
    );
    assert!(text.starts_with(&expected) && text.lines().count() == 1, "{text}");

    // Snakemake took it for a wildcard, and no job ran.
    let sweep =
        Sweep::new("[programs.a]\ncommand = ['./sort', '{input}']\n[inputs]\nw = '{wild}.txt'\n");
    sweep.write("{wild}.txt", "1\n");
    assert_eq!(
        String::from_utf8_lossy(&sweep.run("").stderr),
        "libcache: {wild}.txt: Snakemake takes no file with braces in its name\n"
    );

    let sweep = Sweep::new(PLAN);
    let output = sweep.command("").env("PATH", "/nowhere").output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "libcache: snakemake is not on the PATH; it is installed by: pipx install snakemake\n"
    );
}
