use super::*;
use crate::sheet::Column;

fn header(text: &str) -> Header {
    Header::new(text).unwrap()
}

fn acting(second: i64) -> Acting {
    Acting { actor: Actor::Server, now: Timestamp::from_second(second).unwrap() }
}

fn source() -> SourceName {
    SourceName::new("知事部局").unwrap()
}

/// What is stored after a change.
fn after(changes: &Changeset) -> Option<Stored<Assignments>> {
    changes.writes.iter().find_map(|write| match &write.record {
        Some(Record::Assignments(table)) => Some(Stored { version: Version(1), value: table.clone() }),
        _ => None,
    })
}

fn facts(event: &AuditEvent) -> Vec<(&str, &str)> {
    event.facts.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn what_is_said_is_remembered_with_its_day_and_said_again_it_stays_as_it_is() {
    let number = Some(Meaning::Column(Column::StaffNumber));
    let wanted = Changes::from([(header("個人番号"), number), (header("備考"), Some(Meaning::Ignored))]);
    let first = change(None, &source(), &wanted, acting(1)).unwrap();
    assert_eq!(first.events.len(), 1);
    let said = [("source", "知事部局"), ("headers", "2"), ("attributes", "ignored staff-number")];
    assert_eq!(facts(&first.events[0]), said);
    let stored = after(&first).unwrap();
    assert!(stored.value.entries.values().all(|remembered| remembered.said_at == acting(1).now));

    let again = change(Some(stored.clone()), &source(), &wanted, acting(2)).unwrap();
    assert!(again.writes.is_empty() && again.events.is_empty());
    let other = Changes::from([(header(" 備 考"), Some(Meaning::Column(Column::Title)))]);
    let changed = after(&change(Some(stored), &source(), &other, acting(2)).unwrap()).unwrap().value;
    assert_eq!(changed.entries.len(), 2, "blanks make no other header");
    assert_eq!(changed.entries[&header("備考")].said_at, acting(2).now);
    assert_eq!(changed.entries[&header("個人番号")].said_at, acting(1).now);
}

#[test]
fn what_is_forgotten_last_takes_the_record_with_it() {
    let wanted = Changes::from([(header("備考"), Some(Meaning::Ignored))]);
    let stored = after(&change(None, &source(), &wanted, acting(1)).unwrap());
    let wanted = Changes::from([(header("備考"), None), (header("内線"), None)]);
    let forgotten = change(stored, &source(), &wanted, acting(2)).unwrap();
    assert_eq!(forgotten.events[0].what, Happening::ColumnsForgotten);
    assert_eq!(facts(&forgotten.events[0])[1], ("headers", "1"));
    assert!(forgotten.writes.len() == 1 && forgotten.writes[0].record.is_none());
    assert!(change(None, &source(), &wanted, acting(2)).unwrap().writes.is_empty(), "control: nothing there");
}

#[test]
fn no_more_headers_are_remembered_than_there_may_be() {
    let wanted = |count: usize| -> Changes {
        (0..count).map(|number| (header(&format!("列{number}")), Some(Meaning::Ignored))).collect()
    };
    assert!(change(None, &source(), &wanted(MAX_ASSIGNED), acting(1)).is_ok());
    assert_eq!(change(None, &source(), &wanted(MAX_ASSIGNED + 1), acting(1)), Err(TooManyHeaders));
}

#[test]
fn what_is_said_with_a_file_goes_before_what_is_remembered() {
    let wanted = Changes::from([
        (header("備考"), Some(Meaning::Ignored)),
        (header("ID"), Some(Meaning::Column(Column::StaffNumber))),
    ]);
    let stored = after(&change(None, &source(), &wanted, acting(1)).unwrap()).unwrap().value;
    let said = Assigned::from([(header("備考"), Meaning::Column(Column::Title))]);
    let both = Assignments::beside(Some(&stored), &said);
    assert_eq!(both[&header("備考")], Meaning::Column(Column::Title));
    assert_eq!(both[&header("ＩＤ")], Meaning::Column(Column::StaffNumber));
    let mut columns: Vec<AssignedColumn> = both
        .iter()
        .map(|(header, meaning)| AssignedColumn {
            header: header.clone(),
            meaning: *meaning,
            otherwise: None,
            since: None,
        })
        .collect();
    Assignments::date(Some(&stored), &said, &mut columns);
    let since: BTreeMap<&str, Option<Timestamp>> =
        columns.iter().map(|column| (column.header.as_str(), column.since)).collect();
    assert_eq!(since["備考"], None);
    assert_eq!(since["ID"], Some(acting(1).now));
}
