//! What was acknowledged is there after the store was closed, without any farewell.

use mdm_core::change::Record;

use super::{Place, journal, large, samples};

pub(crate) async fn all_that_was_acknowledged_is_there_again(place: &impl Place) {
    let mut head = None;
    for number in 0..5 {
        let store = place.open();
        if let Some(head) = &head {
            assert_eq!(store.journal_head().await.unwrap(), *head);
        }
        let mut changes = samples::inserts([
            Record::Account(samples::account(number)),
            Record::Device(samples::device(number, number)),
        ]);
        changes.note(samples::event(number));
        head = Some(store.commit(changes).await.unwrap().head);
    }
    let store = place.open();
    for number in 0..5 {
        let device = store.device_by_key(&samples::device_key(number)).await.unwrap().unwrap();
        assert_eq!(device.value, samples::device(number, number));
    }
    assert_eq!(journal::check(&store).await.len(), 5);
}

pub(crate) async fn a_large_change_is_there_again(place: &impl Place) {
    let store = place.open();
    large::upload(&store).await;
    store.commit_large(large::april(&store).await).await.unwrap();
    drop(store); // while it is still being moved into place
    assert!(large::check_whole(&place.open()).await);
}

pub(crate) async fn large_values_are_there_again(place: &impl Place) {
    let store = place.open();
    let chunk = |number| samples::plan_chunk(1, number, 370);
    for number in 0..40 {
        store.commit(samples::inserts([Record::PlanChunk(chunk(number))])).await.unwrap();
    }
    drop(store);
    let store = place.open();
    for number in 0..40 {
        let stored = store.plan_chunk(samples::batch_id(1), number).await.unwrap().unwrap();
        assert_eq!(stored.value, chunk(number));
    }
}
