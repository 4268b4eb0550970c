//! An aggregate that also works with `OVER`.

use sqlbridge_procedure::window;

/// The values of a group, in order.
#[derive(Default)]
struct Median(Vec<f64>);

impl Median {
    fn place(&self, x: f64) -> usize {
        self.0.partition_point(|other| *other < x)
    }

    fn step(&mut self, x: f64) {
        self.0.insert(self.place(x), x);
    }

    fn inverse(&mut self, x: f64) {
        self.0.remove(self.place(x));
    }

    fn value(&self) -> Option<f64> {
        let n = self.0.len();
        (n > 0).then(|| (self.0[(n - 1) / 2] + self.0[n / 2]) / 2.0)
    }
}

window!(Median as fn my_median(x: f64) -> Option<f64>);
