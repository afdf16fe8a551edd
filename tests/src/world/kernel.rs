//! What the kernel under the tests can confine, asked of the kernel and not of the product: where it can, a phone that is not
//! confined is a fault, whatever it says of itself.

use client_agent::Confinement;
use client_agent::confine::{Gap, Unconfined};
use landlock::{AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetError, Scope};

/// How far a program has to be confined here; `None` where the kernel has no Landlock, or has it switched off.
pub fn confinement(abstract_sockets: bool) -> Option<Confinement> {
    knows(|rules| rules.handle_access(AccessFs::ReadFile)).then_some(())?;
    let mut gaps = Vec::new();
    if !knows(|rules| rules.handle_access(AccessFs::Truncate)) {
        gaps.push(Gap::Truncation);
    }
    if !knows(|rules| rules.handle_access(AccessFs::IoctlDev)) {
        gaps.push(Gap::DeviceControl);
    }
    if !knows(|rules| rules.scope(Scope::Signal)) {
        gaps.push(Gap::Signals);
    }
    if abstract_sockets || !knows(|rules| rules.scope(Scope::AbstractUnixSocket)) {
        gaps.push(Gap::AbstractSockets);
    }
    Some(if gaps.is_empty() { Confinement::Full } else { Confinement::Partial(gaps) })
}

/// Whether `said` is what this kernel makes possible.
pub fn is_all_that_can_be(said: &Confinement, abstract_sockets: bool) -> bool {
    match confinement(abstract_sockets) {
        Some(expected) => *said == expected,
        None => matches!(said, Confinement::None(Unconfined::NotSupported | Unconfined::SwitchedOff)),
    }
}

/// Whether the kernel takes a set of rules that is enforced nowhere.
fn knows(ask: impl FnOnce(Ruleset) -> Result<Ruleset, RulesetError>) -> bool {
    ask(Ruleset::default().set_compatibility(CompatLevel::HardRequirement)).and_then(Ruleset::create).is_ok()
}
