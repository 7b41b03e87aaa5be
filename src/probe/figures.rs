//! The numbers behind an answer, under the names that scripts know them by. They are printed with `--json`, and
//! nothing is decided from them.

use serde_json::Number;
use std::collections::BTreeMap;

/// What was measured, by name.
pub type Figures = BTreeMap<&'static str, Number>;

/// Bytes in a gigabyte and in a megabyte as those scripts count them.
const GB: f64 = (1_u64 << 30) as f64;
const MB: f64 = (1_u64 << 20) as f64;

/// A number with two decimals; one that JSON does not have is 0.
pub fn rounded(value: f64) -> Number {
    Number::from_f64((value * 100.0).round() / 100.0).unwrap_or_else(|| 0.into())
}

/// Bytes in gigabytes.
pub fn gb(bytes: u64) -> Number {
    rounded(bytes as f64 / GB)
}

/// Bytes in megabytes.
pub fn mb(bytes: u64) -> Number {
    rounded(bytes as f64 / MB)
}
