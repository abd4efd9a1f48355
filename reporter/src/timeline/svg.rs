//! `timeline --svg`: the chart as a picture that needs nothing else, in the colours of a light or a dark page.

use std::io::{self, Write};

use super::{Point, Series, axis};
use crate::formatting::size_units::{seconds, size};
use crate::reading::report::Report;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 44.0;

const STYLE: &str = "\
svg { background: #ffffff; font: 12px system-ui, sans-serif; }
text { fill: #1f2328; }
.title { font-size: 14px; font-weight: 600; }
.grid { stroke: #d8dee4; }
.axis { stroke: #57606a; }
.heap { fill: #0969da; fill-opacity: 0.35; stroke: #0969da; stroke-width: 1.5; }
.rss { fill: none; stroke: #9a6700; stroke-width: 1.5; stroke-dasharray: 5 3; }
.peak { fill: #cf222e; }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117; }
  text { fill: #e6edf3; }
  .grid { stroke: #30363d; }
  .axis { stroke: #8d96a0; }
  .heap { fill: #4493f8; stroke: #4493f8; }
  .rss { stroke: #d29922; }
  .peak { fill: #ff7b72; }
}
";

/// Where moments and sizes are in the picture.
struct Frame {
    from_s: f64,
    span_s: f64,
    top_bytes: f64,
}

impl Frame {
    fn x(&self, at_s: f64) -> f64 {
        LEFT + (at_s - self.from_s) / self.span_s * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, bytes: f64) -> f64 {
        HEIGHT - BOTTOM - bytes / self.top_bytes * (HEIGHT - TOP - BOTTOM)
    }

    /// A path that goes from each point to the right, and then to the height of the next.
    fn steps(&self, points: &[Point], end_s: f64) -> String {
        let mut path = String::new();
        for (index, point) in points.iter().enumerate() {
            let (x, y) = (self.x(point.at_s), self.y(point.bytes as f64));
            if index == 0 {
                path += &format!("M{x:.1} {y:.1}");
            } else {
                path += &format!("H{x:.1}V{y:.1}");
            }
        }
        path + &format!("H{:.1}", self.x(end_s))
    }
}

/// Text in XML. Control characters are not allowed there, not even as references.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Writes the chart as an SVG picture.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_svg(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let series = Series::of(report);
    let sizes = axis::sizes(series.largest(), 6);
    let top_bytes = sizes.step as f64 * sizes.ticks as f64;
    let frame = Frame { from_s: series.from_s, span_s: series.span_s(), top_bytes };
    let peak = format!("peak {} after {}", size(series.peak.bytes), seconds(series.peak.at_s));
    let command = escaped(&report.metadata().command_line);
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-labelledby="title desc">"#
    )?;
    writeln!(out, r#"<title id="title">Memory of {command}</title>"#)?;
    writeln!(out, r#"<desc id="desc">Live memory and resident set over time; {peak}.</desc>"#)?;
    writeln!(out, "<style>\n{STYLE}</style>")?;
    writeln!(out, r#"<rect width="{WIDTH}" height="{HEIGHT}" fill="none"/>"#)?;
    let shown: String = report.metadata().command_line.chars().take(110).collect();
    let more = if shown.len() < report.metadata().command_line.len() { "…" } else { "" };
    writeln!(out, r#"<text class="title" x="{LEFT}" y="24">{}{more}</text>"#, escaped(&shown))?;
    write_grid(&series, &frame, &sizes, out)?;
    let base = frame.y(0.0);
    let heap = frame.steps(&series.heap, series.to_s);
    let (first, last) = (frame.x(series.heap[0].at_s), frame.x(series.to_s));
    writeln!(out, r#"<path class="heap" d="{heap}V{base:.1}H{first:.1}Z"/>"#)?;
    if let Some(sample) = series.rss.last() {
        writeln!(out, r#"<path class="rss" d="{}"/>"#, frame.steps(&series.rss, sample.at_s))?;
    }
    let (x, y) = (frame.x(series.peak.at_s), frame.y(series.peak.bytes as f64));
    let (anchor, beside) = if x > (first + last) / 2.0 { ("end", x - 8.0) } else { ("start", x + 8.0) };
    writeln!(out, r#"<circle class="peak" cx="{x:.1}" cy="{y:.1}" r="4"/>"#)?;
    writeln!(out, r#"<text x="{beside:.1}" y="{:.1}" text-anchor="{anchor}">{peak}</text>"#, y - 8.0)?;
    writeln!(out, r#"<rect class="heap" x="{LEFT}" y="36" width="14" height="10"/>"#)?;
    writeln!(out, r#"<text x="{}" y="45">live memory</text>"#, LEFT + 20.0)?;
    if !series.rss.is_empty() {
        writeln!(out, r#"<path class="rss" d="M{} 41h18"/>"#, LEFT + 110.0)?;
        writeln!(out, r#"<text x="{}" y="45">resident set</text>"#, LEFT + 134.0)?;
    }
    writeln!(out, "</svg>")
}

fn write_grid(series: &Series, frame: &Frame, sizes: &axis::Axis<u64>, out: &mut impl Write) -> io::Result<()> {
    let (left, right, bottom) = (LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM);
    for tick in 0..=sizes.ticks {
        let bytes = sizes.step.saturating_mul(tick as u64);
        let y = frame.y(sizes.step as f64 * tick as f64);
        let class = if tick == 0 { "axis" } else { "grid" };
        writeln!(out, r#"<path class="{class}" d="M{left} {y:.1}H{right}"/>"#)?;
        writeln!(out, r#"<text x="{}" y="{:.1}" text-anchor="end">{}</text>"#, left - 8.0, y + 4.0, size(bytes))?;
    }
    let times = axis::seconds(series.span_s(), 10);
    let first = (series.from_s / times.step).ceil();
    for tick in 0..=times.ticks {
        let at_s = (first + tick as f64) * times.step;
        if at_s > series.to_s + times.step * 1e-6 {
            break;
        }
        let x = frame.x(at_s);
        let label = axis::seconds_label(at_s, times.step);
        writeln!(out, r#"<path class="axis" d="M{x:.1} {bottom}v5"/>"#)?;
        writeln!(out, r#"<text x="{x:.1}" y="{}" text-anchor="middle">{label}</text>"#, bottom + 20.0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("a<b & \"c\"\u{1b}[0m"), "a&lt;b &amp; &quot;c&quot;\u{fffd}[0m");
    }
}
