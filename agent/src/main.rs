//! Reads the arguments, tells one story, and turns its end into an exit code.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lexopt::ValueExt;
use lexopt::prelude::{Long, Short, Value};

use pilaster_common::endpoint::Endpoint;

use pilaster_agent::{Exit, Failure, JoinOptions, Settings, TokenSource, harden, note, say};
use tracing::Level;

const HELP: &str = "\
Sets up and looks after one member of a TLS-secured etcd cluster.

Usage: pilaster-agent COMMAND

  join ADDRESS --token-file PATH   trade a token of `coordctl enroll` for an identity, then start the agent
       --token-file -              read the token from standard input
       --give-up-after SPAN        how long an unreachable coordinator is tried: 90s, 5m (default), 1h
       --no-start                  do not start the agent's service
  run                              the daemon; OpenRC starts it
  status                           who this node is, what it holds, what it waits for

  -h, --help      print this
  -V, --version   print the version

Settings stand in /etc/conf.d/pilaster-agent.
Exit codes: 0 done, 1 failed, 3 cannot reach the coordinator, 64 wrong usage.";

enum Command {
    Join(TokenSource, JoinOptions),
    Run,
    Status,
    Help,
    Version,
}

fn main() -> ExitCode {
    let command = match parse(lexopt::Parser::from_env()) {
        Ok(command) => command,
        Err(error) => {
            note(format_args!("error: wrong usage\ncause: {error}\n help: pilaster-agent --help"));
            return ExitCode::from(Exit::Usage as u8);
        }
    };
    match tell(command) {
        Ok(()) => ExitCode::from(Exit::Done as u8),
        Err(Failure { told, exit }) => {
            note(told);
            ExitCode::from(exit as u8)
        }
    }
}

fn tell(command: Command) -> Result<(), Failure> {
    let settings = Settings::read();
    tracing_subscriber::fmt()
        .with_max_level(if matches!(command, Command::Run) { settings.log } else { Level::WARN })
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .init();
    harden();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("epoll and a timer are there on Linux")
    };
    match command {
        Command::Join(token, options) => {
            runtime().block_on(pilaster_agent::join_command(&settings, &token, &options))
        }
        Command::Run => {
            let runtime = runtime();
            let ended = runtime.block_on(pilaster_agent::run(settings));
            runtime.shutdown_background(); // a name still being looked up is not waited for
            ended
        }
        Command::Status => runtime().block_on(pilaster_agent::status(settings)),
        Command::Help => {
            say(HELP);
            Ok(())
        }
        Command::Version => {
            say(concat!("pilaster-agent ", env!("CARGO_PKG_VERSION")));
            Ok(())
        }
    }
}

fn parse(mut arguments: lexopt::Parser) -> Result<Command, lexopt::Error> {
    let command = match arguments.next()? {
        None | Some(Short('h') | Long("help")) => return Ok(Command::Help),
        Some(Short('V') | Long("version")) => return Ok(Command::Version),
        Some(Value(word)) => word,
        Some(argument) => return Err(argument.unexpected()),
    };
    match command.to_str() {
        Some("join") => parse_join(arguments),
        Some("run") => no_more(arguments, Command::Run),
        Some("status") => no_more(arguments, Command::Status),
        _ => Err(format!("{command:?} is no command").into()),
    }
}

fn parse_join(mut arguments: lexopt::Parser) -> Result<Command, lexopt::Error> {
    let (mut coordinator, mut token) = (None, None);
    let (mut give_up_after, mut start) = (pilaster_agent::GIVE_UP_AFTER, true);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("token-file") => {
                let path = PathBuf::from(arguments.value()?);
                let stdin = path.as_os_str() == "-";
                token = Some(if stdin { TokenSource::Stdin } else { TokenSource::File(path) });
            }
            Long("give-up-after") => give_up_after = span(&arguments.value()?.string()?)?,
            Long("no-start") => start = false,
            Short('h') | Long("help") => return Ok(Command::Help),
            Value(address) if coordinator.is_none() => {
                coordinator = Some(endpoint(&address.string()?)?)
            }
            argument => return Err(argument.unexpected()),
        }
    }
    let coordinator =
        coordinator.ok_or("join wants the ADDRESS of the coordinator, as host:port")?;
    let token = token.ok_or("join wants --token-file PATH, or - for standard input")?;
    Ok(Command::Join(token, JoinOptions { coordinator, give_up_after, start }))
}

fn no_more(mut arguments: lexopt::Parser, command: Command) -> Result<Command, lexopt::Error> {
    match arguments.next()? {
        None => Ok(command),
        Some(Short('h') | Long("help")) => Ok(Command::Help),
        Some(argument) => Err(argument.unexpected()),
    }
}

fn endpoint(address: &str) -> Result<Endpoint, lexopt::Error> {
    address.parse().map_err(|error| format!("{error}, such as 192.168.7.2:7443").into())
}

/// `90s`, `5m`, `1h`.
fn span(text: &str) -> Result<Duration, lexopt::Error> {
    let parsed = [("s", 1), ("m", 60), ("h", 3600)].iter().find_map(|(unit, seconds)| {
        let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
        Some(Duration::from_secs(u64::from(number) * seconds))
    });
    parsed.ok_or_else(|| format!("{text:?} is no span, such as 90s, 5m or 1h").into())
}
