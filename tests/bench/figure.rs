//! How a figure is printed: what, how much, its bar, and how far from the machine's best.

/// A figure without a bar; `ratio` is how many times which baseline.
pub fn note(name: &str, value: f64, unit: &str, ratio: Option<(f64, &str)>) {
    print(name, (value, unit), ("", ""), ratio);
}

/// A figure of which less is better.
pub fn at_most(bar: f64, name: &str, value: f64, unit: &str, ratio: Option<(f64, &str)>) {
    let bar = (&*format!("<= {bar}"), verdict(value <= bar));
    print(name, (value, unit), bar, ratio);
}

/// A figure of which more is better.
pub fn at_least(bar: f64, name: &str, value: f64, unit: &str, ratio: Option<(f64, &str)>) {
    let bar = (&*format!(">= {bar}"), verdict(value >= bar));
    print(name, (value, unit), bar, ratio);
}

fn print(
    name: &str,
    (value, unit): (f64, &str),
    (bar, verdict): (&str, &str),
    ratio: Option<(f64, &str)>,
) {
    let ratio = ratio.map(|(times, what)| format!("{times:.2} x {what}"));
    println!(
        "{name:<58} {value:>10.2} {unit:<10} {bar:<9} {verdict:<7} {}",
        ratio.unwrap_or_default()
    );
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
