//! The app on Android: the toolkit's own backend with the guard around it, the keys of the Keystore, and what follows from the life
//! cycle. The last file before the system; what can be decided is decided in `client-android`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use client_android::{Act, Life, NetworkWatch, activity};
use i_slint_backend_android_activity::AndroidPlatform;
use i_slint_backend_android_activity::android_activity::{AndroidApp, OnCreateState};

use crate::app::{App, Options, Teller};
use crate::engine::Told;
use crate::platform;

/// How often it is looked which network there is.
const LOOK_EVERY: Duration = Duration::from_secs(3);

#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "android-activity looks for this name")]
fn android_on_create(state: &OnCreateState<'_>) {
    // Without this there is no window to be shown: the process ends.
    activity::created(state).expect("the window is kept private");
}

#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "android-activity calls this name")]
fn android_main(app: AndroidApp) {
    // Standard error goes to the system's log, which other apps do not read.
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_ansi(false);
    log.with_writer(std::io::stderr).init();
    if let Err(error) = run(app) {
        tracing::error!("the app does not start: {error:#}");
    }
    // A process is used once, as on the desktop: nothing of its memory is there for what is opened next.
    std::process::exit(0);
}

fn run(app: AndroidApp) -> Result<()> {
    let system = activity::system(&app).context("the system does not answer")?;
    let device = client_android::of(&system, env!("CARGO_PKG_VERSION"))?;
    let home = system.files().context("the app has no folder")?.join("tamatebako");
    let (life, teller) = (RefCell::new(Life::default()), Rc::new(RefCell::new(None::<Teller>)));
    let listener = Rc::clone(&teller);
    let backend = AndroidPlatform::new_with_event_listener(app, move |event| {
        let Some(moment) = activity::moment(event) else { return };
        let told = match life.borrow_mut().at(moment) {
            Act::Nothing => return,
            Act::Lock => Told::Hidden,
            Act::Look => Told::Network,
            Act::End => Told::Terminate,
        };
        if let Some(teller) = listener.borrow().as_ref() {
            teller.tell(told);
        }
    });
    // Before the first window.
    let clipboard = platform::install_around(backend)?;
    let app = App::start(Options { device: Some(device), ..Options::new(home) }, clipboard)?;
    teller.replace(Some(app.teller()));
    let (watcher, mut watch) = (app.teller(), NetworkWatch::default());
    // It ends with the process: what it holds is the system's.
    std::thread::spawn(move || {
        loop {
            match system.network() {
                Ok(network) if watch.seen(network) => watcher.tell(Told::Network),
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "the network is not known"),
            }
            std::thread::sleep(LOOK_EVERY);
        }
    });
    app.run()?;
    Ok(())
}
