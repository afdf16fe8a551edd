//! What `android-activity` tells, in our words; and the pointers that it hands over.

use android_activity::{AndroidApp, MainEvent, OnCreateState, PollEvent};
use jni::objects::JObject;
use jni::sys::jobject;
use jni::{Env, JavaVM};

use crate::jvm::System;
use crate::keystore::Fault;
use crate::life::Moment;

/// For `android_on_create`, which runs on the Java main thread before there is a frame: nobody pictures the window from here on.
pub fn created(state: &OnCreateState<'_>) -> Result<(), Fault> {
    system_of(state.activity_as_ptr().cast())?.keep_window_private()
}

/// The system behind this app.
pub fn system(app: &AndroidApp) -> Result<System, Fault> {
    system_of(app.activity_as_ptr().cast())
}

#[expect(unsafe_code, reason = "android-activity hands the activity over as a pointer")]
fn system_of(activity: jobject) -> Result<System, Fault> {
    let refused = |error: jni::errors::Error| Fault::Refused(error.to_string());
    let vm = JavaVM::singleton().map_err(refused)?;
    let of = vm.clone();
    vm.attach_current_thread(|env: &mut Env<'_>| {
        // SAFETY: android-activity keeps this reference as long as the activity is: it is valid while `activity` was got from its
        // state in the same call. It is only borrowed here; what `System` keeps is a reference of its own.
        let activity = unsafe { env.as_cast_raw::<JObject<'_>>(&activity)? };
        Ok(env.new_global_ref(&activity)?)
    })
    .map_err(refused)
    .map(|activity| System::new(of, activity))
}

/// The moment in the activity's life that an event is, if it is one.
pub fn moment(event: &PollEvent<'_>) -> Option<Moment> {
    let PollEvent::Main(event) = event else { return None };
    Some(match event {
        MainEvent::Start => Moment::Start,
        MainEvent::Resume { .. } => Moment::Resume,
        MainEvent::Pause => Moment::Pause,
        MainEvent::Stop => Moment::Stop,
        MainEvent::Destroy => Moment::Destroy,
        _ => return None,
    })
}
