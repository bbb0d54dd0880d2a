//! How errors read: what could not be done, the cause, and the next thing to type, a line each.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use code::Code;

/// The stable numbers of what a person may wait for or has to mend.
pub mod code {
    use std::fmt;

    use serde::{Deserialize, Serialize};

    /// A stable number, shown and written as `PIL-0101`. A program decides by it, never by a
    /// sentence; one from a newer version is kept as it is.
    #[derive(
        Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
    )]
    #[serde(try_from = "String", into = "String")]
    pub struct Code(u16);

    /// What is no number of ours.
    #[derive(Debug, thiserror::Error)]
    #[error("{0:?} is no code such as PIL-0101")]
    pub struct BadCode(String);

    impl TryFrom<String> for Code {
        type Error = BadCode;

        fn try_from(text: String) -> Result<Self, BadCode> {
            let number = text.strip_prefix("PIL-").and_then(|number| number.parse().ok());
            number.map(Self).ok_or(BadCode(text))
        }
    }

    impl From<Code> for String {
        fn from(code: Code) -> Self {
            code.to_string()
        }
    }

    impl Code {
        /// From a message.
        pub const fn from_number(number: u16) -> Self {
            Self(number)
        }

        /// For a message.
        pub const fn number(self) -> u16 {
            self.0
        }
    }

    impl fmt::Display for Code {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "PIL-{:04}", self.0)
        }
    }

    macro_rules! codes {
        ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
            $($(#[$doc])* pub const $name: Code = Code($number);)*

            /// All of them, rising.
            pub const ALL: &[(Code, &str)] = &[$(($name, stringify!($name))),*];
        };
    }

    codes! {
        /// An error that has no number of its own.
        OTHER = 0;
        /// The node has no identity.
        NOT_JOINED = 101;
        /// The node has no stream, or has not reported over it.
        SILENT = 102;
        /// The node has no etcd that files could be rendered for.
        NO_ETCD = 103;
        /// The node's etcd is known to be bad, and nobody has accepted that.
        BAD_ETCD = 104;
        /// The node cannot have what the spec wants.
        UNFIT = 105;
        /// The node's files are not all in place.
        NOT_READY = 106;
        /// Members have different minor versions of etcd.
        MINORS = 107;
        /// etcd was told to start and does not run.
        NOT_STARTED = 108;
        /// etcd runs and is not healthy.
        NOT_HEALTHY = 109;
        /// etcd runs with ids of another formation.
        OTHER_IDS = 110;
        /// A member of the spec did not take part in the formation.
        NOT_IN_FORMATION = 111;
        /// No address can be chosen for the node.
        NO_ADDRESS = 112;
        /// The node was denied.
        DENIED = 113;
        /// The coordinator cannot read or write its store, or its CAs.
        STORE = 120;
        /// The agent refuses a desired state: it is older than one that it has accepted.
        OLD_STATE = 201;
        /// The agent refuses a desired state that is not for it, or not what its values give.
        FOREIGN_STATE = 202;
        /// The agent has no templates of that version.
        TEMPLATE = 203;
        /// The node's interface does not have the address.
        OTHER_ADDRESS = 204;
        /// The node's etcd is not the one that the files are for.
        OTHER_ETCD = 205;
        /// etcd would not start with a value.
        BAD_VALUE = 206;
        /// There is no user for etcd.
        NO_ETCD_USER = 207;
        /// `/etc/hosts` cannot be read.
        HOSTS_UNREADABLE = 208;
        /// Ports of etcd are taken.
        PORTS_TAKEN = 209;
        /// A message cannot be understood.
        MESSAGE = 210;
        /// A step on the node failed.
        STEP = 220;
        /// A new certificate was taken back.
        TAKEN_BACK = 221;
        /// etcd does not run, and the agent does not start it.
        STOPPED = 222;
        /// etcd is not kept at its minor version.
        NOT_PINNED = 223;
        /// The coordinator does not let the node in.
        REFUSED = 230;
        /// The node's identity has ended.
        IDENTITY_ENDED = 231;
    }
}

/// An error that knows what a person can do about it.
pub trait Help: Error {
    /// The next thing to type or to look at, one line.
    fn help(&self) -> Option<String> {
        None
    }

    /// Its stable number.
    fn code(&self) -> Code {
        code::OTHER
    }
}

/// An error as a person is told it, at the edge of a program or in a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// By which a program knows it.
    pub code: Code,
    /// What could not be done.
    pub what: String,
    /// Why, with the file, the line or the node.
    pub cause: String,
    /// What to do about it.
    pub help: String,
}

impl Told {
    /// Tells `error` and everything below it as the cause of `what`.
    pub fn new(what: impl Into<String>, error: &impl Help) -> Self {
        let (code, help) = (error.code(), error.help().unwrap_or_default());
        Self { code, what: what.into(), cause: causes(error), help }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code: _, what, cause, help } = self;
        write!(f, "error: {}\ncause: {}", plain(what), plain(cause))?;
        if help.is_empty() { Ok(()) } else { write!(f, "\n help: {}", plain(help)) }
    }
}

impl Error for Told {}

impl Help for Told {
    fn help(&self) -> Option<String> {
        Some(self.help.clone())
    }

    fn code(&self) -> Code {
        self.code
    }
}

/// An error and its sources, joined by `: `, leaving out what its outer error has said already.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        let line = error.to_string();
        if !text.contains(&line) {
            text = format!("{text}: {line}");
        }
        below = error.source();
    }
    text
}

/// `text` without the control characters with which a name or a message from elsewhere could write
/// to a terminal; line ends stay, indented so that a cause of several lines (an excerpt of a file)
/// reads as one.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match c {
            '\n' => out.push_str("\n       "),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read {path}")]
    struct Outer {
        path: &'static str,
        source: std::io::Error,
    }
    impl Help for Outer {
        fn help(&self) -> Option<String> {
            Some("look there".into())
        }
    }

    #[test]
    fn an_error_is_told_in_three_lines() {
        let error = Outer { path: "/x", source: std::io::Error::other("gone") };
        assert_eq!(
            Told::new("cannot join", &error).to_string(),
            "error: cannot join\ncause: cannot read /x: gone\n help: look there"
        );
    }

    #[test]
    fn each_code_is_one_of_its_own_and_reads_as_a_person_types_it() {
        assert!(code::ALL.is_sorted_by(|(one, _), (next, _)| one < next));
        assert_eq!(code::NOT_JOINED.to_string(), "PIL-0101");
        assert_eq!(Code::from_number(9).number(), 9);
    }

    #[test]
    fn a_foreign_name_cannot_write_to_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\rc"), "a\\u{1b}[2Jb\\rc");
    }
}
