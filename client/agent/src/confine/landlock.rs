//! Landlock: a plan as rules of the kernel. Rights of later kernels than are named here were not tried and are not asked for.

use ::landlock::{
    ABI, Access as _, AccessFs, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, make_bitflags,
};

use super::{Access, Allowed, Confinement, Gap, Plan, Unconfined};

/// The newest rights that are asked for.
const ASKED: ABI = ABI::V6;

pub(super) fn restrict(plan: &Plan) -> Confinement {
    match enforce(plan) {
        Ok(confinement) => confinement,
        Err(error) => {
            tracing::warn!(%error, "the kernel does not confine this process");
            Confinement::None(Unconfined::Refused)
        }
    }
}

fn enforce(plan: &Plan) -> Result<Confinement, RulesetError> {
    let scope: BitFlags<Scope> =
        if plan.abstract_sockets { Scope::Signal.into() } else { Scope::from_all(ASKED) };
    // Best effort, whose outcome is read from the status: an older kernel confines what it can.
    let mut rules = Ruleset::default().handle_access(AccessFs::from_all(ASKED))?.scope(scope)?.create()?;
    let home = Allowed::new(&plan.home, Access::ReadWrite);
    for allowed in plan.allowed.iter().chain([&home]) {
        // What is not there needs no rule; a home that is not there was refused before.
        if let Ok(file) = PathFd::new(&allowed.path) {
            rules = rules.add_rule(PathBeneath::new(file, rights(allowed)))?;
        }
    }
    let status = rules.restrict_self()?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, LandlockStatus::NotEnabled) => {
            Confinement::None(Unconfined::SwitchedOff)
        }
        (RulesetStatus::NotEnforced, _) => Confinement::None(Unconfined::NotSupported),
        (_, LandlockStatus::Available { effective_abi, .. }) => {
            let gaps = gaps(effective_abi, plan.abstract_sockets);
            if gaps.is_empty() { Confinement::Full } else { Confinement::Partial(gaps) }
        }
        _ => Confinement::None(Unconfined::NotSupported),
    })
}

/// Rights on folders are an error for files.
fn rights(allowed: &Allowed) -> BitFlags<AccessFs> {
    let rights = match allowed.access {
        Access::Read => make_bitflags!(AccessFs::{ReadFile | ReadDir}),
        Access::Run => make_bitflags!(AccessFs::{ReadFile | Execute}),
        // Without what makes devices: nobody needs one in a home.
        Access::ReadWrite => {
            AccessFs::from_all(ASKED)
                & !make_bitflags!(AccessFs::{Execute | MakeChar | MakeBlock | MakeFifo | MakeSym | IoctlDev})
        }
    };
    if allowed.path.is_dir() { rights } else { rights & AccessFs::from_file(ASKED) }
}

/// What a kernel of this ABI leaves open. Renaming between folders is never open: ABI 1 denies it by itself.
pub(super) fn gaps(abi: ABI, abstract_sockets: bool) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if abi < ABI::V3 {
        gaps.push(Gap::Truncation);
    }
    if abi < ABI::V5 {
        gaps.push(Gap::DeviceControl);
    }
    if abi < ABI::V6 {
        gaps.push(Gap::Signals);
    }
    if abi < ABI::V6 || abstract_sockets {
        gaps.push(Gap::AbstractSockets);
    }
    gaps
}
