//! The schema against an independent validator: it accepts what is good, and refuses what has a
//! wrong form.

use serde_json::Value as Json;

use super::super::yaml::{self, Node, Resolved, Value, resolve};
use super::super::{schema, template, text_of};
use super::bad::{Seen, cases};
use super::good;

/// As an editor's YAML reader hands it to its schema check.
fn json(node: &Node) -> Json {
    match &node.value {
        Value::Scalar { text, plain } => match resolve(text, *plain) {
            Resolved::Null => Json::Null,
            Resolved::Bool(value) => value.into(),
            Resolved::Number => serde_json::from_str(text).unwrap_or_else(|_| Json::from(0.5)),
            Resolved::Text => text.as_str().into(),
        },
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => {
            entries.iter().map(|(key, node)| (key.name.clone(), json(node))).collect()
        }
    }
}

#[test]
fn the_schema_takes_what_is_good_and_refuses_a_wrong_form() {
    let schema = schema();
    jsonschema::meta::validate(&schema).expect("a schema itself");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let first = template(
        &"x-k3s".parse().expect("good"),
        &"edge.example.net".parse().expect("good"),
        "192.168.7.0/24".parse().expect("good"),
        &["x-k3s-m-1".parse().expect("good")],
    );
    for (name, text) in good().into_iter().chain([("the template".into(), first)]) {
        let text = text.trim_start_matches('\u{feff}');
        let value = json(&yaml::read(text).expect("YAML"));
        if let Err(error) = validator.validate(&value) {
            panic!("{name}: {error} at {}", error.instance_path());
        }
    }
    for (title, seen, bytes) in cases() {
        let tree = text_of(&bytes).ok().and_then(|text| yaml::read(text).ok());
        let refused = tree.as_ref().map(|tree| !validator.is_valid(&json(tree)));
        match seen {
            Seen::BySchema => assert_eq!(refused, Some(true), "{title}"),
            Seen::ByUs => assert_ne!(refused, Some(true), "{title}: the schema sees it"),
        }
    }
}
