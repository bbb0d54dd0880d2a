//! Completions and manual pages of `coordctl` and `pilaster-coordinator`, written out of the
//! command lines.
//!
//! They lie in packaging/, as files that packages install; `UPDATE_GOLDEN=1 cargo test -p
//! pilaster-coordinator manual` writes them anew.

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate};
use pilaster_common::atomic_file;

use super::args::Args;
use crate::config::{Config, owner};

/// The command lines, with the defaults that root has: those of who runs the test depend on the
/// machine.
fn commands() -> [(Command, &'static str); 2] {
    let socket = "/run/pilaster/coordinator.sock";
    let coordctl = Args::command().mut_arg("socket", |arg| arg.default_value(socket));
    let daemon = Config::command()
        .name("pilaster-coordinator")
        .mut_arg("socket", |arg| arg.default_value(socket))
        .mut_arg("state", |arg| arg.default_value("/var/lib/pilaster-coordinator"));
    [(coordctl, "1"), (daemon, "8")]
}

/// One page for a program: a section for each of its commands, as `--help` says it.
fn page(command: &Command, section: &str) -> Vec<u8> {
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command.clone()).section(section);
    man.render(&mut page).expect("memory does not fail");
    let name = command.get_name().replace('-', "\\-"); // there is no page of its own for a command
    let head = String::from_utf8(page).expect("roff is text");
    let mut page =
        head.replace(&format!("\n{name}\\-"), &format!("\n{name} ")).replace("(1)\n", "\n");
    let mut command = command.clone();
    command.build();
    for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
        let title = sub.get_bin_name().unwrap_or_default().to_uppercase();
        let help = sub.render_long_help().to_string();
        let help = help.trim_end().replace('\\', "\\e").replace('-', "\\-");
        let lines = help.lines().map(|line| {
            if line.starts_with(['.', '\'']) { format!("\\&{line}\n") } else { format!("{line}\n") }
        });
        page.push_str(&format!(".SH \"{title}\"\n.nf\n"));
        page.extend(lines);
        page.push_str(".fi\n");
    }
    page.into_bytes()
}

#[test]
fn packages_have_the_completions_and_pages_of_the_command_lines() {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
    let mut files = Vec::new();
    for (mut command, section) in commands() {
        let name = command.get_name().to_owned();
        for (shell, file) in [
            (Shell::Bash, format!("{name}.bash")),
            (Shell::Fish, format!("{name}.fish")),
            (Shell::Zsh, format!("_{name}")),
        ] {
            let mut text = Vec::new();
            generate(shell, &mut command, &name, &mut text);
            files.push((packaging.join("completions").join(file), text));
        }
        files.push((packaging.join(format!("man/{name}.{section}")), page(&command, section)));
    }
    for (path, text) in files {
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let path = std::path::absolute(&path).expect("a path");
            atomic_file::replace(&path, &text, atomic_file::Access { mode: 0o644, ..owner() })
                .expect("the tree can be written to");
        }
        assert!(
            fs::read(&path).is_ok_and(|present| present == text),
            "{} is not what the code says: UPDATE_GOLDEN=1 cargo test -p pilaster-coordinator manual",
            path.display()
        );
    }
}
