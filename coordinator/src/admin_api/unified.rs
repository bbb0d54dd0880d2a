//! Differences of two texts, as `diff -u` writes them. Pure.

use std::fmt::Write;

/// Lines around a change that are shown.
const CONTEXT: usize = 3;

/// A line of both texts, of the old, or of the new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Old(&'a str),
    New(&'a str),
}

/// The hunks, without headers; empty where the texts are the same. Every text ends with a line end.
pub(super) fn unified_diff(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let lines = compare(&old, &new);
    let mut out = String::new();
    let changed = |line: &Line<'_>| !matches!(line, Line::Same(_));
    let mut at = 0;
    while let Some(next) = lines[at..].iter().position(changed) {
        let begin = (at + next).saturating_sub(CONTEXT).max(at);
        let end = end_of_hunk(&lines, at + next);
        hunk(&mut out, &lines, begin, end);
        at = end;
    }
    out
}

/// Behind the last line of the hunk whose first change is at `first`: two changes share one where their context meets.
fn end_of_hunk(lines: &[Line<'_>], first: usize) -> usize {
    let mut last = first;
    for (at, line) in lines.iter().enumerate().skip(first) {
        if !matches!(line, Line::Same(_)) {
            last = at;
        } else if at - last > 2 * CONTEXT {
            break;
        }
    }
    (last + 1 + CONTEXT).min(lines.len())
}

fn hunk(out: &mut String, lines: &[Line<'_>], begin: usize, end: usize) {
    let count = |lines: &[Line<'_>]| {
        let old = lines.iter().filter(|line| !matches!(line, Line::New(_))).count();
        let new = lines.iter().filter(|line| !matches!(line, Line::Old(_))).count();
        (old, new)
    };
    let (before, within) = (count(&lines[..begin]), count(&lines[begin..end]));
    let (old, new) = (range(before.0, within.0), range(before.1, within.1));
    writeln!(out, "@@ -{old} +{new} @@").expect("a string takes all");
    for line in &lines[begin..end] {
        let (mark, text) = match line {
            Line::Same(text) => (' ', text),
            Line::Old(text) => ('-', text),
            Line::New(text) => ('+', text),
        };
        writeln!(out, "{mark}{text}").expect("a string takes all");
    }
}

/// As diff writes it: the first line from 1 on, or the one before where there is none; a count of one is left out.
fn range(before: usize, count: usize) -> String {
    match count {
        0 => format!("{before},0"),
        1 => format!("{}", before + 1),
        _ => format!("{},{count}", before + 1),
    }
}

/// By the longest common subsequence of what is between the same beginning and the same end. Texts have a hundred lines.
fn compare<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let same = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (rest_old, rest_new) = (&old[same..], &new[same..]);
    let ends = rest_old.iter().rev().zip(rest_new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&rest_old[..rest_old.len() - ends], &rest_new[..rest_new.len() - ends]);
    let mut common = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = match a[i] == b[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let mut lines: Vec<Line<'a>> = old[..same].iter().map(|line| Line::Same(line)).collect();
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            lines.push(Line::Same(a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && common[i + 1][j] >= common[i][j + 1]) {
            lines.push(Line::Old(a[i]));
            i += 1;
        } else {
            lines.push(Line::New(b[j]));
            j += 1;
        }
    }
    lines.extend(old[old.len() - ends..].iter().map(|line| Line::Same(line)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(numbers: impl IntoIterator<Item = u32>) -> String {
        numbers.into_iter().map(|number| format!("{number}\n")).collect()
    }

    #[test]
    fn a_change_is_shown_with_three_lines_around_it_and_the_rest_is_left_out() {
        let old = lines(1..=20);
        let new = old.replace("10\n", "ten\n");
        assert_eq!(
            unified_diff(&old, &new),
            "@@ -7,7 +7,7 @@\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n"
        );
        assert_eq!(unified_diff(&old, &old), "");
    }

    #[test]
    fn changes_that_are_near_share_a_hunk_and_others_do_not() {
        let old = lines(1..=30);
        let near = old.replace("10\n", "ten\n").replace("17\n", "x\n");
        assert_eq!(unified_diff(&old, &near).matches("@@ -").count(), 1);
        let far = old.replace("10\n", "ten\n").replace("18\n", "x\n");
        assert_eq!(unified_diff(&old, &far).matches("@@ -").count(), 2);
    }

    #[test]
    fn a_text_that_comes_or_goes_is_one_hunk() {
        assert_eq!(unified_diff("", "a\nb\n"), "@@ -0,0 +1,2 @@\n+a\n+b\n");
        assert_eq!(unified_diff("a\n", ""), "@@ -1 +0,0 @@\n-a\n");
    }

    /// Takes a diff as `patch` does.
    fn patch(old: &str, diff: &str) -> String {
        let old: Vec<&str> = old.lines().collect();
        let (mut out, mut at) = (Vec::new(), 0);
        for line in diff.lines() {
            if let Some(range) = line.strip_prefix("@@ -") {
                let (begin, count) = range
                    .split(' ')
                    .next()
                    .and_then(|r| r.split_once(','))
                    .unwrap_or((range.split(' ').next().expect("a range"), "1"));
                let begin: usize = begin.parse().expect("a number");
                let begin = if count == "0" { begin } else { begin - 1 };
                out.extend_from_slice(&old[at..begin]);
                at = begin;
            } else if let Some(added) = line.strip_prefix('+') {
                out.push(added);
            } else {
                assert_eq!(&line[1..], old[at]);
                if line.starts_with(' ') {
                    out.push(old[at]);
                }
                at += 1;
            }
        }
        out.extend_from_slice(&old[at..]);
        out.iter().map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn the_old_text_with_its_diff_is_the_new_one_whatever_they_are() {
        let mut state = 7_u64;
        let mut draw = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..2000 {
            let mut text = |length: u64| {
                let count = draw(length);
                lines(
                    (0..count).map(|_| u32::try_from(draw(4)).expect("small")).collect::<Vec<_>>(),
                )
            };
            let (old, new) = (text(30), text(30));
            assert_eq!(patch(&old, &unified_diff(&old, &new)), new, "{old:?} {new:?}");
        }
    }
}
