//! Self-contained HTML pages: a template, a style, scripts and compressed data in one file.

mod columns;
mod header;
mod source_lines;

use std::io::{self, Write};

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use tera::{Context, Tera};

pub(crate) use columns::Columns;
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

/// Writes a page around `data`, as JSON.
pub(crate) fn write_page(
    parts: &PageParts,
    title: &str,
    data: &impl Serialize,
    out: &mut impl Write,
) -> io::Result<()> {
    write_around(parts, title, None, out, |data_out| {
        let mut buffered = io::BufWriter::with_capacity(1 << 16, data_out);
        serde_json::to_writer(&mut buffered, data)?;
        buffered.flush()
    })
}

/// Writes a page around a head and columns, with what it is to show before it has unpacked them.
pub(crate) fn write_page_of_columns(
    parts: &PageParts,
    title: &str,
    first: Option<&impl Serialize>,
    (schema, head, columns): (&'static str, &impl Serialize, &Columns),
    out: &mut impl Write,
) -> io::Result<()> {
    // The text stands in a script element, which `</script` or `<!--` would end.
    let first = first.map(serde_json::to_string).transpose()?.map(|json| json.replace('<', "\\u003c"));
    write_around(parts, title, first, out, |data_out| columns.write(schema, head, data_out))
}

/// Writes a page around whatever `write_data` writes, which is compressed as it comes.
fn write_around(
    parts: &PageParts,
    title: &str,
    first: Option<String>,
    out: &mut impl Write,
    write_data: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    // The name's ending makes tera escape the title.
    const NAME: &str = "page.html";
    // Where the data goes. No title has it: a NUL cannot be part of a command line.
    const GAP: &str = "\0";
    let mut context = Context::new();
    context.insert("title", title);
    context.insert("style", &parts.styles.concat());
    context.insert("script", &parts.scripts.concat());
    context.insert("first", &first);
    context.insert("data", GAP);
    let mut tera = Tera::new();
    tera.add_raw_template(NAME, parts.template).map_err(io::Error::other)?;
    // Written by us, not by tera, whose errors would hide why the file could not be written.
    let page = tera.render(NAME, &context).map_err(io::Error::other)?;
    let (before, after) = page.rsplit_once(GAP).unwrap_or((&page, ""));
    out.write_all(before.as_bytes())?;
    let mut compressor = GzEncoder::new(EncoderWriter::new(&mut *out, &STANDARD), Compression::default());
    write_data(&mut compressor)?;
    compressor.finish()?.finish()?;
    out.write_all(after.as_bytes())
}
