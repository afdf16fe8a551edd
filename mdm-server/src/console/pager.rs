//! Lists in pages of so many rows: which one is shown, and the links before and behind it.

use serde::Deserialize;

/// Rows of a page.
pub(super) const ROWS: usize = 50;

/// Which part of a list is shown. In templates as `pager`, for `pager.html`.
pub(super) struct Pager {
    /// How many rows the list has.
    pub(super) total: usize,
    /// The first row that is shown, from 1; 0 in an empty list.
    pub(super) first: usize,
    /// The last row that is shown.
    pub(super) last: usize,
    /// Where the page before is.
    pub(super) previous: Option<String>,
    /// Where the next page is.
    pub(super) next: Option<String>,
}

/// The query of a list that is turned over and asked nothing else.
#[derive(Deserialize)]
pub(super) struct Turned {
    #[serde(default)]
    pub(super) page: usize,
}

/// How many rows lie before page `number`, counted from 1; what is no page is the first.
pub(super) fn offset(number: usize) -> usize {
    number.saturating_sub(1).saturating_mul(ROWS)
}

impl Pager {
    /// Of the list at `path` with `total` rows, of which page `number` is shown. The links keep those values of `query` that
    /// are not empty.
    pub(super) fn new(path: &str, query: &[(&str, &str)], number: usize, total: usize) -> Self {
        let number = number.max(1);
        let (before, behind) = (offset(number), number.saturating_mul(ROWS));
        let link = |number: usize| link(path, query, number);
        Self {
            total,
            first: if before < total { before + 1 } else { 0 },
            last: behind.min(total),
            previous: (number > 1).then(|| link((number - 1).min(total.div_ceil(ROWS).max(1)))),
            next: (behind < total).then(|| link(number + 1)),
        }
    }
}

fn link(path: &str, query: &[(&str, &str)], number: usize) -> String {
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    pairs.extend_pairs(query.iter().filter(|(_, value)| !value.is_empty()));
    if number > 1 {
        pairs.append_pair("page", &number.to_string());
    }
    let pairs = pairs.finish();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{pairs}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_the_search_and_lead_no_further_than_the_list() {
        let middle = Pager::new("/accounts", &[("q", "山田 太郎"), ("state", "")], 2, 120);
        assert_eq!((middle.first, middle.last), (51, 100));
        assert_eq!(middle.previous.as_deref(), Some("/accounts?q=%E5%B1%B1%E7%94%B0+%E5%A4%AA%E9%83%8E"));
        assert_eq!(middle.next.as_deref(), Some("/accounts?q=%E5%B1%B1%E7%94%B0+%E5%A4%AA%E9%83%8E&page=3"));
        let last = Pager::new("/accounts", &[], 3, 120);
        assert_eq!((last.first, last.last, last.next), (101, 120, None));
    }

    #[test]
    fn a_page_behind_the_end_leads_back_to_the_last() {
        let beyond = Pager::new("/accounts", &[], usize::MAX, 120);
        assert_eq!((beyond.first, beyond.next), (0, None));
        assert_eq!(beyond.previous.as_deref(), Some("/accounts?page=3"));
        let empty = Pager::new("/accounts", &[], 1, 0);
        assert_eq!((empty.first, empty.last, empty.previous, empty.next), (0, 0, None, None));
    }
}
