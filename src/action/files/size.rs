//! Amounts of bytes, as people write and read them.

use std::ops::RangeInclusive;

const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Reads `10MiB`, `512KiB`, `1GiB` or a plain number of bytes, within bounds, both included.
pub fn bytes(bounds: RangeInclusive<u64>) -> impl Fn(&str) -> Result<u64, String> {
    move |text| {
        let unit = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)));
        let (number, unit) = unit.unwrap_or((text, 1));
        let bytes = number.trim_end().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        let (least, most) = (written(*bounds.start()), written(*bounds.end()));
        let wrong =
            || format!("{text:?} is no such amount; write something like \"10MiB\", from {least} to {most}");
        bytes.filter(|bytes| bounds.contains(bytes)).ok_or_else(wrong)
    }
}

/// An amount, in the largest unit of which it has one.
pub fn written(bytes: u64) -> String {
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => {
            // One digit after the point tells 1.1 GiB from 1.9 GiB.
            let tenths = u128::from(bytes) * 10 / u128::from(*unit);
            match tenths % 10 {
                0 => format!("{} {name}", tenths / 10),
                digit => format!("{}.{digit} {name}", tenths / 10),
            }
        }
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_back() {
        let any = bytes(0..=u64::MAX);
        for text in ["10 MiB", "1.5 KiB", "0 bytes", "1023 bytes", "3 GiB"] {
            let plain = text.replace(" bytes", "").replace("1.5 KiB", "1536");
            assert_eq!(any(&plain).map(written).as_deref(), Ok(text));
        }
        for bad in ["", "MiB", "-1", "1.5MiB", "10MB", "99999999999GiB"] {
            assert!(any(bad).is_err(), "{bad}");
        }
        assert!(bytes(1..=1024)("2KiB").unwrap_err().contains("from 1 bytes to 1 KiB"));
    }
}
