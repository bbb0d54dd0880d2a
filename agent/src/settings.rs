//! The agent's settings.

/// What `/etc/conf.d/pilaster-agent` exports.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `PILASTER_INTERFACE`: whose address the cluster uses.
    pub interface: String,
    /// `PILASTER_LOG`: error, warn, info, debug or trace.
    pub log: tracing::Level,
}

impl Settings {
    /// Reads the settings from the environment, then from `/etc/conf.d/pilaster-agent`, since a
    /// command typed by hand does not get what OpenRC exports. What is not set, or not understood,
    /// has its default.
    pub fn read() -> Self {
        let file = std::fs::read_to_string(SETTINGS_FILE).unwrap_or_default();
        let set = |name| {
            let exported = std::env::var(name).ok();
            exported.or_else(|| in_file(&file, name)).filter(|value| !value.is_empty())
        };
        Self {
            interface: set("PILASTER_INTERFACE").unwrap_or_else(|| "eth0".into()),
            log: set("PILASTER_LOG")
                .and_then(|level| level.parse().ok())
                .unwrap_or(tracing::Level::INFO),
        }
    }
}

/// The value of `export NAME="value"`; the last one counts.
fn in_file(file: &str, name: &str) -> Option<String> {
    let value = |line: &str| {
        let line = line.trim();
        let assigned = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let value = assigned.strip_prefix(name)?.strip_prefix('=')?;
        Some(value.trim_matches(['"', '\'']).to_owned())
    };
    file.lines().rev().find_map(value)
}

/// OpenRC's settings of the agent's service.
const SETTINGS_FILE: &str = "/etc/conf.d/pilaster-agent";
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_found_as_the_shell_would_find_it() {
        let file = "#export PILASTER_INTERFACE=\"no\"\nexport PILASTER_INTERFACE=\"eth1\"\nPILASTER_LOG=debug\n";
        assert_eq!(in_file(file, "PILASTER_INTERFACE").as_deref(), Some("eth1"));
        assert_eq!(in_file(file, "PILASTER_LOG").as_deref(), Some("debug"));
        assert_eq!(in_file(file, "PILASTER"), None);
    }
}
