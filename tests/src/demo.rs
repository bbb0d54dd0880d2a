//! `cargo demo`: the main job, shown. From bare hosts to a healthy cluster with the lines that a
//! person types, then the checks of the hand procedure, then the time beside what etcd alone needs.

use std::time::Instant;

use crate::error::LabError;
use crate::journey::checks::{self, Checked};
use crate::journey::{bare, keys};
use crate::lab::{Host, Lab, Root, machine, root};
use crate::stage::{CLUSTER, DOMAIN, Stage};
use crate::{Binaries, report};

/// What is left afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// Nothing.
    Down,
    /// The lab stands, with the cluster in it.
    Keep,
}

/// Runs the demonstration on three hosts; answers whether every check came out right.
///
/// # Errors
/// A step failed.
pub fn run(afterwards: Afterwards) -> Result<bool, LabError> {
    report::step("this machine is ready", machine::prepare)?;
    report::step("the hosts' root file system is there", || root::ensure(Root::Debian))?;
    let binaries = Binaries::build()?;
    let lab = report::step("three hosts and a workstation are up", || Lab::of(3))?;
    let start = Instant::now();
    let mut stage = Stage::begin(lab, &binaries)?;
    let all_right = show(&stage, start)?;
    if afterwards == Afterwards::Keep {
        stage.keep()?;
        let id = stage.id();
        report::line(format_args!(
            "\nThe lab stands: cargo lab --id {id} exec x-k3s-m-1 -- rc-status; cargo lab --id {id} down"
        ));
    }
    Ok(all_right)
}

fn show(stage: &Stage, start: Instant) -> Result<bool, LabError> {
    typed("ws", "pilaster-coordinator &");
    let names: Vec<&str> = stage.hosts().iter().map(Host::name).collect();
    typed(
        "ws",
        &format!("coordctl init {CLUSTER} --domain {DOMAIN} --members {}", names.join(",")),
    );
    typed("ws", &format!("coordctl apply {CLUSTER}.yml"));
    stage.apply()?;
    let mut enrolled = Vec::new();
    for host in stage.hosts() {
        typed("ws", &format!("coordctl enroll {}", host.name()));
        let this = stage.enroll(host)?;
        let join = this.lines.iter().find_map(|line| line.split("&& ").nth(1)).unwrap_or_default();
        typed(host.name(), join);
        report::line(String::from_utf8_lossy(&this.joined.stdout).trim_end());
        enrolled.push(this);
    }
    stage.await_healthy()?;
    let took = start.elapsed();
    typed("ws", "what `coordctl enroll` showed meanwhile");
    for enrolled in enrolled {
        report::line(enrolled.finish()?.trim_end());
    }
    typed("ws", "coordctl status");
    report::line(stage.ctl(["status"])?.trim_end());
    stage.prepare_workstation()?;
    let all_right = show_checks(&checks::run(stage)?) & show_keys(stage)?;
    let alone = bare::time(stage)?;
    let ratio = took.as_secs_f64() / alone.as_secs_f64();
    report::line(format_args!(
        "\nfrom hosts that are up to all members healthy, enrollment included: {:.2} s\n\
         etcd alone, from the same files, all three started by hand:          {:.2} s\n\
         ratio: {ratio:.2}×",
        took.as_secs_f64(),
        alone.as_secs_f64(),
    ));
    Ok(all_right)
}

fn show_checks(checks: &[Checked]) -> bool {
    report::line("");
    for Checked { line, said, wrong } in checks {
        let quiet = line.contains("openssl");
        match wrong {
            Some(why) => report::line(format_args!("WRONG  {line}\n{said}\n       {why}")),
            None if quiet => report::line(format_args!("right  {line}")),
            None => report::line(format_args!("right  {line}\n{said}")),
        }
    }
    let right = checks.iter().filter(|checked| checked.wrong.is_none()).count();
    report::line(format_args!("{right} of {} checks are right", checks.len()));
    right == checks.len()
}

fn show_keys(stage: &Stage) -> Result<bool, LabError> {
    let searched = keys::search(stage)?;
    for leak in &searched.leaks {
        report::line(format_args!("WRONG  {} is in {}", leak.needle, leak.path.display()));
    }
    for missed in &searched.missed {
        report::line(format_args!("WRONG  the search does not see {missed}"));
    }
    report::line(format_args!(
        "{} private keys made on the nodes: {} copies planted and {} of them missed; {} found elsewhere",
        searched.keys,
        searched.planted,
        searched.missed.len(),
        searched.leaks.len()
    ));
    Ok(searched.missed.is_empty() && searched.leaks.is_empty())
}

fn typed(place: &str, line: &str) {
    report::line(format_args!("{place}$ {line}"));
}
