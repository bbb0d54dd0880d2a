//! Tokens: used, ended, of another name, cut short, of another coordinator.

use lab::{LabError, wait_until};

use crate::bench::{
    Asked, LIMIT, NODE, Untouched, assert_told, begin_with_spec, joins, one_invited, refused,
};

#[test]
fn a_token_that_was_used_is_refused_to_any_other_key() -> Result<(), LabError> {
    let stage = begin_with_spec(2)?;
    let (host, other) = (stage.host(NODE), stage.host("x-k3s-m-2"));
    let (token, second) = (stage.token(NODE, &[])?, stage.token(NODE, &[])?);
    joins(&stage, host, &token)?;

    let again = stage.join(host, &token, &[])?;
    assert!(again.status.success(), "the same line once more is no mistake");

    let joined = host.written()?;
    let told = assert_told(&stage.join(host, &second, &[])?, 1, &["it has joined already"]);
    assert!(told.help.contains("nothing needs to be done"), "{}", told.help);
    let identity = |path: &str| path.starts_with("/var/lib/pilaster/identity");
    assert_eq!(joined.only(identity).changes_until(&host.written()?.only(identity)), [""; 0]);

    other.exec_ok(["hostname", NODE])?; // whoever found the token would do so
    let told = refused(&stage, other, &token, Asked::Yes, &["the token has been used"])?;
    assert!(told.help.contains("coordctl enroll"), "{}", told.help);
    refused(&stage, other, &second, Asked::Yes, &[NODE, "has joined already, with another key"])?;

    host.wipe()?;
    host.boot()?;
    stage.install_agent(host)?;
    refused(&stage, host, &token, Asked::Yes, &["the token has been used"])?;
    Ok(())
}

#[test]
fn a_token_that_has_ended_is_refused_and_a_new_one_lets_the_host_in() -> Result<(), LabError> {
    let stage = begin_with_spec(1)?;
    let host = stage.host(NODE);
    let mut followed = stage.coordctl(["enroll", NODE, "--valid-for", "1s"]);
    let followed = followed.output().unwrap(); // it ends when the token does
    let told = assert_told(&followed, 124, &["the token ended before the node joined"]);
    assert!(told.help.contains("coordctl enroll"), "{}", told.help);
    let shown = String::from_utf8(followed.stdout).unwrap();
    let token = shown.split_whitespace().find(|word| word.starts_with("pj1_")).unwrap();

    let told = refused(&stage, host, token, Asked::Yes, &["the token ended at 20"])?;
    assert!(told.help.contains("coordctl enroll"), "{}", told.help);
    joins(&stage, host, &stage.token(NODE, &[])?)
}

#[test]
fn a_token_of_another_node_is_refused_and_told_on_both_ends() -> Result<(), LabError> {
    let stage = begin_with_spec(2)?;
    let host = stage.host(NODE);
    let token = stage.token(NODE, &[])?;
    let causes = ["the token is for x-k3s-m-1", "this host is x-k3s-m-2"];
    let told = refused(&stage, stage.host("x-k3s-m-2"), &token, Asked::Yes, &causes)?;
    assert!(told.help.contains("coordctl enroll x-k3s-m-2"), "{}", told.help);
    let refusal = stage.node(NODE)?["refusal"].to_string();
    assert!(causes.iter().all(|words| refusal.contains(words)), "{refusal}");

    joins(&stage, host, &token)?; // it was not burnt
    wait_until("the refusal is no longer shown", LIMIT, || {
        Ok(stage.node(NODE)?["refusal"].is_null())
    })
}

#[test]
fn a_text_that_is_no_whole_token_is_refused_before_anything_is_asked() -> Result<(), LabError> {
    let (stage, token) = one_invited()?;
    let host = stage.host(NODE);
    let parts: Vec<&str> = token.split('_').collect();
    let changed = token.replacen(parts[2], parts[1], 1);
    for (text, words) in [
        (&token[..token.len() - 1], "cut short or has a typing error"),
        (&token[..token.len() - parts[4].len() - 2], "no join token"),
        (&token[..token.len() / 2], "no join token"),
        (&token[4..], "no join token"),
        (&changed, "cut short or has a typing error"),
        ("", "no join token"),
        ("https://192.168.7.2", "no join token"),
    ] {
        let told = refused(&stage, host, text, Asked::No, &[words])?;
        assert!(told.help.contains("coordctl enroll NODE"), "{}", told.help);
        let secret = parts[3];
        assert!(!format!("{told:?}").contains(secret), "a token is never shown: {told:?}");
    }
    joins(&stage, host, &token)
}

#[test]
fn a_token_file_that_is_not_there_is_named_and_one_that_served_is_gone() -> Result<(), LabError> {
    let stage = begin_with_spec(1)?;
    let host = stage.host(NODE);
    let join = ["pilaster-agent", "join", "192.168.7.2:7443", "--token-file", "/root/token"];
    let untouched = Untouched::look(host)?;
    assert_told(&host.exec(join)?, 1, &["cannot read the token from /root/token", "No such file"]);
    untouched.check(Asked::No)?;

    host.write("/root/token", stage.token(NODE, &[])?, 0o600)?;
    host.exec_ok(join)?;
    assert!(!host.written()?.has("/root/token"));
    Ok(())
}
