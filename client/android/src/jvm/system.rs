//! What else is asked of Android: what it is, where the app's files lie, which network it uses, and that nobody pictures the window.

use std::path::PathBuf;

use jni::objects::{JObject, JString};
use jni::refs::Global;
use jni::{Env, JavaVM, jni_sig, jni_str};

use super::with;
use crate::keystore::Fault;

type Result<T> = jni::errors::Result<T>;

/// `WindowManager.LayoutParams.FLAG_SECURE`.
const FLAG_SECURE: i32 = 0x2000;

/// The system, by the app's activity.
pub struct System {
    vm: JavaVM,
    activity: Global<JObject<'static>>,
}

impl System {
    /// The system behind this activity.
    pub fn new(vm: JavaVM, activity: Global<JObject<'static>>) -> Self {
        Self { vm, activity }
    }

    /// The VM that it is asked through.
    pub fn vm(&self) -> JavaVM {
        self.vm.clone()
    }

    /// `Build.VERSION.SDK_INT`.
    pub fn api_level(&self) -> std::result::Result<i32, Fault> {
        with(&self.vm, |env| {
            let class = jni_str!("android/os/Build$VERSION");
            env.get_static_field(class, jni_str!("SDK_INT"), jni_sig!("I"))?.i()
        })
    }

    /// The model and the version of the system, as people know them.
    pub fn names(&self) -> std::result::Result<(String, String), Fault> {
        with(&self.vm, |env| {
            let build = jni_str!("android/os/Build");
            let sig = jni_sig!("Ljava/lang/String;");
            let model = env.get_static_field(build, jni_str!("MODEL"), sig)?.l()?;
            let version = jni_str!("android/os/Build$VERSION");
            let sig = jni_sig!("Ljava/lang/String;");
            let release = env.get_static_field(version, jni_str!("RELEASE"), sig)?.l()?;
            Ok((text(env, model)?, format!("Android {}", text(env, release)?)))
        })
    }

    /// The app's own folder that the system takes into no backup.
    pub fn files(&self) -> std::result::Result<PathBuf, Fault> {
        with(&self.vm, |env| {
            let folder = jni_sig!("()Ljava/io/File;");
            let folder =
                env.call_method(&self.activity, jni_str!("getNoBackupFilesDir"), folder, &[])?.l()?;
            let path = jni_sig!("()Ljava/lang/String;");
            let path = env.call_method(&folder, jni_str!("getAbsolutePath"), path, &[])?.l()?;
            Ok(PathBuf::from(text(env, path)?))
        })
    }

    /// The handle of the network in use; none if there is none.
    pub fn network(&self) -> std::result::Result<Option<u64>, Fault> {
        with(&self.vm, |env| {
            let name = env.new_string("connectivity")?;
            let service = jni_sig!("(Ljava/lang/String;)Ljava/lang/Object;");
            let manager = env
                .call_method(&self.activity, jni_str!("getSystemService"), service, &[(&name).into()])?
                .l()?;
            let active = jni_sig!("()Landroid/net/Network;");
            let network = env.call_method(&manager, jni_str!("getActiveNetwork"), active, &[])?.l()?;
            if network.is_null() {
                return Ok(None);
            }
            let handle = env.call_method(&network, jni_str!("getNetworkHandle"), jni_sig!("()J"), &[])?;
            Ok(Some(handle.j()?.cast_unsigned()))
        })
    }

    /// Has the system leave the window out of screenshots, recordings, mirrored screens and the list of recent apps. On the Java main
    /// thread, while the activity is created: no frame is before it.
    pub fn keep_window_private(&self) -> std::result::Result<(), Fault> {
        with(&self.vm, |env| {
            let window = jni_sig!("()Landroid/view/Window;");
            let window = env.call_method(&self.activity, jni_str!("getWindow"), window, &[])?.l()?;
            env.call_method(&window, jni_str!("addFlags"), jni_sig!("(I)V"), &[FLAG_SECURE.into()])?;
            Ok(())
        })
    }
}

fn text(env: &mut Env<'_>, object: JObject<'_>) -> Result<String> {
    env.cast_local::<JString<'_>>(object)?.try_to_string(env)
}
