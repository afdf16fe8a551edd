//! Two plans of one source beside each other: what a newer file says differently than the one before.

use mdm_core::batch::{Batch, PlanItem};
use mdm_core::plan::difference::{DifferenceWord, Different, difference};

use super::chunk;
use super::lines::{Line, line};
use crate::service::Service;
use crate::use_cases::{Refusal, UseCaseError};

/// A person of whom the plans do not say the same.
#[derive(Debug, Clone)]
pub struct Compared {
    /// What the older plan does. `None`: nothing.
    pub older: Option<Line>,
    /// What the newer plan does, likewise.
    pub newer: Option<Line>,
}

impl Compared {
    /// In which of the plans they are.
    pub fn word(&self) -> DifferenceWord {
        DifferenceWord::of(self.older.as_ref(), self.newer.as_ref())
    }
}

/// Which of the people are shown.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Those of whom it is so; all if absent.
    pub only: Option<DifferenceWord>,
    /// How many of these lie before.
    pub after: usize,
    /// How many are shown at most.
    pub limit: usize,
}

/// How two plans differ, and some of the people of whom they do not say the same.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// Of how many people they say the same.
    pub same: usize,
    /// Who is in the newer plan only.
    pub new: usize,
    /// Who is in the older plan only.
    pub gone: usize,
    /// Of whom both say something, and not the same.
    pub changed: usize,
    /// Rejected rows of the older plan that are about nobody who is known: they are not compared.
    pub unknown_older: usize,
    /// The same of the newer plan.
    pub unknown_newer: usize,
    /// Those that were wanted.
    pub people: Vec<Compared>,
}

impl Comparison {
    /// Of how many people it is so; of all that differ if nothing is chosen.
    pub fn count(&self, word: Option<DifferenceWord>) -> usize {
        match word {
            None => self.new + self.gone + self.changed,
            Some(DifferenceWord::New) => self.new,
            Some(DifferenceWord::Gone) => self.gone,
            Some(DifferenceWord::Changed) => self.changed,
        }
    }
}

/// Compares two plans of one source, whatever has become of them.
pub async fn compare(
    service: &Service,
    older: &Batch,
    newer: &Batch,
    wanted: Wanted,
) -> Result<Comparison, UseCaseError> {
    if older.source != newer.source {
        return Err(Refusal::OtherSource.into());
    }
    let (before, now) = (whole(service, older).await?, whole(service, newer).await?);
    let (before, now, found) = service
        .heavy
        .run(move || {
            let found = difference(&before, &now);
            (before, now, found)
        })
        .await?;
    let of_it = found.people.iter().filter(|one| wanted.only.is_none_or(|word| one.word() == word));
    let mut people = Vec::new();
    for Different { older, newer } in of_it.skip(wanted.after).take(wanted.limit) {
        people.push(Compared {
            older: side(service, &before, *older).await?,
            newer: side(service, &now, *newer).await?,
        });
    }
    Ok(Comparison {
        same: found.same,
        new: found.count(DifferenceWord::New),
        gone: found.count(DifferenceWord::Gone),
        changed: found.count(DifferenceWord::Changed),
        unknown_older: found.unknown_older,
        unknown_newer: found.unknown_newer,
        people,
    })
}

async fn whole(service: &Service, batch: &Batch) -> Result<Vec<PlanItem>, UseCaseError> {
    let mut items = Vec::new();
    for number in 0..batch.chunks {
        items.extend(chunk(service, batch.id, number).await?.items);
    }
    Ok(items)
}

async fn side(
    service: &Service,
    items: &[PlanItem],
    at: Option<usize>,
) -> Result<Option<Line>, UseCaseError> {
    let Some((at, item)) = at.and_then(|at| Some((at, items.get(at)?))) else { return Ok(None) };
    let position = u32::try_from(at + 1).unwrap_or(u32::MAX);
    Ok(Some(line(service, position, item.clone()).await?))
}

#[cfg(test)]
mod tests {
    use mdm_core::account::SourceName;
    use mdm_core::audit::Actor;
    use mdm_core::batch::{Mode, PlanWord};
    use mdm_core::sheet::Declared;

    use super::*;
    use crate::testing::World;
    use crate::use_cases::batches::{Upload, upload};

    async fn put(world: &World, source: &str, csv: &str) -> Batch {
        let source = SourceName::new(source).unwrap();
        let declared = Declared::default();
        let how = Upload {
            source,
            mode: Mode::Roster,
            declared,
            file_name: None,
            effective_at: None,
            temporary_until: None,
        };
        upload(&world.service, csv.as_bytes().to_vec(), how, Actor::Server).await.unwrap()
    }

    fn list(rows: &[(u32, &str)]) -> String {
        let row = |(number, department): &(u32, &str)| format!("{number:04},職員{number},{department}\n");
        format!("職員番号,氏名,所属\n{}", rows.iter().map(row).collect::<String>())
    }

    const ALL: Wanted = Wanted { only: None, after: 0, limit: 100 };

    /// The kinds of lines of those who are shown: in the older plan, in the newer one.
    fn said(found: &Comparison) -> Vec<(Option<PlanWord>, Option<PlanWord>)> {
        let word = |line: &Option<Line>| line.as_ref().map(|line| line.item.kind.word());
        found.people.iter().map(|one| (word(&one.older), word(&one.newer))).collect()
    }

    #[tokio::test]
    async fn a_newer_file_is_shown_by_what_it_says_differently() {
        let world = World::new();
        let staff: Vec<_> = (1..=70).map(|number| (number, "総務課")).collect();
        world.apply(&list(&staff), Mode::Roster).await;
        // Behind the first part of the plan: 50 moves elsewhere, 60 leaves, 80 is new.
        let mut older = staff.clone();
        older[49].1 = "防災課";
        let mut newer = older.clone();
        newer[49].1 = "税務課";
        newer.remove(59);
        newer.push((80, "税務課"));
        let source = "知事部局";
        let older = put(&world, source, &list(&older)).await;
        let newer = put(&world, source, &list(&newer)).await;
        let compare = async |older: &Batch, newer: &Batch, wanted| {
            super::compare(&world.service, older, newer, wanted).await
        };
        let found = compare(&older, &newer, ALL).await.unwrap();
        let moved = (Some(PlanWord::Move), Some(PlanWord::Move));
        let left = (Some(PlanWord::Unchanged), Some(PlanWord::Leave));
        assert_eq!(said(&found), [moved, (None, Some(PlanWord::Join)), left]);
        assert_eq!((found.same, found.new, found.gone, found.changed), (68, 1, 0, 2));
        let leaver = found.people[2].newer.as_ref().unwrap().account.as_ref().unwrap();
        assert_eq!(leaver.current().staff_number.as_str(), "0060");

        let second = Wanted { only: Some(DifferenceWord::Changed), after: 1, limit: 1 };
        let second = compare(&older, &newer, second).await.unwrap();
        assert_eq!((second.count(None), said(&second)), (3, vec![left]));
        let back = compare(&newer, &older, Wanted { only: Some(DifferenceWord::Gone), ..ALL }).await.unwrap();
        assert_eq!((back.new, said(&back)), (0, vec![(Some(PlanWord::Join), None)]));
        assert_eq!(compare(&newer, &newer, ALL).await.unwrap().count(None), 0);

        let elsewhere = put(&world, "教育委員会", &list(&staff)).await;
        let refused = compare(&older, &elsewhere, ALL).await.unwrap_err();
        assert!(matches!(refused, UseCaseError::Refused(Refusal::OtherSource)), "{refused}");
    }
}
