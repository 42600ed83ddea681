//! Long names made short for a row: the arguments of C++ and Rust templates can take lines.

use std::borrow::Cow;

/// `name` in `longest` characters, or as few as leaving out arguments makes it: first the innermost
/// template arguments (`std::vector<std::pair<…>>`), then more of them (`std::vector<…>`), then those of
/// functions (`find(…)`).
pub fn fold(name: &str, longest: usize) -> Cow<'_, str> {
    let is_short = |name: &str| name.chars().nth(longest).is_none();
    if is_short(name) {
        return Cow::Borrowed(name);
    }
    // The innermost level that makes it short enough is from `outer + 1` to `inner`, if there is one at all. A
    // name may be nested thousands deep, so not every level is tried: the more is left out, the shorter it is.
    let (mut outer, mut inner) = (0, deepest(name));
    let mut folded = None;
    while outer < inner {
        let level = inner - (inner - outer) / 2;
        let tried = without(name, Bracket::Angle, level);
        if is_short(&tried) {
            outer = level;
            folded = Some(tried);
        } else {
            inner = level - 1;
        }
    }
    let all = || without(&without(name, Bracket::Angle, 1), Bracket::Round, 1);
    Cow::Owned(folded.unwrap_or_else(all))
}

/// What encloses arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    /// Those of templates.
    Angle,
    /// Those of functions.
    Round,
}

/// A part of a name.
enum Token<'name> {
    Open(Bracket),
    Close(Bracket),
    Text(&'name str),
}

/// How deep template arguments are nested.
fn deepest(name: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for token in tokens(name) {
        match token {
            Token::Open(Bracket::Angle) => depth += 1,
            Token::Close(Bracket::Angle) => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// `name` without what is in `level` brackets of this kind or more; all of it where they do not match.
fn without(name: &str, bracket: Bracket, level: usize) -> String {
    let mut folded = String::new();
    let mut depth = 0_usize;
    // What is in brackets of this level, so far.
    let mut inner = String::new();
    for token in tokens(name) {
        if let Token::Close(closed) = token
            && closed == bracket
        {
            let Some(outside) = depth.checked_sub(1) else { return name.to_owned() };
            if depth == level {
                folded += shortened(&inner);
                inner.clear();
            }
            depth = outside;
        }
        let out = if depth < level { &mut folded } else { &mut inner };
        match token {
            Token::Open(Bracket::Angle) => out.push('<'),
            Token::Open(Bracket::Round) => out.push('('),
            Token::Close(Bracket::Angle) => out.push('>'),
            Token::Close(Bracket::Round) => out.push(')'),
            Token::Text(text) => out.push_str(text),
        }
        if let Token::Open(opened) = token
            && opened == bracket
        {
            depth += 1;
        }
    }
    if depth > 0 { name.to_owned() } else { folded }
}

/// What is shown of arguments that are left out. Some say more than an ellipsis, and hardly take more room.
fn shortened(arguments: &str) -> &str {
    let is_short = arguments.chars().nth(3).is_none();
    if is_short || arguments == "anonymous namespace" { arguments } else { "…" }
}

fn tokens(name: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        // `operator<`, `operator->`, `operator()`, and the arrow before a result, are no brackets.
        let symbol = rest.strip_prefix("operator").map(|symbol| {
            let known = ["<=>", "<<=", ">>=", "<<", ">>", "<=", ">=", "->*", "->", "()", "<", ">"];
            known.into_iter().find(|known| symbol.starts_with(known)).map_or(0, str::len)
        });
        let bytes = match symbol {
            Some(bytes) => "operator".len() + bytes,
            None if rest.starts_with("->") => 2,
            None => first.len_utf8(),
        };
        let (token, after) = rest.split_at(bytes);
        rest = after;
        Some(match token {
            "<" => Token::Open(Bracket::Angle),
            ">" => Token::Close(Bracket::Angle),
            "(" => Token::Open(Bracket::Round),
            ")" => Token::Close(Bracket::Round),
            text => Token::Text(text),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SORT: &str = "void std::__introsort_loop<__gnu_cxx::__normal_iterator<std::pair<int, long>*, \
                        std::vector<std::pair<int, long>>>, long>(std::pair<int, long>*, long)";

    #[test]
    fn the_innermost_arguments_are_left_out_first() {
        let name = "std::map<std::string, std::vector<std::pair<int, long>>>::find";
        for (longest, folded) in [
            (62, name),
            (61, "std::map<std::string, std::vector<std::pair<…>>>::find"),
            (50, "std::map<std::string, std::vector<…>>::find"),
            (40, "std::map<…>::find"),
            (5, "std::map<…>::find"),
        ] {
            assert_eq!(fold(name, longest), folded);
        }
        assert_eq!(fold(SORT, 80), "void std::__introsort_loop<…>(std::pair<…>*, long)");
        assert_eq!(fold(SORT, 48), "void std::__introsort_loop<…>(…)");
    }

    #[test]
    fn operators_are_no_brackets() {
        for (name, folded) in [
            ("bool operator< <std::string>(A<int, long> const&)", "bool operator< <…>(…)"),
            ("operator<<<std::string>(std::string&)", "operator<<<…>(…)"),
            ("Iterator<Element>::operator->() const", "Iterator<…>::operator->() const"),
            (
                "Function<void (Element)>::operator()(Element) const",
                "Function<…>::operator()(…) const",
            ),
            ("Key<Element>::operator<=>(Element const&)", "Key<…>::operator<=>(…)"),
            ("<fn() -> Element as FnOnce<(Element,)>>::call", "<…>::call"),
            ("(anonymous namespace)::set(int, long, char)", "(anonymous namespace)::set(…)"),
            ("apply(void (*)(Element), Element)", "apply(…)"),
        ] {
            assert_eq!(fold(name, 8), folded, "{name}");
        }
    }

    #[test]
    fn what_has_no_arguments_stays_as_it_is() {
        for name in
            ["", "short", "a_name_that_is_long", "a<b>c>d>e", "a<<b<c<d<e", "a)b(c", "x < (y"]
        {
            assert_eq!(fold(name, 4), name);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn a_folded_name_is_no_longer_and_begins_the_same(
            name in "([a-z<>(), ]|::|operator|->|…){0,40}", longest in 0..40_usize,
        ) {
            let folded = fold(&name, longest);
            prop_assert!(folded.chars().count() <= name.chars().count());
            let bracket = name.find(['<', '(']).unwrap_or(name.len());
            prop_assert!(folded.starts_with(&name[..bracket]));
        }

        #[test]
        fn a_foreign_name_is_folded_the_same_each_time_and_to_no_more_than_it_is(
            name in foreign_name(), longest in 0..200_usize,
        ) {
            let folded = fold(&name, longest);
            prop_assert_eq!(folded.is_empty(), name.is_empty());
            let (chars, folded_chars) = (name.chars().count(), folded.chars().count());
            prop_assert!(folded_chars <= chars);
            // What there is room for is whole.
            prop_assert!(folded == name || chars > longest);
            prop_assert!(folded_chars <= longest || folded == fold(&name, 0));
            // More room never shows less.
            prop_assert!(fold(&name, longest + 1).chars().count() >= folded_chars);
            let arguments = ['<', '>', '(', ')'];
            let plain = |text: &str| text.chars().filter(|char| !arguments.contains(char)).count();
            prop_assert!(plain(&folded) <= plain(&name));
        }
    }

    /// Names of C++ and Rust, nested and cut anywhere, and any other text.
    fn foreign_name() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            8 => "[a-zA-Z_:&*, ]{0,12}",
            2 => prop::sample::select(vec![
                "operator", "operator<", "operator->", "operator()", "->", "(anonymous namespace)",
                "{closure#0}", "[clone .cold]", "<", ">", "(", ")", "…", "é", "",
            ]).prop_map(str::to_owned),
            1 => any::<String>(),
        ];
        let nested = word.prop_recursive(8, 64, 6, |inner| {
            (prop::collection::vec(inner, 0..6), 0..4_usize).prop_map(|(parts, kind)| {
                let [first, rest @ ..] = &parts[..] else { return String::new() };
                let rest = rest.join(", ");
                match kind {
                    0 => format!("{first}<{rest}>"),
                    1 => format!("{first}({rest})"),
                    2 => format!("{first}<{rest}>({rest})::{first}"),
                    _ => format!("{first}{rest}"),
                }
            })
        });
        (nested, any::<prop::sample::Index>(), prop::bool::weighted(0.2)).prop_map(
            |(name, end, is_cut)| {
                let chars = if is_cut { end.index(name.chars().count() + 1) } else { usize::MAX };
                name.chars().take(chars).collect()
            },
        )
    }

    #[test]
    fn a_name_nested_without_end_is_folded_as_fast_as_any() {
        // As long as names may be; each level that was tried took a pass over all of it: seconds.
        let name = format!("f{}{}", "<a".repeat(5000), ">".repeat(5000));
        for _ in 0..200 {
            assert_eq!(fold(&name, 20), "f<a<a<a<a<a<…>>>>>>");
        }
    }
}
