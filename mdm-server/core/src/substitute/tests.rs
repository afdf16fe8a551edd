//! Substitutes for private-use characters.

use super::*;

fn source(name: &str) -> SourceName {
    SourceName::new(name).unwrap()
}

fn code(number: u32) -> CodePoint {
    CodePoint::try_from(number).unwrap()
}

fn text(text: &str) -> Option<Substitute> {
    Some(Substitute::new(text).unwrap())
}

fn acting() -> Acting {
    Acting { actor: Actor::Server, now: Timestamp::UNIX_EPOCH }
}

fn stored(changes: &Changeset) -> Option<Stored<Substitutes>> {
    match changes.writes.first()?.record.clone()? {
        Record::Substitutes(value) => Some(Stored { version: Version(1), value }),
        _ => None,
    }
}

#[test]
fn a_code_point_is_read_as_it_is_written_and_only_of_a_private_area() {
    for (written, number) in
        [("U+E000", 0xE000), ("u+f8ff", 0xF8FF), (" F0000 ", 0xF0000), ("10FFFD", 0x10_FFFD)]
    {
        let read: CodePoint = written.parse().unwrap();
        assert_eq!(u32::from(read), number);
        assert_eq!(read.to_string().parse(), Ok(read));
    }
    for wrong in ["", "U+", "U+9AD8", "+E000", "U+DFFF", "U+110000", "U+FFFFFFFFF", "髙", "E000 E001"] {
        assert_eq!(wrong.parse::<CodePoint>(), Err(NotPrivateUse), "{wrong}");
    }
}

#[test]
fn what_stands_for_a_character_can_be_seen_and_is_short() {
    for right in ["髙", "高", "はしご", "一二三四", "葛\u{E0100}", " 﨑 "] {
        assert_eq!(Substitute::new(right).unwrap().as_str(), right.trim());
    }
    for wrong in
        ["", " ", "一二三四五", "高 橋", "\u{E001}", "\u{FFFD}", "\u{200B}", "\u{202E}", "\u{E0100}", "高\n"]
    {
        let read = Substitute::new(wrong);
        assert!(read.is_err() || wrong.trim() == "高", "{wrong:?}: {read:?}");
    }
    assert!(Substitute::try_from("一二三四五".to_owned()).is_err(), "nor is it read from the store");
}

#[test]
fn a_text_is_shown_with_the_substitutes_of_its_source_and_of_no_other() {
    let (city, board) = (source("市長部局"), source("教育委員会"));
    let wanted = Changes::from([(code(0xE000), text("髙")), (code(0xE001), text("はしご"))]);
    let made = change(None, &city, &wanted, acting()).unwrap();
    let tables: Tables = stored(&made).map(|stored| stored.value).into_iter().collect();
    let name = "\u{E000}橋\u{E001}\u{E002}";
    assert_eq!(tables.printed(&city, name), "髙橋はしご\u{E002}");
    assert_eq!(tables.printed(&board, name), name);
    assert!(matches!(tables.printed(&city, "高橋"), Cow::Borrowed("高橋")));
    let pieces = [
        Piece::Substituted(code(0xE000), "髙"),
        Piece::Written("橋"),
        Piece::Substituted(code(0xE001), "はしご"),
        Piece::Unknown(code(0xE002)),
    ];
    assert_eq!(tables.pieces(&city, name), pieces);
    assert!(tables.lacks(&city, name) && tables.lacks(&board, name));
    assert!(!tables.lacks(&city, "\u{E000}橋") && !tables.lacks(&board, "高橋"));
}

#[test]
fn a_change_notes_code_points_and_what_changes_nothing_notes_nothing() {
    let city = source("市長部局");
    let made = change(None, &city, &Changes::from([(code(0xE000), text("髙"))]), acting()).unwrap();
    let event = &made.events[0];
    assert_eq!(event.what, Happening::SubstituteSet);
    let facts: Vec<_> = event.facts.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(facts, [("source", "市長部局"), ("code-point", "U+E000"), ("stands-for-it", "U+9AD9")]);
    assert!(event.personal.is_empty());

    let again = Changes::from([(code(0xE000), text("髙")), (code(0xE009), None)]);
    assert_eq!(change(stored(&made), &city, &again, acting()).unwrap(), Changeset::default());

    let removed = change(stored(&made), &city, &Changes::from([(code(0xE000), None)]), acting()).unwrap();
    assert_eq!(removed.events[0].what, Happening::SubstituteRemoved);
    assert_eq!(removed.writes[0].key, Key::Substitutes(city));
    assert_eq!(removed.writes[0].record, None, "an empty table is none");
}

#[test]
fn a_table_and_a_change_have_an_end() {
    let city = source("市長部局");
    let many = |from: u32, count: usize| -> Changes {
        (from..).take(count).map(|number| (code(number), text("髙"))).collect()
    };
    let too_many = change(None, &city, &many(0xE000, MAX_CHANGES + 1), acting());
    assert_eq!(too_many, Err(SubstituteError::TooManyChanges));
    let mut table = None;
    for part in 0..u32::try_from(MAX_ENTRIES / MAX_CHANGES).unwrap() {
        let from = 0xE000 + part * u32::try_from(MAX_CHANGES).unwrap();
        table = stored(&change(table, &city, &many(from, MAX_CHANGES), acting()).unwrap());
    }
    assert_eq!(table.as_ref().unwrap().value.entries.len(), MAX_ENTRIES);
    let one_more = change(table.clone(), &city, &many(0xF000, 1), acting());
    assert_eq!(one_more, Err(SubstituteError::TooMany));
    let other = Changes::from([(code(0xE000), text("高"))]);
    assert_eq!(change(table, &city, &other, acting()).unwrap().events.len(), 1);
}
