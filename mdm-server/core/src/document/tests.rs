use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use shared::ids::{AccountId, DocumentId};

use super::reading::manifest;
use super::*;
use crate::account::{Account, AccountState, Department};
use crate::audit::{Happening, PersonalValue};
use crate::change::{Record, Stored, Version};
use crate::operator::rules::Acting;
use crate::testing::{account, noon, rng};

const HANDOVER: SignedDuration = SignedDuration::from_hours(30 * 24);
const RULES: ReadingRules = ReadingRules { handover: HANDOVER, highest: Level::Two };

fn days(days: i64) -> Timestamp {
    noon() + SignedDuration::from_hours(24 * days)
}

fn source() -> SourceName {
    SourceName::new("知事部局").unwrap()
}

fn departments(names: &[&str]) -> Audience {
    let name = |name: &&str| DepartmentName { source: source(), name: (*name).to_owned() };
    Audience::Departments(names.iter().map(name).collect())
}

fn document(number: u8, audience: Audience) -> Document {
    Document {
        id: DocumentId::from_bytes([number; 16]),
        version: 1,
        label: Label {
            title: Title::new(&format!("文書{number}")).unwrap(),
            folder: Folder::default(),
            media_type: MediaType::unknown(),
            level: Level::One,
            audience,
            notice: false,
        },
        content: Content { id: ContentId([number; 16]), size: 10, hash: [number; 32] },
        published_at: noon(),
        published_by: Actor::Server,
        unpublished_at: None,
    }
}

/// Somebody with these posts, the main one first.
fn posted(posts: &[&str]) -> Account {
    let mut account = account();
    account.history[0].value.departments = listed(posts);
    account
}

fn listed(posts: &[&str]) -> Vec<Department> {
    let post =
        |(place, name): (usize, &&str)| Department { name: (*name).to_owned(), code: None, main: place == 0 };
    posts.iter().enumerate().map(post).collect()
}

fn moved(account: &mut Account, at: Timestamp, posts: &[&str]) {
    let mut attributes = account.current().clone();
    attributes.departments = listed(posts);
    account.learn(at, attributes);
}

fn reads(account: &Account, document: &Document, at: Timestamp) -> bool {
    document.may_be_read_by(account, &RULES, at)
}

#[test]
fn somebody_reads_for_each_of_their_posts_and_not_for_others() {
    let account = posted(&["税務課", "危機管理課"]);
    for (name, may) in [("税務課", true), ("危機管理課", true), ("福祉課", false), ("税務", false)]
    {
        assert_eq!(reads(&account, &document(1, departments(&[name])), noon()), may, "{name}");
    }
    assert!(reads(&account, &document(1, Audience::Organisation), noon()));
    assert!(reads(&account, &document(1, Audience::Persons(vec![account.id])), noon()));
    let other = AccountId::from_bytes([1; 16]);
    assert!(!reads(&account, &document(1, Audience::Persons(vec![other])), noon()));
}

#[test]
fn a_department_has_in_it_what_stands_below_it() {
    let account = posted(&["総務部 人事課 給与係"]);
    assert!(reads(&account, &document(1, departments(&["総務部"])), noon()));
    assert!(reads(&account, &document(1, departments(&["総務部 人事課"])), noon()));
    assert!(!reads(&account, &document(1, departments(&["総務部 人事"])), noon()));
    assert!(!reads(&account, &document(1, departments(&["人事課"])), noon()));
}

#[test]
fn a_department_of_another_authority_with_the_same_name_is_another() {
    let theirs =
        DepartmentName { source: SourceName::new("教育委員会").unwrap(), name: "総務課".to_owned() };
    let account = posted(&["総務課"]);
    assert!(!reads(&account, &document(1, Audience::Departments(vec![theirs])), noon()));
    assert!(reads(&account, &document(1, departments(&["総務課"])), noon()), "control");
}

#[test]
fn after_a_move_the_old_departments_documents_stay_for_the_handover_and_no_longer() {
    let mut account = posted(&["税務課"]);
    moved(&mut account, days(100), &["福祉課"]);
    let (old, new) = (document(1, departments(&["税務課"])), document(2, departments(&["福祉課"])));
    for (day, may) in [(100, true), (129, true), (130, false), (500, false)] {
        assert_eq!(reads(&account, &old, days(day)), may, "day {day}");
        assert!(reads(&account, &new, days(day)));
    }
    let none = ReadingRules { handover: SignedDuration::ZERO, ..RULES };
    assert!(!old.may_be_read_by(&account, &none, days(100)));
}

#[test]
fn a_change_of_name_is_no_move() {
    let mut account = posted(&["税務課"]);
    let mut attributes = account.current().clone();
    attributes.name = "濵田 涼子".to_owned();
    account.learn(days(100), attributes);
    assert!(reads(&account, &document(1, departments(&["税務課"])), days(500)));
}

#[test]
fn who_comes_back_elsewhere_does_not_read_what_they_read_before_they_left() {
    let mut account = posted(&["税務課"]);
    account.state = AccountState::Suspended;
    let old = document(1, departments(&["税務課"]));
    assert!(!reads(&account, &old, days(50)));
    moved(&mut account, days(400), &["福祉課"]);
    account.state = AccountState::Provisional;
    account.returned_at = Some(days(400));
    assert!(!reads(&account, &old, days(401)));
    moved(&mut account, days(410), &["危機管理課"]);
    assert!(reads(&account, &document(2, departments(&["福祉課"])), days(411)), "a move after the return");
}

#[test]
fn whoever_may_not_work_reads_nothing() {
    let mut account = posted(&["税務課"]);
    let document = document(1, Audience::Organisation);
    for (state, may) in [
        (AccountState::Provisional, true),
        (AccountState::Active, true),
        (AccountState::Suspended, false),
        (AccountState::Closed, false),
    ] {
        account.state = state;
        assert_eq!(reads(&account, &document, noon()), may, "{state:?}");
    }
}

#[test]
fn what_is_above_the_highest_level_or_unpublished_goes_to_nobody() {
    let account = posted(&["税務課"]);
    let mut document = document(1, Audience::Organisation);
    document.label.level = Level::Three;
    assert!(!reads(&account, &document, noon()));
    let all = ReadingRules { highest: Level::Three, ..RULES };
    assert!(document.may_be_read_by(&account, &all, noon()));
    document.unpublished_at = Some(noon());
    assert!(!document.may_be_read_by(&account, &all, noon()));
}

#[test]
fn a_manifest_is_in_order_and_its_version_changes_only_with_it() {
    let account = posted(&["税務課"]);
    let mut documents: Vec<Document> =
        (1..5).map(|number| document(number, Audience::Organisation)).collect();
    documents[0].label.folder = Folder::new("防災").unwrap();
    let before = manifest(&documents, &account, &RULES, noon());
    let titles: Vec<&str> = before.entries.iter().map(|entry| entry.title.as_str()).collect();
    assert_eq!(titles, ["文書2", "文書3", "文書4", "文書1"]);
    documents.reverse();
    documents.push(document(9, departments(&["福祉課"])));
    assert_eq!(manifest(&documents, &account, &RULES, days(1)), before, "nothing of it is theirs");
    documents[0].version += 1;
    assert_ne!(manifest(&documents, &account, &RULES, days(1)).version, before.version);
}

fn label(audience: Audience) -> Label {
    document(1, audience).label
}

fn acting() -> Acting {
    Acting { actor: Actor::Server, now: days(1) }
}

fn title() -> PersonalValue {
    PersonalValue::make("title", "文書1", &mut rng())
}

#[test]
fn an_audience_is_kept_in_order_and_each_name_once() {
    let content = document(1, Audience::Organisation).content;
    let id = DocumentId::from_bytes([1; 16]);
    let twice = label(departments(&["福祉課", "税務課", "福祉課"]));
    let (made, changes) = rules::publish(id, twice, content.clone(), 0, title(), acting()).unwrap();
    assert_eq!(made.label.audience, departments(&["福祉課", "税務課"]));
    assert_eq!(changes.events[0].what, Happening::DocumentPublished);
    assert_eq!(changes.events[0].subject.document, Some(id));

    let refused = |audience: Audience, published: usize| {
        rules::publish(id, label(audience), content.clone(), published, title(), acting()).unwrap_err()
    };
    assert_eq!(refused(Audience::Persons(vec![]), 0), AudienceError::Nobody.into());
    assert_eq!(refused(departments(&[]), 0), AudienceError::Nobody.into());
    let many: Vec<String> = (0..=MAX_DEPARTMENTS).map(|number| format!("{number}課")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(refused(departments(&many), 0), AudienceError::TooManyDepartments.into());
    let crowd = (0..=MAX_PERSONS).map(|number| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        AccountId::from_bytes(bytes)
    });
    assert_eq!(refused(Audience::Persons(crowd.collect()), 0), AudienceError::TooManyPersons.into());
    assert_eq!(refused(Audience::Organisation, MAX_PUBLISHED), DocumentError::TooMany);
}

#[test]
fn a_replacement_is_the_next_version_of_the_same_document() {
    let before = document(1, Audience::Organisation);
    let stored = Stored { version: Version(7), value: before.clone() };
    let new_content = Content { id: ContentId([2; 16]), size: 20, hash: [2; 32] };
    let new_label = label(departments(&["税務課"]));
    let (after, changes) =
        rules::replace(stored.clone(), new_label.clone(), Some(new_content.clone()), title(), acting())
            .unwrap();
    assert_eq!((after.id, after.version), (before.id, 2));
    assert_eq!((&after.content, &after.label), (&new_content, &new_label));
    assert_eq!(changes.writes[0].expected, Version(7));
    assert_eq!(changes.writes[0].record, Some(Record::Document(after)));
    let (relabelled, _) = rules::replace(stored, new_label, None, title(), acting()).unwrap();
    assert_eq!((relabelled.version, relabelled.content), (2, before.content));
}

#[test]
fn what_was_unpublished_stays_so() {
    let stored = Stored { version: Version(1), value: document(1, Audience::Organisation) };
    let (gone, changes) = rules::unpublish(stored, acting()).unwrap();
    assert_eq!(gone.unpublished_at, Some(days(1)));
    assert_eq!(changes.events[0].what, Happening::DocumentUnpublished);
    let stored = Stored { version: Version(2), value: gone };
    let refused = DocumentError::Unpublished(stored.value.id);
    assert_eq!(rules::unpublish(stored.clone(), acting()).unwrap_err(), refused);
    let label = label(Audience::Organisation);
    assert_eq!(rules::replace(stored, label, None, title(), acting()).unwrap_err(), refused);
}

#[test]
fn folders_and_media_types_are_what_they_should_be() {
    assert_eq!(Folder::new(" 防災 / 手引き/").unwrap().as_str(), "防災/手引き");
    assert_eq!(Folder::new("").unwrap(), Folder::default());
    for wrong in ["../x", "a/./b", "a\nb", &"字".repeat(201)] {
        assert!(Folder::new(wrong).is_err(), "{wrong}");
    }
    assert_eq!(MediaType::new("Application/PDF; charset=x").unwrap().as_str(), "application/pdf");
    for wrong in ["", "pdf", "a/b/c", "/pdf", "text/", "te xt/plain", "text/<b>"] {
        assert!(MediaType::new(wrong).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn a_manifest_has_exactly_what_may_be_read(
        posts in proptest::collection::vec((0_u8..6, 0_i64..80), 1..8),
        audiences in proptest::collection::vec(proptest::collection::vec(0_u8..6, 1..4), 1..8),
        day in 0_i64..120,
    ) {
        let name = |number: u8| format!("{number}課");
        let mut account = posted(&[&name(posts[0].0)]);
        let mut held: Vec<(u8, i64)> = vec![(posts[0].0, 0)];
        let mut at = 0;
        for (post, later) in &posts[1..] {
            at += later + 1;
            moved(&mut account, days(at), &[&name(*post)]);
            held.push((*post, at));
        }
        let now = at + day;
        // Whoever has or had a post within the handover, told the long way round.
        let counts = |wanted: u8| {
            held.iter().enumerate().any(|(place, (post, _))| {
                let left = held.get(place + 1).map(|(_, at)| *at);
                *post == wanted && left.is_none_or(|left| now - left < 30)
            })
        };
        let documents: Vec<Document> = (0_u8..).zip(&audiences).map(|(number, audience)| {
            let names: Vec<String> = audience.iter().map(|number| name(*number)).collect();
            document(number, departments(&names.iter().map(String::as_str).collect::<Vec<_>>()))
        }).collect();
        let seen = manifest(&documents, &account, &RULES, days(now));
        for (document, audience) in documents.iter().zip(&audiences) {
            let expected = audience.iter().any(|number| counts(*number));
            prop_assert_eq!(seen.entries.iter().any(|entry| entry.id == document.id), expected);
        }
    }
}

#[test]
fn a_notice_is_short_text_and_says_since_when_it_is_one() {
    let content = |size| Content { size, ..document(1, Audience::Organisation).content };
    let id = DocumentId::from_bytes([1; 16]);
    let notice = Label { notice: true, media_type: MediaType::text(), ..label(Audience::Organisation) };
    let publish = |label: &Label, size| {
        rules::publish(id, label.clone(), content(size), 0, title(), acting()).map(|(document, _)| document)
    };
    let file = Label { media_type: MediaType::unknown(), ..notice.clone() };
    assert_eq!(publish(&file, 10), Err(DocumentError::NoticeIsNotText));
    assert_eq!(publish(&notice, MAX_NOTICE + 1), Err(DocumentError::NoticeTooLong));
    let made = publish(&notice, MAX_NOTICE).unwrap();

    let entries = |documents: &[Document]| manifest(documents, &posted(&["税務課"]), &RULES, noon()).entries;
    let told: Vec<_> = entries(&[made.clone(), document(2, Audience::Organisation)]);
    assert_eq!(told.iter().filter_map(|entry| entry.notice).collect::<Vec<_>>(), [acting().now]);
    let longer = rules::replace(
        Stored { version: Version(1), value: made },
        notice,
        Some(content(MAX_NOTICE + 1)),
        title(),
        acting(),
    );
    assert_eq!(longer.map(drop), Err(DocumentError::NoticeTooLong));
}
