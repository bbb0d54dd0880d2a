//! Points at which a test kills the process, to show that what was begun ends right after a
//! restart.
//!
//! With the cargo feature `failpoints`, `PILASTER_FAILPOINT=name` kills the process by SIGKILL the
//! first time it gets there; `PILASTER_FAILPOINT=stop:name` stops it there, so that a test can cut
//! the power of its host at that very point. Without it, as in every release, the macro leaves
//! nothing behind but the check that the name is in one of the lists.

/// Declares the lists of names, and the check that a name is in one of them.
macro_rules! failpoints {
    ($($(#[$doc:meta])* $list:ident: [$($name:literal),* $(,)?];)*) => {
        $($(#[$doc])* pub const $list: &[&str] = &[$($name),*];)*

        /// Whether a list has this name; asked while compiling.
        pub const fn is_known(name: &str) -> bool {
            $($(if same(name, $name) { return true; })*)*
            false
        }
    };
}

failpoints! {
    /// Every durable boundary of Join, Renew and the replacing of a leaf.
    AGENT: [
        "join.key-on-disk",
        "join.sent",
        "join.reply-checked",
        "join.identity-written",
        "join.identity-swapped",
        "join.token-erased",
        "renew.key-on-disk",
        "renew.sent",
        "renew.identity-written",
        "renew.identity-swapped",
        "renew.stream-stands",
        "renew.before-erased",
        "leaf.before-kept",
        "leaf.replaced",
        "leaf.before-erased",
    ];
    /// Those of the coordinator.
    COORDINATOR: ["join.decided", "join.committed", "renew.decided", "renew.committed", "renew.promoted"];
}

/// Names a point; one that no list has does not compile.
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {{
        const _: () = assert!($crate::failpoint::is_known($name), "no list has this failpoint");
        $crate::failpoint::reach($name);
    }};
}

/// Names a point; one that no list has does not compile.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {{
        const _: () = assert!($crate::failpoint::is_known($name), "no list has this failpoint");
    }};
}

/// Kills or stops this process if `PILASTER_FAILPOINT` named this point when the first one was
/// reached.
#[cfg(feature = "failpoints")]
pub fn reach(name: &str) {
    use nix::sys::signal::{Signal, kill};
    static ARMED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let armed = ARMED.get_or_init(|| std::env::var("PILASTER_FAILPOINT").ok());
    let Some(armed) = armed.as_deref() else { return };
    let (point, signal) = match armed.strip_prefix("stop:") {
        Some(point) => (point, Signal::SIGSTOP),
        None => (armed, Signal::SIGKILL),
    };
    if point == name {
        let _ = kill(nix::unistd::Pid::this(), signal);
    }
}

/// `==`, while compiling.
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_known_once_and_no_other_is() {
        let all: Vec<&str> = AGENT.iter().chain(COORDINATOR).copied().collect();
        assert!(all.iter().all(|name| is_known(name)));
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
        assert!(!is_known("join.key") && !is_known("join.key-on-disk2") && !is_known(""));
        failpoint!("join.sent"); // not armed: goes on
    }

    #[cfg(feature = "failpoints")]
    #[test]
    fn the_named_point_kills_and_no_other_does() {
        use std::os::unix::process::ExitStatusExt;
        let run = |point: &str| {
            std::process::Command::new(std::env::current_exe().expect("this test"))
                .args(["--exact", "failpoint::tests::each_name_is_known_once_and_no_other_is"])
                .env("PILASTER_FAILPOINT", point)
                .output()
                .expect("runs")
                .status
        };
        assert_eq!(run("join.sent").signal(), Some(9));
        assert!(run("renew.sent").success());
    }
}
