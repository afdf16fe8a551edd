//! The agent as an app of Android without screens: Keystore, vault, network and life cycle as in the app, and no window's contents. It
//! is what `cargo xtask android-check` links, where the toolkit's renderer cannot be had. It enrols nobody: an enrolment that is there
//! is kept connected, so that it gets its commands.
#![cfg(target_os = "android")]

use std::sync::Arc;
use std::time::Duration;

use android_activity::{AndroidApp, OnCreateState};
use client_agent::{Agent, Event, Observer};
use client_android::{Act, Life, NetworkWatch, activity};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use vault::Home;

/// How often it is looked which network there is.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Nobody is shown what happens.
struct Unseen;

impl Observer for Unseen {
    fn event(&self, _event: Event) {}
}

#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "android-activity looks for this name")]
fn android_on_create(state: &OnCreateState<'_>) {
    // Without this there is no window to be shown: the process ends.
    activity::created(state).expect("the window is kept private");
}

#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "android-activity calls this name")]
fn android_main(app: AndroidApp) {
    run(&app).expect("keys, folder and threads");
}

fn run(app: &AndroidApp) -> Result<(), Box<dyn std::error::Error>> {
    let system = activity::system(app)?;
    let platform = client_android::of(&system, env!("CARGO_PKG_VERSION"))?;
    let home = Home::new(system.files()?.join("tamatebako"));
    home.create()?;
    let agent = Agent::open(home, platform, Arc::new(Unseen))?;
    let runtime = Runtime::new()?;
    let (mut life, mut watch, mut connection) = (Life::default(), NetworkWatch::default(), None);
    loop {
        let mut act = Act::Nothing;
        app.poll_events(Some(LOOK_EVERY), |event| {
            act = activity::moment(&event).map_or(Act::Nothing, |moment| life.at(moment));
        });
        let another_network = watch.seen(system.network()?);
        match act {
            Act::Lock => agent.lock(),
            Act::End => {
                agent.lock();
                return Ok(());
            }
            Act::Look => connect(&runtime, &agent, &mut connection),
            Act::Nothing if another_network => connect(&runtime, &agent, &mut connection),
            Act::Nothing => {}
        }
    }
}

/// Connects at once, instead of after the pause that failures have led to.
fn connect(runtime: &Runtime, agent: &Arc<Agent>, connection: &mut Option<JoinHandle<()>>) {
    let agent = Arc::clone(agent);
    let next = runtime.spawn(async move {
        if let Err(error) = agent.run().await {
            tracing::info!(%error, "not connected");
        }
    });
    if let Some(before) = connection.replace(next) {
        before.abort();
    }
}
