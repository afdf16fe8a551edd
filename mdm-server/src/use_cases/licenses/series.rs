//! How the pool stood, day by day: one sample a calendar day of the organisation, taken by the first pass of that day.

use jiff::Timestamp;
use jiff::civil::Date;
use mdm_core::change::Stored;
use mdm_core::license::{self, DayOfUse};
use mdm_store::MAX_PAGE;

use crate::directory;
use crate::service::Service;
use crate::use_cases::{UseCaseError, retry_on_conflict};

/// The organisation's calendar day at a time.
pub fn day_of(service: &Service, at: Timestamp) -> Date {
    at.to_zoned(service.config.zone()).date()
}

/// All samples after a day, the oldest first.
pub async fn days_of_use(
    service: &Service,
    mut after: Option<Date>,
) -> Result<Vec<Stored<DayOfUse>>, UseCaseError> {
    let mut days = Vec::new();
    loop {
        let page = service.store.days_of_use(after, MAX_PAGE).await?;
        let Some(last) = page.last() else { return Ok(days) };
        after = Some(last.value.day);
        days.extend(page);
    }
}

/// The samples from a day to a day, both with them, the oldest first; without a bound where none is given.
pub async fn days_between(
    service: &Service,
    from: Option<Date>,
    to: Option<Date>,
) -> Result<Vec<DayOfUse>, UseCaseError> {
    let days = days_of_use(service, from.and_then(|first| first.yesterday().ok())).await?;
    let wanted = |day: &DayOfUse| to.is_none_or(|last| day.day <= last);
    Ok(days.into_iter().map(|stored| stored.value).filter(wanted).collect())
}

/// Counts the seats of today, unless that was done. It is no event: nobody decided anything, and what was decided before has
/// its own.
pub(crate) async fn sample_today(service: &Service) -> Result<(), UseCaseError> {
    let today = day_of(service, service.clock.now());
    // The pass comes every half minute: all days are read once a day only.
    if let Ok(yesterday) = today.yesterday()
        && service.store.days_of_use(Some(yesterday), 1).await?.iter().any(|day| day.value.day == today)
    {
        return Ok(());
    }
    retry_on_conflict(|| async {
        let kept = days_of_use(service, None).await?;
        let counts = directory::current(service).await?.counts();
        let sample = DayOfUse::of(today, &counts.pool, counts.waiting, counts.never_signed_in);
        let changes = license::sample(&kept, sample);
        if !changes.writes.is_empty() {
            service.commit(changes).await?;
        }
        Ok(())
    })
    .await
}
