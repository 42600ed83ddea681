//! Options in a file, as TOML: the names are keys, the values strings, whole numbers, true or false.

use super::typed::{Given, Layer};
use super::{Argument, OptionError, Problem, error::shown};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The options in the file that `config` names, in their order.
///
/// # Errors
/// What keeps the file from being read, or the first entry that is no option.
pub(super) fn arguments(
    config: &Given<String>,
    read_file: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Vec<Argument>, OptionError> {
    let path = &config.value;
    let text = read_file(path).map_err(|why| config.error(Problem::Unreadable { why }))?;
    let line_at = |offset: usize| text[..offset].matches('\n').count() + 1;
    let table = DeTable::parse(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_at(span.start));
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        config.error(Problem::NotToml { line, message })
    })?;
    let mut entries: Vec<_> = table.into_inner().into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut arguments = Vec::new();
    for (key, value) in entries {
        let line = line_at(key.span().start);
        let argument = |value| Argument {
            name: key.get_ref().to_string(),
            value,
            layer: Layer::File,
            note: format!(" ({}, line {line})", shown(path)),
        };
        // A table has no text of its own.
        let source = match value.get_ref() {
            DeValue::Table(_) => None,
            _ => Some(&text[value.span()]),
        };
        let refused = |problem| argument(source.map(str::to_owned)).error(problem);
        let values = match value.into_inner() {
            DeValue::Array(values) if matches!(&**key.get_ref(), "compare" | "elf") => {
                values.into_iter().map(Spanned::into_inner).collect()
            }
            DeValue::Array(_) => return Err(refused(Problem::SeveralValues)),
            DeValue::Table(_) => {
                return Err(refused(Problem::Table { name: key.get_ref().to_string() }));
            }
            value => vec![value],
        };
        for value in values {
            let value = text_of(&value).ok_or_else(|| refused(Problem::NoScalar))?;
            let argument = argument(Some(value));
            match (argument.name.as_str(), argument.value.as_deref()) {
                ("config" | "help" | "list", _) | ("cpu", Some("list")) => {
                    return Err(argument.error(Problem::CommandLineOnly));
                }
                _ => arguments.push(argument),
            }
        }
    }
    Ok(arguments)
}

/// What would be typed on the command line for a value, if it is one that can be.
fn text_of(value: &DeValue) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        // Decimal, which all options understand; what is too large for them is so in any form.
        DeValue::Integer(number) => Some(
            i128::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| number.to_string(), |number| number.to_string()),
        ),
        DeValue::Boolean(true) => Some("on".to_owned()),
        DeValue::Boolean(false) => Some("off".to_owned()),
        _ => None,
    }
}
