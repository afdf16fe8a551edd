mod decisions;

use proptest::prelude::*;

use shared::ids::OperatorId;

use super::*;
use crate::audit::Actor;
use crate::batch::{Approval, BatchState, Capacity, Mode, PlanWord};
use crate::sheet::rejected::{Kept, REASON_HEADERS};
use crate::sheet::{self, Declared};
use crate::testing::book::{Book, date_key, source};
use crate::testing::{noon, rng};

const HEADER: &str = "職員番号,氏名,所属,職名,発令区分,利用";

fn file(rows: &[String]) -> String {
    std::iter::once(HEADER.to_owned()).chain(rows.iter().cloned()).map(|line| line + "\n").collect()
}

/// The same rows with a column of reasons, as they are handed back.
fn handed_back(rows: &[String]) -> String {
    let header = format!("{HEADER},{}\n", REASON_HEADERS[0]);
    std::iter::once(header).chain(rows.iter().map(|row| format!("{row},却下: 直してください\n"))).collect()
}

/// A plan of a file, with its rejected rows handed back.
fn planned(book: &Book, rows: &[String], mode: Mode) -> Plan {
    let mut plan = book.plan(&file(rows), mode, noon(), &mut rng());
    let rows = count(plan.rejected_rows().len());
    plan.keep(Kept { bytes: Vec::new(), rows });
    plan
}

fn mended(book: &Book, plan: &Plan, text: &str) -> Result<Plan, MendError> {
    let of_leavers = plan.batch.mode == Mode::Remove;
    let sheet = sheet::read(text.as_bytes(), &Declared { of_leavers, ..Declared::default() }).unwrap();
    let pool = book.pool().value;
    let input = PlanInput {
        source: source(),
        mode: Mode::Upsert,
        sheet: &sheet,
        accounts: &book.accounts(),
        temporary_until: None,
        decided: &[],
        dates: &date_key(),
        roster_version: plan.batch.roster_version,
        pool: &pool,
        actor: Actor::Server,
        now: noon(),
    };
    let mending = Mending { batch: &plan.batch, items: &plan.items };
    mend(mending, &input, &mut rng()).map(|(plan, _)| plan)
}

/// What a plan says, but for the ids of those who are new and the texts of rejections.
fn said(plan: &Plan) -> Vec<(Option<u32>, Option<AccountId>, PlanKind, bool)> {
    let line = |item: &PlanItem| {
        let account = item.account.filter(|_| !matches!(item.kind, PlanKind::Join { .. }));
        let kind = match &item.kind {
            PlanKind::Rejected(_) => PlanKind::Rejected(Vec::new()),
            kind => kind.clone(),
        };
        (item.row, account, kind, item.held_back)
    };
    plan.items.iter().map(line).collect()
}

/// What becomes of somebody's row on its way into the file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    None,
    Nameless,
    Numberless,
    NoDepartment,
}

#[derive(Debug, Clone)]
struct Someone {
    known: bool,
    on_list: bool,
    moves: bool,
    leaves: bool,
    wishes: bool,
    damage: Damage,
}

impl Someone {
    fn row(&self, number: usize, department: &str) -> String {
        let (leaves, wish) = (if self.leaves { "退職" } else { "" }, if self.wishes { "○" } else { "" });
        format!("{number:04},髙橋{number},{department},主事,{leaves},{wish}")
    }

    fn damaged(&self, row: &str) -> String {
        let mut cells: Vec<&str> = row.split(',').collect();
        match self.damage {
            Damage::None => {}
            Damage::Nameless => cells[1] = "",
            Damage::Numberless => cells[0] = "",
            Damage::NoDepartment => cells[2] = "",
        }
        cells.join(",")
    }
}

fn someone() -> impl Strategy<Value = Someone> {
    let damage = prop_oneof![
        5 => Just(Damage::None),
        1 => Just(Damage::Nameless),
        1 => Just(Damage::Numberless),
        1 => Just(Damage::NoDepartment),
    ];
    (any::<[bool; 4]>(), 0..6u8, damage).prop_map(|([known, on_list, moves, wishes], leaves, damage)| {
        // Nobody leaves who was never there: such a row is not mended by what it says.
        Someone { known, on_list, moves, leaves: known && leaves == 0, wishes, damage }
    })
}

proptest! {
    #[test]
    fn a_mended_plan_is_that_of_the_file_without_mistakes(
        people in proptest::collection::vec(someone(), 1..12),
        roster in any::<bool>(),
    ) {
        let mode = if roster { Mode::Roster } else { Mode::Upsert };
        let people: Vec<(usize, &Someone)> = people.iter().enumerate().collect();
        let known: Vec<String> =
            people.iter().filter(|(_, one)| one.known).map(|(n, one)| Someone { leaves: false, ..(*one).clone() }.row(*n, "総務課")).collect();
        let mut book = Book::default();
        if !known.is_empty() {
            book.upload(&file(&known), Mode::Roster, noon(), &mut rng());
        }
        let listed: Vec<&(usize, &Someone)> = people.iter().filter(|(_, one)| one.on_list).collect();
        prop_assume!(!listed.is_empty());
        let right: Vec<String> = listed
            .iter()
            .map(|(n, one)| one.row(*n, if one.moves { "税務課" } else { "総務課" }))
            .collect();
        let wrong: Vec<String> = listed.iter().zip(&right).map(|((_, one), row)| one.damaged(row)).collect();
        let plan = planned(&book, &wrong, mode);
        let rejected: BTreeSet<u32> = plan.rejected_rows();
        let only_rejected = |rows: &[String]| -> Vec<String> {
            (2..).zip(rows).filter(|(number, _)| rejected.contains(number)).map(|(_, row)| row.clone()).collect()
        };
        if rejected.is_empty() {
            prop_assert_eq!(mended(&book, &plan, &handed_back(&wrong)).unwrap_err(), MendError::NotHandedBack);
            return Ok(());
        }
        let whole = mended(&book, &plan, &handed_back(&only_rejected(&right))).unwrap();
        let expected = book.plan(&file(&right), mode, noon(), &mut rng());
        prop_assert_eq!(said(&whole), said(&expected));
        prop_assert_eq!(&whole.batch.summary, &expected.batch.summary);
        prop_assert_eq!((whole.batch.mode, whole.batch.mends), (mode, Some(plan.batch.id)));
        // Nothing mended: nothing is different, and it can be tried again.
        let mut again = mended(&book, &plan, &handed_back(&only_rejected(&wrong))).unwrap();
        prop_assert_eq!(said(&again), said(&plan));
        again.keep(Kept { bytes: Vec::new(), rows: count(rejected.len()) });
        let at_last = mended(&book, &again, &handed_back(&only_rejected(&right))).unwrap();
        prop_assert_eq!(said(&at_last), said(&expected));
    }
}

fn rows(rows: &[&str]) -> Vec<String> {
    rows.iter().map(|row| (*row).to_owned()).collect()
}

/// 0001 and 0002 are known; 0002's row lacks its name, and somebody's number is not there.
fn two_rejected() -> (Book, Plan) {
    let mut book = Book::default();
    let known = rows(&["0001,山田,総務課,主事,,", "0002,佐藤,総務課,主事,,"]);
    book.upload(&file(&known), Mode::Roster, noon(), &mut rng());
    let plan = planned(
        &book,
        &rows(&["0001,山田,税務課,係長,,", "0002,,税務課,主事,,", ",鈴木,税務課,主事,,○"]),
        Mode::Roster,
    );
    assert!(plan.batch.summary.leavers_held_back && plan.batch.summary.rejected == 2);
    (book, plan)
}

#[test]
fn mended_leavers_leave_with_the_others_and_nobody_else_does() {
    let mut book = Book::default();
    let known = rows(&["0001,山田,総務課,主事,,", "0002,佐藤,総務課,主事,,", "0003,鈴木,総務課,主事,,"]);
    book.upload(&file(&known), Mode::Roster, noon(), &mut rng());
    let mut plan = book.plan("職員番号,氏名\n0001,山田\n0002,鈴木\n", Mode::Remove, noon(), &mut rng());
    plan.keep(Kept { bytes: Vec::new(), rows: 1 });
    let back = |name: &str| format!("職員番号,氏名,{}\n0002,{name},却下: 氏名\n", REASON_HEADERS[0]);
    let words = |plan: &Plan| plan.items.iter().map(|item| item.kind.word()).collect::<Vec<_>>();
    let unmended = mended(&book, &plan, &back("鈴木")).unwrap();
    assert_eq!(words(&unmended), [PlanWord::Leave, PlanWord::Rejected]);
    let whole = mended(&book, &plan, &back("佐藤")).unwrap();
    assert_eq!(words(&whole), [PlanWord::Leave, PlanWord::Leave]);
    assert_eq!((whole.batch.mode, whole.batch.summary.leave), (Mode::Remove, 2));
}

#[test]
fn columns_that_were_taken_out_of_the_mended_rows_stay_as_they_are_known() {
    let (book, plan) = two_rejected();
    let text = format!("職員番号,氏名,所属,{}\n0002,佐藤,税務課,\n0003,鈴木,税務課,\n", REASON_HEADERS[0]);
    let whole = mended(&book, &plan, &text).unwrap();
    let titles = whole.items.iter().filter_map(|item| match &item.kind {
        PlanKind::Join { attributes, .. } | PlanKind::Move { attributes, .. } => {
            Some(attributes.title.clone())
        }
        _ => None,
    });
    let titles: Vec<Option<String>> = titles.collect();
    assert_eq!(titles, [Some("係長".to_owned()), Some("主事".to_owned()), None]);
}

#[test]
fn rows_that_are_missing_or_too_many_are_refused() {
    let (book, plan) = two_rejected();
    let one = handed_back(&rows(&["0002,佐藤,税務課,主事,,"]));
    assert_eq!(mended(&book, &plan, &one).unwrap_err(), MendError::Count { file: 1, plan: 2 });
    let list = file(&rows(&["0002,佐藤,税務課,主事,,", "0003,鈴木,税務課,主事,,"]));
    assert_eq!(mended(&book, &plan, &list).unwrap_err(), MendError::NotRejectedRows);
}

#[test]
fn nobody_goes_from_the_list_and_nobody_is_on_it_twice_by_a_number_that_was_mended_wrongly() {
    let (book, plan) = two_rejected();
    let gone = handed_back(&rows(&["0009,佐藤,税務課,主事,,", "0003,鈴木,税務課,主事,,"]));
    let refused = MendError::Gone { row: 3, number: "0002".to_owned() };
    assert_eq!(mended(&book, &plan, &gone).unwrap_err(), refused);
    for twice in ["0001", "1"] {
        let text =
            handed_back(&["0002,佐藤,税務課,主事,,".to_owned(), format!("{twice},鈴木,税務課,主事,,")]);
        let refused = MendError::Twice { row: 2, number: twice.to_owned() };
        assert_eq!(mended(&book, &plan, &text).unwrap_err(), refused);
    }
}

#[test]
fn a_plan_that_has_ended_or_is_stale_takes_no_rows() {
    let (book, mut plan) = two_rejected();
    let text = handed_back(&rows(&["0002,佐藤,税務課,主事,,", "0003,鈴木,税務課,主事,,"]));
    assert!(mended(&book, &plan, &text).is_ok());
    plan.batch.state = BatchState::Applied { at: noon() };
    assert!(matches!(mended(&book, &plan, &text), Err(MendError::NotNow(_))));
    plan.batch.state = BatchState::Planned;
    let sheet = sheet::read(text.as_bytes(), &Declared::default()).unwrap();
    let input = PlanInput {
        source: source(),
        mode: Mode::Upsert,
        sheet: &sheet,
        accounts: &book.accounts(),
        temporary_until: None,
        decided: &[],
        dates: &date_key(),
        roster_version: plan.batch.roster_version + 1,
        pool: &book.pool().value,
        actor: Actor::Server,
        now: noon(),
    };
    let mending = Mending { batch: &plan.batch, items: &plan.items };
    assert_eq!(mend(mending, &input, &mut rng()).unwrap_err(), MendError::Stale);
}

#[test]
fn an_approval_does_not_go_on_and_none_of_the_authors_is_somebody_else() {
    let (book, mut plan) = two_rejected();
    let [first, second] = [[1; 16], [2; 16]].map(|id| Actor::Operator(OperatorId::from_bytes(id)));
    plan.batch.uploaded_by = first;
    plan.batch.state = BatchState::Scheduled;
    plan.batch.release.effective_at = Some(noon() + jiff::SignedDuration::from_hours(1));
    plan.batch.release.approval = Some(Approval {
        by: second,
        at: noon(),
        capacity: Capacity::Approver,
        plan_digest: plan.batch.plan_digest,
    });
    let text = handed_back(&rows(&["0002,佐藤,税務課,主事,,", "0003,鈴木,税務課,主事,,"]));
    let whole = mended(&book, &plan, &text).unwrap().batch;
    assert_eq!((whole.state.clone(), whole.release.approval.clone()), (BatchState::Planned, None));
    assert_eq!((whole.release.effective_at, whole.due()), (plan.batch.release.effective_at, None));
    assert!(whole.is_by(first) && whole.is_by(Actor::Server) && !whole.is_by(second));
    assert_ne!(whole.plan_digest, plan.batch.plan_digest);
}
