//! One act, as a type: what a handler of the API or the console demands in its arguments.

use mdm_core::operator::Act;

/// What a handler demands.
pub(crate) trait Right: Send + Sync + 'static {
    /// The act.
    const ACT: Act;
}

macro_rules! right {
    ($($name:ident),+) => {
        $(
            pub(crate) struct $name;
            impl Right for $name {
                const ACT: Act = Act::$name;
            }
        )+
    };
}

right!(Read, Manage, Codes, Block, Wipe, Audit, Operators);
