use jiff::SignedDuration;
use mdm_core::account::SourceName;
use mdm_core::audit::Actor;
use mdm_core::batch::{Mode, PlanWord};
use mdm_core::device::DeviceState;

use super::*;
use crate::testing::World;
use crate::use_cases::licenses;

async fn upload(world: &World, csv: &str) -> Batch {
    let source = SourceName::new("知事部局").unwrap();
    let upload = Upload {
        source,
        mode: Mode::Roster,
        declared: mdm_core::sheet::Declared::default(),
        file_name: None,
        effective_at: None,
        temporary_until: None,
    };
    super::upload(&world.service, csv.as_bytes().to_vec(), upload, Actor::Server).await.unwrap()
}

fn staff(rows: &[(u32, &str, bool)]) -> String {
    let mut csv = "職員番号,氏名,所属,利用\n".to_owned();
    for (number, department, wish) in rows {
        csv += &format!("{number:04},職員{number},{department},{}\n", if *wish { "○" } else { "×" });
    }
    csv
}

async fn look(world: &World, batch: &Batch) -> Outlook {
    let index = Index::read(&world.service, batch).await.unwrap();
    outlook(batch, &index, &crate::directory::current(&world.service).await.unwrap())
}

/// A source with people who hold seats, wait, work with a phone and ask for nothing.
async fn world_in_use() -> World {
    let world = World::new();
    licenses::set_pool(&world.service, 40, Actor::Server).await.unwrap();
    let rows: Vec<_> = (1..=60).map(|n| (n, "総務課", n <= 50)).collect();
    world.apply(&staff(&rows), Mode::Roster).await;
    for number in ["0001", "0002", "0003"] {
        world.device(world.account(number).await.id, DeviceState::Live).await;
    }
    world.clock.advance(SignedDuration::from_hours(24));
    world
}

#[tokio::test]
async fn what_is_said_of_seats_before_is_what_applying_does() {
    let world = world_in_use().await;
    // 1 to 12 leave, 13 to 15 withdraw, 41 and 42 stop waiting, 51 to 55 wish now, 100 to 109 are new.
    let kept = (13..=60).map(|n| {
        (
            n,
            if n < 20 { "税務課" } else { "総務課" },
            !(13..=15).contains(&n) && !(41..=42).contains(&n) && n <= 55,
        )
    });
    let rows: Vec<_> = kept.chain((100..110).map(|n| (n, "福祉課", true))).collect();
    let batch = upload(&world, &staff(&rows)).await;
    let before = look(&world, &batch).await;
    assert_eq!(before.asked, 15);
    assert_eq!(before.devices_to_block, 3);
    assert!(before.given_to_waiting > 0 && before.given > 0 && !before.would_wait.is_empty(), "{before:?}");

    let done = take_effect(&world.service, batch.id, Actor::Server).await.unwrap();
    assert_eq!(done.seats_freed, before.freed);
    assert_eq!(done.seats_given, before.given_to_waiting + before.given);
    assert_eq!(done.waiting, before.would_wait.len());
    assert_eq!(done.devices_to_block, before.devices_to_block);
    // Who is said to wait waits.
    let waiting = licenses::waiting(&world.service).await.unwrap();
    for line in lines::lines_at(&world.service, batch.id, &before.would_wait).await.unwrap() {
        assert!(waiting.iter().any(|(entry, _)| Some(entry.account) == line.item.account));
    }
}

#[tokio::test]
async fn lines_are_found_by_kind_wherever_they_stand() {
    let world = world_in_use().await;
    let rows: Vec<_> = (1..=60)
        .filter(|n| n % 7 != 0)
        .map(|n| (n, if n % 10 == 0 { "税務課" } else { "総務課" }, n <= 50))
        .collect();
    let batch = upload(&world, &staff(&rows)).await;
    let index = Index::read(&world.service, &batch).await.unwrap();
    for (word, count) in [
        (PlanWord::Move, batch.summary.moved),
        (PlanWord::Leave, batch.summary.leave),
        (PlanWord::Unchanged, batch.summary.unchanged),
    ] {
        let positions = index.positions(|other| other == word);
        assert_eq!(positions.len(), count as usize);
        let lines = lines::lines_at(&world.service, batch.id, &positions).await.unwrap();
        assert_eq!(lines.iter().map(|line| line.position).collect::<Vec<_>>(), positions);
        assert!(lines.iter().all(|line| line.item.kind.word() == word));
    }
    let all = items(&world.service, batch.id, 0, 1_000).await.unwrap();
    assert_eq!(all.len(), index.lines().count());
}
