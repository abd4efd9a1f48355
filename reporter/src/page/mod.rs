//! Self-contained HTML pages: a template, a style, scripts and compressed data in one file.

mod header;
mod source_lines;

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use tera::{Context, Tera};

pub(crate) use header::PageHeader;
pub(crate) use source_lines::SourceLines;

/// What a page is made of, apart from its data.
pub(crate) struct PageParts {
    /// The template of the page.
    pub template: &'static str,
    /// Style sheets, in order.
    pub styles: &'static [&'static str],
    /// Scripts, in order.
    pub scripts: &'static [&'static str],
}

/// Writes a page around `data`.
pub(crate) fn write_page(
    parts: &PageParts,
    title: &str,
    data: &impl Serialize,
    out: &mut impl Write,
) -> io::Result<()> {
    // The name's ending makes tera escape the title.
    const NAME: &str = "page.html";
    let mut compressor = GzEncoder::new(Vec::new(), Compression::default());
    serde_json::to_writer(io::BufWriter::with_capacity(1 << 16, &mut compressor), data)?;
    let compressed = compressor.finish()?;
    let mut context = Context::new();
    context.insert("title", title);
    context.insert("style", &parts.styles.concat());
    context.insert("script", &parts.scripts.concat());
    context.insert("data", &STANDARD.encode(compressed));
    let mut tera = Tera::new();
    tera.add_raw_template(NAME, parts.template).map_err(io::Error::other)?;
    // Written by us, not by tera, whose errors would hide why the file could not be written.
    let page = tera.render(NAME, &context).map_err(io::Error::other)?;
    out.write_all(page.as_bytes())
}
