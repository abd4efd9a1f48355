//! The data out of a page.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::page_columns;

/// The head, with its columns as arrays.
pub fn data_of(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"memprof-data\">").expect("there is data");
    let (data, _) = rest.split_once("</script>").expect("the data ends");
    let compressed = STANDARD.decode(data).expect("the data is base64");
    let mut bytes = Vec::new();
    GzDecoder::new(compressed.as_slice()).read_to_end(&mut bytes).expect("the data is gzip");
    page_columns::read(&bytes)
}
