/// True where the whole text is of this pattern: `*` stands for any characters, `?` for one; letters of ASCII are the same
/// in capitals.
///
/// ```
/// use volact::conformance::glob;
///
/// assert!(glob("rpc-*-count", "RPC-BIND-ACK-COUNT"));
/// assert!(!glob("rpc-bind", "RPC-BIND-ACK-COUNT"));
/// ```
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // The last star, and where the text goes on behind what it stands for.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || c.eq_ignore_ascii_case(&text[t]) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, behind)) = star else { return false };
                star = Some((at, behind + 1));
                p = at + 1;
                t = behind + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn stars_and_question_marks_stand_for_what_they_do_in_a_shell() {
        for (pattern, text) in
            [("", ""), ("*", ""), ("a*b*c", "aXbXbc"), ("a?c", "abc"), ("**x", "x"), ("*é", "né")]
        {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("?", ""), ("a*b", "abc"), ("a", "aa"), ("*x*", "abc")] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }
}
