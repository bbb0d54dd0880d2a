//! Time spans and sizes as a person writes them: a number and a unit, never a bare number.

use std::time::Duration;

/// Units of a time span, and their milliseconds, the greatest first.
const SPAN_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
/// Units of a size, and their bytes, the greatest first.
const SIZE_UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// `500ms`, `90s`, `15m`, `1h`, `365d`.
///
/// # Errors
/// What is wrong, and what is allowed.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let milliseconds = number_and_unit(text, &SPAN_UNITS).ok_or_else(|| {
        format!("{text:?} is no time span: give a number and a unit, such as 90s, 15m, 1h or 365d")
    })?;
    Ok(Duration::from_millis(milliseconds))
}

/// `512MiB`, `2GiB`, `1536KiB`: bytes.
///
/// # Errors
/// What is wrong, and what is allowed.
pub fn parse_size(text: &str) -> Result<u64, String> {
    number_and_unit(text, &SIZE_UNITS).ok_or_else(|| {
        format!("{text:?} is no size: give a number and a unit, such as 512MiB or 2GiB")
    })
}

/// In the greatest unit that leaves no rest; less than a millisecond is cut off.
pub fn span_text(span: Duration) -> String {
    in_units(u64::try_from(span.as_millis()).unwrap_or(u64::MAX), &SPAN_UNITS)
}

/// In the greatest unit that leaves no rest; less than a KiB is cut off.
pub fn size_text(bytes: u64) -> String {
    in_units(bytes, &SIZE_UNITS)
}

fn number_and_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn in_units(value: u64, units: &[(&str, u64)]) -> String {
    let fits = units.iter().find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor));
    let (unit, factor) = fits.or(units.last()).expect("there are units");
    format!("{}{unit}", value / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_span_has_a_unit() {
        assert_eq!(parse_span("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_span("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(parse_span("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "90", "s", "1w", "-1s", "1.5h", "1 h", "99999999999999999999s", "1H"] {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_size_has_a_unit() {
        assert_eq!(parse_size("512MiB"), Ok(512 << 20));
        assert_eq!(parse_size("1536KiB"), Ok(1536 << 10));
        for wrong in ["", "512", "512MB", "512M", "1.5GiB", "99999999999GiB", "512 MiB"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["500ms", "90s", "15m", "1h", "365d", "1500ms", "0ms"] {
            assert_eq!(span_text(parse_span(text).expect(text)), text);
        }
        for text in ["512MiB", "2GiB", "1536KiB"] {
            assert_eq!(size_text(parse_size(text).expect(text)), text);
        }
    }
}
