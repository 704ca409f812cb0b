//! How a figure is printed: what, how much, its bar, and how far from the machine's best.

/// What a figure has to reach.
pub enum Bar {
    AtMost(f64),
    AtLeast(f64),
    None,
}

pub struct Figure<'a> {
    pub name: &'a str,
    pub value: f64,
    pub unit: &'a str,
    pub bar: Bar,
    /// How many times which baseline.
    pub ratio: Option<(f64, &'a str)>,
}

impl Figure<'_> {
    pub fn print(&self) {
        let (bar, verdict) = match self.bar {
            Bar::AtMost(bar) => (format!("<= {bar}"), verdict(self.value <= bar)),
            Bar::AtLeast(bar) => (format!(">= {bar}"), verdict(self.value >= bar)),
            Bar::None => (String::new(), ""),
        };
        let ratio = self
            .ratio
            .map(|(times, what)| format!("{times:.2} x {what}"));
        println!(
            "{:<58} {:>10.2} {:<10} {bar:<9} {verdict:<7} {}",
            self.name,
            self.value,
            self.unit,
            ratio.unwrap_or_default()
        );
    }
}

/// A figure without a bar.
pub fn note(name: &str, value: f64, unit: &str, ratio: Option<(f64, &str)>) {
    print(name, (value, unit), Bar::None, ratio);
}

/// A figure of which less is better.
pub fn at_most(bar: f64, name: &str, value: f64, unit: &str, ratio: Option<(f64, &str)>) {
    print(name, (value, unit), Bar::AtMost(bar), ratio);
}

fn print(name: &str, (value, unit): (f64, &str), bar: Bar, ratio: Option<(f64, &str)>) {
    Figure {
        name,
        value,
        unit,
        bar,
        ratio,
    }
    .print();
}

fn verdict(reached: bool) -> &'static str {
    if reached { "ok" } else { "MISSED" }
}

/// The value below which `percent` of the samples are.
pub fn percentile(samples: &[f64], percent: usize) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// A count as a number to calculate with.
pub fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("a small number"))
}
