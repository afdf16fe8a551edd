//! Rows of one staff number: one person with several posts if a 本務兼務区分 column says so, otherwise a mistake.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::account::Department;
use crate::batch::{Rejection, RowProblem};
use crate::sheet::{Column, Person, Post, Row, Sheet};

/// Most posts of a person, so that an account stays below 64 KiB.
const MAX_POSTS: usize = 8;
/// Bytes of all departments of one person, names and codes: more than one of the longest, so that a stored part of a plan holds
/// them.
pub(crate) const MAX_POSTS_BYTES: usize = 640;

/// All rows by staff number.
pub(super) struct Posts<'a> {
    sheet: &'a Sheet,
    rows: HashMap<&'a str, Vec<&'a Row>>,
}

impl<'a> Posts<'a> {
    pub(super) fn new(sheet: &'a Sheet) -> Self {
        let mut rows: HashMap<&str, Vec<&Row>> = HashMap::new();
        for row in &sheet.rows {
            if let Some(number) = &row.staff_number {
                rows.entry(number.as_str()).or_default().push(row);
            }
        }
        Self { sheet, rows }
    }

    /// The numbers in the file.
    pub(super) fn numbers(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.rows.keys().copied()
    }

    /// Whom a row tells of, with all posts, or why it is not accepted. `None` if the row of the main post tells it.
    pub(super) fn person(&self, row: &'a Row) -> Option<Result<Cow<'a, Person>, Vec<Rejection>>> {
        let person = match &row.person {
            Ok(person) => person,
            Err(rejections) => return Some(Err(self.also_twice(row, rejections))),
        };
        let together = row.staff_number.as_ref().and_then(|number| self.rows.get(number.as_str()));
        let together = together.map(Vec::as_slice).unwrap_or_default();
        if let Some(problem) = self.problem(person, together) {
            return Some(Err(vec![self.rejection(row, problem)]));
        }
        if together.len() < 2 {
            return Some(Ok(Cow::Borrowed(person)));
        }
        (person.post == Post::Main).then(|| Ok(Cow::Owned(with_posts(person, together))))
    }

    fn problem(&self, person: &Person, together: &[&Row]) -> Option<RowProblem> {
        // First: what follows looks at all of them for each of them.
        if together.len() > MAX_POSTS {
            return Some(RowProblem::DuplicateStaffNumber);
        }
        if together.len() > 1 && !self.sheet.columns.contains(&Column::Post) {
            return Some(RowProblem::DuplicateStaffNumber);
        }
        if together.iter().any(|row| row.person.is_err()) {
            return Some(RowProblem::OtherPost);
        }
        let people: Vec<&Person> = together.iter().filter_map(|row| row.person.as_ref().ok()).collect();
        let posts = people.iter().flat_map(|one| &one.attributes.departments);
        let bytes: usize =
            posts.map(|post| post.name.len() + post.code.as_ref().map_or(0, String::len)).sum();
        if people.len() > 1 && bytes > MAX_POSTS_BYTES {
            return Some(RowProblem::NotAcceptable);
        }
        let mains = people.iter().filter(|one| one.post == Post::Main).count();
        if mains > 1 {
            Some(RowProblem::DuplicateStaffNumber)
        } else if mains == 0 && person.post == Post::Further {
            Some(RowProblem::NoMainPost)
        } else if people.iter().any(|one| one.attributes.name != person.attributes.name) {
            Some(RowProblem::PostsDisagree)
        } else {
            None
        }
    }

    /// What is wrong with a row, and also that its number is there twice.
    fn also_twice(&self, row: &Row, rejections: &[Rejection]) -> Vec<Rejection> {
        let number = row.staff_number.as_ref().and_then(|number| self.rows.get(number.as_str()));
        let twice = number.is_some_and(|rows| rows.len() > 1) && !self.sheet.columns.contains(&Column::Post);
        if twice { vec![self.rejection(row, RowProblem::DuplicateStaffNumber)] } else { rejections.to_vec() }
    }

    fn rejection(&self, row: &Row, problem: RowProblem) -> Rejection {
        let sheet = self.sheet;
        let number = row.staff_number.as_ref().map_or("", |number| number.as_str());
        match problem {
            RowProblem::NoMainPost => Rejection::new(&sheet.post_header, "兼務", problem),
            RowProblem::PostsDisagree => {
                let name = row.person.as_ref().map_or("", |person| person.attributes.name.as_str());
                Rejection::new(&sheet.name_header, name, problem)
            }
            _ => Rejection::new(&sheet.staff_number_header, number, problem),
        }
    }
}

/// What the main row says, with the departments of the others behind its own.
fn with_posts(main: &Person, together: &[&Row]) -> Person {
    let mut person = main.clone();
    let others = together.iter().filter_map(|row| row.person.as_ref().ok());
    for other in others.filter(|other| other.post == Post::Further && !other.leaves) {
        for department in &other.attributes.departments {
            let post = Department { main: false, ..department.clone() };
            if !person.attributes.departments.contains(&post) {
                person.attributes.departments.push(post);
            }
        }
    }
    person
}

#[cfg(test)]
mod tests;
