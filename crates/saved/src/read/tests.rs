use std::io::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use report::{Executed, InstructionCounts, RunDescription, json};
use serde_json::{Value, json};

use super::*;
use crate::sample;

fn written(profile: &Profile) -> Vec<u8> {
    let mut bytes = Vec::new();
    json::write(profile, &mut bytes).unwrap();
    bytes
}

fn read(bytes: &[u8]) -> Result<Profile, String> {
    parse(bytes, Extent::Whole).map(|(profile, _)| profile).map_err(|fault| fault.to_string())
}

/// The message where the report with levels has this value at this path.
fn spoilt(pointer: &str, value: Value) -> String {
    spoilt_of(sample::levels_json(), pointer, value)
}

fn spoilt_of(text: &str, pointer: &str, value: Value) -> String {
    let mut report: Value = serde_json::from_str(text).unwrap();
    *report.pointer_mut(pointer).unwrap() = value;
    read(report.to_string().as_bytes()).expect_err(pointer)
}

#[test]
fn what_is_read_is_written_again_byte_for_byte() {
    for text in [
        sample::profile_json(),
        sample::levels_json(),
        sample::misses_json(),
        sample::compared_json(),
    ] {
        let again = written(&read(text.as_bytes()).unwrap());
        // `insta` keeps no blank at the end.
        assert_eq!(String::from_utf8(again).unwrap().trim_end(), text.trim_end());
    }
}

#[test]
fn equal_places_are_one_in_memory() {
    let [first, second, ..] = &sample::profile().instructions[..] else { panic!("two") };
    assert!(Arc::ptr_eq(&first.location, &second.location));
}

#[test]
fn fields_of_a_later_libcache_are_ignored() {
    let mut report: Value = serde_json::from_str(sample::levels_json()).unwrap();
    report["surprise"] = json!({"deep": [1, 2, 3]});
    report["configuration"]["surprise"] = json!("x");
    report["instructions"][0]["stall_cycles"] = json!(12.5);
    report["cores"][0]["data"]["surprise"] = json!(null);
    assert_eq!(read(report.to_string().as_bytes()).unwrap(), sample::levels());
}

#[test]
fn the_cores_alone_are_the_same() {
    let (cores, _) = parse(sample::levels_json().as_bytes(), Extent::Cores).unwrap();
    assert_eq!(cores, Profile { instructions: Vec::new(), ..sample::levels() });
}

#[test]
fn a_preset_that_is_none_of_ours_is_noted() {
    let text = sample::levels_json().replace("\"cortex-a72\"", "\"cortex-z9\"");
    let (profile, notes) = parse(text.as_bytes(), Extent::Whole).unwrap();
    assert_eq!(profile.run.options.preset, None);
    assert_eq!(notes, ["the preset cortex-z9 is none of this libcache's"]);
}

#[test]
fn what_is_no_report_is_told_in_one_line() {
    for (text, message) in [
        ("", "the file is empty"),
        (" \n", "the file is empty"),
        (
            "# callgrind format\n",
            "not JSON (expected value at line 1 column 1); name a file that json=FILE has written",
        ),
        ("{\"schema\": \"libcache\",\n", "the file is cut off at line 2; make the report again"),
        ("[1, 2]", "JSON, but not a report of libcache; name a file that json=FILE has written"),
        ("{}", "JSON, but not a report of libcache; name a file that json=FILE has written"),
        (
            "{\"schema\": \"coverage\", \"schema_version\": 2}",
            "JSON, but not a report of libcache; name a file that json=FILE has written",
        ),
    ] {
        assert_eq!(read(text.as_bytes()).unwrap_err(), message, "{text}");
    }
    assert!(read(&[0xff, 0xfe, 0]).unwrap_err().starts_with("not JSON ("));
}

#[test]
fn another_version_of_the_schema_is_refused_by_its_number() {
    let version = |version: u32| {
        let ours = format!("\"schema_version\": {SCHEMA_VERSION}");
        assert!(sample::levels_json().contains(&ours));
        let text = sample::levels_json()
            .replace(&ours, &format!("\"schema_version\": {version}"))
            .replace("\"version\": \"0.1.0\"", "\"version\": \"9.3.0\"");
        read(text.as_bytes()).unwrap_err()
    };
    let next = SCHEMA_VERSION + 1;
    let reader = format!(
        "this is libcache {}, which reads version {SCHEMA_VERSION}",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(
        version(next),
        format!("has version {next} of the schema, written by libcache 9.3.0; {reader}")
    );
    assert!(version(1).starts_with("has version 1 of the schema, "));
    // Also where nothing else is as it was.
    let text = "{\"schema\": \"libcache\", \"schema_version\": 99}";
    let error = read(text.as_bytes()).unwrap_err();
    assert_eq!(error, format!("has version 99 of the schema; {reader}"));
}

#[test]
fn what_cannot_be_names_its_place() {
    for (pointer, value, message) in [
        ("/configuration/cores", json!(0), "configuration: no cores"),
        (
            "/configuration/data_cache/ways",
            json!(0),
            "configuration: data_cache: the number of ways is zero",
        ),
        ("/configuration/l2/policy", json!("best"), "configuration: l2: no policy is called best"),
        ("/configuration/l2", json!(null), "configuration: an l3 without an l2"),
        ("/cores/1/core", json!(0), "cores[1]: core 0 is out of order"),
        ("/cores/0/l3", json!(null), "cores[0]: no l3"),
        ("/instructions/3/executions", json!(null), "instructions[3]: no executions"),
        ("/instructions/2/address", json!("10"), "instructions[2]: address: 10 is no address"),
        ("/instructions/2/address", json!("0x+1"), "instructions[2]: address: 0x+1 is no address"),
        (
            "/instructions/2/bytes",
            json!("1c 6"),
            "instructions[2]: bytes: 1c 6 are no bytes of an instruction",
        ),
        ("/instructions/2/l2_read_misses", json!(null), "instructions[2]: no l2_read_misses"),
    ] {
        let text = spoilt(pointer, value);
        assert_eq!(text, format!("a damaged report: {message}"), "{pointer}");
    }
}

#[test]
fn machines_are_read_with_what_they_share() {
    let Profile { run, instructions, compared, .. } = sample::compared();
    let names: Vec<_> = run.options.compared.iter().map(|machine| &*machine.name).collect();
    assert_eq!(names, ["two", "a\n<b>, \"*"]);
    assert_eq!(run.options.name(), "own");
    for (described, machine) in run.options.compared.iter().zip(&compared) {
        assert_eq!(machine.run.options, run.options.of_machine(described));
        let locations = instructions.iter().zip(&machine.instructions);
        assert!(
            locations.into_iter().all(|(one, other)| Arc::ptr_eq(&one.location, &other.location))
        );
    }
    let (cores, _) = parse(sample::compared_json().as_bytes(), Extent::Cores).unwrap();
    assert!(cores.compared.iter().all(|machine| machine.instructions.is_empty()));
    assert_eq!(cores.compared[0].cores, compared[0].cores);
}

#[test]
fn machines_that_cannot_be_are_told_in_one_line() {
    let nested = json!([{"name": "zen3"}]);
    for (pointer, value, message) in [
        ("/compared/1/name", json!("two"), "compared: two machines are called two"),
        ("/compared/1/name", json!("own"), "compared: two machines are called own"),
        ("/name", json!("two"), "compared: two machines are called two"),
        ("/compared/1/configuration/cores", json!(0), "compared[1]: configuration: no cores"),
        (
            "/compared/0/instructions/1/bytes",
            json!("x"),
            "compared[0]: instructions[1]: bytes: x are no bytes of an instruction",
        ),
        ("/compared/0/cores/1/core", json!(7), "compared[0]: cores[1]: core 7 is out of order"),
    ] {
        let text = spoilt_of(sample::compared_json(), pointer, value);
        assert_eq!(text, format!("a damaged report: {message}"), "{pointer}");
    }
    let mut report: Value = serde_json::from_str(sample::compared_json()).unwrap();
    report["compared"][1]["compared"] = nested;
    let text = read(report.to_string().as_bytes()).unwrap_err();
    assert_eq!(text, "a damaged report: compared[1]: compares machines itself");
    report["compared"] = json!({"zen3": 1});
    let text = read(report.to_string().as_bytes()).unwrap_err();
    assert!(text.starts_with("a damaged report: invalid type: map"), "{text}");
}

#[test]
fn errors_name_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a\nb.json");
    let mut file = File::create(&path).unwrap();
    file.write_all(b"no").unwrap();
    let error = Saved::read(&path, Extent::Whole).unwrap_err().to_string();
    assert!(error.contains("a\\nb.json: not JSON ("), "{error}");
    let error = Saved::read(folder.path(), Extent::Whole).unwrap_err().to_string();
    assert!(error.ends_with("Is a directory (os error 21)"), "{error}");
    let error = Saved::read(Path::new("/none/at/all"), Extent::Whole).unwrap_err().to_string();
    assert!(error.starts_with("/none/at/all: No such file or directory"), "{error}");
}

/// A profile with any texts and counts.
fn any_profile() -> impl Strategy<Value = Profile> {
    let base = prop::sample::select(vec![
        sample::profile(),
        sample::levels(),
        sample::misses(),
        sample::compared(),
    ]);
    let texts = prop::collection::vec(prop::option::of(any::<String>()), 30);
    let counts = prop::collection::vec(any::<[u64; 5]>(), 7);
    (base, texts, counts, any::<u64>()).prop_map(|(mut profile, texts, counts, number)| {
        let mut texts = texts.into_iter().cycle();
        let mut next = || texts.next().flatten();
        profile.run.qemu_version = next();
        profile.run.target = next().unwrap_or_default();
        profile.run.version = next().unwrap_or_default().into();
        profile.run.command = vec![next().unwrap_or_default(); 2];
        profile.cores[0].counts.data.accesses = number;
        for (one, [a, b, c, d, e]) in profile.instructions.iter_mut().zip(counts) {
            one.vaddr = a;
            one.disassembly = next().unwrap_or_default();
            let mut location = (*one.location).clone();
            location.object = next().map(Arc::from);
            for frame in &mut location.frames {
                frame.function = next().map(Arc::from);
                frame.file = next().map(Arc::from);
            }
            one.location = location.into();
            let executed = one.counts.executed.map(|_| Executed {
                executions: b,
                reads: c,
                writes: d,
                write_misses: e,
            });
            one.counts =
                InstructionCounts { data_misses: d, fetch_misses: e, executed, ..one.counts };
        }
        for machine in &mut profile.compared {
            let options = machine.run.options.clone();
            machine.run = RunDescription { options, ..profile.run.clone() };
        }
        profile
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_profile_is_read_back(profile in any_profile()) {
        let bytes = written(&profile);
        prop_assert_eq!(read(&bytes), Ok(profile));
    }

    #[test]
    fn a_damaged_report_is_an_error_of_one_line_or_another_report(
        at in any::<prop::sample::Index>(),
        cut in any::<bool>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = sample::levels_json().as_bytes().to_vec();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        if let Err(message) = read(&bytes) {
            prop_assert!(!message.contains('\n') && !message.is_empty(), "{message}");
        }
    }
}
