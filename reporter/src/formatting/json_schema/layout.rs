//! A schema as text, for people: in the order in which it is understood, and on one line what fits there.

use serde_json::{Map, Value};

/// The order of what a schema says. What is not here comes last.
const KEYWORDS: [&str; 18] = [
    "$schema",
    "title",
    "description",
    "$ref",
    "type",
    "const",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "required",
    "additionalProperties",
    "unevaluatedProperties",
    "properties",
    "anyOf",
    "oneOf",
    "items",
    "$defs",
];
const LINE: usize = 120;
const STEP: usize = 2;

/// The text, with its last line break.
pub(super) fn layout(schema: &Value) -> String {
    broken(schema, &KEYWORDS, 0, 0) + "\n"
}

/// The members of an object. Properties come as they are required, which is as they are written.
fn members<'v>(object: &'v Map<String, Value>, order: &[&str]) -> Vec<(&'v str, &'v Value, Vec<&'v str>)> {
    let below = |name: &str| match (name, &object.get("required")) {
        ("properties", Some(Value::Array(required))) => required.iter().filter_map(Value::as_str).collect(),
        ("properties", _) => Vec::new(),
        _ => KEYWORDS.to_vec(),
    };
    let mut members: Vec<_> = object.iter().map(|(name, value)| (name.as_str(), value, below(name))).collect();
    members.sort_by_key(|(name, ..)| order.iter().position(|known| known == name).unwrap_or(usize::MAX));
    members
}

/// On one line.
fn in_line(value: &Value, order: &[&str]) -> String {
    match value {
        Value::Object(object) if !object.is_empty() => {
            let member =
                |(name, value, order): (&str, &Value, Vec<&str>)| format!("\"{name}\": {}", in_line(value, &order));
            format!("{{ {} }}", members(object, order).into_iter().map(member).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(|item| in_line(item, &KEYWORDS)).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// On one line, or a line for each member where that is too long. `margin` spaces and `before` characters come before
/// it.
fn broken(value: &Value, order: &[&str], margin: usize, before: usize) -> String {
    let line = in_line(value, order);
    // A comma may follow.
    if margin + before + line.len() < LINE {
        return line;
    }
    let inner = margin + STEP;
    let lines = match value {
        Value::Object(object) => members(object, order)
            .into_iter()
            .map(|(name, value, order)| {
                let name = format!("\"{name}\": ");
                let text = broken(value, &order, inner, name.len());
                name + &text
            })
            .collect(),
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().map(|item| broken(item, &KEYWORDS, inner, 0)).collect()
        }
        Value::Array(items) => filled(items.iter().map(Value::to_string), LINE - inner),
        _ => return line,
    };
    let separator = format!("\n{:inner$}", "");
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    format!("{open}{separator}{}\n{:margin$}{close}", lines.join(&format!(",{separator}")), "")
}

/// As few lines as these texts take.
fn filled(texts: impl Iterator<Item = String>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for text in texts {
        match lines.last_mut() {
            // With a comma and a space before it, and a comma after it.
            Some(line) if line.len() + text.len() + 3 <= width => *line += &format!(", {text}"),
            _ => lines.push(text),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_fits_stands_on_a_line_in_the_order_in_which_it_is_written() {
        let names: Vec<String> = (0..12).map(|number| format!("number_{}", 12 - number)).collect();
        let properties: Map<String, Value> =
            names.iter().map(|name| (name.clone(), json!({ "minimum": 0, "type": "integer" }))).collect();
        let schema = json!({ "properties": properties, "required": names, "type": "object", "anyOf": [{}, []] });
        let text = layout(&schema);
        assert_eq!(serde_json::from_str::<Value>(&text).expect("it is JSON"), schema);
        assert!(text.lines().all(|line| line.len() <= LINE), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "  \"type\": \"object\",");
        assert_eq!(lines[2], "  \"required\": [");
        assert!(lines[3].starts_with("    \"number_12\", \"number_11\","), "{text}");
        assert!(lines.contains(&"    \"number_12\": { \"type\": \"integer\", \"minimum\": 0 },"), "{text}");
        assert!(lines.contains(&"  \"anyOf\": [{}, []]"), "{text}");
    }
}
