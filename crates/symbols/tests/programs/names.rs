//! Mangled names, inlined and generic functions.

struct Counter<T>(T);

trait Step {
    fn step(&mut self) -> u64;
}

impl Step for Counter<u64> {
    #[inline(never)]
    fn step(&mut self) -> u64 {
        self.0 = scramble(self.0);
        self.0
    }
}

#[inline(always)]
fn scramble(x: u64) -> u64 {
    x.rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[inline(never)]
fn largest<T: PartialOrd + Copy>(values: &[T]) -> T {
    let mut best = values[0];
    for value in values {
        if *value > best {
            best = *value;
        }
    }
    best
}

fn main() {
    let mut counter = Counter(std::env::args().count() as u64);
    let values: Vec<u64> = (0..10).map(|_| counter.step()).collect();
    std::process::exit(i32::from(largest(&values) == 1));
}
