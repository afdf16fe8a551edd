//! The ten steps of an erase as the four that a person understands.

use client_core::EraseStep;
use client_ui as ui;
use client_ui::EraseStepKind;

/// What is done when `next` comes next; `None` is the end.
pub(super) fn steps(next: Option<EraseStep>) -> Vec<ui::EraseStep> {
    let last = [
        (EraseStepKind::Close, EraseStep::CloseVault),
        (EraseStepKind::Keys, EraseStep::CheckKeysGone),
        (EraseStepKind::Data, EraseStep::RemoveData),
        (EraseStepKind::Receipt, EraseStep::SendReceipt),
    ];
    let done = |step: EraseStep| next.is_none_or(|next| next > step);
    last.into_iter().map(|(kind, step)| ui::EraseStep { kind, done: done(step) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_done_when_its_last_step_is() {
        let done = |next| steps(next).iter().filter(|step| step.done).count();
        let counts: Vec<_> = EraseStep::ALL.into_iter().map(|step| done(Some(step))).collect();
        assert_eq!(counts, [0, 0, 1, 1, 2, 3, 3, 4, 4, 4]);
        assert_eq!(done(None), 4);
    }
}
