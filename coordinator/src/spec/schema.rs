//! The JSON Schema of a spec, for editors: made of the same tables of keys that the reader checks
//! by.
//!
//! It tells form, not meaning: what a schema lets pass, [`super::parse()`] may still refuse.

use serde_json::{Value, json};

use super::ClusterSpec;
use super::scalar::example;
use super::table::{Field, Kind, Section};

/// Draft 7, which all editors know.
pub fn schema() -> Value {
    let mut schema = section(&ClusterSpec::SECTION);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("A cluster as Pilaster keeps it");
    schema
}

fn section(section: &Section) -> Value {
    let properties: serde_json::Map<String, Value> =
        section.fields.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    let needed: Vec<&str> = section
        .fields
        .iter()
        .filter(|field| field.default.is_none())
        .map(|field| field.name)
        .collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !needed.is_empty() {
        schema["required"] = json!(needed);
    }
    schema
}

fn property(field: &Field) -> Value {
    let mut schema = kind(&field.kind);
    schema["description"] = match field.default {
        None => json!(field.about),
        Some(default) => json!(format!("{} Default: {default}.", field.about)),
    };
    match &field.kind {
        Kind::List(_) if field.default.is_none() => schema["minItems"] = json!(1),
        // its lines may all be comments
        Kind::List(_) => schema["type"] = json!(["array", "null"]),
        Kind::Section(_) if field.default.is_some() => schema["type"] = json!(["object", "null"]),
        kind => schema["examples"] = json!([example_value(kind)]),
    }
    schema
}

fn kind(kind: &Kind) -> Value {
    match kind {
        Kind::Text(text) => json!({"type": "string", "pattern": text.pattern}),
        Kind::Word(words) => json!({"type": "string", "enum": words}),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Count(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Span(..) => json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"}),
        Kind::Size(..) => json!({"type": "string", "pattern": "^[0-9]+(KiB|MiB|GiB)$"}),
        Kind::List(of) => json!({"type": "array", "items": self::kind(of)}),
        Kind::Section(keys) => section(keys),
    }
}

fn example_value(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => json!(true),
        Kind::Count(min, max) => json!(1000.clamp(*min, *max)),
        kind => json!(example(kind)),
    }
}
