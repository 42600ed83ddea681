//! What the page is made of has bounds, however large the run is and whatever its names are.

use super::*;

/// As large as runs get: many instructions, all in lines and functions of their own with long names.
pub(super) fn large_profile(cores: usize, sets: usize) -> Profile {
    let mut profile = sample::profile();
    let template = profile.instructions[0].clone();
    profile.instructions = (0..100_000_u32)
        .map(|number| {
            let frame = Frame {
                function: Some(format!("{number}{}", "<&>".repeat(120)).into()),
                file: Some(format!("/{}/{}.c", "<&>".repeat(120), number / 1000).into()),
                line: Some(number % 1000 + 1),
            };
            ProfiledInstruction {
                vaddr: u64::from(number) * 4,
                object_address: None,
                disassembly: "<&>".repeat(120),
                location: Arc::new(Location { object: None, frames: vec![frame] }),
                ..template.clone()
            }
        })
        .collect();
    let mut core = profile.cores[0].clone();
    // Neighbours differ, so that no two squares are drawn as one.
    let misses: Vec<u64> = (1..).step_by(3).map(|n: u64| n * n % 7).take(sets).collect();
    core.sets = Some(SetMisses { data: misses.clone(), fetch: misses });
    profile.cores = vec![core; cores];
    profile
}

#[test]
fn the_page_is_bounded() {
    for (cores, sets, limit) in [(4096, 64, 1_000_000), (4, 1 << 20, 1_500_000)] {
        let page =
            render(&large_profile(cores, sets), &|_| Some("<&>\u{1b}".repeat(20_000).into()));
        assert!(page.len() < limit, "{cores} cores, {sets} sets: {} bytes", page.len());
        let html = parse(&page);
        assert_eq!(select(&html, "#functions tbody tr").len(), 100);
        assert_eq!(select(&html, "#lines tbody tr").len(), 100);
        assert_eq!(select(&html, "#instructions tbody tr").len(), 100);
        assert_eq!(select(&html, "#cores tbody tr").len(), cores.min(32));
        assert_eq!(select(&html, "#sets svg").len(), 8);
        assert!(page.contains("Functions: 50 of 100,000, those with the most misses"));
    }
}

#[test]
fn the_page_is_bounded_with_levels_too() {
    let levels = sample::levels();
    let mut profile = large_profile(4096, 64);
    profile.run.options = levels.run.options;
    profile
        .cores
        .iter_mut()
        .for_each(|core| core.counts.hierarchy = levels.cores[0].counts.hierarchy);
    profile.instructions.iter_mut().for_each(|one| one.counts = levels.instructions[0].counts);
    let page = render(&profile, &|_| Some("<&>\u{1b}".repeat(20_000).into()));
    assert!(page.len() < 1_100_000, "{} bytes", page.len());
    let html = parse(&page);
    assert_eq!(select(&html, "#functions tbody tr").len(), 100);
    assert_eq!(select(&html, "#cores table:not(.fit) tbody tr").len(), 32);
}

#[test]
fn each_source_file_is_asked_for_once() {
    let asked = std::cell::RefCell::new(Vec::new());
    render(&large_profile(1, 1), &|path| {
        asked.borrow_mut().push(path.to_owned());
        None
    });
    let asked = asked.into_inner();
    assert_eq!(asked.len(), asked.iter().collect::<BTreeSet<_>>().len());
}

/// The sample's hostile instruction alone, all its texts replaced.
fn with_texts([object, function, file, disassembly, word]: [&str; 5]) -> Profile {
    let mut profile = sample::profile();
    let mut instruction = profile.instructions.remove(5);
    let frame =
        |line| Frame { function: Some(function.into()), file: Some(file.into()), line: Some(line) };
    instruction.location =
        Arc::new(Location { object: Some(object.into()), frames: vec![frame(1), frame(2)] });
    instruction.disassembly = disassembly.to_owned();
    profile.instructions = vec![instruction];
    profile.run.command = vec![word.to_owned()];
    profile.run.qemu_version = Some(word.to_owned());
    profile.run.target = word.to_owned();
    profile
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_elements_never_depend_on_the_guest(
        texts in prop::array::uniform5(prop_oneof![
            any::<String>(),
            "[<>&\"'/=! a-z{}%#-]{0,40}",
            Just("--></style></title></svg><script>".to_owned()),
        ]),
        line in prop_oneof![any::<String>(), "[<>&\"'/=! a-z{}%#\t-]{0,40}"],
    ) {
        let line = line.replace(['\n', '\r'], "<");
        let texts = texts.each_ref().map(|text| &text[..]);
        let (hostile, plain) = (with_texts(texts), with_texts(["x"; 5]));
        let sources = [None, Some((&line[..], "x"))];
        for source in sources {
            let text = |text: &str| Some(Source::from(format!("{text}\n")));
            let hostile = render(&hostile, &|_| source.and_then(|(hostile, _)| text(hostile)));
            let plain = render(&plain, &|_| source.and_then(|(_, plain)| text(plain)));
            prop_assert_eq!(skeleton(&parse(&hostile)), skeleton(&parse(&plain)));
        }
    }
}
