//! The policies as their papers tell them, with trees, bits, counters and lists, each by the name that it has
//! in [`cachesim::policy`]. They know of ways and sets by their numbers only.
//!
//! What is drawn by chance is drawn from the same generator, which is no policy's invention.

use std::collections::BTreeSet;

use cachesim::cache::Outcome::{self, Hit, Miss};
use cachesim::geometry::CacheGeometry;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// A policy that is easy to believe.
pub trait NaivePolicy {
    /// For an empty cache.
    fn new(geometry: &CacheGeometry, seed: u64) -> Self;

    /// A hit in this way of this set.
    fn hit(&mut self, set: usize, way: usize);

    /// The way of this set, which is full, to be filled next.
    fn victim(&mut self, set: usize) -> usize;

    /// This way has a new line.
    fn filled(&mut self, set: usize, way: usize);

    /// The line in this way was taken out.
    fn emptied(&mut self, set: usize, way: usize);
}

/// A cache that is easy to believe: what is in each way of each set.
pub struct NaiveCache<N> {
    geometry: CacheGeometry,
    sets: Vec<Vec<Option<u64>>>,
    policy: N,
}

impl<N: NaivePolicy> NaiveCache<N> {
    pub fn new(geometry: &CacheGeometry, seed: u64) -> Self {
        let sets = per_set(geometry, || vec![None; ways(geometry)]);
        Self { geometry: *geometry, sets, policy: N::new(geometry, seed) }
    }

    /// Accesses the line that holds the byte at `address`.
    pub fn access(&mut self, address: u64) -> Outcome {
        let line = address / self.geometry.line_bytes();
        let index = self.index(address);
        let set = &mut self.sets[index];
        if let Some(way) = set.iter().position(|&present| present == Some(line)) {
            self.policy.hit(index, way);
            return Hit;
        }
        let way = match set.iter().position(Option::is_none) {
            Some(empty) => empty,
            None => self.policy.victim(index),
        };
        set[way] = Some(line);
        self.policy.filled(index, way);
        Miss
    }

    /// Takes the line out that is in this way of the set of `address`, if there is one.
    pub fn empty(&mut self, address: u64, way: usize) {
        let index = self.index(address);
        if self.sets[index][way].take().is_some() {
            self.policy.emptied(index, way);
        }
    }

    /// The ways of the set of `address`.
    pub fn set(&self, address: u64) -> &[Option<u64>] {
        &self.sets[self.index(address)]
    }

    fn index(&self, address: u64) -> usize {
        let line = address / self.geometry.line_bytes();
        usize::try_from(line % self.geometry.sets()).expect("few sets")
    }
}

fn ways(geometry: &CacheGeometry) -> usize {
    usize::try_from(geometry.ways()).expect("few ways")
}

fn per_set<T>(geometry: &CacheGeometry, new: impl FnMut() -> T) -> Vec<T> {
    let sets = usize::try_from(geometry.sets()).expect("few sets");
    std::iter::repeat_with(new).take(sets).collect()
}

/// The ways of each set that hold lines, in an order: the victim last.
struct Queues(Vec<Vec<usize>>);

impl Queues {
    fn new(geometry: &CacheGeometry) -> Self {
        Self(per_set(geometry, Vec::new))
    }

    fn last(&self, set: usize) -> usize {
        *self.0[set].last().expect("a full set")
    }

    fn remove(&mut self, set: usize, way: usize) {
        self.0[set].retain(|&other| other != way);
    }

    fn move_to_front(&mut self, set: usize, way: usize) {
        self.remove(set, way);
        self.0[set].insert(0, way);
    }

    fn move_to_back(&mut self, set: usize, way: usize) {
        self.remove(set, way);
        self.0[set].push(way);
    }
}

/// LRU: what is accessed goes to the front.
pub struct Lru(Queues);

impl NaivePolicy for Lru {
    fn new(geometry: &CacheGeometry, _seed: u64) -> Self {
        Self(Queues::new(geometry))
    }

    fn hit(&mut self, set: usize, way: usize) {
        self.0.move_to_front(set, way);
    }

    fn victim(&mut self, set: usize) -> usize {
        self.0.last(set)
    }

    fn filled(&mut self, set: usize, way: usize) {
        self.0.move_to_front(set, way);
    }

    fn emptied(&mut self, set: usize, way: usize) {
        self.0.remove(set, way);
    }
}

/// FIFO: what is filled goes to the front.
pub struct Fifo(Queues);

impl NaivePolicy for Fifo {
    fn new(geometry: &CacheGeometry, _seed: u64) -> Self {
        Self(Queues::new(geometry))
    }

    fn hit(&mut self, _set: usize, _way: usize) {}

    fn victim(&mut self, set: usize) -> usize {
        self.0.last(set)
    }

    fn filled(&mut self, set: usize, way: usize) {
        self.0.move_to_front(set, way);
    }

    fn emptied(&mut self, set: usize, way: usize) {
        self.0.remove(set, way);
    }
}

/// Random: a way is drawn.
pub struct Random {
    ways: usize,
    generator: SmallRng,
}

impl NaivePolicy for Random {
    fn new(geometry: &CacheGeometry, seed: u64) -> Self {
        Self { ways: ways(geometry), generator: SmallRng::seed_from_u64(seed) }
    }

    fn hit(&mut self, _set: usize, _way: usize) {}

    fn victim(&mut self, _set: usize) -> usize {
        self.generator.random_range(0..self.ways)
    }

    fn filled(&mut self, _set: usize, _way: usize) {}

    fn emptied(&mut self, _set: usize, _way: usize) {}
}

/// A tree over ways.
enum Tree {
    /// One way.
    Leaf,
    /// So many ways in the first half, and the others.
    Node { first_ways: usize, first: Box<Tree>, second: Box<Tree>, points_to_second: bool },
}

impl Tree {
    fn over(ways: usize) -> Self {
        if ways == 1 {
            return Self::Leaf;
        }
        let first_ways = ways / 2 + ways % 2;
        Self::Node {
            first_ways,
            first: Box::new(Self::over(first_ways)),
            second: Box::new(Self::over(ways - first_ways)),
            points_to_second: false,
        }
    }

    fn turn_away_from(&mut self, way: usize) {
        if let Self::Node { first_ways, first, second, points_to_second } = self {
            *points_to_second = way < *first_ways;
            if *points_to_second {
                first.turn_away_from(way);
            } else {
                second.turn_away_from(way - *first_ways);
            }
        }
    }

    fn pointed_at(&self) -> usize {
        match self {
            Self::Leaf => 0,
            Self::Node { first, points_to_second: false, .. } => first.pointed_at(),
            Self::Node { first_ways, second, .. } => first_ways + second.pointed_at(),
        }
    }
}

/// Tree pseudo-LRU: a tree of bits for each set, which stay as they are where a line is taken out.
pub struct TreePlru(Vec<Tree>);

impl NaivePolicy for TreePlru {
    fn new(geometry: &CacheGeometry, _seed: u64) -> Self {
        Self(per_set(geometry, || Tree::over(ways(geometry))))
    }

    fn hit(&mut self, set: usize, way: usize) {
        self.0[set].turn_away_from(way);
    }

    fn victim(&mut self, set: usize) -> usize {
        self.0[set].pointed_at()
    }

    fn filled(&mut self, set: usize, way: usize) {
        self.0[set].turn_away_from(way);
    }

    fn emptied(&mut self, _set: usize, _way: usize) {}
}

/// Bit pseudo-LRU: a bit for each way.
pub struct BitPlru(Vec<Vec<bool>>);

impl NaivePolicy for BitPlru {
    fn new(geometry: &CacheGeometry, _seed: u64) -> Self {
        Self(per_set(geometry, || vec![false; ways(geometry)]))
    }

    fn hit(&mut self, set: usize, way: usize) {
        let bits = &mut self.0[set];
        bits[way] = true;
        if !bits.contains(&false) {
            bits.fill(false);
            bits[way] = true;
        }
    }

    fn victim(&mut self, set: usize) -> usize {
        // A single way's bit is always set.
        self.0[set].iter().position(|bit| !bit).unwrap_or(0)
    }

    fn filled(&mut self, set: usize, way: usize) {
        self.hit(set, way);
    }

    fn emptied(&mut self, set: usize, way: usize) {
        self.0[set][way] = false;
    }
}

/// NRU: the ways of each set that were not used recently.
pub struct Nru(Vec<BTreeSet<usize>>, usize);

impl NaivePolicy for Nru {
    fn new(geometry: &CacheGeometry, _seed: u64) -> Self {
        Self(per_set(geometry, BTreeSet::new), ways(geometry))
    }

    fn hit(&mut self, set: usize, way: usize) {
        self.0[set].remove(&way);
    }

    fn victim(&mut self, set: usize) -> usize {
        if self.0[set].is_empty() {
            self.0[set].extend(0..self.1);
        }
        *self.0[set].first().expect("all ways at least")
    }

    fn filled(&mut self, set: usize, way: usize) {
        self.0[set].remove(&way);
    }

    fn emptied(&mut self, _set: usize, _way: usize) {}
}

/// A re-reference prediction value for each way.
struct Predictions(Vec<Vec<u8>>);

impl Predictions {
    fn new(geometry: &CacheGeometry) -> Self {
        Self(per_set(geometry, || vec![3; ways(geometry)]))
    }

    fn victim(&mut self, set: usize) -> usize {
        loop {
            if let Some(victim) = self.0[set].iter().position(|&value| value == 3) {
                return victim;
            }
            for value in &mut self.0[set] {
                *value += 1;
            }
        }
    }

    fn set(&mut self, set: usize, way: usize, value: u8) {
        self.0[set][way] = value;
    }
}

/// One in 32.
fn is_rare(generator: &mut SmallRng) -> bool {
    generator.random_ratio(1, 32)
}

/// SRRIP: a fill has the value 2.
pub struct Srrip(Predictions);

impl NaivePolicy for Srrip {
    fn new(geometry: &CacheGeometry, _seed: u64) -> Self {
        Self(Predictions::new(geometry))
    }

    fn hit(&mut self, set: usize, way: usize) {
        self.0.set(set, way, 0);
    }

    fn victim(&mut self, set: usize) -> usize {
        self.0.victim(set)
    }

    fn filled(&mut self, set: usize, way: usize) {
        self.0.set(set, way, 2);
    }

    fn emptied(&mut self, _set: usize, _way: usize) {}
}

/// BRRIP: a fill has the value 3, a rare one 2.
pub struct Brrip(Predictions, SmallRng);

impl NaivePolicy for Brrip {
    fn new(geometry: &CacheGeometry, seed: u64) -> Self {
        Self(Predictions::new(geometry), SmallRng::seed_from_u64(seed))
    }

    fn hit(&mut self, set: usize, way: usize) {
        self.0.set(set, way, 0);
    }

    fn victim(&mut self, set: usize) -> usize {
        self.0.victim(set)
    }

    fn filled(&mut self, set: usize, way: usize) {
        let value = if is_rare(&mut self.1) { 2 } else { 3 };
        self.0.set(set, way, value);
    }

    fn emptied(&mut self, _set: usize, _way: usize) {}
}

/// DRRIP: lists of leaders, and who is ahead.
pub struct Drrip {
    predictions: Predictions,
    generator: SmallRng,
    srrip_leaders: Vec<usize>,
    brrip_leaders: Vec<usize>,
    /// From −512 to 511; SRRIP is followed below 0.
    lead: i32,
}

impl NaivePolicy for Drrip {
    fn new(geometry: &CacheGeometry, seed: u64) -> Self {
        let sets = usize::try_from(geometry.sets()).expect("few sets");
        let mut leaders = (Vec::new(), Vec::new());
        let regions = (sets / 4).min(32);
        for region in 0..regions {
            let region_sets: Vec<usize> =
                (0..sets / regions).map(|n| region * (sets / regions) + n).collect();
            let mut around = region_sets.iter().cycle().skip(region);
            leaders.0.push(*around.next().expect("at least four sets"));
            leaders.1.push(*around.nth(region_sets.len() / 2 - 1).expect("at least four sets"));
        }
        Self {
            predictions: Predictions::new(geometry),
            generator: SmallRng::seed_from_u64(seed),
            srrip_leaders: leaders.0,
            brrip_leaders: leaders.1,
            lead: -1,
        }
    }

    fn hit(&mut self, set: usize, way: usize) {
        self.predictions.set(set, way, 0);
    }

    fn victim(&mut self, set: usize) -> usize {
        self.predictions.victim(set)
    }

    fn filled(&mut self, set: usize, way: usize) {
        let mut is_bimodal = self.lead >= 0;
        if self.srrip_leaders.contains(&set) {
            self.lead = (self.lead + 1).min(511);
            is_bimodal = false;
        }
        if self.brrip_leaders.contains(&set) {
            self.lead = (self.lead - 1).max(-512);
            is_bimodal = true;
        }
        let value = if is_bimodal && !is_rare(&mut self.generator) { 3 } else { 2 };
        self.predictions.set(set, way, value);
    }

    fn emptied(&mut self, _set: usize, _way: usize) {}
}

/// LFU: a count for each way.
pub struct Lfu(Vec<Vec<u32>>);

impl NaivePolicy for Lfu {
    fn new(geometry: &CacheGeometry, _seed: u64) -> Self {
        Self(per_set(geometry, || vec![0; ways(geometry)]))
    }

    fn hit(&mut self, set: usize, way: usize) {
        self.0[set][way] += 1;
    }

    fn victim(&mut self, set: usize) -> usize {
        let counts = &self.0[set];
        let least = counts.iter().min().expect("a way");
        counts.iter().position(|count| count == least).expect("the least")
    }

    fn filled(&mut self, set: usize, way: usize) {
        self.0[set][way] = 1;
    }

    fn emptied(&mut self, _set: usize, _way: usize) {}
}

/// LIP: what hits goes to the front, what is filled to the back.
pub struct Lip(Queues);

impl NaivePolicy for Lip {
    fn new(geometry: &CacheGeometry, _seed: u64) -> Self {
        Self(Queues::new(geometry))
    }

    fn hit(&mut self, set: usize, way: usize) {
        self.0.move_to_front(set, way);
    }

    fn victim(&mut self, set: usize) -> usize {
        self.0.last(set)
    }

    fn filled(&mut self, set: usize, way: usize) {
        self.0.move_to_back(set, way);
    }

    fn emptied(&mut self, set: usize, way: usize) {
        self.0.remove(set, way);
    }
}

/// BIP: the same, but what is rarely filled goes to the front.
pub struct Bip(Queues, SmallRng);

impl NaivePolicy for Bip {
    fn new(geometry: &CacheGeometry, seed: u64) -> Self {
        Self(Queues::new(geometry), SmallRng::seed_from_u64(seed))
    }

    fn hit(&mut self, set: usize, way: usize) {
        self.0.move_to_front(set, way);
    }

    fn victim(&mut self, set: usize) -> usize {
        self.0.last(set)
    }

    fn filled(&mut self, set: usize, way: usize) {
        if is_rare(&mut self.1) {
            self.0.move_to_front(set, way);
        } else {
            self.0.move_to_back(set, way);
        }
    }

    fn emptied(&mut self, set: usize, way: usize) {
        self.0.remove(set, way);
    }
}
