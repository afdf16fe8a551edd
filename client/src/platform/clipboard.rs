//! The app's own clipboard: what is copied or selected inside stays here, in this process, until the vault closes.

use std::cell::RefCell;
use std::rc::Rc;

use shared::crypto::hazmat::sha256;
use shared::policy::ClipboardMode;
use slint::platform::Clipboard;
use zeroize::Zeroizing;

/// Text from inside, and the outside clipboard as it was at that time.
struct Copied {
    text: Zeroizing<String>,
    outside: Option<[u8; 32]>,
}

#[derive(Default)]
struct Contents {
    mode: ClipboardMode,
    copied: Option<Copied>,
    selected: Option<Zeroizing<String>>,
}

/// A handle on the app's clipboard. All handles are of one clipboard.
#[derive(Clone, Default)]
pub struct AppClipboard(Rc<RefCell<Contents>>);

impl AppClipboard {
    /// Which way text may be copied from now on. What is there stays, unless copying is blocked altogether.
    pub fn set_mode(&self, mode: ClipboardMode) {
        self.0.borrow_mut().mode = mode;
        if matches!(mode, ClipboardMode::Blocked | ClipboardMode::Unknown) {
            self.clear();
        }
    }

    /// Which way text may be copied.
    pub fn mode(&self) -> ClipboardMode {
        self.0.borrow().mode
    }

    /// Forgets what was copied and selected.
    pub fn clear(&self) {
        let mut contents = self.0.borrow_mut();
        contents.copied = None;
        contents.selected = None;
    }

    /// Keeps a text that was copied or selected inside. `outside` looks at the clipboard of the other apps.
    pub(super) fn keep(&self, text: &str, which: &Clipboard, outside: impl FnOnce() -> Option<String>) {
        let mode = self.mode();
        if matches!(mode, ClipboardMode::Blocked | ClipboardMode::Unknown) {
            return;
        }
        let text = Zeroizing::new(text.to_owned());
        match which {
            Clipboard::DefaultClipboard => {
                // Asked only where it matters: the clipboard's owner can be slow to answer.
                let outside = (mode == ClipboardMode::InsideIn).then(outside).flatten();
                let outside = outside.as_deref().map(digest);
                self.0.borrow_mut().copied = Some(Copied { text, outside });
            }
            Clipboard::SelectionClipboard => self.0.borrow_mut().selected = Some(text),
            // Of a later version of the toolkit: what it is for is not known, so nothing is kept.
            _ => {}
        }
    }

    /// The text to paste. Where text of other apps may come in, the clipboard that was filled last wins; a selection made
    /// inside wins over one made outside.
    pub(super) fn text(&self, which: &Clipboard, outside: impl FnOnce() -> Option<String>) -> Option<String> {
        let contents = self.0.borrow();
        match contents.mode {
            ClipboardMode::Blocked | ClipboardMode::Unknown => return None,
            ClipboardMode::Inside | ClipboardMode::InsideIn => {}
        }
        let outside = || (contents.mode == ClipboardMode::InsideIn).then(outside).flatten();
        match which {
            Clipboard::DefaultClipboard => {
                let Some(copied) = &contents.copied else { return outside() };
                let newer = outside().filter(|text| Some(digest(text)) != copied.outside);
                Some(newer.unwrap_or_else(|| copied.text.to_string()))
            }
            Clipboard::SelectionClipboard => match &contents.selected {
                Some(selected) => Some(selected.to_string()),
                None => outside(),
            },
            _ => None,
        }
    }
}

fn digest(text: &str) -> [u8; 32] {
    sha256(&[text.as_bytes()])
}
