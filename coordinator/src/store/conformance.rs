//! What every implementation of the store must do. A second one is held to the same suite.
#![cfg(test)]

use std::sync::Arc;

use super::kv::{Expect, KeyValue, Outcome, Transaction};
use super::watch::Changed;

fn put(key: &str, value: &str) -> Transaction {
    Transaction { put: vec![(key.into(), value.into())], ..Transaction::default() }
}

fn expecting(expect: &[(&str, Expect)], mut transaction: Transaction) -> Transaction {
    transaction.expect = expect.iter().map(|(key, expect)| ((*key).into(), *expect)).collect();
    transaction
}

/// Runs the suite on an empty store.
pub(super) async fn check<S: KeyValue + 'static>(store: Arc<S>) {
    compare_and_set(&*store).await;
    ranges_are_ordered_and_bounded(&*store).await;
    a_watch_tells_what_was_changed(&*store).await;
    of_many_at_once_one_wins(store).await;
}

async fn compare_and_set(store: &impl KeyValue) {
    let absent = [("a", Expect::Absent)];
    let Ok(Outcome::Committed(first)) = store.commit(expecting(&absent, put("a", "1"))).await
    else {
        panic!("the key was absent")
    };
    assert_eq!(
        store.commit(expecting(&absent, put("a", "2"))).await,
        Ok(Outcome::Conflict("a".into()))
    );
    let now = [("a", Expect::Revision(first))];
    let both = Transaction {
        put: vec![("a".into(), b"3".to_vec()), ("b".into(), b"3".to_vec())],
        ..Transaction::default()
    };
    let Ok(Outcome::Committed(second)) = store.commit(expecting(&now, both)).await else {
        panic!("the revision was right")
    };
    assert!(second > first, "revisions rise");
    assert_eq!(
        store.commit(expecting(&now, put("b", "4"))).await,
        Ok(Outcome::Conflict("a".into()))
    );
    let b = store.value("b").await.expect("reads").expect("there");
    assert_eq!(
        (b.value.as_slice(), b.revision),
        (b"3".as_slice(), second),
        "a conflict changes nothing"
    );
    let delete = Transaction { delete: vec!["a".into(), "b".into()], ..Transaction::default() };
    assert!(matches!(store.commit(delete).await, Ok(Outcome::Committed(_))));
    assert_eq!(store.value("a").await, Ok(None));
}

async fn ranges_are_ordered_and_bounded(store: &impl KeyValue) {
    for key in ["r/b", "r/a", "r", "s/a", "r/a/x"] {
        store.commit(put(key, key)).await.expect("commits");
    }
    let found: Vec<String> =
        store.range("r/").await.expect("reads").into_iter().map(|(key, _)| key).collect();
    assert_eq!(found, ["r/a", "r/a/x", "r/b"]);
    assert!(store.range("none/").await.expect("reads").is_empty());
}

async fn a_watch_tells_what_was_changed(store: &impl KeyValue) {
    let mut watch = store.watch("w/");
    for key in ["w/a", "other", "w/b", "w/a"] {
        store.commit(put(key, key)).await.expect("commits");
    }
    let refused = expecting(&[("w/a", Expect::Absent)], put("w/c", "1"));
    assert_eq!(store.commit(refused).await, Ok(Outcome::Conflict("w/a".into())));
    let keys = |keys: &[&str]| Some(Changed::Keys(keys.iter().map(ToString::to_string).collect()));
    assert_eq!(watch.changed().await, keys(&["w/b", "w/a"]), "each once, and no other");
    let delete = Transaction { delete: vec!["w/b".into()], ..Transaction::default() };
    store.commit(delete).await.expect("commits");
    assert_eq!(watch.changed().await, keys(&["w/b"]));
    let many = (0..10_000).map(|number| (format!("w/{number}"), vec![])).collect();
    store.commit(Transaction { put: many, ..Transaction::default() }).await.expect("commits");
    assert_eq!(watch.changed().await, Some(Changed::Anything), "who is slow reads all again");
    store.commit(put("w/a", "")).await.expect("commits");
    assert_eq!(watch.changed().await, keys(&["w/a"]));
}

async fn of_many_at_once_one_wins<S: KeyValue + 'static>(store: Arc<S>) {
    let tries: Vec<_> = (0..64)
        .map(|i| {
            let store = Arc::clone(&store);
            let claim = expecting(&[("race", Expect::Absent)], put("race", &i.to_string()));
            tokio::spawn(async move { store.commit(claim).await })
        })
        .collect();
    let mut winners = 0;
    for tried in tries {
        winners += usize::from(matches!(tried.await, Ok(Ok(Outcome::Committed(_)))));
    }
    assert_eq!(winners, 1);
}
