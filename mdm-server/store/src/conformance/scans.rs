//! Pages, orders and indexes.

use jiff::SignedDuration;
use jiff::civil::date;
use mdm_core::batch::BatchState;
use mdm_core::change::{Changeset, Key, Record, Stored};
use mdm_core::code::CodeState;
use mdm_core::license::Pool;
use mdm_core::mail::{MailItem, MailState};
use mdm_core::operator::{InvitationHash, OperatorName};

use super::{Place, samples};

pub(crate) async fn pages_hold_every_record_once_in_order(place: &impl Place) {
    let store = place.open();
    let numbers = [5, 3, 9, 1, 7, 200, 2, 0];
    let accounts = numbers.map(|number| {
        let mut account = samples::account(number);
        if number % 2 == 1 {
            account.source = samples::source("教育委員会");
        }
        Record::Account(account)
    });
    store.commit(samples::inserts(accounts)).await.unwrap();
    let mut seen = Vec::new();
    loop {
        let page = store.accounts(seen.last().copied(), 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 3);
        seen.extend(page.iter().map(|account| account.value.id));
    }
    assert_eq!(seen, [0, 1, 2, 3, 5, 7, 9, 200].map(samples::account_id));

    let schools = samples::source("教育委員会");
    let first = store.accounts_of_source(&schools, None, 2).await.unwrap();
    let rest = store.accounts_of_source(&schools, Some(first[1].value.id), 10).await.unwrap();
    let ids: Vec<_> = first.iter().chain(&rest).map(|account| account.value.id).collect();
    assert_eq!(ids, [1, 3, 5, 7, 9].map(samples::account_id));
    assert_eq!(store.accounts_of_source(&samples::source("教育"), None, 10).await.unwrap(), []);
    assert_eq!(store.accounts(None, 0).await.unwrap(), []);
}

pub(crate) async fn a_record_is_found_by_each_of_its_values(place: &impl Place) {
    let store = place.open();
    assert_eq!(store.pool().await.unwrap().value, Pool::default());
    let device = samples::device(1, 7);
    store
        .commit(samples::inserts([
            Record::Device(device.clone()),
            Record::Device(samples::device(2, 7)),
            Record::Device(samples::device(3, 8)),
            Record::Code(samples::code(1, 7, 10)),
            Record::Loss(samples::loss(7, 1)),
            Record::Loss(samples::loss(8, 2)),
            Record::Operator(samples::operator(4)),
            Record::Operator(samples::invited(5)),
            Record::Roster(samples::roster("市長部局", 3)),
            Record::Roster(samples::roster("消防", 1)),
            Record::Pool(Pool { size: 700, reserved: 20, assigned: 0, temporary: 0 }),
            Record::PlanChunk(samples::plan_chunk(1, 2, 3)),
            Record::BeforeChunk(samples::before_chunk(1, 2)),
            Record::UploadPart(samples::upload_part(1, 2)),
        ]))
        .await
        .unwrap();
    assert_eq!(store.device(device.enrolment).await.unwrap().unwrap().value, device);
    assert_eq!(store.device_by_key(&device.key).await.unwrap().unwrap().value, device);
    assert_eq!(store.device_by_key(&samples::device_key(99)).await.unwrap(), None);
    let of_account = store.devices_of_account(samples::account_id(7)).await.unwrap();
    assert_eq!(
        of_account.iter().map(|d| d.value.enrolment).collect::<Vec<_>>(),
        [1, 2].map(samples::enrolment)
    );
    assert_eq!(store.devices(Some(device.enrolment), 10).await.unwrap().len(), 2);
    let code = samples::code(1, 7, 10);
    assert_eq!(store.code(code.index).await.unwrap().unwrap().value, code);
    assert_eq!(store.codes_of_account(code.account).await.unwrap()[0].value, code);
    let loss = samples::loss(7, 1);
    let found = store.loss_of(loss.account).await.unwrap().unwrap();
    assert_eq!(found.value, loss);
    assert_eq!(store.loss(loss.index).await.unwrap().unwrap(), found);
    let (mut changes, newer) = (Changeset::default(), samples::loss(7, 3));
    changes.update(found.version, Record::Loss(newer.clone()));
    store.commit(changes).await.unwrap();
    assert_eq!(store.loss(loss.index).await.unwrap(), None, "what was replaced finds nobody");
    assert_eq!(store.loss(newer.index).await.unwrap().unwrap().value, newer);
    let operator = samples::operator(4);
    assert_eq!(store.operator(operator.id).await.unwrap().unwrap().value, operator);
    assert_eq!(store.operator_by_token(operator.token.unwrap()).await.unwrap().unwrap().value, operator);
    let name = |text| OperatorName::new(text).unwrap();
    assert_eq!(store.operator_by_name(&name("aDMIN-4")).await.unwrap().unwrap().value, operator);
    assert_eq!(store.operator_by_name(&name("Admin")).await.unwrap(), None);
    let invited = samples::invited(5);
    let hash = invited.invitation().unwrap().hash;
    assert_eq!(store.operator_by_invitation(hash).await.unwrap().unwrap().value, invited);
    assert_eq!(store.operator_by_invitation(InvitationHash([9; 32])).await.unwrap(), None);
    assert_eq!(store.operators().await.unwrap().len(), 2);
    let roster = store.roster(&samples::source("市長部局")).await.unwrap().unwrap();
    assert_eq!(roster.value.version, 3);
    assert_eq!(store.rosters().await.unwrap().len(), 2);
    assert_eq!(store.pool().await.unwrap().value.size, 700);
    let chunk = store.plan_chunk(samples::batch_id(1), 2).await.unwrap().unwrap();
    assert_eq!(chunk.value, samples::plan_chunk(1, 2, 3));
    let chunk = store.before_chunk(samples::batch_id(1), 2).await.unwrap().unwrap();
    assert_eq!(chunk.value, samples::before_chunk(1, 2));
    assert_eq!(store.before_chunk(samples::batch_id(1), 1).await.unwrap(), None);
    let part = store.upload_part(samples::batch_id(1), 2).await.unwrap().unwrap();
    assert_eq!(part.value, samples::upload_part(1, 2));
    assert_eq!(store.upload_part(samples::batch_id(1), 0).await.unwrap(), None);
}

pub(crate) async fn the_waiting_list_is_in_turn(place: &impl Place) {
    let store = place.open();
    let entries = [(1, 20, 0), (2, 10, 5), (3, 10, 2), (4, -5, 9), (5, 10, 2)];
    let records = entries.map(|(number, since, turn)| Record::Waiting(samples::waiting(number, since, turn)));
    store.commit(samples::inserts(records)).await.unwrap();
    let list = store.waiting_list(None, 10).await.unwrap();
    let order: Vec<_> = list.iter().map(|entry| entry.value.account).collect();
    assert_eq!(order, [4, 3, 5, 2, 1].map(samples::account_id));

    // Whoever moves in the list is in it once.
    let mut changes = Changeset::default();
    changes.update(list[0].version, Record::Waiting(samples::waiting(4, 30, 0)));
    store.commit(changes).await.unwrap();
    let seen = &list[2].value;
    let rest = store.waiting_list(Some((seen.since, seen.place, seen.account)), 10).await.unwrap();
    let order: Vec<_> = rest.iter().map(|entry| entry.value.account).collect();
    assert_eq!(order, [2, 1, 4].map(samples::account_id));
}

pub(crate) async fn days_of_use_are_in_the_order_of_the_calendar(place: &impl Place) {
    let store = place.open();
    let days = [date(2027, 4, 1), date(2026, 12, 31), date(2027, 3, 31), date(2027, 10, 9)];
    let records = days.map(|day| Record::DayOfUse(samples::day_of_use(day)));
    store.commit(samples::inserts(records)).await.unwrap();
    let first = store.days_of_use(None, 2).await.unwrap();
    assert_eq!(first[1].value, samples::day_of_use(date(2027, 3, 31)));
    let rest = store.days_of_use(Some(first[1].value.day), 10).await.unwrap();
    let seen: Vec<_> = first.iter().chain(&rest).map(|day| day.value.day).collect();
    assert_eq!(seen, [days[1], days[2], days[0], days[3]]);
    assert_eq!(store.days_of_use(Some(days[3]), 10).await.unwrap(), []);

    let again = samples::inserts([Record::DayOfUse(samples::day_of_use(days[0]))]);
    assert!(store.commit(again).await.unwrap_err().is_conflict(), "a day has one sample");
    let mut changes = Changeset::default();
    changes.delete(first[0].version, Key::DayOfUse(days[1]));
    store.commit(changes).await.unwrap();
    assert_eq!(store.days_of_use(None, 10).await.unwrap().len(), 3);
}

pub(crate) async fn queued_mail_is_in_order_of_its_time(place: &impl Place) {
    let store = place.open();
    let queued = |seconds| MailState::Queued { not_before: samples::at(seconds), tries: 0, obstacle: None };
    let sent = MailState::Sent { at: samples::at(5) };
    let items = [(1, 1, queued(30)), (2, 1, queued(10)), (3, 2, queued(20)), (4, 1, sent.clone())];
    let records = items.map(|(number, batch, state)| Record::Mail(samples::mail(number, batch, state)));
    store.commit(samples::inserts(records)).await.unwrap();

    let waiting = store.queued_mail(10).await.unwrap();
    let order =
        |items: &[Stored<MailItem>]| -> Vec<_> { items.iter().map(|item| item.value.account).collect() };
    assert_eq!(order(&waiting), [2, 3, 1].map(samples::account_id));
    let of_batch = store.mail_of_batch(samples::batch_id(1), None, 2).await.unwrap();
    assert_eq!(order(&of_batch), [1, 2].map(samples::account_id));
    let rest = store.mail_of_batch(samples::batch_id(1), Some(of_batch[1].value.code), 2).await.unwrap();
    assert_eq!(order(&rest), [samples::account_id(4)]);

    // What was sent waits no longer, and is still its batch's.
    let mut changes = Changeset::default();
    changes.update(waiting[0].version, Record::Mail(samples::mail(2, 1, sent.clone())));
    store.commit(changes).await.unwrap();
    assert_eq!(order(&store.queued_mail(1).await.unwrap()), [samples::account_id(3)]);
    let found = store.mail(waiting[0].value.code).await.unwrap().unwrap();
    assert_eq!(found.value.state, sent);
    assert_eq!(store.mail_of_batch(samples::batch_id(1), None, 10).await.unwrap().len(), 3);
}

pub(crate) async fn usable_codes_are_in_order_of_expiry(place: &impl Place) {
    let store = place.open();
    let codes = [(1, 30), (2, 10), (3, 20), (4, 10)];
    let records = codes.map(|(number, expires)| Record::Code(samples::code(number, 1, expires)));
    store.commit(samples::inserts(records)).await.unwrap();
    let page = store.usable_codes(None, 2).await.unwrap();
    assert_eq!(
        page.iter().map(|c| c.value.index).collect::<Vec<_>>(),
        [2, 4].map(|n| samples::code(n, 1, 0).index)
    );
    let after = page[1].value.expires_at + SignedDuration::ZERO;
    let rest = store.usable_codes(Some((after, page[1].value.index)), 10).await.unwrap();
    assert_eq!(rest.len(), 2);

    let mut expired = page[0].value.clone();
    expired.end(CodeState::Expired);
    let mut changes = Changeset::default();
    changes.update(page[0].version, Record::Code(expired));
    store.commit(changes).await.unwrap();
    assert_eq!(store.usable_codes(None, 10).await.unwrap().len(), 3);
    let all = store.codes_of_account(samples::account_id(1)).await.unwrap();
    assert!(all.is_sorted_by_key(|code| code.value.issued_at) && all.len() == 4);
}

pub(crate) async fn commands_are_in_their_order(place: &impl Place) {
    let store = place.open();
    let mut later_epoch = samples::command(1, 5, 1);
    later_epoch.order.epoch = 1;
    let records =
        [later_epoch, samples::command(2, 5, 3), samples::command(3, 5, 2), samples::command(4, 6, 1)];
    store.commit(samples::inserts(records.clone().map(Record::Command))).await.unwrap();
    let commands = store.commands_of(samples::enrolment(5)).await.unwrap();
    assert_eq!(commands.len(), 3);
    assert!(commands.is_sorted_by_key(|command| command.value.order));
    let found = store.command(records[3].id).await.unwrap().unwrap();
    assert_eq!(found.value, records[3]);
}

pub(crate) async fn columns_are_those_of_their_source(place: &impl Place) {
    let store = place.open();
    let tables = ["教育委員会", "市長部局"].map(samples::assignments);
    assert_eq!(store.assignments_of(&tables[0].source).await.unwrap(), None);
    store.commit(samples::inserts(tables.clone().map(Record::Assignments))).await.unwrap();
    let found = store.assignments_of(&tables[1].source).await.unwrap().unwrap();
    assert_eq!(found.value, tables[1]);
    let mut changes = Changeset::default();
    changes.delete(found.version, Key::Assignments(tables[1].source.clone()));
    store.commit(changes).await.unwrap();
    let left = store.assignments().await.unwrap();
    assert_eq!(left.into_iter().map(|stored| stored.value).collect::<Vec<_>>(), tables[..1]);
}

pub(crate) async fn substitutes_are_those_of_their_source(place: &impl Place) {
    let store = place.open();
    let tables = ["教育委員会", "市長部局"].map(samples::substitutes);
    assert_eq!(store.substitutes_of(&tables[0].source).await.unwrap(), None);
    store.commit(samples::inserts(tables.clone().map(Record::Substitutes))).await.unwrap();
    let found = store.substitutes_of(&tables[1].source).await.unwrap().unwrap();
    assert_eq!(found.value, tables[1]);
    let mut changes = Changeset::default();
    changes.delete(found.version, Key::Substitutes(tables[1].source.clone()));
    store.commit(changes).await.unwrap();
    let left = store.substitutes().await.unwrap();
    assert_eq!(left.into_iter().map(|stored| stored.value).collect::<Vec<_>>(), tables[..1]);
}

pub(crate) async fn batches_come_newest_first(place: &impl Place) {
    let store = place.open();
    let records = [3, 1, 2].map(|number| Record::Batch(samples::batch(number, BatchState::Planned)));
    store.commit(samples::inserts(records)).await.unwrap();
    let first = store.batches(None, 2).await.unwrap();
    let rest = store.batches(Some(first[1].value.id), 2).await.unwrap();
    let ids: Vec<_> = first.iter().chain(&rest).map(|batch| batch.value.id).collect();
    assert_eq!(ids, [3, 2, 1].map(samples::batch_id));
    assert_eq!(store.batch(samples::batch_id(2)).await.unwrap().unwrap().value.id, samples::batch_id(2));
}

pub(crate) async fn documents_are_in_the_order_they_were_published(place: &impl Place) {
    let store = place.open();
    let records = [3, 1, 2].map(|number| Record::Document(samples::document(number)));
    store.commit(samples::inserts(records)).await.unwrap();
    let first = store.documents(None, 2).await.unwrap();
    let rest = store.documents(Some(first[1].value.id), 2).await.unwrap();
    let documents: Vec<_> = first.into_iter().chain(rest).map(|stored| stored.value).collect();
    assert_eq!(documents, [1, 2, 3].map(samples::document));
    let found = store.document(samples::document(2).id).await.unwrap().unwrap();
    assert_eq!(found.value, samples::document(2));
    assert_eq!(store.document(samples::document(4).id).await.unwrap(), None);
}

pub(crate) async fn notes_are_in_the_order_of_their_changes(place: &impl Place) {
    let store = place.open();
    let records = [(7, 3, 2), (7, 1, 1), (7, 2, 9), (8, 1, 1)]
        .map(|(account, number, change)| Record::Note(samples::note(account, number, change)));
    store.commit(samples::inserts(records)).await.unwrap();
    store.commit(samples::inserts([Record::Shelf(samples::shelf(7, 9))])).await.unwrap();
    let account = samples::account_id(7);
    let changes = async |after, limit| {
        let notes = store.notes_changed(account, after, limit).await.unwrap();
        notes.iter().map(|note| note.value.change).collect::<Vec<_>>()
    };
    assert_eq!(changes(0, 2).await, [1, 2]);
    assert_eq!(changes(2, 10).await, [9]);
    assert_eq!(changes(9, 10).await, [0; 0]);
    assert_eq!(changes(u64::MAX, 10).await, [0; 0]);

    // A note that changes again is at its new place only.
    let first = samples::note(7, 1, 1);
    let stored = store.note(account, first.id).await.unwrap().unwrap();
    assert_eq!(stored.value, first);
    let mut changed = Changeset::default();
    changed.update(stored.version, Record::Note(samples::note(7, 1, 10)));
    store.commit(changed).await.unwrap();
    assert_eq!(changes(0, 10).await, [2, 9, 10]);

    assert_eq!(store.note(samples::account_id(9), first.id).await.unwrap(), None, "an id is one account's");
    assert_eq!(store.shelf(account).await.unwrap().unwrap().value, samples::shelf(7, 9));
    let page = store.notes(None, 3).await.unwrap();
    let last = page.last().map(|note| (note.value.account, note.value.id));
    let rest = store.notes(last, 3).await.unwrap();
    assert_eq!(rest.into_iter().map(|note| note.value).collect::<Vec<_>>(), [samples::note(8, 1, 1)]);
}
