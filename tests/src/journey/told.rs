//! The three lines with which a program ends when it did not do what it was asked: `error:`,
//! `cause:`, ` help:`.

/// What the three lines say. A cause may have an excerpt below it, indented to stand under its
/// first line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ThreeLines {
    pub error: String,
    pub cause: String,
    pub help: String,
    /// Notes that were said before.
    pub before: Vec<String>,
}

impl ThreeLines {
    /// Takes them from the end of what was said on stderr.
    ///
    /// # Errors
    /// There are not exactly these three, one is empty, or something else was said after them: with
    /// which.
    pub fn at_the_end_of(stderr: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{what} in:\n{stderr}");
        let mut lines: Vec<&str> = stderr.lines().collect();
        let help = lines.pop().and_then(|line| line.strip_prefix(" help: "));
        let help = help.ok_or_else(|| wrong("the last line is no ` help: `"))?;
        let begins = lines.iter().rposition(|line| line.starts_with("cause: "));
        let mut cause = lines.split_off(begins.ok_or_else(|| wrong("no `cause: `"))?);
        cause[0] = &cause[0]["cause: ".len()..];
        if cause[1..].iter().any(|line| !line.starts_with("       ")) {
            return Err(wrong("something else between `cause: ` and ` help: `"));
        }
        let error = lines.pop().and_then(|line| line.strip_prefix("error: "));
        let error = error.ok_or_else(|| wrong("no `error: ` above `cause: `"))?;
        if [error, cause[0], help].iter().any(|text| text.trim().is_empty()) {
            return Err(wrong("an empty line of the three"));
        }
        if lines
            .iter()
            .any(|line| ["error:", "cause:", " help:"].iter().any(|w| line.starts_with(w)))
        {
            return Err(wrong("more than one error"));
        }
        Ok(Self {
            error: error.into(),
            cause: cause.join("\n"),
            help: help.into(),
            before: lines.into_iter().map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_lines_are_read_with_an_excerpt_and_with_notes_before() {
        let told = ThreeLines::at_the_end_of(
            "trying again\nerror: cannot apply\ncause: line 2\n       2 | x\n         | ^\n help: mend it\n",
        )
        .unwrap();
        assert_eq!((told.error.as_str(), told.help.as_str()), ("cannot apply", "mend it"));
        assert!(told.cause.starts_with("line 2\n") && told.before == ["trying again"]);
    }

    #[test]
    fn what_is_not_just_three_lines_is_refused() {
        for stderr in [
            "",
            "error: a\ncause: b\n",
            "error: a\n help: c\n",
            "cause: b\n help: c\n",
            "error: a\ncause: b\n help: c\nmore\n",
            "error: a\ncause: b\nmore\n help: c\n",
            "error: a\nmore\ncause: b\n help: c\n",
            "error: a\ncause: \n help: c\n",
            "error: \ncause: b\n help: c\n",
            "error: z\nerror: a\ncause: b\n help: c\n",
        ] {
            assert!(ThreeLines::at_the_end_of(stderr).is_err(), "{stderr}");
        }
    }
}
