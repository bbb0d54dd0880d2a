//! Time spans as a person writes them: a number and a unit, never a bare number.

use std::time::Duration;

/// `90s`, `15m`, `1h`, `365d`.
///
/// # Errors
/// What is wrong, and what is allowed.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!("{text:?} is no time span: give a number and a unit, such as 90s, 15m, 1h or 365d")
    };
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_span_has_a_unit() {
        assert_eq!(parse_span("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_span("1h"), Ok(Duration::from_secs(3600)));
        for wrong in ["", "90", "s", "1w", "-1s", "1.5h", "99999999999999999999s"] {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
    }
}
