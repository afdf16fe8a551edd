//! A damaged vault: what is offered against it, and what became of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use client_agent::{Mended, UnlockError, WayBack};
use client_ui as ui;
use client_ui::{Repair, Screen};
use slint::{ModelRc, VecModel};
use vault::{Collection, Lost, Salvaged};

use super::Session;
use crate::adapters::shared::{repair_of, spawn};
use crate::note::is_note;

/// Most of what is lost that is shown by name.
const MOST_NAMED: usize = 50;

/// What is being done about the damage that is known.
#[derive(Default)]
pub(super) struct Damage {
    /// What the person chose: the PIN that is typed next does it.
    mending: Cell<Option<WayBack>>,
    /// What became of it, until the person was told.
    mended: RefCell<Option<Mended>>,
}

impl Damage {
    /// Whether something would be forgotten if the process ended now.
    pub(super) fn is_being_mended(&self) -> bool {
        self.mending.get().is_some() || self.mended.borrow().is_some()
    }

    pub(super) fn mending(&self) -> Option<WayBack> {
        self.mending.get()
    }
}

impl Session {
    /// Shows the ways back, if it is damage that keeps the vault closed.
    pub(super) fn found_damage(&self, error: &UnlockError) -> bool {
        let Some(way) = WayBack::from_unlock(error) else { return false };
        tracing::error!(%error, "the vault is damaged");
        // A repair that leaves damage has not helped, and would not the next time.
        let repaired = self.damage.mending() == Some(WayBack::Repair);
        self.shared.offer(Some(if repaired { WayBack::StartOver } else { way }));
        self.forget_mending();
        self.shared.show(Screen::Repair);
        true
    }

    pub(super) fn forget_mending(&self) {
        self.set_mending(None);
    }

    fn set_mending(&self, way: Option<WayBack>) {
        self.damage.mending.set(way);
        self.shared.session(|session| session.set_mending(repair_of(way)));
    }

    /// The person has read what it costs: the PIN is asked for.
    pub(super) fn mend(self: &Rc<Self>, way: Repair) {
        let way = match way {
            Repair::Repair if self.shared.way_back() == Some(WayBack::Repair) => WayBack::Repair,
            Repair::StartOver if self.shared.way_back().is_some() => WayBack::StartOver,
            _ => return,
        };
        if self.busy.get() {
            return;
        }
        self.set_mending(Some(way));
        if self.shared.is_open() {
            // What was typed is stored on the way; the screen follows.
            spawn(Rc::clone(self).lock());
        } else {
            self.shared.show(Screen::Unlock);
        }
    }

    /// A vault was mended. Where it was closed again at once, that is told when it opens.
    pub(super) fn mended(&self, mended: Mended) {
        self.shared.offer(None);
        self.forget_mending();
        *self.damage.mended.borrow_mut() = Some(mended);
        if self.shared.is_open() {
            self.tell_mended();
        }
    }

    /// Tells what became of the damage, if the person does not know yet.
    pub(super) fn tell_mended(&self) {
        let Some(mended) = self.damage.mended.take() else { return };
        let repaired = match mended {
            Mended::Whole => ui::Repaired::default(),
            Mended::StartedOver => ui::Repaired { way: Repair::StartOver, ..ui::Repaired::default() },
            Mended::Repaired(salvaged) => report(&salvaged),
        };
        self.shared.session(|session| session.set_repaired(repaired));
        self.shared.show(Screen::Repaired);
    }
}

fn count(count: impl TryInto<i32>) -> i32 {
    count.try_into().unwrap_or(i32::MAX)
}

/// What a person understands of it: what the client keeps for itself is made anew unasked.
fn report(salvaged: &Salvaged) -> ui::Repaired {
    let seen: Vec<&Lost> = salvaged.lost.iter().filter(|lost| is_seen(lost)).collect();
    let named: Vec<_> = seen.iter().filter_map(|lost| item(lost)).take(MOST_NAMED).collect();
    ui::Repaired {
        way: Repair::Repair,
        kept: count(salvaged.kept),
        unnamed: count(seen.len() - named.len()),
        lost: ModelRc::new(VecModel::from(named)),
        newest: count(salvaged.commits_lost),
    }
}

/// Whether it is something that a person has seen: not what the client has noted of it for itself.
fn is_seen(lost: &Lost) -> bool {
    match lost.collection {
        Collection::State => false,
        Collection::Documents => !lost.unfinished && lost.name.as_deref().is_none_or(is_document),
        _ => true,
    }
}

/// The contents of a document, by the name that the agent gives them.
fn is_document(name: &str) -> bool {
    name.starts_with("content/")
}

fn item(lost: &Lost) -> Option<ui::LostItem> {
    let name = lost.name.as_deref()?;
    let kind = match lost.collection {
        Collection::Documents => ui::LostKind::Document,
        Collection::Notes | Collection::Outbox => ui::LostKind::Note,
        _ if is_note(name) => ui::LostKind::Note,
        _ => ui::LostKind::File,
    };
    let title = if kind == ui::LostKind::File { name } else { "" };
    Some(ui::LostItem { kind, title: title.into() })
}

#[cfg(test)]
mod tests {
    use vault::Damage;

    use super::*;

    fn lost(collection: Collection, name: Option<&str>) -> Lost {
        Lost { collection, name: name.map(str::to_owned), unfinished: false, damage: Damage::MissingRecord }
    }

    #[test]
    fn every_thing_of_the_person_is_named_or_counted_and_nothing_else() {
        let salvaged = Salvaged {
            kept: 7,
            lost: vec![
                lost(Collection::Documents, Some("content/1/2")),
                lost(Collection::Documents, Some("whole/1/2")),
                lost(Collection::Notes, Some("n")),
                lost(Collection::Files, Some("plan.pdf")),
                lost(Collection::Files, None),
                lost(Collection::State, Some("s")),
            ],
            index_lost: true,
            commits_lost: 3,
        };
        let report = report(&salvaged);
        assert_eq!((report.kept, report.unnamed, report.newest), (7, 1, 3));
        let kinds: Vec<_> = slint::Model::iter(&report.lost).map(|item| item.kind).collect();
        assert_eq!(kinds, [ui::LostKind::Document, ui::LostKind::Note, ui::LostKind::File]);
    }
}
