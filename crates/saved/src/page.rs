//! What the pages have in common.

use askama::Template;
use report::html::style_sheet;

/// The beginning of a page, up to its body: a style sheet in that of a run's page, no script, no network.
#[derive(Template)]
#[template(path = "head.html")]
struct Head<'a> {
    title: &'a str,
    style: String,
}

/// That of a page with this title, which may be any text.
pub fn head(title: &str) -> String {
    Head { title, style: style_sheet() }.to_string()
}
