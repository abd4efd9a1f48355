//! Reads the columns of a flame graph page back, for tests. `reporter/src/pages/page/columns.rs` says how they are
//! written.

use serde_json::{Map, Value, json};

/// The head, with `schema`, and each column `table.name` as an array `name` of the object `table`.
///
/// Three columns are not in the file: `nodes.parent` is the index of each node's parent, and a column of amounts of
/// `cells` is one of `nodes`, too, summed up.
pub fn read(container: &[u8]) -> Value {
    let (length, rest) = container.split_at(4);
    let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
    let (head, mut bytes) = rest.split_at(length);
    let container: Value = serde_json::from_slice(head).expect("the head is JSON");
    let mut data = container["head"].clone();
    data["schema"] = container["schema"].clone();
    for column in container["columns"].as_array().expect("a directory") {
        let number = |name: &str| column[name].as_u64().expect("a number") as usize;
        let (mut part, rest) = bytes.split_at(number("length"));
        bytes = rest;
        let raw: Vec<u64> = (0..number("count")).map(|_| leb128(&mut part)).collect();
        let values = match column["encoding"].as_str() {
            Some("unsigned") => json!(raw),
            Some("signed") => {
                raw.iter().map(|&value| (value >> 1) as i64 ^ -((value & 1) as i64)).collect::<Vec<_>>().into()
            }
            Some("ascending") => json!(sums(&raw)),
            Some("text") => json!(texts(&raw, std::str::from_utf8(std::mem::take(&mut part)).expect("UTF-8"))),
            other => panic!("encoding {other:?}"),
        };
        assert!(part.is_empty(), "{column}: {} bytes are left", part.len());
        match column["name"].as_str().expect("a name").split_once('.') {
            Some((table, name)) => data[table][name] = values,
            None => data[column["name"].as_str().expect("a name")] = values,
        }
    }
    assert!(bytes.is_empty(), "the columns are all");
    with_node_columns(data)
}

fn leb128(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (&byte, rest) = bytes.split_first().expect("the number ends");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn sums(differences: &[u64]) -> Vec<u64> {
    let add = |sum: &mut u64, difference: &u64| {
        *sum += difference;
        Some(*sum)
    };
    differences.iter().scan(0, add).collect()
}

fn texts(lengths: &[u64], all: &str) -> Vec<String> {
    let units: Vec<u16> = all.encode_utf16().collect();
    let mut rest = &units[..];
    let texts = lengths.iter().map(|&length| {
        let (text, after) = rest.split_at(length as usize);
        rest = after;
        String::from_utf16(text).expect("whole characters")
    });
    texts.collect()
}

fn with_node_columns(mut data: Value) -> Value {
    let numbers = |value: &Value| -> Vec<u64> {
        value.as_array().expect("a column").iter().map(|number| number.as_u64().expect("a number")).collect()
    };
    let mut path: Vec<usize> = Vec::new();
    let mut parents = Vec::new();
    for (node, up) in numbers(&data["nodes"]["up"]).into_iter().enumerate() {
        path.truncate(path.len() - up as usize);
        parents.push(path.last().copied().unwrap_or(0));
        path.push(node);
    }
    let cells: Map<String, Value> = data["cells"].as_object().expect("columns").clone();
    let node_of = numbers(&cells["node"]);
    for (name, values) in cells.iter().filter(|(name, _)| name.contains('_')) {
        let mut sums = vec![0; parents.len()];
        for (&node, value) in node_of.iter().zip(numbers(values)) {
            sums[node as usize] += value;
        }
        data["nodes"][name] = json!(sums);
    }
    data["nodes"]["parent"] = json!(parents);
    data
}
