//! `cargo xtask`: what is installed on a host.
//!
//! `package` builds static binaries and makes .apk and .deb of them ([`package`]); `key` and
//! `repository` make a signed repository that apk trusts ([`apk`]); `stage` lays out what the
//! agent's package installs ([`stage`]). Not here: etcd's own service files, which the agent
//! renders for its node (`common::service_files`).

mod apk;
mod failure;
mod package;
mod stage;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::ValueExt;
use lexopt::prelude::{Long, Short, Value};

use failure::{Failure, say};
use package::{Product, Target};

const USAGE: &str = "\
cargo xtask COMMAND

  package [--only ARCH] [--product NAME] [--out DIR] [--revision N]
      static binaries, .apk and .deb with SHA256SUMS and SBOMs, into DIR (target/packages);
      ARCH: aarch64, armv7, x86_64, all three when not said; may be given several times
      NAME: pilaster-agent, pilaster-coordinator, both when not said
      N: counts packages of one version, 0 at first
  key DIR
      a new key that signs repositories: pilaster-XXXXXXXX.rsa (keep it), and its .rsa.pub
  repository DIR --key FILE [--packages DIR]
      a signed repository for apk, of the .apk files that `package` has made; other packages that it holds stay
  stage DIR --agent FILE
      what the agent's package installs, below DIR
  nfpm WORDS...
      the nfpm that `package` runs, for packages of tests";

enum Command {
    Help,
    Package {
        targets: Vec<Target>,
        only_product: Option<Product>,
        out: Option<PathBuf>,
        revision: u32,
    },
    Key {
        folder: PathBuf,
    },
    Repository {
        folder: PathBuf,
        key: PathBuf,
        packages: Option<PathBuf>,
    },
    Stage {
        folder: PathBuf,
        agent: PathBuf,
    },
    Nfpm {
        words: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let command = match parse(lexopt::Parser::from_env()) {
        Ok(command) => command,
        Err(error) => {
            return Failure::new("wrong usage", error.to_string(), "cargo xtask --help").tell(64);
        }
    };
    let done = match command {
        Command::Help => {
            say(USAGE);
            Ok(())
        }
        Command::Package { targets, only_product, out, revision } => {
            package::run(&targets, only_product, out, revision)
        }
        Command::Key { folder } => apk::make_key(&folder),
        Command::Repository { folder, key, packages } => {
            let packages = packages.unwrap_or_else(package::default_out);
            apk::make_repository(&folder, &key, &packages)
        }
        Command::Stage { folder, agent } => stage::stage(&folder, &agent),
        Command::Nfpm { words } => package::nfpm(&words),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(1),
    }
}

fn parse(mut arguments: lexopt::Parser) -> Result<Command, lexopt::Error> {
    let command = match arguments.next()? {
        None | Some(Short('h') | Long("help")) => return Ok(Command::Help),
        Some(Value(word)) => word.string()?,
        Some(argument) => return Err(argument.unexpected()),
    };
    let (mut folder, mut out, mut key, mut packages, mut agent) = (None, None, None, None, None);
    let (mut targets, mut only_product, mut revision) = (Vec::new(), None, 0);
    if command == "nfpm" {
        return Ok(Command::Nfpm { words: arguments.raw_args()?.collect() });
    }
    while let Some(argument) = arguments.next()? {
        match (command.as_str(), argument) {
            (_, Short('h') | Long("help")) => return Ok(Command::Help),
            ("package", Long("only")) => targets.push(arguments.value()?.parse()?),
            ("package", Long("product")) => only_product = Some(arguments.value()?.parse()?),
            ("package", Long("out")) => out = Some(PathBuf::from(arguments.value()?)),
            ("package", Long("revision")) => revision = arguments.value()?.parse()?,
            ("repository", Long("key")) => key = Some(PathBuf::from(arguments.value()?)),
            ("repository", Long("packages")) => packages = Some(PathBuf::from(arguments.value()?)),
            ("stage", Long("agent")) => agent = Some(PathBuf::from(arguments.value()?)),
            ("key" | "repository" | "stage", Value(value)) if folder.is_none() => {
                folder = Some(PathBuf::from(value));
            }
            (_, argument) => return Err(argument.unexpected()),
        }
    }
    let folder = || folder.ok_or(format!("{command} wants a DIR"));
    Ok(match command.as_str() {
        "package" => Command::Package {
            targets: if targets.is_empty() { Target::ALL.to_vec() } else { targets },
            only_product,
            out,
            revision,
        },
        "key" => Command::Key { folder: folder()? },
        "repository" => Command::Repository {
            folder: folder()?,
            key: key.ok_or("repository wants --key FILE; cargo xtask key DIR makes one")?,
            packages,
        },
        "stage" => {
            Command::Stage { folder: folder()?, agent: agent.ok_or("stage wants --agent FILE")? }
        }
        _ => return Err(format!("{command:?} is no command").into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, lexopt::Error> {
        parse(lexopt::Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn a_command_line_is_understood_or_refused() {
        assert!(
            matches!(parsed("package"), Ok(Command::Package { targets, revision: 0, .. }) if targets.len() == 3)
        );
        assert!(
            matches!(parsed("package --only armv7"), Ok(Command::Package { targets, .. }) if targets == [Target::Armv7])
        );
        assert!(parsed("package --only mips").is_err());
        assert!(matches!(
            parsed("package --product pilaster-agent"),
            Ok(Command::Package { only_product: Some(Product::Agent), .. })
        ));
        assert!(parsed("package --product etcd").is_err());
        assert!(
            matches!(parsed("nfpm package --config x"), Ok(Command::Nfpm { words }) if words.len() == 3)
        );
        assert!(parsed("package /tmp").is_err());
        assert!(parsed("repository /tmp").is_err(), "without a key");
        assert!(parsed("stage --agent x").is_err(), "without a folder");
    }
}
