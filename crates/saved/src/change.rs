//! What became of one number from one run to another.

use crate::metric::{Unit, Value};

/// What became of one number.
#[derive(Debug, Clone, PartialEq)]
pub struct Change<N> {
    /// What it is of.
    pub name: N,
    /// In what it is measured.
    pub unit: Unit,
    /// In the first run, if it has it.
    pub a: Option<Value>,
    /// In the second run.
    pub b: Option<Value>,
}

impl<N> Change<N> {
    /// The second minus the first. What a run has not counts as 0.
    pub fn difference(&self) -> f64 {
        let number = |value: Option<Value>| value.map_or(0.0, Value::number);
        match (self.a.unwrap_or(Value::Count(0)), self.b.unwrap_or(Value::Count(0))) {
            // Of the same digits where counts are long.
            (Value::Count(a), Value::Count(b)) => {
                let number = Value::Count(a.abs_diff(b)).number();
                if b < a { -number } else { number }
            }
            _ => number(self.b) - number(self.a),
        }
    }

    /// The difference ÷ the first; `None` where the first is 0.
    pub fn relative(&self) -> Option<f64> {
        let a = self.a.map_or(0.0, Value::number);
        (a != 0.0).then(|| self.difference() / a)
    }
}
