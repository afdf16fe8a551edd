//! The platform under the toolkit: a windowing backend with a guard around it. Must be installed before the first window.

mod clipboard;
mod guard;

pub use clipboard::AppClipboard;
pub use guard::GuardedPlatform;

use slint::PlatformError;
use slint::platform::{Platform, SetPlatformError};

/// Why there is no platform.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The windowing system is not there.
    #[error("no window can be opened: {0}")]
    Windowing(#[from] PlatformError),
    /// Somebody opened a window, or chose a platform, before the guard was in place.
    #[error("another platform was chosen before the guarded one: {0}")]
    Late(#[from] SetPlatformError),
}

/// Installs the desktop's windowing system with the guard around it.
///
/// The windows are drawn by the processor: the app has little to draw, and no driver keeps what it drew.
#[cfg(not(target_os = "android"))]
pub fn install() -> Result<AppClipboard, InstallError> {
    let backend = i_slint_backend_winit::Backend::builder().with_renderer_name("software").build()?;
    let clipboard = install_around(backend)?;
    // Desktops find icon and name of a window by it.
    slint::set_xdg_app_id("tamatebako")?;
    Ok(clipboard)
}

/// Installs any platform with the guard around it.
pub fn install_around(inner: impl Platform + 'static) -> Result<AppClipboard, InstallError> {
    let clipboard = AppClipboard::default();
    slint::platform::set_platform(Box::new(GuardedPlatform::new(inner, clipboard.clone())))?;
    Ok(clipboard)
}
