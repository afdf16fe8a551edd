//! Letters as PDF: who gets one, in which groups, and that the journal notes it as it notes any export of codes.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use mdm_core::account::{Account, StaffNumber};
use mdm_core::audit::{Actor, Subject};
use mdm_core::substitute::Tables;
use mdm_letters::{Fonts, Group, Layout, Letter, Lost};
use shared::ids::{AccountId, BatchId};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::batches::{self, Index};
use super::codes::{self, OpenedCode};
use super::{Refusal, UseCaseError, substitutes};
use crate::console::words::Language;
use crate::letters;
use crate::service::Service;

/// What is to be printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    /// How many letters a page has.
    pub(crate) layout: Layout,
    /// What they are written in.
    pub(crate) language: Language,
    /// Only people of this batch.
    pub(crate) batch: Option<BatchId>,
    /// Prints 〓 or a similar character for what the font lacks, and lists whom it concerns.
    pub(crate) substitutes: bool,
}

/// Somebody whose name or department the font cannot print as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostText {
    /// Whose.
    pub staff_number: StaffNumber,
    /// The name, as written.
    pub name: String,
    /// What the font lacks.
    pub lost: Vec<Lost>,
}

/// What prints, one order at a time: fonts and pages of a large organisation take some hundred megabytes.
#[derive(Debug)]
struct Press {
    _alone: OwnedMutexGuard<()>,
}

impl Press {
    /// Once it is free.
    async fn wait() -> Self {
        static PRESS: LazyLock<Arc<Mutex<()>>> = LazyLock::new(Arc::default);
        Self { _alone: PRESS.clone().lock_owned().await }
    }

    /// Work of some seconds, off the threads that answer devices. The press goes with it: who drops the order leaves the work
    /// running, and the next one waits for its end.
    async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(Self, T), UseCaseError> {
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            (self, done)
        });
        working.await.map_err(|_| Refusal::ShuttingDown.into())
    }

    async fn load(self, service: &Service) -> Result<(Self, Fonts), UseCaseError> {
        let config = service.config.letters.clone();
        let (press, fonts) = self.run(move || letters::fonts::load(&config)).await?;
        Ok((press, fonts.map_err(Refusal::LetterFont)?))
    }
}

/// Prints letters for all codes that a device could still be enrolled with, apart from those that a device asked for. They are
/// noted before they are given out, and after they could be made.
pub(crate) async fn print(service: &Service, actor: Actor, order: Order) -> Result<Vec<u8>, UseCaseError> {
    let of_batch = match order.batch {
        Some(batch) => Some(accounts_of(service, batch).await?),
        None => None,
    };
    let (press, fonts) = Press::wait().await.load(service).await?;
    let _held = codes::PRINTING.lock().await;
    let opened = codes::open_all(service, |record| {
        record.asked_by.is_none()
            && of_batch.as_ref().is_none_or(|accounts| accounts.contains(&record.account))
    })
    .await?;
    if opened.is_empty() {
        return Err(Refusal::NoLetters.into());
    }
    let tables = substitutes::tables(service).await?;
    let lost = lost_of(&fonts, &tables, opened.iter().map(|code| &code.account));
    if !lost.is_empty() && !order.substitutes {
        return Err(Refusal::LettersWouldLose(lost).into());
    }
    let groups = groups(&opened, &tables, order.language);
    let words = letters::words(order.language, &service.config, service.clock.now());
    let (_press, pdf) = press.run(move || mdm_letters::print(&groups, order.layout, &words, &fonts)).await?;
    let pdf = pdf.map_err(|error| Refusal::Letters(error.to_string()))?;
    let about = order.batch.map(Subject::batch).unwrap_or_default();
    codes::note_export(service, actor, about, &opened).await?;
    Ok(pdf)
}

/// Who of those with a code cannot be printed as written.
pub(crate) async fn lost(service: &Service) -> Result<Vec<LostText>, UseCaseError> {
    let people = codes::people_with_codes(service).await?;
    let (_press, fonts) = Press::wait().await.load(service).await?;
    Ok(lost_of(&fonts, &substitutes::tables(service).await?, people.iter()))
}

fn lost_of<'a>(fonts: &Fonts, tables: &Tables, people: impl Iterator<Item = &'a Account>) -> Vec<LostText> {
    let lost = people.map(|account| {
        let current = account.current();
        let lost_of = |text: &str| fonts.lost(&tables.printed(&account.source, text));
        let mut lost = lost_of(&current.name);
        lost.extend(fonts.lost(current.staff_number.as_str()));
        lost.extend(current.departments.first().map(|post| lost_of(&post.name)).unwrap_or_default());
        LostText { staff_number: current.staff_number.clone(), name: current.name.clone(), lost }
    });
    lost.filter(|person| !person.lost.is_empty()).collect()
}

/// Whom a batch is about.
pub(super) async fn accounts_of(
    service: &Service,
    batch: BatchId,
) -> Result<BTreeSet<AccountId>, UseCaseError> {
    let batch = batches::show(service, batch).await?;
    let index = Index::read(service, &batch).await?;
    Ok(index.lines().filter_map(|(_, line)| line.account).collect())
}

/// By source and department, in the order of the codes.
fn groups(opened: &[OpenedCode], tables: &Tables, language: Language) -> Vec<Group> {
    let place = |code: &OpenedCode| {
        let post = code.account.current().departments.first();
        (code.account.source.clone(), post.map(|post| (post.code.clone(), post.name.clone())))
    };
    let groups = opened.chunk_by(|one, next| place(one) == place(next)).map(|codes| {
        let department = codes.first().and_then(|code| {
            let post = code.account.current().departments.first()?;
            Some(tables.printed(&code.account.source, &post.name).into_owned())
        });
        Group {
            department: department.unwrap_or_else(|| letters::no_department(language)),
            letters: codes.iter().map(|code| letter(code, tables, language)).collect(),
            count: letters::count(language, codes.len()),
        }
    });
    groups.collect()
}

fn letter(code: &OpenedCode, tables: &Tables, language: Language) -> Letter {
    let current = code.account.current();
    let name = tables.printed(&code.account.source, &current.name);
    Letter {
        staff_number: current.staff_number.to_string(),
        addressee: letters::addressee(language, &name),
        name: name.into_owned(),
        code: code.text.clone(),
        payload: code.link.clone(),
        valid_until: letters::valid_until(language, code.record.expires_at),
        loss: code.loss.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::time::{Duration, timeout};

    use mdm_core::account::SourceName;
    use mdm_core::batch::Mode;
    use mdm_core::substitute::Substitute;

    use super::*;
    use crate::testing::World;
    use crate::use_cases::licenses;

    #[tokio::test]
    async fn letters_and_their_list_have_what_stands_for_private_use_characters() {
        let world = World::new();
        licenses::set_pool(&world.service, 5, Actor::Server).await.unwrap();
        let staff =
            "職員番号,氏名,所属,利用\n001,\u{E000}橋太郎,\u{E001}務課,○\n002,佐藤\u{E002}子,\u{E001}務課,○\n";
        world.apply(staff, Mode::Roster).await;
        let entry = |code: &str, text| (code.parse().unwrap(), Some(Substitute::new(text).unwrap()));
        let wanted = [entry("U+E000", "髙"), entry("U+E001", "総")].into();
        let source = SourceName::new("知事部局").unwrap();
        substitutes::change(&world.service, &source, &wanted, Actor::Server).await.unwrap();

        let opened = codes::export(&world.service, Actor::Server).await.unwrap();
        let tables = substitutes::tables(&world.service).await.unwrap();
        let groups = groups(&opened, &tables, Language::Japanese);
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].department, "総務課");
        let mut names: Vec<_> = groups[0].letters.iter().map(|letter| letter.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["佐藤\u{E002}子", "髙橋太郎"], "what nothing stands for stays, and is listed");
        assert!(groups[0].letters.iter().any(|letter| letter.addressee.contains("髙橋太郎")));
        assert_eq!(world.account("001").await.current().name, "\u{E000}橋太郎", "stored as written");
    }

    #[tokio::test]
    async fn who_drops_an_order_leaves_the_press_to_its_work() {
        let (begun, has_begun) = mpsc::channel();
        let (may_end, ending) = mpsc::channel::<()>();
        let press = Press::wait().await;
        let order = tokio::spawn(press.run(move || {
            begun.send(()).expect("the test waits for it");
            ending.recv()
        }));
        tokio::task::spawn_blocking(move || has_begun.recv()).await.expect("it waits").expect("it begins");
        order.abort();
        order.await.expect_err("nobody waits for it any more");
        timeout(Duration::ZERO, Press::wait()).await.expect_err("the work goes on, so the press is not free");
        may_end.send(()).expect("the work waits for it");
        Press::wait().await;
    }
}
